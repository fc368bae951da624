"""Lists that are cached for a few seconds, how writes invalidate them, and limits that workers share."""

from proxy.cache.keys import Key, Owner, derive_key, derive_owner, digest_credentials
from proxy.cache.list_cache import CachePolicy, CacheView, ListCache, Loaded, Loader
from proxy.cache.shared_cells import SharedCells
from proxy.cache.shared_records import MemoryRecords, SharedRecords, create_record_cells
from proxy.cache.stores import GenerationTable, SharedMemoryStore, Store
from proxy.cache.token_buckets import (
    Bucket,
    Limit,
    Purpose,
    Refusal,
    SharedTokenBuckets,
    Ticket,
    TokenBuckets,
    create_token_cells,
)

__all__ = [
    "Bucket",
    "CachePolicy",
    "CacheView",
    "GenerationTable",
    "Key",
    "Limit",
    "ListCache",
    "Loaded",
    "Loader",
    "MemoryRecords",
    "Owner",
    "Purpose",
    "Refusal",
    "SharedCells",
    "SharedMemoryStore",
    "SharedRecords",
    "SharedTokenBuckets",
    "Store",
    "Ticket",
    "TokenBuckets",
    "create_record_cells",
    "create_token_cells",
    "derive_key",
    "derive_owner",
    "digest_credentials",
]
