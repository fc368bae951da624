"""The log: what happens to the program, for its operator.

Laws: accounts and caller IDs appear by their Sids, numbers by their last four digits; codes, tokens, queries,
headers and bodies never do. The message of an exception may quote one of them, so only its type is written,
and where it was raised. (The sandbox, whose numbers are made up, writes them in full.) A line that clients
and upstreams can cause at will is written once a minute. No line waits for the reader of standard error.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import orjson

from proxy.observe.stderr import Output

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]

_log = logging.getLogger("proxy")

# Clients and upstreams cause these; of workers and of Redis every change is written
_RATE_LIMITED = ("proxy", "proxy.security", "proxy.server", "proxy.upstream")
_STDERR = 2
_PERIOD = 60  # seconds
_MAX_LINES = 1024
_MAX_A_PERIOD = 200  # lines: clients can make up accounts at will

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered, as log lines name it."""

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def write(
    log: logging.Logger, level: int, line: str, fields: Mapping[str, Any], limited_by: Hashable = None
) -> None:
    """Write a line, with the same as `fields` for programs; once a minute for each `limited_by`."""
    log.log(level, "%s", line, extra={"fields": fields, "limited_by": limited_by})


class Formatter(logging.Formatter):
    """Writes time, level, component, message and request; of an exception only what cannot quote anything."""

    def __init__(self, kind: Format = "console") -> None:
        super().__init__()
        self._format = _format_json if kind == "json" else _format_console

    def format(self, record: logging.LogRecord) -> str:
        return self._format(
            {
                "time": _format_time(record.created),
                "level": record.levelname.lower(),
                "component": record.name.removeprefix("proxy."),
                "message": record.getMessage(),
                "request": request_id.get(),
                "exception": self.formatException(record.exc_info) if record.exc_info else "",
            },
            getattr(record, "fields", {}),
        )

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the library's name
        """Write the traceback and the type of an exception, and of those that caused it."""
        error, lines = ei[1], list[str]()
        while error is not None:
            lines[:0] = [*traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}\n"]
            error = error.__cause__ or error.__context__
        return "".join(lines).rstrip("\n")


def _format_time(seconds: float) -> str:
    """Write an instant as RFC 3339 does, in UTC: `2026-11-28T17:21:20.123Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _format_console(line: Mapping[str, str], _: Mapping[str, Any]) -> str:
    request = f" [{line['request']}]" if line["request"] else ""
    text = f"{line['time']} {line['level']:7} {line['component']}: {line['message']}{request}"
    return f"{text}\n{line['exception']}" if line["exception"] else text


def _format_json(line: Mapping[str, str], fields: Mapping[str, Any]) -> str:
    given = {name: text for name, text in line.items() if text}
    return orjson.dumps({**given, **fields, **given}, default=str).decode()


class RateLimitFilter(logging.Filter):
    """Lets a line through once a minute; the next time it says how often it has been left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MAX_A_PERIOD) -> None:
        super().__init__()
        self._clock = clock
        self._most = most
        self._written: dict[Hashable, tuple[float, int]] = {}
        self._period, self._count = clock(), 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name not in _RATE_LIMITED:
            return True
        now, message = self._clock(), record.getMessage()
        key: Hashable = getattr(record, "limited_by", None)
        if key is None:
            key = message, record.exc_info[0] if record.exc_info else None
        due, left_out = self._written.pop(key, (now, 0))
        is_due = now >= due and self._has_room(now)
        self._written[key] = (now + _PERIOD, 0) if is_due else (due, left_out + 1)
        if len(self._written) > _MAX_LINES:
            del self._written[next(iter(self._written))]  # the one that was used longest ago
        if is_due and left_out:
            record.msg, record.args = f"{message} (left out before: {left_out} more)", ()
        return is_due

    def _has_room(self, now: float) -> bool:
        if now >= self._period + _PERIOD:
            self._period, self._count = now, 0
        self._count += 1
        return self._count <= self._most


class _Handler(logging.Handler):
    """Writes to standard error, and says how many lines it had no room for."""

    def __init__(self) -> None:
        super().__init__()
        self.output = Output(_STDERR)
        self.dropped = 0
        self.on_drop: Callable[[], None] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        if self.dropped and self._write(_dropped(self.dropped)):
            self.dropped = 0
        if self.dropped or not self._write(record):
            self.dropped += 1
            self.on_drop()

    def _write(self, record: logging.LogRecord) -> bool:
        return self.output.write(f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))


def _dropped(count: int) -> logging.LogRecord:
    line = "lines were left out, as standard error was not read: %d"
    return logging.LogRecord("proxy.log", logging.WARNING, __file__, 0, line, (count,), None)


def log_unhandled(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log the failure of a task that nothing awaits; asyncio's own message shows arguments and exceptions."""
    error = context.get("exception")
    _log.error("a background task failed" if error else context["message"], exc_info=error)


def log_to_stderr() -> None:
    """Write lines of level INFO and above to standard error, unless the log goes elsewhere already."""
    if logging.getLogger().handlers:
        return
    handler = _Handler()
    handler.addFilter(RateLimitFilter())
    logging.getLogger().addHandler(handler)
    configure()


def configure(level: Level = "info", kind: Format = "console") -> None:
    """Write lines of a level and above, in a format; without `log_to_stderr` nothing is written."""
    root, lowest = logging.getLogger(), logging.getLevelNamesMapping()[level.upper()]
    _log.setLevel(lowest)
    root.setLevel(max(lowest, logging.INFO))  # what libraries say below that may quote requests
    for handler in _handlers():
        handler.setFormatter(Formatter(kind))


def count_dropped(on_drop: Callable[[], None]) -> None:
    """Call a function for each line that standard error has no room for."""
    for handler in _handlers():
        handler.on_drop = on_drop


def _handlers() -> list[_Handler]:
    return [each for each in logging.getLogger().handlers if isinstance(each, _Handler)]
