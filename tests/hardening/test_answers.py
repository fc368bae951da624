"""Large answers of upstreams: what they hold, and what goes on while they are read."""

import asyncio
import json

from support.callers import get
from support.proxied import proxied
from support.running import running_listeners
from support.seed import ACCOUNT, LIST
from support.wire import Message, Stall, ask, connect, json_answer, scripted_upstream

from proxy.config import default
from proxy.model import Account, Credentials, List
from proxy.profile.calls import Call, Reply
from proxy.profile.profile import Profile
from proxy.upstream.api import Upstream
from proxy.upstream.client import Client

LIMITED = "limits: {answer_bytes: 1048576}\nlisten: {address: 127.0.0.1:0, metrics: 127.0.0.1:0}\n"
METRIC = 'callerid_proxy_upstream_failures_total{operation="list",reason="capacity"}'


def items(count: int, first: int = 0) -> list[dict[str, object]]:
    return [
        {
            "sid": f"PN{number:032x}",
            "account_sid": ACCOUNT,
            "friendly_name": f"Bob {number}",
            "phone_number": "+14158675309",
            "date_created": "Tue, 01 Apr 2008 18:26:32 +0000",
            "date_updated": "Tue, 01 Apr 2008 18:26:32 +0000",
        }
        for number in range(first, first + count)
    ]


def page(count: int, first: int = 0, following: str | None = None) -> bytes:
    document = {"outgoing_caller_ids": items(count, first), "next_page_uri": following}
    return json_answer(200, json.dumps(document).encode()).encode()


async def test_found_f12_the_loop_goes_on_while_a_large_answer_is_read() -> None:
    """It makes many rounds between the last byte and the end, although the interpreter has one lock."""
    rounds, rounds_at_last_byte = 0, 0

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    class Counting(Client):
        async def send(self, call: Call) -> Reply:
            nonlocal rounds_at_last_byte
            reply = await super().send(call)
            rounds_at_last_byte = rounds
            return reply

    async with scripted_upstream(page(20_000)) as upstream, Counting() as client:
        profile = Profile(default().profiles["twilio-2010-04-01"].profile, upstream.url)
        account = Account(ACCOUNT, ACCOUNT, Credentials("x", "y"))
        counting = asyncio.create_task(count())
        listed = await Upstream(profile, client).list_all(List(ACCOUNT, 0, 50), account)
        counting.cancel()
    assert listed.caller_ids is not None
    assert len(listed.caller_ids) == 20_000
    assert rounds - rounds_at_last_byte > 20


async def test_found_f1_a_list_that_is_collected_holds_its_pages() -> None:
    """What one has collected leaves another less, and it is given back."""
    following = f"/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds.json?Page=1"
    first = page(1500, 0, following)
    assert 300_000 < len(first) < 480_000
    async with scripted_upstream() as upstream, running_listeners(upstream.url, LIMITED) as bound:
        port = bound["address"].port
        upstream.then(first, (Stall(600),), first, (Stall(600),), page(1))
        async with connect(port) as one, connect(port) as another:
            await one.send(get("one"))
            await upstream.is_asked(2)
            await another.send(get("another"))
            await upstream.is_asked(4)
            refused = await ask(port, get("a third", f"{LIST}?page=1"))
            assert refused.status == 200, "a short answer fits"
            upstream.answers.clear()
            upstream.then(first)
            refused = await ask(port, get("a third"))
            assert (refused.status, refused.header("Retry-After")) == (503, "1")
            one.writer.transport.abort()
            another.writer.transport.abort()
        counted = await ask(bound["metrics"].port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert f"{METRIC} 1" in counted.body.decode()
        await asyncio.sleep(0.1)
        upstream.answers.clear()
        upstream.then(page(2000))
        assert (await ask(port, get("a third"))).status == 200


async def test_found_f1_a_limit_of_its_own_does_not_concern_small_answers() -> None:
    async with proxied(page(3)) as between:
        answer = await between.ask()
        assert isinstance(answer, Message)
        assert answer.status == 200
