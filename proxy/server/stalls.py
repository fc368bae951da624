"""Whether the peer of a connection takes what is sent to it."""

import asyncio
import fcntl
import socket
import struct
import termios
from typing import NamedTuple


class UnacknowledgedBytes(NamedTuple):
    """How many bytes have been written and not arrived."""

    buffered: int
    """They wait in this process."""
    in_kernel: int
    """They are the kernel's, and have not been acknowledged."""


def unacknowledged_bytes(transport: asyncio.Transport) -> UnacknowledgedBytes:
    """Return what the peer has not taken yet.

    The kernel takes more from us only when a good part of its own buffer, which may be some megabytes, is
    free again: before a modem this lasts for minutes, and only the kernel sees that something is being taken.
    """
    return UnacknowledgedBytes(transport.get_write_buffer_size(), _in_kernel(transport))


def _in_kernel(transport: asyncio.Transport) -> int:
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # not every system tells; ValueError where the socket has been closed
        return 0
    (size,) = struct.unpack("i", answer)
    return int(size)


def is_peer_gone(transport: asyncio.Transport) -> bool:
    """Whether the peer has refused what was sent to it, because it has closed its socket altogether.

    A loop that has read a connection to its end is told of nothing else that happens to it.
    """
    return bool(transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def reset(transport: asyncio.Transport) -> None:
    """Close a connection without keeping in the kernel what the peer does not take."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class StallTimer:
    """How long it is since anything was taken. Pure."""

    def __init__(self, seconds: float) -> None:
        """Expire after so many `seconds` without any change."""
        self._seconds = seconds
        self._last: UnacknowledgedBytes | None = None
        self._since = 0.0

    def has_expired(self, left: UnacknowledgedBytes, now: float) -> bool:
        """Tell by what is `left` now."""
        if left != self._last:
            self._last, self._since = left, now
        return now - self._since >= self._seconds
