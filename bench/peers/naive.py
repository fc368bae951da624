"""The translation as one would write it first: json, email.utils, zoneinfo and an lxml tree."""

import json
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from lxml import etree

_ZONE = ZoneInfo("America/Los_Angeles")
_PAGE_SIZE = 50
_ATTRIBUTES = ("page", "numpages", "pagesize", "total", "start", "end")


def modern_path(path: str) -> str:
    """Return where the upstream has what an old client asks for."""
    query = "" if "/PN" in path else f"?PageSize={_PAGE_SIZE}"
    return f"{path.replace('/2008-08-01/', '/2010-04-01/')}.json{query}"


def translate(body: bytes) -> bytes:
    """Return the XML for what the upstream has answered, a list or an instance."""
    document = json.loads(body)
    root = etree.Element("TwilioResponse")
    items = document.get("outgoing_caller_ids")
    if items is None:
        _add(root, document)
    else:
        last = str(max(len(items) - 1, 0))
        numbers = ("0", "1" if items else "0", str(_PAGE_SIZE), str(len(items)), "0", last)
        listed = etree.SubElement(root, "OutgoingCallerIds", dict(zip(_ATTRIBUTES, numbers, strict=True)))
        for item in items:
            _add(listed, item)
    return b'<?xml version="1.0"?>\n' + etree.tostring(root, encoding="unicode").encode()


def _add(parent: etree._Element, item: dict[str, Any]) -> None:
    element = etree.SubElement(parent, "OutgoingCallerId")
    texts = {
        "Sid": item["sid"],
        "AccountSid": item["account_sid"],
        "FriendlyName": item["friendly_name"],
        "PhoneNumber": item["phone_number"].removeprefix("+1"),
        "DateCreated": _date(item["date_created"]),
        "DateUpdated": _date(item["date_updated"]),
    }
    for name, text in texts.items():
        etree.SubElement(element, name).text = text


def _date(text: str) -> str:
    date: datetime = parsedate_to_datetime(text)
    return format_datetime(date.astimezone(_ZONE))
