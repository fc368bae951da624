"""What strangers found: each row has a test that carries its name, as `test_found_a1_…`."""

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FINDINGS = TESTS.parents[1] / "shared" / "findings.md"

ROWS = (
    *(f"a{row}" for row in range(1, 6)),
    *(f"b{row}" for row in range(1, 11)),
    *(f"c{row}" for row in range(1, 20)),
    *(f"d{row}" for row in range(1, 11)),
    *(f"e{row}" for row in range(1, 13)),
    *(f"f{row}" for row in range(1, 13)),
    *("g1", "g2", "g3", "g4", "g5", "g6", "g13", "g14", "g15", "g18"),
)


_TEST = re.compile(r"^ *(?:async )?def test_found_([a-z][0-9]+)_", re.MULTILINE)


@cache
def rows_with_tests() -> set[str]:
    files = TESTS.rglob("test_*.py")
    return {row for file in files for row in _TEST.findall(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test(row: str) -> None:
    assert row in rows_with_tests()


def test_a_test_names_a_row() -> None:
    assert rows_with_tests() == set(ROWS)


@pytest.mark.skipif(not FINDINGS.exists(), reason="no ../shared")
def test_the_rows_are_those_of_the_findings() -> None:
    listed = set(re.findall(r"^\| ([ABDEF][0-9]+) \|", FINDINGS.read_text(encoding="utf-8"), re.MULTILINE))
    assert {row.lower() for row in listed} - {"f13"} <= set(ROWS)
