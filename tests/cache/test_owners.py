"""Who owns a list: entries of proxy.yaml that may be of one upstream account hear of each other's writes."""

import asyncio
import json
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cached import settle, tolerant_store
from support.entries import (
    FIRST,
    OUTCOMES,
    SIDS,
    TOKEN,
    Entry,
    OneAccount,
    configured,
    names_in,
    request,
)
from support.examples import examples
from support.processes import running, workers_of
from support.running import running_sandbox
from support.seed import ACCOUNT, BOB, basic
from support.seed import TOKEN as DEMO_TOKEN
from support.valkey import Server
from support.wire import Message
from support.wire import ask as send

from proxy.cache import GenerationTable, SharedMemoryStore, Store
from proxy.config import Configuration
from proxy.gateway.translator import Translator
from proxy.legacy import Answer
from proxy.net.addresses import normalize_origin
from proxy.process.assembly import assemble
from proxy.profile.calls import Call, Reply
from proxy.sandbox import Store as Sandbox

Stores = Callable[[], list[Store]]

SPELLINGS = (
    (
        "http://api.example.com",
        "http://API.example.com:80/",
        "https://api.example.com.:443",
        "https://api.Example.com/v2",
    ),
    ("http://api.example.com:8080", "http://api.example.com.:8080/a/b", "http://API.EXAMPLE.COM:8080/"),
    ("http://xn--bcher-kva.example", "https://XN--BCHER-KVA.example./{region}"),
    (
        "http://127.0.0.1:8080",
        "http://127.1:8080/",
        "http://0x7f000001:8080",
        "http://localhost:8080",
        "http://LOCALHOST.:8080/v1/",
        "http://[::1]:8080",
        "http://[0:0:0:0:0:0:0:1]:8080",
        "http://[::ffff:127.0.0.1]:8080",
        "http://0.0.0.0:8080",
        "http://ip6-localhost:8080",
        "http://localhost.localdomain.:8080",
    ),
    ("https://[2001:db8::a]", "https://[2001:DB8:0:0::000A]:443/"),
    ("https://192.0.2.1", "http://192.0.513", "https://[::FFFF:192.0.2.1]/v1"),
)
"""URLs of one upstream each."""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bool, list[Entry]]:
    """Draw two entries of one upstream account, and whether URLs name it."""
    named, spellings = draw(st.booleans()), draw(st.sampled_from(SPELLINGS))
    labels = ("Main", "main", "MAIN") if named else ("Main", "Another label", "")
    entries = [
        Entry(
            draw(st.sampled_from(spellings)),
            draw(st.sampled_from(labels)),
            draw(st.sampled_from(("key-a", "key-b"))),
            draw(st.sampled_from((None, "code_shown", "unsupported"))),
            draw(st.sampled_from(({}, {"region": "eu"}))),
        )
        for _ in SIDS
    ]
    return named, entries


WHICH = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), WHICH, WHICH, st.booleans()),
        st.tuples(st.just("write"), WHICH, WHICH, st.booleans(), st.sampled_from(("200", *OUTCOMES))),
        st.tuples(st.just("end"), st.integers(0, 4)),
    ),
    max_size=20,
)


class History:
    """Reads and writes of two entries through two workers, and the least version that each read may show."""

    def __init__(self, configuration: Configuration, entries: list[Entry], stores: list[Store]) -> None:
        self.upstream = OneAccount()
        self.workers = [assemble(configuration, self.upstream, store) for store in stores]
        self.entries = entries
        self.acknowledged = 0
        self.tasks: list[asyncio.Task[None]] = []

    def read(self, entry: int, worker: int, is_slow: bool) -> None:
        self._do(self._read(entry, self.workers[worker], self.acknowledged), is_slow=is_slow)

    async def _read(self, entry: int, worker: Translator, least: int) -> None:
        answer = await ask(worker, SIDS[entry])
        assert answer.status == 200
        for name in names_in(answer):
            version, reader = name.split(" ")
            assert int(version) >= least, "an old value after an acknowledged write"
            assert reader == self.entries[entry].password, "another credential's data"

    def write(self, entry: int, worker: int, is_slow: bool, outcome: str) -> None:
        self._do(self._write(entry, self.workers[worker], outcome), is_slow=is_slow)

    async def _write(self, entry: int, worker: Translator, outcome: str) -> None:
        answer = await worker.answer(request(SIDS[entry], "PUT", f"/{FIRST}", f"FriendlyName={outcome}"))
        assert (answer.status == 200) == (outcome == "200")
        if answer.status == 200:
            (name,) = names_in(answer)
            self.acknowledged = max(self.acknowledged, int(name.split(" ")[0]))

    def _do(self, work: Any, *, is_slow: bool) -> None:
        self.upstream.is_slow = is_slow
        self.tasks.append(asyncio.create_task(work))

    def end(self, number: int) -> None:
        for gate in self.upstream.gates[number : number + 1]:
            gate.set()

    async def finish(self) -> None:
        while not all(task.done() for task in self.tasks):
            for gate in self.upstream.gates:
                gate.set()
            await asyncio.sleep(0.001)
        for task in self.tasks:
            task.result()


async def ask(worker: Translator, sid: str) -> Answer:
    """Answer a read as the server does: without awaiting anything where that is possible."""
    asked = request(sid)
    return worker.from_cache(asked) or await worker.answer(asked)


@asynccontextmanager
async def stores_of(kind: str, valkey: Server) -> AsyncIterator[list[Store]]:
    """Open the stores of two workers, or of two replicas."""
    if kind == "worker":
        yield [SharedMemoryStore()] * 2
    elif kind == "workers":
        table = GenerationTable(workers=2)
        yield [SharedMemoryStore(table, each) for each in (0, 1)]
    else:
        secret = secrets.token_bytes()
        replicas = [tolerant_store(valkey.url, secret) for _ in range(2)]
        try:
            yield list(replicas)
        finally:
            for each in replicas:
                await each.close()


KINDS = ("worker", "workers", "redis")


@pytest.mark.parametrize("kind", KINDS)
def test_found_f3_no_old_value_after_an_acknowledged_write(kind: str, valkey: Server) -> None:
    """Of any two entries of one upstream account, in any order, with refused and lost writes among them."""
    pause = 0.002 if kind == "redis" else 0

    @given(pairs(), STEPS)
    @examples(60)
    def property_holds(pair: tuple[bool, list[Entry]], steps: list[tuple[Any, ...]]) -> None:
        async def replay() -> None:
            named, entries = pair
            with tempfile.TemporaryDirectory() as folder:
                configuration = configured(Path(folder), entries, named=named)
            async with stores_of(kind, valkey) as stores:
                history = History(configuration, entries, stores)
                for step, *what in [*steps, ("write", 0, 0, False, "200"), ("read", 1, 1, False)]:
                    getattr(history, step)(*what)
                    await settle()
                    await asyncio.sleep(pause)
                await history.finish()

        asyncio.run(replay())

    property_holds()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changed",
    [
        {"validation": "unsupported"},
        {"base_url": "https://API.example.com.:443/v2"},
        {"variables": {"region": "eu"}},
        {"password": "key-b"},
        {"account": "another label"},
    ],
    ids=str,
)
async def test_found_f3_one_difference_at_a_time(
    kind: str, changed: dict[str, Any], valkey: Server, tmp_path: Path
) -> None:
    one = Entry("http://api.example.com", "label", "key-a")
    entries, upstream = [one, replace(one, **changed)], OneAccount()
    configuration = configured(tmp_path, entries, named=False)
    async with stores_of(kind, valkey) as stores:
        workers = [assemble(configuration, upstream, store) for store in stores]
        for sid, writer in (SIDS, SIDS[::-1]):
            await ask(workers[0], sid)
            written = await workers[1].answer(request(writer, "PUT", f"/{FIRST}", "FriendlyName=200"))
            assert written.status == 200
            shown = names_in(await ask(workers[0], sid))
            assert {name.split(" ")[0] for name in shown} == {str(upstream.version)}


async def shares_lists(folder: Path, entries: list[Entry], *, named: bool) -> bool:
    """Return whether a write by the first entry invalidates what the second one has read."""
    upstream = OneAccount()
    worker = assemble(configured(folder, entries, named=named), upstream)
    await ask(worker, SIDS[1])
    assert (await worker.answer(request(SIDS[0], "PUT", f"/{FIRST}", "FriendlyName=200"))).status == 200
    before = upstream.listings
    await ask(worker, SIDS[1])
    return upstream.listings > before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"account": "Another"}, True),
        ({"base_url": "http://other.example.com"}, True),
        ({"base_url": "http://other.example.com"}, False),
        ({"base_url": "http://api.example.com:8080"}, False),
    ],
)
async def test_found_f3_what_is_surely_another_account_keeps_its_lists(
    changed: dict[str, Any], named: bool, tmp_path: Path
) -> None:
    one = Entry("http://api.example.com", "Main", "key-a")
    assert not await shares_lists(tmp_path, [one, replace(one, **changed)], named=named)
    assert await shares_lists(tmp_path, [one, one], named=named)


@pytest.mark.parametrize(
    "spelling", ["main", " Main\u00a0", "M%61in", "m%41in", "\uff2dain", "M\u1d43in"], ids=ascii
)
async def test_found_f3_each_spelling_of_an_account_is_one(spelling: str, tmp_path: Path) -> None:
    one = Entry("http://api.example.com", "Main", "key-a")
    for pair in ([one, replace(one, account=spelling)], [replace(one, account=spelling), one]):
        assert await shares_lists(tmp_path, pair, named=True)


class LateUpstream(OneAccount):
    """Carries a write out long after it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.goes_on = asyncio.Event(), asyncio.Event()

    async def send(self, call: Call) -> Reply:
        if call.method != "GET":
            self.has_begun.set()
            await self.goes_on.wait()
        return await super().send(call)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("named", [True, False])
async def test_found_f3_a_write_ends_after_a_reload(
    kind: str, named: bool, valkey: Server, tmp_path: Path
) -> None:
    """Whether names tell accounts apart changes between the beginning of a write and its end."""
    one, upstream = Entry("http://api.example.com", "Main", "key-a"), LateUpstream()
    before, after = (configured(tmp_path, [one], named=each) for each in (named, not named))
    async with stores_of(kind, valkey) as stores:
        writer, reader = assemble(before, upstream, stores[0]), assemble(after, upstream, stores[1])
        writing = asyncio.create_task(writer.answer(request(SIDS[0], "PUT", f"/{FIRST}", "FriendlyName=200")))
        await upstream.has_begun.wait()
        assert names_in(await ask(reader, SIDS[0]))[0] == "0 key-a"
        upstream.goes_on.set()
        assert (await writing).status == 200
        assert names_in(await ask(reader, SIDS[0]))[0] == "1 key-a"


async def test_found_f3_a_list_is_shown_to_its_own_entry_only(tmp_path: Path) -> None:
    """One owner, three readers: keys are as narrow as before."""
    one = Entry("http://api.example.com", "Main", "key-a")
    for other in (
        replace(one, password="key-b"),
        replace(one, account="x"),
        replace(one, base_url="http://api.example.com/v2"),
    ):
        upstream = OneAccount()
        worker = assemble(configured(tmp_path, [one, other], named=False), upstream)
        for sid, entry, listings in ((SIDS[0], one, 1), (SIDS[1], other, 2), (SIDS[0], one, 2)):
            assert {name.split(" ")[1] for name in names_in(await ask(worker, sid))} == {entry.password}
            assert upstream.listings == listings


def test_found_f3_each_spelling_of_an_origin_is_one() -> None:
    found = [
        {normalize_origin(url.partition("//")[2].partition("/")[0]) for url in urls} for urls in SPELLINGS
    ]
    assert [len(each) for each in found] == [1] * len(SPELLINGS)
    assert len(set().union(*found)) == len(SPELLINGS)
    assert normalize_origin("user:password@Example.com:80") == "example.com"
    assert normalize_origin("Bücher.example") == "xn--bcher-kva.example"


# Real processes


async def test_found_f3_entries_of_one_account_over_workers(tmp_path: Path) -> None:
    """One entry writes, and another one reads through every worker; they differ in host and validation."""
    digest, password = sha256(TOKEN.encode()).hexdigest(), tmp_path / "password"
    password.write_text(DEMO_TOKEN, encoding="utf-8")
    with closing(Sandbox()) as store:
        async with running_sandbox(store) as url:
            changes: tuple[dict[str, str], ...] = (
                {},
                {"base_url": url.replace("127.0.0.1", "localhost"), "validation": "unsupported"},
            )
            accounts = {
                sid: {
                    "token_sha256": digest,
                    "upstream": {"account": ACCOUNT, "password": {"file": str(password)}, **change},
                }
                for sid, change in zip(SIDS, changes, strict=True)
            }
            settings = {
                "listen": {"address": "127.0.0.1:0", "drain": 0},
                "upstream": {"base_url": url},
                "snapshots": {"fresh": 3600},
                "accounts": accounts,
            }
            file = tmp_path / "proxy.yaml"
            file.write_text(json.dumps(settings), encoding="utf-8")
            with running("serve", "--config", file, "--workers", "2") as server:
                port = int(server.until(r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01"))
                workers_of(server, 2)
                for number in range(10):
                    await asyncio.gather(*(names_at(port, SIDS[1]) for _ in range(8)))
                    await names_at(port, SIDS[0], "PUT", f"/{BOB}", f"FriendlyName=Name+{number}")
                    shown = await asyncio.gather(*(names_at(port, SIDS[1]) for _ in range(8)))
                    assert all(f"Name {number}" in each for each in shown)
                assert server.stop() == 0


async def names_at(port: int, sid: str, method: str = "GET", rest: str = "", body: str = "") -> list[str]:
    """Send a request over a connection of its own; return the names in its answer."""
    target = f"/2008-08-01/Accounts/{sid}/OutgoingCallerIds{rest}"
    headers = (("Host", "x"), ("Authorization", basic(sid, TOKEN)), ("Connection", "close"))
    answer = await send(port, Message(f"{method} {target} HTTP/1.1", headers, body.encode()).encode())
    assert answer.status == 200
    return re.findall("<FriendlyName>(.*?)</FriendlyName>", answer.body.decode())
