"""What hostile, slow and failing upstreams may cost, and whom; each test is named after what was found."""

import asyncio
import contextlib
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from support import leap
from support.streams import stream_server
from support.wire import read_message

from proxy.errors import BAD_UPSTREAM, LegacyError, Reason, UpstreamError
from proxy.profile.calls import Call, NoReplyError, Reply
from proxy.upstream.client import Client
from proxy.upstream.held_answers import AnswerBudget, HeldAnswers, holding
from proxy.upstream.route import UpstreamRoute, read_trust

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Run an upstream that does `serve` to each connection; yields its URL."""

    async def and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await serve(reader, writer)

    async with stream_server(and_hang_up, tls=tls) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


async def failure(client: Client, call: Call) -> UpstreamError:
    with pytest.raises(UpstreamError) as raised:
        await client.send(call)
    return raised.value


# F6: answers without an end

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "100": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "102": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "103 with large heads": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </%b>\r\n\r\n" % (b"x" * 4000)),
    "each 1xx in turn": (b"", b"".join(b"HTTP/1.1 %d X\r\n\r\n" % each for each in (100, 102, 103, 199))),
    "1xx with a length": (b"", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"),
    "line ends": (b"", b"\r\n" * 1000),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "chunk extensions": (CHUNKED, b"1;%b\r\nx\r\n" % (b"x" * 3000)),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n"),
    "an extension": (CHUNKED + b"1;", b"x"),
    "trailers": (CHUNKED + b"0\r\n", b"A: b\r\n"),
}


@pytest.mark.parametrize(("before", "again"), ENDLESS.values(), ids=ENDLESS.keys())
async def test_found_f6_an_endless_answer_is_hung_up_on(before: bytes, again: bytes) -> None:
    """What has arrived by then is bounded, and so is the work: each byte is parsed once."""
    sent, connections = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent, connections
        await read_message(reader)
        connections += 1
        writer.write(before)
        block = again * (64 * 1024 // len(again) + 1)
        while sent < 200 * MIB:
            writer.write(block)
            await writer.drain()
            sent += len(block)

    async with serving(serve) as url, Client() as client:
        error = await failure(client, Call("GET", url))
        assert client.held.taken == 0
    assert error.fault == BAD_UPSTREAM
    assert error.reason in (Reason.HEADERS, Reason.TOO_LARGE)
    assert (connections, sent < 40 * MIB) == (1, True)  # sockets buffer some of that


@pytest.mark.parametrize(("count", "is_answered"), [(8, True), (9, False)])
async def test_found_f6_eight_interim_answers_are_enough(count: int, is_answered: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_message(reader):
            for _ in range(count):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(OK)

    async with serving(serve) as url, Client() as client:
        for _ in range(2):  # and each answer has its own
            if is_answered:
                assert (await client.send(Call("GET", url))).body == b"{}"
            else:
                assert (await failure(client, Call("GET", url))).fault == BAD_UPSTREAM


def test_found_f6_slow_interim_answers_end_too() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(1)

    async def ask() -> None:
        async with serving(serve) as url, Client() as client:
            assert (await failure(client, Call("GET", url))).fault == BAD_UPSTREAM

    leap.run(ask())


async def test_found_f6_a_proxy_has_no_more() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            await writer.drain()

    async with serving(serve) as url:
        origin = "http://127.0.0.1:1"
        async with Client({"way": UpstreamRoute(proxy=url)}) as client:
            assert (await failure(client, Call("GET", origin, route="way"))).fault == BAD_UPSTREAM


# F7 and G5: whose capacity


class Hanging:
    """An upstream that answers once it is released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_message(reader):
            self.asked.append(request.target)
            await self.released.wait()
            writer.write(OK)

    async def is_asked(self, times: int) -> None:
        async with asyncio.timeout(10):
            while len(self.asked) < times:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def sending(
    client: Client, url: str, callers: int, each: int
) -> AsyncIterator[list[asyncio.Task[Reply]]]:
    """Have so many calls of each caller under way."""
    calls = [Call("GET", url, caller=caller + 1) for caller in range(callers) for _ in range(each)]
    tasks = [asyncio.create_task(client.send(call)) for call in calls]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_found_f7_an_upstream_that_hangs_takes_no_connection_of_another() -> None:
    slow, quick = Hanging(), Hanging()
    quick.released.set()
    async with serving(slow.serve) as slow_url, serving(quick.serve) as url, Client() as client:
        async with sending(client, slow_url, callers=5, each=32):
            await slow.is_asked(100)
            for caller in (1, 99):
                assert (await client.send(Call("GET", url, caller=caller))).status == 200
        assert len(slow.asked) < 128


async def test_found_f7_callers_that_hang_leave_connections_to_others() -> None:
    upstream = Hanging()
    async with (
        serving(upstream.serve) as url,
        Client() as client,
        sending(client, url, callers=8, each=32),
    ):
        await upstream.is_asked(100)
        others = [
            asyncio.create_task(client.send(Call("GET", f"{url}/{caller}", caller=caller)))
            for caller in range(100, 105)
        ]
        async with asyncio.timeout(5):
            while not {*upstream.asked} >= {f"/{caller}" for caller in range(100, 105)}:
                await asyncio.sleep(0.01)
        upstream.released.set()
        assert [reply.status for reply in await asyncio.gather(*others)] == [200] * 5


async def test_found_f7_cancelled_waiters_cost_no_connection() -> None:
    upstream = Hanging()
    async with serving(upstream.serve) as url, Client() as client:
        async with sending(client, url, callers=1, each=150) as tasks:
            await upstream.is_asked(100)
            for task in tasks[100:]:
                task.cancel()
            for task in tasks[:50]:  # each leaves its connection to one that is just being cancelled
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        upstream.released.set()
        assert (await client.send(Call("GET", url, caller=1))).status == 200
        await asyncio.gather(*[client.send(Call("GET", url, caller=1)) for _ in range(100)])


def test_found_g5_distinct_callers_open_the_breaker_of_an_upstream() -> None:
    """Nobody waits in turn for an upstream that hangs, and it is asked once in five seconds."""

    async def ask() -> None:
        upstream, clock = Hanging(), asyncio.get_running_loop().time
        took: list[float] = []
        reasons: list[Reason] = []

        async def one(client: Client, url: str, caller: int) -> None:
            begun = clock()
            reasons.append((await failure(client, Call("GET", url, caller=caller))).reason)
            took.append(clock() - begun)

        async with serving(upstream.serve) as url, Client() as client:
            await asyncio.gather(*[one(client, url, caller) for caller in range(200)])
            assert len(upstream.asked) <= 128
            assert max(took) < 15  # one that waits, is not connected at first, and is not answered
            assert {*reasons} <= {Reason.TIMEOUT, Reason.CAPACITY, Reason.BREAKER}
            await failure(client, Call("GET", url, caller=1000))  # perhaps the probe, which opens it anew
            before = len(upstream.asked)
            error = await failure(client, Call("GET", url, caller=1000))
            assert isinstance(error, NoReplyError)
            assert (error.reason, error.was_sent, error.fault.status) == (Reason.BREAKER, False, 503)
            assert 1 <= int(error.fault.headers["Retry-After"]) <= 5
            assert len(upstream.asked) == before
            upstream.released.set()
            await asyncio.sleep(5.5)
            assert (await client.send(Call("GET", url, caller=1001))).status == 200
            assert (await client.send(Call("GET", url, caller=1002))).status == 200

    leap.run(ask())


@asynccontextmanager
async def failing_for(*callers: int, answer: bytes = b"") -> AsyncIterator[tuple[str, list[str]]]:
    """Run an upstream that hangs up on these callers, or gives an `answer`; they are named by their paths."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_message(reader):
            asked.append(request.target)
            is_bad = int(request.target[1:]) in callers
            if is_bad and not answer:
                return
            writer.write(answer if is_bad else OK)

    async with serving(serve) as url:
        yield url, asked


async def status(client: Client, url: str, caller: int) -> int | Reason:
    try:
        return (await client.send(Call("GET", f"{url}/{caller}", caller=caller))).status
    except UpstreamError as error:
        return error.reason


async def test_found_g5_the_failures_of_one_tenant_alone_do_not() -> None:
    async with failing_for(1) as (url, _), Client() as client:
        found = [await status(client, url, 1) for _ in range(100)]
        assert found == [Reason.RESET] * 10 + [Reason.BREAKER] * 90
        assert [await status(client, url, caller) for caller in (2, 3)] == [200, 200]


@pytest.mark.parametrize(
    ("good", "bad", "opens"), [(0, 9, False), (0, 10, True), (10, 10, True), (11, 10, False)]
)
async def test_found_g5_ten_callers_do_if_they_are_half_of_all(good: int, bad: int, opens: bool) -> None:
    async with failing_for(*range(100)) as (url, _), Client() as client:
        for caller in (*range(100, 100 + good), *range(bad)):
            assert await status(client, url, caller) == (Reason.RESET if caller < 100 else 200)
        assert await status(client, url, 200) == (Reason.BREAKER if opens else 200)


async def test_found_g5_an_upstream_that_answers_is_not_closed_to_others() -> None:
    answer = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
    async with failing_for(*range(100), answer=answer) as (url, _), Client() as client:
        assert [await status(client, url, caller) for caller in range(100)] == [503] * 100
        assert await status(client, url, 200) == 200


async def test_found_g5_made_up_names_do_not_open_it_for_callers_that_were_served() -> None:
    async with failing_for(*range(1000)) as (url, asked), Client() as client:
        assert await status(client, url, 1000) == 200
        found = [await status(client, url, caller) for caller in range(50)]
        assert found == [Reason.RESET] * 10 + [Reason.BREAKER] * 40
        before = len(asked)
        assert await status(client, url, 1001) == Reason.BREAKER, "it is as unknown as they are"
        assert await status(client, url, 1000) == 200
        assert len(asked) == before + 1


async def test_found_g5_callers_that_were_served_open_it_too() -> None:
    is_down = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_message(reader):
            if is_down:
                return
            writer.write(OK)

    async with serving(serve) as url, Client() as client:
        assert [await status(client, url, caller) for caller in range(20)] == [200] * 20
        is_down = True
        found = [await status(client, url, caller) for caller in range(20)]
        assert found == [Reason.RESET] * 10 + [Reason.BREAKER] * 10
        assert await status(client, url, 99) == Reason.RESET, "a stranger has another one"


# F1: the bytes of answers


async def test_found_f1_answers_that_arrive_have_one_budget() -> None:
    """Beyond it a call fails for that reason; what the others hold is not touched, and all is given back."""
    body = b"x" * (300 * 1024)
    rest = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_message(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-1])
            await rest.wait()
            writer.write(body[-1:])

    async with serving(serve) as url, Client() as client:
        client.held.limit = MIB
        first = [asyncio.create_task(client.send(Call("GET", url, caller=caller))) for caller in range(3)]
        async with asyncio.timeout(10):
            while client.held.taken < 3 * (len(body) - 1):
                await asyncio.sleep(0.01)
        error = await failure(client, Call("GET", url, caller=9))
        assert (error.reason, error.fault.status) == (Reason.CAPACITY, 503)
        assert error.fault.headers["Retry-After"] == "1"
        assert error.details["limit"] == f"{MIB} bytes of answers together"
        assert client.held.taken <= MIB
        rest.set()
        assert [len(reply.body) for reply in await asyncio.gather(*first)] == [len(body)] * 3
        assert client.held.taken == 0
        assert (await client.send(Call("GET", url, caller=9))).status == 200
        assert client.held.taken == 0


async def test_found_f1_nothing_is_sent_without_room_for_a_short_answer() -> None:
    """An answer to a validation is not dropped: the phone would have rung for nothing."""
    asked = Hanging()
    async with serving(asked.serve) as url, Client() as client:
        client.held.limit = 64 * 1024
        tasks = [asyncio.create_task(client.send(Call("POST", url, caller=caller))) for caller in range(4)]
        await asked.is_asked(4)
        error = await failure(client, Call("POST", url, caller=9))
        assert isinstance(error, NoReplyError)
        assert (error.reason, error.was_sent) == (Reason.CAPACITY, False)
        asked.released.set()
        assert [reply.status for reply in await asyncio.gather(*tasks)] == [200] * 4
        assert (client.held.taken, len(asked.asked)) == (0, 4)


def test_found_f1_an_operation_holds_all_of_its_answers() -> None:
    budget = AnswerBudget(100_000)
    with holding() as outer:
        for _ in range(2):
            with holding() as held:
                assert held is outer
                held.prepare(budget)
                held.add(40_000)
            assert budget.taken >= 40_000
        assert 80_000 <= budget.taken <= 100_000
        with pytest.raises(UpstreamError):
            outer.add(30_000)
        outer.add(10_000)  # which still fits
    assert budget.taken == 0


def test_found_f1_nothing_is_held_without_a_budget() -> None:
    with HeldAnswers() as held, pytest.raises(UpstreamError) as raised:
        held.add(1)
    assert (raised.value.reason, raised.value.details) == (Reason.CAPACITY, {"limit": ""})


@pytest.mark.parametrize("how", ["reset", "cancelled", "malformed", "too slow"])
def test_found_f1_a_failed_call_gives_everything_back(how: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + b"x" * 0x10000)
        await writer.drain()
        if how == "malformed":
            writer.write(b"nonsense")
        elif how == "reset":
            return
        await asyncio.sleep(100)

    async def ask() -> None:
        async with serving(serve) as url, Client() as client:
            gc.disable()  # no cycle holds anything either
            try:
                task = asyncio.create_task(client.send(Call("GET", url)))
                while client.held.taken < 0x10000 and not task.done():
                    await asyncio.sleep(0.01)
                if how == "cancelled":
                    task.cancel()
                with pytest.raises((LegacyError, asyncio.CancelledError)):
                    await task
                assert client.held.taken == 0
            finally:
                gc.enable()

    leap.run(ask())


# G14: certificates that change


def tls_of(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_found_g14_another_authority_counts_for_new_connections() -> None:
    """A request under way gets its answer; its connection, and idle ones, are not used again."""
    old, new = trustme.CA(), trustme.CA()
    upstream, accepted = Hanging(), 0
    upstream.released.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await upstream.serve(reader, writer)

    tls = tls_of(old)
    async with serving(serve, tls) as url, Client({"way": UpstreamRoute(tls=trusting(old))}) as client:
        call = Call("GET", url, route="way")
        for _ in range(2):
            assert (await client.send(call)).status == 200
        assert accepted == 1
        upstream.released.clear()
        under_way = asyncio.create_task(client.send(call))
        await upstream.is_asked(3)
        new.issue_cert("127.0.0.1").configure_cert(tls)
        client.follow({"way": UpstreamRoute(tls=trusting(new))}, None)
        upstream.released.set()
        assert (await under_way).status == 200
        assert accepted == 1
        for _ in range(2):
            assert (await client.send(call)).status == 200
        assert accepted == 2
        client.follow({"way": UpstreamRoute(tls=trusting(old))}, None)
        assert (await failure(client, call)).reason == Reason.TLS


async def test_found_g14_what_is_known_of_an_upstream_stays() -> None:
    async with failing_for(1) as (url, _), Client() as client:
        assert [await status(client, url, 1) for _ in range(11)][-1] == Reason.BREAKER
        client.follow({}, None)
        assert await status(client, url, 1) == Reason.BREAKER


def test_found_g14_a_file_that_cannot_be_used_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(FileNotFoundError):
        read_trust()
    file.write_text("half a file")
    with pytest.raises(ssl.SSLError):
        read_trust()
    trustme.CA().cert_pem.write_to_path(file)
    assert read_trust().cert_store_stats()["x509_ca"] == 1
