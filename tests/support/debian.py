"""Programs of Debian, installed or unpacked for the benchmark."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import tools

_FOLDERS = ("usr/sbin", "usr/bin")


def find_program(program: str) -> tuple[str | Path, Mapping[str, str]]:
    """Return where a program is, and the variables that it needs; the test is skipped without it."""
    if installed := shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"):
        return installed, os.environ
    if not tools.has_debian():
        pytest.skip(f"no {program}: install it, or run python -c 'from bench import tools; tools.debian()'")
    folder, libraries = tools.debian(), tools.libraries()
    loader = tools.library_path([libraries, folder / "lib" / libraries.name])
    found = next(file for each in _FOLDERS if (file := folder / each / program).is_file())
    return found, {**os.environ, **loader}


async def is_listening(address: int | Path) -> bool:
    """Tell whether a program accepts connections at a port of this machine, or at a unix socket."""
    try:
        if isinstance(address, int):
            _, writer = await asyncio.open_connection("127.0.0.1", address)
        else:
            _, writer = await asyncio.open_unix_connection(address)
    except (ConnectionError, FileNotFoundError):
        return False
    writer.close()
    return True
