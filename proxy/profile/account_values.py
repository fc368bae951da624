"""Placeholders in texts that show credentials: what of an account fills them. Pure."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from proxy.model import Credentials

SECRETS: Final = ("username", "password", "assertion")
"""Placeholders of an account's credentials."""
PLACEHOLDERS: Final = frozenset({*SECRETS, "account"})
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def list_placeholders(text: str) -> Sequence[str]:
    return _PLACEHOLDER.findall(text)


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Fill placeholders; braces inside of values mean nothing."""
    return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), text)


def collect_values(credentials: Credentials, account: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of placeholders, for the account of that name upstream."""
    return {**variables, **dict(zip((*SECRETS, "account"), _texts(credentials, account), strict=True))}


def digest_values(settings: str, credentials: Credentials, account: str) -> str:
    """Return a digest that differs where the settings, the credentials or the account do."""
    texts = _texts(credentials, account)
    parts = (settings, *(str(len(text)) for text in texts), *texts)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _texts(credentials: Credentials, account: str) -> Sequence[str]:
    return credentials.username, credentials.password, credentials.extra, account
