"""docs/profiles.md against the program: its examples run, its tables have every key of the language.

An example is one or more blocks of YAML and one block of text, the exchange: support/dialogues.py says how it
is written.
"""

import json
import re
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import BaseModel
from support.console import Console, commands
from support.dialogues import (
    VARIABLES,
    Line,
    conversation,
    example_rest,
    exchanges,
    put,
    run_exchange,
)
from support.markdown import Block, blocks, code, tables
from support.running import running_proxy_of
from support.wire import ScriptedUpstream, scripted_upstream

from proxy import config
from proxy.config import yaml_source
from proxy.conversations import ProfileUnderTest
from proxy.conversations.parsing import SECTION_NAMES
from proxy.conversations.placeholders import FUNCTIONS
from proxy.errors import LegacyError
from proxy.legacy import rfc_2822_writer
from proxy.profile import language, paging, rules
from proxy.profile.auth import Auth
from proxy.profile.base import Frozen
from proxy.profile.codes import Codes
from proxy.profile.conversions import READ, WRITE, UnreadableError
from proxy.profile.ids import Ids
from proxy.profile.jwts import Jwt
from proxy.profile.language import ProfileSettings
from proxy.profile.oauth2 import Assertion, OAuth2
from proxy.profile.signing import STEPS, VALUES, AwsSignature, Signed

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "profiles.md"


# Examples


@dataclass(frozen=True, slots=True)
class Example:
    """Excerpts of a profile, and an exchange."""

    line: int
    pieces: Sequence[Mapping[str, Any]]
    proxy_yaml: str
    conversation: Sequence[Line]


def reference() -> list[Block]:
    """Return the blocks after the tutorial."""
    found = blocks(DOCUMENT)
    start = next(i for i, block in enumerate(found) if block.heading == "How to read the reference")
    return found[start:]


def examples() -> list[Example]:
    usual, *rest = reference()
    found: list[Example] = []
    pieces: list[Mapping[str, Any]] = []
    proxy_yaml = usual.text
    for block in rest:
        if block.language == "text":
            found.append(Example(block.line, pieces, proxy_yaml, conversation(block.text)))
            pieces, proxy_yaml = [], usual.text
        elif block.text.startswith("# proxy.yaml\n"):
            proxy_yaml = block.text
        else:
            assert block.language == "yaml", f"line {block.line}: no test reads this block"
            pieces.append(yaml.safe_load(block.text))
    assert not pieces, "the last example has no exchange"
    return found


EXAMPLES = examples()


def merged(example: Example) -> dict[str, Any]:
    """Return example-rest with the excerpts of an example merged into it."""
    profile = example_rest()
    for piece in example.pieces:
        put(profile, piece, ())
    return profile


@pytest.fixture
def nearby_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every name under example.com to this machine."""
    resolve = socket.getaddrinfo

    def here(host: Any, *arguments: Any, **options: Any) -> Any:
        near = isinstance(host, str) and host.endswith(".example.com")
        return resolve("127.0.0.1" if near else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)


def nearby(url: str, upstream: ScriptedUpstream) -> str:
    return re.sub(r"https://([^/]+)", rf"http://\1:{upstream.port}", url)


@pytest.mark.usefixtures("nearby_names")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"line {example.line}")
async def test_example(example: Example, tmp_path: Path) -> None:
    speakers = [said.speaker for said in example.conversation]
    assert "program" in speakers
    assert "answer" in speakers
    async with scripted_upstream() as upstream:
        profile = merged(example)
        profile["base_url"] = nearby(profile["base_url"], upstream)
        if "login" in profile.get("variables", {}):
            profile["variables"]["login"] = nearby(profile["variables"]["login"], upstream)
        (tmp_path / "my-api.yaml").write_text(json.dumps(profile), encoding="utf-8")
        (tmp_path / "proxy.yaml").write_text(example.proxy_yaml, encoding="utf-8")
        loaded = config.load(tmp_path / "proxy.yaml", VARIABLES)
        assert not [each for found in loaded.profiles.values() for each in found.warnings]
        async with running_proxy_of(loaded) as port:
            for one in exchanges(example.conversation):
                await run_exchange(one, port, upstream)


def test_the_proxy_reads_every_piece(tmp_path: Path) -> None:
    """The tests read them with PyYAML; the proxy accepts a subset of YAML."""
    for block in reference():
        if block.language == "yaml":
            file = tmp_path / "piece.yaml"
            file.write_text(block.text, encoding="utf-8")
            assert yaml_source.read_yaml(file, VARIABLES).mistakes == []


# The tutorial


class Tutorial(Console):
    """A checkout in which the commands of the tutorial run."""

    def write(self, name: str, text: str) -> None:
        (self.folder / "try" / name).write_text(self.localize(text), encoding="utf-8")

    def run(self, command: str, output: str) -> None:
        super().run(command, output)
        for drafted in self.folder.glob("try/draft.yaml"):  # which has the URL of the description
            self.write(drafted.name, drafted.read_text(encoding="utf-8"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_tutorial(tmp_path: Path) -> None:
    profile = ""
    with ExitStack() as stack:
        tutorial = Tutorial(tmp_path, stack, ("9100", "8080"))
        steps = blocks(DOCUMENT)[: -len(reference())]
        for block in steps:
            match block.language:
                case "console":
                    for command, output in commands(block.text):
                        tutorial.run(command, output)
                case "yaml" if block.text.startswith("# proxy.yaml\n"):
                    tutorial.write("proxy.yaml", block.text)
                case "yaml":
                    profile += f"{block.text}\n"
                    tutorial.write("my-api.yaml", profile)
                case "diff":
                    old, new = [line[1:] for line in block.text.splitlines()]
                    assert profile.count(f"{old}\n") == 1
                    profile = profile.replace(old, new)
                    tutorial.write("my-api.yaml", profile)
                case "text":
                    tutorial.write("my-api.tests/fetch.txt", f"{block.text}\n")
                case other:
                    pytest.fail(f"line {block.line}: a block of {other!r} is not used")
    assert {block.language for block in steps} == {"console", "yaml", "diff", "text"}


# README


def test_readme_matches_the_profiles() -> None:
    readme = [table for table in tables(ROOT / "README.md") if table.heading == "Upstreams"]
    shown = {code(row[0])[0]: (row[1], row[2]) for table in readme for row in table.rows}
    assert shown == {name: about(file) for name, file in config.shipped_profiles().items()}


def about(file: Path) -> tuple[str, str]:
    """Return what a profile was checked against, and what it cannot do."""
    text = file.read_text(encoding="utf-8")
    found = re.search(r"^# What it cannot do: (.*\n(?:# .*\n)*)", text, flags=re.MULTILINE)
    cannot = found[1].replace("\n# ", " ").strip() if found else ""
    return yaml.safe_load(text)["checked_against"], cannot[:1].upper() + cannot[1:]


# Every key and every named value has an example


def used_keys(value: Any, data: Any) -> Iterator[tuple[type[Frozen], str, Any]]:
    """Yield each key that `data` contains and that was read into `value`: model, name in YAML, value."""
    if isinstance(value, Frozen):
        for name, field in type(value).model_fields.items():
            key = field.alias or name
            if isinstance(data, Mapping) and key not in data:
                continue
            if isinstance(data, str) and name not in value.model_fields_set:
                continue
            held = getattr(value, name)
            yield type(value), key, held
            yield from used_keys(held, data[key] if isinstance(data, Mapping) else None)
    elif isinstance(value, Mapping) and isinstance(data, Mapping):
        for key, below in data.items():
            yield from used_keys(value[key], below)
    elif isinstance(value, tuple) and isinstance(data, list):
        for one, below in zip(value, data, strict=True):
            yield from used_keys(one, below)


MODELS: Sequence[type[Frozen]] = [
    each
    for each in (*vars(language).values(), OAuth2, Assertion, Jwt, Signed, AwsSignature)
    if isinstance(each, type) and issubclass(each, Frozen) and each is not Frozen
]


def keys(model: type[BaseModel], *without: type[BaseModel]) -> dict[str, Any]:
    """Return the annotations of a model's keys, by their names in YAML."""
    inherited = {name for each in without for name in each.model_fields}
    return {
        field.alias or name: field.annotation
        for name, field in model.model_fields.items()
        if name not in inherited
    }


def choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values of a closed list, or none."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return next((found for each in get_args(annotation) if (found := choices(each))), ())
    return ()


USED_KEYS = [
    (model, key, held)
    for example in EXAMPLES
    for piece in example.pieces
    for model, key, held in used_keys(ProfileSettings.model_validate(merged(example)), piece)
]


def base_of(model: type[BaseModel], key: str) -> type[BaseModel]:
    """Return the model that defines a key."""
    name = next(name for name, field in model.model_fields.items() if (field.alias or name) == key)
    return [each for each in model.__mro__ if name in getattr(each, "model_fields", {})][-1]


def test_every_key_has_an_example() -> None:
    every = {(base_of(model, key).__name__, key) for model in MODELS for key in keys(model)}
    assert every - {(base_of(model, key).__name__, key) for model, key, _ in USED_KEYS} == set()


def test_every_named_value_has_an_example() -> None:
    every = {
        (key, choices(annotation), value)
        for model in MODELS
        for key, annotation in keys(model).items()
        for value in choices(annotation)
    }
    shown = {
        (key, choices(keys(model)[key]), held) for model, key, held in USED_KEYS if choices(keys(model)[key])
    }
    rows = {
        ("as", choices(keys(model)["as"]), name)
        for model, table in ((language.ReadValue, READING), (language.WriteValue, WRITING))
        for name, _, _ in table
    }
    # Listed in their tables, and tested with vectors
    rows |= {(key, values, value) for key, values, value in every if key in _LISTED}
    assert every - shown - rows == set()


_LISTED = ("algorithm", "key_encoding", "signature_encoding")


# Tables


TABLES = tables(DOCUMENT)


def rows(heading: str, *header: str) -> list[Sequence[str]]:
    """Return the rows of the only table under a heading with this beginning of the header."""
    found = [
        table for table in TABLES if table.heading == heading and tuple(table.header[: len(header)]) == header
    ]
    assert len(found) == 1, f"{len(found)} tables {header} under {heading!r}"
    return list(found[0].rows)


def of_endpoint(model: type[BaseModel]) -> dict[str, Any]:
    return keys(model, language.Endpoint)


KEYS: Mapping[tuple[str, int], Mapping[str, type[BaseModel]]] = {
    ("The file", 0): {"": ProfileSettings},
    ("Operations", 0): {"": language.Operations},
    ("Operations", 1): {"": language.Unsupported, " ": language.FromList},
    ("A request", 0): {"": language.ItemEndpoint},
    ("Parameters", 0): {"  ": language.ItemValue, " ": language.Constant, "": language.WriteValue},
    ("Reading values", 0): {"": language.NameValue},
    ("The fields of a caller ID", 0): {"": language.CallerIdFields},
    ("The list", 0): {
        "": language.ListEndpoint,
        "page_size.": paging.PageSize,
        "empty.": language.EmptyAnswer,
        "include_when.": language.Condition,
    },
    ("Filters", 0): {"": language.Filters},
    ("Credentials", 0): {"": Auth},
    ("OAuth2 tokens", 0): {"": OAuth2, "assertion.": Assertion},
    ("JWTs", 0): {"": Jwt},
    ("Signatures", 0): {"": Signed},
    ("AWS signatures", 0): {"": AwsSignature},
    ("Ids", 0): {"": Ids},
    ("Errors", 0): {"": language.Errors, "map.": language.ErrorRow},
    ("Validation", 0): {"": language.ValidateEndpoint},
    ("Validation", 1): {"codes.": Codes},
    ("Limits", 0): {"": language.ListingLimits},
}
"""The models of each table of keys: heading and index → prefix of the keys → model."""

STRATEGIES: Mapping[tuple[str, str], Sequence[type[BaseModel]]] = {
    ("Pages", "strategy"): (
        paging.NoPaging,
        paging.PageNumber,
        paging.Offset,
        paging.NextUrl,
        paging.Cursor,
        paging.AfterLast,
        paging.RangeHeader,
        paging.LinkHeader,
    ),
    ("Totals", "strategy"): (paging.WalkTotal, paging.PointerTotal, paging.LengthTotal),
    ("Filters", "mode"): (language.ServerFilter, language.LookupFilter, language.ClientFilter),
}
"""The models of a union, of which the key selects one; the table has a row for each of its values."""

CHOICES: Mapping[tuple[str, str], tuple[type[BaseModel], str]] = {
    ("Parameters", "from"): (language.WriteValue, "from"),
    ("Reading values", "otherwise"): (language.NameValue, "otherwise"),
    ("Filters", "escape"): (language.ServerFilter, "escape"),
    ("Credentials", "scheme"): (Auth, "scheme"),
    ("OAuth2 tokens", "grant"): (OAuth2, "grant"),
    ("OAuth2 tokens", "client"): (OAuth2, "client"),
    ("Ids", "codec"): (Ids, "codec"),
    ("Validation", "validation"): (ProfileSettings, "validation"),
}
"""Keys with closed lists, each with a table of its values."""


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of a model's keys, `...` where one is required."""
    return {
        field.alias or name: ... if field.is_required() else field.default
        for name, field in model.model_fields.items()
    }


@pytest.mark.parametrize(("heading", "index"), KEYS)
def test_table_has_every_key(heading: str, index: int) -> None:
    table = [table for table in TABLES if table.heading == heading and table.header[0] == "key"][index]
    shown = {code(row[0])[0]: row[1] for row in table.rows}
    assert len(shown) == len(table.rows)
    models = KEYS[heading, index]
    own = {
        f"{prefix.strip()}{key}": default
        for prefix, model in models.items()
        for key, default in defaults(model).items()
        if key in (of_endpoint(model) if heading in ("The list", "Validation") else keys(model))
    }
    assert set(own) == set(shown)
    for key, default in own.items():
        assert default_in(shown[key]) == as_written(default), key


def default_in(cell: str) -> Any:
    """Read a default from its cell: a value in backticks, or None for words."""
    return yaml.safe_load(code(cell)[0]) if code(cell) else None


def as_written(default: Any) -> Any:
    """Return a default as it is written in the document; None if there is none."""
    if isinstance(default, Frozen):
        return default.model_dump(mode="json", by_alias=True, exclude_defaults=True) or _named(default)
    return None if default is ... else list(default) if isinstance(default, tuple) else default


def _named(default: Frozen) -> dict[str, Any]:
    """Return the key that names a setting whose keys are all defaults."""
    first = {"Auth": "scheme", "Ids": "codec", "ClientFilter": "mode"}.get(type(default).__name__)
    return {first: getattr(default, first)} if first else {}


@pytest.mark.parametrize(("heading", "key"), STRATEGIES)
def test_table_has_every_strategy(heading: str, key: str) -> None:
    shown = {code(row[0])[0]: needs(row[1]) for row in rows(heading, f"`{key}`", "with")}
    assert shown == {
        value: {other: as_written(default) for other, default in defaults(model).items() if other != key}
        for model in STRATEGIES[heading, key]
        for value in choices(keys(model)[key])
    }


def needs(cell: str) -> dict[str, Any]:
    """Read `parameter`, `base` (`1`, or `0`): keys with their defaults."""
    found = re.findall(r"`(\w+)`(?: \(`([^`]*)`[^)]*\))?", cell)
    return {key: yaml.safe_load(default) if default else None for key, default in found}


@pytest.mark.parametrize(("heading", "key"), CHOICES)
def test_table_has_every_value(heading: str, key: str) -> None:
    model, field = CHOICES[heading, key]
    assert [code(row[0])[0] for row in rows(heading, f"`{key}`")] == list(choices(keys(model)[field]))


def test_links_have_targets() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    }
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert set(links) <= headings
    assert len(links) > 10


def test_every_model_has_a_table() -> None:
    in_tables = {model for models in KEYS.values() for model in models.values()}
    in_tables |= {model for models in STRATEGIES.values() for model in models}
    bases = {base for model in in_tables for base in model.__mro__}
    assert [model.__name__ for model in MODELS if model not in bases] == []


def test_every_table_is_compared() -> None:
    compared = (
        [(heading, "key") for heading, _ in KEYS]
        + [(heading, f"`{key}`") for heading, key in (*STRATEGIES, *CHOICES)]
        + [("Conversions", "`as`")] * 2
        + [("Signatures", "value"), ("Signatures", "step")]
        + [("Sections", "section"), ("Placeholders", "placeholder")]
    )
    assert sorted((table.heading, table.header[0]) for table in TABLES) == sorted(compared)


def test_sections_and_placeholders_of_conversations(tmp_path: Path) -> None:
    assert {code(row[0])[0] for row in rows("Sections", "section")} | {"profile"} == set(SECTION_NAMES)
    shown = {name for row in rows("Placeholders", "placeholder") for name in code(row[0])}
    subject = ProfileUnderTest(config.read_profile("example-rest", tmp_path), "example-rest")
    assert {each.strip("{}").partition(" ")[0] for each in shown} == {
        *subject.placeholder_names,
        *FUNCTIONS,
        "64",
    }


def test_values_and_steps_of_signatures() -> None:
    assert {code(row[0])[0] for row in rows("Signatures", "value")} == VALUES
    assert {code(row[0])[0] for row in rows("Signatures", "step")} == STEPS


def test_values_match_their_operations() -> None:
    names = list(keys(language.Operations))
    for row in rows("Parameters", "`from`"):
        said = (
            names if row[1].startswith("every operation") else re.findall(rf"\b({'|'.join(names)})\b", row[1])
        )
        assert said == [name for name in names if has(name, code(row[0])[0])], row[0]


def has(operation: str, value: str) -> bool:
    profile = example_rest()
    for optional in ("call", "verify"):
        profile["operations"].setdefault(optional, {"method": "POST", "path": "/x"})
    profile["operations"][operation]["query"] = {"x": {"from": value}}
    place = ("operations", operation, "query", "x")
    return place not in [each for each, _ in rules.find_violations(ProfileSettings.model_validate(profile))]


def test_codecs_match_their_conversions() -> None:
    for row in rows("Ids", "`codec`"):
        assert set(code(row[2])) == {name for name in READ if reads(code(row[0])[0], name)}


def reads(codec: str, name: str) -> bool:
    profile = example_rest()
    profile["ids"]["codec"] = codec
    profile["caller_id"]["id"]["as"] = name
    places = [place for place, _ in rules.find_violations(ProfileSettings.model_validate(profile))]
    return ("caller_id", "id") not in places


# Conversions

READING = [(code(row[0])[0], row[1], row[2]) for row in rows("Conversions", "`as`", "JSON")]
WRITING = [(code(row[0])[0], row[1], row[2]) for row in rows("Conversions", "`as`", "value")]
DATE = rfc_2822_writer(ZoneInfo("America/Los_Angeles"))


def test_every_conversion_is_shown() -> None:
    assert {name for name, _, _ in READING} == set(READ)
    assert {name for name, _, _ in WRITING} == set(WRITE)


@pytest.mark.parametrize(("name", "written", "becomes"), READING)
def test_reading(name: str, written: str, becomes: str) -> None:
    convert = READ[language.ReadValue.model_validate({"at": "/x", "as": name}).as_]
    value = json.loads(code(written)[0])
    if becomes == "502":
        with pytest.raises(UnreadableError):
            convert(value)
        return
    found = convert(value)
    shown = DATE(found) if isinstance(found, int) else "nothing" if found is None else found
    assert shown == (code(becomes) or [becomes])[0]


@pytest.mark.parametrize(("name", "value", "written"), WRITING)
def test_writing(name: str, value: str, written: str) -> None:
    convert = WRITE[language.WriteValue.model_validate({"from": "code", "as": name}).as_]
    if written == "400":
        with pytest.raises(LegacyError) as raised:
            convert(code(value)[0])
        assert raised.value.fault.status == 400
        return
    assert json.dumps(convert(code(value)[0])) == code(written)[0]
