"""`serve` at SIGHUP: what a new configuration changes, and what it must not."""

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from support.code_on_phone import passing_credentials_on
from support.processes import Running, running, workers_of
from support.running import running_sandbox
from support.seed import ACCOUNT, BOB, LIST, TOKEN, basic
from support.wire import Answer, Message, RawClient, ask, connect, json_answer, scripted_upstream

from bench.processes import free_port
from proxy.sandbox import Store

PORT = r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01"
OTHERS = [f"AC{number:032}" for number in range(4)]
TAKEN_UP = r"(the configuration has been reloaded)"
REFUSED = r"(reload failed; the previous configuration stays active)"


@dataclass(frozen=True)
class Served:
    """A proxy and its proxy.yaml."""

    server: Running
    port: int
    file: Path

    def reload(self, text: str, told: str = TAKEN_UP) -> None:
        """Write another configuration and wait for the log line `told`."""
        self.file.write_text(text, encoding="utf-8")
        self.server.process.send_signal(signal.SIGHUP)
        self.server.until(told)


@contextmanager
def served(folder: Path, text: str, *options: str) -> Iterator[Served]:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    with running("serve", "--config", file, *options, shows_log=True) as server:
        yield Served(server, int(server.until(PORT)), file)


@asynccontextmanager
async def sandbox() -> AsyncIterator[str]:
    with closing(Store()) as store:
        async with running_sandbox(store) as url:
            yield url


def configuration(folder: Path, upstream: str, *accounts: str, more: str = "") -> str:
    """Write a proxy.yaml that knows these legacy accounts, all of them the seed's upstream."""
    token = folder / "token"
    token.write_text(TOKEN, encoding="utf-8")
    upstreams = f"{{account: {ACCOUNT}, password: {{file: {token}}}}}"
    entries = "".join(f"  {each}: {{token: {{file: {token}}}, upstream: {upstreams}}}\n" for each in accounts)
    listen = "listen: {address: 127.0.0.1:0, drain: 0}\n"
    return f"{listen}upstream: {{base_url: '{upstream}'}}\naccounts:\n{entries}{more}"


def get(account: str, token: str = TOKEN) -> bytes:
    target = f"/2008-08-01/Accounts/{account}/OutgoingCallerIds"
    return Message(
        f"GET {target} HTTP/1.1", (("Host", "x"), ("Authorization", basic(account, token)))
    ).encode()


async def until(status: int, client: RawClient, account: str) -> None:
    """Ask until the worker has the new configuration."""
    async with asyncio.timeout(20):
        while (await client.ask(get(account))).status != status:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2])
async def test_accounts_are_added_and_removed(tmp_path: Path, workers: int) -> None:
    async with sandbox() as upstream, AsyncExitStack() as stack:
        first, *others = OTHERS
        written = configuration(tmp_path, upstream, ACCOUNT, first)
        with served(tmp_path, written, "--workers", str(workers)) as proxy:
            kept = [await stack.enter_async_context(connect(proxy.port)) for _ in range(4)]
            before = first
            for other in others:
                assert [(await each.ask(get(before))).status for each in kept] == [200] * 4
                proxy.reload(configuration(tmp_path, upstream, ACCOUNT, other))
                for each in kept:  # connections survive; logins on them are checked anew
                    await until(401, each, before)
                    assert [(await each.ask(get(sid))).status for sid in (other, ACCOUNT)] == [200, 200]
                before = other
            assert proxy.server.stop() == 0


async def test_a_replaced_worker_starts_with_the_last_configuration(tmp_path: Path) -> None:
    async with sandbox() as upstream:
        before, after = (configuration(tmp_path, upstream, ACCOUNT, other) for other in OTHERS[:2])
        with served(tmp_path, before, "--workers", "2") as proxy:
            pids = workers_of(proxy.server, 2)
            proxy.reload(after)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            workers_of(proxy.server, 2, pids)
            for _ in range(4):
                assert (await ask(proxy.port, get(OTHERS[1]))).status == 200
                assert (await ask(proxy.port, get(OTHERS[0]))).status == 401


WRONG: Mapping[str, str] = {
    "listen: 8080\nx: 1\n": r".*proxy\.yaml:2:1: (unknown key 'x')",
    "accounts: [": r".*proxy\.yaml:1:12: (is not valid YAML): .*",
    "upstream: {profile: nobodys}": r".*proxy\.yaml:1:12: (there is no profile 'nobodys').*",
    "": r".*proxy\.yaml: (is empty or has lost its accounts): it may not be written to its end yet",
    "listen: 127.0.0.1:8080\naccounts:\n": r".*proxy\.yaml: (is empty or has lost its accounts): .*",
    "legacy:\n  timezone: ${NOT_SET}": r".*proxy\.yaml:2:13: (.*NOT_SET.*)",
}


@pytest.mark.parametrize("workers", [1, 2])
async def test_input_39_a_refused_configuration_leaves_the_previous_one_active(
    tmp_path: Path, workers: int
) -> None:
    async with sandbox() as upstream:
        good = configuration(tmp_path, upstream, ACCOUNT)
        with served(tmp_path, good, "--workers", str(workers)) as proxy:
            async with connect(proxy.port) as kept:
                for wrong, told in WRONG.items():
                    proxy.reload(wrong, told)
                    proxy.server.until(REFUSED)
                    assert (await kept.ask(get(ACCOUNT))).status == 200
                    assert (await ask(proxy.port, get(ACCOUNT))).status == 200
                proxy.file.unlink()
                proxy.server.process.send_signal(signal.SIGHUP)
                proxy.server.until(r".*proxy\.yaml: (cannot be read).*")
                proxy.server.until(REFUSED)
                assert (await kept.ask(get(ACCOUNT))).status == 200
                proxy.reload(good)
                assert (await kept.ask(get(ACCOUNT))).status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_before_listening_takes_effect_then(tmp_path: Path, workers: int) -> None:
    file, following = tmp_path / "proxy.yaml", tmp_path / "following.yaml"
    following.write_text("listen: 127.0.0.1:0\n", encoding="utf-8")
    os.mkfifo(file)
    with running("serve", "--config", file, "--workers", str(workers), shows_log=True) as server:
        with file.open("w", encoding="utf-8") as written:  # which is being read at that time
            following.replace(file)
            server.process.send_signal(signal.SIGHUP)
            written.write("listen: 127.0.0.1:0\n")
        server.until(TAKEN_UP)
        assert server.stop() == 0


def test_a_conflict_with_the_options_is_refused(tmp_path: Path) -> None:
    before = configuration(tmp_path, "https://unused.example")
    profile = passing_credentials_on(tmp_path)
    spoken = before.replace("{base_url", f"{{profile: {profile}, validation: code_on_phone, base_url")
    with served(tmp_path, before, "--workers", "2") as proxy:
        proxy.reload(spoken, ".*(--workers must be 1)")
        proxy.server.until(REFUSED)


async def test_requests_in_flight_keep_their_upstream(tmp_path: Path) -> None:
    item = b'{"sid": "%b", "phone_number": "+14155551212", "friendly_name": "%b"}'
    async with (
        scripted_upstream(json_answer(200, item % (BOB.encode(), b"Before"))) as before,
        scripted_upstream(json_answer(200, item % (BOB.encode(), b"After"))) as after,
    ):
        before.released.clear()
        with served(tmp_path, configuration(tmp_path, before.url, ACCOUNT)) as proxy:
            async with connect(proxy.port) as first, connect(proxy.port) as second:
                fetch = get(ACCOUNT).replace(b"OutgoingCallerIds", f"OutgoingCallerIds/{BOB}".encode())
                await first.send(fetch)
                await before.is_asked(1)
                proxy.reload(configuration(tmp_path, after.url, ACCOUNT))
                assert b"After" in (await second.ask(fetch)).body
                before.released.set()
                answer = await first.receive()
                assert answer
                assert b"Before" in answer.body


async def test_a_write_across_a_reload_invalidates_the_new_cache(tmp_path: Path) -> None:
    written = asyncio.Event()
    old, new = (
        b'{"sid": "%b", "phone_number": "+14155551212", "friendly_name": "%b"}' % (BOB.encode(), name)
        for name in (b"Old", b"New")
    )

    def answer(request: Message) -> Answer:
        if request.start.startswith("POST"):
            return [written, json_answer(200, new).encode()]
        page = b'{"outgoing_caller_ids": [%b], "next_page_uri": null}' % (new if written.is_set() else old)
        return json_answer(200, page).encode()

    async with scripted_upstream() as upstream:
        upstream.otherwise = answer
        text = configuration(tmp_path, upstream.url, ACCOUNT, more="snapshots: {fresh: 3600}\n")
        with served(tmp_path, text) as proxy:
            async with connect(proxy.port) as first, connect(proxy.port) as second:
                headers = (("Host", "x"), ("Authorization", basic()))
                await first.send(Message(f"PUT {LIST}/{BOB} HTTP/1.1", headers, b"FriendlyName=New").encode())
                await upstream.is_asked(1)
                proxy.reload(text + "legacy: {page_uris: true}\n")
                assert b"Old" in (await second.ask(get(ACCOUNT))).body
                written.set()
                done = await first.receive()
                assert done
                assert done.status == 200
                assert b"New" in (await second.ask(get(ACCOUNT))).body
                asked = len(upstream.received)
                assert b"New" in (await second.ask(get(ACCOUNT))).body
                assert len(upstream.received) == asked  # and it is cached


async def test_limits_and_the_share_of_a_host_are_followed(tmp_path: Path) -> None:
    """Redis does not answer: a host allows its share, which is another one with more replicas."""
    placed = json_answer(200, b'{"validation_code": "123456", "phone_number": "+14158675309"}').encode()
    async with scripted_upstream() as upstream:
        upstream.otherwise = lambda _: placed
        base, redis = configuration(tmp_path, upstream.url, ACCOUNT), f"redis://127.0.0.1:{free_port()}"

        def limited(limit: str, replicas: int) -> str:
            snapshots = f"snapshots: {{fresh: 0, replicas: {replicas}, redis: '{redis}'}}\n"
            return f"{base}{snapshots}validation: {{limits: {{per_number: {limit}}}}}\n"

        with served(tmp_path, limited("{calls: 6, within: 600}", 2), "--workers", "2") as proxy:
            workers_of(proxy.server, 2)
            headers = (("Host", "x"), ("Authorization", basic()), ("Connection", "close"))

            async def statuses(number: str, times: int) -> list[int]:
                message = Message(f"POST {LIST} HTTP/1.1", headers, f"PhoneNumber={number}".encode())
                return [(await ask(proxy.port, message.encode())).status for _ in range(times)]

            assert await statuses("2125550001", 4) == [200] * 3 + [429]
            proxy.reload(limited("{calls: 6, within: 600}", 3))
            await asyncio.sleep(1)  # each worker reloads for itself
            assert await statuses("2125550002", 3) == [200] * 2 + [429]
            proxy.reload(limited("off", 3))
            await asyncio.sleep(1)
            assert await statuses("2125550002", 3) == [200] * 3


async def test_a_pending_validation_survives_a_reload(tmp_path: Path) -> None:
    started = json_answer(200, b'{"phone_number": "+14155551212", "verification_method": "call"}')
    verified = json_answer(200, b'{"data": {"phone_number": "+14155551212"}}')

    async def bring(client: RawClient) -> int:
        form = b"PhoneNumber=(415)+555-1212&Code=012345"
        return (
            await client.ask(Message("POST /caller-id-code HTTP/1.1", (("Host", "x"),), form).encode())
        ).status

    async with scripted_upstream(started, started, verified) as upstream, scripted_upstream() as another:
        sid_key = f"legacy: {{sid_key: {{file: {tmp_path / 'token'}}}}}\n"
        spoken = (
            configuration(tmp_path, upstream.url, ACCOUNT, more=sid_key)
            .replace("{base_url", "{profile: telnyx, validation: code_on_phone, base_url")
            .replace(f"account: {ACCOUNT}, ", "")
        )
        with served(tmp_path, spoken) as proxy:
            async with connect(proxy.port) as client:
                headers = (("Host", "x"), ("Authorization", basic()))
                call = Message(f"POST {LIST} HTTP/1.1", headers, b"PhoneNumber=4155551212").encode()
                assert (await client.ask(call)).status == 200
                # Codes for an upstream that is no longer configured are refused
                proxy.reload(spoken.replace(upstream.url, another.url))
                assert await bring(client) == 400
                proxy.reload(spoken)
                assert await bring(client) == 200
        assert not another.received


async def test_found_f9_a_removed_account_has_no_pending_calls(tmp_path: Path) -> None:
    started = json_answer(200, b'{"phone_number": "+14155551212", "verification_method": "call"}')
    form = b"PhoneNumber=(415)+555-1212&Code=012345"
    bring = Message("POST /caller-id-code HTTP/1.1", (("Host", "x"),), form).encode()
    async with scripted_upstream(started) as upstream:

        def serving(*accounts: str) -> str:
            sid_key = f"legacy: {{sid_key: {{file: {tmp_path / 'token'}}}}}\n"
            text = configuration(tmp_path, upstream.url, *accounts, more=sid_key)
            return text.replace("{base_url", "{profile: telnyx, validation: code_on_phone, base_url")

        with served(tmp_path, serving(ACCOUNT, OTHERS[0])) as proxy:
            async with connect(proxy.port) as client:
                headers = (("Host", "x"), ("Authorization", basic()))
                call = Message(f"POST {LIST} HTTP/1.1", headers, b"PhoneNumber=4155551212").encode()
                assert (await client.ask(call)).status == 200
                proxy.reload(serving(OTHERS[0]))
                assert (await client.ask(bring)).status == 400
        assert len(upstream.received) == 1


def listening_with(folder: Path, authority: trustme.CA) -> str:
    """Make a new certificate for the same file; return a proxy.yaml that names it."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    tls = f"{{address: '127.0.0.1:0', certificate: {folder / 'both.pem'}}}"
    return f"listen: {{address: 127.0.0.1:0, drain: 0, tls: {tls}}}\n"


async def serial_number(port: int, terms: ssl.SSLContext) -> object:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=terms)
    number = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return number


async def test_certificates_are_reloaded(tmp_path: Path) -> None:
    authority, terms = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(terms)
    file = tmp_path / "proxy.yaml"
    file.write_text(listening_with(tmp_path, authority), encoding="utf-8")
    with running("serve", "--config", file, shows_log=True) as server:
        port = int(server.until(r"legacy API +https://127\.0\.0\.1:(\d+)/2008-08-01"))
        proxy = Served(server, port, file)
        seen = [await serial_number(port, terms)]
        for _ in range(2):
            proxy.reload(listening_with(tmp_path, authority))
            seen.append(await serial_number(port, terms))
        assert len({*seen}) == 3
        (tmp_path / "both.pem").write_text("spoilt", encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        server.until(REFUSED)
        assert await serial_number(port, terms) == seen[-1]


async def test_a_replaced_worker_has_the_current_certificate(tmp_path: Path) -> None:
    authority, terms = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(terms)
    file = tmp_path / "proxy.yaml"
    file.write_text(listening_with(tmp_path, authority), encoding="utf-8")
    with running("serve", "--config", file, "--workers", "2", shows_log=True) as server:
        port = int(server.until(r"legacy API +https://127\.0\.0\.1:(\d+)/2008-08-01"))
        before, pids = await serial_number(port, terms), workers_of(server, 2)
        (tmp_path / "both.pem").write_text("spoilt", encoding="utf-8")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        workers_of(server, 2, pids)
        assert await asyncio.wait_for(serial_number(port, terms), 10) == before


async def test_listen_addresses_need_a_restart_and_a_warning_says_so(tmp_path: Path) -> None:
    async with sandbox() as upstream:
        before = configuration(tmp_path, upstream, ACCOUNT)
        after = configuration(tmp_path, upstream, OTHERS[0])
        certificate = listening_with(tmp_path, trustme.CA()).replace(
            "127.0.0.1:0, drain", "127.0.0.1:1, drain"
        )
        after = certificate.replace("drain: 0", "metrics: 127.0.0.1:2") + after.partition("\n")[2]
        after += "snapshots: {replicas: 2, redis: redis://127.0.0.1:1}\n"
        with served(tmp_path, before, "--workers", "2") as proxy:
            later = r"({}) has changed, which takes a restart to become active"
            bound = ("listen.address", "listen.tls.address", "listen.metrics", "snapshots.redis")
            proxy.reload(after, later.format(bound[0]))
            for key in bound[1:]:
                proxy.server.until(later.format(key))
            os.kill(
                workers_of(proxy.server, 2)[0], signal.SIGKILL
            )  # the next certificate has to match the key
            async with connect(proxy.port) as client:
                await until(200, client, OTHERS[0])
            for _ in range(4):
                assert (await ask(proxy.port, get(OTHERS[0]))).status == 200


@pytest.mark.parametrize("workers", [1, 2])
async def test_reloads_interrupt_no_request(tmp_path: Path, workers: int, full: bool) -> None:
    reloads, clients = (50, 32) if full else (9, 8)
    done = asyncio.Event()

    async def asks_on(port: int) -> int:
        times = 0
        async with connect(port) as client:
            while not done.is_set():
                answer = await client.ask(get(ACCOUNT))
                assert (answer.status, answer.header("Connection")) == (200, None)
                times += 1
        return times

    async with sandbox() as upstream:
        good = [
            configuration(tmp_path, upstream, ACCOUNT, each, more="snapshots: {fresh: 1}\n")
            for each in OTHERS
        ]
        with served(tmp_path, good[0], "--workers", str(workers)) as proxy:
            asking = [asyncio.create_task(asks_on(proxy.port)) for _ in range(clients)]
            for number in range(reloads):
                if number % 3 == 2:
                    await asyncio.to_thread(proxy.reload, "accounts: {", REFUSED)
                else:
                    await asyncio.to_thread(proxy.reload, good[number % len(good)])
            done.set()
            assert min(await asyncio.gather(*asking)) > 0
            assert proxy.server.stop() == 0


async def test_found_g14_authorities_that_the_system_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again; a file that cannot be used changes nothing."""
    old, new = trustme.CA(), trustme.CA()
    file = tmp_path / "ca.pem"
    old.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    old.issue_cert("127.0.0.1").configure_cert(tls)
    empty = json_answer(200, b'{"outgoing_caller_ids": [], "next_page_uri": null}').encode()
    async with scripted_upstream(tls=tls) as upstream:
        upstream.otherwise = lambda _: empty
        text = configuration(tmp_path, upstream.url, OTHERS[0], more="snapshots: {fresh: 0}\n")
        with served(tmp_path, text) as proxy:
            async with connect(proxy.port) as client:
                await until(200, client, OTHERS[0])
                new.issue_cert("127.0.0.1").configure_cert(tls)
                new.cert_pem.write_to_path(file)
                await asyncio.to_thread(proxy.reload, text)
                await until(200, client, OTHERS[0])
                assert upstream.accepted > 1
                file.write_text("half a file", encoding="utf-8")
                await asyncio.to_thread(proxy.reload, text, r"(the certificate authorities of the system .*)")
                await until(200, client, OTHERS[0])
