"""Recorded requests of client libraries of the time, sent to a proxy with a sandbox.

Each gets its own sandbox, so their order does not matter. The recordings are not part of the project; without
them these tests are skipped.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

import pytest
from support.running import running_proxy, running_sandbox
from support.seed import ACCOUNT, BOB, COMPANY
from support.wire import Message, connect, scripted_upstream

from proxy.sandbox import Store
from proxy.sandbox.errors import ApiError

CAPTURES = Path(__file__).parents[2] / "shared" / "captures"
TOKEN = "3a2630a909aadbf60266234756fb15a0"
NOW = 1_700_000_000.0  # what the sandbox's clock shows: Tue, 14 Nov 2023 22:13:20 +0000
FILES = {f"{file.parent.name}/{file.name}": file for file in sorted(CAPTURES.glob("*/*.txt"))}

if not FILES:
    pytest.skip("no ../shared/captures beside this checkout", allow_module_level=True)

Check = Callable[[Element, Store], None]
"""Checks the resource in the answer, the root's only child, and the state of the sandbox after it."""


class Expected(NamedTuple):
    status: int
    check: Check
    upstream: bool = True
    """Whether the upstream is called."""


# The checks


def lists(*sids: str, page: int = 0, numpages: int = 1, pagesize: int = 50, total: int = 2) -> Check:
    def check(resource: Element, _: Store) -> None:
        assert resource.tag == "OutgoingCallerIds"
        assert [sid.text for sid in resource.iterfind("OutgoingCallerId/Sid")] == list(sids)
        start = page * pagesize if sids else 0
        end = start + len(sids) - 1 if sids else 0
        numbers = (page, numpages, pagesize, total, start, end)
        names = ("page", "numpages", "pagesize", "total", "start", "end")
        assert list(resource.items()) == list(zip(names, map(str, numbers), strict=True))

    return check


def shows(name: str, updated: str) -> Check:
    def check(resource: Element, store: Store) -> None:
        assert children(resource, "OutgoingCallerId") == {
            "Sid": BOB,
            "AccountSid": ACCOUNT,
            "FriendlyName": name,
            "PhoneNumber": "4158675309",
            "DateCreated": "Tue, 01 Apr 2008 11:26:32 -0700",
            "DateUpdated": updated,
        }
        assert store.fetch(ACCOUNT, BOB).friendly_name == name
        assert store.calls() == []

    return check


def calls(name: str, delay: int) -> Check:
    def check(resource: Element, store: Store) -> None:
        (call,) = store.calls()
        assert (call.phone_number, call.friendly_name, call.rings_at) == ("+14158675309", name, NOW + delay)
        assert children(resource, "ValidationRequest") == {
            "AccountSid": ACCOUNT,
            "PhoneNumber": "4158675309",
            "FriendlyName": name,
            "ValidationCode": "123456",
        }

    return check


def refuses(code: int | None) -> Check:
    def check(resource: Element, store: Store) -> None:
        told = children(resource, "RestException")
        about = (
            {}
            if code is None
            else {"Code": str(code), "MoreInfo": f"http://www.twilio.com/docs/errors/{code}"}
        )
        assert told == {"Status": told["Status"], "Message": told["Message"], **about}
        assert store.calls() == []

    return check


def deletes(_: Element, store: Store) -> None:
    with pytest.raises(ApiError):
        store.fetch(ACCOUNT, BOB)
    assert store.fetch(ACCOUNT, COMPANY).sid == COMPANY


def children(resource: Element, tag: str) -> dict[str, str | None]:
    assert resource.tag == tag
    return {str(child.tag): child.text for child in resource}


# The answer to each capture

LIST_OF_TWO = Expected(200, lists(BOB, COMPANY))
SECOND_PAGE = Expected(200, lists(COMPANY, page=1, numpages=2, pagesize=1))
ONE_NUMBER = Expected(200, lists(BOB, total=1))
NO_SUCH_NAME = Expected(200, lists(numpages=0, total=0))
FETCHED = Expected(200, shows("Bob Cell Phone", updated="Tue, 01 Apr 2008 11:26:32 -0700"))
DELETED = Expected(204, deletes)
NO_NUMBER = Expected(400, refuses(21401), upstream=False)
NO_SUCH_SID = Expected(404, refuses(None), upstream=False)


def renamed(name: str) -> Expected:
    return Expected(200, shows(name, updated="Tue, 14 Nov 2023 14:13:20 -0800"))


ROWS: Mapping[str, Expected] = {
    "perl-www-twilio-api-0.14/01_GET.txt": LIST_OF_TWO,
    "perl-www-twilio-api-0.14/02_GET.txt": LIST_OF_TWO,  # the filter in its body is ignored
    "perl-www-twilio-api-0.14/03_GET.txt": ONE_NUMBER,
    "perl-www-twilio-api-0.14/04_GET.txt": SECOND_PAGE,
    "perl-www-twilio-api-0.14/05_GET.txt": FETCHED,
    "perl-www-twilio-api-0.14/06_PUT.txt": renamed("My Cell Phone"),
    "perl-www-twilio-api-0.14/07_POST.txt": renamed("My Cell & Phone"),
    "perl-www-twilio-api-0.14/08_DELETE.txt": DELETED,
    "perl-www-twilio-api-0.14/09_POST.txt": Expected(200, calls("My Home Phone Number", delay=5)),
    "perl-www-twilio-api-0.14/10_POST.txt": NO_NUMBER,  # no body, no Content-Length
    "perl-www-twilio-api-0.14/11_POST.txt": renamed("X"),  # ?_method=PUT
    "perl-www-twilio-api-0.14/12_POST.txt": DELETED,  # ?_method=DELETE
    "perl-www-twilio-api-0.14/13_GET.txt": NO_SUCH_SID,
    "perl-www-twilio-api-0.14/14_GET.txt": NO_SUCH_SID,  # and a wrong token, which is not checked
    "twilio-php-2.0.8/01_GET.txt": LIST_OF_TWO,  # two leading slashes
    "twilio-php-2.0.8/02_GET.txt": LIST_OF_TWO,
    "twilio-php-2.0.8/03_GET.txt": ONE_NUMBER,
    "twilio-php-2.0.8/04_GET.txt": NO_SUCH_NAME,
    "twilio-php-2.0.8/05_GET.txt": SECOND_PAGE,
    "twilio-php-2.0.8/06_GET.txt": FETCHED,
    "twilio-php-2.0.8/07_PUT.txt": renamed("My Cell Phone"),
    "twilio-php-2.0.8/08_POST.txt": renamed("My Cell é & Phone"),
    "twilio-php-2.0.8/09_DELETE.txt": DELETED,
    "twilio-php-2.0.8/10_POST.txt": Expected(200, calls("My Home Phone Number", delay=5)),
    "twilio-php-2.0.8/11_POST.txt": Expected(400, refuses(20002), upstream=False),  # a FriendlyName of 1 KiB
    "twilio-php-2.0.8/12_POST.txt": NO_NUMBER,
    "twilio-php-2.0.8/13_POST.txt": renamed("X"),  # ?_method=PUT
    "twilio-php-2.0.8/14_POST.txt": DELETED,  # ?_method=DELETE
    "twilio-php-2.0.8/15_GET.txt": NO_SUCH_SID,
    "twilio-php-2.0.8/16_GET.txt": NO_SUCH_SID,  # and a wrong token
    "twilio-python-2.0.10/01_GET.txt": LIST_OF_TWO,
    "twilio-python-2.0.10/02_GET.txt": ONE_NUMBER,
    "twilio-python-2.0.10/03_GET.txt": NO_SUCH_NAME,
    "twilio-python-2.0.10/04_GET.txt": SECOND_PAGE,
    "twilio-python-2.0.10/05_GET.txt": FETCHED,
    "twilio-python-2.0.10/06_PUT.txt": renamed("My Cell Phone"),
    "twilio-python-2.0.10/07_POST.txt": renamed("My Cell é & Phone"),
    "twilio-python-2.0.10/08_DELETE.txt": DELETED,
    "twilio-python-2.0.10/09_POST.txt": Expected(200, calls("My Home Phone Number", delay=5)),
    "twilio-python-2.0.10/10_POST.txt": Expected(400, refuses(21450)),  # is validated, and keeps its name
    "twilio-python-2.0.10/11_POST.txt": renamed("X"),  # ?_method=PUT
    "twilio-python-2.0.10/12_POST.txt": DELETED,  # ?_method=DELETE
    "twilio-python-2.0.10/13_GET.txt": NO_SUCH_SID,
    "twilio-python-2.0.10/14_GET.txt": NO_SUCH_SID,  # and a wrong token
}
WITHOUT_UPSTREAM = sorted(name for name, expected in ROWS.items() if not expected.upstream)


@asynccontextmanager
async def proxy_before_sandbox() -> AsyncIterator[tuple[int, Store]]:
    """Run both; yields the proxy's port and the sandbox's store."""
    with closing(Store(clock=lambda: NOW)) as store:
        store.add_account(ACCOUNT, TOKEN)
        async with running_sandbox(store) as url, running_proxy(url) as port:
            yield port, store


async def answer_to(request: bytes, port: int) -> Message:
    async with connect(port) as client:
        answer = await client.ask(request)
        head = request.partition(b"\r\n\r\n")[0].lower()
        if b"connection: close" in head or b"connection: te, close" in head:
            assert await client.is_closed()
        return answer


@pytest.mark.parametrize("name", sorted(ROWS))
async def test_capture(name: str) -> None:
    expected = ROWS[name]
    async with proxy_before_sandbox() as (port, store):
        answer = await answer_to(FILES[name].read_bytes(), port)
        assert answer.status == expected.status
        if answer.status == 204:
            assert (answer.header("Content-Type"), answer.body) == (None, b"")
            expected.check(Element("nothing"), store)
            return
        assert answer.header("Content-Type") == "application/xml; charset=utf-8"
        root = ET.fromstring(answer.body)
        (resource,) = root
        assert root.tag == "TwilioResponse"
        assert resource.findtext("Status", str(expected.status)) == str(expected.status)
        expected.check(resource, store)


@pytest.mark.parametrize("name", WITHOUT_UPSTREAM)
async def test_capture_does_not_reach_the_upstream(name: str) -> None:
    async with scripted_upstream() as upstream, running_proxy(upstream.url) as port:
        answer = await answer_to(FILES[name].read_bytes(), port)
        assert answer.status == ROWS[name].status
        assert upstream.received == []


def test_every_capture_has_a_row() -> None:
    assert sorted(FILES) == sorted(ROWS)
