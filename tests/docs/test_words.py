"""The rules for words, read from the text of the files: no persons, no long names, no class name twice.

Each rule is a pure function that returns its violations; the last tests plant one violation of each kind.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PERSONS = ("he", "his", "him", "whoever", "whom", "nobody", "somebody", "everybody")
LONGEST_NAME = 4  # words
MAY_REPEAT_CLASSES = "proxy/sandbox/"


def files(*names: str) -> Mapping[str, str]:
    """Return the text of every text file under these files and folders, by its path from the root."""
    paths = [ROOT / name for name in names]
    found = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return {
        file.relative_to(ROOT).as_posix(): text
        for file in found
        if file.is_file() and "__pycache__" not in file.parts and (text := text_of(file)) is not None
    }


def text_of(file: Path) -> str | None:
    """Return the text of a file, None for images and other binary files."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


TEXTS = files("proxy", "config", "docs", "README.md", "SECURITY.md")
MEASURING = files("bench")
SOURCES = {path: text for path, text in TEXTS.items() if path.endswith(".py")}


# The rules

_PERSON = re.compile(rf"\b(?:{'|'.join(PERSONS)})\b", re.IGNORECASE)


def persons(path: str, text: str) -> list[str]:
    """Find words for persons: the subject of a sentence is a component."""
    return [
        f"{path}:{number}: {found[0]!r} in: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        for found in _PERSON.finditer(line)
    ]


def long_names(path: str, text: str) -> list[str]:
    """Find names of functions, classes and parameters that have too many words."""
    return [
        f"{path}:{line}: {name} has {count} words, but at most {LONGEST_NAME} are allowed"
        for line, name in names_in(ast.parse(text))
        if (count := len(words_of(name))) > LONGEST_NAME
    ]


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each name that a definition introduces, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg


def words_of(name: str) -> list[str]:
    """Split `snake_case` and `CamelCase`; underscores at the ends do not count."""
    return re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+", name)


def repeated_classes(sources: Mapping[str, str]) -> list[str]:
    """Find class names that are defined more than once."""
    places: dict[str, list[str]] = {}
    for path, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path}:{node.lineno}")
    return [f"class {name}: {', '.join(where)}" for name, where in places.items() if len(where) > 1]


def assert_none(violations: list[str]) -> None:
    assert not violations, "\n" + "\n".join(violations)


# The project follows the rules


@pytest.mark.parametrize("path", [*TEXTS, *MEASURING])
def test_a_file_has_no_persons(path: str) -> None:
    assert_none(persons(path, {**TEXTS, **MEASURING}[path]))


@pytest.mark.parametrize("path", SOURCES)
def test_a_module_has_no_long_names(path: str) -> None:
    assert_none(long_names(path, SOURCES[path]))


def test_no_class_name_is_defined_twice() -> None:
    assert_none(
        repeated_classes(
            {path: text for path, text in SOURCES.items() if not path.startswith(MAY_REPEAT_CLASSES)}
        )
    )


def test_every_kind_of_file_is_read() -> None:
    assert {"README.md", "SECURITY.md", "proxy/model.py", "config/proxy.yaml", "docs/profiles.md"} <= set(
        TEXTS
    )
    assert "config/schema/proxy.json" in TEXTS
    assert not any(path.endswith(".png") for path in TEXTS)


# The rules find what breaks them


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Whoever asks\nis answered by nobody.\n", ["x:1: 'Whoever'", "x:2: 'nobody'"]),
        ("NOBODY = 0  # for him, not for them", ["x:1: 'NOBODY'", "x:1: 'him'"]),
        ("the handshake, this, when, whole, nobody_else", []),
    ],
)
def test_persons_are_found(text: str, found: list[str]) -> None:
    assert [each.partition(" in: ")[0] for each in persons("x", text)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def look_whether_it_is_taken(): ...", ["look_whether_it_is_taken"]),
        ("class A:\n    async def _a_b_c_d_e(self): ...", ["_a_b_c_d_e"]),
        ("class AnswerOfTheOldKind: ...", ["AnswerOfTheOldKind"]),
        ("class HTTPAnswerOfOld: ...\nclass RedisURL2Error: ...", []),
        ("def f(*, the_one_that_is_late): ...", ["the_one_that_is_late"]),
        ("f = lambda *a_b_c_d_e, **f_g_h_i_j: 0", ["a_b_c_d_e", "f_g_h_i_j"]),
        ("def _a_b_c_d__(): ...\ndef __init_subclass__(): ...", []),
    ],
)
def test_long_names_are_found(text: str, found: list[str]) -> None:
    assert [each.split()[1] for each in long_names("x", text)] == found


def test_repeated_classes_are_found() -> None:
    sources = {"a.py": "class A: ...\nclass B: ...", "b.py": "def f():\n    class A: ..."}
    assert repeated_classes(sources) == ["class A: a.py:1, b.py:2"]
