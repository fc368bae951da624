"""Answers → what goes over the wire."""

from http import HTTPStatus

from aiohttp import hdrs, web

from proxy import __version__
from proxy.legacy import Answer

_SERVER = f"callerid-proxy/{__version__}"


def response(answer: Answer, *, close: bool = False) -> web.Response:
    """Return the response to a request, after which the connection may have to close."""
    headers = {hdrs.SERVER: _SERVER, **answer.headers}
    if answer.content_type:
        headers[hdrs.CONTENT_TYPE] = answer.content_type
    made = web.Response(status=answer.status, body=answer.body, headers=headers)
    if close:
        made.force_close()
    return made


def last_words(answer: Answer) -> bytes:
    """Write an answer where there is no request that a response could belong to; then close."""
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Server: {_SERVER}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + answer.body
