"""Who may ask for which account, and as whom the upstream is then asked."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.errors import UNAUTHENTICATED, LegacyError
from proxy.model import Account, Credentials


class Accounts(Protocol):
    """One of the two ways to turn a caller's credentials into an Account."""

    def admit(self, sid: str, caller: Credentials) -> Account:
        """Return the account that `caller` may act for; LegacyError 401 where it may not act for `sid`."""


@dataclass(frozen=True, slots=True)
class PassedOn:
    """The upstream judges: the caller's own credentials are passed on."""

    upstream: str

    def admit(self, sid: str, caller: Credentials) -> Account:
        """Admit everyone; an API key's user name differs from the account in the path."""
        return Account(sid, sid, caller, self.upstream)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table of accounts."""

    token_sha256: bytes
    upstream_id: str
    credentials: Credentials
    upstream: str


class Mapped:
    """A table decides: legacy AccountSid and token → upstream account and credentials."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        """Take the table, by legacy AccountSid."""
        self._entries = entries

    def admit(self, sid: str, caller: Credentials) -> Account:
        """Admit a caller who knows the token of `sid`. Whether an account exists does not show."""
        entry = self._entries.get(caller.username, _NOBODY)
        token = hashlib.sha256(caller.password.encode()).digest()
        if not hmac.compare_digest(token, entry.token_sha256) or caller.username != sid or entry is _NOBODY:
            raise LegacyError(UNAUTHENTICATED)
        return Account(sid, entry.upstream_id, entry.credentials, entry.upstream, is_own=False)


_NOBODY = Entry(bytes(32), "", Credentials("", ""), "")
