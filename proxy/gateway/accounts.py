"""Which account a caller may act for, and with which credentials the upstream is asked for it."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from unicodedata import normalize
from urllib.parse import unquote

from proxy.errors import UNAUTHENTICATED, LegacyError
from proxy.model import Account, Credentials, DataOwner


class Accounts(Protocol):
    """How a caller's credentials lead to an Account."""

    def authenticate(self, sid: str, caller: Credentials) -> Account:
        """Return the account `sid`; LegacyError 401 where these credentials are not for it."""

    def trust(self, sid: str, caller: Credentials) -> Account:
        """Return the same without looking at the token."""

    def find(self, sid: str, own: Account | None) -> Account | None:
        """Return the account `sid` as it is configured now, `own` being what its caller passed on before."""

    def recognises(self, caller: Credentials) -> bool:
        """Whether these credentials are known to be right; False where the upstream has to judge them."""


class DataScope(NamedTuple):
    """What a write to an upstream may change: data of one account there, or of any where that is unknown."""

    origin: str
    """Where the upstream is, in one spelling."""
    tells_accounts: bool
    """Whether accounts with different names have different data."""

    def owner(self, upstream_id: str) -> DataOwner:
        """Return whose data the account with that name reads and writes.

        Names may be read in any case, in any form of Unicode, and percent-encoded.
        """
        name = normalize("NFKC", unquote(upstream_id)).casefold()
        return DataOwner(self.origin, normalize("NFKC", name).strip(), self.tells_accounts)


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The upstream judges: the caller's own credentials are passed on."""

    upstream: str
    scope: DataScope | None = None

    def authenticate(self, sid: str, caller: Credentials) -> Account:
        """Take every caller; the user name of an API key differs from the account in the path."""
        owner = self.scope and self.scope.owner(sid)
        return Account(sid, sid, caller, self.upstream, owner=owner)

    trust = authenticate

    def find(self, sid: str, own: Account | None) -> Account | None:
        """Return `own`, unless its upstream is another one by now."""
        return own if own and (own.sid, own.upstream) == (sid, self.upstream) else None

    def recognises(self, caller: Credentials) -> bool:
        del caller
        return False


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One row of the table of accounts."""

    token_sha256: bytes
    upstream_id: str
    credentials: Credentials
    upstream: str
    owner: DataOwner | None = None
    label: str = ""


class AccountTable:
    """A table decides: legacy AccountSid and token → upstream account and credentials."""

    def __init__(self, entries: Mapping[str, AccountEntry]) -> None:
        self._entries = entries

    def authenticate(self, sid: str, caller: Credentials) -> Account:
        """Check the token, in the same time whether or not the account exists."""
        if not self.recognises(caller):
            raise LegacyError(UNAUTHENTICATED)
        return self.trust(sid, caller)

    def trust(self, sid: str, caller: Credentials) -> Account:
        account = self.find(sid)
        if account is None or caller.username != sid:
            raise LegacyError(UNAUTHENTICATED)
        return account

    def find(self, sid: str, own: Account | None = None) -> Account | None:
        del own
        if (entry := self._entries.get(sid)) is None:
            return None
        return Account(
            sid,
            entry.upstream_id,
            entry.credentials,
            entry.upstream,
            is_own=False,
            owner=entry.owner,
            label=entry.label,
        )

    def recognises(self, caller: Credentials) -> bool:
        entry = self._entries.get(caller.username, _UNKNOWN)
        token = hashlib.sha256(caller.password.encode()).digest()
        return hmac.compare_digest(token, entry.token_sha256)


class TrustingAccounts:
    """Takes every caller that names an account, whatever its token: for rehearsals, which ask no upstream."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def authenticate(self, sid: str, caller: Credentials) -> Account:
        return self._accounts.trust(sid, caller)

    trust = authenticate

    def find(self, sid: str, own: Account | None) -> Account | None:
        return self._accounts.find(sid, own)

    def recognises(self, caller: Credentials) -> bool:
        return self._accounts.recognises(caller)


_UNKNOWN = AccountEntry(bytes(32), "", Credentials("", ""), "")
