"""How a call shows an upstream who asks: a table of schemes. Pure."""

import base64
from collections.abc import Callable, Mapping

from proxy.model import Credentials


def _basic(credentials: Credentials) -> Mapping[str, str]:
    token = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}


HEADERS: Mapping[str, Callable[[Credentials], Mapping[str, str]]] = {
    "caller": _basic,
}
"""Scheme → the headers that carry an account's credentials."""
