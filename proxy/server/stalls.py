"""Whether the other side of a connection takes what is sent to it."""

import asyncio
import fcntl
import socket
import struct
import termios
from typing import NamedTuple


class UnacknowledgedBytes(NamedTuple):
    """How many bytes have been written and not arrived."""

    here: int
    """They wait in this process."""
    below: int
    """They are the kernel's, and have not been acknowledged."""


def untaken(transport: asyncio.Transport) -> UnacknowledgedBytes:
    """Return what the other side has not taken yet.

    The kernel takes more from us only when a good part of its own buffer, which may be some megabytes, is
    free again: before a modem this lasts for minutes, and only the kernel sees that something is being taken.
    """
    return UnacknowledgedBytes(transport.get_write_buffer_size(), _in_the_kernel(transport))


def _in_the_kernel(transport: asyncio.Transport) -> int:
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # not every system tells; ValueError where the socket has been closed
        return 0
    (size,) = struct.unpack("i", answer)
    return int(size)


def has_gone(transport: asyncio.Transport) -> bool:
    """Whether the other side has refused what was sent to it, since nobody is there any more.

    A loop that has read all of a connection is told of nothing else that happens to it.
    """
    return bool(transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def give_up(transport: asyncio.Transport) -> None:
    """Close a connection without keeping what was written in the kernel for who does not take it."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class StallTimer:
    """How long it is since anything was taken. Pure."""

    def __init__(self, seconds: float) -> None:
        """Be at an end after so many `seconds` without any change."""
        self._seconds = seconds
        self._seen: UnacknowledgedBytes | None = None
        self._since = 0.0

    def is_over(self, left: UnacknowledgedBytes, now: float) -> bool:
        """Tell by what is `left` now."""
        if left != self._seen:
            self._seen, self._since = left, now
        return now - self._since >= self._seconds
