"""What the types of a profile cannot say: rules about several keys.

Each rule is a function from a profile to its violations; `RULES` is the list of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

from proxy.net.addresses import has_stray_percent
from proxy.profile.answer_rules import ANSWER_RULES
from proxy.profile.auth import list_placeholders, set_names
from proxy.profile.auth_rules import AUTH_RULES, LINE, OWN_HEADERS, TOKEN
from proxy.profile.base import KeyPath, Rule, Violation, join_names, suggest
from proxy.profile.consistency import CONSISTENCY_RULES
from proxy.profile.conversions import list_writers
from proxy.profile.filters import FILTER, find_quotation_mark
from proxy.profile.ids import ID_CODECS
from proxy.profile.language import (
    Constant,
    Endpoint,
    ItemEndpoint,
    ItemValue,
    ListEndpoint,
    ProfileSettings,
    WriteValue,
)
from proxy.profile.paging import PAGING_KINDS, has_direct_pages
from proxy.profile.pointer_rules import POINTER_RULES
from proxy.profile.pointers import is_inside
from proxy.profile.request_rules import REQUEST_RULES


def find_violations(profile: ProfileSettings) -> Iterator[Violation]:
    """Yield everything that is wrong with a profile whose types are right."""
    for rule in RULES:
        yield from rule(profile)


def find_placeholders(profile: ProfileSettings, base_url: str | None = None) -> set[str]:
    """Return the names in braces of all URLs, and of the texts that show credentials."""
    paths = [endpoint.path for endpoint in profile.operations.endpoints().values()]
    templates = (base_url or profile.base_url, *paths)
    named = {name for template in templates for name in parse_placeholders(template)}
    return named | list_placeholders(profile.auth)


def names_account(profile: ProfileSettings, base_url: str | None = None) -> bool:
    """Whether the URL of every request names the account, so that two names are two sets of data."""
    base = base_url or profile.base_url
    paths = [endpoint.path for endpoint in profile.operations.endpoints().values()]
    return all("account" in parse_placeholders(base + path) for path in paths)


_PLACEHOLDER = re.compile(r"\{[+/;?&.]?(\w+)\}")


def parse_placeholders(template: str) -> Sequence[str]:
    """Return the names in braces of one URL; other contents of braces are invalid."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(template)))


def _for_each_endpoint(check: Callable[[ProfileSettings, str, Endpoint], Iterator[Violation]]) -> Rule:
    """Make a rule of one about an operation's endpoint, whose key paths begin at the endpoint."""

    @wraps(check)
    def rule(profile: ProfileSettings) -> Iterator[Violation]:
        for operation, endpoint in profile.operations.endpoints().items():
            for key_path, message in check(profile, operation, endpoint):
                yield ("operations", operation, *key_path), message

    return rule


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
_OF_AN_ITEM = frozenset({"rename", "delete"})
"""Operations before which the item may be fetched."""
_OPTIONAL = {"validate": {"friendly_name", "call_delay"}}
"""Values that a request may lack, so that no path can hold them."""
_NEEDED: Mapping[str, Sequence[frozenset[str]]] = {
    "fetch": [frozenset({"id"})],
    "rename": [frozenset({"id"}), frozenset({"friendly_name"})],
    "delete": [frozenset({"id"})],
    "validate": [frozenset({"phone_number"})],
    "call": [frozenset({"id", "phone_number"})],
    "verify": [frozenset({"id", "phone_number"}), frozenset({"code"})],
}
"""Values that a request has to send: one of each set."""
_NO_DEFAULT = "give it a default under variables"


def _check_variables(profile: ProfileSettings) -> Iterator[Violation]:
    for name in profile.variables.keys() & BUILT_IN:
        yield ("variables", name), f"{name} comes from the request: choose another name"
    for name in set(parse_placeholders(profile.base_url)) - profile.variables.keys():
        message = f"nothing fills the placeholder {{{name}}}: {_NO_DEFAULT}"
        yield ("base_url",), message + suggest(name, profile.variables)


@_for_each_endpoint
def _check_placeholders(profile: ProfileSettings, operation: str, endpoint: Endpoint) -> Iterator[Violation]:
    given = _VALUES_OF[operation] - _OPTIONAL.get(operation, set())
    known = profile.variables.keys() | given | endpoint.placeholders.keys()
    for name in set(parse_placeholders(endpoint.path)) - known:
        what = f"{operation} has no such value" if name in BUILT_IN else _NO_DEFAULT + suggest(name, known)
        yield ("path",), f"nothing fills the placeholder {{{name}}}: {what}"


@_for_each_endpoint
def _check_own_placeholders(
    profile: ProfileSettings, operation: str, endpoint: Endpoint
) -> Iterator[Violation]:
    for name, how in endpoint.placeholders.items():
        here = ("placeholders", name)
        if name in BUILT_IN:
            yield here, f"{name} comes from the request: choose another name"
        elif name in profile.variables:
            yield here, f"{name} is a variable: choose another name"
        elif operator := re.search(rf"\{{[+/;?&.]{re.escape(name)}\}}", endpoint.path):
            yield here, f"a value of a path is percent-encoded: write {{{name}}}, not {operator[0]}"
        elif f"{{{name}}}" not in endpoint.path:
            yield here, f"this is unused: the path has no {{{name}}}"
        if isinstance(how, Constant):
            may_be_empty = how.constant in (None, "")
        elif isinstance(how, ItemValue):
            may_be_empty = not how.is_required and how.default in (None, "")
        else:
            is_given = how.from_ not in _OPTIONAL.get(operation, ()) or how.otherwise
            may_be_empty = not is_given and how.default in (None, "")
        if may_be_empty:
            yield here, "a part of a path cannot be empty or left out: give it another default, or none"


@_for_each_endpoint
def _check_paths(profile: ProfileSettings, _: str, endpoint: Endpoint) -> Iterator[Violation]:
    path, bare = endpoint.path, _PLACEHOLDER.sub("", endpoint.path)
    first = _PLACEHOLDER.match(path)
    is_host = first is not None and first[0][1] not in "/?" and first[1] not in profile.variables
    if is_host or (path and path[0] not in "/{?"):
        yield ("path",), "a path starts with a slash"
    if "{" in bare or "}" in bare:
        yield ("path",), "a placeholder is one name in braces, as in {account}: placeholders has more of them"
    if not re.fullmatch("[!-~]*", path) or "#" in bare:
        message = "a path has no spaces, no # and nothing outside ASCII: write those as %20, %23 and so on"
        yield ("path",), message
    elif has_stray_percent(path):
        yield ("path",), "a % in a path is followed by two hexadecimal digits: write %25 for the sign itself"


@_for_each_endpoint
def _check_plain_ids(profile: ProfileSettings, _: str, endpoint: Endpoint) -> Iterator[Violation]:
    """Find ids that would be part of a path as they are, though clients choose them."""
    operator = re.search(r"\{[+/;?&.]id\}", endpoint.path)
    if operator and ID_CODECS[profile.ids.codec].is_free_text:
        yield (
            ("path",),
            f"an id of codec {profile.ids.codec} is percent-encoded: write {{id}}, not {operator[0]}",
        )


@_for_each_endpoint
def _check_parameters(__: ProfileSettings, operation: str, endpoint: Endpoint) -> Iterator[Violation]:
    values = _VALUES_OF[operation]
    for here, _, how in endpoint.parameters():
        if isinstance(how, WriteValue):
            if how.from_ not in values:
                yield here, f"{operation} has no value {how.from_!r}: it has {', '.join(sorted(values))}"
            yield from _check_write((*here, "as"), how.from_, how.as_)
            if how.otherwise and (operation, how.from_) != ("validate", "friendly_name"):
                yield (*here, "otherwise"), "otherwise is for the friendly_name of validate"
            elif how.otherwise and how.default is not None:
                yield (*here, "default"), "this is unused: otherwise says what is sent"
        elif isinstance(how, ItemValue) and operation not in _OF_AN_ITEM:
            yield here, f"{operation} is about no item: from_item is for {join_names(sorted(_OF_AN_ITEM))}"
        elif isinstance(how, Constant) and how.constant is None and here[0] in ("query", "form"):
            yield here, "null is a value of JSON only: leave the parameter out"


def _check_filters(profile: ProfileSettings) -> Iterator[Violation]:
    for name, by in profile.operations.list.filters.on_server().items():
        here = ("operations", "list", "filters", name)
        yield from _check_write((*here, "as"), name, by.as_)
        if by.escape != "none" and by.template is None:
            yield (*here, "escape"), "a value is escaped inside of a template: the key 'template' is missing"
        elif by.escape != "none" and by.template and not find_quotation_mark(by.template):
            yield ((*here, "escape"), f"a value is escaped between quotation marks, as in '{FILTER}'")


def _check_write(key_path: KeyPath, value: str, conversion: str) -> Iterator[Violation]:
    if conversion not in (fits := list_writers(value)):
        yield key_path, f"{value} is written as {join_names(sorted(fits))}, not as {conversion}"


@_for_each_endpoint
def _check_needed(profile: ProfileSettings, operation: str, endpoint: Endpoint) -> Iterator[Violation]:
    sent = {*parse_placeholders(endpoint.path), *endpoint.written_values()}
    if _sends_id_of_item(profile, endpoint):
        sent.add("id")
    for one_of in _NEEDED.get(operation, ()):
        if not sent & one_of:
            message = (
                f"{operation} never sends {join_names(sorted(one_of))}: put it into a parameter or the path"
            )
            is_foreign = re.search(rf"[:<$]({'|'.join(one_of)})\b", endpoint.path)
            yield (), f"{message}, as {{{is_foreign[1]}}}" if is_foreign else message


def _sends_id_of_item(profile: ProfileSettings, endpoint: Endpoint) -> bool:
    """Whether a request holds the id or the number of the item, as it was fetched, alone or inside a part."""
    sent = [
        how.from_item for _, _, how in endpoint.parameters() if isinstance(how, ItemValue) and how.is_required
    ]
    changed = [name if name.startswith("/") else f"/{name}" for name in endpoint.merge or ()]
    fields = profile.caller_id
    for name in (*fields.id.at, *fields.phone_number.at):
        is_kept = endpoint.sends_whole_item() and not any(is_inside(name, change) for change in changed)
        if is_kept or any(is_inside(name, pointer) for pointer in sent):
            return True
    return False


# Requests


@_for_each_endpoint
def _check_json_pointers(_: ProfileSettings, __: str, endpoint: Endpoint) -> Iterator[Violation]:
    """Find JSON parameters inside another one that is a plain value, and two with one pointer."""
    for kind, table in (("json", endpoint.json_), ("merge", endpoint.merge)):
        paths = {name: name if name.startswith("/") else f"/{name}" for name in table or {}}
        for name, path in paths.items():
            if any(path.startswith(f"{other}/") for other in paths.values()):
                yield (kind, name), "the parameter is inside another one, which is a plain value"
            if name.startswith("/") and list(paths.values()).count(path) > 1:
                yield (kind, name), "another parameter has the same JSON Pointer"


@_for_each_endpoint
def _check_bodies(_: ProfileSettings, operation: str, endpoint: Endpoint) -> Iterator[Violation]:
    if endpoint.form is not None and endpoint.json_ is not None:
        yield ("json",), "a request has a form or JSON, not both"
    if endpoint.merge is not None and not (endpoint.form is None and endpoint.json_ is None):
        yield ("merge",), "a request has a form, JSON or merge, not two of them"
    if endpoint.merge is not None and operation not in _OF_AN_ITEM:
        yield ("merge",), f"{operation} is about no item: merge is for {join_names(sorted(_OF_AN_ITEM))}"
    if endpoint.method == "GET" and endpoint.has_body():
        yield ("method",), "a GET has no body: use query"


_JOIN_HINT = "filters.join says what is between expressions that share one"


def _check_same_names(profile: ProfileSettings) -> Iterator[Violation]:
    """Find parameters of a list that overwrite each other."""
    seen, joined = set(), profile.operations.list.filters.joined_parameters()
    for key_path, name in _name_parameters(profile.operations.list):
        if name in seen and name not in joined:
            message = f"the list request has a parameter {name!r} already"
            hint = f": {_JOIN_HINT}" if key_path[0] == "filters" else ""
            yield ("operations", "list", *key_path), f"{message}{hint}"
        seen.add(name)


@_for_each_endpoint
def _check_credentials(profile: ProfileSettings, _: str, endpoint: Endpoint) -> Iterator[Violation]:
    """Find parameters that overwrite the credentials."""
    for key_path, name in _name_parameters(endpoint):
        if name in {*set_names(profile.auth, "query"), *set_names(profile.auth, "body")}:
            yield key_path, f"the parameter {name!r} holds the credentials already"


def _name_parameters(endpoint: Endpoint) -> Iterator[tuple[KeyPath, str]]:
    sent = (each for each in endpoint.parameters() if each[0][0] != "placeholders")
    yield from ((key_path, name) for key_path, name, _ in sent)
    if isinstance(endpoint, ListEndpoint):
        yield from endpoint.added_parameters()


def _check_headers(profile: ProfileSettings) -> Iterator[Violation]:
    paging = PAGING_KINDS[profile.operations.list.paging.strategy]
    credentials = [name.lower() for name in set_names(profile.auth, "header")]
    tables: dict[KeyPath, Mapping[str, str]] = {("headers",): profile.headers}
    for operation, endpoint in profile.operations.endpoints().items():
        tables["operations", operation, "headers"] = endpoint.headers
    for here, table in tables.items():
        for name, value in table.items():
            if "list" in here and name.lower() == paging.header.lower():
                yield (*here, name), f"the header {name} requests the page already"
            elif name.lower() in credentials:
                yield (*here, name), f"the header {name} holds the credentials already"
            elif OWN_HEADERS.fullmatch(name.lower()):
                yield (*here, name), f"the header {name} is set by the connection: leave it out"
            if not TOKEN.fullmatch(name) or not LINE.fullmatch(value):
                yield (*here, name), "a header is a name without spaces and one line of ASCII"
            if name.lower() == "content-type" and name != "Content-Type":
                yield (*here, name), "write Content-Type, so that it replaces the default header"


@_for_each_endpoint
def _check_success(_: ProfileSettings, __: str, endpoint: Endpoint) -> Iterator[Violation]:
    for index, status in enumerate(endpoint.success or ()):
        if not 200 <= status < 300:
            yield ("success", index), f"{status} is not a success status: expected 200 to 299"
    if endpoint.success == ():
        yield ("success",), "without a status nothing is a success: leave the key out"


@_for_each_endpoint
def _check_retries(_: ProfileSettings, operation: str, endpoint: Endpoint) -> Iterator[Violation]:
    if operation in ("validate", "verify") and endpoint.retries:
        yield ("retries",), f"{operation} is never retried: it is not idempotent"


# Lists


def _check_paging(profile: ProfileSettings) -> Iterator[Violation]:
    endpoint, here = profile.operations.list, ("operations", "list")
    strategy, kind = endpoint.paging.strategy, PAGING_KINDS[endpoint.paging.strategy]
    if endpoint.total.strategy == "pointer" and endpoint.include_when:
        message = "the upstream's total counts items that include_when leaves out: use strategy walk"
        yield (*here, "total"), message
    if endpoint.total.strategy == "length" and not kind.is_single_page:
        message = "the length of a page is the total only where paging is none: use strategy walk"
        yield (*here, "total"), message
    if has_direct_pages(endpoint.paging) and "page_size" not in endpoint.model_fields_set:
        message = f"{strategy} needs page_size: the first page that is not full is the last"
        yield (*here, "paging"), message
    if kind.success and not endpoint.is_success(kind.success):
        message = f"{strategy} is answered with {kind.success}: write success: [200, {kind.success}]"
        yield (*here, "success"), message


def _check_lookups(profile: ProfileSettings) -> Iterator[Violation]:
    here = ("operations", "list", "filters", "phone_number", "mode")
    if profile.operations.list.filters.phone_number.mode != "lookup":
        return
    if not ID_CODECS[profile.ids.codec].holds_numbers:
        fits = sorted(name for name, row in ID_CODECS.items() if row.holds_numbers)
        yield here, f"lookup needs numbers as ids: ids.codec {join_names(fits)}"
    if not isinstance(profile.operations.fetch, ItemEndpoint):
        yield here, "lookup needs the operation fetch"


_SECRET_NAME = re.compile(
    r"authorization|cookie|(^|[-_])(api[-_]?)?(key|token|secret|password)$", re.IGNORECASE
)


def find_literal_secrets(data: Any, is_from_outside: Callable[[Any], bool]) -> Iterator[Violation]:
    """Yield what looks like a secret and is written in the profile itself."""
    for key_path, name, value in _list_named_texts(data, ()):
        if _SECRET_NAME.search(name) and value and not is_from_outside(value):
            yield key_path, "a secret is not written in a profile: use ${VARIABLE}, or accounts in proxy.yaml"


def _list_named_texts(data: Any, key_path: KeyPath) -> Iterator[tuple[KeyPath, str, Any]]:
    """Yield headers, variables, constants, a path's own query and credentials, as they are in the file."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        here = (*key_path, key)
        if isinstance(value, str) and key_path[:1] == ("auth",):
            if len(key_path) > 1 and "{" not in value:
                yield here, key, value
        elif isinstance(value, str) and key_path and key_path[-1] in ("headers", "variables"):
            yield here, key, value
        elif isinstance(value, str) and key == "path":
            yield from ((here, *each) for each in parse_qsl(value.partition("?")[2]) if "{" not in each[1])
        elif isinstance(value, dict) and isinstance(value.get("constant"), str | int):
            yield here, key, value["constant"]
        else:
            yield from _list_named_texts(value, here)


RULES: Sequence[Rule] = (
    _check_variables,
    _check_placeholders,
    _check_own_placeholders,
    _check_paths,
    _check_plain_ids,
    _check_parameters,
    _check_filters,
    _check_needed,
    _check_json_pointers,
    _check_bodies,
    _check_same_names,
    _check_credentials,
    _check_headers,
    _check_success,
    _check_retries,
    _check_paging,
    _check_lookups,
    *AUTH_RULES,
    *ANSWER_RULES,
    *CONSISTENCY_RULES,
    *POINTER_RULES,
    *REQUEST_RULES,
)
