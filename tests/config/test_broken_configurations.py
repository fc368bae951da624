"""Every file in configurations/ is a test; support/broken_configurations.py describes their sections."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from support.broken_configurations import ENVIRONMENT, FILES, sections, write

from proxy.cli import main
from proxy.config import ConfigurationError, cross_checks, load, loading
from proxy.config.checking import _PATTERNS, _SENTENCES
from proxy.model import Credentials
from proxy.profile import consistency, rules
from proxy.profile.auth import compile_auth
from proxy.profile.calls import Call
from proxy.upstream.encoding import encode, origin_and_target


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_configuration(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = sections(file)
    write(parts, tmp_path)
    monkeypatch.chdir(tmp_path)
    own = dict(line.split("=", 1) for line in parts.get("environment", "").split("\n") if line)
    answer = CliRunner().invoke(main, ["check", "proxy.yaml"], env={**ENVIRONMENT, **own})
    if "check warns" in parts:
        variables = {**os.environ, **ENVIRONMENT, **own}
        warnings = load(Path("proxy.yaml"), variables).warnings
        assert "".join(f"{warning}\n" for warning in warnings) == parts["check warns"]
        assert answer.exit_code == 0
    else:
        assert answer.output == parts["check says"]
        assert answer.exit_code == 78


def test_a_file_breaks_every_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a rule adds a file that breaks it."""
    broken = set()

    def watched(rule: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
        def watching(subject: Any) -> Iterator[Any]:
            for breach in rule(subject):
                broken.add(rule)
                yield breach

        return watching

    expected = {
        *rules.RULES,
        *cross_checks.ERROR_RULES,
        *cross_checks.WARNING_RULES,
        *consistency.WARNING_RULES,
    }
    monkeypatch.setattr(consistency, "WARNING_RULES", [*map(watched, consistency.WARNING_RULES)])
    monkeypatch.setattr(rules, "RULES", [*map(watched, rules.RULES)])
    monkeypatch.setattr(loading, "ERROR_RULES", [*map(watched, cross_checks.ERROR_RULES)])
    monkeypatch.setattr(loading, "WARNING_RULES", [*map(watched, cross_checks.WARNING_RULES)])
    for file in FILES:
        folder = tmp_path / file.stem
        folder.mkdir()
        write(sections(file), folder)
        with suppress(ConfigurationError):
            load(folder / "proxy.yaml", ENVIRONMENT)
    assert broken == expected


@pytest.mark.parametrize("sentence", sorted({*_SENTENCES.values(), *_PATTERNS.values()}))
def test_a_file_leads_to_every_sentence(sentence: str) -> None:
    parts = re.split("{[a-z]+}", sentence.replace("{{", "{").replace("}}", "}"))
    said = re.compile(f": {'-?[0-9]+'.join(map(re.escape, parts))}$", re.MULTILINE)
    assert any(said.search(sections(file).get("check says", "")) for file in FILES)


def test_the_base_of_the_broken_files_is_good(tmp_path: Path) -> None:
    write({}, tmp_path)
    assert load(tmp_path / "proxy.yaml", ENVIRONMENT).warnings == []


@pytest.mark.parametrize(
    "auth",
    [
        "{scheme: basic}",
        "{scheme: bearer}",
        "{scheme: header, name: X-Key}",
        '{scheme: header, name: X-Key, username: X-User, value: "Key {password}"}',
        '{scheme: header, name: X-Key, value: "{username}:{password}"}',
        "{scheme: query, name: key, username: user}",
    ],
)
@given(username=st.text(min_size=1), password=st.text(min_size=1))
@example(username="Malm\xf6", password="\xa0\xff")
@example(username="user\n", password="password")
@example(username="user", password="pass\0word")
@example(username="user", password="pass\rword")
@example(username="user", password="pass\udcffword")
@example(username="\u0141\xf3d\u017a", password="password")
def test_credentials_that_are_good_can_be_sent(auth: str, username: str, password: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(
            {
                "my-api.yaml, changed": f"- auth: {{scheme: bearer}}\n+ auth: {auth}",
                "proxy.yaml, changed": '-     upstream: {account: "7", password: "${KEY}"}\n'
                '+     upstream: {account: "7", username: "${USER}", password: "${KEY}"}',
            },
            folder,
        )
        try:
            found = load(folder / "proxy.yaml", {**ENVIRONMENT, "USER": username, "KEY": password})
        except ConfigurationError:
            assert re.search("[\0-\x1f\x7f\u0100-\U0010ffff]", username + password)
            return
    ((_, _, profile),) = (each for each in found.targets() if each.key_path[0] == "accounts")
    call = compile_auth(profile.auth)(Call("GET", "https://x"), Credentials(username, password))
    assert encode(call, origin_and_target(call.url)[1], "x").endswith(b"\r\n\r\n")
