"""What is remembered of an upstream for a few seconds, and when it is out of date."""

from proxy.snapshots.keys import Key, Owner, key_of, owner_of
from proxy.snapshots.lists import Snapshots, Terms, View, Walk
from proxy.snapshots.stores import Counters, Inherited, Store

__all__ = [
    "Counters",
    "Inherited",
    "Key",
    "Owner",
    "Snapshots",
    "Store",
    "Terms",
    "View",
    "Walk",
    "key_of",
    "owner_of",
]
