"""docs/architecture.md and CONTRIBUTING.md against the tree: every package, and every path that they name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from support.markdown import code, tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
NAMING_PATHS = (PAGE, ROOT / "CONTRIBUTING.md")

_PATH = re.compile(
    r"(?<![\w./])(?:(?:proxy|tests|docs|config|bench|\.ci)/[\w./*<>-]*|[A-Z]+\.md|Makefile|pyproject\.toml)"
)
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def packages(root: Path) -> set[str]:
    """Return every package under `root`, which is a folder named proxy, as `proxy/legacy/`."""
    return {
        f"{file.parent.relative_to(root.parent).as_posix()}/"
        for file in root.rglob("__init__.py")
        if file.parent != root
    }


def misfits(listed: Sequence[tuple[str, str]], there: set[str]) -> list[str]:
    """Compare the packages that are `listed`, each with its purpose, with those that are there."""
    names = [name for name, _ in listed]
    return [
        *(f"{name} is not listed" for name in sorted(there - set(names))),
        *(f"{name} is listed, but not there" for name in names if name not in there),
        *(f"{name} is listed twice" for name in sorted({name for name in names if names.count(name) > 1})),
        *(f"{name} has no purpose" for name, purpose in listed if not purpose),
    ]


def paths_in(text: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each path that a document in `folder` names, and the pattern of files that it stands for.

    Paths in the text begin at the root, links in the document's folder; `<name>` stands for any name.
    """
    for found in _PATH.finditer(_LINK.sub("]", text)):
        name = found[0].rstrip(".")
        yield name, ROOT / re.sub("<[^>]*>", "*", name)
    for found in _LINK.finditer(text):
        yield found[1], (folder / found[1]).resolve()


def missing(named: Mapping[str, Path]) -> list[str]:
    return [name for name, path in named.items() if not list(ROOT.glob(path.relative_to(ROOT).as_posix()))]


def test_the_tree_lists_every_package_and_nothing_else() -> None:
    (table,) = (each for each in tables(PAGE) if each.heading == "The tree" and each.header[0] == "package")
    listed = [(code(row[0])[0], row[1]) for row in table.rows]
    assert misfits(listed, packages(ROOT / "proxy")) == []


@pytest.mark.parametrize("file", NAMING_PATHS, ids=lambda file: file.name)
def test_every_path_exists(file: Path) -> None:
    named = dict(paths_in(file.read_text(encoding="utf-8"), file.parent))
    assert len(named) > 10
    assert missing(named) == []


# The comparisons find what is wrong


def test_misfits_are_found() -> None:
    listed = [("proxy/a/", "Something."), ("proxy/b/", ""), ("proxy/c/", "More."), ("proxy/c/", "Again.")]
    assert misfits(listed, {"proxy/a/", "proxy/b/", "proxy/d/"}) == [
        "proxy/d/ is not listed",
        "proxy/c/ is listed, but not there",
        "proxy/c/ is listed, but not there",
        "proxy/c/ is listed twice",
        "proxy/b/ has no purpose",
    ]


def test_missing_paths_are_found() -> None:
    text = (
        "In `proxy/model.py`, `proxy/nothing.py` and proxy/legacy/nothing.py: see [this](profiles.md#ids),"
        " [that](missing.md), `config/upstreams/<name>.yaml` and `config/<name>/x.yaml`; NOTHING.md."
    )
    named = dict(paths_in(text, PAGE.parent))
    assert missing(named) == [
        "proxy/nothing.py",
        "proxy/legacy/nothing.py",
        "config/<name>/x.yaml",
        "NOTHING.md",
        "missing.md",
    ]
