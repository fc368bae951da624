"""Whether the program runs inside a container, where loopback addresses are reached from inside only."""

from collections.abc import Mapping
from pathlib import Path

_MARKERS = (".dockerenv", "run/.containerenv", "run/systemd/container")


def is_inside_container(variables: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Whether a container engine has left its mark in the environment or in the file system.

    `container` is the variable of systemd's container interface; an empty one denies it.
    """
    if "container" in variables:
        return bool(variables["container"])
    return "KUBERNETES_SERVICE_HOST" in variables or any((root / marker).exists() for marker in _MARKERS)
