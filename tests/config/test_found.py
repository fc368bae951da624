"""What `check` accepted although it failed later: values that libraries refuse, and reasons left out."""

import os
import socket
import subprocess
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result
from support.processes import run

from proxy.cli import main
from proxy.config import load

ACCOUNT = "AC" + "1" * 32
MAPPED = f"accounts:\n  {ACCOUNT}:\n    token: ${{T}}\n    upstream: {{account: a, password: '${{P}}'}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "proxy.yaml"


def check(file: Path, text: str, *options: str, **variables: str) -> Result:
    file.write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, ["check", *options, str(file)], env=variables)


def refusal(file: Path, text: str, *options: str, **variables: str) -> str:
    """Return what `check` prints about a file with one mistake, without the name of the file."""
    done = check(file, text, *options, **variables)
    assert done.exit_code == 78, done.output
    (line,) = done.output.splitlines()
    return line.removeprefix(f"{file}:")


# B1: the URL of Redis

PASSWORD = "Zm9vYmFy/c2VjcmV0=="
UNENCODED = [PASSWORD, "Zm9v?YmFyc2VjcmV0", "Zm9v?YmFy=c2VjcmV0", "Zm9v#YmFyc2VjcmV0", "Zm9v[YmFyc2VjcmV0"]
UNENCODED += ["123456/c2VjcmV0", "Zm9vYmFy]c2VjcmV0", "Zm9vYmFy\u2100c2VjcmV0", "/c2VjcmV0"]


def pieces(secret: str) -> set[str]:
    """Return each part of a secret that tells something of it."""
    return {secret[start : start + 4] for start in range(len(secret) - 3)}


@pytest.mark.parametrize("password", UNENCODED)
@pytest.mark.parametrize(
    "form", ["rediss://:{}@h:6380/0", "redis://user:{}@h/0", "unix://:{}@/run/redis.sock"]
)
@pytest.mark.parametrize("origin", ["file", "variable", "literal"])
def test_found_b1_a_password_has_to_be_encoded(file: Path, password: str, form: str, origin: str) -> None:
    url = form.format(password)
    (file.parent / "url").write_text(url, encoding="utf-8")
    value = {"file": "{file: url}", "variable": "'${URL}'", "literal": f"'{url}'"}[origin]
    told = refusal(file, f"snapshots:\n  redis: {{url: {value}, secret: '${{S}}'}}\n", URL=url, S="signing")
    assert told.startswith("2:11: ")
    assert "percent-encoded" in told
    assert not any(piece in told for piece in pieces(password))


@pytest.mark.parametrize("password", [*UNENCODED, "p@ss", "a b"])
def test_found_b1_an_encoded_password_is_good(file: Path, password: str) -> None:
    url = f"rediss://:{quote(password, safe='')}@h:6380/0"
    done = check(file, "snapshots: {redis: {url: '${URL}', secret: '${S}'}}", "--strict", URL=url, S="s")
    assert (done.exit_code, done.output) == (0, f"{file}: good\n")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://a:1,b:2/0", "the URL names one server: a cluster and Sentinel are not supported"),
        ("redis://a,b/0", "the URL names one server"),
        ("redis://h:notaport/0", "a port is a number from 1 to 65535"),
        ("redis://h:99999/0", "a port is a number from 1 to 65535"),
        ("redis://h:0/0", "a port is a number from 1 to 65535"),
        ("redis://::1:6379/0", "in brackets"),
        ("redis://[::g]:6379/0", "not a valid IP address"),
        ("redis://a..b/0", "neither a host name nor an IP address"),
        ("redis://h/first", "the number of a database"),
        ("redis://h/-1", "the number of a database"),
        ("redis://h/0#1", "write %23"),
        ("redis://h/0?socket_timeout=abc", "socket_timeout"),
        ("redis://h/0?socket_timeout=-1", "socket_timeout"),
        ("redis://h/0?socket_connect_timeout=nan", "socket_connect_timeout"),
        ("redis://h/0?socket_timeout=", "socket_timeout of the URL is empty"),
        ("redis://h/0?soket_timeout=1", "did you mean socket_timeout?"),
        ("redis://h/0?decode_responses=true", "not supported"),
        ("redis://h/0?protocol=3", "not supported"),
        ("redis://h/0?max_connections=many", "max_connections"),
        ("redis://h/0?client_name=two%20words", "client_name"),
        ("redis://h?db=x", "db"),
        ("redis://h?ssl_cert_reqs=none", "rediss://"),
        ("rediss://h?ssl_cert_reqs=sometimes", "ssl_cert_reqs"),
        ("rediss://h?ssl_ca_certs=/absent.pem", "No such file or directory"),
        ("rediss://h?ssl_ca_certs={here}", "cannot be used"),
        ("rediss://h?ssl_certfile={here}", "cannot be used"),
        ("rediss://h?ssl_ciphers=NONE-SUCH", "cannot be used"),
        ("rediss://h?ssl_min_version=TLSv1_2", "ssl_min_version"),
        ("unix://run/redis.sock", "unix:///PATH"),
        ("unix:///run/redis.sock?socket_keepalive=1", "socket_keepalive"),
        (f"unix:///{'x' * 107}", "107 bytes"),
        ("http://h", "write redis://HOST:PORT, rediss://HOST:PORT or unix://PATH"),
    ],
)
def test_found_b1_a_url_that_the_library_refuses(file: Path, url: str, reason: str) -> None:
    told = refusal(file, f"snapshots:\n  redis: {url.format(here=file)!r}\n")
    assert told.startswith("2:3: ")
    assert reason in told


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis:///1",
        "redis://:6379/",
        "redis://user@h/0",
        "redis://[::1]:6379/0",
        "rediss://h/?db=3",
        "unix:///a@b?db=1",
        "redis://h/0?socket_timeout=1.5&client_name=a@b&health_check_interval=0",
        "rediss://h?ssl_cert_reqs=none&ssl_min_version=771&ssl_ciphers=ECDHE-RSA-AES128-GCM-SHA256",
    ],
)
def test_found_b1_what_the_library_accepts_is_good(file: Path, url: str) -> None:
    assert check(file, f"snapshots: {{redis: '{url}'}}").exit_code == 0


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("https://a..b", "neither a host name nor an IP address"),
        ("https://999.1.1.1/v1", "not a valid IP address"),
        ("https://" + "a" * 64, "neither a host name nor an IP address"),
        ("https://[::g]", "write a URL like"),
        ("https://h:0", "a port is a number from 1 to 65535"),
        ("https://h/v1?", "write a URL like"),
        ("https://@h/v1", "write a URL like"),
        ("https://h/50%", "two hexadecimal digits"),
        ("https://{region}.example.com", "the variable 'region'"),
    ],
)
def test_found_b1_a_base_url_that_the_client_refuses(file: Path, base_url: str, reason: str) -> None:
    assert reason in refusal(file, f"upstream: {{base_url: '{base_url}'}}")


@pytest.mark.parametrize("space", ["a b", "a.", "-", "x" * 64, "a..b"])
def test_found_b1_a_base_url_is_checked_with_its_variables(file: Path, space: str) -> None:
    text = f"upstream: {{profile: signalwire, variables: {{space: '{space}'}}}}\naccounts: {{}}\n"
    assert "with space filled in, the base URL is not valid" in refusal(file, text)


def test_found_b1_serve_refuses_without_a_traceback(file: Path) -> None:
    file.write_text("listen: 127.0.0.1:0\nsnapshots: {redis: '${URL}'}", encoding="utf-8")
    for workers in ("1", "2"):
        options = ("serve", "--workers", workers, "--config", file)
        done = run(*options, URL=f"rediss://:{PASSWORD}@h:6380/0")
        assert (done.returncode, done.stdout) == (78, "")
        assert done.stderr.startswith(f"{file}:2:13: ")
        assert done.stderr.count("\n") == 1
        assert not any(piece in done.stderr for piece in pieces(PASSWORD))


@pytest.mark.parametrize("query", ["password=s3cr3t-w0rd", "ssl_password=s3cr3t-w0rd"])
def test_found_b1_a_password_in_the_query_is_a_secret_too(file: Path, query: str) -> None:
    told = refusal(file, f"snapshots: {{redis: 'rediss://h?{query}'}}")
    assert told.endswith("a password is not written here: use ${VARIABLE} or {file: PATH} for the whole URL")


@pytest.mark.parametrize(
    "literal", ["*s3cr3t-w0rd", '"s3cr3t\\qw0rd"', "012345678", "!s3cr3t-w0rd x", "'s3cr3t"]
)
@pytest.mark.parametrize("key", ["token", "password"])
def test_found_b1_no_mistake_of_yaml_quotes_a_secret(file: Path, literal: str, key: str) -> None:
    token, password = (literal if key == each else "${X}" for each in ("token", "password"))
    text = f"accounts:\n  {ACCOUNT}:\n    token: {token}\n    upstream:\n      password: {password}\n"
    done = check(file, text, X="x")
    assert done.exit_code == 78
    assert not any(piece in done.output for piece in pieces(literal.strip("'\"*! x")))
    assert all(line.startswith(f"{file}:") for line in done.output.splitlines())


# B2: empty values


@pytest.mark.parametrize("password", ["'${EMPTY:-}'", '""'])
@pytest.mark.parametrize("scheme", ["basic", "caller"])
def test_found_b2_an_empty_password_is_a_password(file: Path, password: str, scheme: str) -> None:
    own_profile(file, f"{{scheme: {scheme}}}")
    text = f"upstream: {{profile: ./mine.yaml}}\n{mapped(password)}legacy: {{sid_key: '${{T}}'}}\n"
    assert check(file, text, "--strict", T="t").output == f"{file}: good\n"
    accounts = load(file, {"T": "t"}).settings.accounts
    assert accounts is not None
    found = accounts[ACCOUNT].upstream.password
    assert found is not None
    assert found.get_secret_value() == ""


def mapped(password: str) -> str:
    return MAPPED.replace("'${P}'", password)


def own_profile(file: Path, auth: str) -> None:
    shipped = Path(__file__).parents[2] / "config" / "upstreams" / "example-rest.yaml"
    text = shipped.read_text(encoding="utf-8").replace("auth: {scheme: bearer}", f"auth: {auth}")
    (file.parent / "mine.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("value", ["'${P}'", "{file: empty}"])
def test_found_b2_a_password_that_became_empty_is_pointed_out(file: Path, value: str) -> None:
    (file.parent / "empty").write_text("\n", encoding="utf-8")
    own_profile(file, "{scheme: basic}")
    text = f"upstream: {{profile: ./mine.yaml}}\n{mapped(value)}legacy: {{sid_key: '${{T}}'}}\n"
    done = check(file, text, T="t", P="")
    assert done.exit_code == 0
    assert "the password is empty" in done.stderr


@pytest.mark.parametrize(
    "auth", ["{scheme: bearer}", "{scheme: header, name: X-Key}", "{scheme: query, name: key}"]
)
def test_found_b2_a_password_that_stands_alone_is_not_empty(file: Path, auth: str) -> None:
    own_profile(file, auth)
    text = f"upstream: {{profile: ./mine.yaml}}\n{MAPPED.replace('${P}', '${P:-}')}"
    told = refusal(file, text, T="t")
    assert told.startswith("5:28: the password is empty: the profile example-rest has scheme ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MAPPED.replace("${T}", "${E}"), "3:5: the secret is empty"),
        (MAPPED.replace("account: a", "account: '${E:-}'"), "4:16: the key 'account' is empty"),
        ("legacy: {sid_key: '${E}'}", "1:10: the secret is empty"),
        ("snapshots: {redis: '${E}'}", "1:13: the secret is empty"),
        ("snapshots: {redis: {url: '${E:-}'}}", "unix://PATH, but the variable is empty"),
        ("upstream: {profile: restcomm, variables: {host: '${E:-}'}}", "'host', which is empty"),
        ("upstream: {profile: '${E:-}'}", "1:12: expected text, but the variable is empty"),
        ("snapshots: {fresh: '${E:-}'}", "but the variable is empty"),
    ],
)  # fmt: skip
def test_found_b2_empty_is_not_missing(file: Path, text: str, told: str) -> None:
    assert told in refusal(file, text, T="t", P="p", E="")


def test_found_b2_an_optional_value_may_be_empty(file: Path) -> None:
    text = (
        "listen: {metrics: '${E:-}', tls: '${E:-}'}\n"
        "upstream: {base_url: '${E:-}', validation: '${E:-}'}\n"
        "legacy: {sid_key: '${E:-}'}\n"
        "snapshots: {redis: '${E:-}'}\n"
        f"{MAPPED}      # another token\n"
    ).replace("account: a", "account: a, username: '${E:-}', profile: '${E:-}'")
    done = check(file, text, T="t", P="p")
    assert (done.exit_code, done.output) == (0, f"{file}: good\n")


# B6: what was meant

SHIPPED = Path(__file__).parents[2] / "config" / "upstreams"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("twillio", "twilio-2010-04-01"),
        ("twilio", "twilio-2010-04-01"),
        ("Twilio", "twilio-2010-04-01"),
        ("twilio-2010", "twilio-2010-04-01"),
        ("signal-wire", "signalwire"),
        ("plvio", "plivo"),
        ("telnix", "telnyx"),
        ("exampel", "example-rest"),
    ],
)
def test_found_b6_a_profile(file: Path, given: str, meant: str) -> None:
    told = f"there is no profile {given!r}; did you mean {meant!r}?"
    assert refusal(file, f"upstream: {{profile: {given}}}") == f"1:12: {told}"
    assert refusal(file, f"{MAPPED[:-2]}, profile: {given}}}\n", T="t", P="p").endswith(told)
    done = CliRunner().invoke(main, ["serve", "--config", str(file)], env={"T": "t", "P": "p"})
    assert (done.exit_code, done.output.count(told)) == (78, 1)
    done = CliRunner().invoke(main, ["init", given])
    assert (done.exit_code, done.output.count(f"did you mean {meant!r}?")) == (78, 1)


@pytest.mark.parametrize(
    ("right", "wrong", "meant"),
    [
        ("scheme: bearer", "scheme: beare", "bearer"),
        ("codec: integer", "codec: intger", "integer"),
        ("strategy: offset", "strategy: ofset", "offset"),
        ("strategy: pointer", "strategy: point", "pointer"),
        ("as: e164", "as: e146", "e164"),
        ("method: PATCH", "method: patch", "PATCH"),
        ("/numbers/{id}", "/numbers/{idd}", "id"),
        ("validation: unsupported", "validation: unsuported", "unsupported"),
        (
            "base_url: https://api.example.com",
            "base_url: https://{regio}.x\nvariables: {region: eu}",
            "region",
        ),
        ("paging:", "pagin:", "paging"),
        ("errors:", "error:", "errors"),
        ("{from: phone_number", "{from: phonenumber", "phone_number"),
    ],
)
def test_found_b6_a_word_of_a_profile(file: Path, right: str, wrong: str, meant: str) -> None:
    text = (SHIPPED / "example-rest.yaml").read_text(encoding="utf-8")
    text = text.replace("https://caller-ids.example.com/v1", "https://api.example.com")
    text = text.replace("validation: code_shown", "validation: unsupported").replace(
        "/accounts/{account}/caller-ids", "/numbers"
    )
    assert right in text
    (file.parent / "mine.yaml").write_text(text.replace(right, wrong), encoding="utf-8")
    done = check(file, f"upstream: {{profile: ./mine.yaml}}\n{MAPPED}", T="t", P="p")
    assert done.exit_code == 78
    assert f"did you mean {meant!r}?" in done.output


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("legacy: {timezone: America/Los_Angelos}", "America/Los_Angeles"),
        ("legacy: {timezone: Los_Angeles}", "America/Los_Angeles"),
        ("legacy: {timezone: europe/berlin}", "Europe/Berlin"),
        ("numbers: {outside_nanp: e146}", "e164"),
        ("upstream: {validation: code_on_fone}", "code_on_phone"),
        ("listen: {legacy-tls: {address: ':1', certificate: x}}", "legacy_tls"),
        ("snapshots: {cert: 1, freesh: 5}", "fresh"),
        ("upstream: {profile: restcomm, variables: {hots: x.example}}", "host"),
        ("upstream: {base_url: 'https://{edg}.example', variables: {edge: dublin}}", "edge"),
    ],
)
def test_found_b6_a_word_of_a_configuration(file: Path, text: str, meant: str) -> None:
    done = check(file, text)
    assert done.exit_code == 78
    assert f"did you mean {meant!r}?" in done.output


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("chek proxy.yaml", "check"),
        ("Serve", "serve"),
        ("health", "healthcheck"),
        ("transalte GET /", "translate"),
        ("versoin", "version"),
        ("sandbox answr 1 2", "answer"),
    ],
)
def test_found_b6_a_command(command: str, meant: str) -> None:
    done = CliRunner().invoke(main, command.split())
    assert done.exit_code == 2
    assert f"; did you mean {meant!r}?" in done.output
    assert "No such command 'xyz'.\n" in CliRunner().invoke(main, ["xyz"]).output


# B7: the reason


@pytest.mark.parametrize("port", ["65536", "99999", "123456789"])
def test_found_b7_a_port_has_a_range(file: Path, port: str) -> None:
    assert refusal(file, f"listen: 127.0.0.1:{port}") == "1:1: a port is a number from 0 to 65535"
    assert refusal(file, f"listen: {{metrics: ':{port}'}}") == "1:10: a port is a number from 0 to 65535"
    done = CliRunner().invoke(main, ["serve", "--demo", "--listen", f":{port}"])
    assert done.exit_code == 2
    assert "a port is a number from 0 to 65535" in done.output
    assert "from 1 to 65535" in refusal(file, f"upstream: {{base_url: 'http://127.0.0.1:{port}'}}")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("999.1.1.1", "not a valid IP address"),
        ("[::g]", "not a valid IP address"),
        ("::1", "in brackets"),
        ("a..b", "neither a host name nor an IP address"),
        ("-a", "neither a host name nor an IP address"),
        ("a" * 64, "neither a host name nor an IP address"),
    ],
)
def test_found_b7_a_host_that_no_lookup_takes(file: Path, host: str, reason: str) -> None:
    assert reason in refusal(file, f"listen: '{host}:1'")


@pytest.mark.parametrize(
    "listen",
    [
        "{address: '127.0.0.1:1', metrics: '127.0.0.1:1'}",
        "{address: '127.0.0.1:1', metrics: ':1'}",
        "{address: '0.0.0.0:1', metrics: 'localhost:1'}",
        "{address: '[::]:1', metrics: '[::1]:1'}",
    ],
)
def test_found_b7_two_listeners_at_one_address(file: Path, listen: str) -> None:
    assert "listen.address has this address already" in refusal(file, f"listen: {listen}")


@pytest.mark.parametrize(
    "listen",
    [
        "{address: '127.0.0.1:0', metrics: '127.0.0.1:0'}",
        "{address: '127.0.0.1:1', metrics: '127.0.0.2:1'}",
        "{address: '0.0.0.0:1', metrics: '[::]:1'}",
    ],
)
def test_found_b7_listeners_that_the_system_allows(file: Path, listen: str) -> None:
    assert check(file, f"listen: {listen}").exit_code == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can read as another user")
@pytest.mark.parametrize("unreadable", ["proxy.yaml", "token", "mine.yaml"])
def test_found_b7_a_file_without_permission(tmp_path: Path, unreadable: str) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder != Path("/") and folder != Path("/tmp"):
            folder.chmod(0o755)
    file = tmp_path / "proxy.yaml"
    own_profile(file, "{scheme: basic}")
    (tmp_path / "token").write_text("token", encoding="utf-8")
    text = f"upstream: {{profile: ./mine.yaml}}\n{MAPPED.replace('${T}', '{file: token}')}"
    file.write_text(text, encoding="utf-8")
    for each in tmp_path.iterdir():
        each.chmod(0o644)
    (tmp_path / unreadable).chmod(0)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        done = CliRunner().invoke(main, ["check", str(file)], env={"P": "p"})
        expected = "cannot be read: Permission denied"
        os._exit(0 if (done.exit_code, done.output.count(expected)) == (78, 1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_found_b7_one_status_for_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff")
    for name in ("missing", "folder", "binary"):
        for command in (["check"], ["config"], ["serve", "--config"], ["explain", "GET", "/", "--config"]):
            done = CliRunner().invoke(main, [*command, str(tmp_path / name)])
            assert done.exit_code == 78, (command, name)
            assert done.output.startswith(f"{tmp_path / name}")


def test_found_b7_another_status_for_an_address_in_use(file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file.write_text(f"listen: 127.0.0.1:{taken.getsockname()[1]}", encoding="utf-8")
        done = run("serve", "--config", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Address already in use" in done.stderr


# B8: without secrets

EVERYTHING = f"""\
listen: {{address: "127.0.0.1:${{PORT}}", metrics: "${{METRICS}}", trusted_proxies: ["${{NETWORK}}/8"]}}
upstream: {{profile: signalwire, base_url: "https://${{HOST}}/v1", variables: {{space: "${{SPACE}}"}}}}
accounts:
  {ACCOUNT}:
    token: ${{T}}
    upstream: {{username: u, password: {{file: /absent/password}}}}
  {ACCOUNT[:-1]}2:
    token_sha256: ${{DIGEST}}
    upstream: {{profile: "${{PROFILE}}", password: "${{P}}"}}
  {ACCOUNT[:-1]}3:
    token: {{file: /absent/token}}
    upstream: {{username: u, password: "${{P}}", validation: "${{MODE}}"}}
legacy: {{timezone: "${{ZONE}}", page_uris: "${{FLAG}}", sid_key: "${{KEY}}"}}
numbers: {{outside_nanp: "${{NUMBERS}}"}}
snapshots: {{fresh: "${{FRESH}}", bytes: "${{BYTES}}", redis: {{url: "${{REDIS}}", secret: "${{S}}"}}}}
"""


def test_found_b8_nothing_secret_is_at_hand(file: Path) -> None:
    done = check(file, EVERYTHING, "--without-secrets", "--strict")
    assert (done.exit_code, done.output) == (0, f"{file}: good\n")
    assert check(file, EVERYTHING).exit_code == 78


def test_found_b8_certificates_are_secrets_too(file: Path) -> None:
    text = "listen: {tls: {address: ':0', certificate: /absent.pem, key: '${KEY}'}}"
    assert check(file, text, "--without-secrets").exit_code == 0


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("profile: signalwire", "profile: signalwir"),
        ("https://${HOST}/v1", "https//${HOST}/v1"),
        ("${NETWORK}/8", "${NETWORK}/99"),
        ("127.0.0.1:${PORT}", "127.0.0.1:${PORT}:x"),
        ('password: "${P}", validation', 'pasword: "${P}", validation'),
        ("token: ${T}", "token: literal"),
        ("username: u, password: {file: /absent/password}", "username: u"),
        ('space: "${SPACE}"', 'place: "${SPACE}"'),
        ('"${FRESH}"', "-1"),
    ],
)
def test_found_b8_everything_else_is_checked(file: Path, right: str, wrong: str) -> None:
    assert right in EVERYTHING
    assert check(file, EVERYTHING.replace(right, wrong, 1), "--without-secrets").exit_code == 78


def test_found_b8_what_is_at_hand_is_checked(file: Path) -> None:
    text = MAPPED + "snapshots: {redis: '${URL}'}\n"
    assert check(file, text, "--without-secrets").exit_code == 0
    assert "percent-encoded" in refusal(file, text, "--without-secrets", URL="redis://:a/b@h")


# B10: the hash of a token

DIGEST = sha256(b"old-token").hexdigest()


def test_found_b10_the_recipe_of_the_readme_works(file: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert 'printf %s "$OLD_TOKEN" | sha256sum' in readme
    printed = run_shell('printf %s "$OLD_TOKEN" | sha256sum', OLD_TOKEN="old-token")
    assert printed == f"{DIGEST}  -\n"
    assert digest(file, printed.rstrip("\n")) == DIGEST


def run_shell(command: str, **variables: str) -> str:
    return subprocess.run(
        ["/bin/sh", "-c", command],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
        env={**os.environ, **variables},
    ).stdout


def digest(file: Path, value: str) -> str:
    file.write_text(MAPPED.replace("token: ${T}", f"token_sha256: {value!r}"), encoding="utf-8")
    accounts = load(file, {"P": "p"}).settings.accounts
    assert accounts is not None
    return accounts[ACCOUNT].token_digest().hex()


@pytest.mark.parametrize(
    "written",
    [
        DIGEST,
        DIGEST.upper(),
        f"  {DIGEST} ",
        f"{DIGEST}  -",
        f"{DIGEST} -",
        f"{DIGEST} *-",
        f"{DIGEST}  token.txt",
        f"sha256:{DIGEST}",
        f"SHA256 (token) = {DIGEST}",
        f"SHA2-256(stdin)= {DIGEST}",
        f"(stdin)= {DIGEST}",
    ],
)
def test_found_b10_as_the_tools_print_it(file: Path, written: str) -> None:
    assert digest(file, written) == DIGEST


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (DIGEST[:-1], "64 hexadecimal digits, not 63"),
        (f"{DIGEST}0", "64 hexadecimal digits, not 65"),
        (f"{DIGEST[:-1]}g", "64 hexadecimal digits: 1 of these characters are none"),
        ("old-token", "64 hexadecimal digits: "),
        (f"{DIGEST} - and more", "64 hexadecimal digits, not 0"),
        (sha256(b"").hexdigest(), "the SHA-256 of an empty text"),
    ],
)
def test_found_b10_the_message_says_what_is_wrong(file: Path, written: str, reason: str) -> None:
    told = refusal(file, MAPPED.replace("token: ${T}", f"token_sha256: {written!r}"), P="p")
    assert told.startswith("3:5: ")
    assert reason in told
    assert written not in told
