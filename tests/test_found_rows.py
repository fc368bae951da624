"""What strangers found: each row has a test that carries its name, as `test_found_a1_…`."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FINDINGS = TESTS.parents[1] / "shared" / "findings.md"

ROWS = (
    *(f"a{row}" for row in range(1, 6)),
    *(f"b{row}" for row in range(1, 11)),
    *(f"d{row}" for row in range(1, 11)),
    *(f"e{row}" for row in range(1, 13) if row != 8),  # e8 belongs to upstreams
    *("g3", "g4"),
)


def count_tests() -> dict[str, int]:
    counts = dict.fromkeys(ROWS, 0)
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
                found := re.match("test_found_([a-z][0-9]+)_", node.name)
            ):
                counts[found[1]] = counts.get(found[1], 0) + 1
    return counts


COUNTS = count_tests()


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test(row: str) -> None:
    assert COUNTS[row] > 0


def test_a_test_names_a_row() -> None:
    assert set(COUNTS) == set(ROWS)


@pytest.mark.skipif(not FINDINGS.exists(), reason="no ../shared")
def test_the_rows_are_those_of_the_findings() -> None:
    listed = set(re.findall(r"^\| ([ABDE][0-9]+) \|", FINDINGS.read_text(encoding="utf-8"), re.MULTILINE))
    assert {row.lower() for row in listed} - {"e8"} <= set(ROWS)
