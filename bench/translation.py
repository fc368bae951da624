"""The translation alone, in process: an upstream page in, the XML out; ours against the naive one.

Ours is complete except for the network: route, credentials, call, parsing and rendering. The dates of a cold
page are new to the process; a warm one is translated for the second time.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from bench.data import Owner, authorization, legacy_path, page
from bench.peers import naive
from proxy import config
from proxy.legacy import Request
from proxy.process.assembly import assemble
from proxy.profile.calls import Call, Reply
from proxy.upstream.client import Client

_ROUNDS = 25  # of some hundredths of a second each, because a machine may be busy for longer
_ITEMS = {50: 20, 1000: 2}
"""Items of a page, and how many pages a round has."""

_Page = tuple[bytes, Request]
_Translate = Callable[[bytes, Request], Awaitable[bytes]]


class _Canned(Client):
    body = b""

    async def send(self, call: Call) -> Reply:  # noqa: ARG002 - there is one answer to everything
        return Reply(200, self.body, {})


def _ours() -> _Translate:
    client = _Canned()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "proxy.yaml"
        file.write_text("snapshots: {fresh: 0}\n", encoding="utf-8")
        translator = assemble(config.load(file, {}), client)

    async def translate(body: bytes, request: Request) -> bytes:
        client.body = body
        return (await translator.answer(request)).body

    return translate


async def _naive(body: bytes, request: Request) -> bytes:  # noqa: ARG001 - it takes every list for a first page
    return naive.translate(body)


async def translation() -> dict[str, float | None]:
    """Return the CPU time of ours as a share of the naive translation's."""
    ours, seeds = _ours(), count(100_000)
    figures: dict[str, float | None] = {}
    for items, pages in _ITEMS.items():
        cold, warm = [], []
        for _ in range(_ROUNDS):
            lists = [_page(Owner(items, seed=next(seeds))) for _ in range(pages)]
            theirs = await _seconds(_naive, lists)
            cold.append(await _seconds(ours, lists) / theirs)
            await asyncio.gather(*(ours(*lists[0]) for _ in range(2)))
            warm.append(await _seconds(ours, lists[:1] * pages) / theirs)
        figures[f"translation of {items}, cold"] = statistics.median(cold)
        figures[f"translation of {items}, warm"] = statistics.median(warm)
    return figures


async def _seconds(translate: _Translate, pages: Sequence[_Page]) -> float:
    before = time.process_time()
    for body, request in pages:
        await translate(body, request)
    return time.process_time() - before


def _page(owner: Owner) -> _Page:
    target = f"{legacy_path(owner)}?num={owner.items}"
    return orjson.dumps(page(owner, 0, owner.items)), Request("GET", target, [authorization()], None, b"")
