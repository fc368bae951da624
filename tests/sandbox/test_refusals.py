"""Authentication, and Twilio's JSON in every refusal."""

from base64 import b64encode

import pytest

from proxy.sandbox import Store
from sandbox.client import ACCOUNT, BOB, OTHER_ACCOUNT, Client, instance_path, list_path

NOT_AUTHENTICATED = (401, 20003)


def basic(credentials: bytes) -> str:
    return f"Basic {b64encode(credentials).decode()}"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic",
        "Basic !",
        "Bearer demo-token",
        basic(b""),
        basic(ACCOUNT.encode()),
        basic(f"{ACCOUNT}:".encode()),
        basic(f"{ACCOUNT}:wrong".encode()),
        basic(f"{ACCOUNT.lower()}:demo-token".encode()),
        basic(f"{ACCOUNT}:demo-token\xff".encode("latin-1")),
        basic("AC:ключ".encode()),
        basic(f"{ACCOUNT}:demo-token".encode()).replace("Basic", "Digest"),
    ],
)
async def test_wrong_credentials_are_refused(client: Client, authorization: str | None) -> None:
    client.authorization = authorization
    for method, path in (("GET", list_path()), ("POST", list_path()), ("DELETE", instance_path(BOB.sid))):
        answer = await client.send(method, path)
        assert answer.error == NOT_AUTHENTICATED
        assert answer.body["message"] == "Authenticate"
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'


async def test_the_scheme_may_be_in_lower_case(client: Client) -> None:
    client.authorization = basic(f"{ACCOUNT}:demo-token".encode()).replace("Basic", "basic")
    assert (await client.get(list_path())).status == 200


async def test_a_token_may_hold_colons(client: Client, store: Store) -> None:
    store.add_account(OTHER_ACCOUNT, "a:b:ü")
    client.login(OTHER_ACCOUNT, "a:b:ü")
    assert (await client.get(list_path(OTHER_ACCOUNT))).status == 200


async def test_an_api_key_opens_its_account(client: Client, store: Store) -> None:
    store.add_credential("SK" + "1" * 32, "secret", ACCOUNT)
    client.login("SK" + "1" * 32, "secret")
    assert (await client.get(list_path())).status == 200
    assert (await client.get(list_path(OTHER_ACCOUNT))).error == (404, 20404)


@pytest.mark.parametrize("account_sid", [OTHER_ACCOUNT, "AC" + "9" * 32, ACCOUNT.lower(), "%FF"])
async def test_another_accounts_path_is_not_found(client: Client, account_sid: str) -> None:
    assert (await client.get(list_path(account_sid))).error == (404, 20404)


async def test_a_suspended_account_is_reported_after_authentication(client: Client, store: Store) -> None:
    store.add_account(ACCOUNT, "demo-token", active=False)
    answer = await client.get(list_path())
    assert answer.error == (401, 20005)
    assert "WWW-Authenticate" in answer.headers
    client.login(ACCOUNT, "wrong")
    assert (await client.get(list_path())).error == NOT_AUTHENTICATED


@pytest.mark.parametrize(
    "path", ["/", "/2010-04-01", list_path() + "/", list_path().replace(".json", ""), "/%FF", "/sandbox"]
)
async def test_unknown_paths(client: Client, path: str) -> None:
    assert (await client.get(path)).error == (404, 20404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", list_path(), "GET,HEAD,POST"),
        ("DELETE", list_path(), "GET,HEAD,POST"),
        ("OPTIONS", list_path(), "GET,HEAD,POST"),
        ("PUT", instance_path(BOB.sid), "DELETE,GET,HEAD,POST"),
        ("PATCH", instance_path(BOB.sid), "DELETE,GET,HEAD,POST"),
        ("TRACE", instance_path(BOB.sid), "DELETE,GET,HEAD,POST"),
        ("GET", "/sandbox/answer", "POST"),
        ("POST", "/sandbox/calls", "GET,HEAD"),
    ],
)
async def test_other_methods(client: Client, method: str, path: str, allowed: str) -> None:
    answer = await client.send(method, path)
    assert answer.error == (405, 20004)
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", [list_path(), instance_path(BOB.sid), "/sandbox/answer"])
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"]
)
async def test_only_forms_are_read(client: Client, path: str, content_type: str) -> None:
    answer = await client.send("POST", path, data=b"{}", headers={"Content-Type": content_type})
    assert answer.error == (415, 20415)


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 413)])
async def test_a_form_has_64_kib_at_most(client: Client, size: int, status: int) -> None:
    form = "FriendlyName=Fits&Unknown=".ljust(size, "x")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.send("POST", instance_path(BOB.sid), data=form, headers=headers)
    assert answer.status == status
    assert status == 200 or answer.error == (413, 20413)


@pytest.mark.parametrize(
    "form", [b"FriendlyName=%FF", b"FriendlyName=\xff", b"%ED%A0%80=x", b"&".join([b"a=1"] * 101)]
)
async def test_malformed_forms_are_refused(client: Client, form: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"}
    answer = await client.send("POST", instance_path(BOB.sid), data=form, headers=headers)
    assert answer.error == (400, 20400)


async def test_a_query_that_is_not_utf_8_is_refused(client: Client) -> None:
    assert (await client.get(f"{list_path()}?FriendlyName=%FF")).error == (400, 20400)


async def test_a_broken_store_is_an_internal_error(client: Client, store: Store) -> None:
    store.close()
    assert (await client.get(list_path())).error == (500, 20500)
