"""The examples of the 2008 documentation, in the order in which they make sense, on a fresh sandbox.

They contradict each other and every other sample of the time in three places; README.md has the choices:
`end` counts the last item, AccountSid is the one of the path, one Sid has its latest name.
"""

import pytest
from lxml import etree
from support.running import running_proxy, running_sandbox
from support.seed import BOB, COMPANY, LIST, basic
from support.wire import Message, ask

from proxy import sandbox

PATH_ACCOUNT = "AC309475e5fede1b49e100272a8640f438"
DATE = "Tue, 01 Apr 2008 11:26:32 -0700"


def caller_id(sid: str, name: str, number: str, updated: str = DATE) -> str:
    return f"""
        <OutgoingCallerId>
            <Sid>{sid}</Sid>
            <AccountSid>{PATH_ACCOUNT}</AccountSid>
            <FriendlyName>{name}</FriendlyName>
            <PhoneNumber>{number}</PhoneNumber>
            <DateCreated>{DATE}</DateCreated>
            <DateUpdated>{updated}</DateUpdated>
        </OutgoingCallerId>"""


LISTED = f"""
    <TwilioResponse>
        <OutgoingCallerIds page="0" numpages="1" pagesize="50" total="2" start="0" end="1">
            {caller_id("PNe536dfda7c6184afab78d980cb8cdf43", "Bob Cell Phone", "4158675309")}
            {caller_id("PNe536dfda7c6DDd455fed980cb83345FF", "Company Main Line", "4158675310")}
        </OutgoingCallerIds>
    </TwilioResponse>"""
FILTERED = f"""
    <TwilioResponse>
        <OutgoingCallerIds page="0" numpages="1" pagesize="50" total="1" start="0" end="0">
            {caller_id("PNe536dfda7c6184afab78d980cb8cdf43", "Bob Cell Phone", "4158675309")}
        </OutgoingCallerIds>
    </TwilioResponse>"""
REQUESTED = """
    <TwilioResponse>
        <ValidationRequest>
            <AccountSid>AC309475e5fede1b49e100272a8640f438</AccountSid>
            <PhoneNumber>4158675309</PhoneNumber>
            <FriendlyName>My Home Phone Number</FriendlyName>
            <ValidationCode>123456</ValidationCode>
        </ValidationRequest>
    </TwilioResponse>"""


def canonical(document: str | bytes) -> bytes:
    """Write a document without the white space between its elements."""
    tree = etree.fromstring(document, etree.XMLParser(remove_blank_text=True))
    return etree.tostring(tree, method="c14n")


async def test_the_examples_of_the_documentation() -> None:
    store = sandbox.Store()
    try:
        async with running_sandbox(store) as url, running_proxy(url) as port:

            async def answer(line: str, body: bytes = b"") -> Message:
                headers = (("Host", "api.twilio.com"), ("Authorization", basic()))
                return await ask(port, Message(line, headers, body).encode())

            listed = await answer(f"GET {LIST} HTTP/1.1")
            assert canonical(listed.body) == canonical(LISTED)
            filtered = await answer(f"GET {LIST}?PhoneNumber=4158675309 HTTP/1.1")
            assert canonical(filtered.body) == canonical(FILTERED)
            form = b"FriendlyName=My+Home+Phone+Number&PhoneNumber=4158675309"
            requested = await answer(f"POST {LIST} HTTP/1.1", form)
            assert canonical(requested.body) == canonical(REQUESTED)

            await sandbox.answer(url, "+14158675309", "123456")
            fetched = await answer(f"GET {LIST}/{BOB} HTTP/1.1")
            updated = etree.fromstring(fetched.body).findtext("OutgoingCallerId/DateUpdated")
            assert updated is not None
            named = caller_id(BOB, "My Home Phone Number", "4158675309", updated)
            assert canonical(fetched.body) == canonical(f"<TwilioResponse>{named}</TwilioResponse>")

            deleted = await answer(f"DELETE {LIST}/{COMPANY} HTTP/1.1")
            assert (deleted.status, deleted.body) == (204, b"")
    finally:
        store.close()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_unsupported_requests(method: str) -> None:
    async with running_proxy("http://127.0.0.1:1") as port:
        request = Message(f"{method} {LIST} HTTP/1.1", (("Host", "x"), ("Authorization", basic())))
        assert (await ask(port, request.encode())).status == 405
