"""JSON, CSV and HTML: the same texts as in XML, read with the standard library and lxml."""

import csv
import io
import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html
from support.lists import cut
from support.seed import ACCOUNT, BOB, LIST

from proxy.errors import NOT_FOUND, Fault
from proxy.legacy import Request, Shown, Style, render, render_error, rfc_2822_writer, route
from proxy.model import CallerId, ValidationRequest

ITEM = CallerId(BOB, ACCOUNT, "Bob", "+14158675309", 1207074392, None)
NAMES = ["Sid", "AccountSid", "FriendlyName", "PhoneNumber", "DateCreated", "DateUpdated"]
TEXTS = [BOB, ACCOUNT, "Bob", "4158675309", "Tue, 01 Apr 2008 18:26:32 +0000", ""]
VALIDATION = ValidationRequest(ACCOUNT, "+14158675309", None, "000042")


STYLE = Style(rfc_2822_writer(ZoneInfo("UTC")))


def write(result: Shown, suffix: str) -> tuple[str, bytes]:
    answer = render(result, route(Request("GET", f"{LIST}{suffix}")), STYLE)
    assert answer.status == 200
    return answer.content_type, answer.body


def rows(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))


def divs(html: bytes, name: str) -> list[etree._Element]:
    return [it for it in lxml_html.document_fromstring(html.decode()).iter("div") if it.get("class") == name]


# Shapes


def test_json() -> None:
    children = dict(zip(NAMES, [*TEXTS[:-1], None], strict=True))
    content_type, body = write(ITEM, ".json")
    assert content_type == "application/json"
    assert json.loads(body) == {"TwilioResponse": {"OutgoingCallerId": children}}
    _, body = write(cut([ITEM, ITEM, ITEM], 1, 2, STYLE), ".json")
    paging = {"page": "1", "numpages": "2", "pagesize": "2", "total": "3", "start": "2", "end": "2"}
    assert json.loads(body) == {
        "TwilioResponse": {"OutgoingCallerIds": [{"OutgoingCallerId": children}], **paging}
    }
    assert list(json.loads(write(cut([], 0, 50, STYLE), ".json")[1])["TwilioResponse"].values())[-1] == []
    assert json.loads(write(VALIDATION, ".json")[1]) == {
        "TwilioResponse": {
            "ValidationRequest": {
                "AccountSid": ACCOUNT,
                "PhoneNumber": "4158675309",
                "ValidationCode": "000042",
            }
        }
    }


def test_csv() -> None:
    content_type, body = write(ITEM, ".csv")
    assert content_type == "text/csv"
    assert rows(body) == [NAMES, TEXTS]
    assert rows(write(cut([ITEM, ITEM], 0, 50, STYLE), ".csv")[1]) == [NAMES, TEXTS, TEXTS]
    assert rows(write(cut([], 0, 50, STYLE), ".csv")[1]) == [NAMES]
    assert rows(write(VALIDATION, ".csv")[1]) == [
        ["AccountSid", "PhoneNumber", "FriendlyName", "ValidationCode"],
        [ACCOUNT, "4158675309", "", "000042"],
    ]


def test_html() -> None:
    content_type, body = write(cut([ITEM], 0, 50, STYLE), ".html")
    assert content_type == "text/html"
    document = lxml_html.document_fromstring(body.decode())
    assert document.findtext(".//title") == "200"
    assert [it.get("class") for it in document.iter("body")] == ["twilio-response"]
    (listed,) = divs(body, "outgoing-caller-ids")
    (item,) = divs(body, "outgoing-caller-id")
    assert [it.get("class") for it in listed][-1] == "outgoing-caller-id"
    classes = ["sid", "account-sid", "friendly-name", "phone-number", "date-created", "date-updated"]
    assert [(it.get("class"), it.text or "") for it in item] == list(zip(classes, TEXTS, strict=True))


ERROR = Fault(400, "PhoneNumber <must> be, well, a number", 21401)
MORE = "http://www.twilio.com/docs/errors/21401"


@pytest.mark.parametrize("target", [LIST, f"{LIST}/{BOB}", "/nothing/of/ours", f"{LIST}/nothing"])
def test_errors(target: str) -> None:
    answer = render_error(ERROR, f"{target}.json?x=.csv", STYLE)
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert json.loads(answer.body) == {
        "TwilioResponse": {
            "RestException": {"Status": "400", "Message": ERROR.message, "Code": "21401", "MoreInfo": MORE}
        }
    }
    answer = render_error(ERROR, f"{target}.csv", STYLE)
    assert answer.content_type == "text/csv"
    assert rows(answer.body) == [
        ["Status", "Message", "Code", "MoreInfo"],
        ["400", ERROR.message, "21401", MORE],
    ]
    answer = render_error(NOT_FOUND, f"{target}.html/", STYLE)
    assert answer.content_type == "text/html"
    assert b"<title>404</title>" in answer.body
    (error,) = divs(answer.body, "rest-exception")
    assert [(it.get("class"), it.text) for it in error] == [("status", "404"), ("message", NOT_FOUND.message)]
    for other in ("", ".xml", ".pdf", ".JSON", "?x=.json", ".json.x"):
        assert render_error(ERROR, f"{target}{other}", STYLE).content_type == "application/xml; charset=utf-8"


# Any text

ANY_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("&<>\"'\r\n\t\0,;=+-@ \ufffe\ud800\udfff")
)


@given(ANY_TEXT)
@example("=1+1")
@example('"')
@example("a,b\r\nc")
@example("</script><script>")
@example("&amp;")
@example("\r")
@example("\n x")
def test_texts_are_the_same_in_each_format(name: str) -> None:
    item = CallerId(BOB, ACCOUNT, name, "+14158675309", None, None)
    in_xml = etree.fromstring(write(item, "")[1]).findtext(".//FriendlyName") or ""
    in_json = json.loads(write(item, ".json")[1])["TwilioResponse"]["OutgoingCallerId"]["FriendlyName"]
    header, row = rows(write(item, ".csv")[1])
    assert in_json == in_xml
    assert dict(zip(header, row, strict=True))["FriendlyName"] == in_xml
    (in_html,) = divs(write(item, ".html")[1], "friendly-name")
    assert len(in_html) == 0
    assert as_lxml_reads(in_html.text or "") == as_lxml_reads(in_xml)


def as_lxml_reads(text: str) -> str:
    """Remove white space and C1 controls, in which HTML parsers differ."""
    return "".join(text.split())


@given(ANY_TEXT)
def test_a_formula_is_quoted(name: str) -> None:
    if name.startswith(("=", "+", "-", "@", "\t")):
        item = CallerId(BOB, ACCOUNT, name, "+14158675309", None, None)
        assert f',"{name[0]}'.encode() in write(item, ".csv")[1]
