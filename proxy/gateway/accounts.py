"""Who may ask for which account, and as whom the upstream is then asked."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.errors import UNAUTHENTICATED, LegacyError
from proxy.model import Account, Credentials


class Accounts(Protocol):
    """A way to turn a caller's credentials into an Account."""

    def admit(self, sid: str, caller: Credentials) -> Account:
        """Return the account that `caller` may act for; LegacyError 401 where it may not act for `sid`."""

    def trust(self, sid: str, caller: Credentials) -> Account:
        """Return the same for a caller whose token does not matter."""


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The upstream judges: the caller's own credentials are passed on."""

    upstream: str

    def admit(self, sid: str, caller: Credentials) -> Account:
        """Admit everyone; an API key's user name differs from the account in the path."""
        return Account(sid, sid, caller, self.upstream)

    trust = admit


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table of accounts."""

    token_sha256: bytes
    upstream_id: str
    credentials: Credentials
    upstream: str


class AccountTable:
    """A table decides: legacy AccountSid and token → upstream account and credentials."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        """Take the table, by legacy AccountSid."""
        self._entries = entries

    def admit(self, sid: str, caller: Credentials) -> Account:
        """Admit a caller who knows the token of `sid`. Whether an account exists does not show."""
        entry = self._entries.get(caller.username, _NOBODY)
        token = hashlib.sha256(caller.password.encode()).digest()
        if not hmac.compare_digest(token, entry.token_sha256):
            raise LegacyError(UNAUTHENTICATED)
        return self.trust(sid, caller)

    def trust(self, sid: str, caller: Credentials) -> Account:
        """Look the account up."""
        entry = self._entries.get(caller.username)
        if entry is None or caller.username != sid:
            raise LegacyError(UNAUTHENTICATED)
        return Account(sid, entry.upstream_id, entry.credentials, entry.upstream, is_own=False)


class TrustingAccounts:
    """Admits whoever names an account of the others: for what is only rehearsed."""

    def __init__(self, accounts: Accounts) -> None:
        """Take the accounts that there are."""
        self._accounts = accounts

    def admit(self, sid: str, caller: Credentials) -> Account:
        """Let the caller in."""
        return self._accounts.trust(sid, caller)

    trust = admit


_NOBODY = Entry(bytes(32), "", Credentials("", ""), "")
