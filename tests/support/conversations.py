r"""Conversations: text files with the client's request, the upstream's exchange and the expected answer.

A file opens with a sentence about what it shows. Then come sections, each under a line `--- NAME`:

`configuration`          the rest of the proxy's YAML (optional, once)
`profile`                the YAML of an upstream profile, instead of the default one (optional, once)
`upstream is down`       no server listens at the upstream's address (optional, once)
`client`                 a request, over the same connection as the previous ones; it gets a Host unless the
                         file says `Host: (absent)`
`client goes on`         the body of that request, if its headers are sent alone
`upstream receives`      the request that the upstream must get then; headers that are not listed are ignored
`upstream answers`       the upstream's answer
`client receives`        what the client must get; `Name: (absent)` for a header that must be missing
`connection is closed`   by the proxy

The test fails if the upstream gets a request that the file does not list, or gets it after the next
`client receives`.

Names in braces stand for values of the seed document: {LIST}, {UPSTREAM_LIST}, {ACCOUNT}, {BOB}, {COMPANY},
{BASIC}; {BOB_JSON}, {COMPANY_JSON} for its two caller IDs as the upstream writes them and {BOB_XML},
{COMPANY_XML} as the legacy API does; {BOB_OLD_JSON}, {BOB_CSV}, {BOB_HTML} and so on for its other formats.
{UPSTREAM} is the upstream's URL, {basic USER:TOKEN} an Authorization, {64 * x} the same text 64 times, and
\xE9 a byte; \x0D at the end of a line makes its end CR and LF.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from support.running import UNLIMITED, running_proxy
from support.seed import ACCOUNT, BOB, COMPANY, LIST, UPSTREAM_LIST, basic
from support.wire import Message, RawClient, ScriptedUpstream, connect, parse, scripted_upstream

FILES = sorted((Path(__file__).parents[1] / "conversations").glob("*.txt"))


VARIABLES = {"UPSTREAM_TOKEN": "upstream-token"}
NOWHERE = "http://127.0.0.1:1"

Section = tuple[str, str]


def caller_id_json(sid: str, name: str, number: str) -> str:
    at = "Tue, 01 Apr 2008 18:26:32 +0000"
    return (
        f'{{"sid": "{sid}", "account_sid": "{ACCOUNT}", "friendly_name": "{name}", '
        f'"phone_number": "+1{number}", "date_created": "{at}", "date_updated": "{at}"}}'
    )


def caller_id_xml(sid: str, name: str, number: str) -> str:
    at = "Tue, 01 Apr 2008 11:26:32 -0700"
    return (
        f"<OutgoingCallerId><Sid>{sid}</Sid><AccountSid>{ACCOUNT}</AccountSid>"
        f"<FriendlyName>{name}</FriendlyName><PhoneNumber>{number}</PhoneNumber>"
        f"<DateCreated>{at}</DateCreated><DateUpdated>{at}</DateUpdated></OutgoingCallerId>"
    )


def texts(sid: str, name: str, number: str) -> dict[str, str]:
    at = "Tue, 01 Apr 2008 11:26:32 -0700"
    return {
        "Sid": sid,
        "AccountSid": ACCOUNT,
        "FriendlyName": name,
        "PhoneNumber": number,
        "DateCreated": at,
        "DateUpdated": at,
    }


def caller_id_old_json(sid: str, name: str, number: str) -> str:
    children = ",".join(f'"{child}":"{text}"' for child, text in texts(sid, name, number).items())
    return f'{{"OutgoingCallerId":{{{children}}}}}'


def caller_id_csv(sid: str, name: str, number: str) -> str:
    return ",".join(f'"{text}"' if "," in text else text for text in texts(sid, name, number).values())


def caller_id_html(sid: str, name: str, number: str) -> str:
    classes = ("sid", "account-sid", "friendly-name", "phone-number", "date-created", "date-updated")
    children = zip(classes, texts(sid, name, number).values(), strict=True)
    divs = "".join(f'<div class="{name}">{text}</div>' for name, text in children)
    return f'<div class="outgoing-caller-id">{divs}</div>'


BOB_IS = (BOB, "Bob Cell Phone", "4158675309")
COMPANY_IS = (COMPANY, "Company Main Line", "4158675310")
NAMES = {
    "LIST": LIST,
    "UPSTREAM_LIST": UPSTREAM_LIST,
    "ACCOUNT": ACCOUNT,
    "BOB": BOB,
    "COMPANY": COMPANY,
    "BASIC": basic(),
    "BOB_JSON": caller_id_json(*BOB_IS),
    "COMPANY_JSON": caller_id_json(*COMPANY_IS),
    "BOB_XML": caller_id_xml(*BOB_IS),
    "COMPANY_XML": caller_id_xml(*COMPANY_IS),
    "BOB_OLD_JSON": caller_id_old_json(*BOB_IS),
    "COMPANY_OLD_JSON": caller_id_old_json(*COMPANY_IS),
    "BOB_CSV": caller_id_csv(*BOB_IS),
    "COMPANY_CSV": caller_id_csv(*COMPANY_IS),
    "BOB_HTML": caller_id_html(*BOB_IS),
    "COMPANY_HTML": caller_id_html(*COMPANY_IS),
}


def sections(file: Path, upstream_url: str) -> list[Section]:
    names = NAMES | {"UPSTREAM": upstream_url}
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"(?<!\$)\{([A-Z_]+)\}", lambda found: names[found[1]], text)  # but not ${VARIABLE}
    text = re.sub(r"\{basic ([^:}]+):([^}]+)\}", lambda found: basic(found[1], found[2]), text)
    text = re.sub(r"\{([0-9]+) \* ([^}]+)\}", lambda found: int(found[1]) * found[2], text)
    about, *rest = re.split(r"^--- (.+)\n", text, flags=re.MULTILINE)
    assert about.strip(), "a conversation says what it shows"
    return [(name, body.removesuffix("\n")) for name, body in zip(rest[::2], rest[1::2], strict=True)]


def message(text: str) -> Message:
    r"""Read a message in which `\xE9` is a byte."""
    read = parse(text)
    return replace(
        read,
        start=re.sub(r"\\x([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), read.start),
        body=re.sub(rb"\\x([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), read.body),
    )


def with_host(request: Message) -> Message:
    """Add the Host that HTTP/1.1 wants, unless the file has one or says that it is absent."""
    if request.start.endswith("HTTP/1.1") and request.header("Host") is None:
        return replace(request, headers=(("Host", "api.twilio.com"), *request.headers))
    headers = tuple(header for header in request.headers if header != ("Host", "(absent)"))
    return replace(request, headers=headers)


def assert_like(expected: Message, actual: Message) -> None:
    """Compare everything that `expected` speaks of."""
    assert actual.start == expected.start
    for name, value in expected.headers:
        assert (actual.header(name) or "(absent)") == value, name
    assert actual.body.decode(errors="backslashreplace") == expected.body.decode(errors="backslashreplace")


def assert_asked(upstream: ScriptedUpstream, expected: Sequence[Message]) -> None:
    """Compare every request that the upstream has got so far."""
    assert [each.start for each in upstream.received] == [each.start for each in expected]
    for one, other in zip(expected, upstream.received, strict=True):
        assert_like(one, other)


async def play(conversation: Sequence[Section], client: RawClient, upstream: ScriptedUpstream) -> None:
    request = Message("")
    asked: list[Message] = []
    for name, body in conversation:
        match name:
            case "client":
                request = with_host(message(body))
                await client.send(request.encode())
            case "client goes on":
                await client.send(body.rstrip("\n").encode())
            case "upstream receives":
                asked.append(message(body))
            case "client receives":
                answer = await client.receive(body=not request.start.startswith("HEAD "))
                assert answer is not None, "the connection was closed without an answer"
                assert_like(message(body), answer)
                assert_asked(upstream, asked)
            case "connection is closed":
                assert await client.is_closed()
            case "configuration" | "profile" | "upstream is down" | "upstream answers":
                pass
            case _:
                pytest.fail(f"no such section: {name}")
    assert_asked(upstream, asked)


def configuration_of(conversation: Sequence[Section], folder: Path) -> str:
    """Return the YAML that comes after the upstream's URL."""
    configuration = "".join(f"{body}\n" for name, body in conversation if name == "configuration")
    if "validation: {limits:" not in configuration:
        configuration += UNLIMITED
    for name, body in conversation:
        if name == "profile":
            (folder / "profile.yaml").write_text(body, encoding="utf-8")
            configuration = f"  profile: {folder / 'profile.yaml'}\n{configuration}"
    return configuration


async def hold_conversation(file: Path, folder: Path) -> None:
    """Play the client and the upstream of a file, with a proxy whose own files are in `folder`."""
    async with scripted_upstream() as upstream:
        conversation = sections(file, upstream.url)
        upstream.then(*(message(body) for name, body in conversation if name == "upstream answers"))
        configuration = configuration_of(conversation, folder)
        is_down = any(name == "upstream is down" for name, _ in conversation)
        async with (
            running_proxy(NOWHERE if is_down else upstream.url, configuration, VARIABLES) as port,
            connect(port) as client,
        ):
            await play(conversation, client, upstream)
