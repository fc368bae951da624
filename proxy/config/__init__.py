"""Configuration files → frozen settings. All mistakes are reported at once, each with its place."""

from proxy.config.loading import (
    ConfigurationError,
    default,
    demo,
    find_profile,
    load,
    load_listen,
    read_profile,
    shipped_profiles,
)
from proxy.config.settings import Configuration, Listen, Settings
from proxy.net.addresses import Address, parse_address

__all__ = [
    "Address",
    "Configuration",
    "ConfigurationError",
    "Listen",
    "Settings",
    "default",
    "demo",
    "find_profile",
    "load",
    "load_listen",
    "parse_address",
    "read_profile",
    "shipped_profiles",
]
