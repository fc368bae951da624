"""Requests that HTTP has nothing against → whoever answers them."""

from aiohttp import hdrs

from proxy.legacy import Answer, Request
from proxy.server import codes
from proxy.server.parsing import RawRequestMessage
from proxy.translator import Translator


async def answer(translator: Translator, head: RawRequestMessage, body: bytes) -> Answer:
    """Answer a request."""
    if translator.takes_codes and head.url.path == codes.PATH:
        return await codes.answer(head.method, head.headers, body, translator)
    return await translator.answer(_request(head, body))


def answer_at_once(translator: Translator, head: RawRequestMessage) -> Answer | None:
    """Answer a request without a body if what it asks for is remembered."""
    return translator.at_once(_request(head))


def _request(head: RawRequestMessage, body: bytes = b"") -> Request:
    return Request(
        head.method,
        head.path,
        tuple(head.headers.getall(hdrs.AUTHORIZATION, ())),
        head.headers.get(hdrs.CONTENT_TYPE),
        body,
    )
