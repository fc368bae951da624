"""`serve` with legacy.forward: memory, SIGTERM, SIGHUP, several workers, TLS to clients."""

import asyncio
import hashlib
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from support.old_api import HERE, OldApi, digest_of, recording, running_old_api
from support.processes import Running, processes_of, running, workers_of
from support.seed import basic
from support.wire import RawClient, connect, scripted_upstream

PORT = r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01"
TLS_PORT = r"legacy API +https://127\.0\.0\.1:(\d+)/2008-08-01.*"
SIZE = 100_000_000
LESS = 40_000_000  # more than the kernel buffers
STEP = 1 << 20
MOST = 32 * 1024  # KiB more than before, for two bodies at a time


def request(method: str, target: str, *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: {basic()}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def get(size: int) -> bytes:
    return request("GET", f"{HERE}/Recordings/x?bytes={size}")


def written(to: str, listen: str = "address: 127.0.0.1:0, drain: 0", more: str = "") -> str:
    forward = f"legacy: {{forward: {{to: '{to}', credentials: true}}}}\n"
    return f"listen: {{{listen}}}\nupstream: {{base_url: 'http://127.0.0.1:1'}}\n{forward}{more}"


@contextmanager
def served(folder: Path, text: str, *options: str, port: str = PORT) -> Iterator[tuple[Running, int]]:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    with running("serve", "--config", file, *options, shows_log=True) as server:
        yield server, int(server.until(port))


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


async def upload(client: RawClient, size: int, *, is_chunked: bool = False) -> bytes:
    """Send so many bytes of the recording; return the answer's body."""
    kind = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    await client.send(request("PUT", f"{HERE}/Recordings/x", kind))
    for at in range(0, size, STEP):
        piece = recording(at, min(STEP, size - at))
        await client.send(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
    if is_chunked:
        await client.send(b"0\r\n\r\n")
    answer = await client.receive(within=50)
    assert answer
    return answer.body


async def download(client: RawClient, size: int) -> str:
    """Read so many bytes; return their digest."""
    digest, left = hashlib.sha256(), size
    while left:
        piece = await client.reader.read(min(STEP, left))
        assert piece
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_bodies_of_100_mb_in_bounded_memory(tmp_path: Path, is_chunked: bool) -> None:
    async with running_old_api() as (_, url):
        with served(tmp_path, written(url)) as (server, port):
            async with connect(port) as up, connect(port) as down:
                await down.send(request("GET", f"{HERE}/Calls"))
                assert await down.receive()
                before = peak(server.process.pid)
                target = get(SIZE).replace(b" HTTP", b"&chunked HTTP") if is_chunked else get(SIZE)
                await down.send(target)
                answer = await down.receive(body=False)
                assert answer
                uploaded = asyncio.create_task(upload(up, SIZE, is_chunked=is_chunked))
                if is_chunked:
                    digest, left = hashlib.sha256(), SIZE
                    while left:
                        size = int(await down.reader.readline(), 16)
                        digest.update(await down.reader.readexactly(size))
                        await down.reader.readexactly(2)
                        left -= size
                    assert digest.hexdigest() == digest_of(SIZE)
                else:
                    assert await download(down, SIZE) == digest_of(SIZE)
                assert digest_of(SIZE).encode() in await uploaded
                assert peak(server.process.pid) - before < MOST


async def until_steady(api: OldApi) -> int:
    """Wait until a recording goes no further; return how many bytes of it were sent."""
    before = -1
    while api.sent != before:
        before = api.sent
        await asyncio.sleep(0.3)
    return before


async def test_slow_sides_take_bounded_memory(tmp_path: Path) -> None:
    async with running_old_api() as (api, url):
        api.reads.clear()
        with served(tmp_path, written(url)) as (server, port):
            async with connect(port) as up, connect(port) as down:
                before = peak(server.process.pid)
                await down.send(get(SIZE))
                uploading = asyncio.create_task(upload(up, SIZE))
                async with asyncio.timeout(30):
                    sent = await until_steady(api)
                assert sent < SIZE // 2
                assert not uploading.done()
                assert peak(server.process.pid) - before < MOST
                uploading.cancel()
                with suppress(asyncio.CancelledError):
                    await uploading
                for client in (up, down):  # else what is still to be sent would be waited for
                    client.writer.transport.abort()


async def test_a_stream_finishes_after_sigterm(tmp_path: Path) -> None:
    async with running_old_api() as (_, url):
        with served(tmp_path, written(url)) as (server, port):
            async with connect(port) as client, connect(port) as idle:
                await client.send(get(LESS))
                answer = await client.receive(body=False)
                assert answer
                server.process.send_signal(signal.SIGTERM)
                assert await idle.is_closed(within=20)
                assert await download(client, LESS) == digest_of(LESS)
                assert await client.is_closed(within=10)
            assert await asyncio.to_thread(server.process.wait, 20) == 0


async def test_a_reload_takes_another_target(tmp_path: Path) -> None:
    taken = r"(the configuration has been reloaded)"
    file = tmp_path / "proxy.yaml"
    other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"
    async with running_old_api() as (_, url), scripted_upstream(other, other) as target:
        with served(tmp_path, written(url)) as (server, port):
            async with connect(port) as stream, connect(port) as client:
                await stream.send(get(LESS))
                assert await stream.receive(body=False)
                for text, expected in (
                    (written(target.url), (200, b"other")),
                    (written(target.url).replace("legacy: ", "numbers: {}\n# "), (404, None)),
                    (written(target.url, more="log: {level: warning}\n"), None),
                    (written(target.url), (200, b"other")),
                ):
                    file.write_text(text, encoding="utf-8")
                    server.process.send_signal(signal.SIGHUP)
                    if expected is None:  # its line of the log is left out
                        continue
                    await asyncio.to_thread(server.until, taken)
                    answer = await client.ask(request("GET", f"{HERE}/Calls"))
                    assert answer.status == expected[0]
                    assert expected[1] in (None, answer.body)
                # What was handed on before comes from the target before
                assert await download(stream, LESS) == digest_of(LESS)


async def test_every_worker_forwards(tmp_path: Path) -> None:
    async with running_old_api() as (api, url):
        with served(tmp_path, written(url), "--workers", "2") as (server, port):
            workers_of(server, 2)
            for number in range(1, 21):
                async with connect(port) as client:
                    answer = await client.ask(request("GET", f"{HERE}/Calls", "Connection: close"))
                    assert answer.status == 200
                    assert len(api.received) == number
            assert len(processes_of(server)) == 3


@pytest.mark.parametrize("listener", ["tls", "legacy_tls"])
async def test_clients_with_tls(tmp_path: Path, listener: str) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    client_tls = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    if listener == "legacy_tls":
        client_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    listen = f"address: null, {listener}: {{address: '127.0.0.1:0', certificate: server.pem}}, drain: 0"
    async with running_old_api() as (_, url):
        with served(tmp_path, written(url, listen), port=TLS_PORT) as (server, port):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client_tls, server_hostname="localhost"
            )
            client = RawClient(reader, writer)
            await client.send(request("GET", f"{HERE}/Calls"))
            assert await client.receive()
            before = peak(server.process.pid)
            await client.send(get(LESS))
            assert await client.receive(body=False)
            await asyncio.sleep(1)  # in which it is not read
            assert await download(client, LESS) == digest_of(LESS)
            assert digest_of(LESS).encode() in await upload(client, LESS)
            assert peak(server.process.pid) - before < MOST
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
