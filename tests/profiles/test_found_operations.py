"""What operations of real vendors look like: each test is a dialogue, with the profile that it needs."""

import contextlib
import hashlib
import hmac
import json
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dialogues import PROXY_YAML, example_rest, hold, put
from support.valkey import Server

from proxy.errors import LegacyError
from proxy.model import Account, Credentials, Delete, List
from proxy.profile.base import Violation
from proxy.profile.calls import Reply
from proxy.profile.conversions import UnreadableError
from proxy.profile.ids import build_codec
from proxy.profile.language import ProfileSettings
from proxy.profile.profile import Profile
from proxy.profile.rules import find_violations

SEVEN = "PN00000000000000070f10ea9881eb7c1c"
EIGHT = "PN000000000000000894d69089b1358911"
MADE_UP = "PN00000000000000090f10ea9881eb7c1c"  # its check value is that of another id
LIST = "GET /v1/accounts/acme/caller-ids"
ONE = f"{LIST}/7"
BOB = '{"id": 7, "name": "Bob", "number": "+14158675309"}'
EVE = '{"id": 8, "name": "Eve", "number": "+14158675310"}'
EMPTY = 'answer   200 <OutgoingCallerIds page="0" numpages="0" pagesize="50" total="0" start="0" end="0"/>'
BY_CURSOR = "{paging: {strategy: cursor, next: /next, parameter: after}, total: {strategy: walk}}"


# Items that are no array


@pytest.mark.parametrize(
    ("form", "items", "shown"),
    [
        ("values", f'{{"a": {BOB}, "c": {EVE}}}', "Bob</FriendlyName>…Eve</FriendlyName>"),
        ("values", f"[{BOB}, {EVE}]", "Bob</FriendlyName>…Eve</FriendlyName>"),
        ("values", "{}", 'total="0"'),
        ("values", "[]", 'total="0"'),
        ("values", "null", 'total="0"'),
        ("values", '"none"', None),
        ("values", "7", None),
        ("entries", '{"7": {"name": "Bob"}, "8": {"name": "Eve"}}', "Bob</FriendlyName>…Eve</FriendlyName>"),
        ("entries", '[{"name": "Zero"}, {"name": "One"}]', "Zero</FriendlyName>…One</FriendlyName>"),
        ("entries", '{"7": null}', "<FriendlyName>(415) 867-5309</FriendlyName>"),
        ("entries", "{}", 'total="0"'),
        ("entries", "[]", 'total="0"'),
        ("entries", "true", None),
        ("array", f'{{"a": {BOB}}}', None),
    ],
)
async def test_found_c6_items_may_be_held_by_an_object(
    form: str, items: str, shown: str | None, tmp_path: Path
) -> None:
    listing = f"{{items_are: {form}, paging: {{strategy: none}}, total: {{strategy: length}}}}"
    fields = "caller_id: {id: {at: /key, as: integer}, friendly_name: {at: /value/name, default: null}, "
    number = "phone_number: {at: /value/number, default: '+14158675309'}}"
    await hold(
        tmp_path,
        f"operations: {{list: {listing}}}\n" + (fields + number if form == "entries" else ""),
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100
vendor   200 {{"items": {items}}}
answer   {"502" if shown is None else f"200 {shown}"}
""",
    )


# C1: a success is any 2xx


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
async def test_found_c1_any_2xx_is_a_success(status: int, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "name: mine",
        f"""
program  POST OutgoingCallerIds
         PhoneNumber=4158675309
proxy    POST /v1/accounts/acme/validations
vendor   {status} {{"code": 40213}}
answer   200 <ValidationCode>040213</ValidationCode>
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=Bob
proxy    PATCH /v1/accounts/acme/caller-ids/7
vendor   {status} {BOB}
answer   200 <FriendlyName>Bob</FriendlyName>
program  GET OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   {status} {BOB}
answer   200 <FriendlyName>Bob</FriendlyName>
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   {status} {{"items": [{BOB}], "total": 1}}
answer   200 total="1"
program  DELETE OutgoingCallerIds/{SEVEN}
proxy    DELETE /v1/accounts/acme/caller-ids/7
vendor   {status} {{}}
answer   204
""",
    )


async def test_found_c1_a_profile_narrows_what_a_success_is(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "operations: {delete: {success: [204]}, validate: {success: [200]}}",
        f"""
program  DELETE OutgoingCallerIds/{SEVEN}
proxy    DELETE /v1/accounts/acme/caller-ids/7
vendor   202 {{}}
answer   502
program  POST OutgoingCallerIds
         PhoneNumber=4158675309
proxy    POST /v1/accounts/acme/validations
vendor   201 {{"code": 40213}}
answer   502 The validation call may have been placed
""",
    )


# C2: a rename without an item in its answer


@pytest.mark.parametrize(
    "answered",
    [
        "204",
        "200",
        "202",
        '200 {"status": 200}',
        "200 {}",
        "200 []",
        "200 true",
        '200 "renamed"',
        "200 null",
        '200 {"id": 7}',
        '200 {"id": "7", "name": "Front Desk"}',
        f"200 {EVE}",
    ],
)
@pytest.mark.parametrize("item", ["", "item: /data", "item: null"])
async def test_found_c2_a_renamed_item_is_fetched(answered: str, item: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        f"operations: {{rename: {{{item}}}}}",
        f"""
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=Front+Desk
proxy    PATCH /v1/accounts/acme/caller-ids/7
         {{"name": "Front Desk"}}
vendor   {answered}
proxy    {ONE}
vendor   200 {{"id": 7, "name": "Front Desk", "number": "+14158675309"}}
answer   200 <Sid>{SEVEN}</Sid>…<FriendlyName>Front Desk</FriendlyName>
""",
    )


@pytest.mark.parametrize("fetch", ["{from: list}", "{unsupported: nothing}"])
async def test_found_c2_a_renamed_item_is_found_in_the_list(fetch: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        f"operations: {{fetch: {fetch}}}",
        f"""
program  PUT OutgoingCallerIds/{EIGHT}
         FriendlyName=Front+Desk
proxy    PATCH /v1/accounts/acme/caller-ids/8
vendor   204
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"items": [{BOB}, {{"id": 8, "name": "Front Desk", "number": "+14158675310"}}], "total": 2}}
answer   200 <Sid>{EIGHT}</Sid>…<FriendlyName>Front Desk</FriendlyName>
program  PUT OutgoingCallerIds/{EIGHT}
         FriendlyName=Front+Desk
proxy    PATCH /v1/accounts/acme/caller-ids/8
vendor   204
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"items": [{BOB}], "total": 1}}
answer   404
""",
    )


@pytest.mark.parametrize(
    ("answered", "told"), [("404 {}", "404"), ("500 {}", "504 The change was made"), ("503 {}", "504")]
)
async def test_found_c2_a_rename_whose_item_cannot_be_fetched(
    answered: str, told: str, tmp_path: Path
) -> None:
    await hold(
        tmp_path,
        "operations: {fetch: {retries: 0}}",
        f"""
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=Front+Desk
proxy    PATCH /v1/accounts/acme/caller-ids/7
vendor   204
proxy    {ONE}
vendor   {answered}
answer   {told}
""",
    )


@pytest.mark.parametrize("answered", ["404 {}", "403 {}", "409 {}", "500 {}", "301"])
async def test_found_c2_a_refused_rename_is_not_looked_up(answered: str, tmp_path: Path) -> None:
    status = {"409": 502, "403": 502, "301": 502, "500": 502}.get(answered[:3], 404)
    await hold(
        tmp_path,
        "name: mine",
        f"""
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=Front+Desk
proxy    PATCH /v1/accounts/acme/caller-ids/7
vendor   {answered}
answer   {status}
""",
    )


# C3: the id of what is fetched


@pytest.mark.parametrize(
    "items", [f"[{EVE}]", f"[{EVE}, {BOB}]", '[{"id": 70, "number": "+14158675309"}]', "[]", "null"]
)
async def test_found_c3_another_caller_id_is_not_shown(items: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "operations: {fetch: {path: /caller-ids, query: {id: id}, item: /data/0}}",
        f"""
program  GET OutgoingCallerIds/{SEVEN}
proxy    GET /v1/caller-ids?id=7
vendor   200 {{"data": {items}}}
answer   404
program  GET OutgoingCallerIds/{SEVEN}
proxy    GET /v1/caller-ids?id=7
vendor   200 {{"data": [{BOB}]}}
answer   200 <FriendlyName>Bob</FriendlyName>
""",
    )


async def test_found_c3_a_profile_may_ask_a_mock(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "ids: {codec: integer, compare: false}",
        f"""
program  GET OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   200 {EVE}
answer   200 <Sid>{EIGHT}</Sid>
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=Eve
proxy    PATCH /v1/accounts/acme/caller-ids/7
vendor   200 {EVE}
answer   200 <Sid>{EIGHT}</Sid>
""",
    )


async def test_found_c3_a_number_looked_up_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "{ids: {codec: e164}, caller_id: {id: /number},"
        " operations: {list: {filters: {phone_number: {mode: lookup}}}}}",
        f"""
program  GET OutgoingCallerIds?PhoneNumber=4158675309
proxy    {LIST}/%2B14158675309
vendor   200 {EVE}
answer   200 total="0"
""",
    )


@pytest.mark.parametrize("spelling", ["7D0B9A52-3C1F-4E55-9A7E-5F8E2F0C6B11", "{id}"])
async def test_found_c3_ids_are_compared_whatever_their_spelling(spelling: str, tmp_path: Path) -> None:
    uuid = "7d0b9a52-3c1f-4e55-9a7e-5f8e2f0c6b11"
    await hold(
        tmp_path,
        "{ids: {codec: uuid}, caller_id: {id: /id}}",
        f"""
program  GET OutgoingCallerIds/PN7D0B9A523c1f4e559a7e5f8e2f0c6b11
proxy    {LIST}/{uuid}
vendor   200 {{"id": "{spelling.replace("{id}", uuid)}", "number": "+14158675309"}}
answer   200 <PhoneNumber>4158675309</PhoneNumber>
""",
    )


async def test_a_fetch_finds_its_caller_id_among_others(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        """
operations:
  list: {include_when: [{at: /number, present: true}], total: {strategy: walk}}
  fetch: {method: GET, path: /numbers, query: {search: id}, item: /found}
  rename: {json: {name: friendly_name, country: {from_item: /country}}, item: /found}
""",
        f"""
program  GET OutgoingCallerIds/{EIGHT}
proxy    GET /v1/numbers?search=8
vendor   200 {{"found": [{BOB}, {EVE}]}}
answer   200 <FriendlyName>Eve</FriendlyName>
program  GET OutgoingCallerIds/{EIGHT}
proxy    GET /v1/numbers?search=8
vendor   200 {{"found": [{BOB}, {{"id": 8}}]}}
answer   404
program  GET OutgoingCallerIds/{EIGHT}
proxy    GET /v1/numbers?search=8
vendor   200 {{"found": []}}
answer   404
program  GET OutgoingCallerIds/{EIGHT}
proxy    GET /v1/numbers?search=8
vendor   200 {{"found": [{BOB}, 8]}}
answer   502
program  PUT OutgoingCallerIds/{EIGHT}
         FriendlyName=Front+Desk
proxy    GET /v1/numbers?search=8
vendor   200 {{"found": [{BOB}, {{"id": 8, "number": "+14158675310", "country": "US"}}]}}
proxy    PATCH /v1/accounts/acme/caller-ids/8
         {{"name": "Front Desk", "country": "US"}}
vendor   200 {{"found": [{BOB}, {{"id": 8, "name": "Front Desk", "number": "+14158675310"}}]}}
answer   200 <FriendlyName>Front Desk</FriendlyName>
""",
    )


# C4: no request for one caller ID


async def test_found_c4_one_caller_id_comes_from_the_list(tmp_path: Path) -> None:
    page = "page_size: {parameter: limit, max: 2}, total: {strategy: walk}"
    await hold(
        tmp_path,
        f"operations: {{fetch: {{from: list}}, list: {{{page}}}}}",
        f"""
program  GET OutgoingCallerIds/{EIGHT}
proxy    {LIST}?limit=2&offset=0
vendor   200 {{"items": [{BOB}, {{"id": 9, "number": "+14158675311"}}]}}
proxy    {LIST}?limit=2&offset=2
vendor   200 {{"items": [{EVE}]}}
answer   200 <Sid>{EIGHT}</Sid>…<FriendlyName>Eve</FriendlyName>
program  GET OutgoingCallerIds/{EIGHT}.json
proxy    {LIST}?limit=2&offset=0
vendor   200 {{"items": [{BOB}]}}
proxy    {LIST}?limit=2&offset=1
vendor   200 {{"items": []}}
answer   404 {{"RestException"
program  GET OutgoingCallerIds/{EIGHT}
proxy    {LIST}?limit=2&offset=0
vendor   401 {{}}
answer   502
""",
    )


@pytest.mark.parametrize("rename", ["", ", rename: {json: {label: friendly_name, kind: {from_item: /kind}}}"])
async def test_found_c4_no_list_is_searched_for_a_sid_that_no_id_has(rename: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        f"operations: {{fetch: {{from: list}}{rename}}}",
        f"""
program  GET OutgoingCallerIds/{MADE_UP}
answer   404 <Message>The requested resource was not found</Message>
program  PUT OutgoingCallerIds/{MADE_UP}
         FriendlyName=Rob
answer   404
""",
    )


async def test_found_c4_a_list_that_leaves_items_out(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "operations: {fetch: {from: list}, list: {paging: {strategy: none}, total: {strategy: walk},"
        " include_when: [{at: /live, equals: true}]}}",
        f"""
program  GET OutgoingCallerIds/{SEVEN}
proxy    {LIST}?limit=100
vendor   200 {{"items": [{{"id": 7, "live": false, "number": "+14158675309"}}]}}
answer   404
""",
    )


async def test_found_c4_the_cached_list_answers(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "operations: {fetch: {from: list}, list: {paging: {strategy: none}, total: {strategy: walk}}}",
        f"""
program  GET OutgoingCallerIds/{EIGHT}
proxy    {LIST}?limit=100
vendor   200 {{"items": [{BOB}, {EVE}]}}
answer   200 <FriendlyName>Eve</FriendlyName>
program  GET OutgoingCallerIds/{SEVEN}
answer   200 <FriendlyName>Bob</FriendlyName>
program  GET OutgoingCallerIds
answer   200 total="2"
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=Rob
proxy    PATCH /v1/accounts/acme/caller-ids/7
vendor   204
proxy    {LIST}?limit=100
vendor   200 {{"items": [{{"id": 7, "name": "Rob", "number": "+14158675309"}}, {EVE}]}}
answer   200 <FriendlyName>Rob</FriendlyName>
program  GET OutgoingCallerIds/{SEVEN}
proxy    {LIST}?limit=100
vendor   200 {{"items": [{{"id": 7, "name": "Rob", "number": "+14158675309"}}, {EVE}]}}
answer   200 <FriendlyName>Rob</FriendlyName>
""",
        proxy_yaml=PROXY_YAML + "snapshots: {fresh: 60}\n",
    )


# C5: pages past the end


@pytest.mark.parametrize(
    "past_end", ["404 {}", "404", "416 {}", "204", '200 {"items": []}', '200 {"items": null}', "200 {}"]
)
@pytest.mark.parametrize("total", ["walk", "pointer, at: /total"])
@pytest.mark.parametrize("paging", ["page_number, parameter: page", "offset, parameter: page"])
async def test_found_c5_a_page_past_the_end(past_end: str, total: str, paging: str, tmp_path: Path) -> None:
    first = "1" if "number" in paging else "0"
    listing = f"paging: {{strategy: {paging}}}, total: {{strategy: {total}}}"
    await hold(
        tmp_path,
        f"operations: {{list: {{page_size: {{max: 2}}, {listing}}}}}",
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?page={first}
vendor   200 {{"items": [{BOB}, {EVE}], "total": 2}}
proxy    {LIST}?page=2
vendor   {past_end}
answer   200 total="2"
""",
    )


@pytest.mark.parametrize("past_end", ["400", "422", "410"])
async def test_found_c5_the_profile_says_where_a_list_ends(past_end: str, tmp_path: Path) -> None:
    listing = "page_size: {max: 2}, paging: {strategy: page_number, parameter: page}, total: {strategy: walk}"
    dialogue = f"""
program  GET OutgoingCallerIds
proxy    {LIST}?page=1
vendor   200 {{"items": [{BOB}, {EVE}]}}
proxy    {LIST}?page=2
vendor   {past_end} {{"error": {{"code": "last_page"}}}}
answer   200 total="2"
"""
    for row in (f"{{status: {past_end}}}", f"{{status: {past_end}, code: last_page}}"):
        await hold(tmp_path, f"operations: {{list: {{{listing}, empty: [{row}]}}}}", dialogue)
    with pytest.raises(AssertionError):
        await hold(tmp_path, f"operations: {{list: {{{listing}, empty: [{{status: 499}}]}}}}", dialogue)


# C6: what an empty list looks like

ABSENT, NOTHING = "{when: {at: /items, present: false}}", "{when: {at: /items, empty: true}}"
EMPTIES = {
    "null": ("[]", '200 {"items": null}'),
    "204": ("[]", "204"),
    "absent": (ABSENT, "200 {}"),
    "absent beside others": (ABSENT, '200 {"count": 0}'),
    "an object": (NOTHING, '200 {"items": {}}'),
    "a text": (NOTHING, '200 {"items": ""}'),
    "an array in the place of all": (NOTHING, "200 []"),
    "no content": (NOTHING, "200"),
    "a code": ("{status: 400, code: no_did}", '400 {"error": {"code": "no_did"}}'),
    "a number as code": ("{status: 400, code: 12}", '400 {"error": {"code": 12}}'),
    "a code in a success": ("{code: no_did}", '200 {"error": {"code": "no_did"}}'),
    "a status": ("{status: 404}", "404"),
    "a status with a text": ("{status: 404}", '404 {"error": {"message": "No numbers"}}'),
    "a status word": ("{when: {at: /status, equals: no_did}}", '200 {"status": "no_did"}'),
    "one of several": ("{when: {at: /status, one_of: [no_did, none]}}", '200 {"status": "none"}'),
    "one of an array": ("{when: {at: /flags, contains: none}}", '200 {"flags": ["old", "none"]}'),
    "a number": ("{when: {at: /count, equals: 0}}", '200 {"count": 0, "items": false}'),
    "one of several rows": ("{status: 410}, {status: 404}", "404 {}"),
}  # fmt: skip


@pytest.mark.parametrize("total", ["walk", "pointer, at: /total"])
@pytest.mark.parametrize(("row", "answered"), EMPTIES.values(), ids=EMPTIES.keys())
async def test_found_c6_an_empty_list(row: str, answered: str, total: str, tmp_path: Path) -> None:
    rows = "" if row == "[]" else row
    for errors in ("{}", "{unless: {at: /status, equals: success}}"):
        if errors != "{}" and "no_did" not in row:
            continue
        await hold(
            tmp_path,
            f"{{operations: {{list: {{total: {{strategy: {total}}}, empty: [{rows}]}}}}, errors: {errors}}}",
            f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   {answered}
{EMPTY}
""",
        )


@pytest.mark.parametrize(
    "paging", ["cursor, next: /next, parameter: after", "next_url, next: /next", "link_header"]
)
@pytest.mark.parametrize("answered", ["204", '200 {"items": null}', "404 {}"])
async def test_found_c6_an_empty_list_that_is_followed(answered: str, paging: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "operations: {list: {total: {strategy: walk}, empty: [{status: 404}],"
        f" paging: {{strategy: {paging}}}}}}}",
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100
vendor   {answered}
{EMPTY}
""",
    )


@pytest.mark.parametrize(
    ("row", "answered", "told"),
    [
        (ABSENT, '200 {"error": {"code": 1, "message": "Not today"}}', "400 Not today"),
        (NOTHING, '200 {"error": {"code": 1, "message": "Not today"}}', "400 Not today"),
        (ABSENT, '500 {"error": {"code": 1}}', "502"),
        (NOTHING, "404 {}", "404"),
        (ABSENT, "401 {}", "502"),
        ("{code: no_did}", '400 {"error": {"code": "no_did", "message": "x"}}', "400 x"),
        ("{status: 404, code: no_did}", '404 {"error": {"code": "no_account"}}', "404"),
        ("{when: {at: /status, equals: no_did}}", '200 {"status": "no_key"}', "502"),
        ("", "200 {}", "502"),
        ("", '200 {"items": {}}', "502"),
        ("", "200", "502"),
        ("", "200 null", "502"),
        ("", '200 {"items": false}', "502"),
        ("", '202 {"data": null}', "502"),
    ],
)
async def test_found_c6_what_is_no_empty_list(row: str, answered: str, told: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        f"{{operations: {{list: {{retries: 0, empty: [{row}]}}}}, errors: {{present: /error}}}}",
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   {answered}
answer   {told}
""",
    )


async def test_found_c6_a_bare_list_that_is_null(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        'operations: {list: {items: "", paging: {strategy: none}, total: {strategy: length}}}',
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100
vendor   200 null
{EMPTY}
""",
    )


# C7: totals that are none


@pytest.mark.parametrize(
    "total",
    [
        "null",
        None,
        "-1",
        "1.0",
        "2.5",
        '""',
        '"many"',
        '"-1"',
        "false",
        "true",
        "1e3",
        '"2 of 2"',
        "99999999999999999999",
    ],
)
async def test_found_c7_a_total_that_is_none(total: str | None, tmp_path: Path) -> None:
    stated = "" if total is None else f', "total": {total}'
    await hold(
        tmp_path,
        "operations: {list: {page_size: {parameter: limit, max: 2}}}",
        f"""
program  GET OutgoingCallerIds?num=1&page=1
proxy    {LIST}?limit=2&offset=1
vendor   200 {{"items": [{EVE}, {{"id": 9, "number": "+14158675311"}}]{stated}}}
proxy    {LIST}?limit=2&offset=0
vendor   200 {{"items": [{BOB}, {EVE}]{stated}}}
proxy    {LIST}?limit=2&offset=2
vendor   200 {{"items": [{{"id": 9, "number": "+14158675311"}}]{stated}}}
answer   200 page="1" numpages="3" pagesize="1" total="3"…<Sid>{EIGHT}</Sid>
""",
    )


# C12: empty pages with a next one


@pytest.mark.parametrize("nothing", ["[]", "null"])
async def test_found_c12_an_empty_page_is_followed(nothing: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        f"operations: {{list: {BY_CURSOR}}}",
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100
vendor   200 {{"items": {nothing}, "next": "a"}}
proxy    {LIST}?limit=100&after=a
vendor   200 {{"items": [{BOB}], "next": "b"}}
proxy    {LIST}?limit=100&after=b
vendor   200 {{"items": {nothing}, "next": "c"}}
proxy    {LIST}?limit=100&after=c
vendor   200 {{"items": [{EVE}], "next": null}}
answer   200 total="2"
""",
    )


async def test_found_c12_empty_pages_end_at_the_bound_on_pages(tmp_path: Path) -> None:
    pages = "".join(
        f"proxy    {LIST}?limit=100{f'&after={page}' if page else ''}\n"
        f'vendor   200 {{"items": [], "next": "{page + 1}"}}\n'
        for page in range(7)
    )
    await hold(
        tmp_path,
        f"{{limits: {{pages: 7}}, operations: {{list: {BY_CURSOR}}}}}",
        f"""
program  GET OutgoingCallerIds
{pages}answer   503 The list is too large
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100
vendor   200 {{"items": [], "next": "1"}}
proxy    {LIST}?limit=100&after=1
vendor   200 {{"items": [], "next": "1"}}
answer   502
""",
    )


@pytest.mark.parametrize("paging", ["next_url, next: /next", "link_header"])
async def test_found_c12_an_empty_page_with_a_url(paging: str, tmp_path: Path) -> None:
    link = '         Link: </v1/more>; rel="next"' if "link" in paging else ""
    await hold(
        tmp_path,
        f"operations: {{list: {{paging: {{strategy: {paging}}}, total: {{strategy: walk}}}}}}",
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100
vendor   200 {{"items": [], "next": "/v1/more"}}
{link}
proxy    GET /v1/more
vendor   200 {{"items": [{BOB}]}}
answer   200 total="1"
""",
    )


# C15: one code, another meaning for each operation

ROWS = """
errors:
  present: /error
  code: /error/code
  message: /error/message
  map:
    - {status: 400, code: 300, operation: delete, to_status: 404}
    - {status: 400, code: 300, operation: [rename, fetch], to_status: 410, to_message: Gone}
    - {status: 400, code: 300, to_status: 400, to_code: 21450}
"""


async def test_found_c15_a_row_names_the_operation(tmp_path: Path) -> None:
    error = '400 {"error": {"code": 300, "message": "Number does not exist"}}'
    await hold(
        tmp_path,
        ROWS,
        f"""
program  DELETE OutgoingCallerIds/{SEVEN}
proxy    DELETE /v1/accounts/acme/caller-ids/7
vendor   {error}
answer   404
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=x
proxy    PATCH /v1/accounts/acme/caller-ids/7
vendor   {error}
answer   410 <Message>Gone</Message>
program  GET OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   {error}
answer   410 <Message>Gone</Message>
program  POST OutgoingCallerIds
         PhoneNumber=4158675309
proxy    POST /v1/accounts/acme/validations
vendor   {error}
answer   400 <Code>21450</Code>
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   {error}
answer   400 <Code>21450</Code>
""",
    )


async def test_found_c15_a_second_delete_after_a_lost_answer(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        ROWS,
        f"""
program  DELETE OutgoingCallerIds/{SEVEN}
proxy    DELETE /v1/accounts/acme/caller-ids/7
vendor   503
proxy    DELETE /v1/accounts/acme/caller-ids/7
vendor   400 {{"error": {{"code": 300}}}}
answer   204
""",
    )


# C16: the ways in which numbers are written

CONVERTED = {
    "00": ("e164", "0014155550000", "4155550000"),
    "00 without plus": ("digits", "0014155550000", "4155550000"),
    "00 in ten digits": ("ten_digits", "0014155550000", "4155550000"),
    "00 and another country": ("e164", "00441632960961", "441632960961"),
    "00 with separators": ("e164", "00 1 (415) 555-0000", "4155550000"),
    "a URI": ("e164", "tel:+14155550000", "4155550000"),
    "a URI in capitals": ("digits", "TEL:+1-415-555-0000", "4155550000"),
    "a URI with a context": ("e164", "tel:4155550000;phone-context=+1", "4155550000"),
    "a URI with other parameters": ("e164", "tel:+1(415)555.0000;cpc=ordinary", "4155550000"),
    "separators": ("e164", "+1 (415) 555-0000", "4155550000"),
    "narrow spaces and marks": ("e164", "\u202a+1\u00a0415\u2011555\u20110000\u202c", "4155550000"),
    "digits with separators": ("digits", "1-415-555-0000", "4155550000"),
    "ten digits with separators": ("ten_digits", "(415) 555-0000", "4155550000"),
    "eleven digits among ten": ("ten_digits", "14155550000", "4155550000"),
    "white space around": ("e164", " +14155550000\n", "4155550000"),
    "formatted": ("formatted", "1 (415) 555-0000", "4155550000"),
    "text": ("text", "tel:+14155550000", "4155550000"),
    "no number": ("e164", "Front Desk", ""),
}
REFUSED = {
    "an extension": ("+14155550000;ext=12", "without an extension"),
    "an extension of a URI": ("tel:+14155550000;ext=12", "without an extension"),
    "a subaddress": ("tel:+14155550000;isub=1", "without an extension"),
    "x": ("+1 415 555 0000 x12", "without an extension"),
    "ext.": ("(415) 555-0000 ext. 12", "without an extension"),
    "a comma": ("+14155550000,,12", "without an extension"),
    "a hash": ("+14155550000#12", "without an extension"),
    "a national number": ("02079460958", "with its country code"),
    "a trunk prefix": ("+44 (0)20 7946 0958", "without a trunk prefix"),
    "a SIP URI": ("sip:+14155550000@example.com", "in digits"),
    "letters": ("1-800-FLOWERS1", "in digits"),
    "other digits": ("\uff0b\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff10\uff10\uff10", "in digits"),
    "two numbers": ("+14155550000/+14155550001", "in digits"),
    "too long a text": ("1 " * 200, "a phone number"),
}


@pytest.mark.parametrize(("how", "written", "shown"), CONVERTED.values(), ids=CONVERTED.keys())
async def test_found_c16_a_number_is_converted(how: str, written: str, shown: str, tmp_path: Path) -> None:
    item = json.dumps({"id": 7, "name": "Bob", "number": written})
    await hold(
        tmp_path,
        f"caller_id: {{phone_number: {{at: /number, as: {how}}}}}",
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"items": [{item}], "total": 1}}
answer   200 <PhoneNumber>{shown}</PhoneNumber>
program  GET OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   200 {item}
answer   200 <PhoneNumber>{shown}</PhoneNumber>
"""
        if shown
        else f"""
program  GET OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   200 {item}
answer   200 <PhoneNumber/>
""",
    )


@pytest.mark.parametrize(("written", "form"), REFUSED.values(), ids=REFUSED.keys())
async def test_found_c16_a_number_that_is_not_certain_is_refused(
    written: str, form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    item = json.dumps({"id": 7, "number": written})
    await hold(
        tmp_path,
        "name: mine",
        f"""
program  GET OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   200 {item}
answer   502
""",
    )
    assert "pointer /number, expected a phone number" in caplog.text
    assert form in caplog.text
    assert written not in caplog.text


async def test_found_c16_a_converted_number_is_filtered_by(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "operations: {list: {filters: {phone_number: {mode: client}}}}",
        f"""
program  GET OutgoingCallerIds?PhoneNumber=4155550000
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"total": 2, "items": [
           {{"id": 7, "number": "0014155550000"}},
           {{"id": 8, "number": "tel:+14155550001"}}]}}
answer   200 total="1"…<Sid>{SEVEN}</Sid>
""",
    )


# C17: writes that need other fields of the item

ITEM = (
    '{"id": 7, "name": "Bob", "number": "+14158675309", "country": "US", "live": true, "none": null,'
    ' "routing": {"to": ["a", {"b": 1.5}]}, "/odd": {"0": 1}}'
)
NEEDS = """
operations:
  rename:
    method: PUT
    path: /numbers/{id}
    query: {country: {from_item: /country}, live: {from_item: /live}}
    json:
      /data/name: friendly_name
      /data/routing: {from_item: /routing}
      /data/first: {from_item: /routing/to/0}
      none: {from_item: /none, default: null}
      zone: {from_item: /zone, default: 3}
  delete: {method: DELETE, path: "/numbers/{id}", query: {country: {from_item: /country}}}
"""
PUT = f"""
program  PUT OutgoingCallerIds/{SEVEN}
         FriendlyName=Front+Desk
"""
RENAMED = """proxy    PUT /v1/numbers/7?country=US&live=true
         {"data": {"name": "Front Desk", "routing": {"to": ["a", {"b": 1.5}]}, "first": "a"}, "zone": 3}
vendor   204
"""
SHOWN = "answer   200 <FriendlyName>Front Desk</FriendlyName>\n"


async def test_found_c17_a_write_sends_fields_of_the_item(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        NEEDS,
        f"""{PUT}proxy    {ONE}
vendor   200 {ITEM}
{RENAMED}proxy    {ONE}
vendor   200 {ITEM.replace("Bob", "Front Desk")}
{SHOWN}
program  DELETE OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   200 {ITEM}
proxy    DELETE /v1/numbers/7?country=US
vendor   204
answer   204
""",
    )


async def test_found_c17_the_item_comes_from_the_list(tmp_path: Path) -> None:
    page = "page_size: {parameter: limit, max: 1}, paging: {strategy: offset, parameter: offset}"
    await hold(
        tmp_path,
        NEEDS + f"  fetch: {{from: list}}\n  list: {{{page}, total: {{strategy: walk}}}}\n",
        f"""{PUT}proxy    {LIST}?limit=1&offset=0
vendor   200 {{"items": [{EVE}]}}
proxy    {LIST}?limit=1&offset=1
vendor   200 {{"items": [{ITEM}]}}
{RENAMED}proxy    {LIST}?limit=1&offset=0
vendor   200 {{"items": [{ITEM.replace("Bob", "Front Desk")}]}}
{SHOWN}""",
    )


@pytest.mark.parametrize(
    ("fetched", "told"),
    [("404 {}", "404"), (f"200 {EVE}", "404"), ("500 {}", "502"), ("401 {}", "502"), ("204", "502")],
)
async def test_found_c17_without_the_item_nothing_is_written(fetched: str, told: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        NEEDS + "  fetch: {retries: 0}\n",
        f"""{PUT}proxy    {ONE}
vendor   {fetched}
answer   {told}
""",
    )


async def test_found_c17_a_query_holds_plain_values(tmp_path: Path) -> None:
    await hold(
        tmp_path,
        NEEDS,
        f"""{PUT}proxy    {ONE}
vendor   200 {ITEM.replace('"US"', '{"code": "US"}')}
answer   502
""",
    )


@pytest.mark.parametrize(
    "request_line",
    [
        'method: DELETE, path: "/lists/{list}/numbers/{id}", placeholders: {list: {from_item: /place}}',
        'method: DELETE, path: "/numbers/{id}", query: {list: {from_item: /place}}',
        'method: POST, path: "/numbers/remove", form: {id: id, list: {from_item: /place}}',
        'method: POST, path: "/numbers/remove", json: {id: id, /in/list: {from_item: /place}}',
        'method: POST, path: "/numbers/{id}", merge: {list: {from_item: /place}}',
        'method: PATCH, path: "/numbers/{id}", merge: {list: {from_item: /place}}',
    ],
)
@pytest.mark.parametrize("lacking", ["{}", '{"place": null}'])
async def test_found_c17_a_write_that_lacks_a_value_is_not_sent(
    request_line: str, lacking: str, tmp_path: Path
) -> None:
    """Without the value, it might be about everything."""
    item = f"200 {json.dumps({**json.loads(BOB), **json.loads(lacking)})}"
    await hold(
        tmp_path,
        f"operations: {{delete: {{{request_line}}}}}",
        f"""
program  DELETE OutgoingCallerIds/{SEVEN}
proxy    {ONE}
vendor   {item}
answer   502 <Code>20502</Code>
""",
    )


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("7", "7"),
        ("1.5", "1.5"),
        ("true", "true"),
        ('"a b/c?d#e%f"', "a%20b%2Fc%3Fd%23e%25f"),
        ('"\u00e9{id}"', "%C3%A9%7Bid%7D"),
        ('"..."', "..."),
        ('""', None),
        ('"."', None),
        ('".."', None),
        ("[7]", None),
        ('{"id": 7}', None),
        ("null", None),
    ],
)
@pytest.mark.parametrize("operation", ["delete", "rename"])
async def test_found_c17_a_path_holds_fields_of_the_item(
    value: str, sent: str | None, operation: str, tmp_path: Path
) -> None:
    method, program = ("DELETE", "DELETE") if operation == "delete" else ("PATCH", "PUT")
    name = "" if operation == "delete" else "\n         FriendlyName=Front+Desk"
    shown = f'{{"id": 7, "name": "Front Desk", "number": "+14158675309", "list": {{"id": {value}}}}}'
    written = (
        f"""proxy    {method} /v1/lists/{sent}/numbers/7
vendor   {"204" if operation == "delete" else f"200 {shown}"}
answer   {"204" if operation == "delete" else "200"}
"""
        if sent
        else "answer   502\n"
    )
    await hold(
        tmp_path,
        f"operations: {{{operation}: {{path: '/lists/{{list}}/numbers/{{id}}',"
        " placeholders: {list: {from_item: /list/id}}}}",
        f"""
program  {program} OutgoingCallerIds/{SEVEN}{name}
proxy    {ONE}
vendor   200 {shown}
{written}""",
    )


async def test_a_path_holds_values_of_the_request(tmp_path: Path) -> None:
    """Conversions, constants and defaults are as for other parameters."""
    await hold(
        tmp_path,
        """
operations:
  validate:
    path: "/{kind}/{number}/{name}"
    placeholders:
      kind: {constant: calls}
      number: {from: phone_number, as: digits}
      name: {from: friendly_name, default: unnamed}
    json: {}
""",
        """
program  POST OutgoingCallerIds
         PhoneNumber=4158675309
proxy    POST /v1/calls/14158675309/unnamed
vendor   201 {"code": 40213}
answer   200 <ValidationCode>040213</ValidationCode>
""",
    )


# A vendor that insists on a name


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("PhoneNumber=4158675309", "(415) 867-5309"),
        ("PhoneNumber=4158675309&FriendlyName=", "(415) 867-5309"),
        ("PhoneNumber=4158675309&FriendlyName=Home", "Home"),
    ],
)
@pytest.mark.parametrize("table", ["json", "form", "query"])
async def test_a_number_without_a_name_is_sent_with_one(
    given: str, sent: str, table: str, tmp_path: Path
) -> None:
    name, call = "{from: friendly_name, otherwise: formatted_number}", "/v1/calls/%2B14158675309"
    sent_as = {
        "json": f'{call}\n         {{"name": "{sent}"}}',
        "form": f"{call}\n         name={quote_plus(sent)}",
        "query": f"{call}?name={quote_plus(sent)}",
    }
    body = ", form: {}" if table == "query" else ""
    await hold(
        tmp_path,
        f"operations: {{validate: {{path: '/calls/{{phone_number}}', {table}: {{name: {name}}}{body}}}}}",
        f"""
program  POST OutgoingCallerIds
         {given}
proxy    POST {sent_as[table]}
vendor   201 {{"code": 40213}}
answer   200 <ValidationCode>040213</ValidationCode>
""",
    )


IDENTIFYING = {
    "its id": "{method: DELETE, path: /numbers, query: {key: {from_item: /id}}}",
    "its id in the path": '{method: DELETE, path: "/numbers/{key}", placeholders: {key: {from_item: /id}}}',
    "its number": "{method: POST, path: /remove, form: {msisdn: {from_item: /number}}}",
    "the whole item": '{method: POST, path: /remove, json: {item: {from_item: ""}}}',
    "the item with changes": "{method: PUT, path: /numbers, merge: {live: {constant: false}}}",
}


@pytest.mark.parametrize("request_line", IDENTIFYING.values(), ids=IDENTIFYING)
def test_found_c17_fields_of_the_item_name_it(request_line: str) -> None:
    assert violations(delete=request_line) == []


@pytest.mark.parametrize(
    "request_line",
    [
        "{method: DELETE, path: /numbers, query: {key: {from_item: /name}}}",
        "{method: DELETE, path: /numbers, query: {key: {from_item: /id, default: null}}}",
        "{method: DELETE, path: /numbers, query: {key: {from_item: /id, default: 7}}}",
        "{method: DELETE, path: /numbers, query: {key: {from_item: /id/deep}}}",
        "{method: PATCH, path: /numbers, merge: {live: {constant: false}}}",
        "{method: PUT, path: /numbers, merge: {id: {constant: null}, /number: {constant: null}}}",
    ],
)
def test_found_c17_other_fields_of_the_item_do_not_name_it(request_line: str) -> None:
    assert violations(delete=request_line) == [
        (("operations", "delete"), "delete never sends id: put it into a parameter or the path")
    ]


def violations(**operations: str) -> list[Violation]:
    profile = example_rest()
    profile["operations"] |= {name: yaml.safe_load(text) for name, text in operations.items()}
    return list(find_violations(ProfileSettings.model_validate(profile)))


@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
async def test_found_c17_changes_are_merged(method: str, tmp_path: Path) -> None:
    """RFC 7396: PATCH sends the changes, the others the item with the changes."""
    changes = {"name": "Front Desk", "country": None, "routing": {"to": ["c"]}, "new": {"deep": True}}
    merged = {**json.loads(ITEM), **changes}
    del merged["country"]
    parameters = (
        "{name: friendly_name, country: {constant: null}, /routing/to/0: {constant: c},"
        " /new/deep: {constant: true}}"
    )
    fetched = "" if method == "PATCH" else f"proxy    {ONE}\nvendor   200 {ITEM}\n"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    await hold(
        tmp_path,
        f"operations: {{rename: {{method: {method}, path: '/numbers/{{id}}', merge: {parameters}}}}}",
        f"""{PUT}{fetched}proxy    {method} /v1/numbers/7
         Content-Type: {kind}
         {json.dumps(changes if method == "PATCH" else merged)}
vendor   200 {ITEM.replace("Bob", "Front Desk")}
{SHOWN}""",
    )


# C14: validation codes of other forms


@pytest.mark.parametrize(
    ("codes", "answered", "shown"),
    [
        ("", '"4021"', "4021"),
        ("", '"A1b2C3d4E5"', "A1b2C3d4E5"),
        ("", "4021", "4021"),
        ("codes: {length: 4}", '"0021"', "0021"),
        ("codes: {length: 4}", "21", "0021"),
        ("codes: {length: 8}", "1234567", "01234567"),
        ("codes: {length: [4, 10], characters: alphanumeric}", '"A1b2C3d4E5"', "A1b2C3d4E5"),
        ("codes: {length: [4, 10], characters: alphanumeric}", '"abcd"', "abcd"),
    ],
)
async def test_found_c14_a_code_is_shown_as_it_is(
    codes: str, answered: str, shown: str, tmp_path: Path
) -> None:
    await hold(
        tmp_path,
        f"{codes}\noperations: {{validate: {{code: /code}}}}",
        f"""
program  POST OutgoingCallerIds
         PhoneNumber=4158675309
proxy    POST /v1/accounts/acme/validations
vendor   201 {{"code": {answered}}}
answer   200 <ValidationCode>{shown}</ValidationCode>
""",
    )


@pytest.mark.parametrize(
    "answered", ['"123"', '"12345"', '"12a4"', "12345", "true", '""', "null", '"\uff11\uff12\uff13\uff14"']
)
async def test_found_c14_a_code_of_another_form_is_no_code(answered: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        "codes: {length: 4}\noperations: {validate: {code: /code}}",
        f"""
program  POST OutgoingCallerIds
         PhoneNumber=4158675309
proxy    POST /v1/accounts/acme/validations
vendor   201 {{"code": {answered}}}
answer   502 The validation call may have been placed
""",
    )


SPOKEN = """
validation: code_on_phone
operations:
  validate: {pending: /id}
  verify: {method: POST, path: "/codes/{id}", json: {pin: code}}
"""
CALLED = """
program  POST OutgoingCallerIds
         PhoneNumber=4158675309
proxy    POST /v1/accounts/acme/validations
vendor   201 {"id": "v1"}
answer   200 <ValidationCode/>
"""


@pytest.mark.parametrize(
    ("codes", "typed", "sent"),
    [
        ("{length: 4}", "0021", "0021"),
        ("{length: 4}", "00-21", "0021"),
        ("{length: [4, 10]}", "1234567890", "1234567890"),
        ("{length: [4, 10], characters: alphanumeric}", "Ab12", "Ab12"),
        ("{length: [4, 10], characters: alphanumeric}", "a b 1 2", "ab12"),
        ("{}", "012345", "012345"),
    ],
)
async def test_found_c14_the_page_takes_codes_of_the_form(
    codes: str, typed: str, sent: str, tmp_path: Path
) -> None:
    await hold(
        tmp_path,
        f"codes: {codes}\n{SPOKEN}",
        CALLED
        + f"""
program  POST /caller-id-code
         PhoneNumber=4158675309&Code={typed.replace(" ", "+")}
proxy    POST /v1/codes/v1
         {{"pin": "{sent}"}}
vendor   204
answer   200 4158675309 is confirmed
""",
    )


@pytest.mark.parametrize(
    ("codes", "typed", "told"),
    [
        ("{length: 4}", "12345", "The code has four digits"),
        ("{length: 4}", "123", "The code has four digits"),
        ("{length: 4}", "12a4", "The code has four digits"),
        ("{length: [4, 12], characters: alphanumeric}", "1234567890123", "The code has four to 12 letters"),
        ("{length: [4, 10], characters: alphanumeric}", "12_4", "The code has four to ten letters"),
        ("{}", "1234", "The code has six digits. Check it and type it again."),
    ],
)
async def test_found_c14_the_page_says_the_form(codes: str, typed: str, told: str, tmp_path: Path) -> None:
    await hold(
        tmp_path,
        f"codes: {codes}\n{SPOKEN}",
        CALLED
        + f"""
program  POST /caller-id-code
         PhoneNumber=4158675309&Code={typed}
answer   400 {told}
""",
    )


# C8: ids of many forms, which a Sid holds

TEXTS: list[object] = ["0", "00", "007", "0" * 21, "z" * 21, "~" * 21, "PNkZ8Gd0fwUDPTq6Lv_-a", "a b", 7]
TEXTS += ["+14155550000", "\u00e9", "7?x#", "\U0001f4de" * 3, "a" * 10 + " ", "...", ".a", 2**64 - 1]
IDS: list[tuple[str, list[object], list[object]]] = [
    (
        "codec: integer",
        [0, 7, 10**18, 2**63 - 1, 2**63, 2**64 - 1, "18446744073709551615"],
        [2**64, -1, "007", "", 1.5, "1e3", True, "99999999999999999999"],
    ),
    (
        "codec: short_text",
        TEXTS,
        [
            "",
            "0" * 22,
            "\u00e9" * 8,
            "a" * 15 + " ",
            True,
            1.5,
            ["a"],
            ".",
            "..",
            "../x",
            "a\\b",
            "\x00",
            "%2e",
        ],
    ),
    (
        "codec: base64url",
        ["dVf2Qr9HSk2BuwB1AApxfw", "AAAAAAAAAAAAAAAAAAAAAA", "_-_-_-_-_-_-_-_-_-_-_w"],
        ["dVf2Qr9HSk2BuwB1AApxfx", "dVf2Qr9HSk2BuwB1AApxfw==", "dVf2Qr9HSk2BuwB1AApx+w", "short", 7],
    ),
    (
        "codec: hex32_upper",
        ["6FED0BC540BFADD9B05ED7D89AAC22FA", "0" * 32, "F" * 32],
        ["6fed0bc540bfadd9b05ed7d89aac22fa", "F" * 31, "G" * 32, "F" * 32 + "\n", 7],
    ),
    ("codec: short_text, prefix: num_", ["num_0a", "num_" + "z" * 21], ["0a", "num_", "num_" + "z" * 22]),
    ("codec: integer, prefix: n-", ["n-18446744073709551615"], ["n-007", "n-18446744073709551616"]),
]


@pytest.mark.parametrize(
    ("ids", "held", "upstream_id"), [(ids, held, each) for ids, held, _ in IDS for each in held]
)
async def test_found_c8_an_id_comes_back(
    ids: str, held: list[object], upstream_id: object, tmp_path: Path
) -> None:
    """As it was: in a path, in a query and in JSON; each id has a Sid of its own."""
    as_ = "integer" if isinstance(upstream_id, int) and "integer" in ids else "text"
    settings = yaml.safe_load(
        f"{{ids: {{{ids}}}, caller_id: {{id: {{at: /id, as: {as_}}}}},"
        " operations: {delete: {method: POST, path: '/x/{id}', query: {q: id}, json: {id: id}}}}"
    )
    profile = example_rest()
    put(profile, settings)
    compiled = Profile(ProfileSettings.model_validate(profile), "http://127.0.0.1:1")
    account = Account("AC1", "acme", Credentials("u", "p"))
    items = [{"id": each, "number": "+14158675309"} for each in held]
    page = compiled.list(List("AC1", 0, 50), account).read(Reply(200, json.dumps({"items": items}).encode()))
    assert len(set(page.caller_ids.sid)) == len({str(each) for each in held})
    sid = page.caller_ids.sid[held.index(upstream_id)]
    assert re.fullmatch("PN[0-9a-f]{32}", sid)
    for spelling in (sid, f"PN{sid[2:].upper()}"):
        call = compiled.exchange(Delete("AC1", spelling), account).call
        assert call.body == {"id": str(upstream_id)}
        assert call.query == {"q": str(upstream_id)}
        assert unquote(call.address.removeprefix("http://127.0.0.1:1/x/")) == str(upstream_id)


@pytest.mark.parametrize(
    ("ids", "upstream_id"), [(ids, each) for ids, _, refused in IDS for each in refused], ids=str
)
async def test_found_c8_an_id_that_does_not_fit_is_a_502(
    ids: str, upstream_id: object, tmp_path: Path
) -> None:
    as_ = "integer" if "integer" in ids and "prefix" not in ids else "text"
    item = json.dumps({"id": upstream_id, "number": "+14158675309"})
    await hold(
        tmp_path,
        f"{{ids: {{{ids}}}, caller_id: {{id: {{at: /id, as: {as_}}}}}}}",
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"items": [{item}], "total": 1}}
answer   502
""",
    )


async def test_found_c8_a_number_of_twenty_digits_is_written_as_one(tmp_path: Path) -> None:
    sid = "PNffffffffffffffffd405eb189d4a0020"
    dialogue = f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"items": [{{"id": 18446744073709551615, "number": "+14158675309"}}], "total": 1}}
answer   200 <Sid>{sid}</Sid>
program  DELETE OutgoingCallerIds/{sid}
proxy    POST /v1/remove
         {{"id": 18446744073709551615}}
vendor   204
answer   204
"""
    await hold(
        tmp_path,
        "operations: {delete: {method: POST, path: /remove, json: {id: {from: id, as: integer}}}}",
        dialogue,
    )


def sid_of(text: str) -> str:
    """Return what a client would make to have this text in a path."""
    common = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.:@~"
    number, digits, base = sum(68**length for length in range(1, 22)), [*text.encode()], 256
    if {*text} <= {*common}:
        number, digits, base = 0, [common.index(each) for each in text], 68
    number += sum(base**length for length in range(1, len(digits)))
    return f"{number + sum(digit * base**at for at, digit in enumerate(reversed(digits))):032x}"


@pytest.mark.parametrize(
    "digits",
    [
        "f" * 32,
        "fffffffffffffffffffffffffffffff0",
        *map(sid_of, (".", "..", "../x", "..\\", "a/b", "%2e%2e", "\n")),
    ],
)
async def test_found_c8_a_sid_that_no_text_leads_to(digits: str, tmp_path: Path) -> None:
    assert build_codec("short_text", b"").encode("a.b c", "") == f"PN{sid_of('a.b c')}"
    await hold(
        tmp_path,
        "{ids: {codec: short_text}, caller_id: {id: /id}}",
        f"""
program  GET OutgoingCallerIds/PN{digits}
answer   404
""",
    )


@given(st.text(min_size=1, max_size=21), st.text(min_size=1, max_size=21))
@settings(max_examples=300)
def test_found_c8_short_texts_are_reversible(one: str, other: str) -> None:
    codec = build_codec("short_text", b"")
    sids = []
    for text in (one, other):
        try:
            sids.append(codec.encode(text, ""))
        except UnreadableError:
            is_long = len(text.encode("utf-8", "surrogatepass")) > 15
            assert is_long or re.search(r"[\ud800-\udfff\x00-\x1f\x7f/\\%]", text) or text in (".", "..")
        else:
            assert codec.decode(sids[-1], "") == text
    assert len(sids) < 2 or (sids[0] == sids[1]) == (one == other)


@given(st.integers(0, 2**128 - 1))
def test_found_c8_each_sid_has_one_text_or_none(number: int) -> None:
    codec, sid = build_codec("short_text", b""), f"PN{number:032x}"
    try:
        text = codec.decode(sid, "")
    except LegacyError:
        return
    assert codec.encode(text, "") == sid


LONG = "numbers/US/+14158675309/primary/" + "x" * 100
STORED = "{ids: {codec: stored}, caller_id: {id: /id}}"
IN_A_FILE = PROXY_YAML + "ids: {database: kept/ids.sqlite}\nsnapshots: {fresh: 0}\n"


def stored_sid(upstream_id: str, account: str = "acme") -> str:
    key = hashlib.sha256(b"callerid-proxy").digest()
    text = f"{len(account)} {account} {upstream_id}".encode()
    return f"PN{hmac.new(key, text, hashlib.sha256).hexdigest()[:32]}"


def listing_of(*ids: str) -> str:
    items = json.dumps([{"id": each, "number": "+14158675309"} for each in ids])
    sids = "…".join(f"<Sid>{stored_sid(each)}</Sid>" for each in ids)
    return f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"items": {items}, "total": {len(ids)}}}
answer   200 {sids}
"""


def deletion_of(upstream_id: str) -> str:
    return f"""
program  DELETE OutgoingCallerIds/{stored_sid(upstream_id).replace("a", "A")}
proxy    DELETE /v1/accounts/acme/caller-ids/{quote(upstream_id, safe="")}
vendor   204
answer   204
"""


TEXTS_TO_STORE = [
    LONG,
    "x",
    "007",
    "..",
    "\u00e9\u4e2d\U0001f4de" * 9,
    "a b&c=d?e#f",
    "' OR 1=1 --",
    "x" * 1024,
]


async def test_found_c8_an_id_of_any_text_is_stored(tmp_path: Path) -> None:
    """Its Sid stays over restarts, and is known without another listing."""
    (tmp_path / "kept").mkdir()
    deletions = [deletion_of(each) for each in TEXTS_TO_STORE]
    await hold(tmp_path, STORED, listing_of(*TEXTS_TO_STORE), *deletions, proxy_yaml=IN_A_FILE)
    await hold(tmp_path, STORED, *deletions, listing_of(*TEXTS_TO_STORE), proxy_yaml=IN_A_FILE)


async def test_found_c8_a_store_that_was_lost_is_filled_again(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    await hold(tmp_path, STORED, listing_of(LONG), proxy_yaml=IN_A_FILE)
    for file in (tmp_path / "kept").iterdir():
        file.unlink()
    unknown = f"program  GET OutgoingCallerIds/{stored_sid(LONG)}\nanswer   404\n"
    await hold(tmp_path, STORED, unknown, listing_of(LONG), deletion_of(LONG), proxy_yaml=IN_A_FILE)


async def test_found_c8_a_sid_belongs_to_its_account(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    sids = [stored_sid(LONG, "another"), stored_sid("never shown"), f"PN{'0' * 32}"]
    await hold(
        tmp_path,
        STORED,
        listing_of(LONG),
        *(f"program  GET OutgoingCallerIds/{sid}\nanswer   404\n" for sid in sids),
        proxy_yaml=IN_A_FILE,
    )
    connection = sqlite3.connect(tmp_path / "kept" / "ids.sqlite")
    with contextlib.closing(connection), connection:
        connection.execute("UPDATE ids SET upstream_id = 'another id'")
        connection.execute("INSERT INTO ids VALUES (?, ?)", (sids[0].lower(), LONG))
    other = (
        f"program  DELETE OutgoingCallerIds/{sid}\nanswer   404\n" for sid in (stored_sid(LONG), sids[0])
    )
    await hold(tmp_path, STORED, *other, proxy_yaml=IN_A_FILE)


async def test_found_c8_a_store_that_cannot_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Lists go on; of a Sid that is not remembered nothing is said that may be wrong."""
    await hold(
        tmp_path,
        STORED,
        listing_of(LONG),
        deletion_of(LONG),
        f"program  GET OutgoingCallerIds/{stored_sid('unknown')}\nanswer   503\n",
        proxy_yaml=IN_A_FILE,
    )
    assert "cannot be saved" in caplog.text
    assert "cannot be read" in caplog.text
    assert LONG not in caplog.text


@pytest.mark.parametrize("upstream_id", ["", "x" * 1025, "\\ud800", None, True, 1.5])
async def test_found_c8_what_is_no_id_is_not_stored(upstream_id: object, tmp_path: Path) -> None:
    item = json.dumps({"id": upstream_id, "number": "+14158675309"}).replace("\\\\u", "\\u")
    await hold(
        tmp_path,
        STORED,
        f"""
program  GET OutgoingCallerIds
proxy    {LIST}?limit=100&offset=0
vendor   200 {{"items": [{item}], "total": 1}}
answer   502
""",
        proxy_yaml=IN_A_FILE,
    )


async def test_found_c8_replicas_share_ids_in_redis(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    in_redis = (
        PROXY_YAML + f"snapshots: {{fresh: 0, redis: {{url: '{server.url}', secret: '${{OLD_TOKEN}}'}}}}\n"
    )
    try:
        await hold(tmp_path, STORED, listing_of(*TEXTS_TO_STORE), proxy_yaml=in_redis)
        await hold(tmp_path, STORED, *map(deletion_of, TEXTS_TO_STORE), proxy_yaml=in_redis)
        for name in server.client.keys("callerid-proxy:id:*"):
            server.client.set(name, b"another id")
        forged = f"program  DELETE OutgoingCallerIds/{stored_sid(LONG)}\nanswer   404\n"
        await hold(tmp_path, STORED, forged, proxy_yaml=in_redis)
    finally:
        server.stop()
    gone = f"program  GET OutgoingCallerIds/{stored_sid(LONG)}\nanswer   503\n"
    await hold(tmp_path, STORED, gone, proxy_yaml=in_redis)


# Filters that are expressions

RSQL = """
operations:
  list:
    query: {q: {constant: "live==true"}}
    filters:
      join: ;
      phone_number: {mode: server, parameter: q, template: "number=={filter}", as: digits}
      friendly_name: {mode: server, parameter: q, template: 'name=="{filter}"', escape: ESCAPE}
"""


def asked(query: str, expression: str) -> str:
    return f"""
program  GET OutgoingCallerIds?{query}
proxy    {LIST}?q={quote_plus(expression)}&limit=100&offset=0
vendor   200 {{"items": [], "total": 0}}
answer   200 total="0"
"""


@pytest.mark.parametrize(
    ("escape", "written"), [("double", "Bob''s \"Fax\""), ("backslash", 'Bob\\\'s "Fax"')]
)
async def test_only_the_mark_around_a_value_is_escaped(escape: str, written: str, tmp_path: Path) -> None:
    template = "'name==\"{filter}\"'"
    assert template in RSQL
    other = """"note eq \\"it's\\" and name eq '{filter}'\""""
    profile = RSQL.replace("ESCAPE", escape).replace(template, other)
    expression = f"live==true;note eq \"it's\" and name eq '{written}'"
    await hold(tmp_path, profile, asked(f"FriendlyName={quote('Bob')}", expression.replace(written, "Bob")))
    await hold(tmp_path, profile, asked("FriendlyName=Bob%27s+%22Fax%22", expression))


@pytest.mark.parametrize(
    ("escape", "name", "written"),
    [
        ("none", "Bob", "Bob"),
        ("none", "Zo\u00eb-1", "Zo\u00eb-1"),
        ("none", "Bob Cell", None),
        ("none", '"', None),
        ("none", "a;number==*", None),
        ("backslash", "Bob Cell Phone", "Bob Cell Phone"),
        ("backslash", 'say "hi"', 'say \\"hi\\"'),
        ("backslash", "O'Hara", "O'Hara"),
        ("backslash", "a\\", "a\\\\"),
        ("backslash", "a*", None),
        ("double", "O'Hara", "O'Hara"),
        ("double", '"; x=="', '""; x==""'),
        ("double", "a\\", None),
        ("double", "100%", None),
    ],
)
async def test_a_filter_is_an_expression(escape: str, name: str, written: str | None, tmp_path: Path) -> None:
    """Where a value cannot be a part of it, the proxy filters alone."""
    expression = "live==true" if written is None else f'live==true;name=="{written}"'
    await hold(
        tmp_path,
        RSQL.replace("ESCAPE", escape),
        asked(f"FriendlyName={quote(name, safe='')}", expression),
        asked("PhoneNumber=4158675309", "live==true;number==14158675309"),
        asked(
            f"PhoneNumber=4158675309&FriendlyName={quote(name, safe='')}",
            expression.replace("true", "true;number==14158675309"),
        ),
        asked("page=0", "live==true"),
    )
