"""Access to accounts: callers' own credentials are passed on, or a table maps them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest
from support.running import running_proxy
from support.seed import ACCOUNT, BOB, LIST, TOKEN, basic
from support.wire import Message, RawClient, ScriptedUpstream, connect, json_answer, scripted_upstream

from proxy.errors import UNAUTHENTICATED, LegacyError
from proxy.gateway.accounts import AccountEntry, AccountTable, PassThrough
from proxy.model import Account, Credentials

OTHER = "AC" + "b" * 32
THIRD = "AC" + "c" * 32
UPSTREAM_ACCOUNT = "AC" + "d" * 32
API_KEY = "SK" + "e" * 32
EMPTY_LIST = b'{"outgoing_caller_ids": [], "next_page_uri": null}'

TABLE = f"""\
accounts:
  {ACCOUNT}:
    token_sha256: {sha256(TOKEN.encode()).hexdigest()}
    upstream:
      account: {UPSTREAM_ACCOUNT}
      username: {API_KEY}
      password: ${{API_SECRET}}
  {OTHER}:
    token: ${{OTHER_TOKEN}}
    upstream:
      account: {OTHER}
      password: ${{API_SECRET}}
"""
VARIABLES = {"API_SECRET": "s3cret-of-the-key", "OTHER_TOKEN": "other-token"}


@asynccontextmanager
async def asking(table: str = "") -> AsyncIterator[tuple[RawClient, ScriptedUpstream]]:
    async with (
        scripted_upstream() as upstream,
        running_proxy(upstream.url, table, VARIABLES) as port,
        connect(port) as client,
    ):
        yield client, upstream


def request(authorization: str | None, target: str = LIST, method: str = "GET") -> bytes:
    headers = (("Host", "api.twilio.com"), ("Authorization", authorization or ""))
    return Message(
        f"{method} {target} HTTP/1.1", headers if authorization is not None else headers[:1]
    ).encode()


def without_date(answer: Message) -> tuple[str, tuple[tuple[str, str], ...], bytes]:
    return answer.start, tuple(header for header in answer.headers if header[0] != "Date"), answer.body


# Passed on


async def test_the_callers_credentials_are_passed_on() -> None:
    async with asking() as (client, upstream):
        for credentials in (
            basic(),
            basic(API_KEY, "key-secret"),
            basic(password="wrong"),
            basic(password="Zoë: €"),
        ):
            upstream.then(json_answer(200, EMPTY_LIST))
            assert (await client.ask(request(credentials))).status == 200
            asked = upstream.received[-1]
            assert asked.header("Authorization") == credentials
            assert asked.target.startswith(f"/2010-04-01/Accounts/{ACCOUNT}/")


async def test_the_upstream_checks_credentials() -> None:
    refusal = json_answer(
        401, b'{"code": 20003, "message": "Authentication Error - No credentials provided"}'
    )
    async with asking() as (client, upstream):
        upstream.then(refusal)
        answer = await client.ask(request(basic(password="wrong")))
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == 'Basic realm="Twilio API"'
    assert b"<Status>401</Status><Message>Authenticate</Message><Code>20003</Code>" in answer.body


NO_CREDENTIALS = [None, "", "Basic", "Basic !", "Bearer x", basic(username=""), "Basic QUM="]


@pytest.mark.parametrize("table", ["", TABLE], ids=["passed on", "mapped"])
@pytest.mark.parametrize("authorization", NO_CREDENTIALS)
async def test_without_credentials_no_upstream_is_called(table: str, authorization: str | None) -> None:
    async with asking(table) as (client, upstream):
        answer = await client.ask(request(authorization))
        again = await client.ask(request(authorization))  # a 401 leaves the connection open
    assert answer.status == again.status == 401
    assert answer.header("WWW-Authenticate") == 'Basic realm="Twilio API"'
    assert upstream.received == []


@pytest.mark.parametrize("table", ["", TABLE], ids=["passed on", "mapped"])
async def test_two_authorization_headers_are_refused(table: str) -> None:
    headers = (("Host", "x"), ("Authorization", basic()), ("Authorization", basic()))
    async with asking(table) as (client, upstream):
        answer = await client.ask(Message(f"GET {LIST} HTTP/1.1", headers).encode())
    assert answer.status == 400
    assert upstream.received == []


# AccountTable


async def test_an_account_is_mapped_to_another() -> None:
    item = f'{{"sid": "{BOB}", "account_sid": "{UPSTREAM_ACCOUNT}", "phone_number": "+14158675309"}}'
    async with asking(TABLE) as (client, upstream):
        upstream.then(json_answer(200, item.encode()))
        answer = await client.ask(request(basic(), f"{LIST}/{BOB}"))
    assert answer.status == 200
    assert f"<AccountSid>{ACCOUNT}</AccountSid>".encode() in answer.body
    assert UPSTREAM_ACCOUNT.encode() not in answer.body
    (asked,) = upstream.received
    assert asked.target == f"/2010-04-01/Accounts/{UPSTREAM_ACCOUNT}/OutgoingCallerIds/{BOB}.json"
    assert asked.header("Authorization") == basic(API_KEY, "s3cret-of-the-key")
    assert TOKEN not in f"{asked}"


async def test_the_account_is_the_user_name_by_default() -> None:
    async with asking(TABLE) as (client, upstream):
        upstream.then(json_answer(200, EMPTY_LIST))
        target = LIST.replace(ACCOUNT, OTHER)
        assert (await client.ask(request(basic(OTHER, "other-token"), target))).status == 200
    assert upstream.received[0].header("Authorization") == basic(OTHER, "s3cret-of-the-key")


STRANGERS = [
    (ACCOUNT, "wrong", ACCOUNT),
    (ACCOUNT, "", ACCOUNT),
    (ACCOUNT, TOKEN + "x", ACCOUNT),
    (ACCOUNT, TOKEN[:-1], ACCOUNT),
    (ACCOUNT, "other-token", ACCOUNT),
    (ACCOUNT, sha256(TOKEN.encode()).hexdigest(), ACCOUNT),
    (ACCOUNT, "s3cret-of-the-key", ACCOUNT),
    (ACCOUNT, "Zoë", ACCOUNT),
    # another account's, in the path or as the user
    (ACCOUNT, TOKEN, OTHER),
    (OTHER, TOKEN, ACCOUNT),
    (OTHER, "other-token", ACCOUNT),
    # of no account
    (THIRD, TOKEN, THIRD),
    (THIRD, "", THIRD),
    (THIRD, TOKEN, ACCOUNT),
    (ACCOUNT, TOKEN, THIRD),
    (API_KEY, "s3cret-of-the-key", ACCOUNT),
    (UPSTREAM_ACCOUNT, "s3cret-of-the-key", UPSTREAM_ACCOUNT),
    (ACCOUNT.lower(), TOKEN, ACCOUNT),
    ("x", "", ACCOUNT),
]


async def test_every_failed_login_gets_the_same_bytes() -> None:
    async with asking(TABLE) as (client, upstream):
        answers = [
            await client.ask(request(basic(username, password), LIST.replace(ACCOUNT, account)))
            for username, password, account in STRANGERS
        ]
        for method in ("POST", "HEAD"):
            assert (await client.ask(request(basic(password="wrong"), method=method))).status == 401
        answers.append(await client.ask(request(None)))
    assert {without_date(answer) for answer in answers} == {without_date(answers[0])}
    assert answers[0].status == 401
    assert answers[0].header("WWW-Authenticate") == 'Basic realm="Twilio API"'
    assert upstream.received == []


async def test_a_failed_login_is_reported_before_other_faults() -> None:
    """Parameters are checked only after authentication."""
    async with asking(TABLE) as (client, upstream):
        post = Message(
            f"POST {LIST} HTTP/1.1", (("Host", "x"), ("Authorization", basic(password="x"))), b"PhoneNumber=x"
        )
        answer = await client.ask(post.encode())
    assert answer.status == 401
    assert upstream.received == []


# As values


def test_each_caller_is_passed_on_with_its_own_credentials() -> None:
    caller = Credentials(API_KEY, "key-secret")
    assert PassThrough("here").authenticate(ACCOUNT, caller) == Account(
        ACCOUNT, ACCOUNT, caller, "here", is_own=True
    )


ENTRIES = {
    sid: AccountEntry(
        sha256(token.encode()).digest(),
        f"upstream of {sid}",
        Credentials(f"user of {sid}", "p"),
        f"API of {sid}",
    )
    for sid, token in ((ACCOUNT, TOKEN), (OTHER, "Zoë"), (THIRD, "x" * 1000))
}


@pytest.mark.parametrize("token", [TOKEN, "Zoë", "x" * 1000, ""], ids=["first", "second", "third", "empty"])
@pytest.mark.parametrize("username", [*ENTRIES, UPSTREAM_ACCOUNT, ""])
@pytest.mark.parametrize("path", [*ENTRIES, UPSTREAM_ACCOUNT])
def test_an_account_needs_its_own_name_and_token(path: str, username: str, token: str) -> None:
    right = {ACCOUNT: TOKEN, OTHER: "Zoë", THIRD: "x" * 1000}
    accounts = AccountTable(ENTRIES)
    if path == username and right.get(path) == token:
        account = accounts.authenticate(path, Credentials(username, token))
        entry = ENTRIES[path]
        assert account == Account(path, entry.upstream_id, entry.credentials, entry.upstream, is_own=False)
    else:
        with pytest.raises(LegacyError) as raised:
            accounts.authenticate(path, Credentials(username, token))
        assert raised.value.fault == UNAUTHENTICATED


def test_an_empty_table_admits_no_caller() -> None:
    with pytest.raises(LegacyError):
        AccountTable({}).authenticate(ACCOUNT, Credentials(ACCOUNT, ""))


def test_the_table_does_not_show_its_secrets() -> None:
    entry = AccountEntry(bytes(32), OTHER, Credentials("user", "s3cret"), "here")
    assert "s3cret" not in f"{entry!r} {entry}"
    assert "s3cret" not in f"{Account(ACCOUNT, OTHER, entry.credentials)!r}"
