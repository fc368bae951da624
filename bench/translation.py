"""The translation alone, in process: an upstream page in, the XML out; ours against the naive one.

Ours is complete except for the network: route, credentials, call, parsing and rendering. The dates of a cold
page are new to the process; a warm one is translated for the second time.
"""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from bench.data import Owner, authorization, legacy_path, page
from bench.measuring import Metrics
from bench.peers import naive
from proxy import config
from proxy.legacy import Request
from proxy.process.assembly import assemble
from proxy.profile.calls import Call, Reply
from proxy.upstream.client import Client

_ROUNDS = 25  # of some hundredths of a second each
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


class Translation:
    """CPU time of ours as a share of the naive translation's, measured in several parts.

    Other programs may use the machine for minutes: the parts are spread over the whole run, and the median
    is that of the rounds of all.
    """

    def __init__(self) -> None:
        self._ours, self._seeds = _ours(), count(100_000)
        self._shares = defaultdict[str, list[float]](list)

    async def measure(self) -> None:
        """Measure another part."""
        for items, pages in _ITEMS.items():
            for _ in range(_ROUNDS):
                lists = [_page(Owner(items, seed=next(self._seeds))) for _ in range(pages)]
                theirs = await _seconds(_naive, lists)
                cold = await _seconds(self._ours, lists) / theirs
                await asyncio.gather(*(self._ours(*lists[0]) for _ in range(2)))
                warm = await _seconds(self._ours, lists[:1] * pages) / theirs
                self._shares[f"translation of {items}, cold"].append(cold)
                self._shares[f"translation of {items}, warm"].append(warm)

    def figures(self) -> Metrics:
        """Return the medians."""
        return {name: statistics.median(shares) for name, shares in self._shares.items()}


async def _seconds(translate: _Translate, pages: Sequence[_Page]) -> float:
    before = time.process_time()
    for body, request in pages:
        await translate(body, request)
    return time.process_time() - before


def _page(owner: Owner) -> _Page:
    target = f"{legacy_path(owner)}?num={owner.items}"
    return orjson.dumps(page(owner, 0, owner.items)), Request("GET", target, (authorization(),), None, b"")
