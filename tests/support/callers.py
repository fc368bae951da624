"""Requests by callers with the same account and different tokens."""

from support.raw import HOST, request
from support.seed import ACCOUNT, LIST, basic

CANNOT_WAIT = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def get(token: str, target: str = LIST, *headers: bytes) -> bytes:
    """Ask as the account, or with `user name:token`, as of an API key."""
    username, _, password = token.rpartition(":")
    authorization = f"Authorization: {basic(username or ACCOUNT, password)}".encode()
    return request(f"GET {target} HTTP/1.1".encode(), HOST, authorization, *headers)
