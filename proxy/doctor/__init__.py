"""Whether a configuration works against its real upstreams: for the command doctor."""

from proxy.doctor.examination import Examination, ExaminationScope
from proxy.doctor.verdicts import AccountReport, Status, exit_status, format_row, format_summary, to_json

__all__ = [
    "AccountReport",
    "Examination",
    "ExaminationScope",
    "Status",
    "exit_status",
    "format_row",
    "format_summary",
    "to_json",
]
