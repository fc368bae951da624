"""Profiles that cannot be right: each is a fault, or a warning where it may be meant."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy import config
from proxy.cli import main

SHIPPED = Path(__file__).parents[2] / "config" / "upstreams"
EXAMPLE = (SHIPPED / "example-rest.yaml").read_text(encoding="utf-8")
UPSTREAM = "{account: a, password: '${P}'}"
ACCOUNTS = f"accounts: {{AC11111111111111111111111111111111: {{token: '${{T}}', upstream: {UPSTREAM}}}}}"
ON_PHONE = [
    ("validation: code_shown", "validation: code_on_phone"),
    ("    code: {at: /code, as: six_digits}", "    pending: /call"),
    (
        "\n# Where each field is",
        "  verify: {method: POST, path: '/codes/{id}', json: {code: code}}\n\n# Where",
    ),
]


def check(folder: Path, *changes: tuple[str, str]) -> Result:
    """Check example-rest with texts replaced by others."""
    text = EXAMPLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    file = folder / "proxy.yaml"
    file.write_text(
        f"upstream: {{profile: ./mine.yaml}}\nlegacy: {{sid_key: '${{T}}'}}\n{ACCOUNTS}\n", encoding="utf-8"
    )
    return CliRunner().invoke(main, ["check", "--strict", str(file)], env={"T": "t", "P": "p"})


FAULTS = [
    # requests
    ('"/accounts/{account}/caller-ids/{id}"', '"/accounts/{account}/caller-ids"', "fetch never sends id"),
    ("path: /accounts/{account}/caller-ids/{id}\n", "path: /caller-ids\n", "rename never sends id"),
    ("json: {name: friendly_name}", "json: {name: {constant: x}}", "rename never sends friendly_name"),
    ("      number: {from: phone_number, as: e164}\n", "", "validate never sends phone_number"),
    ("method: PATCH", "method: GET", "a GET has no body"),
    ("fetch: {method: GET", "fetch: {method: PUT", "fetch changes nothing: expected GET or POST"),
    ("  list:\n", "  list:\n    method: DELETE\n", "list changes nothing: expected GET or POST"),
    ("delete: {method: DELETE", "delete: {method: GET", "delete sends the same request as fetch"),
    ("    path: /accounts/{account}/caller-ids\n", "    path: /x?number=1\n", "'number' is sent twice"),
    ("    path: /accounts/{account}/caller-ids\n", "    path: /x?offset=1\n", "'offset' is sent twice"),
    ("scheme: bearer", "scheme: query, name: name", "'name' holds the credentials already"),
    ("{scheme: bearer}", "{scheme: header, name: X-Key, username: x-key}", "holds the password already"),
    ("{scheme: bearer}", "{scheme: header, name: X-Key, value: '{pass}{password}'}", "placeholder {pass}"),
    ("{scheme: bearer}", "{scheme: header, name: accept}", "holds the credentials already"),
    ("{scheme: bearer}", "{scheme: header, name: ''}", "needs the key 'name', which is empty"),
    ("headers: {Accept: application/json}", "headers: {A-B: a, a-b: b}", "another spelling elsewhere"),
    ("    json: {name", "    headers: {accept: x}\n    json: {name", "accept has another spelling elsewhere"),
    ("    json: {name", "    headers: {Content-Type: a/form-data}\n    json: {name", "it is JSON"),
    ("    code: {at", "    retries: 1\n    code: {at", "validate is never retried"),
    ("{method: DELETE,", "{success: [204, 404], method: DELETE,", "404 is not a success status"),
    ("path: /accounts/{account}/validations", "path: /50%/validations", "two hexadecimal digits"),
    # answers
    ("    code: {at", "    success: [204]\n    code: {at", "these statuses have no content"),
    ('caller-ids/{id}"}\n  rename', 'caller-ids/{id}", success: [204]}\n  rename', "have no content"),
    ("at: /total}", "at: /items}", "where the items are"),
    ("at: /total}", 'at: ""}', "where the items are, or what holds them"),
    ("at: /total}", "at: /items/total}", "inside the items, which are an array"),
    ("    items: /items", '    items: ""', "inside the items, which are an array"),
    ("strategy: offset, parameter: offset", "strategy: cursor, parameter: at, next: /items", "the items are"),
    ("strategy: offset, parameter: offset", "strategy: next_url, next: /items/next", "inside the items"),
    ("parameter: offset", "parameter: offset, count: /items", "where the items are"),
    ("  id: {at: /id,", '  id: {at: "",', "id is a plain value, but"),
    ("  id: {at: /id,", "  id: {at: /number/id,", "phone_number is a plain value, but id is inside it"),
    ("errors:\n", "errors:\n  present: /items\n", "every list would be an error"),
    ("    code: {at: /code, as: six_digits}\n", "", "code_shown needs a pointer to the code"),
    ("    code: {", "    pending: /call\n    code: {", "there is no operation verify"),
    ("caller_id:\n", "  call: {method: POST, path: '/call/{id}'}\ncaller_id:\n", "call is never sent"),
    ("validation: code_shown", "validation: code_on_phone", "needs the operation verify"),
    ("{mode: server, parameter: number, as: e164}", "{mode: lookup}", "lookup needs numbers as ids"),
    ("{mode: server, parameter: number, as: e164}", "{mode: server}", "the key 'parameter' is missing"),
    ("total: {strategy: pointer, at: /total}", "total: {strategy: pointer}", "the key 'at' is missing"),
    ("paging: {strategy: offset, parameter: offset}", "paging: {strategy: cursor, next: /n}", "is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "told"), FAULTS, ids=lambda value: str(value)[:40])
def test_found_b5_what_cannot_be_right_is_a_fault(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    done = check(tmp_path, (right, wrong))
    assert done.exit_code == 78
    lines = [line for line in done.output.splitlines() if told in line]
    assert lines, done.output
    assert not any("warning: " in line for line in lines)
    assert all(re.match(rf"{tmp_path}/(\./)?mine\.yaml:\d+:\d+: ", line) for line in done.output.splitlines())


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("json: {code: code}", "json: {other: id}", "verify never sends code"),
        (
            "path: '/codes/{id}', json: {code: code}",
            "path: /codes, json: {code: code}",
            "verify never sends id",
        ),
        ("json: {code: code}", "json: {code: code}, retries: 2", "verify is never retried"),
        (
            "  verify:",
            "  call: {method: POST, path: '/c/{id}', retries: 1}\n  verify:",
            "call is never retried",
        ),
        (
            "  verify:",
            "  call: {method: POST, path: /calls}\n  verify:",
            "call never sends id or phone_number",
        ),
    ],
)
def test_found_b5_a_code_on_the_phone(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert check(tmp_path, *ON_PHONE).exit_code == 0
    done = check(tmp_path, *ON_PHONE, (right, wrong))
    assert done.exit_code == 78
    assert told in done.output


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("/accounts/{account}/validations", "/accounts//validations", "an empty part between two slashes"),
        ("/accounts/{account}/validations", "/v1/accounts/{account}/validations", "ends with /v1"),
        (
            "headers: {Accept: application/json}",
            'headers: {X-For: "{account}"}',
            "{account} is sent as it is",
        ),
        (
            "as: integer}\n    code",
            'as: integer}\n      to: {constant: "{id}"}\n    code',
            "{id} is sent as it is",
        ),
        ("  id: {at: /id,", "  id: {at: /items/0/id,", "begins at the item"),
        ("message: /error/message", "message: /error/code", "read at the same place"),
    ],
)
def test_found_b5_what_may_be_meant_is_a_warning(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    done = check(tmp_path, (right, wrong))
    assert done.exit_code == 78
    (line,) = done.output.splitlines()
    assert "mine.yaml:" in line
    assert "warning: " in line
    assert told in line
    lax = CliRunner().invoke(main, ["check", str(tmp_path / "proxy.yaml")], env={"T": "t", "P": "p"})
    assert lax.exit_code == 0


@pytest.mark.parametrize(
    ("one", "other", "is_possible"),
    [
        ("equals: a", "equals: b", False),
        ("equals: 1", "equals: true", False),
        ("equals: a", "one_of: [b, c]", False),
        ("present: true", "present: false", False),
        ("equals: a", "contains: a", False),
        ("contains: a", "one_of: [a, b]", False),
        ("contains: a", "present: false", False),
        ("equals: a", "one_of: [a, c]", True),
        ("equals: a", "present: true", True),
        ("contains: a", "contains: b", True),
        ("contains: a", "empty: false", True),
    ],
)
def test_found_b5_conditions_that_exclude_each_other(
    tmp_path: Path, one: str, other: str, is_possible: bool
) -> None:
    conditions = "".join(f"      - {{at: /state, {each}}}\n" for each in (one, other))
    walk = (
        "total: {strategy: pointer, at: /total}",
        f"total: {{strategy: walk}}\n    include_when:\n{conditions}",
    )
    done = check(tmp_path, walk)
    assert done.exit_code == (0 if is_possible else 78)
    assert ("no item meets this condition" in done.output) != is_possible


@pytest.mark.parametrize("name", sorted(config.shipped_profiles()))
def test_found_b5_shipped_profiles_have_neither(name: str, tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    assert CliRunner().invoke(main, ["init", name, "--output", str(file)]).exit_code == 0
    done = CliRunner().invoke(main, ["check", "--strict", "--without-secrets", str(file)])
    assert (done.exit_code, done.output) == (0, f"{file}: good\n")
