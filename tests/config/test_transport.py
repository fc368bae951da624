"""The way to an upstream in proxy.yaml: what `check` says about it, and what accounts inherit."""

from pathlib import Path

import pytest
import trustme
from support.processes import run

from proxy import config
from proxy.config.settings import UpstreamSettings
from proxy.process.assembly import create_routes, name_upstream

ACCOUNT, OTHER = "AC" + "1" * 32, "AC" + "2" * 32
GOOD = "upstream: {base_url: 'https://api.example.com'}\n"
VARIABLES = {"https": ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")}
VARIABLES["http"] = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def check(folder: Path, text: str, *options: str, **variables: str) -> tuple[int, str]:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    done = run("check", *options, file, container="", **variables)
    return done.returncode, (done.stderr + done.stdout).replace(f"{file}", "FILE")


@pytest.mark.parametrize(("scheme", "name"), [(each, name) for each in VARIABLES for name in VARIABLES[each]])
def test_found_e8_check_says_that_a_proxy_of_the_environment_is_not_used(
    tmp_path: Path, scheme: str, name: str
) -> None:
    """The text of the variable, which may hold a password, is not shown; it is no reason to fail."""
    text = f"upstream: {{base_url: '{scheme}://api.example.com', profile: restcomm}}\n"
    status, told = check(tmp_path, text, **{name: "http://user:s3cret@proxy:3128"})
    assert status == 0
    hint = f"{name} of the environment is not used: write proxy: ${{{name}}} to go through that proxy"
    assert f"FILE:1:1: warning: {hint}\n" in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (GOOD, {}),
        (GOOD, {"HTTPS_PROXY": ""}),
        (GOOD, {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "x"}),
        ("upstream: {proxy: '${HTTPS_PROXY}'}\n", {"HTTPS_PROXY": "http://proxy:3128/"}),
        ("upstream: {base_url: 'https://127.0.0.1:8443'}\n", {"HTTPS_PROXY": "http://proxy:3128"}),
        ("upstream: {base_url: 'http+unix:///run/api.sock'}\n", {"ALL_PROXY": "http://proxy:3128"}),
    ],
)
def test_found_e8_check_says_nothing_without_need(
    tmp_path: Path, text: str, variables: dict[str, str]
) -> None:
    assert check(tmp_path, text, "--strict", **variables) == (0, "FILE: good\n")


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://proxy:3128/x",
        "http://",
        "http://p:0",
    ],
)
def test_found_e8_a_proxy_is_a_url_of_http(tmp_path: Path, proxy: str) -> None:
    reason = "write http://HOST:PORT: a proxy is asked by HTTP CONNECT, without TLS to the proxy itself"
    assert check(tmp_path, f"upstream: {{proxy: '{proxy}'}}\n") == (78, f"FILE:1:12: {reason}\n")


@pytest.mark.parametrize("origin", ["literal", "variable"])
def test_found_e8_credentials_are_not_in_the_url_of_a_proxy(tmp_path: Path, origin: str) -> None:
    url = "http://user:s3cret-word@proxy:3128"
    value = "${URL}" if origin == "variable" else url
    status, told = check(tmp_path, f"upstream: {{proxy: '{value}'}}\n", URL=url)
    assert (status, "s3cret" in told) == (78, False)
    assert "use the key credentials" in told


@pytest.mark.parametrize(
    ("text", "reason"),
    [("user", "USER:PASSWORD"), ("", "the secret is empty"), ("a:b\nc", "control character")],
)
def test_found_e8_credentials_of_a_proxy(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "secret").write_text(text, encoding="utf-8")
    status, told = check(tmp_path, "upstream: {proxy: {url: 'http://p:1', credentials: {file: secret}}}\n")
    assert status == 78
    assert reason in told


def test_found_e8_files_that_are_missing_in_ci(tmp_path: Path) -> None:
    tls = "tls: {ca: a.pem, certificate: b.pem, key: c.pem}"
    text = f"upstream: {{{tls}, proxy: {{url: 'http://p:1', credentials: {{file: d}}}}}}\n"
    status, told = check(tmp_path, text)
    assert (status, told.count("cannot be read: No such file or directory")) == (78, 4)
    assert check(tmp_path, text, "--without-secrets") == (0, "FILE: good\n")


def test_found_e8_a_key_of_another_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    for name in ("one", "two"):
        made = authority.issue_cert(f"{name}.example.com")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    assert check(tmp_path, "upstream: {tls: {certificate: one.pem, key: one.key}}\n")[0] == 0
    told = "FILE:1:12: the key does not belong to the certificate\n"
    assert check(tmp_path, "upstream: {tls: {certificate: one.pem, key: two.key}}\n") == (78, told)


@pytest.mark.parametrize(
    "url",
    [
        "unix:///run/api.sock",
        "http+unix:/run/api.sock",
        "http+unix://run/api.sock",
        "http+unix://%2Frun%2Fapi.sock/v2",
        "http+unix:///run/api.sock:v2",
        "HTTP+UNIX://:/v2",
    ],
)
def test_found_e8_a_unix_socket_in_another_form(tmp_path: Path, url: str) -> None:
    told = "write http+unix://PATH:PREFIX, as in http+unix:///run/api.sock:/v2, where both begin with a slash"
    assert check(tmp_path, f"upstream: {{base_url: '{url}'}}\n") == (78, f"FILE:1:12: {told}\n")


def test_found_e8_a_socket_has_a_short_path_and_a_good_prefix(tmp_path: Path) -> None:
    for url, reason in (
        (f"http+unix:///{'x' * 107}", "at most 107 bytes"),
        ("http+unix:///run/api.sock:/v2?x=1", "without user, query or fragment"),
        ("http+unix:///run/api.sock:/v%zz", "two hexadecimal digits"),
        ("http+unix:///run/%00.sock", "NUL"),
    ):
        status, told = check(tmp_path, f"upstream: {{base_url: '{url}'}}\n")
        assert (status, reason in told) == (78, True), told


def load(folder: Path, text: str) -> config.Configuration:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, {"T": "user:s3cret-word", "U": "user:another"})


def test_found_e8_the_ways_of_accounts(tmp_path: Path) -> None:
    """An account inherits the way with the profile; secrets tell ways apart, and are in no name of one."""
    account = "{{token: '${{T}}', upstream: {{account: a, password: '${{T}}'{}}}}}"
    text = f"""\
upstream: {{proxy: {{url: 'http://p:1', credentials: '${{T}}'}}, resolve_every: 5}}
accounts:
  {ACCOUNT}: {account.format("")}
  {OTHER}: {account.format(", proxy: {url: 'http://p:1', credentials: '${U}'}")}
  AC{"3" * 32}: {account.format(", profile: telnyx")}
"""
    configuration = load(tmp_path, text)
    routes = create_routes(configuration)
    found = [routes.get(name_upstream(each)) for each in configuration.upstreams().values()]
    assert found[0] is not None
    assert found[0] is found[1]
    assert [each and each.proxy for each in found[1:]] == [
        "http://user:s3cret-word@p:1",
        "http://user:another@p:1",
        None,
    ]
    assert (found[0].max_age, found[0].origin) == (5, "https://api.twilio.com")
    assert not any("s3cret" in shown for shown in (repr(routes), repr(configuration.settings), *routes))


def test_found_e8_an_upstream_without_keys_has_no_way_of_its_own(tmp_path: Path) -> None:
    assert create_routes(load(tmp_path, "upstream: {resolve_every: 60, tls: null, proxy: null}")) == {}
    assert UpstreamSettings().resolve_every == 60


def test_found_e8_config_masks_the_credentials(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    text = "upstream: {proxy: {url: 'http://p:1', credentials: '${T}'}}\n"
    file.write_text(text, encoding="utf-8")
    done = run("config", file, T="user:s3cret-word")
    assert (done.returncode, "s3cret" in done.stdout) == (0, False)
    assert "credentials: " in done.stdout


def test_names_of_variables_are_no_paths(tmp_path: Path) -> None:
    """Only keys of files are relative to the file that names them."""
    (tmp_path / "mine.yaml").write_text(
        (Path(__file__).parents[2] / "config" / "upstreams" / "restcomm.yaml").read_text("utf-8"), "utf-8"
    )
    text = "upstream: {base_url: 'https://{key}.example.com/{ca}', variables: {key: a, ca: b}}\n"
    assert load(tmp_path, text).settings.upstream.variables == {"key": "a", "ca": "b"}
