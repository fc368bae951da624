"""Every target with any bytes, and with edited seeds; with_atheris.py runs for longer."""

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_configurations import GOOD
from support.seed import ACCOUNT, BOB

from fuzz.configurations import BETWEEN
from fuzz.seeds import seeds
from fuzz.targets import TARGETS, VENDORS

SEEDS = seeds()
# Text with a meaning for one of the parsers
WORDS = [
    *(
        b"%",
        b"%00",
        b"%c3",
        b"%0d%0a",
        b"+",
        b"&",
        b"=",
        b";",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
    ),
    *(
        b"--",
        b"--b0",
        b"boundary=",
        b"charset=utf-16",
        b"<!DOCTYPE x>",
        b"<![CDATA[",
        b"]]>",
        b"&#0;",
        b"&lt;",
    ),
    *(
        b"\\ud800",
        b"\\u0000",
        b"null",
        b"NaN",
        b"1e999",
        b"-1",
        b"[[[[",
        b"{}",
        b'"',
        b"9" * 30,
        b"\xef\xbb\xbf",
    ),
    *(
        b"${SECRET}",
        b"${BY_FILE}",
        b"{file: secret}",
        b"{file: /dev/zero}",
        b"&a ",
        b"*a",
        b"!!python/name:os.system",
        b"? ",
        b": ",
        b"- ",
        b"\n  ",
        b"|\n",
        b"<<: ",
        b"---\n",
        rb'"\0"',
        rb'"\ud800"',
        b"http://[",
        b"{x: 1}",
    ),
]

Edit = tuple[int, int, bytes]
"""Where, how much is cut out there, and what takes its place."""
EDITS = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 9), st.sampled_from(WORDS) | st.binary(max_size=8)),
    min_size=1,
    max_size=4,
)


def edited(seed: bytes, edits: Sequence[Edit]) -> bytes:
    for place, length, put in edits:
        at = place % (len(seed) + 1)
        seed = seed[:at] + put + seed[at + length :]
    return seed


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary())
def test_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_edited_seeds(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(st.builds(edited, st.sampled_from(SEEDS[name]), EDITS)))


def said_by(vendor: str, answer: str, operation: int = 0) -> bytes:
    """Return an answer of 200, to a list with two headers that are empty, or to one of the operations."""
    which = bytes((list(VENDORS).index(vendor), 0, operation))
    return (which + b"\n\n\n" if operation == 0 else which + b"\n") + answer.encode()


def twilio_list(date: str) -> str:
    item = {"sid": BOB, "account_sid": ACCOUNT, "phone_number": "+14158675309", "date_created": date}
    return json.dumps({"outgoing_caller_ids": [item]})


def configured(proxy: str, before: str = "", after: str = "") -> bytes:
    """Return a proxy.yaml, and the good profile, in which a text stands in the place of another."""
    profile = GOOD["my-api.yaml"]
    if before:
        assert profile.count(before) == 1
        profile = profile.replace(before, after)
    return BETWEEN.join((proxy.encode(), profile.encode()))


FOUND: Mapping[str, Sequence[bytes]] = {
    "configuration": [
        configured(r'upstream: {profile: "a\0b.yaml"}'),
        configured(r'upstream: {profile: "\ud800.yaml"}'),
        configured(r'legacy: {sid_key: {file: "\ud800"}}'),
        configured(r'listen: {tls: {address: ":1", certificate: "a\nb\x1b[2J"}}'),
        configured(r'"\UFFFFFFFF"'),
        configured(r'"\U00110000"'),
        configured("legacy: {sid_key: {file: /dev/zero}}"),
        configured("listen: {tls: {address: ':1', certificate: /dev/zero}}"),
        configured("upstream: {profile: /dev/zero}"),
        configured("[" * 600),
        configured("- " * 600),
        configured("upstream: {profile: '${SECRET}'}"),
        configured("upstream: {profile: '${SECRET}.yaml'}"),
        configured("upstream: {profile: '${BY_FILE}'}"),
        configured("upstream: {base_url: 'http://x/{${SECRET}}'}"),
        configured("upstream: {base_url: 'http://{x'}"),
        configured("upstream: {base_url: 'http://['}"),
        configured("listen: ':" + "9" * 5000 + "'"),
        configured(GOOD["proxy.yaml"], '/{id}"}\n  rename', '/{id: 1}"}\n  rename'),
        configured(GOOD["proxy.yaml"], "path: /validations", "path: http://[validations"),
    ],
    "code": [
        b"\0POST\n\n\nhttps://[\n\nPhoneNumber=1",
        "\0POST\n\n\nhttps://\u2100\n\nPhoneNumber=1".encode(),
        b"\0POST\n\n\n\n\nPhoneNumber=%00%1B%0B",
    ],
    "multipart": [b"boundary=\xff\n", "boundary=\u0141\n".encode()],
    "list": [
        said_by("twilio-2010-04-01", twilio_list("Tue, 01 Apr 99999999999 18:26:32 +0000")),
        said_by("twilio-2010-04-01", twilio_list("Tue, 01 Apr 2008 18:26:32 +99999999999999999999")),
        said_by(
            "rpc", '{"result": {"rows": [{"id": 1, "number": "1"}], "cursor": "\\ud800", "has_more": true}}'
        ),
    ],
    "instance": [
        said_by("plivo", '{"verification_uuid": "\\ud800"}', operation=3),
        said_by("voximplant", '{"callerid_id": "\\ud800"}', operation=3),
    ],
}
"""Inputs that once raised another exception."""


@pytest.mark.parametrize("name", FOUND)
def test_regressions(name: str) -> None:
    for data in FOUND[name]:
        TARGETS[name](data)
