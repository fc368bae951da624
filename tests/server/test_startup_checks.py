"""That the limits of what aiohttp reads are really those of a connection as it is built."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.server import http_server, startup_checks
from proxy.server.http_server import LIMITS, HttpServer, RequestHandler

EXPECTED = {
    "max_line_size": "request lines",
    "max_field_size": "headers' lengths",
    "max_headers": "headers' number",
}


async def test_a_connection_keeps_to_our_limits() -> None:
    await startup_checks.assert_limits()


def with_limits(monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any]) -> None:
    """Build connections with other limits than they are checked for."""
    monkeypatch.setattr(http_server, "_OPTIONS", limits)


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("limit", EXPECTED)
async def test_a_limit_that_is_another_is_found(limit: str, by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with_limits(monkeypatch, {**LIMITS, "access_log": None, limit: LIMITS[limit] + by})
    with pytest.raises(RuntimeError, match=EXPECTED[limit]):
        await startup_checks.assert_limits()


async def test_a_limit_that_is_misspelt_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aiohttp's own server drops all of them, with a warning."""
    with_limits(monkeypatch, {**LIMITS, "max_headres": 100})
    with pytest.raises(TypeError, match="max_headres"):
        await startup_checks.assert_limits()


class _Deaf(RequestHandler):
    def data_received(self, data: bytes) -> None:
        """Drop every request, as a version of aiohttp would that calls its parser in another way."""


class _Endless(RequestHandler):
    def data_received(self, data: bytes) -> None:
        """Let nothing wait outside of the parser, and never take a break."""
        web.RequestHandler.data_received(self, data)
        if self.transport is not None and data.count(b"\r\n\r\n") > 1:
            self.transport.resume_reading()


class _Lenient(RequestHandler):
    def data_received(self, data: bytes) -> None:
        """Take any method, as aiohttp's parser in Python does."""
        super().data_received(data.replace(b"UNKNOWN", b"GET"))


@pytest.mark.parametrize(
    ("protocol", "message"),
    [(_Deaf, "does not serve"), (_Endless, "requests that wait"), (_Lenient, "methods")],
)
async def test_a_server_that_does_something_else_is_found(
    protocol: type[RequestHandler], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "RequestHandler", protocol)
    with pytest.raises(RuntimeError, match=message):
        await startup_checks.assert_limits()


async def test_what_the_limits_are() -> None:
    assert LIMITS == {"max_line_size": 8190, "max_field_size": 8190, "max_headers": 100}
    assert issubclass(HttpServer, web.Server)


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
        startup_checks.assert_versions(found)
    else:
        with pytest.raises(RuntimeError, match=f"{too_old} is too old"):
            startup_checks.assert_versions(found)


def test_the_libraries_are_what_the_project_asks_for() -> None:
    startup_checks.assert_versions()
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    asked = {name: re.search(rf'"{name}>=([0-9.]+)', project) for name in startup_checks.LEAST}
    assert {name: found and found[1] for name, found in asked.items()} == {
        name: ".".join(map(str, least)) for name, least in startup_checks.LEAST.items()
    }
