"""The log: what happens to the program, for those who run it.

Laws: accounts and caller IDs are shown by their Sids, numbers by their last four digits; never a code, a
token, a query, a header or a body. What an exception says may quote one of them, so only its type is told and
where it came from. (The sandbox, whose numbers are nobody's, names them whole.) What others can bring about
as often as they like is told once a minute.
"""

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

_log = logging.getLogger("proxy")

# What clients and upstreams can bring about; of workers and of Redis each change is told
_PROVOKED = ("proxy", "proxy.security", "proxy.server")
_A_MINUTE = 60  # seconds
_MOST = 1024  # lines

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Formatter(logging.Formatter):
    """Writes the message, and of an exception whatever it cannot quote."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the library's name
        """Write where an exception came from, and of which type it is, and so for what led to it."""
        error, lines = ei[1], list[str]()
        while error is not None:
            lines[:0] = [*traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}\n"]
            error = error.__cause__ or error.__context__
        return "".join(lines).rstrip("\n")


class RateLimitFilter(logging.Filter):
    """Lets the same line through once a minute, which then tells how often it has been left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without having told anything."""
        super().__init__()
        self._clock = clock
        self._told: dict[tuple[str, type[BaseException] | None], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is told now."""
        if record.name not in _PROVOKED:
            return True
        now, message = self._clock(), record.getMessage()
        line = message, record.exc_info[0] if record.exc_info else None
        due, left_out = self._told.pop(line, (now, 0))
        is_due = now >= due
        self._told[line] = (now + _A_MINUTE, 0) if is_due else (due, left_out + 1)
        if len(self._told) > _MOST:
            del self._told[next(iter(self._told))]  # the one that was not heard of for longest
        if is_due and left_out:
            record.msg, record.args = f"{message} (left out before: {left_out} more)", ()
        return is_due


def unhandled(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what has failed while nobody waited for it; a loop's own words show arguments and exceptions."""
    error = context.get("exception")
    _log.error("something failed that nobody waits for" if error else context["message"], exc_info=error)


def to_stderr() -> None:
    """Write everything that matters to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    handler.addFilter(RateLimitFilter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
