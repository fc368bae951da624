"""What an examination finds: a row for each check, as a table for people and as JSON. Pure."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from proxy.profile.base import make_printable


class Status(StrEnum):
    """How a check ended. A skipped one says why: there is nothing to check, or another check failed."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


class Verdict(NamedTuple):
    """What one check has found."""

    status: Status
    text: str


def ok(text: str) -> Verdict:
    return Verdict(Status.OK, text)


def warning(text: str) -> Verdict:
    return Verdict(Status.WARNING, text)


def failure(text: str) -> Verdict:
    return Verdict(Status.FAILURE, text)


def skipped(text: str) -> Verdict:
    return Verdict(Status.SKIPPED, text)


class CheckResult(NamedTuple):
    """A check and its verdict."""

    key: str
    """The name in JSON, for example `middle_page`."""
    verdict: Verdict
    seconds: float
    """For which the check ran."""


class AccountReport(NamedTuple):
    """The rows of one account."""

    account: str
    """The AccountSid of old programs."""
    upstream: str
    """Profile and place of its upstream."""
    rows: Sequence[CheckResult]

    def count_status(self, status: Status) -> int:
        return sum(row.verdict.status is status for row in self.rows)


def exit_status(reports: Sequence[AccountReport]) -> int:
    """Return 0, 1 where there are warnings, and 2 where there are failures."""
    if any(report.count_status(Status.FAILURE) for report in reports):
        return 2
    return int(any(report.count_status(Status.WARNING) for report in reports))


def to_json(reports: Sequence[AccountReport]) -> Mapping[str, Any]:
    """Return the reports as plain values; seconds have three decimals."""
    return {
        "accounts": [
            {
                "account": report.account,
                "upstream": report.upstream,
                "checks": [
                    {
                        "check": row.key,
                        "status": row.verdict.status,
                        "text": row.verdict.text,
                        "seconds": round(row.seconds, 3),
                    }
                    for row in report.rows
                ],
            }
            for report in reports
        ],
        "warnings": sum(report.count_status(Status.WARNING) for report in reports),
        "failures": sum(report.count_status(Status.FAILURE) for report in reports),
    }


_INDENT = " " * 38
"""Before the text: status, name and time."""


def format_row(row: CheckResult, width: int, style: Callable[[Status, str], str]) -> str:
    """Return a row in lines of at most `width` characters; `style` colours a text by the status."""
    verdict = row.verdict
    took = "" if verdict.status is Status.SKIPPED else f"{row.seconds * 1000:.0f} ms"
    # Paths and Sids stay whole, so that a terminal can open and copy them
    text = textwrap.fill(
        make_printable(verdict.text),
        max(width, 2 * len(_INDENT)),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
    status = style(verdict.status, f"{verdict.status:7}")
    return f"  {status}  {row.key.replace('_', ' '):16} {took:>8}  {text[len(_INDENT) :]}".rstrip()


def format_summary(reports: Sequence[AccountReport]) -> str:
    """Return the last line: whether old programs can be pointed at this configuration."""
    failures, warnings = (
        sum(report.count_status(status) for report in reports) for status in (Status.FAILURE, Status.WARNING)
    )
    summary = "Old programs would notice the failures" if failures else "This can stand behind the 2008 API"
    return f"{plural(failures, 'failure', none='no')}, {plural(warnings, 'warning', none='no')}. {summary}."


def plural(number: int, noun: str, none: str = "0") -> str:
    """Return a number and its noun, as `2 items`."""
    return f"{number or none} {noun}{'' if number == 1 else 's'}"
