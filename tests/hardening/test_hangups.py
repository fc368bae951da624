"""Clients that hang up before they are answered (section 2 of the criteria, rows 28 and 35)."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from support.raw import (
    AUTHORIZATION,
    CALL,
    CHUNKED,
    EMPTY_LIST,
    FORM,
    HOST,
    INSTANCE,
    LENGTH,
    NO_CONTENT,
    NUMBER,
    TARGET,
    chunked,
    get,
    post,
    request,
)
from support.running import running_proxy
from support.seed import ACCOUNT, BOB
from support.streams import stream_server
from support.wire import Message, RawClient, connect, json_answer, read_message

REMEMBERING = "snapshots: {fresh: 3600}\n"


@dataclass
class Dawdling:
    """An upstream that answers when it is told to, and knows who still listens."""

    answer: Message
    port: int = 0
    asked: list[str] = field(default_factory=list)
    left: int = 0
    """Connections that were closed while an answer was awaited."""
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while message := await read_message(reader):
                self.asked.append(message.start.partition(" ")[0])
                waiting = [asyncio.ensure_future(each) for each in (reader.read(1), self.told.wait())]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                self.left += waiting[0].done()
                for each in waiting:
                    each.cancel()
                if waiting[0].done() and not waiting[0].cancelled():
                    return
                writer.write(self.answer.encode())
                await writer.drain()
                return

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def dawdling(answer: Message) -> AsyncIterator[Dawdling]:
    upstream = Dawdling(answer)
    async with stream_server(upstream.serve) as upstream.port:
        yield upstream
        upstream.told.set()


@contextlib.asynccontextmanager
async def proxy_before(upstream: Dawdling, configuration: str = REMEMBERING) -> AsyncIterator[int]:
    async with running_proxy(f"http://127.0.0.1:{upstream.port}", configuration) as port:
        yield port


def closes(client: RawClient) -> None:
    client.writer.close()


def resets(client: RawClient) -> None:
    client.writer.transport.abort()


HANG_UPS = [closes, resets]


@pytest.mark.parametrize("hangs_up", HANG_UPS)
@pytest.mark.parametrize("configuration", [REMEMBERING, ""], ids=["remembering", "not remembering"])
@pytest.mark.parametrize(
    "data",
    [
        get(),
        get().replace(b"GET", b"HEAD", 1),
        get(target=INSTANCE),
        get(target=TARGET + b"?PhoneNumber=4158675309"),
    ],
)
async def test_fault_28_what_nobody_waits_for_any_more_ends(
    data: bytes, configuration: str, hangs_up: Callable[[RawClient], None]
) -> None:
    async with dawdling(EMPTY_LIST) as upstream, proxy_before(upstream, configuration) as port:
        async with connect(port) as client:
            await client.send(data)
            await upstream.until(lambda: upstream.asked == ["GET"])
            hangs_up(client)
            await upstream.until(lambda: upstream.left == 1, seconds=1)
        async with connect(port) as other:  # and there is nothing left of it
            await other.send(data)
            await upstream.until(lambda: len(upstream.asked) == 2)


@pytest.mark.parametrize("hangs_up", HANG_UPS)
async def test_fault_28_others_who_wait_for_the_same_walk_get_it(
    hangs_up: Callable[[RawClient], None],
) -> None:
    async with dawdling(EMPTY_LIST) as upstream, proxy_before(upstream) as port:
        async with connect(port) as first, connect(port) as second, connect(port) as third:
            for client in (first, second, third):
                await client.send(get())
            await upstream.until(lambda: upstream.asked == ["GET"])
            hangs_up(first)
            hangs_up(third)
            await asyncio.sleep(0.05)
            upstream.told.set()
            answer = await second.receive()
            assert answer is not None
            assert answer.status == 200
        assert (upstream.asked, upstream.left) == (["GET"], 0)


async def test_fault_28_a_walk_ends_with_the_last_of_those_who_wait() -> None:
    async with (
        dawdling(EMPTY_LIST) as upstream,
        proxy_before(upstream) as port,
        connect(port) as first,
        connect(port) as second,
    ):
        for client in (first, second):
            await client.send(get())
        await upstream.until(lambda: upstream.asked == ["GET"])
        resets(first)
        await asyncio.sleep(0.05)
        assert upstream.left == 0
        resets(second)
        await upstream.until(lambda: upstream.left == 1, seconds=1)


async def test_fault_28_what_stands_behind_it_is_not_begun() -> None:
    async with dawdling(EMPTY_LIST) as upstream, proxy_before(upstream) as port:
        async with connect(port) as client:
            await client.send(get() + post(LENGTH))
            await upstream.until(lambda: upstream.asked == ["GET"])
            resets(client)
            await upstream.until(lambda: upstream.left == 1, seconds=1)
        await asyncio.sleep(0.05)
        assert upstream.asked == ["GET"]


async def test_fault_28_nothing_is_said_about_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "proxy")
    async with dawdling(EMPTY_LIST) as upstream, proxy_before(upstream) as port, connect(port) as client:
        await client.send(get())
        await upstream.until(lambda: upstream.asked == ["GET"])
        resets(client)
        await upstream.until(lambda: upstream.left == 1, seconds=1)
    assert [record for record in caplog.records if record.name.startswith("proxy")] == []


# Who closes his own side alone, as old clients do, has not gone


@pytest.mark.parametrize(
    "data",
    [
        get(),
        get().replace(b"HTTP/1.1", b"HTTP/1.0"),
        get(target=INSTANCE),
        post(LENGTH),
        post(CHUNKED, body=chunked(NUMBER)),
        post(LENGTH, b"Expect: 100-continue"),
    ],
)
@pytest.mark.parametrize("at", ["with it", "while it is carried out"])
async def test_fault_28_who_closes_his_own_side_is_answered(data: bytes, at: str) -> None:
    answer = CALL if data.startswith(b"POST") else RENAMED if INSTANCE in data else EMPTY_LIST
    async with dawdling(answer) as upstream, proxy_before(upstream) as port, connect(port) as client:
        await client.send(data)
        if at == "with it":
            client.writer.write_eof()
        await upstream.until(lambda: len(upstream.asked) == 1)
        if at != "with it":
            client.writer.write_eof()
        await asyncio.sleep(0.2)
        assert upstream.left == 0
        upstream.told.set()
        received = await client.receive()
        if b"Expect" in data:
            assert received is not None
            assert received.status == 100
            received = await client.receive()
        assert received is not None
        assert received.status == 200
        assert received.start.startswith("HTTP/1.0" if b"HTTP/1.0" in data else "HTTP/1.1")
        assert await client.is_closed()


async def test_fault_28_so_are_all_his_requests() -> None:
    async with dawdling(EMPTY_LIST) as upstream, proxy_before(upstream) as port, connect(port) as client:
        await client.send(b"".join(get(target=TARGET + b"?page=%d" % page) for page in range(100)))
        client.writer.write_eof()
        upstream.told.set()
        for page in range(100):
            answer = await client.receive()
            assert answer is not None
            assert f' page="{page}"'.encode() in answer.body
        assert await client.is_closed()


RENAMED = json_answer(
    200,
    b'{"sid": "%b", "account_sid": "%b", "friendly_name": "x", "phone_number": "+14158675309"}'
    % (BOB.encode(), ACCOUNT.encode()),
)
NAME = b"FriendlyName=x"
NAME_LENGTH = b"Content-Length: %d" % len(NAME)
WRITES = {
    "a call": (post(LENGTH), "POST", CALL),
    "a call in chunks": (post(CHUNKED, body=chunked(NUMBER)), "POST", CALL),
    "another name": (
        request(b"PUT %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION, FORM, NAME_LENGTH, body=NAME),
        "POST",
        RENAMED,
    ),
    "the end of a number": (
        request(b"DELETE %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION),
        "DELETE",
        NO_CONTENT,
    ),
    "the same by POST": (
        request(b"POST %b?_method=DELETE HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION, b"Content-Length: 0"),
        "DELETE",
        NO_CONTENT,
    ),
}


@pytest.mark.parametrize("hangs_up", HANG_UPS)
@pytest.mark.parametrize("name", WRITES)
async def test_fault_35_what_has_an_effect_goes_on_to_its_end(
    name: str, hangs_up: Callable[[RawClient], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "proxy")
    data, method, answer = WRITES[name]
    async with dawdling(answer) as upstream, proxy_before(upstream) as port:
        async with connect(port) as client:
            await client.send(data)
            await upstream.until(lambda: upstream.asked == [method])
            hangs_up(client)
            await asyncio.sleep(0.1)
            assert upstream.left == 0
            upstream.told.set()
        await upstream.until(lambda: bool(caplog.messages))
    written = data.partition(b" ")[0].decode()
    assert caplog.messages == [
        f"server: the client disconnected before its {written} was answered ({answer.status})"
    ]
    assert upstream.asked == [method]


async def test_fault_35_its_effect_shows(caplog: pytest.LogCaptureFixture) -> None:
    """What was remembered before it is not shown any more, though nobody has heard of its end."""
    caplog.set_level(logging.INFO, "proxy")
    async with dawdling(EMPTY_LIST) as upstream, proxy_before(upstream) as port:
        upstream.told.set()
        async with connect(port) as client:
            for _ in range(2):
                assert (await client.ask(get())).status == 200
        assert upstream.asked == ["GET"]
        upstream.told.clear()
        upstream.answer = NO_CONTENT
        async with connect(port) as client:
            await client.send(WRITES["the end of a number"][0])
            await upstream.until(lambda: upstream.asked == ["GET", "DELETE"])
            resets(client)
        upstream.told.set()
        await upstream.until(lambda: bool(caplog.messages))
        upstream.answer = EMPTY_LIST
        async with connect(port) as client:
            assert (await client.ask(get())).status == 200
        assert upstream.asked == ["GET", "DELETE", "GET"]
