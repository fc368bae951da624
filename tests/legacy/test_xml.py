"""XML documents, compared with trees that lxml builds from the same values."""

import re
from datetime import datetime
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree
from support.lists import cut
from support.seed import ACCOUNT, LIST

from proxy.errors import Fault
from proxy.legacy import Answer, Request, Shown, Style, render, render_error, rfc_2822_writer, route
from proxy.model import CallerId, ValidationRequest

ZONE = ZoneInfo("America/Los_Angeles")
STYLE = Style(rfc_2822_writer(ZONE))
DECLARATION = b'<?xml version="1.0"?>\n'
ROUTE = route(Request("GET", LIST))  # without a suffix: XML
BOB = CallerId(
    "PNe536dfda7c6184afab78d980cb8cdf43", ACCOUNT, "Bob & <Co>", "+14158675309", 1207074392, 1735689600
)
NAMELESS = CallerId("PN" + "A" * 32, ACCOUNT, "", "+442071838750", None, None)

Tree = tuple[str, dict[str, str], "list[Tree] | str"]
"""An element: its name, its attributes in order, its children or its text."""


def document(child: Tree) -> bytes:
    """Let lxml write a document in its canonical form."""
    return canonical(built(("TwilioResponse", {}, [child])))


def built(tree: Tree) -> etree._Element:
    name, attributes, content = tree
    element = etree.Element(name)
    for key, value in attributes.items():
        element.set(key, value)
    if isinstance(content, str):
        element.text = content
    else:
        element.extend([built(child) for child in content])
    return element


def canonical(element: etree._Element) -> bytes:
    return bytes(etree.tostring(element, method="c14n"))


def write(result: Shown) -> Answer:
    return render(result, ROUTE, STYLE)


def write_error(fault: Fault) -> Answer:
    return render_error(fault, LIST, STYLE)


def read(answer: Answer) -> etree._Element:
    assert answer.content_type == "application/xml; charset=utf-8"
    return etree.fromstring(answer.body)


def caller_id(it: CallerId, phone_number: str) -> Tree:
    return (
        "OutgoingCallerId",
        {},
        [
            ("Sid", {}, it.sid),
            ("AccountSid", {}, it.account_sid),
            ("FriendlyName", {}, it.friendly_name),
            ("PhoneNumber", {}, phone_number),
            ("DateCreated", {}, date(it.date_created)),
            ("DateUpdated", {}, date(it.date_updated)),
        ],
    )


def texts(children: list[tuple[str, str]]) -> list[Tree]:
    return [(name, {}, text) for name, text in children]


def date(seconds: int | None) -> str:
    return "" if seconds is None else format_datetime(datetime.fromtimestamp(seconds, ZONE))


# Every document


def test_an_instance() -> None:
    assert canonical(read(write(BOB))) == document(caller_id(BOB, "4158675309"))


def test_an_instance_with_few_fields() -> None:
    assert canonical(read(write(NAMELESS))) == document(caller_id(NAMELESS, "442071838750"))
    assert write(NAMELESS).body.endswith(
        b"<FriendlyName/><PhoneNumber>442071838750</PhoneNumber><DateCreated/><DateUpdated/>"
        b"</OutgoingCallerId></TwilioResponse>"
    )


@pytest.mark.parametrize("count", [0, 1, 2, 38, 50])
def test_a_list(count: int) -> None:
    attributes = {
        "page": "0",
        "numpages": "1" if count else "0",
        "pagesize": "50",
        "total": str(count),
        "start": "0",
        "end": str(max(count - 1, 0)),
    }
    items = [BOB, NAMELESS, *[BOB] * 48][:count]
    numbers = ["4158675309", "442071838750", *["4158675309"] * 48][:count]
    root = read(write(cut(items, 0, 50, STYLE)))
    assert canonical(root) == document(
        ("OutgoingCallerIds", attributes, list(map(caller_id, items, numbers)))
    )
    assert root[0].items() == list(attributes.items())  # the canonical form has sorted them


@pytest.mark.parametrize(
    ("result", "children"),
    [
        (
            ValidationRequest(ACCOUNT, "+14158675309", "My Home Phone Number", "123456"),
            [
                ("AccountSid", ACCOUNT),
                ("PhoneNumber", "4158675309"),
                ("FriendlyName", "My Home Phone Number"),
                ("ValidationCode", "123456"),
            ],
        ),
        (
            ValidationRequest(ACCOUNT, "+14158675309", None, "000042"),
            [("AccountSid", ACCOUNT), ("PhoneNumber", "4158675309"), ("ValidationCode", "000042")],
        ),
    ],
    ids=["named", "nameless"],
)
def test_a_validation_request(result: ValidationRequest, children: list[tuple[str, str]]) -> None:
    assert canonical(read(write(result))) == document(("ValidationRequest", {}, texts(children)))


@pytest.mark.parametrize(
    ("fault", "children"),
    [
        (
            Fault(400, "PhoneNumber must be <ten> digits", 21401),
            [
                ("Status", "400"),
                ("Message", "PhoneNumber must be <ten> digits"),
                ("Code", "21401"),
                ("MoreInfo", "http://www.twilio.com/docs/errors/21401"),
            ],
        ),
        (
            Fault(404, "The requested resource was not found"),
            [("Status", "404"), ("Message", "The requested resource was not found")],
        ),
    ],
    ids=["with a code", "without"],
)
def test_an_error(fault: Fault, children: list[tuple[str, str]]) -> None:
    answer = write_error(fault)
    assert answer.status == fault.status
    assert canonical(read(answer)) == document(("RestException", {}, texts(children)))


DOCUMENTS = [
    write(BOB),
    write(NAMELESS),
    write(cut([BOB, NAMELESS], 0, 50, STYLE)),
    write(cut([], 0, 50, STYLE)),
    write(ValidationRequest(ACCOUNT, "+14158675309", None, "000042")),
    write_error(Fault(400, "No", 20001)),
]


@pytest.mark.parametrize("answer", DOCUMENTS, ids=lambda answer: read(answer)[0].tag)
def test_white_space_between_elements(answer: Answer) -> None:
    assert answer.body.startswith(DECLARATION + b"<TwilioResponse><")
    assert not re.search(rb">\s+<", answer.body.removeprefix(DECLARATION))
    assert b"\n" not in answer.body.removeprefix(DECLARATION)
    assert answer.body.endswith(b"></TwilioResponse>")
    root = etree.fromstring(answer.body)
    assert len(root) == 1
    assert root.getroottree().docinfo.encoding in (None, "UTF-8")


def test_an_empty_list_is_an_empty_element() -> None:
    assert write(cut([], 0, 50, STYLE)).body == (
        DECLARATION + b'<TwilioResponse><OutgoingCallerIds page="0" numpages="0" pagesize="50" total="0" '
        b'start="0" end="0"/></TwilioResponse>'
    )


# Any text


def holdable(code_point: int) -> bool:
    """Tell whether XML 1.0 can hold a character: production [2] of section 2.2."""
    return (
        code_point in (0x9, 0xA, 0xD)
        or 0x20 <= code_point <= 0xD7FF
        or 0xE000 <= code_point <= 0xFFFD
        or 0x10000 <= code_point <= 0x10FFFF
    )


def as_held(text: str) -> str:
    return "".join(character if holdable(ord(character)) else "\ufffd" for character in text)


def friendly_name_of(name: str) -> str:
    answer = write(CallerId("PN", "AC", name, "+14158675309", None, None))
    return etree.fromstring(answer.body)[0].findtext("FriendlyName") or ""


def test_every_unicode_character() -> None:
    everything = "".join(map(chr, range(0x110000)))
    assert friendly_name_of(everything) == as_held(everything)


# All of Unicode, lone surrogates and non-characters too; XML's special characters more often
ANY_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("&<>\"'\r\n\t\0]\ufffe\uffff\ud800\udfff")
)


@given(ANY_TEXT)
@example("]]>")
@example("<![CDATA[&amp;]]>")
@example("\r\n\r \t")
@example(" leading and trailing ")
@example("&#13;&lt;")
@example("<script>alert('1')</script>")
@example("\u202egnihtemos\u202c")
def test_any_friendly_name_round_trips(name: str) -> None:
    assert friendly_name_of(name) == as_held(name)


@given(ANY_TEXT)
def test_any_message_round_trips(message: str) -> None:
    answer = write_error(Fault(400, message, 21401))
    assert (etree.fromstring(answer.body)[0].findtext("Message") or "") == as_held(message)


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT, st.none() | st.integers(-(10**9), 4 * 10**9)), max_size=5))
def test_any_list_parses(values: list[tuple[str, str, int | None]]) -> None:
    items = [CallerId("PN", "AC", name, number, when, when) for name, number, when in values]
    root = etree.fromstring(write(cut(items, 0, 50, STYLE)).body)
    names = [element.text or "" for element in root.iter("FriendlyName")]
    assert names == [as_held(name) for name, _, _ in values]
