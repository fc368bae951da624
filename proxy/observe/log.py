"""The log: what happens to the program, for its operator.

Laws: accounts and caller IDs appear by their Sids, numbers by their last four digits; codes, tokens, queries,
headers and bodies never do. The message of an exception may quote one of them, so only its type is written,
and where it was raised. (The sandbox, whose numbers are made up, writes them in full.) A line that clients
and upstreams can cause at will is written once a minute.
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

# Clients and upstreams cause these; of workers and of Redis every change is written
_RATE_LIMITED = ("proxy", "proxy.security", "proxy.server")
_PERIOD = 60  # seconds
_MAX_LINES = 1024

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Formatter(logging.Formatter):
    """Writes the message, and of an exception only what cannot quote anything."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the library's name
        """Write the traceback and the type of an exception, and of those that caused it."""
        error, lines = ei[1], list[str]()
        while error is not None:
            lines[:0] = [*traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}\n"]
            error = error.__cause__ or error.__context__
        return "".join(lines).rstrip("\n")


class RateLimitFilter(logging.Filter):
    """Lets a line through once a minute; the next time it says how often it has been left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._written: dict[tuple[str, type[BaseException] | None], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name not in _RATE_LIMITED:
            return True
        now, message = self._clock(), record.getMessage()
        line = message, record.exc_info[0] if record.exc_info else None
        due, left_out = self._written.pop(line, (now, 0))
        is_due = now >= due
        self._written[line] = (now + _PERIOD, 0) if is_due else (due, left_out + 1)
        if len(self._written) > _MAX_LINES:
            del self._written[next(iter(self._written))]  # the one that was used longest ago
        if is_due and left_out:
            record.msg, record.args = f"{message} (left out before: {left_out} more)", ()
        return is_due


def log_unhandled(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log the failure of a task that nothing awaits; asyncio's own message shows arguments and exceptions."""
    error = context.get("exception")
    _log.error("a background task failed" if error else context["message"], exc_info=error)


def log_to_stderr() -> None:
    """Write lines of level INFO and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    handler.addFilter(RateLimitFilter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
