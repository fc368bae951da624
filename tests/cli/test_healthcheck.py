"""`healthcheck`: which address it asks, what counts as healthy, and how it verifies certificates."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from support.processes import Running, run, running

METRICS = r"metrics +(http://127\.0\.0\.1:\d+)/metrics"
LEGACY = r"legacy API +(https?://127\.0\.0\.1:\d+)/2008-08-01.*"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold the certificate of a name, its CA, and another CA."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    server = authority.issue_cert("api.twilio.com", key_type=trustme.KeyType.RSA)
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server.cert_chain_pems[0].write_to_path(folder / "leaf.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    return folder


def healthcheck(*arguments: str | Path, **variables: str) -> tuple[int, str]:
    done = run("healthcheck", *arguments, **variables)
    assert done.stdout == ""
    return done.returncode, done.stderr


@contextmanager
def serving(folder: Path, listen: str) -> Iterator[tuple[Running, Path, str]]:
    """Run a proxy; yields it, its configuration with the port in it, and the URL of its first listener."""
    file = folder / "proxy.yaml"
    file.write_text(f"listen: {listen}\n", encoding="utf-8")
    with running("serve", "--config", file) as server:
        url = server.until(LEGACY)
        own = re.sub(r"(?<=\.[01]:)0", url.rpartition(":")[2], listen)
        file.write_text(f"listen: {own}\n", encoding="utf-8")
        yield server, file, url
        assert server.stop() == 0


@pytest.mark.parametrize("key", ["tls", "legacy_tls"])
def test_found_e4_tls_alone_with_an_own_authority(tmp_path: Path, certificates: Path, key: str) -> None:
    tls = f"{{address: '127.0.0.1:0', certificate: {certificates / 'server.pem'}}}"
    with serving(tmp_path, f"{{address: null, {key}: {tls}}}") as (_, file, url):
        assert healthcheck("--config", file) == (0, "")
        assert healthcheck("--config", file, "--cafile", certificates / "ca.pem") == (0, "")
        assert healthcheck("--config", file, "--cafile", certificates / "leaf.pem") == (0, "")
        assert healthcheck("--url", url, "--cafile", certificates / "ca.pem") == (0, "")
        for arguments in (
            ("--config", file, "--cafile", certificates / "other.pem"),
            ("--url", url, "--cafile", certificates / "other.pem"),
            ("--url", url),
            ("--url", url.replace("127.0.0.1", "localhost"), "--cafile", certificates / "ca.pem"),
        ):
            status, told = healthcheck(*arguments)
            assert status == 1
            assert told.startswith("Error: no proxy answers at https://")
            assert "certificate verify failed" in told
    status, told = healthcheck("--config", file)
    assert status == 1
    assert "refused" in told


def test_found_e4_the_configured_address(tmp_path: Path) -> None:
    """Secrets that are not at hand, and mistakes in other parts of the file, do not matter."""
    with serving(tmp_path, "0.0.0.0:0") as (_, file, url):
        assert healthcheck("--config", file) == (0, "")
        text = file.read_text(encoding="utf-8")
        account = "{token: {file: /nowhere}, upstream: {password: '${UNSET}'}}"
        file.write_text(f"{text}accounts: {{AC{'0' * 32}: {account}}}\nupstrem: []\n", encoding="utf-8")
        assert healthcheck("--config", file) == (0, "")
        assert healthcheck("--config", file, CALLERID_PROXY_HEALTHCHECK_URL=url) == (0, "")
        assert healthcheck("--config", file, CALLERID_PROXY_HEALTHCHECK_URL="http://127.0.0.1:1")[0] == 1
        assert healthcheck("--config", file, "--url", "http://127.0.0.1:1")[0] == 1
        file.write_text("listen: nowhere\n", encoding="utf-8")
        status, told = healthcheck("--config", file)
        assert (status, told) == (78, f"{file}:1:1: write HOST:PORT, for example 127.0.0.1:8080\n")
    assert healthcheck("--config", tmp_path / "none.yaml")[0] == 78


def test_found_e4_health_and_readiness(tmp_path: Path) -> None:
    listen = "{address: '127.0.0.1:0', metrics: '127.0.0.1:0', drain: 3600}"
    file = tmp_path / "proxy.yaml"
    file.write_text(f"listen: {listen}\n", encoding="utf-8")
    with running("serve", "--config", file) as server:
        legacy = server.until(LEGACY)
        metrics = server.until(METRICS)
        for path in ("/healthz", "/readyz"):
            assert healthcheck("--url", f"{metrics}{path}") == (0, "")
            status, told = healthcheck("--url", f"{legacy}{path}")
            assert (status, told) == (1, f"Error: no proxy answers at {legacy}{path}: status 404\n")
        assert healthcheck("--url", f"{metrics}/metrics")[0] == 1
        assert healthcheck("--url", metrics)[0] == 1
        server.process.terminate()
        while healthcheck("--url", f"{metrics}/readyz")[0] == 0:
            pass
        status, told = healthcheck("--url", f"{metrics}/readyz")
        assert (status, told) == (1, f"Error: no proxy answers at {metrics}/readyz: status 503\n")
        assert healthcheck("--url", f"{metrics}/healthz") == (0, "")


def test_found_e4_a_missing_authority(tmp_path: Path) -> None:
    status, told = healthcheck("--cafile", tmp_path / "none.pem")
    assert status == 2
    assert "none.pem" in told
