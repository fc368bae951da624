"""Whether the peer of a connection takes what is sent to it."""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress


def unacknowledged_bytes(transport: asyncio.Transport) -> tuple[int, int]:
    """Return how many bytes the peer has not taken yet: in this process, and in the kernel.

    The kernel takes more from us only when a good part of its own buffer, which may be some megabytes, is
    free again: before a modem this lasts for minutes, and only the kernel sees that something is being taken.
    """
    connection, answer = transport.get_extra_info("socket"), bytes(4)
    with suppress(OSError, ValueError):  # not every system tells; ValueError where the socket has been closed
        if connection is not None:  # as that of TLS is, from when it is closed until its protocol is told
            answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, answer)
    return transport.get_write_buffer_size(), int.from_bytes(answer, sys.byteorder)


def is_peer_gone(transport: asyncio.Transport) -> bool:
    """Whether the peer has refused what was sent to it, because it has closed its socket altogether.

    A loop that has read a connection to its end is told of nothing else that happens to it.
    """
    connection = transport.get_extra_info("socket")
    return connection is None or bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def reset(transport: asyncio.Transport) -> None:
    """Close a connection without keeping in the kernel what the peer does not take."""
    if (connection := transport.get_extra_info("socket")) is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
