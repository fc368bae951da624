"""What a profile's types cannot say: keys that are good by themselves and wrong together.

Each rule is a function from a profile to what breaks it; `RULES` is the list of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import uritemplate

from proxy.upstream import language
from proxy.upstream.language import Endpoint, ItemEndpoint, Profile, ReadValue, ValidateEndpoint

Breach = tuple[tuple[str | int, ...], str]
"""Where in the profile, and what is wrong there."""


def breaches(profile: Profile) -> Iterator[Breach]:
    """Yield everything that is wrong with a profile whose types are right."""
    for rule in RULES:
        yield from rule(profile)


def placeholders(profile: Profile, base_url: str | None = None) -> set[str]:
    """Return the names in braces of all URLs."""
    templates = [base_url or profile.base_url, *(endpoint.path for endpoint in endpoints(profile).values())]
    return {name for template in templates for name in uritemplate.variables(template)}


def endpoints(profile: Profile) -> Mapping[str, Endpoint]:
    """Return what a profile can do, by the operation's name."""
    operations = profile.operations
    named = {
        "list": operations.list,
        "fetch": operations.fetch,
        "rename": operations.rename,
        "delete": operations.delete,
        "validate": operations.validate_,
        "call": operations.call,
        "verify": operations.verify,
    }
    return {name: endpoint for name, endpoint in named.items() if isinstance(endpoint, Endpoint)}


_ABOUT_ONE = ("fetch", "rename", "delete", "call", "verify")


def _placeholders(profile: Profile) -> Iterator[Breach]:
    known = set(profile.variables)
    for name in uritemplate.variables(profile.base_url):
        if name not in known:
            yield (
                ("base_url",),
                f"nothing fills the placeholder {{{name}}}: give it a default under variables",
            )
    for operation, endpoint in endpoints(profile).items():
        filled = known | {"account"} | ({"id"} if operation in _ABOUT_ONE else set())
        for name in uritemplate.variables(endpoint.path):
            if name not in filled:
                yield ("operations", operation, "path"), f"nothing fills the placeholder {{{name}}}"


_VALUES_OF: Mapping[str, frozenset[str]] = {
    "list": frozenset({"account"}),
    "fetch": frozenset({"account", "id"}),
    "rename": frozenset({"account", "id", "friendly_name"}),
    "delete": frozenset({"account", "id"}),
    "validate": frozenset({"account", "phone_number", "friendly_name", "call_delay"}),
    "call": frozenset({"account", "id", "phone_number"}),
    "verify": frozenset({"account", "id", "phone_number", "code"}),
}


def _parameters(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        for kind, table in (("query", endpoint.query), ("form", endpoint.form), ("json", endpoint.json_)):
            for name, how in (table or {}).items():
                if isinstance(how, language.WriteValue) and how.from_ not in _VALUES_OF[operation]:
                    yield ("operations", operation, kind, name), f"{operation} has no value {how.from_!r}"


def _bodies(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        if endpoint.form is not None and endpoint.json_ is not None:
            yield ("operations", operation, "json"), "a request has a form or JSON, not both"
        if endpoint.method == "GET" and (endpoint.form is not None or endpoint.json_ is not None):
            yield ("operations", operation, "method"), "a GET has no body: use query"


def _retries(profile: Profile) -> Iterator[Breach]:
    for operation in ("validate", "verify"):
        endpoint = endpoints(profile).get(operation)
        if endpoint is not None and endpoint.retries:
            yield ("operations", operation, "retries"), f"{operation} is never sent twice: a phone would ring"


def _totals(profile: Profile) -> Iterator[Breach]:
    endpoint, at = profile.operations.list, ("operations", "list", "total")
    match endpoint.total.strategy:
        case "pointer" if endpoint.include_when:
            yield at, "the upstream's total counts items that include_when leaves out: use strategy walk"
        case "length" if endpoint.paging.strategy != "none":
            yield at, "the length of a page is the total only where paging is none"
        case "walk" | "pointer" | "length":
            pass


def _lookups(profile: Profile) -> Iterator[Breach]:
    at = ("operations", "list", "filters", "phone_number", "mode")
    if profile.operations.list.filters.phone_number.mode != "lookup":
        return
    if profile.ids.codec != "e164":
        yield at, "lookup needs numbers as ids: ids.codec e164"
    if not isinstance(profile.operations.fetch, ItemEndpoint):
        yield at, "lookup needs the operation fetch"


_READS_OF_CODEC: Mapping[str, frozenset[str]] = {
    "identity": frozenset({"text"}),
    "uuid": frozenset({"text"}),
    "e164": frozenset({"text", "e164", "digits", "ten_digits"}),
    "integer": frozenset({"text", "integer"}),
}


def _ids(profile: Profile) -> Iterator[Breach]:
    fits = _READS_OF_CODEC[profile.ids.codec]
    if profile.caller_id.id.as_ not in fits:
        names = " or ".join(sorted(fits))
        yield (
            ("caller_id", "id"),
            f"ids.codec {profile.ids.codec} cannot hold {profile.caller_id.id.as_}: read {names}",
        )


KEYED_CODECS = frozenset({"e164", "integer"})
"""Those whose Sids can be made up by whoever knows the key."""

_DATES = frozenset({"rfc2822", "iso8601", "date"})


def _dates(profile: Profile) -> Iterator[Breach]:
    for name in ("date_created", "date_updated"):
        value: ReadValue | None = getattr(profile.caller_id, name)
        if value is not None and value.as_ not in _DATES:
            yield ("caller_id", name), f"a date is read as {', '.join(sorted(_DATES))}, not as {value.as_}"
    for name in ("id", "friendly_name", "phone_number"):
        value = getattr(profile.caller_id, name)
        if value is not None and value.as_ in _DATES:
            yield ("caller_id", name), "this is no date"


def _conditions(profile: Profile) -> Iterator[Breach]:
    for index, when in enumerate(profile.operations.list.include_when):
        if sum(each is not None for each in (when.equals, when.one_of, when.present)) != 1:
            yield ("operations", "list", "include_when", index), "give one of equals, one_of and present"


def validation(profile: Profile) -> Iterator[Breach]:
    """Yield why a profile cannot do what its `validation` says."""
    endpoint = profile.operations.validate_
    match profile.validation:
        case "code_shown" if isinstance(endpoint, ValidateEndpoint) and endpoint.code is None:
            yield ("operations", "validate"), "code_shown needs the place of the code: the key 'code'"
        case "code_on_phone" if profile.operations.verify is None:
            yield ("validation",), "code_on_phone needs the operation verify, which brings the code back"
        case "code_shown" | "code_on_phone" | "unsupported":
            pass


def _auth(profile: Profile) -> Iterator[Breach]:
    needs_name = profile.auth.scheme in ("header", "query")
    if needs_name != bool(profile.auth.name):
        message = "needs the name of it" if needs_name else "has no name"
        yield ("auth",), f"scheme {profile.auth.scheme} {message}"


_SECRET_NAME = re.compile(
    r"authorization|cookie|(^|[-_])(api[-_]?)?(key|token|secret|password)$", re.IGNORECASE
)


def literal_secrets(data: Any, is_from_outside: Callable[[Any], bool]) -> Iterator[Breach]:
    """Yield headers and constants of a profile that look like secrets and are written out in it."""
    for place, name, value in _named_texts(data, ()):
        if _SECRET_NAME.search(name) and value and not is_from_outside(value):
            yield place, "a secret is not written in a profile: use ${VARIABLE}, or accounts in proxy.yaml"


def _named_texts(data: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield the headers and the constant parameters of a profile as it stands in its file."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        here = (*place, key)
        if isinstance(value, str) and place and place[-1] == "headers":
            yield here, key, value
        elif isinstance(value, dict) and isinstance(value.get("constant"), str):
            yield here, key, value["constant"]
        else:
            yield from _named_texts(value, here)


RULES: Sequence[Callable[[Profile], Iterator[Breach]]] = (
    _placeholders,
    _parameters,
    _bodies,
    _retries,
    _totals,
    _lookups,
    _ids,
    _dates,
    _conditions,
    validation,
    _auth,
)
