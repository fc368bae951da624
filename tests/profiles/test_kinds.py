"""A kind of paging, an auth scheme, an id codec and a conversion each live in one module.

To add one, nothing else of the program changes: no other module knows its name.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from proxy.profile.auth import AUTH_SCHEMES, AuthSettings
from proxy.profile.conversions import CONVERSIONS, READ, READ_COLUMN, WRITE, ReadName, WriteName
from proxy.profile.ids import ID_CODECS, CodecName
from proxy.profile.paging import PAGING_KINDS, Paging

PROXY = Path(__file__).parents[2] / "proxy"
TABLES: Mapping[str, Mapping[Any, object]] = {
    "paging.py": PAGING_KINDS,
    "auth.py": AUTH_SCHEMES,
    "ids.py": ID_CODECS,
    "conversions.py": CONVERSIONS,
}
COMMON_WORDS = frozenset(
    {"none", "header", "query", "body", "aws", "jwt", "text", "integer", "digits", "e164", "base64url"}
)
"""Names that mean something else in another module too: parts of a call, a default, a style of numbers, an
encoding of signatures."""


OWN: Mapping[str, frozenset[str]] = {"auth.py": frozenset({"jwts.py", "oauth2.py", "signing.py"})}
"""Modules of kinds that are too large to stand beside the others."""


def modules() -> Iterator[Path]:
    for package in ("profile", "config", "explain"):
        yield from (PROXY / package).glob("*.py")


@pytest.mark.parametrize("module", TABLES)
def test_only_its_module_names_a_kind(module: str) -> None:
    names = TABLES[module].keys() - COMMON_WORDS
    assert names
    found = [
        f"{file.name}:{node.lineno}: {node.value}"
        for file in modules()
        if file not in {PROXY / "profile" / each for each in (module, *OWN.get(module, ()))}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]
    assert found == []


def test_every_kind_has_a_row() -> None:
    union, _ = get_args(Paging)
    strategies = [get_args(each.model_fields["strategy"].annotation)[0] for each in get_args(union)]
    assert list(PAGING_KINDS) == strategies
    settings, *_ = get_args(AuthSettings)
    schemes = [get_args(each.model_fields["scheme"].annotation) for each in get_args(settings)]
    assert list(AUTH_SCHEMES) == [name for names in schemes for name in names]
    assert list(ID_CODECS) == list(get_args(CodecName))
    assert list(CONVERSIONS) == list(READ) == list(get_args(ReadName))
    assert set(WRITE) == set(get_args(WriteName))


def test_a_kind_of_paging_either_counts_or_follows() -> None:
    for name, kind in PAGING_KINDS.items():
        assert (kind.page_call is None) != (kind.next_call is None), name


def test_rows_agree_with_their_functions() -> None:
    for name, row in CONVERSIONS.items():
        assert not row.writes or row.write, name
    assert set(READ_COLUMN) <= set(READ)
