"""The upstream and the client of conversations, over real sockets."""

import asyncio

import pytest

from proxy.conversations.endpoints import RawClient, answering_upstream, open_stream
from proxy.conversations.messages import Message, encode_response

FIRST = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
SECOND = b"GET /b HTTP/1.1\r\nX: y\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_requests_in_pieces_of_any_size(size: int) -> None:
    async with answering_upstream() as upstream, open_stream(upstream.port) as stream:
        upstream.follow([OK + b"1", OK + b"2"])
        client = RawClient(*stream)
        data = FIRST + SECOND
        for start in range(0, len(data), size):
            await client.send(data[start : start + size])
        answers = [await client.receive() for _ in range(2)]
        assert [answer and answer.body for answer in answers] == [b"1", b"2"]
        assert upstream.received == [
            Message("POST /a HTTP/1.1", (("Content-Length", "3"),), b"abc"),
            Message("GET /b HTTP/1.1", (("X", "y"),)),
        ]


async def test_the_end_of_the_script() -> None:
    async with answering_upstream() as upstream, open_stream(upstream.port) as stream:
        client = RawClient(*stream)
        await client.send(SECOND)
        answer = await client.receive()
        assert answer is not None
        assert answer.status == 599


async def test_an_empty_answer_closes_the_connection() -> None:
    async with answering_upstream() as upstream, open_stream(upstream.port) as stream:
        upstream.follow([b""])
        client = RawClient(*stream)
        await client.send(SECOND + SECOND)
        assert await client.receive() is None
        assert len(upstream.received) == 1


async def send_often(client: RawClient, data: bytes) -> None:
    for _ in range(1000):
        await client.send(data)


async def test_a_request_without_an_end_is_dropped() -> None:
    async with answering_upstream() as upstream, open_stream(upstream.port) as stream:
        client = RawClient(*stream)
        await client.send(b"GET / HTTP/1.1\r\nX: ")
        with pytest.raises(ConnectionError):
            await send_often(client, b"y" * 65536)
        assert upstream.received == []


async def test_no_connection_outlives_the_upstream() -> None:
    async with answering_upstream() as upstream:
        reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        writer.write(SECOND)
        await reader.readuntil(b"{}")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


@pytest.mark.parametrize(
    ("response", "written"),
    [
        (Message(""), b""),
        (Message("HTTP/1.1 204 No Content"), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (Message("HTTP/1.1 304 X"), b"HTTP/1.1 304 X\r\n\r\n"),
        (Message("HTTP/1.1 100 X"), b"HTTP/1.1 100 X\r\n\r\n"),
        (Message("HTTP/1.1 404 X"), b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"),
        (Message("HTTP/1.1 200 X", (), b"ab"), b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nab"),
        (
            Message("HTTP/1.1 200 X", (("content-length", "9"),)),
            b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n",
        ),
        (
            Message("HTTP/1.1 200 X", (("Transfer-Encoding", "chunked"),), b"0\r\n\r\n"),
            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ],
)
def test_the_length_of_a_response(response: Message, written: bytes) -> None:
    assert encode_response(response) == written
