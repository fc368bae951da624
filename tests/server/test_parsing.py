"""That the limits of what a parser reads are really those of the parser."""

import asyncio
from typing import Any

import pytest
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


async def test_a_parser_that_is_not_c_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "HttpRequestParser", HttpRequestParserPy)
    with pytest.raises(RuntimeError, match="in C"):
        parsing.assert_limits(asyncio.get_running_loop())
