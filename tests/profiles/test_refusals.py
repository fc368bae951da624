"""Tokens that an upstream refuses in words of its own: the errors of the profile say which these are."""

import json
from pathlib import Path

import pytest
import yaml
from support.dialogues import PROXY_YAML, hold

SEVEN = "PN00000000000000070f10ea9881eb7c1c"
BOB = '{"id": 7, "name": "Bob", "number": "+14158675309"}'
TOKEN = "auth: {scheme: oauth2, token_url: /oauth/token}\n"
MAP = """
errors:
  when: {at: /state, equals: error}
  code: [/error/code, /code]
  map:
    - {status: 403, code: not_yours, to_status: 404}
    - {status: 403, code: token_expired, to_status: 401}
    - {status: 400, code: 20003, to_status: 401}
    - {status: 419, to_status: 401}
    - {status: 200, code: session, to_status: 401}
    - {status: 409, code: lost, operation: [delete, validate], to_status: 401}
    - {status: 500, code: token_expired, to_status: 401}
    - {status: 407, code: 7, to_status: 403}
"""
OPERATIONS = {
    "list": (
        "GET OutgoingCallerIds",
        "GET /v1/accounts/acme/caller-ids?limit=100&offset=0",
        f'200 {{"total": 1, "items": [{BOB}]}}',
        "200 <FriendlyName>Bob</FriendlyName>",
    ),
    "fetch": (
        f"GET OutgoingCallerIds/{SEVEN}",
        "GET /v1/accounts/acme/caller-ids/7",
        f"200 {BOB}",
        "200 <FriendlyName>Bob</FriendlyName>",
    ),
    "rename": (
        f"PUT OutgoingCallerIds/{SEVEN}\n         FriendlyName=Bob",
        "PATCH /v1/accounts/acme/caller-ids/7",
        f"200 {BOB}",
        "200 <FriendlyName>Bob</FriendlyName>",
    ),
    "delete": (
        f"DELETE OutgoingCallerIds/{SEVEN}",
        "DELETE /v1/accounts/acme/caller-ids/7",
        "204",
        "204",
    ),
    "validate": (
        "POST OutgoingCallerIds\n         PhoneNumber=4158675309",
        "POST /v1/accounts/acme/validations",
        '201 {"code": 40213}',
        "200 <ValidationCode>040213</ValidationCode>",
    ),
}


def answers(token: str) -> str:
    return f"""proxy    POST /oauth/token
vendor   200 {{"access_token": "{token}", "expires_in": 3600}}
"""


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "refusal",
    [
        "401 {}",
        '403 {"error": {"code": "token_expired"}}',
        '400 {"code": 20003}',
        '400 {"code": "20003"}',
        "419",
        '419 "gone"',
        '200 {"state": "error", "error": {"code": "session"}}',
    ],
)
async def test_a_refused_token_is_fetched_anew(operation: str, refusal: str, tmp_path: Path) -> None:
    program, proxy, vendor, answer = OPERATIONS[operation]
    await hold(
        tmp_path,
        TOKEN + MAP,
        f"""
program  {program}
{answers("first-token")}proxy    {proxy}
         Authorization: Bearer first-token
vendor   {refusal}
{answers("second-token")}proxy    {proxy}
         Authorization: Bearer second-token
vendor   {vendor}
answer   {answer}
""",
    )


@pytest.mark.parametrize(
    ("operation", "refusal", "told"),
    [
        ("fetch", '403 {"error": {"code": "not_yours"}}', "404"),
        ("fetch", '403 {"error": {"code": "no_permission"}}', "502"),
        ("fetch", '400 {"code": 20004}', "400"),
        ("fetch", '407 {"code": 7}', "502"),
        ("fetch", '409 {"code": "lost"}', "502"),
        ("fetch", '200 {"state": "error", "error": {"code": "other"}}', "502"),
        ("fetch", '200 {"state": "good", "id": 7, "number": "+14158675309", "code": "session"}', "200"),
        ("rename", '500 {"code": "token_expired"}', "502"),
        ("validate", '500 {"code": "token_expired"}', "502"),
    ],
)
async def test_other_errors_fetch_no_token(operation: str, refusal: str, told: str, tmp_path: Path) -> None:
    program, proxy, *_ = OPERATIONS[operation]
    await hold(
        tmp_path,
        TOKEN + MAP + "operations: {fetch: {retries: 0}}\n",
        f"""
program  {program}
{answers("first-token")}proxy    {proxy}
vendor   {refusal}
answer   {told}
""",
    )


@pytest.mark.parametrize("operation", ["delete", "validate"])
async def test_a_row_for_some_operations(operation: str, tmp_path: Path) -> None:
    program, proxy, vendor, answer = OPERATIONS[operation]
    await hold(
        tmp_path,
        TOKEN + MAP,
        f"""
program  {program}
{answers("first-token")}proxy    {proxy}
vendor   409 {{"code": "lost"}}
{answers("second-token")}proxy    {proxy}
         Authorization: Bearer second-token
vendor   {vendor}
answer   {answer}
""",
    )


async def test_a_token_is_fetched_anew_once(tmp_path: Path) -> None:
    """The refusal of a token that has just been fetched is believed for some seconds."""
    refused = '403 {"error": {"code": "token_expired"}}'
    program, proxy, *_ = OPERATIONS["delete"]
    await hold(
        tmp_path,
        TOKEN + MAP,
        f"""
program  {program}
{answers("first-token")}proxy    {proxy}
vendor   {refused}
{answers("second-token")}proxy    {proxy}
vendor   {refused}
answer   502 <Code>20502</Code>
program  {program}
proxy    {proxy}
vendor   {refused}
answer   502
""",
    )


async def test_a_page_behind_the_first_one(tmp_path: Path) -> None:
    one, two = (
        json.dumps({"total": 2, "items": [{"id": each, "number": "+14158675309"}]}) for each in (7, 8)
    )
    page = "GET /v1/accounts/acme/caller-ids?limit=1&offset="
    await hold(
        tmp_path,
        TOKEN
        + MAP
        + "operations: {list: {page_size: {parameter: limit, max: 1}, total: {strategy: walk}}}\n",
        f"""
program  GET OutgoingCallerIds
{answers("first-token")}proxy    {page}0
vendor   200 {one}
proxy    {page}1
vendor   200 {{"state": "error", "code": "session"}}
{answers("second-token")}proxy    {page}1
         Authorization: Bearer second-token
vendor   200 {two}
proxy    {page}2
vendor   200 {{"items": []}}
answer   200 total="2"
""",
    )


async def test_a_large_answer_is_no_refusal(tmp_path: Path) -> None:
    large = json.dumps({"state": "error", "code": "session", "text": "x" * 65_536})
    program, proxy, *_ = OPERATIONS["delete"]
    await hold(
        tmp_path,
        TOKEN + MAP,
        f"""
program  {program}
{answers("first-token")}proxy    {proxy}
vendor   200 {large}
answer   502
""",
    )


async def test_no_log_shows_a_token_that_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each JWT begins with `eyJ`, the Base64 of its head."""
    program, proxy, *_ = OPERATIONS["delete"]
    key = "s3cret-key-of-an-hmac" * 2
    (tmp_path / "key").write_text(key, encoding="utf-8")
    text = yaml.safe_load(PROXY_YAML)
    text["accounts"]["AC309475e5fede1b49e100272a8640f438"]["upstream"]["assertion"] = {"file": "key"}
    with caplog.at_level("DEBUG"):
        await hold(
            tmp_path,
            "auth: {scheme: jwt, algorithm: HS256}\nerrors: {message: /message}\n",
            f"""
program  {program}
proxy    {proxy}
vendor   401 {{"message": "no"}}
proxy    {proxy}
vendor   403 {{"message": "eyJ is refused"}}
answer   502 <Code>20502</Code>
""",
            proxy_yaml=yaml.safe_dump(text),
        )
    assert "credentials: the upstream refuses the configured credentials" in caplog.text
    assert "eyJ" not in caplog.text
    assert key not in caplog.text
