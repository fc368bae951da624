"""What an entry of the cache is about, whose data it is, and with which credentials it was read."""

import hashlib
from typing import NamedTuple
from zlib import crc32

from proxy.model import Account, Credentials

SLOTS = 65_536
"""Of the tables in shared memory."""


class Owner(NamedTuple):
    """Whose data it is: a write changes it for every credential."""

    upstream: str
    account: str
    slot: int
    """A short digest of both."""


class Key(NamedTuple):
    """An owner, the credentials that read its data, and the query that was asked."""

    owner: Owner
    account_sid: str
    credential: bytes
    """A digest, which no request can be authenticated with."""
    slot: int
    """A short digest of the owner and the credential, below SLOTS."""
    query: tuple[str | None, ...] = ()

    def with_query(self, *query: str | None) -> "Key":
        """Return the key of another query of the same account and credentials."""
        return Key(self.owner, self.account_sid, self.credential, self.slot, query)


def derive_owner(account: Account) -> Owner:
    """Return the owner of the data of `account`."""
    text = f"{account.upstream}\0{account.upstream_id}"
    return Owner(account.upstream, account.upstream_id, crc32(text.encode("utf-8", "surrogatepass")))


def digest_credentials(credentials: Credentials) -> bytes:
    """Return a digest that stands for credentials."""
    text = f"{len(credentials.username)}:{credentials.username}{credentials.password}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def derive_key(account: Account, *query: str | None) -> Key:
    """Return the key of a query of `account`."""
    owner, digest = derive_owner(account), digest_credentials(account.credentials)
    return Key(owner, account.sid, digest, crc32(digest, owner.slot) % SLOTS, query)
