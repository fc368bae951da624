"""Two proxies with the default timeouts, whose Redis changes its master; both keep their connections."""

import re
from contextlib import ExitStack
from pathlib import Path

from support.processes import running
from support.relay import relay
from support.seed import ACCOUNT, BOB, LIST, basic
from support.valkey import Server, fail_over
from support.wire import Answer, Message, ask, json_answer, scripted_upstream


def describe(version: int) -> bytes:
    names = f'"friendly_name": "v {version}", "phone_number": "+14155551212"'
    return f'{{"sid": "{BOB}", "account_sid": "{ACCOUNT}", {names}}}'.encode()


async def test_found_e2_two_proxies_follow_a_fail_over(tmp_path: Path, pair: list[Server]) -> None:
    """A write that waits until older lists have expired takes longer than the client here."""
    asked = (("Host", "x"), ("Authorization", basic()), ("Connection", "close"))
    version = 0

    def answer(message: Message) -> Answer:
        nonlocal version
        if message.start.startswith("POST"):
            version = int(message.body.rpartition(b"+")[2])
            return json_answer(200, describe(version)).encode()
        page = b'{"outgoing_caller_ids": [%b], "next_page_uri": null}' % describe(version)
        return json_answer(200, page).encode()

    async with scripted_upstream() as upstream, relay(pair[0].port) as kept, relay(pair[0].port) as moved:
        upstream.otherwise = answer
        file = tmp_path / "proxy.yaml"
        with ExitStack() as stack:
            ports: list[int] = []
            for way in (kept, moved):
                shared = f"{{fresh: 10, replicas: 2, redis: {{url: '{way.url}'}}}}"
                text = f"listen: 127.0.0.1:0\nupstream: {{base_url: '{upstream.url}'}}\nsnapshots: {shared}\n"
                file.write_text(text, encoding="utf-8")
                server = stack.enter_context(running("serve", "--config", file))
                ports.append(int(server.until(r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01")))

            async def shown(port: int) -> int:
                listed = await ask(port, Message(f"GET {LIST} HTTP/1.1", asked).encode())
                found = re.search(rb"<FriendlyName>v (\d+)<", listed.body)
                assert found
                return int(found[1])

            for number in range(1, 9):
                for port in ports:
                    await shown(port)
                if number % 2:
                    fail_over(pair, is_reached=False)
                    for way in (kept, moved):
                        way.lead_to(pair[0].port)
                    moved.cut()
                    moved.mend()
                form = f"FriendlyName=v+{number}".encode()
                length = ("Content-Length", str(len(form)))
                put = Message(f"PUT {LIST}/{BOB} HTTP/1.1", (*asked, length), form).encode()
                assert (await ask(ports[number // 2 % 2], put)).status == 200
                assert [await shown(port) for port in ports] == [number, number]
