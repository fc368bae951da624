"""Other languages' programs that run inside a test."""

import asyncio
import functools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_TIMEOUT = 40  # seconds; a machine under load may take long to start a program

HERE = Path(__file__).parent


class Server(NamedTuple):
    """The URLs of a running proxy, and the certificate authority that a client must trust to use TLS."""

    plain: str
    tls: str
    ca: Path


@functools.cache
def works(*command: str | Path) -> bool:
    """Tell whether a command can be started and succeeds; the answer is cached."""
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


async def run(command: Sequence[str | Path], given: str, **variables: str) -> str:
    """Run a command with `given` as its input and no HTTP proxy of this machine's; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment | variables,
    )
    try:
        async with asyncio.timeout(_TIMEOUT):
            output, complaints = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode(errors="replace")
    return output.decode()
