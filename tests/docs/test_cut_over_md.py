"""docs/cut-over.md: its commands run as they are, against an old API, the sandbox and the proxy."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.console import Console, commands
from support.markdown import blocks

from proxy.config.settings import ForwardSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "cut-over.md"
PORTS = ("9008", "9010", "8080", "8081")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_commands(tmp_path: Path) -> None:
    with ExitStack() as stack:
        console = Console(tmp_path, stack, PORTS)
        for block in blocks(DOCUMENT):
            if block.language == "yaml":
                path, _, text = block.text.partition("\n")
                listen = console.localize("listen: 127.0.0.1:8080\n")
                (tmp_path / path.removeprefix("# ")).write_text(
                    console.localize(f"{path}\n{text}{listen}"), encoding="utf-8"
                )
            else:
                assert block.language == "console"
                for command, output in commands(block.text):
                    console.run(command, output)
        # The reload at the end: what the program asks is translated now, and its calls still are not
        url = console.localize("http://127.0.0.1:8080/2008-08-01/Accounts/AC309475e5fede1b49e100272a8640f438")
        eventually(lambda: answer_of(f"{url}/OutgoingCallerIds?num=1").count("<OutgoingCallerId>") == 1)
        assert "<Calls " in answer_of(f"{url}/Calls")


def answer_of(url: str) -> str:
    login = "AC309475e5fede1b49e100272a8640f438:demo-token"
    return subprocess.run(
        ["curl", "-s", "--noproxy", "*", "-u", login, url],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout


def eventually(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_every_key_is_explained() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+)(?:: [a-z]+)?`", text))
    assert set(ForwardSettings.model_fields) - told == {"tls"}
