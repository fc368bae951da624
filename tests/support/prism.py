"""Prism as the upstream, with a vendor's OpenAPI file.

It refuses every request that the specification does not allow, and answers with the vendor's examples, or
with whatever else would be allowed. PRISM names its executable: npm install @stoplight/prism-cli.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PRISM = os.environ.get("PRISM", "")
SPECS = Path(__file__).parents[3] / "shared" / "specs"

needs_prism = [
    pytest.mark.skipif(not PRISM, reason="no prism: name one in PRISM"),
    pytest.mark.skipif(not SPECS.is_dir(), reason="no ../shared/specs beside this checkout"),
]


@dataclass
class Prism:
    """A running prism and, once it has ended, all it wrote."""

    port: int = 0
    log: list[str] = field(default_factory=list)

    def count(self, words: str) -> int:
        return sum(words in line for line in self.log)

    async def follow(self, output: asyncio.StreamReader, listening: asyncio.Event) -> None:
        async for line in output:
            self.log.append(line.decode("utf-8", "replace"))
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.log[-1]):
                self.port = int(found[1])
                listening.set()


@contextlib.asynccontextmanager
async def prism(*options: str) -> AsyncIterator[Prism]:
    """Run prism with these options."""
    command = (PRISM, "mock", "--host", "127.0.0.1", "--port", "0", *options)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    running, listening = Prism(), asyncio.Event()
    assert process.stdout is not None
    following = asyncio.create_task(running.follow(process.stdout, listening))
    try:
        async with asyncio.timeout(50):
            await asyncio.wait(
                [following, waiting := asyncio.create_task(listening.wait())],
                return_when=asyncio.FIRST_COMPLETED,
            )
        waiting.cancel()
        assert running.port, "".join(running.log)
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await following


def accept_any_id(profile: str) -> str:
    """Return a profile to which any caller ID is the requested one: Prism answers with examples."""
    found = re.search(r"^ids: \{", profile, re.MULTILINE)
    if found is None:
        return f"{profile}ids: {{compare: false}}\n"
    return f"{profile[: found.end()]}compare: false, {profile[found.end() :]}"
