"""An old program as it is: its calls and messages are forwarded, its caller IDs are translated."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.old_api import HERE, OldApi, running_old_api
from support.running import running_proxy, running_sandbox
from support.seed import ACCOUNT, LIST, TOKEN, basic
from support.wire import connect

from clients.programs import HERE as DRIVERS
from clients.programs import run
from proxy.conversations.messages import parse_text
from proxy.sandbox import Store

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
FILES = sorted(CAPTURES.glob("*/*_POST.txt"))
RECORDED = {file: file.read_text(encoding="latin-1") for file in FILES}
OF_ONE_HOP = ("Host", "Connection", "TE", "Keep-Alive")


@dataclass(frozen=True)
class Served:
    """A proxy before a sandbox and a server of the old API."""

    port: int
    api: OldApi


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    with closing(Store()) as store:
        async with (
            running_old_api() as (api, url),
            running_sandbox(store) as upstream,
            running_proxy(upstream, f"legacy: {{forward: {{to: '{url}', credentials: true}}}}\n") as port,
        ):
            yield Served(port, api)


async def test_a_python_program(python27: str | Path, library: Path) -> None:
    async with serving() as served:
        requests: Sequence[tuple[str, str, Mapping[str, str]]] = (
            (f"{HERE}/Calls", "POST", {"Caller": "4158675309", "Called": "4155551212", "Url": "http://x/é"}),
            (
                f"{HERE}/SMS/Messages",
                "POST",
                {"From": "4158675309", "To": "4155551212", "Body": "Zoë & Co"},
            ),
            (f"{HERE}/Calls", "GET", {"Status": "2"}),
            (LIST, "GET", {}),
            (f"{HERE}/Nothing", "GET", {}),
        )
        command = [
            python27,
            "-B",
            DRIVERS / "python27_driver.py",
            f"http://127.0.0.1:{served.port}",
            ACCOUNT,
            TOKEN,
        ]
        given = "".join(f"{json.dumps(each)}\n" for each in requests)
        lines = (await run(command, given, PYTHONPATH=str(library))).splitlines()
        call, message, calls, listed, nothing = (json.loads(line) for line in lines)
        assert ET.fromstring(call[1]).findtext("Call/To") == "4155551212"
        assert ET.fromstring(message[1].encode()).findtext("SMSMessage/Body") == "Zoë & Co"
        assert "<Calls " in calls[1]
        assert 'total="2"' in listed[1]
        assert nothing[0] == 404
        targets = [each.target for each in served.api.received]
        assert targets == [
            f"{HERE}/Calls",
            f"{HERE}/SMS/Messages",
            f"{HERE}/Calls?Status=2",
            f"{HERE}/Nothing",
        ]


@pytest.mark.skipif(not FILES, reason="no ../shared/captures beside this checkout")
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
async def test_recorded_requests(file: Path) -> None:
    """The bytes that were recorded, but for the resource and the form: the old API gets all of them."""
    text = RECORDED[file]
    recorded = re.sub(r"Authorization: .*", f"Authorization: {basic()}", text)
    wanted = parse_text(re.sub(r"OutgoingCallerIds(?:/PN\w+)?", "Calls", recorded))
    form = "Caller=4158675309&Called=4155551212" if wanted.body else ""
    headers = {**dict(wanted.headers), "Content-Length": str(len(form))}
    if wanted.header("Content-Length") is None:
        del headers["Content-Length"]
    lines = [wanted.start, *(f"{name}: {value}" for name, value in headers.items()), "", form]
    async with serving() as served, connect(served.port) as client:
        answer = await client.ask("\r\n".join(lines).encode("latin-1"))
        assert answer.status == 200
        assert (b"<To>4155551212</To>" in answer.body) == bool(form)
        (received,) = served.api.received
        assert received.target == wanted.target
        for name, value in headers.items():
            if name not in OF_ONE_HOP:
                assert received.values(name) == [value]
