"""Twilio's profile at work: what each operation asks for, and what each answer is read as."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.seed import ACCOUNT, BOB, TOKEN
from support.twilio import BASE, CALLER, MAPPED, PROFILE, SETTINGS, replied

from proxy.errors import BAD_UPSTREAM, UNSUPPORTED, LegacyError
from proxy.model import (
    Account,
    CallerId,
    Delete,
    Deleted,
    Fetch,
    List,
    Operation,
    Rename,
    Result,
    Validate,
    ValidationRequest,
)
from proxy.profile import language
from proxy.profile.calls import Call, Reply
from proxy.profile.profile import Profile, StartedValidation

ONE = Fetch | Rename | Delete | Validate
LIST_URL = f"{BASE}/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds.json"
INSTANCE_URL = f"{BASE}/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds/{BOB}.json"
ITEM = {
    "sid": BOB,
    "account_sid": ACCOUNT,
    "friendly_name": "Bob Cell Phone",
    "phone_number": "+14158675309",
    "date_created": "Tue, 01 Apr 2008 18:26:32 +0000",
    "date_updated": "Wed, 02 Apr 2008 18:26:32 +0000",
    "uri": f"/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds/{BOB}.json",
}
READ = CallerId(BOB, ACCOUNT, "Bob Cell Phone", "+14158675309", 1207074392, 1207160792)


def call(operation: Operation, account: Account = CALLER, profile: Profile = PROFILE) -> Call:
    if isinstance(operation, List):
        return profile.list(operation, account).call
    if isinstance(operation, Validate):
        return profile.validate(operation, account).call
    return profile.exchange(operation, account).call


def read(operation: ONE, document: object, status: int = 200) -> Result | StartedValidation | None:
    if isinstance(operation, Validate):
        return PROFILE.validate(operation, CALLER).read(replied(status, document))
    return PROFILE.exchange(operation, CALLER).read(replied(status, document))


# Calls


@pytest.mark.parametrize(
    ("operation", "method", "url", "query", "form"),
    [
        (List(ACCOUNT, 0, 50), "GET", LIST_URL, {"PageSize": "1000"}, None),
        (List(ACCOUNT, 9, 1), "GET", LIST_URL, {"PageSize": "1000"}, None),
        (
            List(ACCOUNT, 0, 50, "+14158675309", "Zoë & Co + 100%"),
            "GET",
            LIST_URL,
            {"PhoneNumber": "+14158675309", "FriendlyName": "Zoë & Co + 100%", "PageSize": "1000"},
            None,
        ),
        (Fetch(ACCOUNT, BOB), "GET", INSTANCE_URL, {}, None),
        (Rename(ACCOUNT, BOB, "Zoë & Co"), "POST", INSTANCE_URL, {}, {"FriendlyName": "Zoë & Co"}),
        (Delete(ACCOUNT, BOB), "DELETE", INSTANCE_URL, {}, None),
        (
            Validate(ACCOUNT, "+14155551212", "Home", 15),
            "POST",
            LIST_URL,
            {},
            {"PhoneNumber": "+14155551212", "FriendlyName": "Home", "CallDelay": "15"},
        ),
        (
            Validate(ACCOUNT, "+14155551212", None, 0),
            "POST",
            LIST_URL,
            {},
            {"PhoneNumber": "+14155551212", "CallDelay": "0"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Operation) else "",
)
def test_a_call(
    operation: Operation, method: str, url: str, query: dict[str, str], form: dict[str, str] | None
) -> None:
    made = call(operation)
    assert made.method == method
    address, _, query_string = made.url.partition("?")
    assert address == url
    assert dict(parse_qsl(query_string, strict_parsing=bool(query))) == query
    assert made.headers["Authorization"] == f"Basic {b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}"
    assert form_of(made) == form


def form_of(made: Call) -> dict[str, str] | None:
    if made.encoded_body() is None:
        return None
    content_type, body = made.encoded_body() or ("", b"")
    assert content_type == "application/x-www-form-urlencoded"
    pairs = parse_qsl(body.decode(), strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


OPERATIONS: list[Operation] = [
    List(ACCOUNT, 0, 50),
    Fetch(ACCOUNT, BOB),
    Rename(ACCOUNT, BOB, "x"),
    Delete(ACCOUNT, BOB),
    Validate(ACCOUNT, "+14155551212", None, 0),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: type(it).__name__)
def test_a_mapped_account_sends_nothing_of_the_caller(operation: Operation) -> None:
    made = call(operation, MAPPED)
    credentials = b64encode(f"{MAPPED.credentials.username}:{MAPPED.credentials.password}".encode()).decode()
    assert made.headers["Authorization"] == f"Basic {credentials}"
    assert urlsplit(made.url).path.startswith(f"/2010-04-01/Accounts/{MAPPED.upstream_id}/")
    assert ACCOUNT not in made.url
    assert TOKEN not in f"{made}"


@pytest.mark.parametrize("base", ["https://api.twilio.com", "http://127.0.0.1:1/some/path"])
def test_another_base_url(base: str) -> None:
    made = Profile(SETTINGS, base).exchange(Fetch(ACCOUNT, BOB), CALLER).call
    assert made.url == f"{base}/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds/{BOB}.json"


def test_the_profiles_own_base_url() -> None:
    made = Profile(SETTINGS).exchange(Fetch(ACCOUNT, BOB), CALLER).call
    assert made.url.startswith("https://api.twilio.com/2010-04-01/")


def test_no_text_of_a_client_can_leave_its_parameter() -> None:
    name = "x&PhoneNumber=+19005550000\r\nX-Evil: 1#?/../"
    made = call(Validate(ACCOUNT, "+14155551212", name, 0))
    assert form_of(made) == {"PhoneNumber": "+14155551212", "FriendlyName": name, "CallDelay": "0"}
    url = call(List(ACCOUNT, 0, 50, friendly_name=name)).url
    assert dict(parse_qsl(urlsplit(url).query, strict_parsing=True)) == {
        "FriendlyName": name,
        "PageSize": "1000",
    }
    assert not set(" \r\n#") & set(url)


# Readings of one number


@pytest.mark.parametrize("operation", [Fetch(ACCOUNT, BOB), Rename(ACCOUNT, BOB, "x")], ids=str)
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, READ),
        ({"friendly_name": None}, READ._replace(friendly_name="(415) 867-5309")),
        ({"friendly_name": ""}, READ._replace(friendly_name="")),
        ({"account_sid": None}, READ),
        ({"uri": None, "something_new": {"deep": [1]}}, READ),
        (
            {"date_created": None, "date_updated": "last tuesday"},
            READ._replace(date_created=None, date_updated=None),
        ),
        ({"phone_number": None}, READ._replace(phone_number="")),
        # Twilio's own example has twelve digits
        (
            {"phone_number": "+141586753096", "friendly_name": None},
            READ._replace(friendly_name="+141586753096", phone_number="+141586753096"),
        ),
        (
            {"phone_number": "+442071838750", "friendly_name": None},
            READ._replace(friendly_name="+442071838750", phone_number="+442071838750"),
        ),
    ],
)  # fmt: skip
def test_a_number(operation: ONE, changes: dict[str, Any], expected: CallerId) -> None:
    assert read(operation, ITEM | changes) == expected


def test_a_number_with_required_fields_only() -> None:
    assert read(Fetch(ACCOUNT, BOB), {"sid": BOB}) == CallerId(BOB, ACCOUNT, "", "", None, None)


def test_the_account_is_the_one_of_the_legacy_path() -> None:
    exchange = PROFILE.exchange(Fetch(ACCOUNT, BOB), MAPPED)
    found = exchange.read(replied(200, ITEM | {"account_sid": MAPPED.upstream_id}))
    assert isinstance(found, CallerId)
    assert found.account_sid == ACCOUNT


NONSENSE: list[object] = [
    None,
    True,
    17,
    "text",
    [],
    [ITEM],
    {},
    ITEM | {"sid": None},
    {name: value for name, value in ITEM.items() if name != "sid"},
    ITEM | {"sid": {"nested": BOB}},
    ITEM | {"sid": True},
    ITEM | {"friendly_name": ["a"]},
    ITEM | {"phone_number": {"e164": "+14158675309"}},
    ITEM | {"account_sid": "AC" + "f" * 32},  # of another account
]


@pytest.mark.parametrize("document", NONSENSE, ids=lambda it: str(it)[:60])
def test_an_invalid_item(document: object) -> None:
    with pytest.raises(LegacyError) as raised:
        read(Fetch(ACCOUNT, BOB), document)
    assert raised.value.fault == BAD_UPSTREAM
    assert read(Rename(ACCOUNT, BOB, "x"), document) is None  # it has been renamed, and is fetched


BODIES = [
    b"",
    b" ",
    b"<html></html>",
    b"{",
    b'{"sid": NaN}',
    b"[" * 100_000,
    b'{"a":' * 10_000,
    b"\xff\xfe{}",
    b'"\\ud800"',
    b"null",
]


@pytest.mark.parametrize("body", BODIES, ids=lambda it: ascii(it)[:30])
def test_a_body_that_is_not_json(body: bytes) -> None:
    readers: list[Callable[[Reply], object]] = [
        PROFILE.exchange(Fetch(ACCOUNT, BOB), CALLER).read,
        PROFILE.list(List(ACCOUNT, 0, 50), CALLER).read,
    ]
    for reader in readers:
        with pytest.raises(LegacyError) as raised:
            reader(Reply(200, body))
        assert raised.value.fault == BAD_UPSTREAM


def test_a_byte_order_mark_is_ignored() -> None:
    body = b"\xef\xbb\xbf" + replied(200, ITEM).body
    assert PROFILE.exchange(Fetch(ACCOUNT, BOB), CALLER).read(Reply(200, body)) == READ


# Readings of the rest


def test_a_deletion() -> None:
    assert PROFILE.exchange(Delete(ACCOUNT, BOB), CALLER).read(Reply(204, b"")) == Deleted()


@pytest.mark.parametrize("status", [301, 304, 307])
def test_a_deletion_that_is_not_acknowledged(status: int) -> None:
    with pytest.raises(LegacyError) as raised:
        PROFILE.exchange(Delete(ACCOUNT, BOB), CALLER).read(replied(status, {}))
    assert raised.value.fault == BAD_UPSTREAM


VALIDATION = {
    "account_sid": ACCOUNT,
    "call_sid": "CA" + "0" * 32,
    "friendly_name": "(415) 555-1212",
    "phone_number": "+14155551212",
    "validation_code": "123456",
}


@pytest.mark.parametrize(
    ("asked", "changes", "name", "code"),
    [
        ("Home", {"friendly_name": "Home"}, "Home", "123456"),
        ("Home", {"friendly_name": None}, "Home", "123456"),
        (None, {"friendly_name": None}, None, "123456"),
        (None, {"validation_code": 123456}, None, "123456"),
        (None, {"validation_code": 42}, None, "000042"),
        (None, {"validation_code": 0}, None, "000000"),
        (None, {"validation_code": "000042"}, None, "000042"),
    ],
)
def test_a_validation(asked: str | None, changes: dict[str, Any], name: str | None, code: str) -> None:
    operation = Validate(ACCOUNT, "+14155551212", asked, 0)
    assert read(operation, VALIDATION | changes) == ValidationRequest(ACCOUNT, "+14155551212", name, code)


@pytest.mark.parametrize("name", ["(415) 555-1212", "4155551212", "Home", "", None])
def test_found_d5_a_name_that_was_not_given_is_not_shown(name: str | None) -> None:
    operation = Validate(ACCOUNT, "+14155551212", None, 0)
    shown = ValidationRequest(ACCOUNT, "+14155551212", None, "123456")
    assert read(operation, VALIDATION | {"friendly_name": name}) == shown


CODES = [
    None,
    "",
    "12345",
    "1234567",
    "12 345",
    "abcdef",
    "12345x",
    "123456\n",
    "١٢٣٤٥٦",
    1234567,
    -12345,
    1.5,
]


@pytest.mark.parametrize("code", [*CODES, True, [], ["123456"], {"code": "123456"}], ids=ascii)
def test_a_validation_needs_six_digits(code: object) -> None:
    with pytest.raises(LegacyError) as raised:
        read(Validate(ACCOUNT, "+14155551212", None, 0), VALIDATION | {"validation_code": code})
    assert raised.value.fault == BAD_UPSTREAM


# Readings of a list


def test_a_page_and_the_next_one() -> None:
    first = PROFILE.list(List(ACCOUNT, 0, 50, friendly_name="Bob"), CALLER)
    target = f"/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds.json?PageSize=1000&Page=1&PageToken=PAx%2B"
    listing = first.read(replied(200, {"outgoing_caller_ids": [ITEM, ITEM], "next_page_uri": target}))
    assert list(listing.caller_ids) == [READ, READ]
    assert listing.next is not None
    following = listing.next(CALLER)
    assert following.call == first.call._replace(address=f"{BASE}{target}", query={})
    last = following.read(replied(200, {"outgoing_caller_ids": [], "next_page_uri": None}))
    assert (list(last.caller_ids), last.next) == ([], None)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        [ITEM],
        {},
        {"outgoing_caller_ids": {}},
        {"outgoing_caller_ids": "x"},
        {"caller_ids": []},
        *({"outgoing_caller_ids": [ITEM, nonsense]} for nonsense in NONSENSE),
    ],
    ids=lambda it: str(it)[:80],
)
def test_an_invalid_list(document: object) -> None:
    """An item that cannot be read spoils the whole answer: none is left out in silence."""
    with pytest.raises(LegacyError) as raised:
        PROFILE.list(List(ACCOUNT, 0, 50), CALLER).read(replied(200, document))
    assert raised.value.fault == BAD_UPSTREAM


# What an upstream cannot do


@pytest.mark.parametrize("operation", OPERATIONS[1:], ids=lambda it: type(it).__name__)
def test_an_operation_that_the_profile_lacks(operation: Operation) -> None:
    lacking = language.Unsupported(unsupported="Nobody can do this")
    operations = SETTINGS.operations.model_copy(
        update=dict.fromkeys(("fetch", "rename", "delete", "validate_"), lacking)
    )
    bare = Profile(SETTINGS.model_copy(update={"operations": operations}), BASE)
    with pytest.raises(LegacyError) as raised:
        call(operation, profile=bare)
    assert raised.value.fault == UNSUPPORTED.saying("Nobody can do this")
    assert UNSUPPORTED.status == 501


@pytest.mark.parametrize(("source", "value"), [("account", ACCOUNT), ("id", BOB)])
def test_a_parameter_from_the_path(source: str, value: str) -> None:
    endpoint = language.ItemEndpoint.model_validate({"method": "GET", "path": "/x", "query": {"q": source}})
    operations = SETTINGS.operations.model_copy(update={"fetch": endpoint})
    settings = SETTINGS.model_copy(update={"operations": operations})
    made = Profile(settings, BASE).exchange(Fetch(ACCOUNT, BOB), CALLER).call
    assert made.url == f"{BASE}/x?q={value}"
