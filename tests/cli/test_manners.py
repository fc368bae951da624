"""What a person expects of any command line: help with examples, versions, JSON, completion, a manual."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from support.markdown import tables

from proxy import __version__
from proxy.cli import main
from proxy.cli.manual import EXIT_STATUSES
from proxy.config import shipped_profiles

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, arguments, env=variables, prog_name="callerid-proxy")


def commands(above: click.Context | None = None) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its name, as `sandbox answer`."""
    context = above or click.Context(main)
    group = context.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        whole = f"{context.info_name} {name}" if above else name
        yield whole, command
        yield from commands(click.Context(command, context, info_name=whole))


COMMANDS = dict(commands())


# Help


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    """It shows the whole first sentence, no line is longer than a terminal, and it ends with examples."""
    for flag in ("--help", "-h"):
        result = run(*name.split(), flag)
        assert result.exit_code == 0
        text, _, examples = result.output.partition("\nExamples:\n")
        assert max(map(len, text.splitlines())) <= 80
        sentence = inspect.cleandoc(COMMANDS[name].help or "").partition(".")[0]
        assert " ".join(sentence.split()) in " ".join(text.split())
        assert all(line.startswith("  ") for line in examples.splitlines())
        assert f"callerid-proxy {name}" in examples


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_described(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option) and parameter.name != "listen":
            assert parameter.help, parameter.name


def test_no_summary_is_cut() -> None:
    result = run("--help")
    assert "..." not in result.output.replace("[ARGS]...", "")
    assert {line.split()[0] for line in result.output.splitlines() if re.match("  [a-z]", line)} >= {
        name for name in COMMANDS if " " not in name
    }


@pytest.mark.parametrize(
    ("misspelt", "meant"), [("chek", "check"), ("profile", "profiles"), ("serv", "serve")]
)
def test_a_misspelt_command(misspelt: str, meant: str) -> None:
    result = run(misspelt)
    assert (result.exit_code, f"did you mean {meant!r}?" in result.stderr) == (2, True)


# Versions


def test_versions() -> None:
    assert run("--version").output == run("version").output == f"callerid-proxy {__version__}\n"
    told = json.loads(run("version", "--json").output)
    assert told["callerid-proxy"] == __version__
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told.keys() == {"callerid-proxy", "python", "aiohttp", "lxml", "pydantic"}


# JSON


def test_check_as_json(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("listn: 127.0.0.1:1\nlegacy: {timezone: x}\n")
    result = run("check", "--json", str(file))
    told = json.loads(result.stdout)
    assert (told["file"], told["is_good"], told["warnings"], result.exit_code) == (str(file), False, [], 78)
    assert [(each["line"], each["column"]) for each in told["mistakes"]] == [(1, 1), (2, 10)]
    assert told["mistakes"][0]["message"] == "unknown key 'listn'; did you mean 'listen'?"
    assert result.stderr == ""


@pytest.mark.parametrize(("strict", "status"), [((), 0), (("--strict",), 78)])
def test_warnings_as_json(strict: tuple[str, ...], status: int, tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("listen: 0.0.0.0:1\nupstream: {base_url: http://api.example.com}\n")
    result = run("check", "--json", *strict, str(file))
    told = json.loads(result.stdout)
    assert (told["mistakes"], told["is_good"], result.exit_code) == ([], status == 0, status)
    assert told["warnings"]


def test_a_configuration_as_json(tmp_path: Path) -> None:
    """The same values as in the other form, and no secret."""
    file = tmp_path / "proxy.yaml"
    file.write_text(
        "upstream: {profile: telnyx}\naccounts:\n  AC309475e5fede1b49e100272a8640f438:\n"
        "    token: ${OLD_TOKEN}\n    upstream: {password: '${KEY}'}\n"
    )
    secrets = {"OLD_TOKEN": "canary-token", "KEY": "canary-key"}
    result = run("config", "--json", str(file), **secrets)
    proxy, profile = json.loads(result.stdout)
    values = {each["key"]: each for each in proxy["values"]}
    assert (proxy["used_by"], profile["used_by"]) == (None, "upstream")
    assert values["upstream.profile"] == {
        "key": "upstream.profile",
        "value": "telnyx",
        "origin": f"{file}:1",
    }
    assert values["snapshots.fresh"]["value"] == 5
    assert values["snapshots.fresh"]["origin"] == "default"
    token = values["accounts.AC309475e5fede1b49e100272a8640f438.token"]
    assert (token["value"], token["origin"]) == ("********", f"{file}:4, from ${{OLD_TOKEN}}")
    assert "canary" not in result.output
    text = run("config", str(file), **secrets).output
    lines = [line for line in text.splitlines() if re.search(r": \S", line.partition("  # ")[0])]
    assert len(lines) >= len(values)


def test_an_explanation_as_json(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("upstream: {base_url: https://api.example.com}\n")
    list_path = "/2008-08-01/Accounts/AC309475e5fede1b49e100272a8640f438/OutgoingCallerIds"
    told = json.loads(run("explain", "--json", "get", list_path, "--config", str(file)).output)
    assert told["request"] == f"GET {list_path}"
    assert told["answer"] is None
    assert any(part["name"].startswith("GET https://api.example.com/") for part in told["parts"])
    refused = json.loads(
        run("explain", "--json", "GET", "/2008-08-01/Accounts", "--config", str(file)).output
    )
    assert refused["answer"]["status"] == 404
    assert "<RestException>" in refused["answer"]["body"]


# Profiles


def test_profiles_are_listed() -> None:
    lines = run("profiles").output.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_profiles())
    told = json.loads(run("profiles", "--json").output)
    assert [each["name"] for each in told] == list(shipped_profiles())


def test_a_profile_is_described(tmp_path: Path) -> None:
    text = run("profiles", "vonage").output
    assert re.search("^no rename +Vonage keeps no names for numbers$", text, re.MULTILINE)
    assert re.search("^filter PhoneNumber +server_superset$", text, re.MULTILINE)
    own = tmp_path / "own.yaml"
    shutil.copy(shipped_profiles()["example-rest"], own)
    (told,) = json.loads(run("profiles", str(own), "--json").output)
    assert (told["file"], told["validation"], told["left_out"]) == (str(own), "code_shown", {})
    unknown = run("profiles", "vonge")
    assert (unknown.exit_code, "did you mean 'vonage'?" in unknown.stderr) == (78, True)


# Shells and manuals


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    script = run("completion", shell).output
    assert "callerid-proxy" in script
    assert "_CALLERID_PROXY_COMPLETE" in script
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("callerid-proxy ", {"serve", "check", "doctor", "profiles"}),
        ("callerid-proxy init t", {"telnyx", "twilio-2010-04-01"}),
        ("callerid-proxy profiles vo", {"vonage", "voip-ms", "voximplant"}),
        ("callerid-proxy check --s", {"--strict"}),
    ],
)
def test_bash_completes(words: str, expected: set[str]) -> None:
    """Bash calls the program with these variables."""
    variables = {
        "_CALLERID_PROXY_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from proxy.__main__ import main; main()"],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} >= expected


def test_the_manual_page() -> None:
    """It has every command, every option and every exit status, and no line that roff takes for a request."""
    page = run("man").output
    plain = page.replace("\\-", "-").replace("\\e", "\\")
    for name, command in COMMANDS.items():
        assert f".SS {name} " in plain
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in plain
    assert all(f".B {status}\n" in plain for status, _ in EXIT_STATUSES)
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".B", ".TP", ".PP", ".EX", ".EE"}
    if program := shutil.which("man"):
        shown = subprocess.run([program, "-l", "-"], input=page, text=True, capture_output=True, check=False)
        assert (shown.returncode, shown.stderr) == (0, "")


def test_exit_statuses_are_those_of_the_readme() -> None:
    (table,) = (each for each in tables(ROOT / "README.md") if each.header[0] == "exit status")
    assert [row[0] for row in table.rows] == [status for status, _ in EXIT_STATUSES]
