"""No failure is silent: each has a reason, in the log, in a counter and in the output of `translate`."""

import asyncio
import gzip
import json
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner
from support import leap
from support.logs import logged
from support.proxied import AN_INSTANCE, BOBS, LISTED, MAPPED, Proxied, error, item, ok, page, profile_with
from support.running import running_listeners
from support.seed import ACCOUNT, LIST, TOKEN
from support.wire import Answer, End, ScriptedUpstream, Stall, connect, scripted_upstream

from proxy.cli import main
from proxy.errors import Reason
from proxy.net.addresses import Address
from proxy.observe.counters import UPSTREAM_FAILURES

METRICS = "listen: {metrics: '127.0.0.1:0'}\n"
CANARY = "canary-7f3a"
"""Text of an upstream: it is in no line."""


def lines(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records]


async def metrics(bound: Mapping[str, Address]) -> dict[str, float]:
    """Return every sample that is not zero."""
    async with connect(bound["metrics"].port) as client:
        answer = await client.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    samples = re.findall(r"^callerid_proxy_(\S+) (\S+)$", answer.body.decode(), re.MULTILINE)
    return {name: float(value) for name, value in samples if float(value)}


@asynccontextmanager
async def observed(
    base_url: str, configuration: str = ""
) -> AsyncIterator[tuple[Proxied, Callable[[], Awaitable[dict[str, float]]]]]:
    """Run a proxy that has metrics."""
    async with running_listeners(base_url, configuration + METRICS, {"SECRET": "s3cret"}) as bound:
        yield Proxied(bound["address"].port, ScriptedUpstream()), lambda: metrics(bound)


def large(name: str, size: int) -> bytes:
    return ok(BOBS, (name, "x" * size))


BODY = json.dumps({"items": CANARY}).encode()
UNREADABLE: Mapping[str, tuple[Answer, str]] = {
    "reset": ((End.RST,), "reset"),
    "half an answer": ((LISTED[:-9], End.FIN), "reset"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "headers"),
    "a header over the limit": (large("X-Long", 40_000), "headers"),
    "gzip that is cut": (ok(gzip.compress(BOBS)[:-1], ("Content-Encoding", "gzip")), "encoding"),
    "another compression": (ok(b"\xce\xb2\xcf\x81", ("Content-Encoding", "br")), "encoding"),
    "an answer over the limit": (ok(b"[" + b" " * 8 * 1024 * 1024 + b"]"), "too_large"),
    "a page of HTML": (ok(f"<html>{CANARY}</html>".encode()), "not_json"),
    "JSON that says it is HTML": (ok(BOBS).replace(b"application/json", b"text/html"), "not_json"),
    "cut JSON": (ok(BOBS[:-1]), "not_json"),
    "duplicate keys": (ok(b'{"a": 1, "a": 2}'), "not_json"),
    "items no array": (ok(json.dumps({"outgoing_caller_ids": CANARY}).encode()), "no_items"),
    "no items": (ok(b"{}"), "no_items"),
    "an item without a key": (ok(page({**item(), "sid": None})), "item_key"),
    "an item that is text": (ok(page(CANARY)), "item_key"),
    "a number that is an array": (ok(page(item(phone_number=[CANARY]))), "item_type"),
    "an id that is no Sid": (ok(page(item(sid=CANARY))), "id"),
    "an item of another account": (ok(page(item(account_sid="AC" + "e" * 32))), "account"),
    "a next page elsewhere": (ok(page(item(), following="http://elsewhere.example/")), "origin"),
    "a next page that is no URL": (ok(page(item(), following=7)), "cursor"),
    "a next page that is this one": (ok(page(item(), following="?")), "cursor"),
    "a success without content": (error(201), "no_items"),
    "a redirect": (error(302, ("Location", f"/{CANARY}")), "status"),
    "a teapot": (error(418), "status"),
    "500": (error(500), "status"),
    "HTML and 500": (ok(f"<p>{CANARY}".encode()).replace(b" 200 ", b" 500 "), "status"),
    "429": (error(429, ("Retry-After", "7")), "declined"),
    "503": (error(503, ("Retry-After", "7")), "declined"),
    "401": (error(401), "unauthorized"),
    "403": (error(403), "unauthorized"),
}


@pytest.mark.parametrize(("answer", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_found_a1_an_unusable_answer(answer: Answer, reason: str) -> None:
    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, counted):
            upstream.otherwise = lambda _: answer
            with logged() as records:
                for _ in range(2):
                    assert (await client.ask()).status >= 400
            count = (await counted()).get(f'upstream_failures_total{{operation="list",reason="{reason}"}}')
        (line,) = lines(records)
        port = upstream.url.rpartition(":")[2]
        assert line.startswith(f"upstream twilio-2010-04-01 at 127.0.0.1:{port}: list for {ACCOUNT} failed: ")
        assert f" {reason}: " in line
        assert CANARY not in line
        assert TOKEN not in line
        assert count == 2
        fields = vars(records[0])["fields"]
        assert (fields["operation"], fields["account"], fields["reason"]) == ("list", ACCOUNT, reason)

    leap.run(ask())


OPERATIONS = {
    "fetch": ("GET", AN_INSTANCE),
    "rename": ("PUT", AN_INSTANCE),
    "delete": ("DELETE", AN_INSTANCE),
    "validate": ("POST", LIST),
}


@pytest.mark.parametrize(("operation", "method", "target"), [(name, *to) for name, to in OPERATIONS.items()])
def test_found_a1_each_operation(operation: str, method: str, target: str) -> None:
    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, counted):
            upstream.otherwise = lambda _: error(500)
            with logged() as records:
                assert (await client.ask(method, target)).status == 502
            counts = await counted()
        assert counts == {f'upstream_failures_total{{operation="{operation}",reason="status"}}': 1}
        (line,) = lines(records)
        assert f": {operation} for {ACCOUNT} failed: status: " in line
        assert line.endswith("(status 500)")

    leap.run(ask())


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_found_a1_what_is_only_wrong_in_the_request_is_no_failure(status: int) -> None:
    said = ok(b'{"code": 20404, "message": "Not here"}')
    answer = said.replace(b"HTTP/1.1 200", f"HTTP/1.1 {status}".encode())

    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, counted):
            upstream.otherwise = lambda _: answer
            with logged() as records:
                assert (await client.ask(target=AN_INSTANCE)).status == status
            assert await counted() == {}
        assert records == []

    leap.run(ask())


def test_found_a1_a_name_that_does_not_exist() -> None:
    async def ask() -> None:
        async with observed("http://nowhere.invalid") as (client, counted):
            with logged() as records:
                assert (await client.ask()).status == 503
            assert await counted() == {'upstream_failures_total{operation="list",reason="dns"}': 1}
        (line,) = lines(records)
        assert "at nowhere.invalid: " in line
        assert "exception gaierror" in line

    asyncio.run(ask())


def test_found_a1_a_port_that_refuses() -> None:
    async def ask() -> None:
        async with observed("http://127.0.0.1:9") as (client, counted):
            with logged() as records:
                assert (await client.ask()).status == 503
            assert await counted() == {'upstream_failures_total{operation="list",reason="connect"}': 1}
        (line,) = lines(records)
        assert "exception ConnectionRefusedError, error Connection refused" in line

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("name", "is_trusted", "detail"),
    [("127.0.0.1", False, "self-signed|unable to get"), ("127.0.0.2", True, "mismatch|valid for")],
)
def test_found_a1_a_certificate_that_is_not_trusted(
    name: str, is_trusted: bool, detail: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if is_trusted:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def ask() -> None:
        async with scripted_upstream(tls=context) as upstream, observed(upstream.url) as (client, counted):
            with logged() as records:
                assert (await client.ask()).status == 502
            assert await counted() == {'upstream_failures_total{operation="list",reason="tls"}': 1}
        (line,) = lines(records)
        assert "exception SSLCertVerificationError, certificate " in line
        assert re.search(detail, line)

    from proxy.upstream import route  # noqa: PLC0415 - its context is made once, with the variable

    route._default_tls.cache_clear()  # noqa: SLF001
    asyncio.run(ask())
    route._default_tls.cache_clear()  # noqa: SLF001


@pytest.mark.parametrize("stall", [(Stall(600),), (LISTED[:-9], Stall(600))], ids=["first byte", "rest"])
def test_found_a1_a_timeout(stall: Answer) -> None:
    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, counted):
            upstream.otherwise = lambda _: stall
            with logged() as records:
                assert (await client.ask()).status == 504
            assert await counted() == {'upstream_failures_total{operation="list",reason="timeout"}': 1}
        assert ": timeout: " in lines(records)[0]

    leap.run(ask())


def test_found_a1_a_list_beyond_its_limits(tmp_path: Path) -> None:
    configuration = profile_with(tmp_path, ("\noperations:", "\nlimits: {items: 1}\noperations:"))
    listed = page(item(), item(sid="PN" + "a" * 32))

    async def ask() -> None:
        async with (
            scripted_upstream(ok(listed)) as upstream,
            observed(upstream.url, configuration) as (client, counted),
        ):
            with logged() as records:
                assert (await client.ask()).status == 503
            assert await counted() == {'upstream_failures_total{operation="list",reason="too_large"}': 1}
        assert lines(records)[0].endswith("(limit 1 items)")

    leap.run(ask())


def test_found_a1_lines_are_written_once_a_minute_for_each_account() -> None:
    another = "AC" + "b" * 32

    async def ask() -> list[str]:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, _):
            upstream.otherwise = lambda _: error(418)
            with logged() as records:
                for _ in range(4):
                    await client.ask(target=AN_INSTANCE)
                    await client.ask(target=AN_INSTANCE.replace(ACCOUNT, another))
                await asyncio.sleep(61)
                await client.ask(target=AN_INSTANCE)
        return lines(records)

    first, other, again = leap.run(ask())
    assert (ACCOUNT in first, another in other) == (True, True)
    assert again == f"{first} (left out before: 3 more)"


def test_found_a1_made_up_accounts_do_not_fill_the_log() -> None:
    async def ask() -> int:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, _):
            upstream.otherwise = lambda _: error(418)
            with logged() as records:
                for number in range(300):
                    await client.ask(target=AN_INSTANCE.replace(ACCOUNT, f"AC{number:032x}"))
        return len(records)

    assert leap.run(ask()) == 200


def test_found_a1_the_reasons_are_a_closed_list() -> None:
    assert UPSTREAM_FAILURES.labels["reason"] == tuple(Reason)
    assert {"connect", "dns", "tls", "timeout", "reset", "headers", "encoding", "not_json"} <= set(Reason)
    assert {"no_items", "item_key", "item_type", "id", "status", "declined", "breaker"} <= set(Reason)


TRANSLATED = {
    "no JSON": (b"<html>" + CANARY.encode(), (), "not_json: the answer is not JSON (status 200)"),
    "items no array": (
        b'{"outgoing_caller_ids": 1}',
        (),
        "no_items: .*/outgoing_caller_ids, expected an array, found a number, status 200",
    ),
    "an item without a key": (
        page(item(), {**item(), "sid": None}),
        (),
        "item_key: .*/sid, expected a value as text, found null, item 1, ",
    ),
    "an id that is no Sid": (
        page(item(sid=CANARY)),
        (),
        "id: .*pointer /sid, expected Sids, found text, item 0, status 200",
    ),
    "500": (b"{}", ("--status", "500"), "status: .*status 500"),
    "429": (b"{}", ("--status", "429"), "declined: .*status 429"),
    "401": (b"{}", ("--status", "401"), "unauthorized: .*status 401"),
}


@pytest.mark.parametrize(("said", "options", "reason"), TRANSLATED.values(), ids=TRANSLATED)
def test_found_a1_translate_says_the_same(said: bytes, options: tuple[str, ...], reason: str) -> None:
    done = CliRunner().invoke(main, ["translate", "GET", LIST, *options], input=said)
    assert done.exit_code == 65
    assert "<RestException>" in done.stdout
    assert done.stderr.startswith(
        f"Error: upstream twilio-2010-04-01 at api.twilio.com: list for {ACCOUNT} failed: "
    )
    assert re.search(reason.replace("(", r"\(").replace(")", r"\)"), done.stderr)
    assert CANARY not in done.stderr


def test_found_a1_translate_of_a_usable_answer_succeeds() -> None:
    done = CliRunner().invoke(main, ["translate", "GET", LIST], input=BOBS)
    assert (done.exit_code, done.stderr) == (0, "")


# What clients do


def test_found_a2_a_wrong_token_and_a_peer_that_is_locked_out() -> None:
    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url, MAPPED) as (client, counted):
            with logged() as records:
                statuses = [(await client.ask(token="guess")).status for _ in range(22)]
            counts = await counted()
        assert statuses == [401] * 20 + [429] * 2
        assert counts == {
            'rejected_requests_total{reason="wrong_token"}': 20,
            'rejected_requests_total{reason="locked_out"}': 2,
        }
        assert [line.partition(":")[0] for line in lines(records)] == [
            "a request was answered 401",
            "a request was answered 429",
        ]
        assert {record.name for record in records} == {"proxy.security"}

    leap.run(ask())


def test_found_a2_a_challenge_is_no_failure() -> None:
    """Clients that wait for the 401 send their credentials after it."""

    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url, MAPPED) as (client, counted):
            with logged() as records:
                async with connect(client.port) as connection:
                    answer = await connection.ask(f"GET {LIST} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (answer.status, await counted(), records) == (401, {}, [])

    leap.run(ask())


def test_found_a2_a_caller_with_too_many_requests() -> None:
    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, counted):
            upstream.otherwise = lambda _: (Stall(5), LISTED)
            with logged() as records:
                deletions = (client.ask("DELETE", AN_INSTANCE) for _ in range(33))
                statuses = [answer.status for answer in await asyncio.gather(*deletions)]
            assert statuses.count(429) == 1
            assert (await counted())['rejected_requests_total{reason="caller_limit"}'] == 1
            assert "a request was answered 429: its caller has too many under way" in lines(records)

    leap.run(ask())


def test_found_a2_a_handshake_that_fails(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "chain.pem")
    tls = f"{{address: '127.0.0.1:0', certificate: {tmp_path}/chain.pem}}"
    listen = f"listen: {{metrics: '127.0.0.1:0', tls: {tls}}}\n"

    async def ask() -> None:
        async with running_listeners("http://127.0.0.1:9", listen) as bound:
            with logged() as records:
                for said in (b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"GET / HTTP/1.0\r\n\r\n"):
                    async with connect(bound["tls"].port) as client:
                        await client.send(said)
                        await client.reader.read()
                while (counts := await metrics(bound)) != {'tls_handshake_failures_total{listener="tls"}': 3}:
                    assert not counts or max(counts.values()) < 3
                    await asyncio.sleep(0.01)
        failed = "server: a TLS handshake at listen.tls failed:"
        assert lines(records) == [f"{failed} HTTP_REQUEST", f"{failed} WRONG_VERSION_NUMBER"]

    asyncio.run(ask())


def test_found_a4_a_circuit_breaker() -> None:
    """Opening is logged with the failure that caused it, and closing; a failed probe is not."""

    async def ask() -> None:
        async with scripted_upstream() as upstream, observed(upstream.url) as (client, counted):
            upstream.otherwise = lambda _: error(500)
            with logged() as records:
                while (await client.ask()).status == 502:
                    pass
                assert (await counted())["circuit_breakers_open"] == 1
                await asyncio.sleep(6)
                assert (await client.ask()).status == 502  # the probe
                assert (await client.ask()).status == 503
                upstream.otherwise = lambda _: LISTED
                await asyncio.sleep(11)
                assert (await client.ask()).status == 200
                counts = await counted()
        assert counts["circuit_breaker_openings_total"] == 1
        assert "circuit_breakers_open" not in counts
        assert counts['upstream_failures_total{operation="list",reason="breaker"}'] == 2
        told = [line for line in lines(records) if "circuit breaker of a caller" in line]
        assert told == [
            f"upstream {upstream.url}: the circuit breaker of a caller is open for 5 s after status 500",
            f"upstream {upstream.url}: the circuit breaker of a caller is closed again",
        ]

    leap.run(ask())
