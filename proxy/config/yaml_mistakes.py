"""What the YAML library says of a text that is not YAML → what a person has to change. Pure.

Its own sentences quote the file, where secrets may be; these name syntax only.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

Position = tuple[int, int]
"""Line and column, from 1."""


class Problem(NamedTuple):
    """What the library says: what it was reading and since where, and what it found there."""

    context: str
    begun_at: Position
    problem: str
    found_at: Position


_COLON = "a colon stands where none can be: quote a text that has one, and check the indent of a key"
_QUOTES = "the text needs quotes, because of the character that it begins with"
_INDENT = "this does not belong to what began at line {line}: check the indent and the quotation marks"
_SENTENCES: Mapping[str, str] = {
    r"found character '\t'": "a tab is no indent: write spaces",
    "found character": _QUOTES,
    "found undefined alias": "an alias (*name) is not allowed: write the value out, or quote the text",
    "mapping values are not allowed": _COLON,
    "expected ',' or '": "a comma or {end} is missing in what began at line {line}",
    "expected <block end>": _INDENT,
    "expected '<document start>'": "the document has ended: all of it has one indent",
    "could not find expected ':'": "a key needs a colon and a space behind it",
    "expected the node content": "a value is missing here",
    "sequence entries are not allowed": "a list begins on a line of its own, or is written [a, b]",
    "found unknown escape": "an unknown escape: a backslash in double quotes is written twice",
    "expected chomping or indentation": "the text of | or > begins on the next line",
    "but found another document": "a file is one document: --- can only be its first line",
}
"""By the beginning of what the library says."""
_FROM_ITS_START: Mapping[str, str] = {
    "while scanning a quoted scalar": "the quotation mark is not closed",
    "while scanning a simple key": "a key needs a colon and a space behind it",
}
"""What begins at the mistake, while the library finds it further on."""


def explain(said: Problem) -> tuple[Position, str]:
    """Return where the mistake is, and a sentence about it."""
    if sentence := _FROM_ITS_START.get(said.context):
        return said.begun_at, sentence
    for beginning, sentence in _SENTENCES.items():
        if said.problem.startswith(beginning):
            end = said.problem[len(beginning) :][:1]
            return said.found_at, sentence.format(line=said.begun_at[0], end=end)
    return said.found_at, _hide_text(said.problem)


def _hide_text(problem: str) -> str:
    """Return a sentence of the library without what it quotes of the file."""
    return re.sub(
        r"'([^']*)'|\"[^\"]*\"", lambda quoted: quoted[0] if _IS_SYNTAX(quoted[1] or "") else "…", problem
    )


_IS_SYNTAX = re.compile(r"<[\w ]+>|[],:{}[?-]|\\t").fullmatch
