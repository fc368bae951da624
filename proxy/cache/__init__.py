"""What is remembered of an upstream for a few seconds, and when it is out of date."""

from proxy.cache.keys import Key, Owner, key_of, owner_of
from proxy.cache.lists import ListCache, Terms, View, Walk
from proxy.cache.stores import GenerationTable, SharedMemoryStore, Store

__all__ = [
    "GenerationTable",
    "Key",
    "ListCache",
    "Owner",
    "SharedMemoryStore",
    "Store",
    "Terms",
    "View",
    "Walk",
    "key_of",
    "owner_of",
]
