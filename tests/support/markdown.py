"""Reads fenced blocks and tables out of Markdown, each with its heading."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    line: int
    """The number of its first line in the document, from 1."""
    heading: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its header and its rows, as text."""

    heading: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def blocks(file: Path) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    found: list[Block] = []
    heading, language, start = "", "", 0
    lines = file.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if start and line == "```":
            found.append(
                Block(
                    start, heading, language, "".join(f"{each}\n" for each in lines[start - 1 : number - 1])
                )
            )
            start = 0
        elif not start and line.startswith("```"):
            language, start = line[3:], number + 1
        elif not start and line.startswith("#"):
            heading = line.lstrip("# ")
    assert not start, f"the block of line {start} has no end"
    return found


def tables(file: Path) -> list[Table]:
    """Return the tables of a document, in order."""
    found: list[Table] = []
    heading = ""
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for paragraph in text.split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].startswith("#"):
            heading = lines[0].lstrip("# ")
        if lines[0].startswith("|"):
            header, _, *rows = [_cells(line) for line in lines]
            assert all(len(row) == len(header) for row in rows), (
                f"a row of {header} has too few or many cells"
            )
            found.append(Table(heading, header, rows))
    return found


def _cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def code(cell: str) -> list[str]:
    """Return the texts in backticks."""
    return re.findall("`([^`]*)`", cell)
