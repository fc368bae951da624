"""Any requests, cut anywhere, against a model of HTTP: how each is to be answered, and which is the last."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from support.raw import (
    AUTHORIZATION,
    CHUNKED,
    FORM,
    HOST,
    LENGTH,
    NUMBER,
    SMUGGLED,
    TARGET,
    chunked,
    get,
    post,
    request,
)
from support.running import running_proxy
from support.wire import connect


class Kind(NamedTuple):
    """A request, which no upstream is asked for, and what is right for it."""

    data: bytes
    status: int
    is_last: bool = False


BAD = b"PhoneNumber=1"
SHORT = b"Content-Length: %d" % len(BAD)
KINDS: Sequence[Kind] = (
    Kind(get(target=TARGET + b"?PhoneNumber=none"), 200),
    Kind(get(FORM, LENGTH, target=TARGET + b"?PhoneNumber=none", body=NUMBER), 200),
    Kind(get(b"Content-Length: %d" % len(SMUGGLED), target=b"/", body=SMUGGLED), 404),
    Kind(get(CHUNKED, target=b"/", body=chunked(SMUGGLED, SMUGGLED)), 404),
    Kind(get(target=b"/"), 404),
    Kind(request(b"GET %b HTTP/1.1" % TARGET, HOST), 401),
    Kind(post(body=b""), 400),
    Kind(post(SHORT, body=BAD), 400),
    Kind(post(CHUNKED, body=chunked(BAD[:5], BAD[5:])), 400),
    Kind(b"\r\n" + post(SHORT, body=BAD), 400),
    Kind(request(b"PATCH %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION), 405),
    Kind(get(b"Expect: 100-continue", target=b"/"), 404),
    Kind(get(b"Connection: close", target=b"/"), 404, is_last=True),
    Kind(request(b"GET / HTTP/1.0"), 404, is_last=True),
    Kind(get(b"Content-Encoding: gzip"), 415, is_last=True),
    Kind(get(b"Connection: Upgrade", b"Upgrade: h2c", target=b"/"), 404, is_last=True),
)
GOING_ON = [kind for kind in KINDS if not kind.is_last]

A_HUNDRED = st.lists(st.sampled_from(GOING_ON), min_size=100, max_size=100)
CUTS = st.lists(st.integers(1, 2**16), max_size=40)


def sliced(data: bytes, cuts: Sequence[int]) -> Sequence[bytes]:
    places = sorted({cut % len(data) for cut in cuts} | {0})
    return [data[start:end] for start, end in zip(places, [*places[1:], len(data)], strict=True)]


async def ask(port: int, sent: Sequence[Kind], pieces: Sequence[bytes]) -> None:
    async with connect(port) as client:

        async def send() -> None:
            for piece in pieces:
                await client.send(piece)
                await asyncio.sleep(0)

        sending = asyncio.create_task(send())
        for kind in sent:
            answer = await client.receive()
            assert answer is not None
            assert answer.status == kind.status
            ends = answer.header("Connection") == "close" or answer.start.startswith("HTTP/1.0")
            assert ends == kind.is_last
        await sending
        if sent[-1].is_last:
            assert await client.is_closed(within=6)
        else:
            assert (await client.ask(get(target=b"/"))).status == 404


def test_requests_in_slices_are_answered_as_a_model_of_http_says() -> None:
    """10,000 requests and more in all, over 100 connections."""
    with asyncio.Runner() as runner:
        proxy = running_proxy("http://127.0.0.1:1")
        port = runner.run(proxy.__aenter__())

        @settings(max_examples=100, deadline=None)
        @given(kinds=A_HUNDRED, last=st.sampled_from(KINDS), cuts=CUTS)
        def check(kinds: Sequence[Kind], last: Kind, cuts: Sequence[int]) -> None:
            sent = [*kinds, last]
            runner.run(ask(port, sent, sliced(b"".join(kind.data for kind in sent), cuts)))

        try:
            check()
        finally:
            runner.run(proxy.__aexit__(None, None, None))
