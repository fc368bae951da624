"""Seeds for fuzzing: the messages of the conversations, and recordings if present."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from support import broken_configurations as configurations
from support import conversations, openapi
from support.seed import ACCOUNT, BOB
from support.wire import Message

from fuzz.configurations import BETWEEN
from fuzz.page import NUMBER, VERIFIED
from fuzz.targets import BASE, TARGETS, VENDORS
from proxy.config import shipped_profiles

_TESTS = Path(__file__).parents[1]
_CAPTURES = sorted((_TESTS.parents[1] / "shared" / "captures").glob("*/*.txt"))
_TWILIO = "twilio-2010-04-01"
_UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
# Lists of the shipped profiles that no conversation contains
_LISTS = {
    "cloudtalk": '{"responseData": {"itemsCount": 1, "data": '
    '[{"CallNumber": {"id": "7", "caller_id_e164": 14158675309}}]}}',
    "dialmycalls": f'{{"results": [{{"id": "{_UUID}", "phone": "4158675309", "approved": true}}]}}',
    "example-rest": '{"total": 1, "items": [{"id": 7, "name": "Bob", "number": "+14158675309"}]}',
    "infobip": f'{{"numberCount": 1, "numbers": [{{"numberKey": "{"6F" * 16}", "number": "14158675309"}}]}}',
    "plivo": '{"meta": {"total_count": 1}, "objects": [{"phone_number": "14158675309", "alias": "Bob"}]}',
    "restcomm": f'[{{"sid": "{BOB}", "account_sid": "{ACCOUNT}", "phone_number": "+14158675309"}}]',
    "ringcentral": '{"records": [{"id": 7, "phoneNumber": "+14158675309", "features": ["CallerId"]}], '
    '"paging": {"totalElements": 1}}',
    "signalwire": f'{{"data": [{{"id": "{_UUID}", "number": "+14158675309", "verified": true, '
    '"verified_at": "2024-05-01T10:00:00Z"}], "links": {"next": "/verified_caller_ids?page=2"}}',
    "telnyx": '{"data": [{"phone_number": "+14158675309"}], "meta": {"total_results": 1}}',
    "voip-ms": '{"status": "success", "dids": [{"did": "4158675309", "note": ""}]}',
    "voximplant": '{"result": [{"callerid_id": 7, "callerid_number": "14158675309", "active": true}]}',
    "zoom-phone": '{"customize_numbers": [{"customize_id": "8_RkKw9OQ42oYsXqJJjs4A", '
    '"phone_number": "+14158675309"}], "next_page_token": ""}',
    "vonage": '{"count": 1, "numbers": [{"country": "US", "msisdn": "14158675309"}]}',
}
_TEXTS = ("Bob & <Co>", "]]>", "=1+1", '"', "a,b\r\nc", "\r", "\0\ufffe", "\ud800", "שלום", "📞" * 64, "</b>")

Seed = tuple[str, bytes]
"""A target's name, and an input for it."""


def seeds() -> Mapping[str, Sequence[bytes]]:
    """Return the seeds of each target."""
    found: dict[str, dict[bytes, None]] = {name: {} for name in TARGETS}
    every = (
        *(_conversations(), _recordings(), _vendors(), _rows(), _configurations(), _codes()),
        *(_responses(), _request_lines(), _descriptions()),
    )
    for name, seed in chain(*every):
        found[name][seed] = None
    return {name: list(them) for name, them in found.items()}


def _conversations() -> Iterator[Seed]:
    for file in conversations.FILES:
        for kind, text in conversations.sections(file, BASE):
            if kind == "client":
                yield from _request(conversations.message(text))
            elif kind == "upstream answers":
                yield from _answer(_TWILIO, conversations.message(text))
    for file in sorted((_TESTS / "profiles" / "vendors").glob("*.txt")):
        for kind, text in conversations.sections(file, BASE):
            if kind == "upstream answers":
                yield from _answer(file.stem, conversations.message(text))


def _recordings() -> Iterator[Seed]:
    for file in _CAPTURES:
        head, _, body = file.read_bytes().partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        yield from _request(Message(start, headers, body))


def _vendors() -> Iterator[Seed]:
    for name, text in _LISTS.items():
        yield from _answer(name, Message("HTTP/1.1 200 OK", (), text.encode()))


def _rows() -> Iterator[Seed]:
    every = (text.encode("utf-8", "surrogatepass") for text in _TEXTS)
    yield (
        "writers",
        b"\xff".join([b"\0\0\4\3\4\5", *chain.from_iterable((text, b"+14158675309") for text in every)]),
    )
    yield (
        "writers",
        b"\xff".join([b"\3\1\0\3", b"Bob", b"+442071838750", b"Ann", b"+14158675309", b"", b"911"]),
    )


def _request(message: Message) -> Iterator[Seed]:
    start = message.start.rpartition(" ")[0].encode("latin-1")
    content_type, credentials = (
        (message.header(name) or "").encode("latin-1", "replace")
        for name in ("Content-Type", "Authorization")
    )
    yield "request", b"\n".join([start, content_type, credentials, message.body])
    yield "request_line", message.start.encode("latin-1")
    yield "query", start.partition(b"?")[2]
    yield "authorization", credentials
    yield "body", content_type + b"\n" + message.body
    kind, _, parameters = content_type.partition(b";")
    match kind.lower():
        case b"multipart/form-data":
            yield "multipart", parameters + b"\n" + message.body
        case b"application/xml" | b"text/xml":
            yield "xml", message.body
        case _:
            yield "urlencoded", message.body


def _answer(vendor: str, message: Message) -> Iterator[Seed]:
    """Name the vendor, a good status, and each operation in turn, whether the answer fits or not."""
    which = list(VENDORS).index(vendor)
    link, content_range = ((message.header(name) or "").encode() for name in ("Link", "Content-Range"))
    yield "list", b"\n".join([bytes((which, 0, 1)), link, content_range, message.body])
    for operation in range(5):
        yield "instance", bytes((which, 0, operation)) + b"\n" + message.body


def _responses() -> Iterator[Seed]:
    """Frame an answer in every way, whole and in slices, to GET and to HEAD."""
    heads = (
        *(
            b"Content-Length: 2\r\n\r\n{}",
            b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n",
        ),
        *(b"\r\n{}", b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", b"Content-Length: 9\r\n\r\n{}"),
        b'Link: <x>; rel="next"\r\nLink: <y>\r\nContent-Range: items 0-1/2\r\nContent-Length: 0\r\n\r\n',
        b"Retry-After: Sun, 13 Mar 2011 12:01:00 GMT\r\nDate: Sun, 13 Mar 2011 12:00:00 GMT\r\n\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n",
    )
    starts = (
        *(b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 X"),
        *(b"HTTP/1.1 101 X", b"HTTP/1.1 429 X", b"HTTP/1.1 103 X\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK"),
    )
    for how, start, head in product((b"\0\xff", b"\0\1\7\0", b"\1\x20"), starts, heads):
        yield "response", how + b"\n" + start + b"\r\n" + head


def _request_lines() -> Iterator[Seed]:
    for target in (b"", b"*", b"/x?y=%00#z", b"http://a:b@c.example:1/d", b"//e", b"f.example:443", b"/\xff"):
        for method in (b"GET", b"OPTIONS", b"CONNECT", b"PRI", b"get"):
            yield "request_line", b"%b %b HTTP/1.1" % (method, target)
    for version in (b"HTTP/0.9", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/11.1", b"ICE/1.0", b""):
        yield "request_line", b"POST / " + version
    for header in (b"Upgrade: h2c", b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Expect: x"):
        yield "request_line", b"POST / HTTP/1.1\r\n" + header


def _codes() -> Iterator[Seed]:
    form = f"PhoneNumber={NUMBER}&Code=123456".encode()
    said = b'{"errors": [{"code": "10015", "title": "Bad Request", "detail": "Wrong <code> & \\"more\\""}]}'
    urlencoded = b"application/x-www-form-urlencoded"
    yield "code", b"\n".join([b"\0POST", urlencoded, b"same-origin", b"", VERIFIED, form])
    yield "code", b"\n".join([b"\x08POST", b"", b"", b"https://proxy.example", said, form])
    yield "code", b"\n".join([b"\x0dPOST", b"", b"none", b"", b"", b"Code=1-2+3&PhoneNumber=%22%3E%3Cb%3E"])
    xml = f"<a><PhoneNumber>&lt;b&gt;{NUMBER}</PhoneNumber><Code>12345 6</Code></a>".encode()
    yield "code", b"\n".join([b"\0POST", b"text/xml", b"", b"null", VERIFIED, xml])
    for method in (b"GET", b"HEAD", b"DELETE"):
        yield "code", b"\n".join([b"\0" + method, b"", b"cross-site", b"", b"", b""])


def _descriptions() -> Iterator[Seed]:
    yield "description", (_TESTS / "support" / "ringbook.yaml").read_bytes()
    for vendor in openapi.VENDORS.values():
        yield "description", json.dumps(vendor.description).encode()


def _configurations() -> Iterator[Seed]:
    files = ("proxy.yaml", "my-api.yaml")
    for file in configurations.FILES:
        with TemporaryDirectory() as folder:
            configurations.write(configurations.sections(file), Path(folder))
            yield "configuration", _both(*((Path(folder) / name).read_text() for name in files))
    good, own = (configurations.GOOD[name] for name in files)
    shipped = (_TESTS.parent / "config" / "proxy.yaml").read_text()
    yield "configuration", _both(shipped, "")
    yield "configuration", _both(re.sub(r"^( *)# +([a-z_0-9]+:)", r"\1\2", shipped, flags=re.MULTILINE), "")
    for profile in shipped_profiles().values():
        yield "configuration", _both(good, profile.read_text())
    # A secret in the place of everything else
    for text in _with_secrets(good):
        yield "configuration", _both(text, own)
    for text in _with_secrets(own):
        yield "configuration", _both(good, text)


def _with_secrets(text: str) -> Iterator[str]:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent) and event.start_mark and event.end_mark:
            yield text[: event.start_mark.index] + '"${SECRET}"' + text[event.end_mark.index :]


def _both(proxy: str, profile: str) -> bytes:
    """Return two files without their comments."""
    return BETWEEN.join(
        re.sub("^ *#.*\n", "", text, flags=re.MULTILINE).encode() for text in (proxy, profile)
    )
