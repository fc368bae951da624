"""Dialogues: what a program, the proxy and a vendor say to each other, as docs/profiles.md writes it.

A message begins with its speaker: `program` and `proxy` send requests, `vendor` and `answer` are answers. The
lines under it are its headers and its body. The lines of an `answer` are excerpts that must be found in this
order; `…` stands for any text between them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from proxy import config
from support.running import running_proxy_of
from support.seed import LIST, basic
from support.wire import Message, ScriptedUpstream, ask, scripted_upstream

VARIABLES = {"OLD_TOKEN": "demo-token", "VENDOR_KEY": "vendor-key"}
ACCOUNT = "{token: '${OLD_TOKEN}', upstream: {account: acme, username: someone, password: '${VENDOR_KEY}'}}"
PROXY_YAML = (
    f"upstream: {{profile: ./my-api.yaml}}\naccounts: {{AC309475e5fede1b49e100272a8640f438: {ACCOUNT}}}\n"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One message of an exchange: its speaker, its first line and the lines under it."""

    speaker: str
    first: str
    more: Sequence[str]


def conversation(text: str) -> list[Line]:
    said: list[Line] = []
    for line in text.splitlines():
        if found := re.fullmatch(r"(program|proxy|vendor|answer) +(.+)", line):
            said.append(Line(found[1], found[2], []))
        elif line:
            assert line.startswith(" " * 9), f"no speaker for {line!r}"
            said[-1] = Line(said[-1].speaker, said[-1].first, [*said[-1].more, line.strip()])
    return said


@cache
def _example_rest() -> dict[str, Any]:
    profile: dict[str, Any] = yaml.safe_load(config.shipped_profiles()["example-rest"].read_text("utf-8"))
    return profile


def example_rest() -> dict[str, Any]:
    """Return a copy of the profile, to be changed."""
    return deepcopy(_example_rest())


_OPENED = (("operations",), ("operations", "list", "filters"), ("caller_id",), ("errors",))
"""Mappings that are merged key by key, as operations are; other values are replaced as a whole."""


_BODIES = frozenset({"form", "json", "merge"})


def put(into: dict[str, Any], piece: Mapping[str, Any], place: tuple[str, ...] = ()) -> None:
    """Merge an excerpt into a profile."""
    for key, value in piece.items():
        here = (*place, key)
        is_operation = here[0] == "operations" and len(here) == 2 and not {"unsupported", "from"} & {*value}
        if key in into and (is_operation or here in _OPENED):
            put(into[key], value, here)
        else:
            into[key] = value
    for given in _BODIES & piece.keys():
        for other in _BODIES - {given}:
            into.pop(other, None)


def exchanges(conversation: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """Split a conversation into the messages of each request of the program."""
    starts = [i for i, said in enumerate(conversation) if said.speaker == "program"]
    assert starts[0] == 0
    for start, end in zip(starts, [*starts[1:], len(conversation)], strict=True):
        yield conversation[start:end]


async def run_exchange(conversation: Sequence[Line], port: int, upstream: ScriptedUpstream) -> None:
    """Send the program's request, and compare the upstream exchange and the answer."""
    program, *between, answer = conversation
    asked, told = between[::2], between[1::2]
    assert answer.speaker == "answer"
    assert [said.speaker for said in asked] == ["proxy"] * len(asked)
    assert [said.speaker for said in told] == ["vendor"] * len(asked)
    upstream.received.clear()
    upstream.then(*map(vendor_answer, told))
    came = await ask(port, program_request(program).encode())
    assert [each.start for each in upstream.received] == [f"{said.first} HTTP/1.1" for said in asked]
    for said, received in zip(asked, upstream.received, strict=True):
        assert_received(said, received)
    status, _, rest = answer.first.partition(" ")
    assert came.status == int(status)
    assert_found([rest, *answer.more], came.body.decode())


def program_request(said: Line) -> Message:
    method, target = said.first.split(" ")
    target = target if target.startswith("/") else LIST.removesuffix("OutgoingCallerIds") + target
    headers = (("Host", "api.twilio.com"), ("Authorization", basic()))
    return Message(f"{method} {target} HTTP/1.1", headers, "".join(said.more).encode())


def split(said: Line) -> tuple[dict[str, str], str]:
    """Return the headers and the body of a message."""
    headers = [line for line in said.more if re.match(r"[A-Z][A-Za-z0-9-]*: ", line)]
    body = "".join(line for line in said.more if line not in headers)
    return {name: value for name, _, value in (line.partition(": ") for line in headers)}, body


def vendor_answer(said: Line) -> Message:
    headers, more = split(said)
    status, _, body = said.first.partition(" ")
    if body:
        json.loads(body + more)
    content_type = {"Content-Type": "application/json"} if body else {}
    length = {} if body or status == "204" else {"Content-Length": "0"}
    return Message(
        f"HTTP/1.1 {status} X", tuple({**content_type, **length, **headers}.items()), (body + more).encode()
    )


def assert_received(said: Line, received: Message) -> None:
    headers, body = split(said)
    for name, value in headers.items():
        came = received.header(name) or "(absent)"
        assert (came.partition(":")[0] if name == "Host" else came) == value, name
    if body.startswith("{"):
        assert json.loads(received.body) == json.loads(body)
    elif body:
        assert received.body.decode() == body


def assert_found(excerpts: Sequence[str], text: str) -> None:
    """Find the excerpts in this order."""
    at = 0
    for excerpt in "…".join(excerpts).split("…"):
        found = text.find(excerpt, at)
        assert found >= 0, f"{excerpt!r} is not in {text[at:]!r}"
        at = found + len(excerpt)


async def hold(folder: Path, profile: str, *dialogues: str, proxy_yaml: str = PROXY_YAML) -> None:
    """Play dialogues with a proxy whose profile is example-rest with excerpts merged into it."""
    merged = example_rest()
    put(merged, yaml.safe_load(profile))
    async with scripted_upstream() as upstream:
        merged["base_url"] = f"{upstream.url}/v1"
        (folder / "my-api.yaml").write_text(json.dumps(merged), encoding="utf-8")
        (folder / "proxy.yaml").write_text(proxy_yaml, encoding="utf-8")
        loaded = config.load(folder / "proxy.yaml", VARIABLES)
        async with running_proxy_of(loaded) as port:
            for dialogue in dialogues:
                for one in exchanges(conversation(dialogue)):
                    await run_exchange(one, port, upstream)
