"""What the types of a profile cannot say: rules about several keys.

Each rule is a function from a profile to its violations; `RULES` is the list of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from proxy.profile.answer_rules import ANSWER_RULES, join_names
from proxy.profile.auth import AUTH_SCHEMES, Auth, set_headers, set_parameters
from proxy.profile.base import KeyPath, Violation
from proxy.profile.conversions import list_writers
from proxy.profile.ids import ID_CODECS
from proxy.profile.language import (
    Endpoint,
    ItemEndpoint,
    ProfileSettings,
    ServerFilter,
    Write,
    WriteValue,
)
from proxy.profile.paging import PAGING_KINDS, has_direct_pages


def find_violations(profile: ProfileSettings) -> Iterator[Violation]:
    """Yield everything that is wrong with a profile whose types are right."""
    for rule in RULES:
        yield from rule(profile)


def find_placeholders(profile: ProfileSettings, base_url: str | None = None) -> set[str]:
    """Return the names in braces of all URLs."""
    paths = [endpoint.path for endpoint in profile.operations.endpoints().values()]
    return {
        name for template in (base_url or profile.base_url, *paths) for name in parse_placeholders(template)
    }


_PLACEHOLDER = re.compile(r"\{[+/;?&.]?(\w+)\}")


def parse_placeholders(template: str) -> Sequence[str]:
    """Return the names in braces of one URL; other contents of braces are invalid."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(template)))


# Values of operations

_VALUES_OF: Mapping[str, frozenset[str]] = {
    "list": frozenset({"account"}),
    "fetch": frozenset({"account", "id"}),
    "rename": frozenset({"account", "id", "friendly_name"}),
    "delete": frozenset({"account", "id"}),
    "validate": frozenset({"account", "phone_number", "friendly_name", "call_delay"}),
    "call": frozenset({"account", "id", "phone_number"}),
    "verify": frozenset({"account", "id", "phone_number", "code"}),
}
BUILT_IN = frozenset().union(*_VALUES_OF.values())
"""Names of the values of all operations."""
_OPTIONAL = frozenset({"friendly_name", "call_delay"})
_NEEDED: Mapping[str, Sequence[frozenset[str]]] = {
    "fetch": [frozenset({"id"})],
    "rename": [frozenset({"id"}), frozenset({"friendly_name"})],
    "delete": [frozenset({"id"})],
    "validate": [frozenset({"phone_number"})],
    "call": [frozenset({"id", "phone_number"})],
    "verify": [frozenset({"id", "phone_number"}), frozenset({"code"})],
}
"""Values that a request has to send: one of each set."""


def _check_placeholders(profile: ProfileSettings) -> Iterator[Violation]:
    known = set(profile.variables)
    hint = "give it a default under variables"
    for name in parse_placeholders(profile.base_url):
        if name not in known:
            yield ("base_url",), f"nothing fills the placeholder {{{name}}}: {hint}"
    for operation, endpoint in profile.operations.endpoints().items():
        for name in parse_placeholders(endpoint.path):
            if name not in known | (_VALUES_OF[operation] - _OPTIONAL):
                what = f"{operation} has no such value" if name in BUILT_IN else hint
                yield ("operations", operation, "path"), f"nothing fills the placeholder {{{name}}}: {what}"


def _check_variables(profile: ProfileSettings) -> Iterator[Violation]:
    for name in profile.variables.keys() & BUILT_IN:
        yield ("variables", name), f"{name} comes from the request: choose another name"


def _check_paths(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        here, path = ("operations", operation, "path"), endpoint.path
        bare = _PLACEHOLDER.sub("", path)
        if path and path[0] not in "/{?":
            yield here, "a path starts with a slash"
        if "{" in bare or "}" in bare:
            yield here, "a placeholder is one name in braces, as in {account}"
        if not re.fullmatch("[!-~]*", path) or "#" in bare:
            yield (
                here,
                "a path has no spaces, no # and nothing outside ASCII: write those as %20, %23 and so on",
            )


def _list_parameters(operation: str, endpoint: Endpoint) -> Iterator[tuple[KeyPath, str, Write]]:
    """Yield each parameter of a request: its key path, its name and how it is written."""
    for kind, table in (("query", endpoint.query), ("form", endpoint.form), ("json", endpoint.json_)):
        for name, how in (table or {}).items():
            yield ("operations", operation, kind, name), name, how


def _check_parameters(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        values = _VALUES_OF[operation]
        for here, _, how in _list_parameters(operation, endpoint):
            if isinstance(how, WriteValue) and how.from_ not in values:
                yield here, f"{operation} has no value {how.from_!r}: it has {', '.join(sorted(values))}"


def _check_needed(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        sent = set(parse_placeholders(endpoint.path))
        writes = (how for _, _, how in _list_parameters(operation, endpoint))
        sent |= {how.from_ for how in writes if isinstance(how, WriteValue)}
        for one_of in _NEEDED.get(operation, ()):
            if not sent & one_of:
                names = " or ".join(sorted(one_of))
                yield (
                    ("operations", operation),
                    f"{operation} never sends {names}: put it into a parameter or the path",
                )


def _check_writes(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        for here, _, how in _list_parameters(operation, endpoint):
            if isinstance(how, WriteValue):
                yield from _check_write((*here, "as"), how.from_, how.as_)
    for name, by in _list_server_filters(profile):
        yield from _check_write(("operations", "list", "filters", name, "as"), name, by.as_)


def _check_write(key_path: KeyPath, value: str, conversion: str) -> Iterator[Violation]:
    if conversion not in (fits := list_writers(value)):
        yield key_path, f"{value} is written as {join_names(fits)}, not as {conversion}"


def _list_server_filters(profile: ProfileSettings) -> Iterator[tuple[str, ServerFilter]]:
    filters = profile.operations.list.filters
    for name, by in (("phone_number", filters.phone_number), ("friendly_name", filters.friendly_name)):
        if isinstance(by, ServerFilter):
            yield name, by


# Requests


def _check_json_pointers(profile: ProfileSettings) -> Iterator[Violation]:
    """Find JSON parameters inside another one that is a plain value, and two with one pointer."""
    for operation, endpoint in profile.operations.endpoints().items():
        paths = {name: f"{name if name.startswith('/') else '/' + name}" for name in endpoint.json_ or {}}
        for name, path in paths.items():
            here = ("operations", operation, "json", name)
            if any(path.startswith(f"{other}/") for other in paths.values()):
                yield here, "the parameter is inside another one, which is a plain value"
            if path in [paths[other] for other in paths if other != name] and name.startswith("/"):
                yield here, "another parameter has the same JSON Pointer"


def _check_bodies(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        if endpoint.form is not None and endpoint.json_ is not None:
            yield ("operations", operation, "json"), "a request has a form or JSON, not both"
        if endpoint.method == "GET" and (endpoint.form is not None or endpoint.json_ is not None):
            yield ("operations", operation, "method"), "a GET has no body: use query"


def _check_same_names(profile: ProfileSettings) -> Iterator[Violation]:
    """Find parameters of one request that overwrite each other."""
    endpoint, here = profile.operations.list, ("operations", "list")
    own: list[tuple[KeyPath, str]] = [
        (key_path, name) for key_path, name, _ in _list_parameters("list", endpoint)
    ]
    if endpoint.page_size.parameter:
        own.append(((*here, "page_size", "parameter"), endpoint.page_size.parameter))
    if parameter := getattr(endpoint.paging, "parameter", None):
        own.append(((*here, "paging", "parameter"), parameter))
    own += [
        ((*here, "filters", name, "parameter"), by.parameter) for name, by in _list_server_filters(profile)
    ]
    seen = set()
    for key_path, name in own:
        if name in seen:
            yield key_path, f"the list request has a parameter {name!r} already"
        seen.add(name)
    for operation, other in profile.operations.endpoints().items():
        own += [each[:2] for each in _list_parameters(operation, other) if operation != "list"]
    for key_path, name in own:
        if name in set_parameters(profile.auth):
            yield key_path, f"the parameter {name!r} holds the credentials already"


_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_PAGING_HEADERS = {kind.header.lower() for kind in PAGING_KINDS.values()} - {""}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
_LINE = re.compile("[ -~]*")


def _check_headers(profile: ProfileSettings) -> Iterator[Violation]:
    taken = {
        **dict.fromkeys(_OWN_HEADERS, "is set by the connection: leave it out"),
        **{name.lower(): "holds the credentials already" for name in set_headers(profile.auth)},
    }
    by_paging = {
        PAGING_KINDS[profile.operations.list.paging.strategy].header.lower(): "requests the page already"
    }
    tables: list[tuple[KeyPath, Mapping[str, str], Mapping[str, str]]] = [
        (("headers",), profile.headers, taken)
    ]
    for operation, endpoint in profile.operations.endpoints().items():
        more = {**taken, **(by_paging if operation == "list" else {})}
        tables.append((("operations", operation, "headers"), endpoint.headers, more))
    for here, table, refused in tables:
        for name, value in table.items():
            if name.lower() in refused:
                yield (*here, name), f"the header {name} {refused[name.lower()]}"
            if not _TOKEN.fullmatch(name) or not _LINE.fullmatch(value):
                yield (*here, name), "a header is a name without spaces and one line of ASCII"
            if name.lower() == "content-type" and name != "Content-Type":
                yield (*here, name), "write Content-Type, so that it replaces the default header"


def _check_success(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        here = ("operations", operation, "success")
        for index, status in enumerate(endpoint.success):
            if not 200 <= status < 300:
                yield (*here, index), f"{status} is not a success status: expected 200 to 299"
        if not endpoint.success:
            yield here, "without a status nothing is a success: write [200]"
    strategy, found = profile.operations.list.paging.strategy, profile.operations.list.success
    if (needed := PAGING_KINDS[strategy].success) and needed not in found:
        message = f"{strategy} is answered with {needed}: write success: [200, {needed}]"
        yield ("operations", "list", "success"), message


def _check_retries(profile: ProfileSettings) -> Iterator[Violation]:
    for operation in ("validate", "verify"):
        endpoint = profile.operations.endpoints().get(operation)
        if endpoint is not None and endpoint.retries:
            yield ("operations", operation, "retries"), f"{operation} is never retried: it is not idempotent"


# Lists


def _check_totals(profile: ProfileSettings) -> Iterator[Violation]:
    endpoint, here = profile.operations.list, ("operations", "list", "total")
    match endpoint.total.strategy:
        case "pointer" if endpoint.include_when:
            yield here, "the upstream's total counts items that include_when leaves out: use strategy walk"
        case "length" if not PAGING_KINDS[endpoint.paging.strategy].is_single_page:
            yield here, "the length of a page is the total only where paging is none: use strategy walk"
        case "walk" | "pointer" | "length":
            pass


def _check_page_sizes(profile: ProfileSettings) -> Iterator[Violation]:
    endpoint = profile.operations.list
    if has_direct_pages(endpoint.paging) and "page_size" not in endpoint.model_fields_set:
        message = f"{endpoint.paging.strategy} needs page_size: the first page that is not full is the last"
        yield ("operations", "list", "paging"), message


def _check_lookups(profile: ProfileSettings) -> Iterator[Violation]:
    here = ("operations", "list", "filters", "phone_number", "mode")
    if profile.operations.list.filters.phone_number.mode != "lookup":
        return
    if not ID_CODECS[profile.ids.codec].holds_numbers:
        fits = frozenset(name for name, row in ID_CODECS.items() if row.holds_numbers)
        yield here, f"lookup needs numbers as ids: ids.codec {join_names(fits)}"
    if not isinstance(profile.operations.fetch, ItemEndpoint):
        yield here, "lookup needs the operation fetch"


def _check_auth(profile: ProfileSettings) -> Iterator[Violation]:
    auth, scheme = profile.auth, AUTH_SCHEMES[profile.auth.scheme]
    if not scheme.is_named:
        for key in ("name", "username", "value"):
            if getattr(auth, key) != getattr(Auth(), key):
                yield ("auth", key), f"scheme {auth.scheme} has no {key}"
        return
    if not auth.name:
        yield ("auth",), f"scheme {auth.scheme} needs the key 'name'"
    if "{password}" not in auth.value:
        yield ("auth", "value"), "the value has to hold {password}, which comes from accounts in proxy.yaml"
    if scheme.part == "header" and not _LINE.fullmatch(auth.value):
        yield ("auth", "value"), "a header's value is one line of ASCII"
    for key, name in (("name", auth.name), ("username", auth.username)):
        if scheme.part == "header" and name and not _TOKEN.fullmatch(name):
            yield ("auth", key), "a header's name has no spaces"
        if scheme.part == "header" and name.lower() in _OWN_HEADERS | {"content-type"} | _PAGING_HEADERS:
            yield ("auth", key), f"the header {name} cannot hold credentials"


_SECRET_NAME = re.compile(
    r"authorization|cookie|(^|[-_])(api[-_]?)?(key|token|secret|password)$", re.IGNORECASE
)


def find_literal_secrets(data: Any, is_from_outside: Callable[[Any], bool]) -> Iterator[Violation]:
    """Yield what looks like a secret and is written in the profile itself."""
    for key_path, name, value in _list_named_texts(data, ()):
        if _SECRET_NAME.search(name) and value and not is_from_outside(value):
            yield key_path, "a secret is not written in a profile: use ${VARIABLE}, or accounts in proxy.yaml"


def _list_named_texts(data: Any, key_path: KeyPath) -> Iterator[tuple[KeyPath, str, Any]]:
    """Yield headers, variables, constants and a path's own query of a profile as it is in the file."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        here = (*key_path, key)
        if isinstance(value, str) and key_path and key_path[-1] in ("headers", "variables"):
            yield here, key, value
        elif isinstance(value, str) and key == "path":
            yield from ((here, *each) for each in parse_qsl(value.partition("?")[2]) if "{" not in each[1])
        elif isinstance(value, dict) and isinstance(value.get("constant"), str | int):
            yield here, key, value["constant"]
        else:
            yield from _list_named_texts(value, here)


RULES: Sequence[Callable[[ProfileSettings], Iterator[Violation]]] = (
    _check_placeholders,
    _check_variables,
    _check_paths,
    _check_parameters,
    _check_needed,
    _check_writes,
    _check_json_pointers,
    _check_bodies,
    _check_same_names,
    _check_headers,
    _check_success,
    _check_retries,
    _check_totals,
    _check_page_sizes,
    _check_lookups,
    _check_auth,
    *ANSWER_RULES,
)
