"""The way to an upstream as proxy.yaml says, with real servers: nginx with client certificates, tinyproxy."""

import asyncio
import gzip
import shutil
import signal
import socket
import subprocess
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from support import leap
from support.logs import logged
from support.processes import running
from support.proxied import AN_INSTANCE, BOBS, LISTED, Proxied, ok, one, proxied, shown
from support.running import running_proxy
from support.seed import ACCOUNT, LIST, UPSTREAM_LIST, basic
from support.streams import stream_server
from support.upstream_servers import running_nginx, running_tinyproxy, tunnels, write_certificates
from support.wire import Message, ScriptedUpstream, ask, read_message, scripted_upstream

from proxy.profile.calls import Call
from proxy.upstream.client import Client
from proxy.upstream.route import UpstreamRoute

MIB = 1024 * 1024


@asynccontextmanager
async def configured(base_url: str, configuration: str, **variables: str) -> AsyncIterator[Proxied]:
    """Run a proxy before an upstream; `configuration` begins with the other keys of `upstream`."""
    async with running_proxy(base_url, configuration, variables) as port:
        yield Proxied(port, ScriptedUpstream())


def names_of_clients(upstream: ScriptedUpstream) -> list[str]:
    """Return whose certificates nginx has seen, one for each request."""
    return [(each.header("X-Client") or "").partition(",")[0] for each in upstream.received]


# Certificates


@pytest.mark.parametrize("separate", [True, False], ids=["a key file", "one file"])
async def test_found_e8_a_client_certificate_and_an_own_authority(tmp_path: Path, separate: bool) -> None:
    write_certificates(tmp_path, "127.0.0.1")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    more = f", key: {key}"
    if not separate:
        certificate.write_text(certificate.read_text() + key.read_text(), encoding="utf-8")
        more = ""
    tls = f"  tls: {{ca: {tmp_path / 'ca.pem'}, certificate: {certificate}{more}}}\n"
    async with (
        scripted_upstream(LISTED, LISTED) as upstream,
        running_nginx(tmp_path, upstream.port, tls=True) as port,
        configured(f"https://127.0.0.1:{port}", tls) as client,
    ):
        for _ in range(2):
            assert shown(await client.ask()) == ["Bob"]
    assert names_of_clients(upstream) == ["CN=callerid-proxy"] * 2


async def test_found_e8_without_the_certificate_nothing_is_passed_on(tmp_path: Path) -> None:
    write_certificates(tmp_path, "127.0.0.1")
    async with (
        scripted_upstream(LISTED) as upstream,
        running_nginx(tmp_path, upstream.port, tls=True) as port,
    ):
        url = f"https://127.0.0.1:{port}"
        async with configured(url, f"  tls: {{ca: {tmp_path / 'ca.pem'}}}\n") as client:
            assert (await client.ask()).status in (400, 502)
        with logged() as records:
            async with configured(url, "") as client:
                assert (await client.ask()).status == 502
    assert upstream.received == []
    assert any(" tls: " in record.getMessage() for record in records)


async def test_found_e8_another_name_than_that_of_the_url(tmp_path: Path) -> None:
    write_certificates(tmp_path, "api.internal")
    names = {"": 502, ", server_name: api.internal": 200, ", server_name: other.internal": 502}
    files = (
        f"ca: {tmp_path / 'ca.pem'}, certificate: {tmp_path / 'client.pem'}, key: {tmp_path / 'client.key'}"
    )
    async with (
        scripted_upstream(LISTED) as upstream,
        running_nginx(tmp_path, upstream.port, tls=True) as port,
    ):
        for name, status in names.items():
            tls = f"  tls: {{{files}{name}}}\n"
            async with configured(f"https://127.0.0.1:{port}", tls) as client:
                assert (await client.ask()).status == status
    (received,) = upstream.received
    assert received.header("X-Server-Name") == "api.internal"
    assert received.header("Host") == f"127.0.0.1:{port}"


async def test_found_e8_accounts_have_certificates_of_their_own(tmp_path: Path) -> None:
    """Neither is shown for the other, at one origin and over connections that are kept."""
    authority = write_certificates(tmp_path, "127.0.0.1")
    own = authority.issue_cert("second@example.com", common_name="second")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "second.pem")
    first, second = "AC" + "1" * 32, "AC" + "2" * 32
    files = f"certificate: {tmp_path / 'client.pem'}, key: {tmp_path / 'client.key'}"
    upstream_of = "upstream: {{account: {sid}, password: '${{SECRET}}'{more}}}"
    other = f", tls: {{ca: {tmp_path / 'ca.pem'}, certificate: {tmp_path / 'second.pem'}}}"
    configuration = f"""\
  tls: {{ca: {tmp_path / "ca.pem"}, {files}}}
accounts:
  {first}: {{token: '${{SECRET}}', {upstream_of.format(sid=first, more="")}}}
  {second}: {{token: '${{SECRET}}', {upstream_of.format(sid=second, more=other)}}}
"""
    async with scripted_upstream() as upstream:
        upstream.otherwise = lambda _: ok(b'{"outgoing_caller_ids": [], "next_page_uri": null}')
        async with (
            running_nginx(tmp_path, upstream.port, tls=True) as port,
            running_proxy(f"https://127.0.0.1:{port}", configuration, {"SECRET": "s3cret"}) as serving,
        ):
            for sid in (first, second, first, second):
                head = (("Host", "x"), ("Authorization", basic(sid, "s3cret")))
                request = Message(f"GET {LIST.replace(ACCOUNT, sid)} HTTP/1.1", head)
                assert (await ask(serving, request.encode())).status == 200
    assert names_of_clients(upstream) == ["CN=callerid-proxy", "CN=second"] * 2


# Proxies


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("is_secret", [False, True])
async def test_found_e8_a_proxy(tmp_path: Path, tls: bool, is_secret: bool) -> None:
    write_certificates(tmp_path, "127.0.0.1")
    secret = tmp_path / "secret"
    secret.write_text("old:pass-word9\n", encoding="utf-8")
    files = (
        f"ca: {tmp_path / 'ca.pem'}, certificate: {tmp_path / 'client.pem'}, key: {tmp_path / 'client.key'}"
    )
    async with (
        scripted_upstream(LISTED, LISTED) as upstream,
        running_nginx(tmp_path, upstream.port, tls=tls) as port,
        running_tinyproxy(tmp_path, "old pass-word9" if is_secret else "") as proxy,
    ):
        way = f"  proxy: http://127.0.0.1:{proxy}\n"
        if is_secret:
            way = f"  proxy: {{url: 'http://127.0.0.1:{proxy}', credentials: {{file: {secret}}}}}\n"
        way += f"  tls: {{{files}}}\n" if tls else ""
        async with configured(f"http{'s' if tls else ''}://127.0.0.1:{port}", way) as client:
            for _ in range(2):
                assert shown(await client.ask()) == ["Bob"]
    assert tunnels(tmp_path) == [f"127.0.0.1:{port}"]
    assert all(each.header("Proxy-Authorization") is None for each in upstream.received)


async def test_found_e8_wrong_credentials_for_a_proxy(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old:wr0ng-word\n", encoding="utf-8")
    async with scripted_upstream(LISTED) as upstream, running_tinyproxy(tmp_path, "old right") as proxy:
        way = f"  proxy: {{url: 'http://127.0.0.1:{proxy}', credentials: {{file: {secret}}}}}\n"
        with logged() as records:
            async with configured(upstream.url, way) as client:
                assert (await client.ask()).status == 503
    assert upstream.received == []
    (line,) = [record.getMessage() for record in records if " connect: " in record.getMessage()]
    assert f"proxy 127.0.0.1:{proxy}" in line
    assert "proxy_status 40" in line  # 401 or 407, by the version of tinyproxy
    assert "wr0ng" not in line


async def test_found_e8_no_proxy_there_is_told(tmp_path: Path) -> None:
    async with scripted_upstream(LISTED) as upstream:
        with logged() as records:
            async with configured(upstream.url, "  proxy: http://127.0.0.1:1\n") as client:
                assert (await client.ask()).status == 503
    assert upstream.received == []
    assert any("proxy 127.0.0.1:1" in record.getMessage() for record in records)


# Unix sockets


@pytest.mark.parametrize("prefix", ["", "/", "/prefix", "/a/b"])
async def test_found_e8_a_unix_socket(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "api.sock"
    async with (
        scripted_upstream(LISTED, ok(one())) as upstream,
        running_nginx(tmp_path, upstream.port, path),
    ):
        base_url = f"http+unix://{path}{':' if prefix else ''}{prefix}"
        async with configured(base_url, "  resolve_every: 60\n") as client:
            assert shown(await client.ask()) == ["Bob"]
            assert (await client.ask("GET", AN_INSTANCE)).status == 200
    assert {each.header("Host") for each in upstream.received} == {"localhost"}
    assert upstream.received[0].target.startswith(f"{prefix.rstrip('/')}{UPSTREAM_LIST}.json")


async def test_found_e8_a_unix_socket_with_tls(tmp_path: Path) -> None:
    write_certificates(tmp_path, "api.internal")
    path = tmp_path / "api.sock"
    files = f"certificate: {tmp_path / 'client.pem'}, key: {tmp_path / 'client.key'}"
    tls = f"  tls: {{ca: {tmp_path / 'ca.pem'}, {files}, server_name: api.internal}}\n"
    async with (
        scripted_upstream(LISTED) as upstream,
        running_nginx(tmp_path, upstream.port, path, tls=True),
        configured(f"https+unix://{path}:/v2", tls) as client,
    ):
        assert shown(await client.ask()) == ["Bob"]
    assert names_of_clients(upstream) == ["CN=callerid-proxy"]
    assert upstream.received[0].target.startswith("/v2/")


async def test_found_e8_a_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    with logged() as records:
        async with configured(f"http+unix://{tmp_path}/none.sock:/v1", "  resolve_every: 60\n") as client:
            assert (await client.ask()).status == 503
    (line,) = [record.getMessage() for record in records if " connect: " in record.getMessage()]
    assert f"at {tmp_path}/none.sock: " in line
    assert f"socket {tmp_path}/none.sock" in line


# C11: compressed answers, large heads

PACKED = {
    "gzip": ("gzip", gzip.compress(BOBS)),
    "x-gzip": ("x-gzip", gzip.compress(BOBS)),
    "GZIP, identity": ("identity, GZIP", gzip.compress(BOBS)),
    "deflate": ("deflate", zlib.compress(BOBS)),
    "raw deflate": ("Deflate", zlib.compress(BOBS, wbits=-15)),
    "members": ("gzip", gzip.compress(BOBS[:20]) + gzip.compress(b"") + gzip.compress(BOBS[20:]) + bytes(8)),
    "not compressed at all": ("gzip", BOBS),
}


@pytest.mark.parametrize(("coding", "body"), PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("framing", ["length", "chunks", "byte by byte", "end"])
async def test_found_c11_a_compressed_answer_is_read(coding: str, body: bytes, framing: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\n".encode()
    chunk = 1 if framing == "byte by byte" else 50
    chunks = [body[start : start + chunk] for start in range(0, len(body), chunk)]
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"
    answer = {
        "length": head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        "end": head + b"Connection: close\r\n\r\n" + body,
    }.get(framing, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_message(reader):
            writer.write(answer)
            if framing == "end":
                return

    async with stream_server(serve) as port, configured(f"http://127.0.0.1:{port}", "") as client:
        for _ in range(2):
            assert shown(await client.ask()) == ["Bob"]


DAMAGED = {
    "cut": ("gzip", gzip.compress(BOBS)[:-5]),
    "cut at the beginning": ("gzip", gzip.compress(BOBS)[:1]),
    "cut deflate": ("deflate", zlib.compress(BOBS)[:-1]),
    "a wrong checksum": ("gzip", gzip.compress(BOBS)[:-8] + bytes(8)),
    "more behind it": ("gzip", gzip.compress(BOBS) + b"x"),
    "another coding": ("br", gzip.compress(BOBS)),
    "two codings": ("gzip, gzip", gzip.compress(gzip.compress(BOBS))),
    "no deflate": ("deflate", b"\xff" * 100),
    "endless members": ("gzip", gzip.compress(b"") * 1000),
}


@pytest.mark.parametrize(("coding", "body"), DAMAGED.values(), ids=DAMAGED)
async def test_found_c11_a_damaged_answer_is_a_502(coding: str, body: bytes) -> None:
    packed = ok(body, ("Content-Encoding", coding))
    with logged() as records:
        async with proxied(packed, packed) as between:
            assert (await between.ask()).status == 502
    (line,) = [record.getMessage() for record in records if "failed" in record.getMessage()]
    assert " encoding: " in line


async def test_found_c11_an_error_may_be_compressed_too() -> None:
    body = gzip.compress(b'{"code": 20404, "message": "No such number", "status": 404}')
    gone = ok(body, ("Content-Encoding", "gzip")).replace(b" 200 ", b" 404 ")
    async with proxied(gone) as between:
        assert (await between.ask("GET", AN_INSTANCE)).status == 404


def test_found_c11_what_is_cut_is_requested_once_more() -> None:
    async def ask() -> None:
        cut = ok(gzip.compress(BOBS)[:-5], ("Content-Encoding", "gzip"))
        async with proxied(cut, LISTED) as between:
            assert shown(await between.ask()) == ["Bob"]
            assert between.upstream.hits() == 2

    leap.run(ask())


@pytest.mark.parametrize("size", [8 * MIB, 8 * MIB + 1])
async def test_found_c11_the_limit_is_that_of_the_inflated_body(size: int) -> None:
    body = gzip.compress(BOBS + b" " * (size - len(BOBS)))
    async with proxied(ok(body, ("Content-Encoding", "gzip"))) as between:
        answer = await between.ask()
    assert answer.status == (200 if size == 8 * MIB else 502)


async def test_found_c11_inflated_bytes_have_the_budget_of_all_answers() -> None:
    body = gzip.compress(b"x" * (3 * MIB))
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_message(reader):
            writer.write(packed)

    async with stream_server(serve) as port, Client() as client:
        client.held.limit = 4 * MIB
        assert len((await client.send(Call("GET", f"http://127.0.0.1:{port}"))).body) == 3 * MIB
        client.held.limit = 2 * MIB
        with pytest.raises(Exception, match="capacity"):
            await client.send(Call("GET", f"http://127.0.0.1:{port}"))
        assert client.held.taken == 0


async def test_found_c11_a_server_that_always_compresses(tmp_path: Path) -> None:
    """With nginx's `gzip_static always`, whatever a request accepts."""
    folder = tmp_path / "packed"
    folder.mkdir()
    (folder / "list.json.gz").write_bytes(gzip.compress(BOBS))
    async with running_nginx(tmp_path, 1) as port, Client() as client:
        reply = await client.send(Call("GET", f"http://127.0.0.1:{port}/packed/list.json"))
    assert (reply.status, reply.body) == (200, BOBS)
    assert "content-encoding" not in reply.headers


@pytest.mark.parametrize("lines", [1, 4])
@pytest.mark.parametrize(("size", "is_read"), [(9 * 1024, True), (32 * 1024, True), (40 * 1024, False)])
async def test_found_c11_heads_of_32_kib(size: int, is_read: bool, lines: int) -> None:
    bare = len(ok(BOBS)) - len(BOBS)
    length = (size - bare - lines * len("X-1: \r\n")) // lines
    answer = ok(BOBS, *[(f"X-{number}", "x" * length) for number in range(lines)])
    async with proxied(answer, answer) as between:
        assert (await between.ask()).status == (200 if is_read else 502)


# C18: a 204 ends with its head

ENDINGS = {
    "chunked": (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked, and nothing": (b"Transfer-Encoding: chunked\r\n", b""),
    "a length": (b"Content-Length: 2\r\n", b"{}"),
    "a length, and nothing": (b"Content-Length: 2\r\n", b""),
    "a length of zero": (b"Content-Length: 0\r\n", b""),
    "a length and chunks": (b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunks and a length": (b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", b"0\r\n\r\n"),
    "two lengths": (b"Content-Length: 2\r\nContent-Length: 3\r\n", b""),
    "no length": (b"Content-Length: none\r\nX: y\r\n", b"{}"),
    "neither": (b"", b""),
    "compressed": (b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
}


@pytest.mark.parametrize(("header", "rest"), ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("when", ["at once", "later", "with the next request"])
async def test_found_c18_a_204_ends_with_its_head(header: bytes, rest: bytes, when: str) -> None:
    """Each DELETE is sent once, and what comes behind a 204 is not taken for the next answer."""
    received: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        late = b""
        while request := await read_message(reader):
            received.append(request.start)
            writer.write(late)
            writer.write(
                b"HTTP/1.1 204 No Content\r\n%b\r\n%b" % (header, rest if when == "at once" else b"")
            )
            if when == "later":
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.write(rest)
            late = rest if when == "with the next request" else b""

    async with stream_server(serve) as port, configured(f"http://127.0.0.1:{port}", "") as client:
        for number in range(1, 4):
            assert (await client.ask("DELETE", AN_INSTANCE)).status == 204
            assert len(received) == number


# C19: the address of an upstream changes


@pytest.mark.parametrize(("resolve_every", "connections"), [(None, 3), (30, 5), (0, 13), (600, 1)])
def test_found_c19_a_connection_has_an_age(resolve_every: int | None, connections: int) -> None:
    """With a request each eleven seconds, which keeps it from being idle for long."""

    async def ask() -> None:
        async with scripted_upstream() as upstream:
            upstream.otherwise = lambda _: LISTED
            route, name = UpstreamRoute(max_age=resolve_every or 0), "" if resolve_every is None else "way"
            async with Client({"way": route}) as client:
                begun = asyncio.get_running_loop().time()
                for number in range(13):
                    await asyncio.sleep(max(0, begun + 11 * number - asyncio.get_running_loop().time()))
                    await client.send(Call("GET", upstream.url, route=name))
            assert upstream.accepted == connections

    leap.run(ask())


INSIDE = ("unshare", "--mount", "sh", "-c")


def has_namespaces() -> bool:
    """Whether this user may give a process a file system of its own; most containers forbid it."""
    if not shutil.which("unshare"):
        return False
    done = subprocess.run([*INSIDE, "mount --bind /etc/hosts /etc/hosts"], check=False, timeout=20)
    return done.returncode == 0


@pytest.mark.skipif(not has_namespaces(), reason="process namespaces are not permitted")
async def test_found_c19_another_address_is_found_under_steady_traffic(tmp_path: Path) -> None:
    hosts, file = tmp_path / "hosts", tmp_path / "proxy.yaml"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.2 upstream.test\n", encoding="utf-8")
    first = socket.create_server(("127.0.0.2", 0))
    port = first.getsockname()[1]
    second = socket.create_server(("127.0.0.3", port))
    file.write_text(
        "listen: {address: 127.0.0.1:0, drain: 0}\nsnapshots: {fresh: 0}\n"
        f"upstream: {{base_url: 'http://upstream.test:{port}', resolve_every: 1}}\n",
        encoding="utf-8",
    )
    inside = (*INSIDE, f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh")
    async with scripted_upstream(on=first) as old, scripted_upstream(on=second) as new:
        old.otherwise = new.otherwise = lambda _: LISTED
        with running("serve", "--config", file, inside=inside) as server:
            own = await asyncio.to_thread(server.until, r"legacy API +http://127\.0\.0\.1:(\d+)/.*")
            client = Proxied(int(own), old)
            assert shown(await client.ask()) == ["Bob"]
            hosts.write_text("127.0.0.1 localhost\n127.0.0.3 upstream.test\n", encoding="utf-8")
            async with asyncio.timeout(20):
                while not new.received:
                    assert shown(await client.ask()) == ["Bob"]
                    await asyncio.sleep(0.05)
            before = len(old.received)
            for _ in range(5):
                assert shown(await client.ask()) == ["Bob"]
            assert len(old.received) == before
            assert await asyncio.to_thread(server.stop) == 0


# Files that change


def test_found_e8_a_reload_reads_the_files_again(tmp_path: Path) -> None:
    """With the wrong authority nothing is trusted; after SIGHUP the right one is."""
    write_certificates(tmp_path, "127.0.0.1")
    good = (tmp_path / "ca.pem").read_bytes()
    trusted, file = tmp_path / "trusted.pem", tmp_path / "proxy.yaml"
    trustme.CA().cert_pem.write_to_path(trusted)
    files = f"certificate: {tmp_path / 'client.pem'}, key: {tmp_path / 'client.key'}"

    async def ask() -> None:
        async with (
            scripted_upstream(LISTED) as upstream,
            running_nginx(tmp_path, upstream.port, tls=True) as port,
        ):
            file.write_text(
                "listen: {address: 127.0.0.1:0, drain: 0}\nsnapshots: {fresh: 0}\n"
                f"upstream: {{base_url: 'https://127.0.0.1:{port}', tls: {{ca: {trusted}, {files}}}}}\n",
                encoding="utf-8",
            )
            with running("serve", "--config", file, shows_log=True) as server:
                own = await asyncio.to_thread(server.until, r"legacy API +http://127\.0\.0\.1:(\d+)/.*")
                client = Proxied(int(own), upstream)
                assert (await client.ask()).status == 502
                trusted.write_bytes(good)
                server.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(server.until, r".*(the configuration has been reloaded)")
                assert shown(await client.ask()) == ["Bob"]
                assert await asyncio.to_thread(server.stop) == 0

    asyncio.run(ask())
