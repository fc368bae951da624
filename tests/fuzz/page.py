"""The code page with any form and any headers: the answer is always that page."""

import asyncio
import tempfile
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from multidict import CIMultiDict
from support.code_on_phone import CONFIGURATION, VARIABLES
from support.seed import LIST, basic

from fuzz.documents import STYLES
from proxy.cache import CachePolicy, ListCache, SharedMemoryStore
from proxy.config import Configuration, load
from proxy.errors import LegacyError
from proxy.gateway.listing import Lists
from proxy.gateway.translator import Translator
from proxy.legacy import Answer, RenderedList, Request, parse_body
from proxy.legacy.text import is_legible, legible
from proxy.process.assembly import create_accounts, create_profile, name_upstream
from proxy.profile.calls import Call, Reply
from proxy.server import code_page
from proxy.upstream.api import Upstream

NUMBER = "415-555-1212"
VERIFIED = b'{"data": {"phone_number": "+14155551212", "record_type": "verified_number"}}'

_STARTED = Reply(200, b'{"phone_number": "+14155551212", "verification_method": "call"}')
_HEADERS = {"Cache-Control", "Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options"}
_UNASKED = (400, 403, 404, 405, 413, 415, 429)


class _Upstream:
    """Places a call, and then sends the given reply."""

    def __init__(self, reply: Reply) -> None:
        self.calls: list[Call] = []
        self._replies = [reply, _STARTED]

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        return self._replies.pop()


class Page(HTMLParser):
    """The parts of a page, and the texts inserted into it."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.parts: list[object] = []
        self.number = ""
        self.said = ""
        self._open: list[str] = []
        self._is_said = False
        text = body.decode()
        assert is_legible(text)
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs)
        self.number = given.pop("value", None) or self.number
        self._is_said = (given.get("class") or "").startswith("said")
        self.parts.append((tag, {name: text for name, text in given.items() if name not in _MARKS}))
        if tag not in ("meta", "link", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._is_said = False
        self.parts.append(tag)

    def handle_data(self, data: str) -> None:
        if self._is_said:
            self.said += data
        else:
            self.parts.append(data)


_MARKS = {"autofocus", "aria-invalid", "aria-describedby"}


def _configuration() -> Configuration:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "proxy.yaml"
        file.write_text(f"upstream:\n  base_url: http://upstream.example\n{CONFIGURATION}", encoding="utf-8")
        return load(file, VARIABLES)


_CONFIGURATION = _configuration()
_UPSTREAM = _CONFIGURATION.settings.upstream
_PROFILE = create_profile(_CONFIGURATION, _UPSTREAM)
_ACCOUNTS = create_accounts(_CONFIGURATION.settings)


def _translator(upstream: _Upstream) -> Translator:
    """Return a translator without a cache."""
    lists: Lists = ListCache(RenderedList, CachePolicy(0, 0, 0), SharedMemoryStore())
    return Translator(_ACCOUNTS, {name_upstream(_UPSTREAM): Upstream(_PROFILE, upstream)}, STYLES[0], lists)


async def _brought(
    method: str, headers: dict[str, str], body: bytes, reply: Reply
) -> tuple[Answer, Sequence[Call]]:
    """Enter a code for a pending call."""
    upstream = _Upstream(reply)
    translator = _translator(upstream)
    validate = Request("POST", LIST, (basic(),), None, f"PhoneNumber={NUMBER}".encode())
    assert (await translator.answer(validate)).status == 200
    answer = await code_page.answer(method, CIMultiDict(headers), body, translator)
    return answer, upstream.calls[1:]


def page(method: str, headers: dict[str, str], body: bytes, reply: Reply) -> None:
    """Check the answer."""
    answer, calls = asyncio.run(_brought(method, headers, body, reply))
    if method in ("GET", "HEAD"):
        assert answer.status == 200
    elif calls:
        assert answer.status == 200 or 400 <= answer.status < 600
    else:
        assert answer.status in _UNASKED
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.headers.keys() <= _HEADERS | {"Allow", "Retry-After"}
    assert answer.headers.keys() >= _HEADERS
    shown = Page(answer.body)
    assert shown.parts in _KNOWN
    number = _number(headers.get("Content-Type"), body)
    if answer.status == 200 and calls:
        assert shown.said == f"{number} is confirmed."
    else:
        assert shown.number in ("", number)


def _number(content_type: str | None, body: bytes) -> str:
    try:
        return legible(parse_body(content_type, body).get("PhoneNumber", "")[:40])
    except LegacyError:
        return ""


def _known() -> Sequence[object]:
    """Return the parts of the known pages: the form, the form with an error, and the confirmation."""
    right = f"PhoneNumber={NUMBER}&Code=123456".encode()
    asked: Sequence[tuple[str, bytes]] = (("GET", b""), ("POST", b""), ("POST", right))
    every = [asyncio.run(_brought(method, {}, body, Reply(200, VERIFIED))) for method, body in asked]
    return [Page(answer.body).parts for answer, _ in every]


_KNOWN = _known()
