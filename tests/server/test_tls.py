"""TLS, with real handshakes at every version: who is served where, what is counted, what is logged."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from support import leap
from support.running import running_listeners, running_sandbox
from support.seed import LIST, basic
from support.wire import Message, RawClient, connect

from proxy import config
from proxy.config import Address
from proxy.sandbox import Store

NOWHERE = "http://127.0.0.1:1"
REQUEST = Message(f"GET {LIST} HTTP/1.1", (("Host", "api.twilio.com"), ("Authorization", basic()))).encode()
UNKNOWN_PATH = Message("GET / HTTP/1.1", (("Host", "api.twilio.com"),)).encode()
RISK = (
    "server: 127.0.0.1:{} accepts TLS 1.0 and 1.1, which no longer protect: others on the network may read "
    "and change requests, tokens included, so let only clients that speak nothing newer reach it"
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a certificate of 127.0.0.1 with its key, apart and in one file, and a key that is another's."""
    folder = tmp_path_factory.mktemp("certificates")
    server, other = (authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA) for _ in range(2))
    (folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    server.private_key_pem.write_to_path(folder / "key.pem")
    server.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    other.private_key_pem.write_to_path(folder / "other.pem")
    return folder


def with_schema(version: ssl.TLSVersion, authority: trustme.CA) -> ssl.SSLContext:
    """Return the terms of a client that speaks one version only."""
    terms = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(terms)
    terms.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL itself would not speak the old ones
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        terms.minimum_version = version
        terms.maximum_version = version
    return terms


@contextlib.asynccontextmanager
async def connect_tls(address: Address, terms: ssl.SSLContext) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection(*address, ssl=terms)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def listen(folder: Path, *names: str) -> str:
    """Write a configuration that listens with TLS under `names`, and serves metrics."""
    tls = f"{{address: '127.0.0.1:0', certificate: {folder / 'chain.pem'}, key: {folder / 'key.pem'}}}"
    return "listen:\n  metrics: 127.0.0.1:0\n" + "".join(f"  {name}: {tls}\n" for name in names)


async def ask(address: Address, data: bytes) -> Message:
    async with connect(address.port) as client:
        return await client.ask(data)


async def counted(bound: Mapping[str, Address]) -> dict[tuple[str, str], int]:
    """Return what the metrics say, zeros left out."""
    answer = await ask(bound["metrics"], b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    pattern = r'^callerid_proxy_tls_connections_total{listener="(\w+)",version="([\w.]+)"} (\d+)\.0$'
    found = re.findall(pattern, answer.body.decode(), re.MULTILINE)
    assert len(found) == 8, "the labels are a closed set"
    return {(listener, version): int(count) for listener, version, count in found if count != "0"}


HANDSHAKE_FAILED = "server: a TLS handshake at listen.tls failed"

# Who is served

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
SERVED = [("tls", "TLSv1.2"), ("tls", "TLSv1.3"), *(("legacy_tls", version) for version in VERSIONS)]


@pytest.mark.parametrize(("listener", "version"), SERVED)
async def test_a_version_is_served_and_counted_once_for_each_connection(
    listener: str, version: str, folder: Path, authority: trustme.CA
) -> None:
    terms = with_schema(VERSIONS[version], authority)
    async with running_listeners(NOWHERE, listen(folder, "tls", "legacy_tls")) as bound:
        for _ in range(2):
            async with connect_tls(bound[listener], terms) as client:
                for _ in range(2):
                    assert (await client.ask(UNKNOWN_PATH)).status == 404
        assert await counted(bound) == {(listener, version): 2}


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
async def test_an_old_version_needs_the_listener_for_it(
    version: str, folder: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_listeners(NOWHERE, listen(folder, "tls")) as bound:
        with pytest.raises(OSError):  # noqa: PT011 - a TLS alert, or the end before it has come through
            async with connect_tls(bound["tls"], with_schema(VERSIONS[version], authority)):
                pass
        assert await counted(bound) == {}
    assert {line.rpartition(": ")[0] for line in caplog.messages} == {HANDSHAKE_FAILED}


async def test_plain_connections_are_not_counted(folder: Path) -> None:
    async with running_listeners(NOWHERE, listen(folder, "tls", "legacy_tls")) as bound:
        assert (await ask(bound["address"], UNKNOWN_PATH)).status == 404
        assert await counted(bound) == {}


@pytest.mark.parametrize("listener", ["tls", "legacy_tls"])
async def test_an_answer_is_the_same_over_tls(listener: str, folder: Path, authority: trustme.CA) -> None:
    with closing(Store()) as store:
        async with (
            running_sandbox(store) as upstream,
            running_listeners(upstream, listen(folder, listener)) as bound,
            connect_tls(bound[listener], with_schema(ssl.TLSVersion.TLSv1_2, authority)) as client,
        ):
            over_tls, plain = await client.ask(REQUEST), await ask(bound["address"], REQUEST)
    assert over_tls.status == 200
    assert undated(over_tls) == undated(plain)


def undated(answer: Message) -> bytes:
    headers = tuple((name, value) for name, value in answer.headers if name != "Date")
    return Message(answer.start, headers, answer.body).encode()


async def test_http_1_1_is_what_application_protocols_come_down_to(
    folder: Path, authority: trustme.CA
) -> None:
    terms = with_schema(ssl.TLSVersion.TLSv1_3, authority)
    terms.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        running_listeners(NOWHERE, listen(folder, "tls")) as bound,
        connect_tls(bound["tls"], terms) as client,
    ):
        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


# Who cannot be served

NO_HANDSHAKES = {
    "plain HTTP": UNKNOWN_PATH,
    "half a TLS record": b"\x16\x03\x01\x02\x00\x01\x00",
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "nothing": b"",
}


@pytest.mark.parametrize("data", NO_HANDSHAKES.values(), ids=NO_HANDSHAKES)
async def test_what_is_no_handshake_does_no_harm(
    data: bytes, folder: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_listeners(NOWHERE, listen(folder, "tls")) as bound:
        async with connect(bound["tls"].port) as client:
            await client.send(data)
        async with connect_tls(bound["tls"], with_schema(ssl.TLSVersion.TLSv1_3, authority)) as client:
            assert (await client.ask(UNKNOWN_PATH)).status == 404
        assert await counted(bound) == {("tls", "TLSv1.3"): 1}
    assert {line.rpartition(": ")[0] for line in caplog.messages} == {HANDSHAKE_FAILED}


@pytest.mark.parametrize("listener", ["address", "metrics"])
async def test_a_handshake_where_there_is_no_tls_does_no_harm(
    listener: str, folder: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_listeners(NOWHERE, listen(folder)) as bound:
        with pytest.raises(ssl.SSLError):
            async with connect_tls(bound[listener], with_schema(ssl.TLSVersion.TLSv1_3, authority)):
                pass
        assert (await ask(bound["address"], UNKNOWN_PATH)).status == 404
    assert caplog.messages == []


@pytest.mark.parametrize("listener", ["tls", "legacy_tls"])
def test_a_handshake_may_take_ten_seconds(
    listener: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def wait() -> float:
        async with running_listeners(NOWHERE, listen(folder, listener)) as bound:
            begun = asyncio.get_running_loop().time()
            async with connect(bound[listener].port) as client:
                assert await client.reader.read() == b""
            return asyncio.get_running_loop().time() - begun

    assert 10 <= leap.run(wait()) < 20
    assert not [record for record in caplog.records if record.name != "proxy.server"]


# What is said about it


@pytest.mark.parametrize("names", [(), ("tls",), ("legacy_tls",), ("tls", "legacy_tls")])
async def test_only_old_versions_are_worth_a_warning(
    names: tuple[str, ...], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_listeners(NOWHERE, listen(folder, *names)) as bound:
        assert set(bound) == {"address", "metrics", *names}
        expected = [RISK.format(bound["legacy_tls"].port)] if "legacy_tls" in names else []
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == expected
    assert {record.name for record in caplog.records} <= {"proxy.server"}


async def test_metrics_are_all_that_the_metrics_listener_has(folder: Path) -> None:
    async with running_listeners(NOWHERE, listen(folder)) as bound:
        answer = await ask(bound["metrics"], b"GET /metrics?x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        for start in ("GET /", "GET /metrics/", f"GET {LIST}"):
            assert (
                await ask(bound["metrics"], f"{start} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            ).status == 404
        assert (await ask(bound["address"], b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404


async def test_each_proxy_counts_for_itself(folder: Path, authority: trustme.CA) -> None:
    written = listen(folder, "tls")
    async with running_listeners(NOWHERE, written) as one, running_listeners(NOWHERE, written) as other:
        async with connect_tls(one["tls"], with_schema(ssl.TLSVersion.TLSv1_2, authority)):
            pass
        assert await counted(one) == {("tls", "TLSv1.2"): 1}
        assert await counted(other) == {}


# Configuration


def load(folder: Path, text: str) -> config.Listen:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, {}).settings.listen


def test_an_address_alone_is_plain_http(tmp_path: Path) -> None:
    read = load(tmp_path, "listen: '[::1]:81'")
    assert (read.address, read.tls, read.legacy_tls, read.metrics) == (Address("::1", 81), None, None, None)
    assert (
        config.Listen()
        == load(tmp_path, "{}")
        == load(tmp_path, "listen: {}")
        == load(tmp_path, "listen: 127.0.0.1:8080")
    )


def test_files_are_looked_for_beside_the_configuration(folder: Path) -> None:
    read = load(
        folder,
        "listen:\n"
        "  address: null\n"
        "  tls: {address: ':443', certificate: both.pem}\n"
        f"  legacy_tls: {{address: ':444', certificate: chain.pem, key: {folder}/key.pem}}\n",
    )
    assert read.address is None
    assert read.tls is not None
    assert (read.tls.certificate, read.tls.key) == (str(folder / "both.pem"), None)
    assert read.legacy_tls is not None
    assert (read.legacy_tls.certificate, read.legacy_tls.key) == (f"{folder}/chain.pem", f"{folder}/key.pem")


NOT_PEM = "a certificate and its key, both as PEM and the key without a passphrase, are needed"
NO_LISTENER = "there is no listener: give an address, tls or legacy_tls"
MISTAKES = {
    "listen: {address: null}": [f"1:1: {NO_LISTENER}"],
    "listen: {address: null, metrics: ':1'}": [f"1:1: {NO_LISTENER}"],
    "listen: null": [f"1:1: {NO_LISTENER}"],
    "listen: 8080": ["1:1: write HOST:PORT, for example 127.0.0.1:8080"],
    "listen: {metrics: yonder}": ["1:10: write HOST:PORT, for example 127.0.0.1:8080"],
    "listen: {tls: chain.pem}": ["1:10: expected a mapping, with such keys as address, certificate, key"],
    "listen: {legcy_tls: {}}": [
        "1:10: the key 'address' is missing",
        "1:10: the key 'certificate' is missing",
        "1:10: unknown key 'legcy_tls'; did you mean 'legacy_tls'?",
    ],
    "listen:\n  tls:\n    certificat: chain.pem\n    key: absent.pem\n": [
        "2:3: the key 'address' is missing",
        "3:5: unknown key 'certificat'; did you mean 'certificate'?",
        "4:5: the file {folder}/absent.pem cannot be read: No such file or directory",
    ],
    "listen:\n  tls: {address: ':1', certificate: absent.pem}\n  legacy_tls: {address: 1, certificate: 5}": [
        "2:24: the file {folder}/absent.pem cannot be read: No such file or directory",
        "3:16: write HOST:PORT, for example 127.0.0.1:8080",
        "3:28: expected text: put it in quotes",
    ],
    "listen:\n  tls: {address: ':1', certificate: .}": [
        "2:24: the file {folder} cannot be read: Is a directory"
    ],
    "listen:\n  tls: {address: ':1', certificate: chain.pem, key: other.pem}": [
        "2:3: the key does not belong to the certificate"
    ],
    "listen:\n  legacy_tls: {address: ':1', certificate: chain.pem, key: other.pem}": [
        "2:3: the key does not belong to the certificate"
    ],
    "listen:\n  tls: {address: ':1', certificate: chain.pem}": [f"2:3: {NOT_PEM}"],
    "listen:\n  tls: {address: ':1', certificate: proxy.yaml, key: key.pem}": [f"2:3: {NOT_PEM}"],
}


@pytest.mark.parametrize(("text", "mistakes"), MISTAKES.items())
def test_a_mistake_is_named_with_its_place(text: str, mistakes: list[str], folder: Path) -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        load(folder, text)
    assert str(caught.value).splitlines() == [
        f"{folder}/proxy.yaml:{mistake}".format(folder=folder) for mistake in mistakes
    ]


# The command line, which runs on uvloop


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "proxy", *map(str, arguments)]


def test_check_finds_mistakes_too(folder: Path) -> None:
    file = folder / "mismatched.yaml"
    file.write_text(
        "listen: {tls: {address: ':1', certificate: chain.pem, key: other.pem}}", encoding="utf-8"
    )
    told = subprocess.run(command("check", file), capture_output=True, text=True, check=False)
    assert told.returncode == 78
    assert told.stderr == f"{file}:1:10: the key does not belong to the certificate\n"


@pytest.mark.parametrize("key", ["tls", "metrics"])
def test_a_taken_port_is_named(key: str, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        files = f"certificate: {folder}/chain.pem, key: {folder}/key.pem"
        value = f"127.0.0.1:{port}" if key == "metrics" else f"{{address: '127.0.0.1:{port}', {files}}}"
        file = folder / f"taken-{key}.yaml"
        file.write_text(f"listen:\n  address: 127.0.0.1:0\n  {key}: {value}\n", encoding="utf-8")
        told = subprocess.run(command("serve", "--config", file), capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@contextlib.contextmanager
def serving(file: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Serve `file`, and plain HTTP somewhere; yields the process and the four lines that it opens with."""
    arguments = command("serve", "--config", file, "--listen", "127.0.0.1:0")
    unbuffered = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=unbuffered
    ) as process:
        assert process.stdout is not None
        try:
            yield process, [process.stdout.readline() for _ in range(4)]
        finally:
            process.kill()


def test_the_program_does_all_this_without_a_traceback(folder: Path, authority: trustme.CA) -> None:
    file = folder / "all.yaml"
    written = listen(folder, "tls", "legacy_tls").replace("listen:", "listen:\n  address: null")
    file.write_text(written, encoding="utf-8")
    with serving(file) as (process, lines):
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", "".join(lines))]
        plain, tls, legacy, metrics = ports
        assert lines == [
            f"legacy API   http://127.0.0.1:{plain}/2008-08-01\n",
            f"legacy API   https://127.0.0.1:{tls}/2008-08-01\n",
            f"legacy API   https://127.0.0.1:{legacy}/2008-08-01 (TLS 1.0 and 1.1 too)\n",
            f"metrics      http://127.0.0.1:{metrics}/metrics\n",
        ]
        assert handshake(legacy, with_schema(ssl.TLSVersion.TLSv1, authority)) == "TLSv1"
        assert handshake(tls, with_schema(ssl.TLSVersion.TLSv1_2, authority)) == "TLSv1.2"
        for port, version in ((tls, ssl.TLSVersion.TLSv1), (plain, ssl.TLSVersion.TLSv1_3)):
            with pytest.raises(OSError):  # noqa: PT011 - see above
                handshake(port, with_schema(version, authority))
        for port in (tls, legacy):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(UNKNOWN_PATH)
        assert 'total{listener="legacy_tls",version="TLSv1"} 1.0' in read(
            metrics, b"GET /metrics HTTP/1.0\r\n\r\n"
        )
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 0
    messages = [re.sub(r"^\S+ [a-z]+ +[a-z]+: ", "", line) for line in told.splitlines()]
    assert messages[0] == RISK.format(legacy)
    assert any(line.startswith(HANDSHAKE_FAILED) for line in messages)
    assert "Traceback" not in told


def handshake(port: int, terms: ssl.SSLContext) -> str | None:
    """Return the version agreed upon, after a request over it."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        terms.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(UNKNOWN_PATH)
        assert client.recv(100).startswith(b"HTTP/1.1 404 ")
        return client.version()


def read(port: int, request: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as answer:
        client.sendall(request)
        return answer.read().decode()
