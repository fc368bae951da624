"""That the limits of what a parser reads are really those of the parser."""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_parser import HttpRequestParserPy

from proxy.server import parsing

EXPECTED = {
    "max_line_size": "request lines",
    "max_field_size": "headers' lengths",
    "max_headers": "headers' number",
    "max_msg_queue_size": "requests that wait",
}


async def test_the_parser_keeps_to_our_limits() -> None:
    parsing.assert_limits(asyncio.get_running_loop())


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("limit", EXPECTED)
async def test_a_limit_that_is_another_is_found(limit: str, by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(*args: Any, **limits: Any) -> HttpRequestParser:
        return HttpRequestParser(*args, **{**limits, limit: limits[limit] + by})

    otherwise.__module__ = HttpRequestParser.__module__
    monkeypatch.setattr(parsing, "HttpRequestParser", otherwise)
    with pytest.raises(RuntimeError, match=EXPECTED[limit]):
        parsing.assert_limits(asyncio.get_running_loop())


def read(data: bytes) -> int:
    """Return how many requests a parser finds, 0 where it finds fault with one."""
    loop = asyncio.get_running_loop()
    with suppress(parsing.HttpProcessingError):
        return len(parsing.request_parser(BaseProtocol(loop), loop).feed_data(data)[0])
    return 0


HOST = b"Host: x\r\n\r\n"


@pytest.mark.parametrize(
    ("most", "request_of"),
    [
        (8190, lambda size: b"GET /%b HTTP/1.1\r\n" % (b"x" * (size - 1)) + HOST),
        (8190, lambda size: b"GET / HTTP/1.1\r\nX:%b\r\n" % (b"x" * (size - 1)) + HOST),
        (100, lambda number: b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * (number - 1) + HOST),
    ],
    ids=["target", "header", "headers"],
)
async def test_what_the_limits_are(most: int, request_of: Callable[[int], bytes]) -> None:
    assert (read(request_of(most)), read(request_of(most + 1))) == (1, 0)


async def test_how_many_requests_wait() -> None:
    assert read((b"GET / HTTP/1.1\r\n" + HOST) * 40) == 32


async def test_a_parser_that_is_not_c_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "HttpRequestParser", HttpRequestParserPy)
    with pytest.raises(RuntimeError, match="in C"):
        parsing.assert_limits(asyncio.get_running_loop())


@pytest.mark.parametrize(
    ("aiohttp", "lxml", "too_old"),
    [
        ((3, 14, 5), (6, 1, 0, 0), None),
        ((3, 15), (7, 0), None),
        ((4, 0, 0), (6, 1, 3, 0), None),
        ((3, 14, 4), (6, 1, 0, 0), "aiohttp"),
        ((3, 9, 99), (6, 1, 0, 0), "aiohttp"),
        ((3, 14, 5), (6, 0, 9, 0), "lxml"),
        ((3, 14, 5), (5, 99), "lxml"),
    ],
)
def test_libraries_that_are_too_old_are_found(
    aiohttp: Sequence[int], lxml: Sequence[int], too_old: str | None
) -> None:
    found = {"aiohttp": aiohttp, "lxml": lxml}
    if too_old is None:
        parsing.assert_versions(found)
    else:
        with pytest.raises(RuntimeError, match=f"{too_old} is too old"):
            parsing.assert_versions(found)


def test_the_libraries_are_what_the_project_asks_for() -> None:
    parsing.assert_versions()
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    asked = {
        name: re.search(rf'"{name}>=([0-9.]+)', project)
        for name in parsing._LEAST  # noqa: SLF001
    }
    assert {name: found and found[1] for name, found in asked.items()} == {
        name: ".".join(map(str, least))
        for name, least in parsing._LEAST.items()  # noqa: SLF001
    }
