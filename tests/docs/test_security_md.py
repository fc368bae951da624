"""SECURITY.md against the project: the minimum versions, and the tests that check each promise."""

import re
import tomllib
from pathlib import Path

from support.markdown import code, tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "SECURITY.md"


def test_versions_match_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["redis"]]
    least = dict(re.findall(r"^([a-z-]+)(?:\[[a-z]+\])?>=([0-9.]+)", "\n".join(wanted), re.MULTILINE))
    (table,) = (each for each in tables(PAGE) if each.heading == "Versions")
    shown = {code(name)[0]: version for name, version, _ in table.rows}
    assert shown == {name: least[name] for name in shown}
    assert "aiohttp" in shown


def test_each_promise_has_its_tests() -> None:
    (table,) = (each for each in tables(PAGE) if each.heading == "What is promised")
    assert [name for name, *_ in table.rows] == ["G1", "G2", "G3", "G4", "G5", "G6"]
    assert all(code(tests) for *_, tests in table.rows)
    named = re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > len(table.rows)
    for file, test in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE)
