"""Every file in configurations/ is a test: a configuration, and what `callerid-proxy check` says of it.

A file opens with a sentence about why. Then come sections, each under a line `--- NAME`:

`proxy.yaml`, `my-api.yaml`    the whole file
`proxy.yaml, changed`          the file of that name in configurations/good/, without the lines `- OLD`; lines
                               `+ NEW` stand where the line above them was
`environment`                  variables, NAME=VALUE, beside TOKEN, KEY and SID_KEY
`file NAME`, `folder NAME`     a file with this content and a folder, beside proxy.yaml
`check says`                   all of its output; the exit status is 78
`check warns`                  the warnings about a configuration that is good

A file that is not spoken of is the one in configurations/good/.
"""

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

from proxy.cli import main
from proxy.config import ConfigurationError, cross_checks, load, loading
from proxy.config.checking import _PATTERNS, _SENTENCES
from proxy.model import Credentials
from proxy.profile import rules
from proxy.profile.auth import authorize
from proxy.profile.calls import Call
from proxy.upstream.encoding import encode, origin_and_target

FOLDER = Path(__file__).parents[1] / "configurations"
FILES = sorted(FOLDER.glob("*.txt"))
GOOD = {file.name: file.read_text(encoding="utf-8") for file in (FOLDER / "good").iterdir()}
ENVIRONMENT = {"TOKEN": "old-token", "KEY": "key", "SID_KEY": "sid-key"}


def sections(file: Path) -> dict[str, str]:
    about, *rest = re.split(r"^--- (.+)\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert about.strip(), "a configuration says why it is broken"
    return dict(zip(rest[::2], rest[1::2], strict=True))


def changed(text: str, changes: str) -> str:
    """Put new lines in the place of old ones."""
    lines, at = text.splitlines(), 0
    for change in changes.splitlines():
        if change.startswith("- "):
            at = lines.index(change[2:])
            del lines[at]
        else:
            lines.insert(at, change.removeprefix("+ "))
            at += 1
    return "".join(f"{line}\n" for line in lines)


def write(parts: dict[str, str], folder: Path) -> None:
    for name, text in GOOD.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, body in parts.items():
        match name.split():
            case ["proxy.yaml" | "my-api.yaml"]:
                (folder / name).write_text(body, encoding="utf-8")
            case [("proxy.yaml," | "my-api.yaml,") as start, "changed"]:
                of = start.removesuffix(",")
                (folder / of).write_text(changed(GOOD[of], body), encoding="utf-8")
            case ["file", other]:
                (folder / other).write_text(body, encoding="utf-8")
            case ["folder", other]:
                (folder / other).mkdir()
            case ["environment"] | ["check", "says" | "warns"]:
                pass
            case _:
                pytest.fail(f"no such section: {name}")


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

    expected = {*rules.RULES, *cross_checks.ERROR_RULES, *cross_checks.WARNING_RULES}
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
    said = re.compile(f": {re.sub('{.+}', '-?[0-9]+', sentence)}$", re.MULTILINE)
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
    call = authorize(profile.auth, Call("GET", "https://x"), Credentials(username, password))
    assert encode(call, origin_and_target(call.url)[1], "x").endswith(b"\r\n\r\n")
