"""A debugger that holds a process."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def traced(pid: int) -> Iterator[None]:
    """Hold a process as a debugger does; the thread that begins has to end it."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach, detach = 16, 17
    if libc.ptrace(attach, pid, None, None):
        pytest.skip(f"ptrace is not permitted: {os.strerror(ctypes.get_errno())}")
    os.waitpid(pid, 0x40000000)  # __WALL
    try:
        yield
    finally:
        libc.ptrace(detach, pid, None, None)
