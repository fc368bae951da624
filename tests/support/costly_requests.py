"""Requests that would cost much CPU time if they were parsed completely."""

import gzip
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from support.raw import FORM, asked, post, proxy_before
from support.wire import connect


def xml(body: bytes) -> bytes:
    return post(b"Content-Length: %d" % len(body), body=body).replace(FORM, b"Content-Type: application/xml")


def number(text: bytes) -> bytes:
    return post(b"Content-Length: %d" % (len(text) + 12), body=b"PhoneNumber=" + text)


BOMB = gzip.compress(bytes(50_000_000))
LAUGHS = b"".join(b'<!ENTITY l%d "%b">' % (n + 1, b"&l%d;" % n * 10) for n in range(20))
MULTIPART = b'--b0\r\nContent-Disposition: form-data; name="x"\r\n\r\nx\r\n' * 1000 + b"--b0--\r\n"


class Dear(NamedTuple):
    data: bytes
    most: float = 0.05
    """Seconds of CPU time, which block the event loop."""
    statuses: Sequence[int] = (400,)


DEAR: Mapping[str, Dear] = {
    # rows 14 and 38: at most 10 ms
    "a gzip bomb": Dear(
        post(b"Content-Encoding: gzip", b"Content-Length: %d" % len(BOMB), body=BOMB), 0.01, (413, 415)
    ),
    "a billion laughs": Dear(
        xml(b"<!DOCTYPE r [<!ENTITY l0 'ha'>" + LAUGHS + b"]><r><x>&l20;</x></r>"), 0.01
    ),
    "a quadratic blow-up": Dear(
        xml(b"<!DOCTYPE r [<!ENTITY x '%b'>]><r><x>%b</x></r>" % (b"x" * 20_000, b"&x;" * 10_000)), 0.01
    ),
    "20,000 elements in each other": Dear(xml(b"<x>" * 20_000)),
    "200 elements in each other, many times": Dear(
        xml(b"<r>" + (b"<x>" * 200 + b"</x>" * 200) * 40 + b"</r>")
    ),
    "16,000 elements in a row": Dear(xml(b"<r>" + b"<x/>" * 16_000 + b"</r>")),
    "4,000 attributes": Dear(xml(b"<r " + b"".join(b"a%d='' " % n for n in range(4000)) + b"/>")),
    "30,000 fields": Dear(post(b"Content-Length: 60000", body=b"x&" * 30_000)),
    "1,000 parts": Dear(
        post(b"Content-Length: %d" % len(MULTIPART), body=MULTIPART).replace(
            FORM, b"Content-Type: multipart/form-data; boundary=b0"
        )
    ),
    "a number of 4,000 spaces": Dear(number(b"+" * 4000)),
    "a number of 4,000 spaces around a one": Dear(number(b"+" * 2000 + b"1" + b"+" * 2000 + b"x")),
    "a number of 4,000 ones": Dear(number(b"1" * 4000)),
    "a number of ones and spaces": Dear(number(b"1+" * 2000)),
}
BOMBS = ("a gzip bomb", "a billion laughs", "a quadratic blow-up")
"""Those of rows 14 and 38."""


async def cost(data: bytes, statuses: Sequence[int]) -> float:
    """Return the seconds of CPU that a refusal takes at best, the test's own share included."""
    costs = []
    async with proxy_before() as proxy:
        for _ in range(5):
            async with connect(proxy.port) as client:
                begun = time.process_time()
                answer = await asked(client, data)
                costs.append(time.process_time() - begun)
                assert answer.status in statuses
        assert proxy.upstream.received == []
    return min(costs)
