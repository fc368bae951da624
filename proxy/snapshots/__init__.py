"""What is remembered of an upstream for a few seconds, and when it is out of date."""

from proxy.snapshots.generations import Generations, owner_of
from proxy.snapshots.lists import Snapshots, key_of

__all__ = ["Generations", "Snapshots", "key_of", "owner_of"]
