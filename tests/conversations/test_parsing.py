"""The text of a conversation: every mistake in it has its line and a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conversations import Conversation, ConversationError, parse_conversation

NAMES = ("ACCOUNT", "BASIC", "LIST")

GOOD = """\
It shows something.

--- client
GET {LIST} HTTP/1.1
Authorization: {BASIC}

--- upstream receives
GET /x HTTP/1.1

--- upstream answers
HTTP/1.1 200 OK

{"id": {"a": 1}, "text": "{b}"}

--- client receives
HTTP/1.1 200 OK
"""


def parse(text: str) -> Conversation:
    return parse_conversation(text, NAMES)


def mistakes(text: str) -> list[tuple[int, str]]:
    with pytest.raises(ConversationError) as raised:
        parse(text)
    return [(each.line, each.message) for each in raised.value.findings]


def test_a_good_one() -> None:
    conversation = parse(GOOD)
    assert conversation.about == "It shows something."
    assert [(each.name, each.line) for each in conversation.sections] == [
        ("client", 3),
        ("upstream receives", 7),
        ("upstream answers", 10),
        ("client receives", 15),
    ]


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("It", "\ufeffIt"), ("client\n", "client  \n")])
def test_line_ends_marks_and_spaces_make_no_difference(change: tuple[str, str]) -> None:
    assert parse(GOOD.replace(*change)) == parse(GOOD)


MISTAKES = [
    # what is replaced, by what, the line and the message
    (
        "It shows something.\n",
        "\n",
        1,
        "say in a sentence what the conversation shows, before its first section",
    ),
    ("--- client receives", "--- client recieves", 15, "unknown section 'client recieves'; did you mean"),
    ("--- client receives", "--- sends", 15, "unknown section 'sends'"),
    ("--- upstream answers", "---upstream answers", 10, "a section is written --- upstream answers"),
    ("--- upstream answers", "--- Upstream answers", 10, "unknown section 'Upstream answers'; did you mean"),
    ("--- upstream answers", "----- UPSTREAM ANSWERS:", 10, "a section is written --- upstream answers"),
    ("--- upstream answers", "--- upstream receives", 10, "the section 'upstream receives' follows"),
    ("--- upstream receives\nGET /x HTTP/1.1\n", "", 8, "the section 'upstream answers' follows 'client'"),
    (
        "--- client\n",
        "--- client\nGET / HTTP/1.1\n\n--- client\n",
        6,
        "the section 'client' follows 'client', but goes behind",
    ),
    (
        "--- client receives",
        "--- profile\nname: x\n--- client receives",
        15,
        "the section 'profile' stands once, and before the first 'client'",
    ),
    (
        "--- client\n",
        "--- configuration\na: b\n--- configuration\na: b\n--- client\n",
        5,
        "the section 'configuration' stands once",
    ),
    ("--- client\n", "--- upstream is down\nfor hours\n--- client\n", 4, "'upstream is down' has no text"),
    ("{LIST}", "{LISTE}", 4, "nothing fills the placeholder {LISTE}; did you mean 'LIST'?"),
    ("{LIST}", "{list}", 4, "this placeholder is written in capitals: {LIST}"),
    ("{LIST}", "{LIST}/{sid}", 4, "this placeholder is written in small letters, with a value: {sid …}"),
    ("{LIST}", "{LIST}/{SID 7}", 4, "this placeholder is written in small letters, with a value: {sid …}"),
    ("{LIST}", "{LIST}/{sids 7}", 4, "nothing fills the placeholder {sids 7}; did you mean 'sid'?"),
    ('"{b}"', '"{basics {ACCOUNT}:x}"', 13, "nothing fills the placeholder {basics x:x}"),
    ("GET /x HTTP/1.1", "/x", 8, "the first line of the message has the form METHOD TARGET HTTP/1.1"),
    ("HTTP/1.1 200 OK\n\n{", "200 OK\n\n{", 11, "the first line of the message has the form HTTP/1.1 STATUS"),
    ("GET /x HTTP/1.1\n", "", 8, "the first line of the message is missing"),
    ("Authorization: {BASIC}", "Authorization {BASIC}", 5, "a header is written NAME: VALUE"),
    ("Authorization: {BASIC}", "X: …", 5, "a head is ISO-8859-1 text"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), MISTAKES)
def test_a_mistake(old: str, new: str, line: int, message: str) -> None:
    assert GOOD.count(old) >= 1
    found = mistakes(GOOD.replace(old, new, 1))
    assert [each for each in found if each[0] == line and message in each[1]], found


def test_a_conversation_without_an_end() -> None:
    ended = GOOD[: GOOD.index("--- client receives")]
    (found,) = mistakes(ended)
    assert found[0] == 10
    assert "no section says what the client receives" in found[1]
    (found,) = mistakes(GOOD[: GOOD.index("--- upstream receives")])
    assert (found[0], "add a section 'client receives'" in found[1]) == (3, True)


def test_a_text_without_sections() -> None:
    assert mistakes("Only a sentence.\n") == [
        (1, "there are no sections: write each under a line as --- client")
    ]
    assert [line for line, _ in mistakes("")] == [1, 1]


def test_all_mistakes_at_once() -> None:
    text = GOOD.replace("{LIST}", "{X}").replace("Authorization:", "Authorization").replace("GET /x", "/x")
    assert [line for line, _ in mistakes(text)] == [4, 5, 8]


PIECES = [
    *GOOD.splitlines(),
    "--- ",
    "{sid",
    "}",
    "{9 * x}",
    "\\x0",
    "--- profile",
    "{LIST}",
    "",
    "…",
    "\x00",
    "\x0c",
]


@given(st.lists(st.sampled_from(PIECES)), st.text())
def test_any_text_is_read_or_has_mistakes(lines: list[str], text: str) -> None:
    """A text has no other outcome, and each mistake has a line of the text."""
    for each in ("\n".join(lines), text):
        lines_found = []
        try:
            parse(each)
        except ConversationError as error:
            lines_found = [found.line for found in error.findings]
        assert all(1 <= line <= each.count("\n") + 2 for line in lines_found)
