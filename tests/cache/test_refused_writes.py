"""Writes that the upstream refuses, which anyone can send in pass-through mode: caches stay as they are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.cached import ALICE, Shared, Upstream, ask, known, settle
from support.proxied import (
    AN_INSTANCE,
    LISTED,
    MAPPED,
    PROFILE,
    Proxied,
    error,
    item,
    ok,
    one,
    page,
    profile_with,
    proxied,
    shown,
    timed,
)
from support.seed import LIST
from support.wire import Answer, End, Stall

from proxy.cache import derive_key, derive_owner
from proxy.errors import NOT_FOUND, LegacyError

CACHED = "snapshots: {fresh: 3600}\n"
WRITES = ("POST", "PUT", "DELETE")
AGAIN = ("  rename: # the current API has no PUT\n", "  rename:\n    retries: 1\n")


def target_of(method: str) -> str:
    return LIST if method == "POST" else AN_INSTANCE


@asynccontextmanager
async def cached(configuration: str = CACHED) -> AsyncIterator[Proxied]:
    """Run a proxy whose cache holds the victim's list."""
    async with proxied(LISTED, configuration=configuration) as between:
        assert shown(await between.ask()) == ["Bob"]
        yield between


async def listings_after(between: Proxied) -> int:
    """Ask for the victim's list; return how often the upstream was asked for it in all."""
    between.upstream.otherwise = lambda _: LISTED
    for _ in range(2):
        assert shown(await between.ask()) == ["Bob"]
    return between.upstream.hits("GET")


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_found_f8_a_stranger_spoils_no_cache(method: str, status: int) -> None:
    async with cached() as between:
        before = between.upstream.hits("GET")
        for number in range(3):
            between.upstream.then(error(status))
            answer = await between.ask(method, target_of(method), token=f"made up {number}")
            assert answer.status == status
        assert await listings_after(between) == before


@pytest.mark.parametrize("method", WRITES)
async def test_found_f8_strangers_at_every_moment(method: str) -> None:
    """Refused writes begin before, end during and overlap the victim's listing; it is cached all the same."""
    during, after = asyncio.Event(), asyncio.Event()
    async with proxied((during, error(401)), (after, LISTED), configuration=CACHED) as between:
        early = asyncio.create_task(between.ask(method, target_of(method), token="made up"))
        await between.upstream.is_asked(1)
        listing = asyncio.create_task(between.ask())
        await between.upstream.is_asked(2)
        between.upstream.then(error(401))
        assert (await between.ask(method, target_of(method), token="another")).status == 401
        during.set()
        assert (await early).status == 401
        after.set()
        assert shown(await listing) == ["Bob"]
        assert await listings_after(between) == 1


UNKNOWN: dict[str, Answer] = {
    "reset": (End.RST,),
    "cut": b"",
    "silence": (Stall(),),
    **{str(status): error(status) for status in (400, 405, 409, 410, 429, 500, 502, 503, 504)},
}


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("outcome", UNKNOWN)
def test_found_f8_any_other_outcome_invalidates(method: str, outcome: str) -> None:
    async def listings(between: Proxied) -> int:
        assert shown(await between.ask()) == ["Bob"]
        assert (await between.ask(method, target_of(method))).status >= 400
        between.upstream.answers.clear()
        return await listings_after(between)

    retried = [UNKNOWN[outcome]] if method == "DELETE" else []
    found = timed(listings, LISTED, UNKNOWN[outcome], *retried, configuration=CACHED)
    assert found >= 2


@pytest.mark.parametrize("again", [401, 403, 404])
@pytest.mark.parametrize("lost", ["reset", "503"])
async def test_found_f8_a_refusal_of_a_retry_invalidates(again: int, lost: str) -> None:
    """The first sending may have been carried out. A 404 then says that the deletion was."""
    async with cached() as between:
        between.upstream.then(UNKNOWN[lost], error(again))
        answer = await between.ask("DELETE", AN_INSTANCE)
        assert answer.status == (204 if again == 404 else again)
        assert await listings_after(between) == 2


async def test_found_f8_a_retry_that_finds_no_upstream_invalidates(tmp_path: Path) -> None:
    """The first sending may have been carried out, though the second one was not sent at all."""
    async with cached(profile_with(tmp_path, AGAIN) + CACHED) as between:
        upstream = between.upstream
        upstream.then(b"")
        upstream.released.clear()
        writing = asyncio.create_task(between.ask("PUT", AN_INSTANCE))
        await upstream.is_asked(2)
        upstream.then((Stall(0.01), End.RST))
        upstream.released.set()
        assert (await writing).status >= 500
        assert await listings_after(between) == 2


async def test_found_f8_what_the_proxy_refuses_spoils_no_cache(tmp_path: Path) -> None:
    """The upstream is not asked."""
    text = PROFILE.read_text(encoding="utf-8")
    (delay,) = [line for line in text.splitlines(keepends=True) if "call_delay" in line]
    async with cached(profile_with(tmp_path, (delay, "")) + CACHED) as between:
        form = "PhoneNumber=4158675309&CallDelay=5"
        assert (await between.ask("POST", LIST, form, token="made up")).status == 400
        assert await listings_after(between) == 1
        assert between.upstream.hits("POST") == 0


VOXIMPLANT = f"  profile: voximplant\n  variables: {{}}\n{MAPPED}{CACHED}"
EMPTY = ok(b'{"result": [], "total_count": 0}')


async def listings_of_voximplant(between: Proxied) -> int:
    between.upstream.otherwise = lambda _: EMPTY
    for _ in range(2):
        assert shown(await between.ask()) == []
    return between.upstream.hits(path="/GetCallerIDs")


async def test_found_f8_what_the_profile_refuses_spoils_no_cache() -> None:
    """A validation that the upstream does not offer, and a Sid that stands for none of its ids."""
    async with proxied(configuration=VOXIMPLANT) as between:
        assert await listings_of_voximplant(between) == 1
        assert (await between.ask("POST")).status == 501
        assert (await between.ask("DELETE", AN_INSTANCE)).status == 404
        assert len(between.upstream.received) == 1
        assert await listings_of_voximplant(between) == 1


ADDED = ok(b'{"result": 1, "callerid_id": 42}')
GONE = ok(b'{"error": {"msg": "No such caller ID", "code": 183}}')


@pytest.mark.parametrize(("script", "listings"), [((GONE,), 1), ((ADDED, GONE), 3)])
async def test_found_f8_a_call_that_is_refused_after_its_number_was_added(
    script: Sequence[Answer], listings: int
) -> None:
    """The first of two requests has had its effect. The refusals are errors with status 200."""
    spoken = VOXIMPLANT.replace("  variables", "  validation: code_on_phone\n  variables")
    async with proxied(configuration=spoken) as between:
        assert await listings_of_voximplant(between) == 1
        between.upstream.then(*script)
        assert (await between.ask("POST")).status == 404
        assert not between.upstream.answers
        assert await listings_of_voximplant(between) == listings


async def test_found_f8_a_rename_whose_answer_is_left_out_invalidates(tmp_path: Path) -> None:
    """The client gets 404, since the profile leaves the item out; the upstream has renamed it."""
    text = PROFILE.read_text(encoding="utf-8")
    (items,) = [line for line in text.splitlines(keepends=True) if line.strip().startswith("items:")]
    only = f"{items}    include_when: [{{at: /friendly_name, equals: Bob}}]\n"
    async with cached(profile_with(tmp_path, (items, only)) + CACHED) as between:
        # The profile looks for it in the answer to a fetch, too
        between.upstream.then(ok(one("Hidden")), ok(one("Hidden")))
        assert (await between.ask("PUT", AN_INSTANCE)).status == 404
        between.upstream.otherwise = lambda _: ok(page(item("Hidden")))
        assert shown(await between.ask()) == []


# Any store


def refusal() -> LegacyError:
    refused = LegacyError(NOT_FOUND)
    refused.has_no_effect = True
    return refused


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("unsettled_for", [0, 600])
async def test_found_f8_a_refused_write_leaves_lists(
    shared: Shared, which: int, unsettled_for: float
) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    await ask(lists, ALICE, upstream)

    async def write() -> None:
        async with shared.open_cache(which).invalidating(derive_owner(ALICE), unsettled_for):
            assert await known(lists, ALICE) == "old"
            raise refusal()

    with pytest.raises(LegacyError):
        await write()
    assert await known(lists, ALICE) == "old"
    assert shared.stores[0].saves_lists or lists.peek(derive_key(ALICE))


@pytest.mark.parametrize("begins", range(4))
@pytest.mark.parametrize("ends", range(4))
async def test_found_f8_a_refused_write_hides_no_other(shared: Shared, begins: int, ends: int) -> None:
    """A refused write begins and ends at any moment of a listing and of a write that is carried out."""
    if begins > ends:
        return
    upstream, lists, other = Upstream(), shared.open_cache(), shared.open_cache(1)
    refused = asyncio.Event()

    async def be_refused() -> None:
        async with other.invalidating(derive_owner(ALICE)):
            await refused.wait()
            raise refusal()

    tasks: list[asyncio.Task[None]] = []

    async def at(moment: int) -> None:
        if moment == begins:
            tasks.append(asyncio.create_task(be_refused()))
        if moment == ends:
            refused.set()
        await settle()
        await asyncio.sleep(0.01)

    await at(0)
    upstream.released.clear()
    listing = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(1)
    await at(1)
    async with other.invalidating(derive_owner(ALICE)):
        upstream.text = "new"
        await at(2)
        upstream.released.set()
        assert (await listing).text == "old"
    await at(3)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await ask(lists, ALICE, upstream)).text == "new"
    assert (await ask(other, ALICE, upstream)).text == "new"
