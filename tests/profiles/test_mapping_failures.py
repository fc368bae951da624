"""A mapping that fails says where: the line of the profile, the pointer, what was expected and what is there.

`translate` and the log say the same. Neither shows a value: types and pointers only.
"""

import json
import logging
import queue
import re
from collections.abc import Mapping, Sequence
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from support.proxied import MAPPED, proxied
from support.seed import ACCOUNT, LIST
from support.wire import Message, json_answer

from proxy.cli import main

CANARY = "canary-7f3a"
"""A value of the upstream: it is in no message."""
SID = "PN00000000000000078eb04da5d7c7ae9a"
"""Of the id 7, for this account."""

PROFILE = """\
name: my-api
checked_against: nothing
base_url: https://api.example.com
auth: {scheme: none}
ids: {codec: integer}
validation: code_shown
operations:
  list:
    path: /numbers
    items: /data/items
    page_size: {parameter: limit, max: 2}
    paging:
      strategy: cursor
      parameter: after
      next: /data/next
    total: {strategy: walk}
    filters:
      phone_number: {mode: server, parameter: number, as: ten_digits}
    include_when:
      - {at: /state, equals: verified}
  fetch:
    method: GET
    path: /numbers/{id}
    item: /data/item
  rename:
    method: PUT
    path: /numbers/{id}
    json:
      name: friendly_name
    success: [200]
  delete: {unsupported: Numbers stay}
  validate:
    method: POST
    path: /calls
    json:
      number: {from: phone_number, as: ten_digits}
    code: {at: /call/code, as: six_digits}
    friendly_name: {at: /call/name, default: null}
caller_id:
  id:
    at: /id
    as: integer
  account: {at: /owner/id, default: null}
  friendly_name:
    at: [/label, /name]
    default: null
  phone_number: {at: /number, as: e164}
  date_created: {at: /created, as: iso8601, default: null}
errors:
  present: /error
  code: /error/code
  message: /error/text
  map:
    - {status: 409, to_status: 400, to_code: 21450}
limits:
  items: 3
"""
FILTERS = PROFILE[PROFILE.index("    filters:") : PROFILE.index("  fetch:")]
GOOD = {"id": 7, "number": "+14158675309", "state": "verified", "name": CANARY, "label": None}


def page(*items: Any, following: Any = None) -> dict[str, Any]:
    return {"data": {"items": items, "next": following}}


def item(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not Ellipsis}


LISTING, FETCH = ("GET", LIST), ("GET", f"{LIST}/{SID}")
RENAME = ("PUT", f"{LIST}/{SID}", "-d", "FriendlyName=New")
DELETE = ("DELETE", f"{LIST}/{SID}")
VALIDATE = ("POST", LIST, "-d", "PhoneNumber=4158675309", "-d", "FriendlyName=New")
KEY, TYPE = "item_key: a required value is missing", "item_type: a value is not what the profile says"
ITEMS = "no_items: there is no array of items where the profile says"
CODE = "code: there is no validation code as the profile describes it"
CURSOR = "cursor: the next page cannot be requested"
GONE = "404 The requested resource was not found"


class Failure(NamedTuple):
    request: Sequence[str]
    answer: Any
    line: str
    """A line of the profile; one that begins with + is added under `list`."""
    message: str
    status: int = 200
    change: tuple[str, str] = ("", "")


DELETING = (
    "  delete: {unsupported: Numbers stay}",
    """\
  delete:
    method: DELETE
    path: /lists/{list}/numbers
    placeholders:
      list: {from_item: /list/id}
    query:
      id: id
      country:
        from_item: /country
""",
)
"""A delete that would address all numbers of all lists, if it lacked the values of the item."""


FAILURES: Mapping[str, Failure] = {
    # The array of items
    "an object for the items": Failure(
        LISTING,
        {"data": {"items": {"7": CANARY}}},
        "    items: /data/items",
        f"{ITEMS} (pointer /data/items, expected an array, found an object, status 200)",
    ),
    "items one level up": Failure(
        LISTING,
        {"data": [GOOD]},
        "    items: /data/items",
        f"{ITEMS} (pointer /data/items, expected an array, found nothing in an array at /data, status 200)",
    ),
    "a bare array": Failure(
        LISTING,
        [GOOD],
        "    items: /data/items",
        f"{ITEMS} (pointer /data/items, expected an array, found nothing in an array, status 200)",
    ),
    "a text for all": Failure(
        LISTING,
        CANARY,
        "    items: /data/items",
        f"{ITEMS} (pointer /data/items, expected an array, found nothing in text, status 200)",
    ),
    # The fields of an item
    "no id": Failure(
        LISTING,
        page(item(), item(id=...)),
        "    at: /id",
        f"{KEY} (pointer /id, expected a value as integer, found nothing in an object, item 1, status 200)",
    ),
    "a null for the id": Failure(
        LISTING,
        page(item(id=None)),
        "    at: /id",
        f"{KEY} (pointer /id, expected a value as integer, found null, item 0, status 200)",
    ),
    "a text for the id": Failure(
        LISTING,
        page(item(id=CANARY)),
        "    at: /id",
        f"{TYPE} (pointer /id, expected a whole number, found text, item 0, status 200)",
    ),
    "a fraction for the id": Failure(
        LISTING,
        page(item(id=7.5)),
        "    at: /id",
        f"{TYPE} (pointer /id, expected text, found a number with a fraction, item 0, status 200)",
    ),
    "an id below zero": Failure(
        LISTING,
        page(item(), item(id=-7)),
        "    at: /id",
        "id: an id does not fit the codec"
        " (pointer /id, expected an id that fits this codec, found a number, item 1, status 200)",
    ),
    "an array for the number": Failure(
        LISTING,
        page(item(number=[CANARY])),
        "  phone_number: {at: /number, as: e164}",
        f"{TYPE} (pointer /number, expected text, found an array, item 0, status 200)",
    ),
    "an object for the number": Failure(
        LISTING,
        page(item(number={"e164": CANARY})),
        "  phone_number: {at: /number, as: e164}",
        f"{TYPE} (pointer /number, expected text, found an object, item 0, status 200)",
    ),
    "true for the number": Failure(
        LISTING,
        page(item(number=True)),
        "  phone_number: {at: /number, as: e164}",
        f"{TYPE} (pointer /number, expected text, found a boolean, item 0, status 200)",
    ),
    "an extension of the number": Failure(
        LISTING,
        page(item(), item(number=None, state="new"), item(number="415-867-5309 ext. 4")),
        "  phone_number: {at: /number, as: e164}",
        f"{TYPE} (pointer /number, expected a phone number without an extension, found text, item 2,"
        " status 200)",
    ),
    "the second of two names": Failure(
        LISTING,
        page(item(name=["canary"])),
        "    at: [/label, /name]",
        f"{TYPE} (pointer /name, expected text, found an array, item 0, status 200)",
    ),
    "no name at all": Failure(
        LISTING,
        page(item(name=None)),
        "    at: [/label, /name]",
        f"{KEY} (pointer /label or /name, expected a value as text, found nothing, item 0, status 200)",
        change=("    at: [/label, /name]\n    default: null", "    at: [/label, /name]"),
    ),
    "no date": Failure(
        LISTING,
        page(item(created=...)),
        "  date_created: {at: /created, as: iso8601}",
        f"{KEY} (pointer /created, expected a value as iso8601, found nothing in an object, item 0,"
        " status 200)",
        change=("as: iso8601, default: null", "as: iso8601"),
    ),
    "an item of another account": Failure(
        LISTING,
        page(item(), item(owner={"id": CANARY})),
        "  account: {at: /owner/id, default: null}",
        "account: the upstream shows something of another account"
        " (pointer /owner/id, expected the account of the request, found text, item 1, status 200)",
    ),
    "an account inside of a text": Failure(
        LISTING,
        page(item(owner=CANARY)),
        "  account: {at: /owner/id}",
        f"{KEY} (pointer /owner/id, expected a value as text, found nothing in text at /owner, item 0,"
        " status 200)",
        change=("{at: /owner/id, default: null}", "{at: /owner/id}"),
    ),
    "an item that is text": Failure(
        LISTING,
        page(item(), CANARY),
        "      - {at: /state, equals: verified}",
        f"{TYPE} (pointer /state, expected an object, found nothing in text, item 1, status 200)",
    ),
    "an item behind those that are left out": Failure(
        LISTING,
        page(item(state="new"), item(state="new"), item(number=None)),
        "  phone_number: {at: /number, as: e164}",
        f"{KEY} (pointer /number, expected a value as e164, found null, item 2, status 200)",
    ),
    # From page to page
    "an array for the cursor": Failure(
        LISTING,
        page(item(), following=[CANARY]),
        "      next: /data/next",
        f"{CURSOR} (pointer /data/next, expected text or a number that a call can hold, found an array,"
        " status 200)",
    ),
    "true for the cursor": Failure(
        LISTING,
        page(item(), following=True),
        "      next: /data/next",
        f"{CURSOR} (pointer /data/next, expected text or a number that a call can hold, found a boolean,"
        " status 200)",
    ),
    "a next page elsewhere": Failure(
        LISTING,
        page(item(), following=f"https://{CANARY}.example"),
        "      next: /data/next",
        "origin: the next page is a URL of another origin, which is refused"
        " (pointer /data/next, expected a URL of the same origin, found text, status 200)",
        change=("strategy: cursor\n      parameter: after", "strategy: next_url"),
    ),
    "an array for the total": Failure(
        LISTING,
        {**page(item()), "count": [CANARY]},
        "    total: {strategy: pointer, at: /count}",
        "total: the total is no number (pointer /count, expected a whole number, found an array, status 200)",
        change=(f"total: {{strategy: walk}}\n{FILTERS}", "total: {strategy: pointer, at: /count}\n"),
    ),
    "a list over its limit": Failure(
        LISTING,
        page(*(item(id=number) for number in range(4))),
        "  items: 3",
        "too_large: the answer is larger than a limit (limit 3 items)",
    ),
    # One item
    "an item elsewhere": Failure(
        FETCH,
        {"data": GOOD},
        "    item: /data/item",
        f"{GONE} (pointer /data/item, expected an object, found nothing in an object at /data, status 200)",
    ),
    "an array of arrays for the item": Failure(
        FETCH,
        {"data": {"item": [GOOD, [GOOD]]}},
        "      - {at: /state, equals: verified}",
        f"{TYPE} (pointer /state, expected an object, found nothing in an array, item 1, status 200)",
    ),
    "an item that is left out": Failure(
        FETCH,
        {"data": {"item": item(state="new")}},
        "    include_when:",
        f"{GONE} (status 200)",
    ),
    "another item": Failure(
        FETCH,
        {"data": {"item": item(id=8)}},
        "  id:",
        f"{GONE} (pointer /id, expected the id of the request, found a number, status 200)",
    ),
    "an item without its number": Failure(
        FETCH,
        {"data": {"item": item(number=...)}},
        "  phone_number: {at: /number, as: e164}",
        f"{KEY} (pointer /number, expected a value as e164, found nothing in an object, item 0, status 200)",
    ),
    "no right Sid": Failure(
        ("GET", f"{LIST}/{SID[:-1]}d"),
        {},
        "ids: {codec: integer}",
        f"{GONE} (codec integer)",
    ),
    # Validation
    "no code": Failure(
        VALIDATE,
        {"call": {"id": CANARY}},
        "    code: {at: /call/code, as: six_digits}",
        f"{CODE} (pointer /call/code, expected a value as six_digits, found nothing in an object at /call,"
        " status 200)",
    ),
    "a code of letters": Failure(
        VALIDATE,
        {"call": {"code": CANARY}},
        "    code: {at: /call/code, as: six_digits}",
        f"{CODE} (pointer /call/code, expected a code of six digits, found text, status 200)",
    ),
    "an array for the name": Failure(
        VALIDATE,
        {"call": {"code": "123456", "name": [CANARY]}},
        "    friendly_name: {at: /call/name, default: null}",
        f"{TYPE} (pointer /call/name, expected text, found an array, status 200)",
    ),
    # Values of the item that a write needs
    "an item without a part of the path": Failure(
        DELETE,
        {"data": {"item": GOOD}},
        "      list: {from_item: /list/id}",
        f"{KEY} (parameter list, expected a value, pointer /list/id, found nothing in an object)",
        change=DELETING,
    ),
    "a null in a part of the path": Failure(
        DELETE,
        {"data": {"item": item(list={"id": None})}},
        "      list: {from_item: /list/id}",
        f"{KEY} (parameter list, expected a value, pointer /list/id, found null)",
        change=DELETING,
    ),
    "an object for a part of the path": Failure(
        DELETE,
        {"data": {"item": item(list={"id": {"id": CANARY}})}},
        "      list: {from_item: /list/id}",
        f"{TYPE} (parameter list, expected a plain value, pointer /list/id, found an object)",
        change=DELETING,
    ),
    "a part of the path that leads up": Failure(
        DELETE,
        {"data": {"item": item(list={"id": ".."})}},
        "      list: {from_item: /list/id}",
        f"{TYPE} (parameter list, expected a part of a path, pointer /list/id, found text)",
        change=DELETING,
    ),
    "an item without a parameter of the query": Failure(
        DELETE,
        {"data": {"item": item(list={"id": 3})}},
        "        from_item: /country",
        f"{KEY} (parameter country, expected a value, pointer /country, found nothing in an object)",
        change=DELETING,
    ),
    "text for a number of the body": Failure(
        RENAME,
        {"data": {"item": item(zone=CANARY)}},
        "      zone: {from_item: /zone, as: integer}",
        f"{TYPE} (parameter zone, expected a whole number, pointer /zone, found text)",
        change=(
            "      name: friendly_name\n",
            "      name: friendly_name\n      zone: {from_item: /zone, as: integer}\n",
        ),
    ),
    "an item without a field of the body": Failure(
        RENAME,
        {"data": {"item": item(routing=[])}},
        "      first: {from_item: /routing/0}",
        f"{KEY} (parameter first, expected a value, pointer /routing/0,"
        " found nothing in an array at /routing)",
        change=(
            "      name: friendly_name\n",
            "      name: friendly_name\n      first: {from_item: /routing/0}\n",
        ),
    ),
    # Requests, and errors that the profile passes on
    "a number that the filter cannot hold": Failure(
        ("GET", f"{LIST}?PhoneNumber=%2B442079460123"),
        {},
        "      phone_number: {mode: server, parameter: number, as: ten_digits}",
        "400 PhoneNumber must be a ten-digit phone number (parameter number, value phone_number)",
    ),
    "an operation that the upstream lacks": Failure(
        DELETE,
        {},
        "  delete: {unsupported: Numbers stay}",
        "501 Numbers stay",
    ),
    "an error inside a success": Failure(
        RENAME,
        {"error": {"code": 12, "text": "Not on Sundays"}},
        "  present: /error",
        "400 Not on Sundays (status 200)",
    ),
    "an error with a row": Failure(
        RENAME,
        {},
        "    - {status: 409, to_status: 400, to_code: 21450}",
        "400 The upstream API refused the request (status 409)",
        status=409,
    ),
    "a success that the profile does not list": Failure(
        RENAME,
        {},
        "    success: [200]",
        "status: the status is no success, and no error that the profile passes on (status 203)",
        status=203,
    ),
}


def write_files(folder: Path, failure: Failure) -> str:
    """Write the profile and a proxy.yaml; return the message, with the line of the profile."""
    text = PROFILE.replace(*failure.change) if failure.change[0] else PROFILE
    assert text != PROFILE or not failure.change[0]
    (folder / "my-api.yaml").write_text(text, encoding="utf-8")
    (folder / "proxy.yaml").write_text("upstream: {profile: ./my-api.yaml}\n", encoding="utf-8")
    line = text.split("\n").index(failure.line) + 1
    return f"{folder}/my-api.yaml:{line}: {failure.message}"


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_translate_names_the_line(failure: Failure, tmp_path: Path) -> None:
    expected = write_files(tmp_path, failure)
    options = ["--config", str(tmp_path / "proxy.yaml"), "--status", str(failure.status)]
    arguments = ["translate", *failure.request, *options]
    done = CliRunner().invoke(main, arguments, input=json.dumps(failure.answer))
    assert done.exit_code == 65, done.output
    assert "<RestException>" in done.stdout
    upstream, _, rest = done.stderr.partition(" failed: ")
    assert re.fullmatch(f"Error: upstream ./my-api.yaml at api.example.com: [a-z]+ for {ACCOUNT}", upstream)
    assert rest == f"{expected}\n"
    assert CANARY not in done.stderr


def test_translate_of_a_list_without_the_caller_id(tmp_path: Path) -> None:
    line, block = "  fetch: {from: list}", PROFILE[PROFILE.index("  fetch:") : PROFILE.index("  rename:")]
    write_files(tmp_path, Failure(FETCH, None, line, "", change=(block, f"{line}\n")))
    arguments = ["translate", *FETCH, "--config", str(tmp_path / "proxy.yaml")]
    done = CliRunner().invoke(main, arguments, input=json.dumps(page(item(id=8))))
    assert (done.exit_code, done.stderr) == (65, "Error: the list has no such caller ID\n")
    assert CliRunner().invoke(main, arguments, input=json.dumps(page(item()))).exit_code == 0


LOGGED = {name: each for name, each in FAILURES.items() if not each.message[0].isdigit()}


@pytest.mark.parametrize("failure", LOGGED.values(), ids=LOGGED)
async def test_the_log_names_the_line(failure: Failure, tmp_path: Path) -> None:
    expected = write_files(tmp_path, failure)
    method, target, *fields = failure.request
    answer = json_answer(failure.status, json.dumps(failure.answer).encode())
    records = queue.SimpleQueue[logging.LogRecord]()
    keeping = QueueHandler(records)
    logging.getLogger("proxy").addHandler(keeping)
    try:
        async with proxied(answer, configuration=f"  profile: {tmp_path}/my-api.yaml\n") as between:
            said = await between.ask(method, target, form="&".join(fields[1::2]) or None)
    finally:
        logging.getLogger("proxy").removeHandler(keeping)
    assert said.status >= 400
    record = records.get_nowait()
    assert records.empty()
    assert record.getMessage().partition(" failed: ")[2] == expected
    assert vars(record)["fields"]["line"] == expected.partition(": ")[0]
    assert CANARY not in record.getMessage()


TOKENS = """\
auth:
  scheme: oauth2
  token_url: /token
  token: /session/id
"""


@pytest.mark.parametrize(
    ("answer", "line", "reason"),
    [
        (json_answer(200, b'{"session": {}}'), "  token: /session/id", "item_key"),
        (json_answer(404, b"{}"), "  token_url: /token", "status"),
        (json_answer(401, b'{"error": "invalid_client"}'), "  token_url: /token", "credentials"),
    ],
)
async def test_the_log_names_the_line_of_a_token(
    answer: Message, line: str, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = PROFILE.replace("auth: {scheme: none}\n", TOKENS)
    (tmp_path / "my-api.yaml").write_text(text, encoding="utf-8")
    async with proxied(answer, configuration=f"  profile: {tmp_path}/my-api.yaml\n{MAPPED}") as between:
        assert (await between.ask("GET", LIST)).status == 502
    number = text.split("\n").index(line) + 1
    assert f" failed: {tmp_path}/my-api.yaml:{number}: {reason}: " in caplog.text
    assert "request token" in caplog.text
    assert "s3cret" not in caplog.text


def test_there_are_thirty_and_more() -> None:
    assert len({(each.line, each.message) for each in FAILURES.values()}) >= 30
