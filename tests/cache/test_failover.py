"""Redis after a fail-over: the connection to the demoted master stays open, and answers.

Real masters and replicas change their roles; a relay is the name that leads to the new master.
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from support import leap
from support.cached import ALICE, Lists, Upstream, Value, ask, known, tolerant_store
from support.relay import Relay, relay
from support.scripted_redis import INFO, ROLE, bulk, pipeline_to, scripted_redis
from support.valkey import Server, fail_over, running_valkey

from bench.processes import free_port
from proxy.cache import CachePolicy, ListCache, derive_key, derive_owner
from proxy.cache.redis_pipeline import UnavailableError
from proxy.cache.redis_store import RedisStore

OWNER = derive_owner(ALICE)
NEVER = 3600
"""Seconds: a write that waits until older lists have expired does not end in a test."""


@contextlib.asynccontextmanager
async def replica_of_ours(url: str, secret: bytes) -> AsyncIterator[RedisStore]:
    store = tolerant_store(url, secret)
    try:
        yield store
    finally:
        await store.close()


@pytest_asyncio.fixture
async def kept(pair: list[Server]) -> AsyncIterator[tuple[Relay, Lists, Lists]]:
    """Run two replicas that reach the master by one name; yields the name, and their caches."""
    secret = secrets.token_bytes()
    async with (
        relay(pair[0].port) as name,
        replica_of_ours(name.url, secret) as one,
        replica_of_ours(name.url, secret) as another,
    ):
        caches: list[Lists] = [
            ListCache(Value, CachePolicy(NEVER, 0, 1_000_000), store) for store in (one, another)
        ]
        yield name, caches[0], caches[1]


async def write(lists: Lists, upstream: Upstream, text: str) -> None:
    async with asyncio.timeout(20), lists.invalidating(OWNER):
        upstream.text = text


@pytest.mark.parametrize("is_reached", [True, False], ids=["synchronised", "cut off"])
async def test_found_g4_one_replica_keeps_the_old_link(
    pair: list[Server], kept: tuple[Relay, Lists, Lists], is_reached: bool
) -> None:
    name, reader, writer = kept
    upstream = Upstream()
    for number in range(8):
        pair[1].follow(pair[0])
        pair[1].wait_for_link()
        await write(writer, upstream, f"before {number}")
        assert (await ask(reader, ALICE, upstream)).text == f"before {number}"
        assert await known(reader, ALICE) == f"before {number}"
        fail_over(pair, is_reached=is_reached)
        name.lead_to(pair[0].port)
        async with replica_of_ours(f"redis://127.0.0.1:{pair[0].port}", b"another secret") as fresh:
            assert await fresh.state(OWNER)
        await write(writer, upstream, f"after {number}")
        assert await known(reader, ALICE) in (None, f"after {number}")
        assert (await ask(reader, ALICE, upstream)).text == f"after {number}"


async def test_found_g4_a_name_that_still_leads_to_the_demoted_master(
    pair: list[Server], kept: tuple[Relay, Lists, Lists]
) -> None:
    """Until it leads elsewhere, nothing is cached, and no write is acknowledged that others may not see."""
    name, reader, writer = kept
    upstream = Upstream()
    assert (await ask(reader, ALICE, upstream)).text == "old"
    await write(writer, upstream, "before")
    assert (await ask(reader, ALICE, upstream)).text == "before"
    fail_over(pair, is_reached=False)
    upstream.text = "changed by another replica"
    assert (await ask(reader, ALICE, upstream)).text == upstream.text
    writing = asyncio.create_task(write(writer, upstream, "after"))
    await asyncio.sleep(0.7)
    assert not writing.done()
    assert (await ask(reader, ALICE, upstream)).text == "after"
    name.lead_to(pair[0].port)
    await writing
    async with asyncio.timeout(20):
        while await known(reader, ALICE) != "after":
            await ask(reader, ALICE, upstream)
            await asyncio.sleep(0.1)


async def test_found_g4_a_promotion_begins_new_generations(
    pair: list[Server], kept: tuple[Relay, Lists, Lists]
) -> None:
    """A master that was demoted in between has lost writes; the connection has stayed open."""
    _, reader, _ = kept
    upstream = Upstream()
    await ask(reader, ALICE, upstream)
    assert await known(reader, ALICE) == "old"
    fail_over(pair, is_reached=False)
    upstream.text = "written through the other master"
    fail_over(pair)
    assert await known(reader, ALICE) is None
    assert (await ask(reader, ALICE, upstream)).text == upstream.text


async def test_found_g4_a_replica_that_accepts_writes(
    pair: list[Server], kept: tuple[Relay, Lists, Lists]
) -> None:
    """No command of ours is refused by such a replica."""
    name, reader, writer = kept
    upstream = Upstream()
    await ask(reader, ALICE, upstream)
    for each in pair:
        each.client.config_set("replica-read-only", "no")
    fail_over(pair, is_reached=False)
    assert await known(reader, ALICE) is None
    name.lead_to(pair[0].port)
    await write(writer, upstream, "new")
    assert (await ask(reader, ALICE, upstream)).text == "new"


# Replies of servers that are the wrong ones


ELSEWHERE = ("READONLY", "MOVED 1 127.0.0.1:1", "ASK 1 127.0.0.1:1", "MASTERDOWN", "LOADING", "CLUSTERDOWN")


@pytest.mark.parametrize("reply", [*ELSEWHERE, "NOAUTH"])
def test_found_e2_another_server_is_asked_at_once(reply: str, caplog: pytest.LogCaptureFixture) -> None:
    """The command is repeated over a new connection, which may lead to another server."""

    async def run() -> None:
        async with scripted_redis() as server, pipeline_to(server.port) as pipeline:
            assert await pipeline.execute((b"ECHO", b"1")) == (b"one", [b"1"])
            server.first_replies[b"ECHO"] = f"-{reply}\r\n".encode()
            assert await pipeline.execute((b"ECHO", b"2"), (b"ECHO", b"3")) == (b"one", [b"2", b"3"])
            assert server.connections == 2
            assert server.batches[-1] == [b"ECHO 2", b"ECHO 3", ROLE]

    leap.run(run())
    if reply != "NOAUTH":
        assert f"replies {reply.split(maxsplit=1)[0]}" in caplog.text or reply == "LOADING"


@pytest.mark.parametrize("reply", ELSEWHERE)
def test_found_e2_a_name_that_leads_to_no_other_server(reply: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each try takes one new connection, and only commands that insist are tried for a second."""

    async def run() -> None:
        async with scripted_redis() as server, pipeline_to(server.port) as pipeline:
            await pipeline.execute((b"ECHO", b"1"))
            server.replies[b"ECHO"] = f"-{reply}\r\n".encode()
            for connections in (2, 2, 3, 4):
                with pytest.raises(UnavailableError):
                    await pipeline.execute((b"ECHO", b"2"), insist=connections > 2)
                assert server.connections == connections
            del server.replies[b"ECHO"]
            assert await pipeline.execute((b"ECHO", b"3"), insist=True) == (b"one", [b"3"])

    leap.run(run())
    failed, recovered = caplog.messages
    assert f"redis: replies {reply.split(maxsplit=1)[0]}: it is " in failed
    assert recovered == "redis: answers again"


def test_found_e2_a_kept_connection_that_was_closed_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """A server closes idle connections, and those of clients that an operator ends: that is no failure."""

    async def run() -> None:
        with running_valkey() as server:
            async with replica_of_ours(server.url, b"secret") as store:
                before = await store.state(OWNER)
                assert before
                server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                assert await store.state(OWNER) == before

    asyncio.run(run())
    assert caplog.messages == []


# What is told


def full(server: Server) -> None:
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("maxmemory", "1")


def emptied(server: Server) -> None:
    server.client.config_set("maxmemory", "0")


def demoted(server: Server) -> None:
    server.client.execute_command("REPLICAOF", "127.0.0.1", "1")


def promoted(server: Server) -> None:
    server.follow(None)


def protected(server: Server) -> None:
    server.client.config_set("requirepass", "a password")
    server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def unprotected(server: Server) -> None:
    server.client.config_set("requirepass", "")


def without_replicas(server: Server) -> None:
    server.client.config_set("min-replicas-to-write", "1")


def with_replicas(server: Server) -> None:
    server.client.config_set("min-replicas-to-write", "0")


def forbidden(server: Server) -> None:
    server.client.execute_command("ACL", "SETUSER", "default", "-del")


def allowed(server: Server) -> None:
    server.client.execute_command("ACL", "SETUSER", "default", "+del")


Change = Callable[[Server], None]


@pytest.mark.parametrize(
    ("word", "spoil", "mend"),
    [
        ("OOM", full, emptied),
        ("READONLY", demoted, promoted),
        ("NOAUTH", protected, unprotected),
        ("NOREPLICAS", without_replicas, with_replicas),
        ("NOPERM", forbidden, allowed),
    ],
)
async def test_found_a3_a_refusal_is_told_when_it_begins_and_ends(
    word: str, spoil: Change, mend: Change, caplog: pytest.LogCaptureFixture
) -> None:
    with running_valkey() as server:
        async with replica_of_ours(server.url, b"secret") as store:
            lists: Lists = ListCache(Value, CachePolicy(60, 0, 1_000_000), store)

            async def use() -> None:
                for _ in range(4):
                    await ask(lists, ALICE, Upstream())
                    await lists.finish_background()
                    await store.advance(OWNER)

            await use()
            assert caplog.messages == []
            for _ in range(2):
                spoil(server)
                await use()
                assert [word in line for line in caplog.messages] == [True]
                assert caplog.messages[0].startswith(f"redis: replies {word}")
                mend(server)
                await asyncio.sleep(1.1)  # the pause after a failure
                await use()
                assert len(caplog.messages) == 2
                assert "again" in caplog.messages[1]
                caplog.clear()


async def test_found_a3_a_wrong_password_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with running_valkey("a password") as server:
        async with replica_of_ours(f"redis://:wrong@127.0.0.1:{server.port}", b"secret") as store:
            for _ in range(3):
                assert not await store.advance(OWNER)
    (told,) = caplog.messages
    assert told == "redis: replies WRONGPASS; lists are not cached meanwhile"


@pytest.mark.parametrize("slots", [False, True], ids=["without slots", "with every slot"])
async def test_found_a3_a_cluster_is_recognised(slots: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Even one whose only server has all the slots, which refuses commands over two names."""
    with running_valkey("", "--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        if slots:
            server.client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            async with asyncio.timeout(20):
                while b"cluster_state:ok" not in server.client.execute_command("CLUSTER", "INFO"):
                    await asyncio.sleep(0.05)
        async with replica_of_ours(server.url, b"secret") as store:
            for _ in range(3):
                assert await store.state(OWNER) is None
                assert not await store.advance(OWNER)
    words = [
        re.fullmatch(r"redis: replies ([A-Z]+): it is a Redis Cluster, .*", each) for each in caplog.messages
    ]
    assert words
    assert all(words)
    assert len({found[1] for found in words if found}) == len(words), "each is told once"


def test_found_a3_other_words_are_told_with_their_command(caplog: pytest.LogCaptureFixture) -> None:
    """A server whose disk is full, one that runs a script, and a value of another type, which is no state."""

    async def run() -> None:
        async with scripted_redis() as server, pipeline_to(server.port) as pipeline:
            for word in ("MISCONF", "BUSY", "WRONGTYPE", "ERR"):
                server.replies[b"SET"] = f"-{word} a secret\r\n".encode()
                for _ in range(3):
                    with pytest.raises(UnavailableError):
                        await pipeline.execute(("SET", b"1", b"2"))
                    await pipeline.execute((b"ECHO", b"1"))
            server.replies[b"SET"] = b"+OK\r\n"
            await pipeline.execute(("SET", b"1", b"2"))
            assert server.connections == 1

    leap.run(run())
    assert [line.partition(";")[0] for line in caplog.messages] == [
        "redis: replies MISCONF to SET",
        "redis: replies BUSY to SET",
        "redis: replies ERR to SET",
        "redis: SET works again",
    ]


def test_found_a3_the_connections_of_a_store_tell_together(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with scripted_redis() as server:
            server.replies |= {b"INFO": bulk(b"role:slave\r\nmaster_replid:one\r\n"), b"GET": b"$-1\r\n"}
            async with replica_of_ours(f"redis://127.0.0.1:{server.port}", b"secret") as store:
                key = derive_key(ALICE)
                assert await store.state(OWNER) is None
                assert await store.load(key, b"a generation") is None
                server.replies |= {b"INFO": INFO, b"DEL": b":1\r\n", b"PTTL": b":-2\r\n"}
                await asyncio.sleep(2)
                assert await store.load(key, b"a generation") is None
                assert await store.advance(OWNER)

    leap.run(run())
    assert caplog.messages == [
        "redis: replies READONLY: it is a replica; lists are not cached meanwhile",
        "redis: answers again",
    ]
