"""Configuration files: what they mean, what is refused and in which words, and that secrets stay secret."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from proxy import config
from proxy.config import Address, ConfigurationError, Settings, load, parse_address

SHIPPED = Path(__file__).parents[2] / "config"
ACCOUNT = "AC" + "1" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "proxy.yaml"


def loaded(file: Path, text: str, **variables: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load(file, variables).settings


def mistakes(file: Path, text: str | bytes, **variables: str) -> list[str]:
    """Return the lines of the refusal; FILE stands for the file's path."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as raised:
        load(file, variables)
    return str(raised.value).replace(str(file), "FILE").split("\n")


# Good files


def test_a_minimal_file(file: Path) -> None:
    text = (
        "listen: 127.0.0.1:8080\n"
        "upstream:\n"
        "  profile: twilio-2010-04-01\n"
        "  base_url: http://127.0.0.1:9000\n"
    )  # fmt: skip
    settings = loaded(file, text)
    assert settings.listen == Settings().listen
    assert settings.upstream.base_url == "http://127.0.0.1:9000"
    assert load(file, {}).profiles["twilio-2010-04-01"].profile.name == "twilio-2010-04-01"


@pytest.mark.parametrize("text", ["", "\n", "# nothing here\n", "{}"])
def test_an_empty_file_is_complete(file: Path, text: str) -> None:
    assert loaded(file, text) == Settings()


def test_the_defaults() -> None:
    settings = Settings()
    assert settings.accounts is None
    assert settings.legacy.timezone == ZoneInfo("America/Los_Angeles")
    assert settings.legacy.page_uris is False
    assert settings.numbers.outside_nanp == "digits"
    assert settings.upstream.profile == "twilio-2010-04-01"


def test_the_shipped_file_holds_nothing_but_defaults() -> None:
    assert load(SHIPPED / "proxy.yaml", {}).settings == Settings()


def test_the_shipped_file_shows_every_key() -> None:
    """What is commented out counts as well: uncommented, the file is YAML and has every key there is."""
    text = (SHIPPED / "proxy.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^# ( *)# ", r"# \1", text, flags=re.MULTILINE)
    text = re.sub(r"^( *)# ( *)([a-z_0-9]+|AC[0-9a-f]{32}):(?= |$)", r"\1\2\3:", text, flags=re.MULTILINE)
    shown = {path.replace("AC309475e5fede1b49e100272a8640f438", "*") for path in paths(yaml.safe_load(text))}
    assert {path.removesuffix(".file") for path in shown} == set(fields(Settings))


def paths(data: Any, above: str = "") -> Iterator[str]:
    for key, value in data.items() if isinstance(data, dict) else ():
        yield f"{above}{key}"
        yield from paths(value, f"{above}{key}.")


def fields(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{above}{name}"
        below = f"{above}{name}."
        for of_mapping, inner in models(field.annotation):
            if of_mapping:
                yield f"{below}*"
            yield from fields(inner, f"{below}*." if of_mapping else below)


def models(annotation: Any, *, of_mapping: bool = False) -> Iterator[tuple[bool, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield of_mapping, annotation
    for argument in get_args(annotation):
        yield from models(argument, of_mapping=of_mapping or "Mapping" in str(annotation).partition("[")[0])


def test_every_shipped_profile_is_good(file: Path) -> None:
    filled = {
        "infobip": "{host: ours.api.infobip.com}",
        "restcomm": "{host: restcomm.example}",
        "signalwire": "{space: ours}",
    }
    assert set(config.shipped_profiles()) >= {"twilio-2010-04-01", *filled}
    user = "      username: us\n"
    more = {"ringcentral": user + "      assertion: ${P}\n", "zoom-phone": user}
    for name in config.shipped_profiles():
        upstream = f"upstream: {{profile: {name}, variables: {filled.get(name, '{}')}}}\n"
        file.write_text(upstream + account() + more.get(name, ""), encoding="utf-8")
        assert load(file, {"T": "t", "P": "p"}).profiles[name].profile.name == name


def test_the_base_url_that_the_shipped_file_shows_is_the_profiles() -> None:
    shown = re.search(r"# base_url: (\S+)", (SHIPPED / "proxy.yaml").read_text(encoding="utf-8"))
    assert shown is not None
    assert shown[1] == config.demo("http://127.0.0.1").profiles["twilio-2010-04-01"].profile.base_url


def test_a_profile_beside_the_file(file: Path) -> None:
    profile = (SHIPPED / "upstreams" / "twilio-2010-04-01.yaml").read_text(encoding="utf-8")
    (file.parent / "mine").mkdir()
    (file.parent / "mine" / "x.yaml").write_text(
        profile.replace("name: twilio-2010-04-01", "name: x"), encoding="utf-8"
    )
    file.write_text("upstream: {profile: mine/x.yaml}", encoding="utf-8")
    assert load(file, {}).profiles["mine/x.yaml"].profile.name == "x"


def test_a_trailing_slash_of_the_base_url_does_not_count(file: Path) -> None:
    assert loaded(file, "upstream: {base_url: 'http://x/y/'}").upstream.base_url == "http://x/y"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("localhost:0", Address("localhost", 0)),
        (":8080", Address("", 8080)),
        ("[::1]:65535", Address("::1", 65535)),
    ],
)
def test_an_address(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


# Variables


@pytest.mark.parametrize("scalar", ["${X}", "'${X}'", '"${X}"'])
def test_a_variable(file: Path, scalar: str) -> None:
    assert loaded(file, f"upstream:\n  base_url: {scalar}", X="http://x").upstream.base_url == "http://x"


def test_a_variable_within_text(file: Path) -> None:
    settings = loaded(
        file, "upstream:\n  base_url: https://api.${EDGE}.${REGION:-us1}.twilio.com", EDGE="dublin"
    )
    assert settings.upstream.base_url == "https://api.dublin.us1.twilio.com"


@pytest.mark.parametrize(
    ("variables", "value"),
    [
        ({}, "skip"),
        ({"X": ""}, "skip"),  # as in a shell, :- is for empty ones too
        ({"X": "e164"}, "e164"),
    ],
)
def test_a_default(file: Path, variables: dict[str, str], value: str) -> None:
    text = "numbers:\n  outside_nanp: ${X:-skip}"
    assert loaded(file, text, **variables).numbers.outside_nanp == value


def test_a_variable_from_a_file(file: Path) -> None:
    content = file.parent / "x"
    content.write_text("skip\r\n", encoding="utf-8")
    text = "numbers:\n  outside_nanp: ${X:-e164}"
    assert loaded(file, text, X_FILE=str(content)).numbers.outside_nanp == "skip"
    assert loaded(file, text, X_FILE=str(content), X="digits").numbers.outside_nanp == "digits"


@pytest.mark.parametrize(
    "value",
    [
        "x\nnumbers: {outside_nanp: skip}",
        "x # comment",
        "{profile: x}",
        "[x]",
        "*x",
        "&x twilio-2010-04-01",
        "!!str twilio-2010-04-01",
        "'twilio-2010-04-01'",
        "${Y}",
        "|",
    ],
)
def test_a_variable_cannot_change_the_structure(file: Path, value: str) -> None:
    text = "upstream:\n  profile: ${X}"
    (mistake,) = mistakes(file, text, X=value, Y="x")
    shown = repr(value)
    if len(value) >= 8:  # it may be a secret
        shown = shown.replace(shown[1:-1], "${X}")
    assert mistake.startswith(f"FILE:2:3: there is no profile {shown}")


@given(value=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_variable_changes_another_key(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    file = tmp_path_factory.getbasetemp() / "variable.yaml"
    text = "upstream:\n  base_url: ${X}\nnumbers:\n  outside_nanp: skip"
    try:
        settings = loaded(file, text, X=value)
    except ConfigurationError:
        return
    assert settings.numbers.outside_nanp == "skip"
    assert settings.upstream.base_url in (None, value.rstrip("/"))


# Secrets


def account(token: str = "${T}", password: str = "${P}") -> str:
    return (
        f"accounts:\n"
        f"  {ACCOUNT}:\n"
        f"    token: {token}\n"
        f"    upstream:\n"
        f"      account: {ACCOUNT}\n"
        f"      password: {password}\n"
    )


def digest_and_password(settings: Settings) -> tuple[bytes, str]:
    assert settings.accounts is not None
    of_account = settings.accounts[ACCOUNT]
    assert of_account.upstream.password is not None
    return of_account.token_digest(), of_account.upstream.password.get_secret_value()


def test_secrets_from_variables_and_files(file: Path) -> None:
    secret = file.parent / "secret"
    secret.write_text("from a file\n", encoding="utf-8")
    expected = (sha256(b"tok").digest(), "from a file")
    assert digest_and_password(loaded(file, account(password=f"{{file: {secret}}}"), T="tok")) == expected
    assert digest_and_password(loaded(file, account(), T="tok", P_FILE=str(secret))) == expected


def test_a_secret_is_kept_unchanged(file: Path) -> None:
    """Also where it looks like a number, a truth value or nothing."""
    for value in (
        "s3cret",
        "123456",
        "0123",
        "1.5",
        "1e5",
        "true",
        "no",
        "null",
        "~",
        " spaced ",
        "a: b",
        "#x",
    ):
        assert digest_and_password(loaded(file, account(), T="t", P=value))[1] == value


def test_a_digest_instead_of_the_token(file: Path) -> None:
    digest = sha256(b"tok").hexdigest()
    text = account().replace("token: ${T}", f"token_sha256: {digest}")
    assert digest_and_password(loaded(file, text, P="p")) == (bytes.fromhex(digest), "p")


def test_a_digest_in_capitals(file: Path) -> None:
    text = account().replace("token: ${T}", f"token_sha256: {sha256(b'tok').hexdigest().upper()}")
    assert digest_and_password(loaded(file, text, P="p"))[0] == sha256(b"tok").digest()


REFUSED = "a secret is not written here: use ${VARIABLE} or {file: PATH}"


@pytest.mark.parametrize(
    "literal", ["s3cret", "'s3cret'", "${X:-s3cret}", "12345", "true", "[a]", "{}", "{file: 5}", "{path: x}"]
)
def test_a_literal_secret_is_refused(file: Path, literal: str) -> None:
    assert mistakes(file, account(token=literal), P="p") == [f"FILE:3:5: {REFUSED}"]
    assert mistakes(file, account(password=literal), T="t") == [f"FILE:6:7: {REFUSED}"]


@pytest.mark.parametrize("password", ["${P}", "a ${P}", "${P:-x}"])
def test_a_variable_that_is_not_utf_8_is_reported_by_name(file: Path, password: str) -> None:
    """Its odd bytes are halves of characters to Python, of which no bytes can be made again."""
    odd = os.fsdecode(b"s3cr\xffet")
    told = mistakes(file, account(password=f"'{password}'"), T="tok", P=odd)
    assert told == ["FILE:6:17: the variable P is not UTF-8 text"]


def test_a_file_name_may_be_any_bytes(file: Path) -> None:
    called = os.fsdecode(bytes(file.parent) + b"/secr\xffet")
    Path(called).write_text("from a file\n", encoding="utf-8")
    assert digest_and_password(loaded(file, account(), T="tok", P_FILE=called))[1] == "from a file"


def test_a_missing_key_is_reported_beside_an_unreadable_value(file: Path) -> None:
    text = account().replace(f"      account: {ACCOUNT}\n", "")
    assert mistakes(file, text, T="tok") == [
        "FILE:4:5: the key 'account' is missing: the URLs of the profile twilio-2010-04-01 hold {account}",
        "FILE:5:17: the variable P is not set",
    ]


@pytest.mark.parametrize("source", ["variable", "file"])
def test_an_empty_secret_is_refused(file: Path, source: str) -> None:
    empty = file.parent / "empty"
    empty.write_text("\n", encoding="utf-8")
    token = "'${T}'" if source == "variable" else f"{{file: {empty}}}"
    assert len(mistakes(file, account(token=token), P="p", T="")) == 1


def test_nothing_shows_a_secret(file: Path) -> None:
    file.write_text(account(), encoding="utf-8")
    configuration = load(file, {"T": "s3cret-token", "P": "s3cret-password"})
    for shown in (repr(configuration), str(configuration.settings), f"{configuration.settings.accounts}"):
        assert "s3cret" not in shown
    assert "s3cret" not in f"{configuration.settings.model_dump()}"


@pytest.mark.parametrize(
    "spoilt", ["listen: x", "upstream: {profile: nope}", "legacy: {timezone: x}", "x: ${P}"]
)
def test_no_mistake_shows_a_secret(file: Path, spoilt: str) -> None:
    lines = mistakes(file, account() + spoilt, T="s3cret-token", P="s3cret-password")
    assert "s3cret" not in "".join(lines)


# Broken files

URL = "write a URL like https://api.example.com, without user, query or fragment"
ODD = "is an ambiguous YAML 1.1 value: put it in quotes"
NO_TWILIO = "there is no profile 'twilio-2010'; did you mean 'twilio-2010-04-01'?"
ZONE = "write the name of a time zone, for example America/Los_Angeles"
NO_VARIABLE = "a variable is written ${NAME} or ${NAME:-default}"
ADDRESS = "write HOST:PORT, for example 127.0.0.1:8080"

UPSTREAM = "expected a mapping, with such keys as base_url, profile, proxy, resolve_every, …"
COLON = "a colon stands where none can be: quote a text that has one, and check the indent of a key"
ONE = "a file is one document: --- can only be its first line"

BROKEN: list[tuple[str | bytes, list[str]]] = [
    # no YAML, or not ours
    ("listen: 'x", ["FILE:1:9: is not valid YAML: the quotation mark is not closed"]),
    ("\tlisten: x", ["FILE:1:1: is not valid YAML: a tab is no indent: write spaces"]),
    ("listen: a: b", [f"FILE:1:10: is not valid YAML: {COLON}"]),
    ("---\nlisten: :1\n---\nlisten: :2", [f"FILE:3:1: is not valid YAML: {ONE}"]),
    ("listen: \x00", ["FILE:1:9: is not valid YAML: holds the character U+0000"]),
    ("listen: &a 127.0.0.1:1\nlisten: x", ["FILE:2:1: the key 'listen' is a duplicate"]),
    (b"listen: \xff", ["FILE:1:9: is not UTF-8 text"]),
    ("listen: :1".encode("utf-16"), ["FILE:1:1: is not UTF-8 text"]),
    ("- listen", ["FILE:1:1: expected a mapping, with such keys as accounts, ids, legacy, limits, …"]),
    ("listen", ["FILE:1:1: expected a mapping, with such keys as accounts, ids, legacy, limits, …"]),
    ("numbers:\n  <<: {outside_nanp: skip}", ["FILE:2:3: a key must be a plain word"]),
    ("numbers:\n  ? [outside_nanp]\n  : skip", ["FILE:2:5: a key must be a plain word"]),
    # unknown keys
    ("listn: 127.0.0.1:1", ["FILE:1:1: unknown key 'listn'; did you mean 'listen'?"]),
    (
        "upstream:\n  profle: x",
        ["FILE:2:3: there is no profile 'x'", "FILE:2:3: unknown key 'profle'; did you mean 'profile'?"],
    ),
    ("upstream:\n  zzz: x", ["FILE:2:3: unknown key 'zzz'"]),
    ("no: 1", ["FILE:1:1: unknown key 'no'"]),
    # wrong values
    ("listen: 8080", [f"FILE:1:1: {ADDRESS}"]),
    ("listen: localhost", [f"FILE:1:1: {ADDRESS}"]),
    ("listen: 127.0.0.1:65536", ["FILE:1:1: a port is a number from 0 to 65535"]),
    ("listen: [127.0.0.1:1]", [f"FILE:1:1: {ADDRESS}"]),
    ("upstream: twilio", [f"FILE:1:1: {UPSTREAM}"]),
    ("upstream:", [f"FILE:1:1: {UPSTREAM}"]),
    ("upstream:\n  profile: 5", ["FILE:2:3: expected text: put it in quotes"]),
    ("upstream:\n  profile: twilio-2010", [f"FILE:2:3: {NO_TWILIO}"]),
    ("upstream:\n  base_url: api.twilio.com", [f"FILE:2:3: {URL}"]),
    ("upstream:\n  base_url: ftp://api.twilio.com", [f"FILE:2:3: {URL}"]),
    ("upstream:\n  base_url: https://AC1:token@api.twilio.com", [f"FILE:2:3: {URL}"]),
    ("upstream:\n  base_url: https://api.twilio.com?x=1", [f"FILE:2:3: {URL}"]),
    ("legacy:\n  timezone: PST", [f"FILE:2:3: {ZONE}"]),
    ("legacy:\n  page_uris: 1", ["FILE:2:3: expected true or false"]),
    ("numbers:\n  outside_nanp: keep", ["FILE:2:3: expected one of 'digits', 'e164' or 'skip'"]),
    ("accounts: []", ["FILE:1:1: expected a mapping, as in {name: value}"]),
    (f"accounts:\n  {ACCOUNT}: {{}}", ["FILE:2:3: the key 'upstream' is missing"]),
    # several at once, in the order of the lines
    (
        "numbers:\n  outside_nanp: keep\nlegacy:\n  timezone: x\nlisten: x\nfoo: 1\n",
        [
            "FILE:2:3: expected one of 'digits', 'e164' or 'skip'",
            f"FILE:4:3: {ZONE}",
            f"FILE:5:1: {ADDRESS}",
            "FILE:6:1: unknown key 'foo'",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=lambda value: ascii(value)[:50] if value else "")
def test_a_broken_file(file: Path, text: str | bytes, expected: list[str]) -> None:
    assert mistakes(file, text) == expected


@pytest.mark.parametrize("odd", ["yes", "No", "on", "OFF", "y", "012", "1_000", "12:30:45", "190:20:30"])
def test_an_ambiguous_yaml_1_1_value(file: Path, odd: str) -> None:
    lines = mistakes(file, f"upstream:\n  profile: {odd}")
    assert f"FILE:2:12: {odd!r} {ODD}" in lines
    assert mistakes(file, f"upstream:\n  profile: '{odd}'") == [f"FILE:2:3: there is no profile {odd!r}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("legacy:\n  page_uris: yes", [f"FILE:2:14: 'yes' {ODD}"]),
        ("listen: 0123", [f"FILE:1:9: '0123' {ODD}"]),
        ("numbers:\n  outside_nanp: ${X}", ["FILE:2:17: the variable X is not set"]),
        ("numbers:\n  outside_nanp: ${X=1}", [f"FILE:2:17: {NO_VARIABLE}"]),
    ],
)
def test_a_mistake_is_reported_once(file: Path, text: str, expected: list[str]) -> None:
    assert mistakes(file, text) == expected


@pytest.mark.parametrize("text", ["${X", "${}", "${1X}", "${X-Y}", "${X:=1}", "${ X }"])
def test_an_invalid_variable(file: Path, text: str) -> None:
    lines = mistakes(file, f"upstream:\n  profile: 'a{text}'", X="x")
    assert f"FILE:2:12: {NO_VARIABLE}" in lines


@pytest.mark.parametrize("text", ["$X", "$", "$$", "X}", "{X}"])
def test_a_dollar_alone_means_nothing(file: Path, text: str) -> None:
    assert mistakes(file, f"upstream:\n  profile: '{text}'", X="x") == [
        f"FILE:2:3: there is no profile {text!r}"
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("missing", "No such file or directory"),
        ("folder", "Is a directory"),
        ("binary", "it is not UTF-8 text"),
    ],
)
def test_a_secret_file_that_cannot_be_read(file: Path, content: str, reason: str) -> None:
    (file.parent / "folder").mkdir()
    (file.parent / "binary").write_bytes(b"\xff")
    path = file.parent / content
    expected = f"the file {path} cannot be read: {reason}"
    assert f"FILE:3:12: {expected}" in mistakes(file, account(), P="p", T_FILE=str(path))
    told = mistakes(file, account(token=f"{{file: {path}}}"), P="p")
    assert told == [f"FILE:3:5: {expected}"]


# Traps of YAML


def test_aliases_are_not_followed(file: Path) -> None:
    lines = mistakes(file, "listen: &here 127.0.0.1:1\nupstream:\n  base_url: *here\n")
    assert any(line.endswith("an alias (*name) is not allowed; write the value out") for line in lines)


def test_an_anchor_bomb_is_refused(file: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 50)
    )
    assert len(mistakes(file, bomb)) < 1000


def test_an_anchor_within_itself(file: Path) -> None:
    assert any("an alias" in line for line in mistakes(file, "a: &a [*a]"))


@pytest.mark.parametrize("depth", [50, 100, 200, 300, 400, 500, 1000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_deep_nesting_is_refused(file: Path, opening: str, closing: str, depth: int) -> None:
    text = f"{opening * depth}x{closing * depth}"
    assert len(mistakes(file, text)) == 1


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!x"])
def test_a_tag_creates_no_object(file: Path, tag: str) -> None:
    assert mistakes(file, f"listen: {tag} [echo x]") != []


@pytest.mark.parametrize("tag", ["!secret", "!!binary", "!!python/name:os.system"])
def test_a_tag_is_refused(file: Path, tag: str) -> None:
    assert len(mistakes(file, f"upstream:\n  profile: {tag} twilio-2010-04-01")) == 1


@pytest.mark.parametrize("text", ["~", "null", "---\n", "---\n...\n", "!"])
def test_an_empty_document_is_complete_or_refused_with_a_reason(file: Path, text: str) -> None:
    try:
        assert loaded(file, text) == Settings()
    except ConfigurationError as error:
        assert str(error).startswith(f"{file}:1:1: expected a mapping, with such keys as ")  # noqa: PT017


@pytest.mark.parametrize("value", ["[a]", "{a: b}"])
def test_a_time_zone_of_another_shape(file: Path, value: str) -> None:
    expected = f"FILE:2:3: {ZONE}"
    assert mistakes(file, f"legacy:\n  timezone: {value}") == [expected]


@pytest.mark.parametrize("url", ["http://x:port", "http://x:99999", "http://x y", "http://x/\u00a0"])
def test_a_url_that_cannot_work(file: Path, url: str) -> None:
    assert len(mistakes(file, f"upstream:\n  base_url: {url}")) == 1


@settings(max_examples=50)
@given(text=st.text(st.sampled_from("listenupsram:[]{}&*!|>'\"%@`#- \n\t~$,0x\0é"), max_size=60))
def test_any_text_is_a_configuration_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text, encoding="utf-8")
    with contextlib.suppress(ConfigurationError):
        load(file, {})


# Files and profiles


def test_a_missing_file(file: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    assert str(raised.value) == f"{file}: cannot be read: No such file or directory"


def test_a_folder_instead_of_a_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    assert str(raised.value) == f"{file}: cannot be read: Is a directory"


def test_a_missing_profile(file: Path) -> None:
    """The line is that which names the profile."""
    profile = file.parent / "mine.yaml"
    assert mistakes(file, "upstream: {profile: mine.yaml}") == [
        f"FILE:1:12: {profile} cannot be read: No such file or directory"
    ]


def test_a_pipe_without_a_writer_is_empty(file: Path) -> None:
    pipe = file.parent / "pipe"
    os.mkfifo(pipe)
    text = f"accounts:\n  {ACCOUNT}:\n    token: {{file: {pipe}}}\n    upstream: {{account: x}}\n"
    assert "FILE:3:5: the secret is empty" in mistakes(file, text)


def test_a_pipe_is_read_to_its_end(file: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb") as into:
        into.write(b"to")
        into.flush()

        def finish() -> None:
            into.write(b"ken\n")
            into.close()

        later = threading.Timer(0.2, finish)
        later.start()
        text = f"legacy:\n  sid_key: {{file: /dev/fd/{reading}}}\n"
        file.write_text(text, encoding="utf-8")
        sid_key = config.load(file, {}).settings.legacy.sid_key
        later.join()
    assert sid_key
    assert sid_key.get_secret_value() == "token"
