"""Standard error that never blocks: what it has no room for is left out.

A pipe, a terminal or a socket whose reader has stopped would otherwise stop the event loop with one line.
The file description of standard error belongs to other programs too, so it stays as it is.
"""

import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress

_ATOMIC = 4096  # bytes that a pipe takes whole or not at all: PIPE_BUF of Linux


class Output:
    """Writes to a file descriptor that other programs may have open too."""

    def __init__(self, descriptor: int) -> None:
        self._write = _writer(descriptor)
        self._is_cut = False

    def write(self, line: bytes) -> bool:
        """Write a line, which ends with a line feed; return whether there was room for it."""
        data = b"\n" + line if self._is_cut else line
        try:
            written = self._write(data)
        except OSError:  # BlockingIOError, or a pipe whose reader is gone
            return False
        self._is_cut = 0 < written < len(data)
        return True


def _send(descriptor: int, data: bytes) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as sender:
        return sender.send(data, socket.MSG_DONTWAIT)


def _writer(descriptor: int) -> Callable[[bytes], int]:
    """Return a function that writes as much as there is room for; BlockingIOError where there is none."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        return lambda data: _send(descriptor, data)
    if stat.S_ISREG(mode):
        return lambda data: os.write(descriptor, data)
    with suppress(OSError):  # a file description of our own, which no other program notices
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        return lambda data: os.write(own, data)
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def write_if_ready(data: bytes) -> int:
        written = 0
        while written < len(data) and poll.poll(0):
            written += os.write(descriptor, data[written : written + _ATOMIC])
        if not written:
            raise BlockingIOError
        return written

    return write_if_ready
