"""G6: every request ends within the total deadline and a second, wherever it is kept waiting.

The deadline starts when the request is complete and is next on its connection. The bound of each wait:

| wait | bound |
|---|---|
| anything in a GET | cut off after 25 s and a grace of 0.25 s, which no other wait reaches |
| a slot of the concurrency limit | 1 s; a write waits for one only before anything else |
| upstream: connecting, bytes, pauses before retries, every call of a validation | what is left of 25 s |
| upstream, shared listing | 25 s of its own: a request without time left fails, the others wait on |
| Redis, before a write upstream | 50 ms a call, four calls at most |
| Redis, after a write | what is left of 25 s, and the grace; announcements go on in the background |
| a stale list | no wait: it is refreshed in the background, in 25 s of its own |
| a client that does not read its answer | 30 s without a byte: not the request's time |
"""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from support import leap
from support.code_on_phone import STARTED, VERIFIED
from support.proxied import (
    AN_INSTANCE,
    CODE,
    MAPPED,
    PERHAPS,
    Proxied,
    about,
    error,
    message_of,
    now,
    ok,
    one,
    proxied,
    timed,
)
from support.relay import Relay, relay
from support.running import running_proxy
from support.seed import LIST
from support.valkey import Server, running_valkey
from support.wire import Answer, End, Message, ScriptedUpstream, Stall, Step, connect

TOTAL = 25
ITEMS = 500
AT_ONCE = 32
STALLS = (0.02, 3, 6, 9, 9.5)
TOO_LONG = (11, 40)
MORE_ROUNDS = 10
EXAMPLE = Path(__file__).parents[2] / "config" / "upstreams" / "example-rest.yaml"
CHANGES = {  # any caller may ask, for any Sid
    "auth: {scheme: bearer}": "auth: {scheme: caller}",
    "ids: {codec: integer}": "ids: {codec: identity}",
    "id: {at: /id, as: integer}": "id: /id",
}


def sid(number: int) -> str:
    return f"PN{number:032x}"


def item(number: int) -> Mapping[str, str]:
    return {"id": sid(number), "name": f"Number {number}", "number": f"+1415{number:07}"}


class Tardy:
    """An upstream that sends any page of its list, sometimes an error, and stalls anywhere."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def answer(self, asked: Message) -> Answer:
        if self._chance.random() < 0.03:
            return self._chance.choice([error(503), error(429, ("Retry-After", "2")), b""])
        return self._slowly(self._whole(asked))

    def _whole(self, asked: Message) -> bytes:
        match asked.start.partition(" ")[0]:
            case "DELETE":
                return b"HTTP/1.1 204 No Content\r\n\r\n"
            case "POST":
                return ok(b'{"code": "123456"}')
            case "PATCH":
                return ok(json.dumps(item(1)).encode())
        url = urlsplit(asked.target)
        if url.path.endswith(sid(1)):
            return ok(json.dumps(item(1)).encode())
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        start, size = int(query.get("offset", 0)), int(query["limit"])
        if start and self._chance.random() < 0.1:
            return error(404)
        found = [item(number) for number in range(start, min(start + size, ITEMS))]
        if self._chance.random() < 0.3:  # a single page is then unusable, a listing is not
            found += found[:1]
        return ok(json.dumps({"items": found, "total": ITEMS}).encode())

    def _slowly(self, whole: bytes) -> Answer:
        cuts = sorted(self._chance.choices(range(len(whole)), k=self._chance.choice([0, 1, 1, 2, 3])))
        steps: list[Step] = []
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            stalls = TOO_LONG if self._chance.random() < 0.03 else STALLS
            steps += [whole[start:end], Stall(self._chance.choice(stalls))]
        return (*steps[:-1], End.FIN)


class Ended(NamedTuple):
    """A request, and how long it took."""

    method: str
    target: str
    status: int
    seconds: float


async def ask(between: Proxied, chance: random.Random) -> Ended:
    """Ask for something."""
    await asyncio.sleep(chance.uniform(0, 12))
    method = chance.choices(["GET", "PUT", "DELETE", "POST"], [8, 2, 1, 2])[0]
    target = LIST
    if method in ("PUT", "DELETE"):
        target = f"{LIST}/{sid(1)}"
    elif method == "GET":
        some = ["", "?num=1000", "?page=3", "?page=4&num=70", "?FriendlyName=Number+7", f"/{sid(1)}"]
        target = LIST + chance.choice(some)
    begun = now()
    answer = await between.ask(method, target, token=chance.choice(["one", "two", "three"]))
    return Ended(method, target, answer.status, now() - begun)


async def disturb(way: Relay, chance: random.Random) -> None:
    """Make Redis normal, slow, silent and unreachable in turn."""
    while True:
        way.mend()
        way.delay = chance.choice([0, 0.04, 0.3, 3600])
        if chance.random() < 0.4:
            way.cut()
        await asyncio.sleep(chance.uniform(1, 15))


@contextlib.asynccontextmanager
async def not_accepting(configuration: str) -> AsyncIterator[Proxied]:
    """Run a proxy before an upstream that accepts no connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        first.connect(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with running_proxy(url, configuration) as port:
            yield Proxied(port, ScriptedUpstream())


def late_kinds(ended: Sequence[Ended]) -> set[bool]:
    """Return whether reads (True) and writes (False) have ended at the deadline."""
    return {each.method == "GET" for each in ended if each.seconds > TOTAL - 1}


async def rounds(times: int, configuration: Callable[[int], str], server: Server) -> list[Ended]:
    """Send many concurrent requests, and return how each one ended.

    Tasks share the chances in an order that differs from run to run: rounds go on until both kinds were late.
    """
    chance = random.Random(times)
    ended: list[Ended] = []
    async with contextlib.AsyncExitStack() as stack:
        way = await stack.enter_async_context(relay(server.port))
        between = await stack.enter_async_context(proxied(configuration=configuration(way.port)))
        shut_out = await stack.enter_async_context(not_accepting(configuration(way.port)))
        between.upstream.otherwise = Tardy(chance).answer
        for done in range(times + MORE_ROUNDS):
            if done >= times and len(late_kinds(ended)) == 2:
                break
            trouble = asyncio.create_task(disturb(way, chance))
            asked = [ask(chance.choice([between] * 5 + [shut_out]), chance) for _ in range(AT_ONCE)]
            ended += await asyncio.gather(*asked)
            trouble.cancel()
            way.mend()
            way.delay = 0
            await asyncio.sleep(70)  # by then, cooldowns and open circuit breakers are over
    return ended


def any_page(folder: Path) -> str:
    """Return a configuration with an upstream that sends any single page, to any caller."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for before, after in CHANGES.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    (folder / "profile.yaml").write_text(text, encoding="utf-8")
    return f"  profile: {folder / 'profile.yaml'}\n"


def with_redis(redis: int) -> str:
    """Return a configuration with a Redis at this port."""
    return f'snapshots: {{fresh: 5, stale: 5, redis: {{url: "redis://127.0.0.1:{redis}"}}}}\n'


@pytest.mark.timeout(3600)
def test_g6_every_request_ends(full: bool, tmp_path: Path) -> None:
    profile = any_page(tmp_path)
    with running_valkey() as server:
        ended = leap.run(rounds(200 if full else 1, lambda redis: profile + with_redis(redis), server))
    assert [each for each in ended if each.seconds > TOTAL + 1] == []
    assert late_kinds(ended) == {True, False}, "the test tried nothing"
    assert {each.status for each in ended} >= {200, 503, 504}


# Shared listings


def in_parts(seconds: float, whole: bytes) -> Answer:
    """Return an answer that takes so long, though its upstream is never silent for ten seconds."""
    half = len(whole) // 2
    return Stall(seconds / 2), whole[:half], Stall(seconds / 2), whole[half:]


@pytest.mark.parametrize("after", [15, 22], ids=["a request that joins", "the first request"])
def test_g6_a_shared_listing_outlasts_a_timeout(after: int, tmp_path: Path) -> None:
    """Two requests want a page that cannot be read alone, which the first one learns after 20 seconds.

    The listing that both share then takes another 15, whichever of them began it.
    """

    def answer(asked: Message) -> Answer:
        (offset,) = parse_qs(urlsplit(asked.target).query).get("offset", ["0"])
        match offset:
            case "0":
                return in_parts(15, ok(json.dumps({"items": [item(1), item(2)], "total": 2}).encode()))
            case "1":
                return in_parts(19.5, error(404))
            case _:
                return error(404)

    async def both(between: Proxied) -> tuple[int, float, int, int]:
        between.upstream.otherwise = answer
        begun = now()

        async def first() -> tuple[int, float]:
            return (await between.ask(target=f"{LIST}?page=1&num=1")).status, now() - begun

        async def second() -> Message:
            await asyncio.sleep(after)
            return await between.ask(target=f"{LIST}?page=2&num=1")

        (status, seconds), got = await asyncio.gather(first(), second())
        return status, seconds, got.status, between.upstream.hits()

    configuration = any_page(tmp_path) + "snapshots: {fresh: 3600}\n"
    assert timed(both, configuration=configuration) == (504, about(25, 0.75), 200, 3)


# Writes that cannot be announced


@contextlib.contextmanager
def no_redis() -> Iterator[str]:
    """Reserve a port at which no process listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield with_redis(bound.getsockname()[1])


DONE = "The change was made, but may not show for some seconds"


@pytest.mark.parametrize(
    ("method", "target", "answer", "status", "message"),
    [
        ("PUT", AN_INSTANCE, ok(one("New")), 504, DONE),
        ("DELETE", AN_INSTANCE, b"HTTP/1.1 204 No Content\r\n\r\n", 504, DONE),
        ("POST", LIST, CODE, 504, PERHAPS),
        ("PUT", AN_INSTANCE, error(404), 404, "The requested resource was not found"),
        ("POST", LIST, error(500), 502, PERHAPS),
    ],
)
def test_g6_a_write_that_cannot_be_announced(
    method: str, target: str, answer: bytes, status: int, message: str
) -> None:
    """The upstream answers after 20 seconds; other replicas would show the old list for 10 more."""

    async def write(between: Proxied) -> tuple[int, str, str | None, float]:
        begun = now()
        answer = await between.ask(method, target)
        return answer.status, message_of(answer), answer.header("Retry-After"), now() - begun

    with no_redis() as configuration:
        told = timed(write, in_parts(19.5, answer), configuration=configuration)
    assert told == (status, message, None, about(25, 0.75))


def test_g6_a_correct_code() -> None:
    """The page confirms the code; a program gets an error that the list may not show the number yet."""

    async def bring(port: int) -> Message:
        form = b"PhoneNumber=4155551212&Code=012345"
        async with connect(port) as client:
            await client.send(Message("POST /caller-id-code HTTP/1.1", (("Host", "x"),), form).encode())
            answer = await client.receive(within=60)
        assert answer is not None
        return answer

    async def work(between: Proxied) -> None:
        await between.ask("POST", LIST, "PhoneNumber=4155551212")
        begun = now()
        brought = await bring(between.port)
        assert (brought.status, now() - begun) == (504, about(25, 0.75))
        assert b"4155551212 is confirmed" in brought.body
        assert (await bring(between.port)).status == 400

    spoken = f"  profile: telnyx\n  validation: code_on_phone\n{MAPPED}"
    with no_redis() as configuration:
        timed(work, STARTED, VERIFIED, configuration=spoken + configuration)
