"""A proxy.yaml to start from: the shipped one, with what a profile needs filled in."""

import re
from collections.abc import Iterator
from pathlib import Path

from proxy.config.loading import ProfileFile, read_profile, shipped_file
from proxy.config.settings import DEFAULT_PROFILE
from proxy.profile import rules
from proxy.profile.language import Profile

_MODELINE = "# yaml-language-server: $schema={}"
_HOW_TO_COMPLETE = "# For completion in an editor: callerid-proxy schema proxy > proxy.schema.json"
_EXAMPLE_ACCOUNT = "AC309475e5fede1b49e100272a8640f438"


def starting_file(name: str, beside: Path) -> str:
    """Return a commented proxy.yaml for a shipped profile, or for one's own by its path relative to `beside`.

    ConfigurationError where that is no good profile. What is secret or one's own is left to variables.
    """
    text = shipped_file("proxy.yaml").read_text(encoding="utf-8")
    for line, replacement in _changes(name, read_profile(name, beside)):
        before, found, after = text.partition(f"\n{line}\n")
        if not found:
            raise LookupError(line)  # the shipped file has changed, and this module has not
        text = f"{before}\n{replacement}\n{after}"
    return f"# callerid-proxy before {name}, as made by: callerid-proxy init {name}\n#\n{text}"


def _changes(name: str, found: ProfileFile) -> Iterator[tuple[str, str]]:
    """Yield lines of the shipped file and what takes their place."""
    profile = found.profile
    yield (
        _MODELINE.format("schema/proxy.json"),
        f"{_HOW_TO_COMPLETE}\n{_MODELINE.format('proxy.schema.json')}",
    )
    yield f"  profile: {DEFAULT_PROFILE}", f"  profile: {name}"
    default = read_profile(DEFAULT_PROFILE, Path()).profile
    yield f"  # base_url: {default.base_url}", f"  # base_url: {profile.base_url}"
    if needed := [key for key, value in profile.variables.items() if not value]:
        lines = [f"    {key}: ${{{_variable(profile.name, key)}}}" for key in needed]
        yield "  # variables: {}", "\n".join(["  variables:", *lines])
    yield f"  # validation: {default.validation}", f"  # validation: {profile.validation}"
    if profile.ids.codec in rules.KEYED_CODECS:
        yield "  # sid_key: ${SID_KEY}", "  sid_key: ${SID_KEY}"
    if profile.auth.scheme not in ("caller", "none"):
        yield (
            "# accounts:",
            "\n".join(["accounts:", *_account(profile), "# More accounts look like this one:"]),
        )


def _account(profile: Profile) -> Iterator[str]:
    yield f"  {_EXAMPLE_ACCOUNT}: # the AccountSid that the old program has"
    yield "    token: ${OLD_TOKEN} # the token that it has"
    yield "    upstream:"
    if "account" in rules.placeholders(profile):
        yield f"      account: ${{{_variable(profile.name, 'account')}}}"
    elif profile.auth.scheme == "basic":
        yield f"      username: ${{{_variable(profile.name, 'username')}}}"
    yield f"      password: ${{{_variable(profile.name, 'password')}}}"


def _variable(*words: str) -> str:
    return re.sub("[^A-Z0-9]+", "_", "_".join(words).upper()).strip("_")
