"""check, config, schema and init: what they print, and that no secret is among it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from click.testing import CliRunner, Result
from support.seed import ACCOUNT

from proxy import config
from proxy.cli import main
from proxy.config import Settings
from proxy.config.schema import KINDS, make_schema

SHIPPED = Path(__file__).parents[2] / "config"
PROFILES = sorted(config.shipped_profiles())
SECRET = "correct-horse-battery"


def called(*arguments: str | Path, **variables: str) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env=variables)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a secret of each kind, for an upstream whose Sids need a secret key."""
    (tmp_path / "token").write_text(f"{SECRET}\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(
        (SHIPPED / "upstreams" / "example-rest.yaml")
        .read_text(encoding="utf-8")
        .replace("headers: {Accept: application/json}", "headers:\n  X-Api-Key: ${SECRET}"),
        encoding="utf-8",
    )
    file = tmp_path / "proxy.yaml"
    file.write_text(
        f"upstream:\n  profile: ./mine.yaml\n  base_url: https://here.example\n"
        f"accounts:\n  {ACCOUNT}:\n    token: ${{SECRET}}\n"
        "    upstream:\n      account: A1\n      password: {file: token}\n",
        encoding="utf-8",
    )
    return file


# check


def test_strict_check_fails_on_warnings(file: Path) -> None:
    warning = "warning: without legacy.sid_key, Sids of the profile example-rest can be forged"
    told = f"{file}:1:1: {warning}\n"
    lax, strict = called("check", file, SECRET=SECRET), called("check", "--strict", file, SECRET=SECRET)
    assert (lax.exit_code, lax.stdout, lax.stderr) == (0, f"{file}: good\n", told)
    assert (strict.exit_code, strict.stdout, strict.stderr) == (78, "", told)


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (
            "upstream: {base_url: 'http://api.example'}",
            ["1:12: credentials go to api.example unencrypted: use https"],
        ),
        ("upstream: {base_url: 'http://127.0.0.1:1'}", []),
        ("upstream: {base_url: 'http://[::1]:1'}", []),
        ("upstream: {base_url: 'http://localhost:1'}", []),
        ("accounts: {}", ["1:1: accounts is empty: every request is refused"]),
    ],
)
def test_warnings(tmp_path: Path, text: str, warnings: list[str]) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    told = [str(warning).removeprefix(f"{file}:") for warning in config.load(file, {}).warnings]
    assert told == warnings


# config


def test_every_value_is_printed_with_its_position(file: Path) -> None:
    done = called("config", file, SECRET=SECRET)
    assert done.exit_code == 0
    lines = [re.sub(" +# ", " # ", line).strip() for line in done.stdout.split("\n")]
    assert f"base_url: https://here.example # {file}:3" in lines
    assert "timezone: America/Los_Angeles # default" in lines
    assert f'token: "********" # {file}:6, from ${{SECRET}}' in lines
    assert f'password: "********" # {file}:9, from the file {file.parent}/token' in lines
    assert f'X-Api-Key: "********" # {file.parent / "./mine.yaml"}:13, from ${{SECRET}}' in lines


def test_no_secret_is_printed(file: Path) -> None:
    done = called("config", file, SECRET=SECRET)
    assert SECRET not in done.output
    assert SECRET not in done.stderr


@pytest.mark.parametrize("name", PROFILES)
def test_printed_configuration_is_equivalent_yaml(name: str, tmp_path: Path) -> None:
    """The printed profile, read again, is the same profile."""
    variables = everything_for(name)
    file = tmp_path / "proxy.yaml"
    file.write_text(called("init", name).stdout, encoding="utf-8")
    loaded = config.load(file, variables)
    _, *documents = called("config", file, **variables).stdout.split("\n---\n")
    (tmp_path / "again.yaml").write_text(documents[-1], encoding="utf-8")
    again = config.read_profile("./again.yaml", file, variables).profile
    changed = {"variables": {**again.variables}, "validation": again.validation}
    assert again == loaded.profiles[name].profile.model_copy(update=changed)


def test_a_long_text_ends_before_its_origin(file: Path) -> None:
    long = "nothing but documentation, of which there is very much to read"
    profile = file.with_name("mine.yaml")
    written = profile.read_text(encoding="utf-8")
    profile.write_text(re.sub("checked_against: .*", f"checked_against: {long}", written), encoding="utf-8")
    *_, printed = called("config", file, SECRET=SECRET).stdout.split("\n---\n")
    assert yaml.safe_load(printed)["checked_against"] == long


def everything_for(name: str) -> Mapping[str, str]:
    """Return a value for each variable in the file of `init`."""
    names = re.findall(r"^ *\w+: \$\{(\w+)\}", called("init", name).stdout, re.MULTILINE)
    return dict.fromkeys(names, "value")


# schema


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_schemas_match_the_printed_ones(kind: str) -> None:
    printed = called("schema", kind).stdout
    assert printed == (SHIPPED / "schema" / f"{kind}.json").read_text(encoding="utf-8"), "run: make schema"
    assert json.loads(printed) == make_schema(kind)


@pytest.mark.parametrize(
    ("file", "kind"),
    [("proxy.yaml", "proxy"), *((f"upstreams/{name}.yaml", "profile") for name in PROFILES)],
)
def test_shipped_files_name_and_match_their_schema(file: str, kind: str) -> None:
    path = SHIPPED / file
    text = path.read_text(encoding="utf-8")
    modeline = re.search(r"^# yaml-language-server: \$schema=(\S+)$", text, re.MULTILINE)
    assert modeline is not None
    assert (path.parent / modeline[1]).resolve() == SHIPPED / "schema" / f"{kind}.json"
    assert list(errors(kind, text)) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("proxy", "listn: 127.0.0.1:1"),
        ("proxy", "listen: 8080"),
        ("proxy", "numbers: {outside_nanp: keep}"),
        ("proxy", "legacy: {sid_key: literal}"),
        ("proxy", f"accounts: {{{ACCOUNT}: {{}}}}"),
        ("profile", "name: x"),
    ],
)
def test_a_schema_rejects_what_check_rejects(kind: str, text: str) -> None:
    assert list(errors(kind, text))


@pytest.mark.parametrize(
    "text", ["listen: :1", "listen: {address: null, tls: null}", "legacy: {sid_key: {file: x}}"]
)
def test_a_schema_accepts_what_check_accepts(text: str) -> None:
    assert list(errors("proxy", text)) == []


def errors(kind: str, text: str) -> Any:
    return jsonschema_rs.validator_for(dict(make_schema(kind))).iter_errors(yaml.safe_load(text))


# init


@pytest.mark.parametrize("name", PROFILES)
def test_the_initial_file_is_valid_with_its_variables(name: str, tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    done = called("init", name, "--output", file)
    assert (done.exit_code, done.output) == (0, "")
    checked = called("check", "--strict", file, **everything_for(name))
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert config.load(file, everything_for(name)).settings.upstream.profile == name


@pytest.mark.parametrize(
    ("auth", "keys"),
    [
        ("{scheme: basic}", ["account", "password"]),
        ("{scheme: body, name: key}", ["account", "password"]),
        (
            '{scheme: oauth2, token_url: /token, parameters: {account_id: "{account}"}}',
            ["account", "username", "password"],
        ),
        (
            "{scheme: oauth2, token_url: /token, grant: jwt_bearer, client: none}",
            ["account", "assertion"],
        ),
        ("{scheme: aws, service: chime, region: us-east-1}", ["account", "password"]),
        ("{scheme: jwt, issuer: me}", ["account", "assertion"]),
        ('{scheme: jwt, subject: "{account}"}', ["account", "username", "assertion"]),
    ],
)
def test_the_initial_file_has_what_a_scheme_needs(auth: str, keys: list[str], tmp_path: Path) -> None:
    text = (SHIPPED / "upstreams" / "example-rest.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^auth:.*\n(?: .*\n)*", f"auth: {auth}\n", text, flags=re.MULTILINE)
    profile, file = tmp_path / "mine.yaml", tmp_path / "proxy.yaml"
    profile.write_text(text, encoding="utf-8")
    assert called("init", profile, "--output", file).exit_code == 0
    (account,) = yaml.safe_load(file.read_text(encoding="utf-8"))["accounts"].values()
    assert list(account["upstream"]) == keys
    checked = called("check", "--strict", "--without-secrets", file)
    assert (checked.exit_code, checked.stderr) == (0, "")


def test_the_printed_default_profile_is_the_default() -> None:
    text = called("init", Settings().upstream.profile).stdout
    assert yaml.safe_load(text) == yaml.safe_load((SHIPPED / "proxy.yaml").read_text(encoding="utf-8"))


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("mine", encoding="utf-8")
    done = called("init", "plivo", "-o", file)
    assert (done.exit_code, done.stderr) == (1, f"Error: cannot write {file}: File exists\n")
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_missing_profile() -> None:
    done = called("init", "plvo")
    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr == "plvo: there is no such profile; did you mean 'plivo'?\n"


def test_an_own_profile(file: Path) -> None:
    done = called("init", "./mine.yaml", "-o", file.parent / "new.yaml", SECRET=SECRET)
    assert done.exit_code == 0
    assert yaml.safe_load((file.parent / "new.yaml").read_text(encoding="utf-8"))["upstream"] == {
        "profile": "./mine.yaml",
        "resolve_every": 60,
    }
