"""Messages of `check` that say what to change: of texts that are not YAML, and of keys in a wrong place."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config import ConfigurationError, load

INDENT = "this does not belong to what began at line {}: check the indent and the quotation marks"
COLON = "a colon stands where none can be: quote a text that has one, and check the indent of a key"
QUOTES = "the text needs quotes, because of the character that it begins with"
KEY = "a key needs a colon and a space behind it"

SYNTAX: Mapping[str, str] = {
    "listen: '127.0.0.1:1\nlog: {level: info}\n": "1:9: the quotation mark is not closed",
    'listen: "a\n---\nb"': "1:9: the quotation mark is not closed",
    "listen: {address: x\nlog: y\n": "2:4: a comma or } is missing in what began at line 1",
    "hosts: [a, b\nlog: y\n": "2:4: a comma or ] is missing in what began at line 1",
    "listen: {address: 'it's'}": "1:23: a comma or } is missing in what began at line 1",
    "a: {b: 1": "1:9: a comma or } is missing in what began at line 1",
    "listen: a: b": f"1:10: {COLON}",
    "listen: 1\n  log: 2\n": f"2:6: {COLON}",
    "listen:\n\tlog: 1": "2:1: a tab is no indent: write spaces",
    "listen: @x": f"1:9: {QUOTES}",
    "listen: `x": f"1:9: {QUOTES}",
    "listen: %x": f"1:9: {QUOTES}",
    "listen: *x": "1:9: an alias (*name) is not allowed: write the value out, or quote the text",
    "listen:\n    address: 1\n  drain: 2\n": f"3:3: {INDENT.format(1)}",
    "\nlisten: 'it's'": f"2:13: {INDENT.format(2)}",
    "listen: 1\nlog\nlimits: 2\n": f"2:1: {KEY}",
    "listen: }": "1:9: a value is missing here",
    "listen: - b": "1:9: a list begins on a line of its own, or is written [a, b]",
    'listen: "C:\\query"': "1:13: an unknown escape: a backslash in double quotes is written twice",
    "listen: |x\n b": "1:10: the text of | or > begins on the next line",
    "{a: 1}\nb: 2": "2:1: the document has ended: all of it has one indent",
    "--- a\n--- b": "2:1: a file is one document: --- can only be its first line",
}


@pytest.mark.parametrize(("text", "expected"), SYNTAX.items(), ids=map(ascii, SYNTAX))
def test_what_is_not_yaml(text: str, expected: str, tmp_path: Path) -> None:
    position, _, sentence = expected.partition(": ")
    assert check(tmp_path, text) == [f"proxy.yaml:{position}: is not valid YAML: {sentence}"]


def test_no_message_quotes_the_file(tmp_path: Path) -> None:
    """A secret may be anywhere in it."""
    for text in SYNTAX:
        changed = text.replace("x", "sesame").replace("a", "sesame").replace("b", "sesame")
        assert "sesame" not in str(check(tmp_path, changed)), text


SID = "AC309475e5fede1b49e100272a8640f438"
ELSEWHERE: Mapping[str, str] = {
    "upstream: {token: x}": "1:12: unknown key 'token'; did you mean accounts.*.token?",
    "upstream: {password: x}": "1:12: unknown key 'password'; did you mean accounts.*.upstream.password?",
    "timezone: UTC": "1:1: unknown key 'timezone'; did you mean legacy.timezone?",
    "upstream: {level: debug}": "1:12: unknown key 'level'; did you mean log.level?",
    "ids: {codec: guid}": "1:7: unknown key 'codec'; did you mean ids.codec of a profile?",
    "operations: {}": "1:1: unknown key 'operations'; did you mean operations of a profile?",
    "caller_id: {}": "1:1: unknown key 'caller_id'; did you mean caller_id of a profile?",
    "upstream: {retries: 3}": "1:12: unknown key 'retries'",
    "zzz: 3": "1:1: unknown key 'zzz'",
}


@pytest.mark.parametrize(("text", "expected"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_a_key_in_a_wrong_place(text: str, expected: str, tmp_path: Path) -> None:
    assert check(tmp_path, text) == [f"proxy.yaml:{expected}"]


def test_a_key_of_proxy_yaml_in_a_profile(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "config" / "upstreams" / "example-rest.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(f"{shipped}\naccounts: {{}}\n")
    (told,) = (each for each in check(tmp_path, "upstream: {profile: ./mine.yaml}") if "unknown" in each)
    assert told.endswith("unknown key 'accounts'; did you mean accounts of proxy.yaml?")


WRONG_TYPES: Mapping[str, str] = {
    "accounts: []": "1:1: expected a mapping, as in {name: value}",
    "listen: {tls: x}": "1:10: expected a mapping, with such keys as address, certificate, key",
    "- upstream": "1:1: expected a mapping, with such keys as accounts, ids, legacy, limits, …",
    "listen: {trusted_proxies: x}": "1:10: expected a list, as in [a, b]",
}


@pytest.mark.parametrize(("text", "expected"), WRONG_TYPES.items(), ids=WRONG_TYPES)
def test_a_value_of_a_wrong_type(text: str, expected: str, tmp_path: Path) -> None:
    assert check(tmp_path, text) == [f"proxy.yaml:{expected}"]


def check(folder: Path, text: str) -> list[str]:
    """Return the messages about a proxy.yaml."""
    (folder / "proxy.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load(folder / "proxy.yaml", {})
    return [line.removeprefix(f"{folder}/") for line in str(raised.value).splitlines()]
