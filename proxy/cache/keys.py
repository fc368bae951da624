"""What an entry of the cache is about, whose data it is, and with which credentials it was read.

Owners govern invalidation alone, and are as wide as is not known to be too wide. Keys are as narrow as the
caller: what one of them reads is shown to no other.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from proxy.model import Account, Credentials, DataOwner

SLOTS = 65_536
"""Of the tables in shared memory."""


class Owner(NamedTuple):
    """Whose data it is: a write changes it for every credential and every entry of proxy.yaml that has it."""

    upstream: str
    account: str
    slot: int
    """A short digest of both, below SLOTS."""
    also: str | None = None
    """What `account` is in a configuration that differs in whether names tell accounts apart."""

    @property
    def writes(self) -> "Owner":
        """What counts the writes that have begun, refused ones too: no slot of a list is among its own."""
        return Owner(self.upstream, f"{self.account}\0writes", self.slot + SLOTS)

    @property
    def every(self) -> "Sequence[Owner]":
        """All that a write changes: it may end after a reload, whose configuration has another owner."""
        return (self,) if self.also is None else (self, _create_owner(self.upstream, self.also))


class Key(NamedTuple):
    """An owner, the account and the credentials that read its data, and the query that was asked."""

    owner: Owner
    reader: tuple[str, str, str]
    """The Sid of the account, its name upstream, and the name of its upstream with all settings."""
    credential: bytes
    """A digest, which no request can be authenticated with."""
    slot: int
    """A short digest of the owner and the credential, below SLOTS."""
    query: tuple[str | None, ...] = ()

    def with_query(self, *query: str | None) -> "Key":
        """Return the key of another query of the same account and credentials."""
        return Key(self.owner, self.reader, self.credential, self.slot, query)


def derive_owner(account: Account) -> Owner:
    """Return the owner of the data of `account`."""
    owner = account.owner or DataOwner(account.upstream, account.upstream_id)
    name, also = (owner.account, "") if owner.is_apart else ("", owner.account)
    return _create_owner(owner.origin, name, also)


def _create_owner(upstream: str, name: str, also: str | None = None) -> Owner:
    slot = crc32(f"{upstream}\0{name}".encode("utf-8", "surrogatepass")) % SLOTS
    return Owner(upstream, name, slot, also)


def digest_credentials(credentials: Credentials) -> bytes:
    """Return a digest that stands for credentials."""
    text = f"{len(credentials.username)}:{credentials.username}{credentials.password}"
    if credentials.extra:
        text += f"\0{credentials.extra}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def derive_key(account: Account, *query: str | None) -> Key:
    """Return the key of a query of `account`."""
    owner, digest = derive_owner(account), digest_credentials(account.credentials)
    reader = account.sid, account.upstream_id, account.upstream
    return Key(owner, reader, digest, crc32(digest, owner.slot) % SLOTS, query)
