"""What a configuration would ask and answer, without an upstream: for the commands explain and translate."""

from proxy.explain.explanation import Explanation, Row, explain_forwarding
from proxy.explain.messages import format_call, parse_replies, parse_request
from proxy.explain.rehearsal import Rehearsal, rehearse

__all__ = [
    "Explanation",
    "Rehearsal",
    "Row",
    "explain_forwarding",
    "format_call",
    "parse_replies",
    "parse_request",
    "rehearse",
]
