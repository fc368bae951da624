"""Requests by callers with the same account and different tokens."""

from support.raw import HOST, request
from support.seed import ACCOUNT, LIST, basic

CANNOT_WAIT = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def get(token: str, target: str = LIST, *headers: bytes) -> bytes:
    authorization = f"Authorization: {basic(ACCOUNT, token)}".encode()
    return request(f"GET {target} HTTP/1.1".encode(), HOST, authorization, *headers)
