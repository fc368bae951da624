"""The proxy, with prism and Twilio's OpenAPI file as the upstream."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from lxml import etree
from support.prism import SPECS, accept_any_id, needs_prism, prism
from support.running import UNLIMITED, running_proxy
from support.seed import basic
from support.wire import Message, RawClient, ask, connect

from proxy.config import shipped_profiles

pytestmark = needs_prism

# Twilio's examples
ACCOUNT = "AC" + "a" * 32
SID = "PN" + "a" * 32
LIST = f"/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds"
UPSTREAM_LIST = f"/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds.json"
EXAMPLE = {
    "Sid": SID,
    "AccountSid": ACCOUNT,
    "FriendlyName": "(415) 867-5309",
    "PhoneNumber": "141586753096",
    "DateCreated": "Thu, 20 Aug 2009 17:11:24 -0700",
    "DateUpdated": "Thu, 20 Aug 2009 17:11:24 -0700",
}


def request(method: str, target: str, form: bytes = b"", username: str = ACCOUNT) -> bytes:
    headers = (("Host", "x"), ("Authorization", basic(username, "any-token")))
    return Message(f"{method} {target} HTTP/1.1", headers, form).encode()


async def legacy(client: RawClient, method: str, target: str, form: bytes = b"") -> etree._Element:
    """Return the content of the document of a successful answer."""
    answer = await client.ask(request(method, target, form))
    assert answer.status == 200, answer
    (child,) = etree.fromstring(answer.body)
    return child


def texts(element: etree._Element) -> dict[str, str | None]:
    return {str(child.tag): child.text for child in element}


MISTAKES = [
    ("GET", f"{UPSTREAM_LIST}?PageSize=1001", b""),
    ("POST", UPSTREAM_LIST, b"FriendlyName=x"),
    ("GET", UPSTREAM_LIST.replace(".json", f"/{SID}x.json"), b""),
]


@pytest.mark.parametrize(
    "options",
    [
        ["twilio_outgoing_caller_ids.json"],
        # The vendor's own examples break it; with corrected ones, prism can check its answers too
        ["twilio_outgoing_caller_ids.relaxed.json", "--errors"],
    ],
    ids=["as published", "relaxed"],
)
async def test_no_operation_breaks_the_specification(options: list[str]) -> None:
    specification, *others = options
    async with (
        prism(str(SPECS / specification), *others) as upstream,
        running_proxy(f"http://127.0.0.1:{upstream.port}") as port,
        connect(port) as client,
    ):
        one = {"page": "0", "numpages": "1", "pagesize": "50", "total": "1", "start": "0", "end": "0"}
        listed = await legacy(client, "GET", LIST)
        assert (listed.tag, list(listed.items())) == ("OutgoingCallerIds", list(one.items()))
        assert [texts(it) for it in listed] == [EXAMPLE]

        # prism does not filter; the proxy checks once more
        for query, total in (
            ("FriendlyName=%28415%29%20867-5309", 1),
            ("FriendlyName=Zo%C3%AB%20%26%20Co&page=0&num=20", 0),
            ("PhoneNumber=(415)+867-5309", 0),
            ("PhoneNumber=4158675309&FriendlyName=Bob&page=3&num=1000", 0),
            ("page=7&num=1", 1),
        ):
            assert (await legacy(client, "GET", f"{LIST}?{query}")).get("total") == str(total)

        fetched = await legacy(client, "GET", f"{LIST}/{SID}")
        assert (fetched.tag, texts(fetched)) == ("OutgoingCallerId", EXAMPLE)

        for method in ("PUT", "POST"):
            renamed = await legacy(client, method, f"{LIST}/{SID}", b"FriendlyName=Zo%C3%AB+%26+Co")
            assert texts(renamed) == EXAMPLE | {"FriendlyName": "friendly_name"}

        named = {"FriendlyName": "friendly_name"}
        forms: Mapping[bytes, Mapping[str, str]] = {
            b"PhoneNumber=415-555-1212": {},
            b"PhoneNumber=415-555-1212&CallDelay=60": {},
            b"PhoneNumber=(415)+555.1212&FriendlyName=My+Home&CallDelay=0": named,
        }
        for form, name in forms.items():
            started = {"AccountSid": ACCOUNT, "PhoneNumber": "4155551212", "ValidationCode": "111111"}
            assert texts(await legacy(client, "POST", LIST, form)) == {**started, **name}

        deleted = await client.ask(request("DELETE", f"{LIST}/{SID}"))
        assert (deleted.status, deleted.body) == (204, b"")

        # and prism does refuse invalid requests
        for method, target, form in MISTAKES:
            assert (await ask(upstream.port, request(method, target, form))).status in (400, 422)
    assert upstream.count("Request received") == 13 + len(MISTAKES)
    assert upstream.count("did not pass the validation rules") == len(MISTAKES)


async def test_every_valid_request_gets_an_answer(tmp_path: Path) -> None:
    """Fields with any content, many of them null: what the proxy cannot parse is a 502."""
    profile = shipped_profiles()["twilio-2010-04-01"].read_text(encoding="utf-8")
    indifferent = re.sub(
        r"^  account: .*\n", "", profile, flags=re.MULTILINE
    )  # the account of the numbers is random
    assert indifferent != profile
    (tmp_path / "profile.yaml").write_text(accept_any_id(indifferent), encoding="utf-8")
    asked = [
        ("GET", LIST, b""),
        ("GET", f"{LIST}?FriendlyName=x&page=1", b""),
        ("GET", f"{LIST}/{SID}", b""),
        ("PUT", f"{LIST}/{SID}", b"FriendlyName=x"),
        ("POST", LIST, b"PhoneNumber=4155551212"),
    ]
    async with (
        prism(str(SPECS / "twilio_outgoing_caller_ids.json"), "--dynamic") as upstream,
        running_proxy(
            f"http://127.0.0.1:{upstream.port}", f"  profile: {tmp_path / 'profile.yaml'}\n{UNLIMITED}"
        ) as port,
        connect(port) as client,
    ):
        for method, target, form in asked * 20:
            answer = await client.ask(request(method, target, form))
            assert answer.status in (200, 502), answer
            (child,) = etree.fromstring(answer.body)
            assert (child.tag == "RestException") == (answer.status == 502)
            assert child.findtext("Status") in (None, str(answer.status))
