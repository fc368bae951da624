"""G1: validation POSTs upstream never exceed the client's, whatever fails.

Each number is validated once, by a client that may disconnect, with an upstream that fails at any byte of the
request or of its answer; the upstream gets one request for that number at most.
"""

import asyncio
import contextlib
import random
import re
from collections import Counter
from collections.abc import Sequence

import pytest
from support import leap
from support.proxied import CODE, LISTED, Proxied, error, ok, proxied
from support.running import UNLIMITED
from support.seed import LIST, basic
from support.wire import Answer, End, Message, Stall, Step, connect

AT_ONCE = 4
NUMBERS = re.compile(rb"PhoneNumber=%2B1(\d{10})")


def goes_wrong(chance: random.Random, good: bytes) -> Answer:
    """Return an answer of an upstream that usually fails."""
    whole = chance.choice(
        [
            good,
            good,
            good,
            ok(b"<html></html>"),
            error(chance.choice([500, 502, 503, 504, 404, 401])),
            error(chance.choice([302, 307, 308]), ("Location", "/elsewhere")),
            error(chance.choice([429, 503]), ("Retry-After", chance.choice(["1", "30", "soon"]))),
            b"HTTP/1.1 100 Continue\r\n\r\n" + good,
        ]
    )
    if chance.random() < 0.5:
        return whole
    if chance.random() < 0.2:
        return (End.RST_EARLY,)
    cut = whole[: chance.randrange(len(whole))]
    ends: Sequence[Step] = (End.FIN, End.RST, Stall(chance.choice([2, 12, 40])), Stall(0.02))
    return (*((cut,) if cut else ()), chance.choice(ends), whole[len(cut) :], End.FIN)


async def validate(between: Proxied, number: int, chance: random.Random) -> None:
    """Validate a number, or disconnect before the answer."""
    patience = chance.choice([60, 60, 60, 0.01, 5])
    body = f"PhoneNumber={number}".encode()
    headers = (
        ("Host", "x"),
        ("Authorization", basic(password=f"token {chance.randrange(50)}")),
        ("Content-Type", "application/x-www-form-urlencoded"),
    )
    async with connect(between.port) as client:
        await client.send(Message(f"POST {LIST} HTTP/1.1", headers, body).encode())
        with contextlib.suppress(TimeoutError, ConnectionError):
            answer = await client.receive(within=patience)
            assert answer is not None
            assert answer.status in (200, 401, 404, 429, 502, 503, 504)


async def rounds(times: int) -> Counter[bytes]:
    """Validate numbers, several at a time; return how often the upstream was asked for each."""
    chance = random.Random(times)
    numbers = iter(range(4_152_000_000, 4_153_000_000))
    asked: Counter[bytes] = Counter()
    async with proxied(configuration=UNLIMITED) as between:
        upstream = between.upstream

        def answer(message: Message) -> Answer:
            if message.start.startswith("GET") and chance.random() < 0.9:
                return LISTED  # so that an open circuit breaker closes again
            return goes_wrong(chance, CODE if message.start.startswith("POST") else LISTED)

        upstream.otherwise = answer
        sent = 0
        for _ in range(times):
            together = chance.randint(1, AT_ONCE)
            if chance.random() < 0.2:
                upstream.answers.append((End.RST_EARLY,))
            work = [validate(between, next(numbers), chance) for _ in range(together)]
            await asyncio.gather(*work)
            sent += together
            await asyncio.sleep(chance.choice([0.01, 1, 6, 60]))
            await between.ask(token=f"token {sent}")
            asked.update(found[1] for each in upstream.received if (found := NUMBERS.search(each.body)))
            upstream.received.clear()
            assert upstream.first_bytes.count(b"P") <= sent
    return asked


@pytest.mark.timeout(3600)
def test_g1_never_a_second_validation(full: bool) -> None:
    times = 10_000 if full else 150
    asked = leap.run(rounds(times))
    assert set(asked.values()) == {1}
    assert len(asked) > times / 2  # else the test tried nothing
