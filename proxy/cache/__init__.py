"""Lists that are cached for a few seconds, and how writes invalidate them."""

from proxy.cache.keys import Key, Owner, derive_key, derive_owner
from proxy.cache.list_cache import CachePolicy, CacheView, ListCache, Loaded, Loader
from proxy.cache.stores import GenerationTable, SharedMemoryStore, Store

__all__ = [
    "CachePolicy",
    "CacheView",
    "GenerationTable",
    "Key",
    "ListCache",
    "Loaded",
    "Loader",
    "Owner",
    "SharedMemoryStore",
    "Store",
    "derive_key",
    "derive_owner",
]
