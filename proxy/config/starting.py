"""Makes a first proxy.yaml: the shipped one, with the settings that a profile needs."""

import re
from collections.abc import Iterator
from pathlib import Path

from proxy.config.loading import read_profile, shipped_file
from proxy.config.settings import DEFAULT_PROFILE, ProfileFile
from proxy.profile import rules
from proxy.profile.auth import AUTH_SCHEMES, list_placeholders, list_secrets, shows_username
from proxy.profile.ids import ID_CODECS
from proxy.profile.language import ProfileSettings

_MODELINE = "# yaml-language-server: $schema={}"
_HOW_TO_COMPLETE = "# For completion in an editor: callerid-proxy schema proxy > proxy.schema.json"
_EXAMPLE_ACCOUNT = "AC309475e5fede1b49e100272a8640f438"


def make_starting_file(name: str, beside: Path) -> str:
    """Return a commented proxy.yaml for a shipped profile, or for one by its path relative to `beside`.

    ConfigurationError for an invalid profile. Secrets and names of accounts are left to variables.
    """
    text = shipped_file("proxy.yaml").read_text(encoding="utf-8")
    for line, replacement in _list_changes(name, read_profile(name, beside)):
        before, found, after = text.partition(f"\n{line}\n")
        if not found:
            raise LookupError(line)  # this module no longer fits the shipped file
        text = f"{before}\n{replacement}\n{after}"
    return f"# callerid-proxy before {name}, as made by: callerid-proxy init {name}\n#\n{text}"


def _list_changes(name: str, found: ProfileFile) -> Iterator[tuple[str, str]]:
    profile = found.profile
    yield (
        _MODELINE.format("schema/proxy.json"),
        f"{_HOW_TO_COMPLETE}\n{_MODELINE.format('proxy.schema.json')}",
    )
    yield f"  profile: {DEFAULT_PROFILE}", f"  profile: {name}"
    default = read_profile(DEFAULT_PROFILE, Path()).profile
    yield f"  # base_url: {default.base_url}", f"  # base_url: {profile.base_url}"
    if needed := [key for key, value in profile.variables.items() if not value]:
        lines = [f"    {key}: ${{{_make_variable(profile.name, key)}}}" for key in needed]
        yield "  # variables: {}", "\n".join(["  variables:", *lines])
    yield f"  # validation: {default.validation}", f"  # validation: {profile.validation}"
    if ID_CODECS[profile.ids.codec].is_keyed:
        yield "  # sid_key: ${SID_KEY}", "  sid_key: ${SID_KEY}"
    if AUTH_SCHEMES[profile.auth.scheme].needs_accounts:
        lines = ["accounts:", *_write_account(profile), "# More accounts look like this one:"]
        yield "# accounts:", "\n".join(lines)


def _write_account(profile: ProfileSettings) -> Iterator[str]:
    yield f"  {_EXAMPLE_ACCOUNT}: # the AccountSid that the old program has"
    yield "    token: ${OLD_TOKEN} # the token that it has"
    yield "    upstream:"
    keys = ["account"] if "account" in rules.find_placeholders(profile) else []
    # Where URLs hold the account, its name is most likely the user's too; where credentials do, it is not
    if shows_username(profile.auth) and (not keys or "account" in list_placeholders(profile.auth)):
        keys.append("username")
    for key in (*keys, *sorted(list_secrets(profile.auth), reverse=True)):
        yield f"      {key}: ${{{_make_variable(profile.name, key)}}}"


def _make_variable(*words: str) -> str:
    return re.sub("[^A-Z0-9]+", "_", "_".join(words).upper()).strip("_")
