"""Descriptions that are broken, hostile, incomplete or of any version: a clear error, or a draft."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from support.openapi import (
    VENDORS,
    Json,
    array,
    changed,
    content,
    document,
    operation,
    query,
    record,
    text,
)

from proxy.cli import main
from proxy.config.yaml_source import UNFILLED, read_yaml
from proxy.drafts import DescriptionError, draft_profile
from proxy.drafts.reading import MAX_BYTES, read_description
from proxy.drafts.shapes import Node, Root

CALLICO = VENDORS["callico"]
RINGWELL = VENDORS["ringwell"]
WHOLE = {"type": "integer"}


def called(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def write(folder: Path, description: Any, name: str = "openapi.json") -> Path:
    file = folder / name
    given = description if isinstance(description, str) else json.dumps(description)
    file.write_text(given, encoding="utf-8")
    return file


def drafted(folder: Path, description: Any, *options: str, name: str = "openapi.json") -> tuple[str, Json]:
    """Return a draft as text and as values; the proxy's own reader has to be able to read it."""
    done = called("init", "mine", "--from-openapi", write(folder, description, name), *options)
    assert done.exit_code == 0, done.output
    (folder / "draft.yaml").write_text(done.stdout, encoding="utf-8")
    source = read_yaml(folder / "draft.yaml", {"HOME": "secret-home"})
    assert [each.message for each in source.mistakes if UNFILLED not in each.message] == []
    return done.stdout, yaml.safe_load(done.stdout)


def refused(folder: Path, description: Any, *options: str, name: str = "openapi.json") -> str:
    """Return the only error about a description."""
    file = write(folder, description, name)
    done = called("init", "mine", "--from-openapi", file, *options)
    assert done.exit_code == 78, done.output
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix(str(file)).strip()


def small(item: Json | None = None, **changes: Any) -> Json:
    """Return a description with one list of numbers."""
    item = item or record(id=text(format="uuid"), phone_number=text(example="+14158675309"))
    paths = {"/caller-ids": {"get": operation("List", content(record(data=array(item))))}}
    return document("3.0.0", "Small", paths, server="https://api.small.example") | changes


# Errors


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ("", "a.yaml", ": is no OpenAPI description: it has no key openapi or swagger"),
        ("[1, 2]", "a.json", ": is no OpenAPI description"),
        ("just text", "a.yaml", ": is no OpenAPI description"),
        ('{"openapi": "3.0.0"', "a.json", ":1:20: is not valid JSON"),
        ("openapi: 3.0.0\npaths: [\n", "a.yaml", ":3:1: is not valid YAML"),
        ("a: *nothing\n", "a.yaml", ":1:4: *nothing stands for nothing"),
        ("a: &a [*a]\n", "a.yaml", ":1:8: *a stands for nothing, or for what holds it"),
        ("openapi: 4.0.0\n", "a.yaml", ": OpenAPI 4.0.0 is not read"),
        ("swagger: '1.2'\n", "a.yaml", ": OpenAPI 1.2 is not read"),
        ("openapi: 3.1.0\n", "a.yaml", ": #/paths: describes no requests"),
        ("openapi: 3.1.0\npaths: 7\n", "a.yaml", ": #/paths: describes no requests"),
        (
            "openapi: 3.1.0\npaths: {/a: {get: {}}}\n",
            "a.yaml",
            ": #/paths: no GET has a path about caller IDs",
        ),
        ("[" * 100_000, "a.yaml", "nest"),
        ("[" * 201, "a.yaml", ":1:201: is nested more than 200 deep"),
        ('{"a":' * 100_000, "a.json", ": is not valid JSON"),
        ("a: \x01\n", "a.yaml", ": is not valid YAML"),
        ('a: "\\UFFFFFFFF"\n', "a.yaml", "is not valid YAML"),
    ],
)
def test_what_is_no_description(given: str, name: str, message: str, tmp_path: Path) -> None:
    assert message in refused(tmp_path, given, name=name)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    done = called("init", "mine", "--from-openapi", tmp_path / "none.json")
    assert (done.exit_code, done.stderr) == (
        78,
        f"{tmp_path / 'none.json'}: cannot be read: No such file or directory\n",
    )
    (tmp_path / "latin.yaml").write_bytes(b"openapi: 3.0.0\ninfo: {title: caf\xe9}\n")
    done = called("init", "mine", "--from-openapi", tmp_path / "latin.yaml")
    assert (done.exit_code, done.stderr) == (78, f"{tmp_path / 'latin.yaml'}:2:1: is not UTF-8 text\n")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    done = called("init", "mine", "--from-openapi", tmp_path / "a.json")
    assert done.exit_code == 78
    assert "File too large (more than 32 MiB)" in done.stderr


def test_the_path_option(tmp_path: Path) -> None:
    description = write(tmp_path, CALLICO.description)
    done = called("init", "mine", "--path", "/x")
    assert (done.exit_code, done.stdout) == (2, "")
    done = called("init", "mine", "--from-openapi", description, "--path", "/none")
    assert done.exit_code == 78
    assert "#/paths: /none is not there, or has no GET; lists of numbers: " in done.stderr
    assert "/accounts/{account_id}/caller-ids" in done.stderr
    done = called("init", "mine", "--from-openapi", description, "--path", "/accounts/{account_id}/contacts")
    assert done.exit_code == 0
    values = yaml.safe_load(done.stdout)
    assert values["operations"]["list"]["path"] == "/accounts/{account}/contacts"


def test_other_lists_are_named(tmp_path: Path) -> None:
    draft, values = drafted(tmp_path, CALLICO.description)
    assert values["operations"]["list"]["path"] == "/accounts/{account}/caller-ids"
    assert "Others, for --path: /accounts/{account_id}/contacts." in draft


def test_a_list_of_anything_can_be_chosen(tmp_path: Path) -> None:
    _, values = drafted(tmp_path, small(record(code=text(), owner=text())), "--path", "/caller-ids")
    assert values["caller_id"]["id"] == UNFILLED
    assert values["caller_id"]["phone_number"] == {"at": UNFILLED, "as": UNFILLED}


@pytest.mark.parametrize(
    "answer", [{"description": "-"}, content({"type": "object"}), content({"$ref": "lists.yaml"}), {}, None]
)
def test_an_answer_that_is_not_described(answer: Json | None, tmp_path: Path) -> None:
    """The path tells that it is the list; the rest of the list and its items are faults."""
    responses = {"responses": {"200": answer}} if answer is not None else {}
    one = {"delete": {}, "get": {}, "put": {"requestBody": content(record(name=text()))}}
    paths = {"/caller-ids": {"get": responses}, "/caller-ids/{id}": one, "/things": {"get": responses}}
    _, values = drafted(tmp_path, document("3.0.0", "Bare", paths, server="https://bare.example"))
    found = values["operations"]
    assert found["list"]["path"] == "/caller-ids"
    assert found["list"]["items"] == UNFILLED
    assert found["list"]["paging"] == {"strategy": UNFILLED}
    assert values["ids"] == {"codec": UNFILLED}
    assert {*values["caller_id"]} == {"id", "friendly_name", "phone_number", "date_created", "date_updated"}
    assert values["errors"] == UNFILLED
    assert found["fetch"] == {"method": "GET", "path": "/caller-ids/{id}", "item": UNFILLED}
    assert found["rename"]["json"] == {"name": "friendly_name"}
    assert found["delete"] == {"method": "DELETE", "path": "/caller-ids/{id}"}


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine", encoding="utf-8")
    done = called("init", "x", "--from-openapi", write(tmp_path, small()), "-o", tmp_path / "mine.yaml")
    assert done.exit_code == 1
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == "mine"


# References and circles


def test_references_that_lead_out_are_named_and_not_followed(tmp_path: Path) -> None:
    outside = {"$ref": "https://elsewhere.example/numbers.json#/Number"}
    description = small()
    description["paths"]["/other"] = {"get": operation("Other", content(outside))}
    description["paths"]["/more"] = {"$ref": "more.yaml"}
    file = write(tmp_path, description)
    done = called("init", "mine", "--from-openapi", file)
    assert done.exit_code == 0
    assert f"{file}: warning: the reference more.yaml at #/paths/~1more is not followed\n" in done.stderr
    assert "https://elsewhere.example/numbers.json#/Number" in done.stderr
    assert "# Not followed: more.yaml at #/paths/~1more." in done.stdout


def test_messages_are_safe_for_a_terminal(tmp_path: Path) -> None:
    description = small()
    description["paths"]["/\x1b[2J"] = {"$ref": "\x1b]0;title\x07.yaml"}
    done = called("init", "mine", "--from-openapi", write(tmp_path, description))
    assert "\\x1b]0;title\\x07.yaml" in done.stderr
    assert (done.stdout + done.stderr).replace("\n", "").isprintable()
    done = called("init", "mine", "--from-openapi", write(tmp_path, description), "--path", "/\x1b[3J")
    assert done.exit_code == 78
    assert done.stderr.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "schemas",
    [
        {"Page": {"$ref": "#/components/schemas/Page"}},
        {"Page": {"$ref": "#/components/schemas/Other"}, "Other": {"$ref": "#/components/schemas/Page"}},
        {"Page": {"allOf": [{"$ref": "#/components/schemas/Page"}] * 20}},
        {"Page": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Page"}}}},
        {"Page": {"type": "array", "items": {"$ref": "#/components/schemas/Page"}}},
        {"Page": {"$ref": "#"}},
        {"Page": {"$ref": "#/paths/~1caller-ids"}},
        {"Page": {"$ref": "#/a/0/b"}},
        {"Page": {"anyOf": [{"oneOf": [{"$ref": "#/components/schemas/Page"}] * 20}] * 20}},
    ],
)
def test_circles_end(schemas: Json, tmp_path: Path) -> None:
    begun = time.process_time()
    description = small(components={"schemas": schemas})
    description["paths"]["/circles"] = {"get": operation("x", content({"$ref": "#/components/schemas/Page"}))}
    drafted(tmp_path, description)
    del description["paths"]["/caller-ids"]
    assert "no GET has a path about caller IDs" in refused(tmp_path, description)
    assert time.process_time() - begun < 60  # CPU, whatever else the machine does; unbounded, it never ends


def test_many_aliases_are_one_value(tmp_path: Path) -> None:
    """Each line doubles what it stands for: written out, it would be 2^60 values."""
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 61))]
    file = write(tmp_path, "\n".join(lines), "a.yaml")
    assert len(read_description(file)["a60"]) == 2


def test_merged_mappings_are_counted(tmp_path: Path) -> None:
    lines = ["base: &base", *(f"  k{n}: 1" for n in range(2000)), "all:"]
    lines += ["- {<<: *base, own: 2}"] * 2000
    file = write(tmp_path, "\n".join(lines), "a.yaml")
    with pytest.raises(DescriptionError, match="has more than 2000000 values"):
        read_description(file)
    file.write_text("base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n", encoding="utf-8")
    assert read_description(file)["own"] == {"a": 1, "b": 3}


# YAML as vendors write it


def test_yaml_of_any_dialect(tmp_path: Path) -> None:
    written = """\
%YAML 1.1
---
openapi: 3.0.0
info: {title: Small, version: 1.0}
servers: [{url: 'https://api.small.example'}]
x-note: &note {on: no, at: 2024-05-01, time: 12:30:45, octal: 0123, tagged: !!str 7, price: "${PRICE}"}
paths:
  /caller-ids:
    get:
      x-note: *note
      responses:
        200:
          description: |
            A list
          content:
            application/json:
              schema:
                type: object
                properties:
                  ? data
                  : type: array
                    items: &item
                      properties:
                        id: {type: string, format: uuid}
                        number: {type: string, example: "+14158675309"}
                        created: {type: string, example: 2024-05-01T10:00:00Z}
--- more
"""
    _, values = drafted(tmp_path, written, name="a.yaml")
    assert values["operations"]["list"]["items"] == "/data"
    assert values["caller_id"]["phone_number"] == {"at": "/number", "as": "e164"}
    assert values["caller_id"]["date_created"] == {"at": "/created", "as": "iso8601", "default": None}


# Texts that would mean something in YAML


HOSTILE = [
    "a\u2028b",
    "a\ufeffb",
    'quote " and \\ backslash',
    "line\nbreak: true",
    "key: value # comment",
    "tab\tand \x07 bell",
    "*alias &anchor !tag",
    "${HOME}",
    "$(HOME)",
    "\u2028\u2029\x85",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "<TODO>",
    "null",
    "no",
    "0123",
    "12:30",
    "<<",
    "- x",
    "}{",
    "[]",
    " leading and trailing ",
    "'",
    "%",
    "~",
    "a/b~c",
    "",
    "x" * 5000,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_any_text_of_a_description_is_written_safely(hostile: str, tmp_path: Path) -> None:
    """It stays a text, or becomes a fault; it never becomes structure, nor a variable of this machine."""
    item = {
        hostile: text(description=hostile),
        "id": text(format="uuid", title=hostile),
        "phone_number": text(example="+14158675309", description=hostile),
        "label": text(),
    }
    description = small(record(**item))
    description["info"] = {"title": hostile, "version": hostile}
    description["servers"] = [
        {"url": "https://{x}.small.example", "variables": {"x": {"default": hostile, "enum": [hostile]}}}
    ]
    get = description["paths"]["/caller-ids"]["get"]
    get |= {"summary": hostile, "operationId": hostile, "tags": [hostile]}
    get["parameters"] = [
        query(f"{hostile}[page_number]", {"type": "integer"}),
        query(f"{hostile}limit", {"type": "integer", "maximum": 5}),
        query("kind", text(enum=[hostile]), required=True),
        {"name": "X-Kind", "in": "header", "required": True, "schema": {"default": hostile}},
    ]
    description["paths"][f"/caller-ids/{{id}}{hostile}"] = {
        "patch": operation(
            hostile,
            content(record(**item)),
            requestBody={"content": {"application/json": {"schema": record([hostile], **item)}}},
        )
    }
    description["paths"]["/caller-ids/{id}"] = description["paths"].pop(f"/caller-ids/{{id}}{hostile}")
    error = record(**{hostile: record(code=WHOLE, message=text())})
    get["responses"]["default"] = content(error)
    draft, values = drafted(tmp_path, description)
    assert "secret-home" not in str(read_yaml(tmp_path / "draft.yaml", {"HOME": "secret-home"}).data)
    assert set(values) == set(yaml.safe_load(drafted(tmp_path, _plain(description))[0]))
    kinds = values["operations"]["list"]["query"]["kind"]["constant"]
    assert kinds in (hostile, UNFILLED)
    assert draft.isprintable() or all(each.isprintable() or each == "\n" for each in draft)


def _plain(description: Json) -> Json:
    """Return the same description with ordinary titles."""
    return description | {"info": {"title": "Small", "version": "1"}}


def test_a_name_of_any_text(tmp_path: Path) -> None:
    file = write(tmp_path, small())
    for name in ("a: b # c", 'say "hi"\nnow', "null"):
        done = called("init", name, "--from-openapi", file)
        assert yaml.safe_load(done.stdout)["name"] == name


@pytest.mark.parametrize("value", [None, 7, ["x"], {"$ref": 7}], ids=str)
@pytest.mark.parametrize("start", range(3))
def test_values_of_other_types_than_they_should_have(start: int, value: Any, tmp_path: Path) -> None:
    """Every value in turn is missing or of another type: no traceback, whatever is drafted."""
    paths = _list_paths(RINGWELL.description)[start::3]
    assert len(paths) > 50
    for path in paths:
        file = write(tmp_path, changed(RINGWELL, (path, value)))
        try:
            draft = draft_profile("mine", file)
        except DescriptionError:
            continue
        (tmp_path / "draft.yaml").write_text(draft.text, encoding="utf-8")
        mistakes = read_yaml(tmp_path / "draft.yaml", {}).mistakes
        assert len(mistakes) == draft.faults, path
        assert all(UNFILLED in each.message for each in mistakes), path


def _list_paths(value: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    found = [((*above, key), each) for key, each in entries]
    return [path for each, inner in found for path in (each, *_list_paths(inner, each))]


def test_the_steps_are_bounded() -> None:
    """Parts that refer to each other can make a small file take any number of steps."""
    Node(Root({"a": 1}), {"a": 1}, "#").get("a")
    with pytest.raises(DescriptionError, match="takes more than 5000000 steps"):
        Node(Root({"a": 1}, steps=5_000_000), {"a": 1}, "#").get("a")


def test_many_paths_end_in_time(tmp_path: Path) -> None:
    """A large description: most of its lists are of other things."""
    description = small()
    item = record(**{f"field_{n}": text(description="x" * 40) for n in range(20)})
    for n in range(600):
        description["paths"][f"/things-{n}"] = {"get": operation("List", content(record(data=array(item))))}
    file = write(tmp_path, description)
    assert file.stat().st_size > 800_000
    _, values = drafted(tmp_path, description)
    assert values["operations"]["list"]["path"] == "/caller-ids"
