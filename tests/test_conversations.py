"""Every file in conversations/ is a test: what the client sends, what the upstream sees, what comes back.

A file opens with a sentence about what it shows. Then come sections, each under a line `--- NAME`:

`configuration`       the rest of the proxy's YAML (optional, once)
`client`              a request, over the same connection as the ones before it
`upstream receives`   the request that the upstream must get then; headers that are not listed do not count
`upstream answers`    what it answers
`client receives`     what the client must get; `Name: (absent)` for a header that must not be there

An upstream request that the file does not tell of fails the test. Names in braces stand for values of the
seed document: {LIST}, {UPSTREAM_LIST}, {ACCOUNT}, {BOB}, {COMPANY}, {BASIC}.
"""

import re
from pathlib import Path

import pytest
from support.running import running_proxy
from support.seed import ACCOUNT, BOB, COMPANY, LIST, UPSTREAM_LIST, basic
from support.wire import Message, connect, parse, scripted_upstream

FILES = sorted((Path(__file__).parent / "conversations").glob("*.txt"))
NAMES = {
    "LIST": LIST,
    "UPSTREAM_LIST": UPSTREAM_LIST,
    "ACCOUNT": ACCOUNT,
    "BOB": BOB,
    "COMPANY": COMPANY,
    "BASIC": basic(),
}


def sections(file: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\{([A-Z_]+)\}", lambda found: NAMES[found[1]], file.read_text(encoding="utf-8"))
    about, *rest = re.split(r"^--- (.+)\n", text, flags=re.MULTILINE)
    assert about.strip(), "a conversation says what it shows"
    return [(name, body.removesuffix("\n")) for name, body in zip(rest[::2], rest[1::2], strict=True)]


def assert_like(expected: Message, actual: Message) -> None:
    """Compare everything that `expected` speaks of."""
    assert actual.start == expected.start
    for name, value in expected.headers:
        assert (actual.header(name) or "(absent)") == value, name
    assert actual.body == expected.body


def with_host(request: Message) -> bytes:
    """Add the Host that HTTP/1.1 wants, unless the file has one."""
    if request.start.endswith("HTTP/1.1") and request.header("Host") is None:
        request = Message(request.start, (("Host", "api.twilio.com"), *request.headers), request.body)
    return request.encode()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_conversation(file: Path) -> None:
    told = sections(file)
    configuration = "".join(body + "\n" for name, body in told if name == "configuration")
    answers = [parse(body) for name, body in told if name == "upstream answers"]
    async with (
        scripted_upstream(*answers) as upstream,
        running_proxy(upstream.url, configuration, {"UPSTREAM_TOKEN": "upstream-token"}) as port,
        connect(port) as client,
    ):
        asked = b""
        for name, body in told:
            match name:
                case "client":
                    asked = with_host(parse(body))
                    await client.send(asked)
                case "client receives":
                    answer = await client.receive(body=not asked.startswith(b"HEAD "))
                    assert answer is not None, "the connection was closed without an answer"
                    assert_like(parse(body), answer)
                case "configuration" | "upstream receives" | "upstream answers":
                    pass
                case _:
                    pytest.fail(f"no such section: {name}")
        received = [parse(body) for name, body in told if name == "upstream receives"]
        assert [each.start for each in upstream.received] == [each.start for each in received]
        for expected, actual in zip(received, upstream.received, strict=True):
            assert_like(expected, actual)
