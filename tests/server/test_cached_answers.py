"""What is remembered is answered where it is read, by the same bytes and under the same rules as the rest."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import NamedTuple, cast

import pytest
from support import leap
from support.raw import EMPTY_LIST
from support.running import running_sandbox
from support.seed import basic
from support.streams import stream_server
from support.wire import RawClient, connect, json_answer, read_message, scripted_upstream

from proxy import config
from proxy.config import Address
from proxy.gateway.translator import Translator
from proxy.legacy import Answer, Request
from proxy.net.accept_share import AcceptShare, AcceptShares
from proxy.net.connection_limit import ConnectionLimit
from proxy.observe.counters import Counters
from proxy.process.assembly import assemble, server_options
from proxy.sandbox import Store
from proxy.server.handlers import LegacyHandler
from proxy.server.http_server import HttpServer
from proxy.server.listeners import listeners, listening
from proxy.upstream.client import Client

ACCOUNT = "AC" + "7" * 32
TOKEN = "list-token"
LIST = f"/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds"
SOME, MANY = 60, 1000  # caller IDs
HOST = "Host: api.twilio.com"
AUTHORIZATION = f"Authorization: {basic(ACCOUNT, TOKEN)}"


class Watched:
    """A translator, and how many answers it has made in either way."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self.takes_codes = translator.takes_codes
        self.refuse = translator.refuse
        self.buckets = translator.buckets
        self.recognises = translator.recognises
        self.at_once_made = 0
        self.made = 0
        self.passes_over_cache = False

    async def answer(self, request: Request) -> Answer:
        self.made += 1
        return await self._translator.answer(request)

    def from_cache(self, request: Request) -> Answer | None:
        answer = None if self.passes_over_cache else self._translator.from_cache(request)
        self.at_once_made += answer is not None
        return answer


class Proxy(NamedTuple):
    port: int
    watched: Watched


@asynccontextmanager
async def proxy_before(base_url: str, fresh: int = 3600) -> AsyncIterator[Proxy]:
    configuration = config.demo(base_url)
    settings = configuration.settings
    settings = settings.model_copy(
        update={
            "snapshots": settings.snapshots.model_copy(update={"fresh": fresh}),
            "listen": settings.listen.model_copy(update={"address": Address("127.0.0.1", 0)}),
        }
    )
    async with Client() as client:
        watched = Watched(assemble(configuration._replace(settings=settings), client))
        translator = cast(Translator, watched)
        options = server_options(settings)
        with listeners(options) as every:
            async with listening(translator, options, every, Counters()):
                yield Proxy(every["address"].address.port, watched)


@asynccontextmanager
async def remembering(items: int = SOME) -> AsyncIterator[Proxy]:
    """Run a proxy that remembers a list."""
    with closing(Store()) as store:
        store.add_account(ACCOUNT, TOKEN)
        store.seed_many(ACCOUNT, items)
        async with running_sandbox(store) as url, proxy_before(url) as proxy:
            async with connect(proxy.port) as client:
                assert (await client.ask(get())).status == 200
            assert (proxy.watched.made, proxy.watched.at_once_made) == (1, 0)
            yield proxy


def request(start: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join((start, *headers, "", "")).encode() + body


def get(*headers: str, target: str = LIST, method: str = "GET") -> bytes:
    return request(f"{method} {target} HTTP/1.1", HOST, AUTHORIZATION, *headers)


def undated(data: bytes) -> bytes:
    dateless, dates = re.subn(rb"Date: [^\r]+ GMT\r\n", b"", data)
    assert dates == 1
    return dateless


async def receive(client: RawClient, *, has_body: bool = True) -> bytes:
    """Return one answer as it came, but for its date."""
    async with asyncio.timeout(10):
        head = await client.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: ([0-9]+)\r\n", head)
        assert length
        return undated(head + await client.reader.readexactly(int(length[1]) if has_body else 0))


# In the same bytes

OLD = request(f"GET {LIST} HTTP/1.0", AUTHORIZATION, "Connection: keep-alive")
AT_ONCE: Mapping[str, bytes] = {
    "a list": get(),
    "a page of it": get(target=f"{LIST}?page=1&num=7"),
    "a page past its end": get(target=f"{LIST}?page=9"),
    "a filter": get(target=f"{LIST}?PhoneNumber=4150000007"),
    "a filter that nothing can match": get(target=f"{LIST}?PhoneNumber=none"),
    "a list in JSON": get(target=f"{LIST}.json"),
    "a list in CSV": get(target=f"{LIST}.csv"),
    "a list in HTML": get(target=f"{LIST}.html"),
    "HEAD": get(method="HEAD"),
    "HTTP/1.0 that goes on": OLD,
    "HTTP/1.0 with Host": OLD.replace(b"\r\n", f"\r\n{HOST}\r\n".encode(), 1),
    "HEAD over HTTP/1.0": OLD.replace(b"GET", b"HEAD", 1),
    "a length of nothing": get("Content-Length: 0"),
    "leave to send nothing": get("Expect: 100-continue"),
    "Content-Encoding: identity": get("Content-Encoding: identity"),
    "an absolute target": get(target=f"http://elsewhere.example{LIST}"),
    "a target too long to remember what it says": get(target=f"{LIST}?x={'x' * 1000}"),
    "line breaks before it": b"\r\n\r\n" + get(),
}


@pytest.mark.parametrize("name", AT_ONCE)
async def test_it_is_answered_at_once_and_as_everything_else(name: str) -> None:
    data, has_body = AT_ONCE[name], b"HEAD" not in AT_ONCE[name]
    async with remembering() as proxy, connect(proxy.port) as client:
        answers = []
        for _ in range(2):
            await client.send(data)
            answers.append(await receive(client, has_body=has_body))
        assert (proxy.watched.made, proxy.watched.at_once_made) == (1, 2)
        proxy.watched.passes_over_cache = True
        await client.send(data + data)
        answers += [await receive(client, has_body=has_body) for _ in range(2)]
        assert (proxy.watched.made, proxy.watched.at_once_made) == (3, 2)
        assert answers[0].split(b" ")[1] == b"200"
        assert len(set(answers)) == 1


async def test_an_instance_is_answered_at_once_from_its_list_or_from_its_own_answer() -> None:
    one = b'{"sid": "PN%b", "account_sid": "%b", "friendly_name": "x", "phone_number": "+14155550000"}'
    sid = "PN" + "5" * 32
    document = json_answer(200, one % (b"5" * 32, ACCOUNT.encode()))
    async with scripted_upstream(document) as upstream, proxy_before(upstream.url) as proxy:
        async with connect(proxy.port) as client:
            answers = []
            for _ in range(3):
                await client.send(get(target=f"{LIST}/{sid}"))
                answers.append(await receive(client))
        assert len(set(answers)) == 1
        assert f"<Sid>{sid}</Sid>".encode() in answers[0]
        assert (proxy.watched.made, proxy.watched.at_once_made) == (1, 2)
        assert upstream.hits("GET") == 1


# Under the same rules

OTHERWISE: Mapping[str, tuple[bytes, int]] = {
    "Connection: close": (get("Connection: close"), 200),
    "HTTP/1.0": (request(f"GET {LIST} HTTP/1.0", AUTHORIZATION), 200),
    "an upgrade": (get("Connection: Upgrade", "Upgrade: h2c"), 200),
    "an upgrade to WebSocket": (get("Connection: Upgrade", "Upgrade: websocket"), 200),
    "no Host": (request(f"GET {LIST} HTTP/1.1", AUTHORIZATION), 400),
    "two Hosts": (get(HOST), 400),
    "two Hosts over HTTP/1.0": (OLD.replace(b"\r\n", f"\r\n{HOST}\r\n{HOST}\r\n".encode(), 1), 400),
    "HTTP/2.0": (get().replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
    "another Expect": (get("Expect: 200-ok"), 417),
    "a Content-Encoding": (get("Content-Encoding: gzip"), 415),
    "a length beyond the limit": (get("Content-Length: 65537"), 413),
    "a Transfer-Encoding over HTTP/1.0": (OLD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", OTHERWISE)
async def test_what_ends_a_connection_is_not_answered_at_once_but_ends_it(name: str) -> None:
    data, status = OTHERWISE[name]
    async with remembering() as proxy, connect(proxy.port) as client:
        answer = await client.ask(data)
        assert answer.status == status
        assert answer.start.startswith("HTTP/1.0") or answer.header("Connection") == "close"
        assert await client.is_closed(within=6)
        assert proxy.watched.at_once_made == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get().replace(basic(ACCOUNT, TOKEN).encode(), basic(ACCOUNT, "wrong").encode()), 401),
        (get(AUTHORIZATION), 400),
        (request(f"GET {LIST} HTTP/1.1", HOST), 401),
        (get(target=f"{LIST}/PN{'0' * 32}"), 404),
        (get(method="POST"), 400),
        (get(method="OPTIONS"), 405),
    ],
)
async def test_what_is_no_success_is_not_answered_at_once(data: bytes, status: int) -> None:
    async with remembering() as proxy, connect(proxy.port) as client:
        for _ in range(2):
            assert (await client.ask(data)).status == status
        assert proxy.watched.at_once_made == 0
        assert (await client.ask(get())).status == 200
        assert proxy.watched.at_once_made == 1


async def test_a_body_is_waited_for() -> None:
    async with remembering() as proxy, connect(proxy.port) as client:
        await client.send(get("Content-Length: 3") + b"ab")
        await read_by_the_proxy(proxy)
        await client.send(b"c" + get(target=f"{LIST}?page=1"))
        assert b' page="0"' in await receive(client)
        assert b' page="1"' in await receive(client)
        assert proxy.watched.at_once_made == 1  # the second one


async def test_a_write_shows_at_once() -> None:
    async with remembering() as proxy, connect(proxy.port) as client:
        await client.send(get(target=f"{LIST}?num=1"))
        sid = re.search(rb"<Sid>(PN\w+)</Sid>", await receive(client))
        assert sid
        assert (await client.ask(get(target=f"{LIST}/{sid[1].decode()}", method="DELETE"))).status == 204
        await client.send(get(target=f"{LIST}?num=1"))
        after = await receive(client)
        assert b' total="%d"' % (SOME - 1) in after
        assert sid[1] not in after


# In order, and however the bytes are cut


async def test_what_is_remembered_waits_for_what_is_not() -> None:
    asked, held = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while message := await read_message(reader):
            if "PN" in message.target:
                asked.set()
                await held.wait()
                writer.write(json_answer(404, b"{}").encode())
            else:
                writer.write(EMPTY_LIST.encode())

    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(stream_server(serve))
        proxy = await stack.enter_async_context(proxy_before(f"http://127.0.0.1:{port}"))
        client = await stack.enter_async_context(connect(proxy.port))
        other = await stack.enter_async_context(connect(proxy.port))
        assert (await client.ask(get())).status == 200
        await client.send(get(target=f"{LIST}/PN{'0' * 32}"))
        await asked.wait()
        await client.send(get())  # in a piece of its own
        assert (await other.ask(get())).status == 200
        assert proxy.watched.at_once_made == 1
        held.set()
        assert [answer.status for answer in (await client.receive(), await client.receive()) if answer] == [
            404,
            200,
        ]


async def read_by_the_proxy(proxy: Proxy) -> None:
    """Wait until the proxy, which lives on this loop, must have read what was sent before."""
    async with connect(proxy.port) as other:
        await other.ask(get(target="/"))


@pytest.mark.parametrize("cut", [1, 20, 100, len(get()) - 2, len(get()) - 1])
async def test_a_head_in_two_pieces(cut: int) -> None:
    async with remembering() as proxy, connect(proxy.port) as client:
        for _ in range(2):
            await client.send(get()[:cut])
            await read_by_the_proxy(proxy)
            await client.send(get()[cut:])
            assert b' page="0"' in await receive(client)
        assert proxy.watched.at_once_made == 2


@pytest.mark.parametrize("cut", [1, 20, 100, len(get()) - 1])
async def test_a_head_and_the_beginning_of_another(cut: int) -> None:
    async with remembering() as proxy, connect(proxy.port) as client:
        second = get(target=f"{LIST}?page=1")
        await client.send(get() + second[:cut])
        assert b' page="0"' in await receive(client)
        await client.send(second[cut:])
        assert b' page="1"' in await receive(client)
        assert proxy.watched.at_once_made == 2


@pytest.mark.parametrize("nonsense", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"\0"])
async def test_what_is_no_http_after_answers_at_once(nonsense: bytes) -> None:
    async with remembering() as proxy, connect(proxy.port) as client:
        for _ in range(3):
            assert (await client.ask(get())).status == 200
        assert (await client.ask(nonsense)).status == 400
        assert await client.is_closed()


async def test_100_requests_in_a_row_and_100_together() -> None:
    async with remembering() as proxy, connect(proxy.port) as client:
        for page in range(100):
            await client.send(get(target=f"{LIST}?num=1&page={page}"))
            assert f' page="{page}"'.encode() in await receive(client)
        assert proxy.watched.at_once_made == 100
        await client.send(b"".join(get(target=f"{LIST}?num=1&page={page}") for page in range(100)))
        for page in range(100):
            assert f' page="{page}"'.encode() in await receive(client)


# Those who do not read

REQUESTS = 400


async def test_who_does_not_read_is_not_written_for() -> None:
    """Answers are made until the sockets are full, and hardly more; all of them come in the end.

    The sockets are of the kind that hold no request back when they are full in the other direction.
    """
    async with remembering(MANY) as proxy:
        target = f"{LIST}?num={MANY}"
        async with connect(proxy.port) as client:
            while not proxy.watched.at_once_made:  # a list that is long is not remembered from its first page
                await client.ask(get(target=target))
        loop = asyncio.get_running_loop()
        served, asking = socket.socketpair()
        handler = LegacyHandler(cast(Translator, proxy.watched))
        server = HttpServer(handler, Counters(), AcceptShare(AcceptShares(1), 0), ConnectionLimit(1))
        await loop.connect_accepted_socket(server, served)
        reader, writer = await asyncio.open_connection(sock=asking)
        client = RawClient(reader, writer)
        before = proxy.watched.at_once_made + proxy.watched.made
        for _ in range(REQUESTS):
            await client.send(get(target=target))
            await read_by_the_proxy(proxy)
        others = REQUESTS
        assert proxy.watched.at_once_made > 1
        assert proxy.watched.at_once_made + proxy.watched.made - before - others < 20
        for _ in range(REQUESTS):
            answer = await client.receive()
            assert answer is not None
            assert answer.status == 200
            assert answer.body.count(b"<OutgoingCallerId>") == MANY
        writer.close()
        await server.shutdown(10)


# Deadlines


def test_an_idle_connection_is_closed_after_answers_at_once() -> None:
    async def idle() -> None:
        clock = asyncio.get_running_loop().time
        async with remembering() as proxy, connect(proxy.port) as client:
            for pause in (0, 70, 70):
                await asyncio.sleep(pause)
                assert (await client.ask(get())).status == 200
            assert proxy.watched.at_once_made == 3
            begun = clock()
            assert await client.is_closed(within=200)
            assert 74 <= clock() - begun <= 76

    leap.run(idle())


def test_half_a_head_after_answers_at_once_is_not_waited_for_any_longer() -> None:
    async def half() -> None:
        clock = asyncio.get_running_loop().time
        async with remembering() as proxy, connect(proxy.port) as client:
            for _ in range(3):
                assert (await client.ask(get())).status == 200
                await asyncio.sleep(20)
            assert proxy.watched.at_once_made == 3
            begun = clock()
            await client.send(get()[:-2])
            answer = await client.receive(within=200)
            assert answer is not None
            assert answer.status == 408
            assert 9.9 <= clock() - begun <= 10.5
            assert await client.is_closed()

    leap.run(half())


# The end


async def test_what_has_arrived_when_the_end_comes_is_answered() -> None:
    async with AsyncExitStack() as clients:
        async with remembering() as proxy:
            asking = [await clients.enter_async_context(connect(proxy.port)) for _ in range(32)]
            for _ in range(3):
                for client in asking:
                    assert (await client.ask(get())).status == 200
            assert proxy.watched.at_once_made == 3 * 32
            for client in asking:
                client.writer.write(get())
        for client in asking:
            assert b' page="0"' in await receive(client)
            assert await client.is_closed()


async def test_the_last_answer_before_the_end_says_so() -> None:
    asked, held = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        asked.set()
        await held.wait()
        writer.write(EMPTY_LIST.encode())

    async with stream_server(serve) as port, AsyncExitStack() as clients:
        async with proxy_before(f"http://127.0.0.1:{port}") as proxy:
            client = await clients.enter_async_context(connect(proxy.port))
            await client.send(get())
            await asked.wait()
            asyncio.get_running_loop().call_later(0.1, held.set)
        answer = await client.receive()
        assert answer is not None
        assert (answer.status, answer.header("Connection")) == (200, "close")
        assert await client.is_closed()
