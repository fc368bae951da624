"""The command test: the conversations beside a profile pass, or a failure says where and why."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.config import shipped_profiles

SHIPPED = shipped_profiles()
LIST_ANSWER = '{"items": [{"id": 7, "name": "Bob", "number": "+14158675309"}], "total": 1}'
FETCH = """\
One caller ID.

--- client
GET {LIST}/{sid 7} HTTP/1.1
Authorization: {BASIC}

--- upstream receives
GET /v1/accounts/{UPSTREAM_ACCOUNT}/caller-ids/7 HTTP/1.1
Authorization: Bearer {PASSWORD}

--- upstream answers
HTTP/1.1 200 OK
Content-Type: application/json

{"id": 7, "name": "Bob", "number": "+14158675309", "created_at": "2024-05-01T10:00:00Z"}

--- client receives
HTTP/1.1 200 OK

<?xml version="1.0"?>
<TwilioResponse>
  <OutgoingCallerId>
    <Sid>{sid 7}</Sid>
    <AccountSid>{ACCOUNT}</AccountSid>
    <FriendlyName>Bob</FriendlyName>
    <PhoneNumber>4158675309</PhoneNumber>
    <DateCreated>{date 2024-05-01T10:00:00Z}</DateCreated>
    <DateUpdated>Wed, 01 May 2024 03:00:00 -0700</DateUpdated>
  </OutgoingCallerId>
</TwilioResponse>
"""


def called(*arguments: str | Path, **variables: str) -> Result:
    return CliRunner().invoke(main, ["test", *map(str, arguments)], env=variables)


def write_profile(folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Write a copy of example-rest with other keys at its top."""
    profile = yaml.safe_load(SHIPPED["example-rest"].read_text(encoding="utf-8"))
    file = folder / "my-api.yaml"
    file.write_text(json.dumps({**profile, **(changes or {})}), encoding="utf-8")
    return file


def write_test(profile: Path, text: str, name: str = "one") -> Path:
    file = profile.with_suffix(".tests") / f"{name}.txt"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def failed(tmp_path: Path, text: str, *arguments: str) -> str:
    """Run a conversation that fails; return what is printed about it, without the name of the file."""
    profile = write_profile(tmp_path)
    file = write_test(profile, text)
    result = called(profile, *arguments)
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == f"{file}: failed"
    assert lines[-1] == f"{profile}: 0 of 1 conversations passed"
    return "\n".join(lines[1:-1]).replace(f"{file}:", "")


# The shipped profiles

OPERATIONS = ("list", "filters", "fetch", "unknown-id", "rename", "delete", "validation", "errors")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile(name: str) -> None:
    folder = SHIPPED[name].with_suffix(".tests")
    files = {file.stem for file in folder.iterdir()}
    assert set(OPERATIONS) <= files
    result = called(name)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == len(files) + 1
    assert lines[-1] == f"{name}: {len(files)} of {len(files)} conversations passed"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_conversation_notices_a_change(name: str, tmp_path: Path) -> None:
    """A profile that reads the number from another place fails wherever a number is shown."""
    text = SHIPPED[name].read_text(encoding="utf-8")
    profile = tmp_path / "changed.yaml"
    changed = yaml.safe_load(text)
    changed["caller_id"]["phone_number"] = {"at": "/another_place", "default": "+14155559999"}
    profile.write_text(json.dumps(changed), encoding="utf-8")
    file = SHIPPED[name].with_suffix(".tests") / "list.txt"
    result = called(profile, file)
    assert result.exit_code == 1
    assert "+ <PhoneNumber>4155559999</PhoneNumber>" in result.stdout


# A profile of one's own


def test_conversations_beside_a_file(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    files = [write_test(profile, FETCH, name) for name in ("b", "a", "c")]
    result = called(profile)
    ordered = sorted(files)
    assert result.stdout.splitlines() == [
        *(f"{file}: ok" for file in ordered),
        f"{profile}: 3 of 3 conversations passed",
    ]
    assert result.exit_code == 0
    result = called(profile, files[0])
    assert result.stdout.splitlines() == [f"{files[0]}: ok", f"{profile}: 1 of 1 conversations passed"]


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    files = [
        write_test(profile, FETCH.replace("Bearer", "Basic"), "a"),
        write_test(profile, "no sections", "b"),
        write_test(profile, FETCH, "c"),
    ]
    result = called(profile)
    assert result.exit_code == 1
    lines = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert lines == [
        f"{files[0]}: failed",
        f"{files[1]}: failed",
        f"{files[2]}: ok",
        f"{profile}: 1 of 3 conversations passed",
    ]


def test_results_for_programs(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    files = [write_test(profile, FETCH, "a"), write_test(profile, FETCH.replace("Bearer", "Basic"), "b")]
    result = called(profile, "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)
    assert good == {"file": str(files[0]), "ok": True, "findings": []}
    assert (bad["file"], bad["ok"]) == (str(files[1]), False)
    (finding,) = bad["findings"]
    assert finding["line"] == 7
    assert finding["message"] == "the upstream receives another request (- expected, + received)"
    assert [line[:15] for line in finding["details"]] == ["- Authorization", "+ Authorization"]


def test_as_a_program(tmp_path: Path) -> None:
    """Relative paths, from the folder of the profile; nothing on standard error, although the proxy logs."""
    profile = write_profile(tmp_path)
    write_test(profile, FETCH.replace('"number"', '"phone"'))
    command = [sys.executable, "-m", "proxy", "test", "my-api.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=50)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "my-api.tests/one.txt: failed"
    assert lines[1].startswith("  my-api.tests/one.txt:17: the client receives another answer")
    assert [line for line in lines if line.startswith("    log: warning: upstream example-rest")] or lines
    assert done.returncode == 1


# Failures


def test_another_request(tmp_path: Path) -> None:
    told = failed(tmp_path, FETCH.replace("caller-ids/7 ", "numbers/7 "))
    assert told == (
        "  7: the upstream receives another request (- expected, + received)\n"
        "    - GET /v1/accounts/1001/numbers/7 HTTP/1.1\n"
        "    + GET /v1/accounts/1001/caller-ids/7 HTTP/1.1"
    )


def test_another_answer(tmp_path: Path) -> None:
    told = failed(tmp_path, FETCH.replace("<FriendlyName>Bob", "<FriendlyName>Bobby"))
    assert told.splitlines()[0] == "  17: the client receives another answer (- expected, + received)"
    assert "    - <FriendlyName>Bobby</FriendlyName>\n    + <FriendlyName>Bob</FriendlyName>" in told


def test_a_request_that_is_not_listed(tmp_path: Path) -> None:
    start, end = FETCH.index("--- upstream receives"), FETCH.index("--- client receives")
    told = failed(tmp_path, FETCH[:start] + FETCH[end:])
    assert told.splitlines()[:2] == [
        "  7: the upstream receives a request that the conversation does not list before this line",
        "    + GET /v1/accounts/1001/caller-ids/7 HTTP/1.1",
    ]


def test_a_request_that_does_not_come(tmp_path: Path) -> None:
    told = failed(tmp_path, FETCH.replace("{sid 7}", "PN00000000000000000000000000000000"))
    assert told.splitlines()[:4] == [
        "  7: the upstream does not receive this request",
        "    - GET /v1/accounts/1001/caller-ids/7 HTTP/1.1",
        "    the client receives",
        "    + HTTP/1.1 404 Not Found",
    ]


def test_an_answer_that_does_not_come(tmp_path: Path) -> None:
    """The body of the client's request is shorter than it says, so the proxy waits for the rest."""
    text = FETCH.replace("Authorization: {BASIC}", "Authorization: {BASIC}\nContent-Length: 9")
    told = failed(tmp_path, text, "--timeout", "0.5")
    assert told.splitlines()[0] == "  8: the upstream does not receive this request"
    start, end = text.index("--- upstream receives"), text.index("--- client receives")
    told = failed(tmp_path, text[:start] + text[end:], "--timeout", "0.5")
    assert told == "  8: the client receives no whole answer within 0.5 seconds"


def test_a_connection_that_stays_open(tmp_path: Path) -> None:
    told = failed(tmp_path, f"{FETCH}\n--- connection is closed\n", "--timeout", "0.5")
    assert told == "  32: the connection is still open after 0.5 seconds"


def test_what_the_proxy_logs_is_shown(tmp_path: Path) -> None:
    told = failed(tmp_path, FETCH.replace('"number"', '"phone"'))
    assert "+ HTTP/1.1 502 Bad Gateway" in told
    (line,) = [line for line in told.splitlines() if line.startswith("    log: ")]
    assert "upstream" in line
    assert f"{tmp_path}/my-api.yaml:" in line
    assert "/number" in line


def test_mistakes_in_a_file(tmp_path: Path) -> None:
    told = failed(
        tmp_path, FETCH.replace("--- client receives", "--- client recieves").replace("{LIST}", "{L}")
    )
    assert told == (
        "  4: nothing fills the placeholder {L}\n"
        "  17: unknown section 'client recieves'; did you mean 'client receives'?"
    )


def test_what_a_terminal_would_obey_is_escaped(tmp_path: Path) -> None:
    for text in (FETCH.replace("{sid 7}", "{sid \x1b[2J}", 1), FETCH.replace("client rec", "\x1b[2J")):
        told = failed(tmp_path, text)
        assert "\\x1b[2J" in told
        assert "\x1b" not in told


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("{sid 7}", "{sid seven}", 4, "seven is no id of the codec integer"),
        (
            "{date 2024-05-01T10:00:00Z}",
            "{date yesterday}",
            27,
            "a date is written as in {date 2024-05-01T10:00:00Z}",
        ),
        ("{sid 7}", "{999999999 * x}", 4, "a repeated text has at most 16777216 characters"),
        ("{sid 7}", "{9999999 * x\ny}", 3, "a repeated text has at most 16777216 characters"),
        ("{BASIC}", "{basic me}", 5, "write {basic USER:TOKEN}"),
    ],
)
def test_placeholders_that_cannot_be_filled(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    told = failed(tmp_path, FETCH.replace(old, new, 1))
    assert told.startswith(f"  {line}: {message}")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    file = write_test(profile, "")
    file.write_bytes(b"one\ntwo \xff\n")
    result = called(profile)
    assert f"  {file}:2: is not UTF-8 text" in result.stdout.splitlines()
    assert result.exit_code == 1


# The configuration


def configured(text: str, conversation: str = FETCH) -> str:
    return conversation.replace("--- client\n", f"--- configuration\n{text}\n--- client\n", 1)


@pytest.mark.parametrize(
    "text",
    [
        "legacy: {timezone: Europe/Berlin}\n",
        "upstream:\n    validation: unsupported\nlegacy: {timezone: Europe/Berlin}\n",
        "upstream: {validation: unsupported}\nlegacy:\n  timezone: Europe/Berlin\n",
        "upstream: {}\nlegacy: {timezone: Europe/Berlin}\n",
        "# spoken\n  validation: unsupported\n\nlegacy: {timezone: Europe/Berlin}\n",
        "legacy: {timezone: Europe/Berlin}\nupstream:\n  validation: unsupported\n",
    ],
)
def test_a_configuration_of_its_own(tmp_path: Path, text: str) -> None:
    profile = write_profile(tmp_path)
    changed = FETCH.replace("Wed, 01 May 2024 03:00:00 -0700", "Wed, 01 May 2024 12:00:00 +0200")
    write_test(profile, configured(text, changed))
    result = called(profile)
    assert result.exit_code == 0, result.output


def test_an_account_of_its_own(tmp_path: Path) -> None:
    """Placeholders follow the configuration, and so do Sids, which depend on the account and the key."""
    profile = write_profile(tmp_path)
    text = (
        "legacy: {sid_key: '${PASSWORD}'}\naccounts:\n  {ACCOUNT}:\n    token: ${TOKEN}\n"
        "    upstream: {account: acme, password: '${MINE}'}\n"
    )
    write_test(
        profile, configured(text).replace("{UPSTREAM_ACCOUNT}", "acme").replace("{PASSWORD} ", "my-key ")
    )
    result = called(profile, MINE="my-key")
    assert result.exit_code == 0, result.output


OWN_URL = """\
accounts:
  {ACCOUNT}:
    token: ${TOKEN}
    upstream: {account: a, password: '${PASSWORD}', base_url: 'https://example.com'}
"""


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("legacy: {timezone: Berlin}\n", 4, "configuration: write the name of a time zone"),
        ("numbers: {}\nlegacy:\n  zone: UTC\n", 6, "configuration: unknown key 'zone'"),
        ("legacy: [\n", 5, "configuration: is not valid YAML"),
        (
            "upstream: {base_url: 'https://example.com'}\n",
            4,
            "configuration: the key 'base_url' is a duplicate",
        ),
        ("  profile: plivo\n", 4, "configuration: the key 'profile' is a duplicate"),
        (
            OWN_URL,
            3,
            "leads to https://example.com, not to the scripted upstream",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, text: str, line: int, message: str) -> None:
    told = failed(tmp_path, configured(text))
    assert [each for each in told.splitlines() if each.startswith(f"  {line}: ") and message in each], told


def test_a_profile_does_not_belong_into_a_conversation_beside_one(tmp_path: Path) -> None:
    told = failed(tmp_path, FETCH.replace("--- client\n", "--- profile\nname: x\n\n--- client\n", 1))
    assert told.startswith("  3: this section does not belong beside a profile")


def test_an_upstream_that_is_down(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    start, end = FETCH.index("--- upstream receives"), FETCH.index("--- client receives")
    text = FETCH[:start] + "--- client receives\nHTTP/1.1 503\n\n…\n"
    assert end > start
    write_test(profile, text.replace("--- client\n", "--- upstream is down\n\n--- client\n", 1))
    result = called(profile)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("answer", ["HTTP/1.1 404 Not Found", "HTTP/1.1 404", "HTTP/1.1 404 Not Found\nX: y"])
def test_an_answer_without_a_body_has_an_end(tmp_path: Path, answer: str) -> None:
    profile = write_profile(tmp_path)
    start, end = FETCH.index("--- upstream answers"), FETCH.index("--- client receives")
    assert end > start
    write_test(
        profile, f"{FETCH[:start]}--- upstream answers\n{answer}\n\n--- client receives\nHTTP/1.1 404\n\n…\n"
    )
    result = called(profile)
    assert result.exit_code == 0, result.output


def test_an_empty_answer_closes_the_connection(tmp_path: Path) -> None:
    """A fetch whose answer is lost is sent again."""
    profile = write_profile(tmp_path)
    start, end = FETCH.index("--- upstream receives"), FETCH.index("--- upstream answers")
    lost = f"{FETCH[start:end]}--- upstream answers\n\n"
    write_test(profile, FETCH[:start] + lost + FETCH[start:])
    result = called(profile)
    assert result.exit_code == 0, result.output


# What profiles need

CALL = """\
A list.

--- client
GET {LIST} HTTP/1.1
Authorization: {BASIC}

%s
--- client receives
HTTP/1.1 200 OK

<?xml version="1.0"?>
<TwilioResponse>
  <OutgoingCallerIds page="0" numpages="0" pagesize="50" total="0" start="0" end="0"/>
</TwilioResponse>
"""
EMPTY = """
--- upstream answers
HTTP/1.1 200 OK
Content-Type: application/json

{"items": [], "total": 0}
"""
TOKEN = """
--- upstream answers
HTTP/1.1 200 OK
Content-Type: application/json

{"access_token": "t-1", "token_type": "bearer"}

"""
START = "--- upstream receives\nGET /v1/accounts/{UPSTREAM_ACCOUNT}/caller-ids?limit=100&offset=0 HTTP/1.1\n"
SIGNED = {"scheme": "signed", "string_to_sign": "{nonce}", "headers": {"X-Sign": "{nonce} {signature}"}}
FORM = "Content-Type: application/x-www-form-urlencoded\n\n"


def with_token(target: str, form: str, header: str = "") -> str:
    """Return the request of a token, its answer, and the request of the list that shows it."""
    asked = f"--- upstream receives\nPOST {target} HTTP/1.1\n{header}{FORM}{form}\n"
    return f"{asked}{TOKEN}{START}Authorization: Bearer t-1\n"


SCHEMES: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "basic": ({"scheme": "basic"}, f"{START}Authorization: {{basic {{USERNAME}}:{{PASSWORD}}}}\n"),
    "bearer": ({"scheme": "bearer"}, f"{START}Authorization: Bearer {{PASSWORD}}\n"),
    "header": (
        {"scheme": "header", "name": "X-Key", "username": "X-User"},
        f"{START}X-Key: {{PASSWORD}}\nX-User: {{USERNAME}}\nAuthorization: (absent)\n",
    ),
    "query": (
        {"scheme": "query", "name": "key"},
        START.replace("offset=0", "offset=0&key={PASSWORD}").replace(
            "limit=100&offset=0&key={PASSWORD}", "…key={PASSWORD}…"
        ),
    ),
    "none": ({"scheme": "none"}, f"{START}Authorization: (absent)\n"),
    "caller": (
        {"scheme": "caller"},
        f"{START}Authorization: {{BASIC}}\n".replace("{UPSTREAM_ACCOUNT}", "{ACCOUNT}"),
    ),
    **{
        f"jwt {algorithm}": ({"scheme": "jwt", "algorithm": algorithm}, f"{START}Authorization: Bearer e…\n")
        for algorithm in ("RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS512")
    },
    **{
        f"signed {encoding}": ({**SIGNED, "key_encoding": encoding}, f"{START}X-Sign: … …\n")
        for encoding in ("text", "base64", "hex")
    },
    "aws": (
        {"scheme": "aws", "service": "execute-api", "region": "eu-west-1"},
        f"{START}Authorization: AWS4-HMAC-SHA256 Credential={{USERNAME}}/…\n",
    ),
    "oauth2": (
        {"scheme": "oauth2", "token_url": "/oauth/token"},
        with_token(
            "/oauth/token",
            "grant_type=client_credentials",
            "Authorization: {basic {USERNAME}:{PASSWORD}}\n",
        ),
    ),
    "oauth2 elsewhere": (
        {"scheme": "oauth2", "token_url": "https://login.example.com/tenant/token", "client": "body"},
        with_token(
            "/tenant/token", "grant_type=client_credentials&client_id={USERNAME}&client_secret={PASSWORD}"
        ),
    ),
    "oauth2 assertion": (
        {
            "scheme": "oauth2",
            "token_url": "https://login.example.com",
            "grant": "jwt_bearer",
            "client": "none",
        },
        with_token(
            "/", "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={ASSERTION}"
        ),
    ),
    "oauth2 signed": (
        {
            "scheme": "oauth2",
            "token_url": "https://login.example.com/token?x=1",
            "grant": "jwt_bearer",
            "assertion": {"algorithm": "ES256"},
        },
        with_token("/token?x=1", "grant_type=…&assertion=e…"),
    ),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_credentials_of_every_scheme(name: str, tmp_path: Path) -> None:
    auth, exchange = SCHEMES[name]
    profile = write_profile(tmp_path, {"auth": auth})
    write_test(profile, CALL % f"{exchange}{EMPTY}")
    result = called(profile)
    assert result.exit_code == 0, result.output


IDS: Mapping[str, tuple[str, str]] = {
    # codec: an id as JSON has it, the conversion that reads it
    "identity": ('"PNe536dfda7c6184afab78d980cb8cdf43"', "text"),
    "uuid": ('"7d0b9a52-3c1f-4e55-9a7e-5f8e2f0c6b11"', "text"),
    "base64url": ('"dVf2Qr9HSk2BuwB1AApxfw"', "text"),
    "hex32": ('"7d0b9a523c1f4e559a7e5f8e2f0c6b11"', "text"),
    "hex32_upper": ('"6FED0BC540BFADD9B05ED7D89AAC22FA"', "text"),
    "ulid": ('"01H6EPS7KCHWPMQ2KW7SFP0WD2"', "text"),
    "hex24": ('"65f0c2a7b8d9e0f1a2b3c4d5"', "text"),
    "e164": ('"14158675309"', "digits"),
    "integer": ("18446744073709551615", "integer"),
    "short_text": ('"qS3ZkW1"', "text"),
    "stored": ('"numbers/US/primary"', "text"),
}


@pytest.mark.parametrize("codec", IDS)
def test_sids_of_every_codec(codec: str, tmp_path: Path) -> None:
    written, conversion = IDS[codec]
    caller_id = {"id": {"at": "/id", "as": conversion}, "phone_number": {"at": "/number", "as": "digits"}}
    profile = write_profile(tmp_path, {"ids": {"codec": codec}, "caller_id": caller_id})
    answer = f'{{"items": [{{"id": {written}, "number": "14158675309"}}], "total": 1}}'
    text = CALL % (START + EMPTY.replace('{"items": [], "total": 0}', answer))
    shown = text[: text.index("<TwilioResponse>")]
    write_test(profile, f"{shown}…<Sid>{{sid {written.strip(chr(34))}}}</Sid>…\n")
    result = called(profile)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"base_url": "https://{host}/v2", "variables": {"host": ""}}, "/v2"),
        ({"base_url": "https://eu.example.com/{tenant}", "variables": {"tenant": ""}}, "/tenant"),
        ({"base_url": "https://eu.example.com/{tenant}", "variables": {"tenant": "t1"}}, "/t1"),
        ({"base_url": "http+unix:///run/api.sock:/v3"}, "/v3"),
        ({"base_url": "https://api.example.com"}, ""),
    ],
)
def test_urls_lead_to_the_scripted_upstream(changes: Mapping[str, Any], path: str, tmp_path: Path) -> None:
    profile = write_profile(tmp_path, changes)
    write_test(profile, CALL % (START.replace("/v1", path) + EMPTY))
    result = called(profile)
    assert result.exit_code == 0, result.output


# The command line


def test_no_conversations(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    result = called(profile)
    assert result.exit_code == 1
    assert result.stderr == f"Error: there are no conversations: write {tmp_path}/my-api.tests/NAME.txt\n"


@pytest.mark.parametrize(
    "arguments", [[], ["example-rest", "missing.txt"], ["example-rest", "--timeout", "0"]]
)
def test_a_mistake_of_the_command_line(arguments: list[str]) -> None:
    result = called(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_an_invalid_profile(tmp_path: Path) -> None:
    profile = write_profile(tmp_path, {"ids": {"codec": "uuid"}})
    write_test(profile, FETCH)
    result = called(profile)
    assert result.exit_code == 78
    assert "ids.codec uuid cannot hold integer: read text" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("telnix", "telnix: there is no such profile; did you mean 'telnyx'?"),
        ("./missing.yaml", "missing.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_profile_that_is_missing(name: str, message: str) -> None:
    result = called(name)
    assert (result.exit_code, result.stderr) == (78, f"{message}\n")


def test_serving_imports_nothing_of_it() -> None:
    code = (
        "import sys, proxy.cli.serving, proxy.process.serving\n"
        "print([name for name in sys.modules if 'conversations' in name or name == 'proxy.process.loopback'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
