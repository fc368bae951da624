"""Lists stay correct when Redis stops, restarts, loses data, returns corrupt data, hangs or is full."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from hashlib import sha256

import pytest
import pytest_asyncio
from support import leap
from support.cached import (
    ALICE,
    OTHER_ACCOUNT,
    OTHER_TOKEN,
    Clock,
    Lists,
    Upstream,
    Value,
    ask,
    known,
    tolerant_store,
)
from support.relay import Relay, relay
from support.scripted_redis import ROLE, ScriptedRedis, bulk, scripted_redis
from support.streams import stream_server
from support.valkey import Server, running_valkey

from proxy.cache import CachePolicy, Key, ListCache, derive_key, derive_owner
from proxy.cache.redis_store import RedisStore
from proxy.cache.stores import SavedList
from proxy.model import Account, Credentials

OWNER = derive_owner(ALICE)
KEY = derive_key(ALICE)
SECRET = b"secret"


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server that only this test uses, and may break."""
    with running_valkey("a password") as server:
        yield server


@pytest_asyncio.fixture
async def stores(server: Server) -> AsyncIterator[list[RedisStore]]:
    """Three replicas; the last one has another secret."""
    stores = [tolerant_store(server.url, secret) for secret in (SECRET, SECRET, b"another")]
    yield stores
    for store in stores:
        await store.close()


@pytest_asyncio.fixture
async def strict_store(server: Server) -> AsyncIterator[RedisStore]:
    """Run a replica with the default timeouts."""
    store = RedisStore.at(server.url, SECRET)
    yield store
    await store.close()


def cache_over(store: RedisStore, fresh: float = 60) -> Lists:
    return ListCache(Value, CachePolicy(fresh, 0, 1_000_000), store)


async def wait_for_redis(store: RedisStore) -> None:
    """Wait out the second without calls after a failure."""
    async with asyncio.timeout(10):
        while await store.state(OWNER) is None:
            await asyncio.sleep(0.05)


async def list_and_save(store: RedisStore, upstream: Upstream) -> None:
    lists = cache_over(store)
    await ask(lists, ALICE, upstream)
    await lists.finish_background()


async def test_a_list_of_one_replica_serves_the_others(stores: list[RedisStore]) -> None:
    upstream = Upstream()
    await list_and_save(stores[0], upstream)
    assert await known(cache_over(stores[1]), ALICE) == "old"
    assert await known(cache_over(stores[1]), ALICE, "a filter") is None
    assert await known(cache_over(stores[2]), ALICE) is None
    assert upstream.listings == 1


async def test_lists_loaded_together_are_not_mixed_up(stores: list[RedisStore]) -> None:
    lists = cache_over(stores[0])
    for caller in (ALICE, OTHER_ACCOUNT, OTHER_TOKEN):
        upstream = Upstream()
        upstream.text = repr(derive_key(caller))
        await ask(lists, caller, upstream)
    await lists.finish_background()
    another = cache_over(stores[1])
    callers = (ALICE, OTHER_ACCOUNT, OTHER_TOKEN, ALICE)
    taken_over = await asyncio.gather(*(known(another, caller) for caller in callers))
    assert taken_over == [repr(derive_key(caller)) for caller in callers]


async def test_a_loaded_list_is_cached_in_memory(server: Server, stores: list[RedisStore]) -> None:
    await list_and_save(stores[0], Upstream())
    lists = cache_over(stores[1])
    assert await known(lists, ALICE) == "old"
    server.client.delete(named(server, "list"))
    assert await known(lists, ALICE) == "old"
    assert await known(cache_over(stores[1]), ALICE) is None


async def test_after_a_refusal_other_replicas_lists_are_ignored_until_they_expire(
    stores: list[RedisStore],
) -> None:
    clock = Clock()
    lists: Lists = ListCache(Value, CachePolicy(60, 5, 1_000_000), stores[0], clock)
    lists.revoke(KEY)
    await list_and_save(stores[1], Upstream())
    for passed, found in ((0, None), (64.9, None), (0.1, "old")):
        clock.now += passed
        assert await known(lists, ALICE) == found


async def test_a_listing_from_before_a_refusal_is_not_saved(server: Server, stores: list[RedisStore]) -> None:
    lists, upstream = cache_over(stores[0]), Upstream()
    upstream.released.clear()
    asked = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(1)
    lists.revoke(KEY)
    upstream.released.set()
    await asked
    await lists.finish_background()
    assert server.client.keys("callerid-proxy:list:*") == []


async def test_a_list_may_be_older_than_the_loading_host(stores: list[RedisStore]) -> None:
    """The clock of a host that has just started says 0."""
    await list_and_save(stores[0], Upstream())
    clock = Clock()
    clock.now = 0
    lists: Lists = ListCache(Value, CachePolicy(60, 0, 1_000_000), stores[1], clock)
    assert [await known(lists, ALICE) for _ in range(2)] == ["old", "old"]


async def test_a_list_is_found_by_its_query(stores: list[RedisStore]) -> None:
    state = await stores[0].state(OWNER)
    assert state
    questions = [(), ("a filter",), ("another",), ("a filter", None)]
    for what in questions:
        await stores[0].save(derive_key(ALICE, *what), state.generation, SavedList(repr(what).encode(), 60))
    for what in questions:
        kept = await stores[1].load(derive_key(ALICE, *what), state.generation)
        assert kept
        assert kept.content == repr(what).encode()


async def test_a_saved_list_keeps_its_age(server: Server, stores: list[RedisStore]) -> None:
    await list_and_save(stores[0], Upstream())
    server.pass_time(40)
    clock = Clock()
    taken_over: Lists = ListCache(Value, CachePolicy(60, 0, 1_000_000), stores[1], clock)
    assert await known(taken_over, ALICE) == "old"
    clock.now += 20
    server.pass_time(20)
    assert await known(taken_over, ALICE) is None


async def test_a_list_saved_late_expires_no_later(server: Server, stores: list[RedisStore]) -> None:
    state = await stores[0].state(OWNER)
    assert state
    await stores[0].save(KEY, state.generation, SavedList(b"a list", 0.3))
    keeping = asyncio.create_task(stores[1].save(KEY, state.generation, SavedList(b"a list", 0.3)))
    with server.frozen():
        await asyncio.sleep(0.4)
    await keeping  # with longer timeouts than the default
    assert await stores[0].load(KEY, state.generation) is None


async def test_a_list_with_too_long_a_ttl_is_not_loaded(stores: list[RedisStore]) -> None:
    """The server's clock went back."""
    state = await stores[0].state(OWNER)
    assert state
    await stores[0].save(KEY, state.generation, SavedList(b"a list", 3600))
    assert await known(cache_over(stores[1], fresh=5), ALICE) is None
    assert await known(cache_over(stores[1], fresh=3700), ALICE) == "a list"


async def test_a_list_without_a_ttl_is_not_loaded(server: Server, stores: list[RedisStore]) -> None:
    """The TTL was removed by hand."""
    state = await stores[0].state(OWNER)
    assert state
    await stores[0].save(KEY, state.generation, SavedList(b"a list", 60))
    server.client.persist(named(server, "list"))
    assert await stores[1].load(KEY, state.generation) is None


async def test_a_restart_of_redis_invalidates(server: Server, stores: list[RedisStore]) -> None:
    lists = cache_over(stores[0])
    await ask(lists, ALICE, Upstream())
    server.stop()
    server.start()
    await wait_for_redis(stores[0])
    assert await known(lists, ALICE) is None


async def test_a_restored_dump_has_another_generation(server: Server, stores: list[RedisStore]) -> None:
    """Redis restarts with what it last saved, from before a write."""
    lists, upstream = cache_over(stores[0]), Upstream()
    await ask(lists, ALICE, upstream)
    server.client.save()
    async with cache_over(stores[1]).invalidating(derive_owner(ALICE)):
        upstream.text = "new"
    server.stop()
    server.start()
    assert server.client.keys("callerid-proxy:generation:*")
    await asyncio.gather(*map(wait_for_redis, stores))
    assert await known(lists, ALICE) is None
    assert (await ask(lists, ALICE, upstream)).text == "new"


async def test_a_flush_of_redis_invalidates(server: Server, stores: list[RedisStore]) -> None:
    lists = cache_over(stores[0])
    await ask(lists, ALICE, Upstream())
    server.client.flushall()
    assert await known(lists, ALICE) is None


async def test_without_redis_every_replica_lists_for_itself(server: Server, stores: list[RedisStore]) -> None:
    lists, upstream = cache_over(stores[0]), Upstream()
    await ask(lists, ALICE, upstream)
    server.stop()
    upstream.text = "changed by another replica"
    for listings in (2, 3):
        assert (await ask(lists, ALICE, upstream)).text == "changed by another replica"
        assert upstream.listings == listings


async def test_a_hanging_redis_times_out(server: Server, strict_store: RedisStore) -> None:
    lists, upstream = cache_over(strict_store), Upstream()
    await ask(lists, ALICE, upstream)
    with server.frozen():
        for listings in (2, 3, 4):
            await ask(lists, ALICE, upstream)
            assert upstream.listings == listings
    async with asyncio.timeout(30):
        while await known(lists, ALICE) != "old":
            await wait_for_redis(strict_store)
            await ask(lists, ALICE, upstream)


async def test_loading_and_saving_time_out(
    server: Server, stores: list[RedisStore], strict_store: RedisStore
) -> None:
    state = await stores[0].state(OWNER)
    assert state
    await stores[0].save(KEY, state.generation, SavedList(b"a list", 60))
    await strict_store.load(KEY, state.generation)  # connects, unless that times out
    with server.frozen():
        assert await strict_store.load(KEY, state.generation) is None


async def test_a_hanging_handshake_times_out() -> None:
    """The server accepts connections and sends nothing."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with stream_server(say_nothing) as port:
        store = RedisStore.at(f"redis://127.0.0.1:{port}", SECRET)
        before = time.monotonic()
        assert await store.state(OWNER) is None
        assert time.monotonic() - before < 30  # a timeout ended it
        await store.close()


@pytest_asyncio.fixture
async def cut_off(server: Server) -> AsyncIterator[tuple[Relay, RedisStore]]:
    """Run a replica with a relay between it and Redis."""
    async with relay(server.port) as stretch:
        store = tolerant_store(f"redis://:{server.password}@127.0.0.1:{stretch.port}", SECRET)
        yield stretch, store
        await store.close()


async def test_a_list_loaded_during_a_refusal_is_not_shown(
    stores: list[RedisStore], cut_off: tuple[Relay, RedisStore]
) -> None:
    """The list has been saved, however late its reply is."""
    stretch, store = cut_off
    lists = cache_over(store)
    view = await lists.view(KEY.owner)
    assert await view.find(KEY.with_query("another, to be connected")) is None
    await list_and_save(stores[0], Upstream())
    stretch.delay = 0.5
    finding = asyncio.create_task(view.find(KEY))
    await asyncio.sleep(0.1)
    lists.revoke(KEY)
    assert await finding == Value("old")
    stretch.delay = 0
    assert await known(lists, ALICE) is None


async def test_an_unannounced_write_is_acknowledged_once_older_lists_expired(
    stores: list[RedisStore], cut_off: tuple[Relay, RedisStore]
) -> None:
    """One of two replicas is cut off from Redis."""
    fresh = 2  # seconds, in which the connected replica must be asked
    stretch, store = cut_off
    reader, writer, upstream = cache_over(stores[0], fresh), cache_over(store, fresh), Upstream()
    await wait_for_redis(store)
    stretch.cut()
    async with writer.invalidating(derive_owner(ALICE)):
        assert (await ask(reader, ALICE, upstream)).text == "old"
        upstream.text = "new"
        assert await known(reader, ALICE) == "old"  # the write is not yet acknowledged
    assert (await ask(reader, ALICE, upstream)).text == "new"


async def test_a_listing_from_before_an_unannounced_write_is_not_joined(
    stores: list[RedisStore], cut_off: tuple[Relay, RedisStore]
) -> None:
    fresh = 0.4
    stretch, store = cut_off
    reader, writer, upstream = cache_over(stores[0], fresh), cache_over(store, fresh), Upstream()
    upstream.released.clear()
    early = asyncio.create_task(ask(reader, ALICE, upstream))
    await upstream.wait_for_listings(1)
    stretch.cut()
    async with writer.invalidating(derive_owner(ALICE)):
        upstream.text = "new"
    late = asyncio.create_task(ask(reader, ALICE, upstream))
    await upstream.wait_for_listings(2)
    upstream.released.set()
    assert ((await early).text, (await late).text) == ("old", "new")


async def test_a_write_is_acknowledged_once_redis_recovers(
    stores: list[RedisStore], cut_off: tuple[Relay, RedisStore]
) -> None:
    stretch, store = cut_off
    reader, writer, upstream = cache_over(stores[0], fresh=3600), cache_over(store, fresh=3600), Upstream()
    await ask(reader, ALICE, upstream)
    stretch.cut()

    async def write() -> None:
        async with writer.invalidating(derive_owner(ALICE)):
            upstream.text = "new"

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.5)
    assert not writing.done()
    stretch.mend()
    await writing  # and not after an hour
    assert (await ask(reader, ALICE, upstream)).text == "new"


async def test_a_late_announcement_covers_later_effects(
    stores: list[RedisStore], cut_off: tuple[Relay, RedisStore]
) -> None:
    stretch, store = cut_off
    stretch.cut()
    async with cache_over(store).invalidating(OWNER, unsettled_for=60):
        asyncio.get_running_loop().call_later(0.1, stretch.mend)
    state = await stores[0].state(OWNER)
    assert state
    assert not state.is_quiescent


@pytest.mark.parametrize("unsettled_for", [0, 60])
async def test_a_write_is_announced_right_after_a_failure(
    stores: list[RedisStore], cut_off: tuple[Relay, RedisStore], unsettled_for: float
) -> None:
    """Reads would skip Redis for a second."""
    stretch, store = cut_off
    before, others = [await stores[0].state(owner) for owner in (OWNER, derive_owner(OTHER_ACCOUNT))]
    assert before
    stretch.cut()
    assert await store.state(OWNER) is None
    stretch.mend()
    assert await store.advance(OWNER, unsettled_for)
    after = await stores[0].state(OWNER)
    assert after
    assert after.generation != before.generation
    assert after.is_quiescent == (not unsettled_for)
    assert others
    assert others.is_quiescent
    assert await stores[0].state(derive_owner(OTHER_ACCOUNT)) == others


async def test_a_late_reply_is_discarded(stores: list[RedisStore], cut_off: tuple[Relay, RedisStore]) -> None:
    stretch, store = cut_off
    await wait_for_redis(store)
    alice, other = derive_owner(ALICE), derive_owner(OTHER_ACCOUNT)
    true = [await stores[0].state(owner) for owner in (alice, other)]
    stretch.delay = 3
    assert await store.state(alice) is None
    stretch.delay = 0
    await wait_for_redis(store)
    assert [await store.state(owner) for owner in (alice, other)] == true


async def test_a_cancelled_call_leaves_no_reply_to_another(stores: list[RedisStore]) -> None:
    """Two thousand random reads, half of them cancelled at a random moment."""
    chance = random.Random(2008)
    accounts = [
        Account(f"AC{number}", f"up{number}", Credentials("name", "token"), "vendor") for number in range(50)
    ]
    state = await stores[0].state(OWNER)
    assert state
    for account in accounts:
        await stores[0].save(
            derive_key(account), state.generation, SavedList(account.sid.encode() * 1000, 60)
        )

    async def load(account: Account) -> bool:
        kept = await stores[0].load(derive_key(account), state.generation)
        return kept is None or kept.content == account.sid.encode() * 1000

    async def asked_and_maybe_cancelled() -> bool:
        task = asyncio.create_task(load(chance.choice(accounts)))
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await task
        return True

    for _ in range(40):
        assert all(await asyncio.gather(*(asked_and_maybe_cancelled() for _ in range(50))))
    kept = await stores[0].load(derive_key(accounts[7]), state.generation)
    assert kept
    assert kept.content == accounts[7].sid.encode() * 1000


def named(server: Server, kind: str) -> bytes:
    (name,) = server.client.keys(f"callerid-proxy:{kind}:*")
    return bytes(name)


def _overwritten(server: Server, name: bytes) -> None:
    server.client.set(name, b"nonsense")


def _cut(server: Server, name: bytes) -> None:
    server.client.set(name, bytes(server.client.get(name))[:-1], keepttl=True)


def _changed(server: Server, name: bytes) -> None:
    content = bytes(server.client.get(name))
    server.client.set(name, content[:-1] + bytes([content[-1] ^ 1]), keepttl=True)


def _of_another_type(server: Server, name: bytes) -> None:
    server.client.delete(name)
    server.client.rpush(name, "nonsense")


@pytest.mark.parametrize("spoil", [_overwritten, _cut, _changed, _of_another_type])
@pytest.mark.parametrize("kind", ["list", "generation"])
async def test_a_corrupt_list_is_ignored(
    server: Server, stores: list[RedisStore], kind: str, spoil: Callable[[Server, bytes], None]
) -> None:
    upstream = Upstream()
    await list_and_save(stores[0], upstream)
    spoil(server, named(server, kind))
    assert await known(cache_over(stores[1]), ALICE) is None
    lists = cache_over(stores[1])
    for _ in range(3):  # the first replica that finds an unreadable value replaces it
        await ask(lists, ALICE, upstream)
    assert await known(lists, ALICE) == "old"


async def test_a_list_under_another_key_is_not_shown(server: Server, stores: list[RedisStore]) -> None:
    state = await stores[0].state(OWNER)
    assert state
    other: Key = derive_key(OTHER_ACCOUNT)
    await stores[0].save(KEY, state.generation, SavedList(b"Alice's", 60))
    alices = server.client.keys("callerid-proxy:list:*")[0]
    await stores[0].save(other, state.generation, SavedList(b"another's", 60))
    (others,) = set(server.client.keys("callerid-proxy:list:*")) - {alices}
    server.client.copy(alices, others, replace=True)
    assert await stores[0].load(other, state.generation) is None


async def test_lists_of_another_schema_are_not_loaded(server: Server) -> None:
    german, french = (tolerant_store(server.url, SECRET).with_schema(each) for each in ("german", "french"))
    state = await german.state(OWNER)
    assert state
    assert await french.state(OWNER) == state  # but both are told of writes
    await german.save(KEY, state.generation, SavedList(b"Guten Tag", 60))
    assert await german.load(KEY, state.generation)
    assert await french.load(KEY, state.generation) is None
    await german.close()
    await french.close()


async def test_a_full_redis_still_takes_announcements(server: Server, stores: list[RedisStore]) -> None:
    lists, upstream = cache_over(stores[0], fresh=3600), Upstream()
    await ask(lists, ALICE, upstream)
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("maxmemory", "1")
    async with cache_over(stores[1], fresh=3600).invalidating(derive_owner(ALICE)):
        upstream.text = "new"
    for listings in (2, 3):
        assert (await ask(lists, ALICE, upstream)).text == "new"
        assert upstream.listings == listings


async def test_no_credentials_are_in_keys_or_values(server: Server, stores: list[RedisStore]) -> None:
    token = secrets.token_hex()
    account = Account("AC1", "up1", Credentials("AC1", token), "vendor")
    await ask(cache_over(stores[0]), account, Upstream())
    async with cache_over(stores[0]).invalidating(derive_owner(account), unsettled_for=60):
        pass
    await ask(cache_over(stores[0]), ALICE, Upstream())
    stored = b"".join(bytes(name) + bytes(server.client.get(name) or b"") for name in server.client.keys("*"))
    digests = [derive_key(account).credential, sha256(token.encode()).digest()]
    for secret in (token.encode(), *digests, *(digest.hex().encode() for digest in digests), SECRET):
        assert secret not in stored


async def test_a_wrong_password_counts_as_unavailable(server: Server) -> None:
    store = RedisStore.at(f"redis://:wrong@127.0.0.1:{server.port}", SECRET)
    assert await store.state(OWNER) is None
    await store.close()


async def test_announcements_expire(server: Server, stores: list[RedisStore]) -> None:
    week, day = 604_800, 86_400
    await stores[0].advance(OWNER, unsettled_for=week)
    state = await stores[0].state(OWNER)
    assert state
    await stores[0].save(KEY, state.generation, SavedList(b"a list", week))
    for kind, most, count in (("settling", week, 2), ("generation", day, 1), ("list", week, 1)):
        names = server.client.keys(f"callerid-proxy:{kind}:*")
        assert len(names) == count
        assert all(most - 60 < server.client.ttl(name) <= most for name in names)
    kept = await stores[1].load(KEY, state.generation)
    assert kept
    assert week - 60 < kept.ttl <= week


# Commands


def asking(test: Callable[[ScriptedRedis, RedisStore], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with a store whose Redis is scripted."""

    async def run() -> None:
        async with scripted_redis() as scripted:
            store = tolerant_store(f"redis://:password@127.0.0.1:{scripted.port}", SECRET)
            scripted.replies[b"AUTH"] = b"+OK\r\n"
            try:
                await test(scripted, store)
            finally:
                await store.close()

    def test_it() -> None:
        leap.run(run())

    return test_it


def commands(scripted: ScriptedRedis) -> list[bytes]:
    """Return the names of the commands, one item per batch, without the question for the role at its end."""
    batches = [[command for command in batch if command != ROLE] for batch in scripted.batches]
    return [b" ".join(command.split()[0] for command in batch) for batch in batches]


@asking
async def test_each_call_is_one_command_after_login(scripted: ScriptedRedis, store: RedisStore) -> None:
    scripted.replies |= {b"DEL": b":1\r\n", b"SET": b"+OK\r\n"}
    for _ in range(2):
        assert await store.advance(OWNER)
    assert await store.advance(OWNER, unsettled_for=60)
    assert commands(scripted) == [b"AUTH", b"INFO", b"DEL", b"DEL", b"SET SET", b"DEL"]


@asking
async def test_a_generation_of_another_type_is_deleted(scripted: ScriptedRedis, store: RedisStore) -> None:
    scripted.replies |= {b"MGET": b"*2\r\n$-1\r\n$-1\r\n", b"SET": b"$-1\r\n", b"GET": b"-WRONGTYPE\r\n"}
    assert await store.state(OWNER) is None
    assert commands(scripted) == [b"AUTH", b"INFO", b"MGET", b"SET GET", b"DEL"]


@asking
async def test_an_unreadable_generation_is_ignored(scripted: ScriptedRedis, store: RedisStore) -> None:
    scripted.replies |= {b"MGET": b"*2\r\n$-1\r\n$-1\r\n", b"SET": b"$-1\r\n", b"GET": bulk(b"nonsense")}
    assert await store.state(OWNER) is None
    assert commands(scripted) == [b"AUTH", b"INFO", b"MGET", b"SET GET"]


@asking
async def test_a_list_expires_by_the_servers_clock(scripted: ScriptedRedis, store: RedisStore) -> None:
    scripted.replies |= {b"TIME": b"*2\r\n" + bulk(b"2008") + bulk(b"900000"), b"SET": b"+OK\r\n"}
    await store.save(KEY, b"generation", SavedList(b"a list", 60))
    assert commands(scripted) == [b"AUTH", b"INFO", b"TIME", b"SET"]
    *_, unit, end = scripted.batches[-1][0].split()
    assert unit == b"PXAT"
    assert 2008.9 + 59 < int(end) / 1000 <= 2008.9 + 60


async def test_no_reconnect_right_after_a_disconnect() -> None:
    calls = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1

    async with stream_server(hang_up) as port:
        store = RedisStore.at(f"redis://:password@127.0.0.1:{port}", SECRET)
        assert await store.state(OWNER) is None
        await store.close()
    assert calls == 1


# Another user of the same Redis


def values(server: Server) -> dict[bytes, bytes]:
    """Return everything of ours that is stored."""
    return {bytes(name): bytes(server.client.get(name)) for name in server.client.keys("callerid-proxy:*")}


async def replay(server: Server, kept: dict[bytes, bytes]) -> None:
    """Write old values again, with a TTL that looks right and as often as it takes."""
    for name, value in kept.items():
        server.client.set(name, value, ex=1)


@pytest.mark.parametrize("is_in_memory", [True, False])
async def test_found_f11_a_replayed_list_has_its_end(
    server: Server, stores: list[RedisStore], *, is_in_memory: bool
) -> None:
    """A neighbour keeps an old generation and its list, which have valid signatures, and restores both."""
    fresh, upstream = 3, Upstream()
    lists, other = cache_over(stores[0], fresh), cache_over(stores[1], fresh)
    await ask(lists, ALICE, upstream)
    began = time.monotonic()
    await lists.finish_background()
    kept = values(server)
    assert {name.split(b":")[1] for name in kept} == {b"generation", b"list"}
    async with other.invalidating(OWNER):
        upstream.text = "new"
    reader = lists if is_in_memory else other
    was_shown = False
    while time.monotonic() < began + fresh + 1:
        await replay(server, kept)
        asked = time.monotonic()
        found = await known(reader, ALICE)
        was_shown |= found == "old"
        assert found is None or asked < began + fresh + 0.1
        await asyncio.sleep(0.05)
    assert was_shown  # until its end: no reader can tell a replay from a store without a write
    await replay(server, kept)
    assert (await ask(reader, ALICE, upstream)).text == "new"


@pytest.mark.parametrize("offset", [-10, 10])
async def test_found_f11_the_end_of_a_list_cannot_be_changed(
    server: Server, stores: list[RedisStore], offset: int
) -> None:
    state = await stores[0].state(OWNER)
    assert state
    await stores[0].save(KEY, state.generation, SavedList(b"a list", 60))
    name = named(server, "list")
    sealed = bytes(server.client.get(name))
    end = int.from_bytes(sealed[16:24], "big")
    assert abs(end / 1000 - time.time() - 60) < 10
    moved = sealed[:16] + (end + offset * 1000).to_bytes(8, "big") + sealed[24:]
    server.client.set(name, moved, keepttl=True)
    assert await stores[1].load(KEY, state.generation) is None
    server.client.set(name, sealed, ex=3600)
    kept = await stores[1].load(KEY, state.generation)
    assert kept
    assert 50 < kept.ttl <= 60
