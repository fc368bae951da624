"""What is remembered, whose it is, and for whom."""

import hashlib
from typing import NamedTuple
from zlib import crc32

from proxy.model import Account

SLOTS = 65_536
"""Of the tables in memory that workers share."""


class Owner(NamedTuple):
    """Whose data it is: a write with whatever credentials changes it for all of them."""

    upstream: str
    account: str
    slot: int
    """A short digest of both."""


class Key(NamedTuple):
    """What was asked, and by whom."""

    owner: Owner
    account_sid: str
    credential: bytes
    """A digest: nobody can ask with it."""
    slot: int
    """A short digest of the owner and the credential, below SLOTS."""
    what: tuple[str | None, ...] = ()

    def about(self, *what: str | None) -> "Key":
        """Return the key of something else that the same account asks for."""
        return Key(self.owner, self.account_sid, self.credential, self.slot, what)


def owner_of(account: Account) -> Owner:
    """Return whose data `account` asks for."""
    text = f"{account.upstream}\0{account.upstream_id}"
    return Owner(account.upstream, account.upstream_id, crc32(text.encode("utf-8", "surrogatepass")))


def key_of(account: Account, *what: str | None) -> Key:
    """Return the key of something that `account` asks for."""
    owner, credentials = owner_of(account), account.credentials
    text = f"{len(credentials.username)}:{credentials.username}{credentials.password}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return Key(owner, account.sid, digest, crc32(digest, owner.slot) % SLOTS, what)
