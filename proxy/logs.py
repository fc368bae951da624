"""The log: what happens to the program, for those who run it.

Laws: accounts and caller IDs are shown by their Sids, numbers by their last four digits; never a code, a
token, a query, a header or a body. What an exception says may quote one of them, so only its type is told and
where it came from. (The sandbox, whose numbers are nobody's, names them whole.)
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

_log = logging.getLogger("proxy")

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


def unhandled(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what has failed while nobody waited for it; a loop's own words show arguments and exceptions."""
    error = context.get("exception")
    _log.error("something failed that nobody waits for" if error else context["message"], exc_info=error)


def to_stderr() -> None:
    """Write everything that matters to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
