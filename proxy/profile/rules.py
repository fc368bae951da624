"""What a profile's types cannot say: keys that are good by themselves and wrong together.

Each rule is a function from a profile to what breaks it; `RULES` is the list of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from proxy.profile import language
from proxy.profile.language import Endpoint, ItemEndpoint, Profile, ReadValue, ServerFilter, ValidateEndpoint

Place = tuple[str | int, ...]
Breach = tuple[Place, str]
"""Where in the profile, and what is wrong there."""


def breaches(profile: Profile) -> Iterator[Breach]:
    """Yield everything that is wrong with a profile whose types are right."""
    for rule in RULES:
        yield from rule(profile)


def placeholders(profile: Profile, base_url: str | None = None) -> set[str]:
    """Return the names in braces of all URLs."""
    templates = [base_url or profile.base_url, *(endpoint.path for endpoint in endpoints(profile).values())]
    return {name for template in templates for name in names_in(template)}


_PLACEHOLDER = re.compile(r"\{[+/;?&.]?(\w+)\}")


def names_in(template: str) -> Sequence[str]:
    """Return the names in braces of one URL; the library fails where braces hold anything else."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(template)))


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
"""Names of values; in a URL, those that are always there."""
_OPTIONAL = frozenset({"friendly_name", "call_delay"})
_NEEDED: Mapping[str, Sequence[frozenset[str]]] = {
    "fetch": [frozenset({"id"})],
    "rename": [frozenset({"id"}), frozenset({"friendly_name"})],
    "delete": [frozenset({"id"})],
    "validate": [frozenset({"phone_number"})],
    "call": [frozenset({"id", "phone_number"})],
    "verify": [frozenset({"id", "phone_number"}), frozenset({"code"})],
}
"""What a request makes no sense without: one of each set."""


def _placeholders(profile: Profile) -> Iterator[Breach]:
    known = set(profile.variables)
    hint = "give it a default under variables"
    for name in names_in(profile.base_url):
        if name not in known:
            yield ("base_url",), f"nothing fills the placeholder {{{name}}}: {hint}"
    for operation, endpoint in endpoints(profile).items():
        for name in names_in(endpoint.path):
            if name not in known | (_VALUES_OF[operation] - _OPTIONAL):
                what = f"{operation} has no such value" if name in BUILT_IN else hint
                yield ("operations", operation, "path"), f"nothing fills the placeholder {{{name}}}: {what}"


def _variables(profile: Profile) -> Iterator[Breach]:
    for name in profile.variables.keys() & BUILT_IN:
        yield ("variables", name), f"{name} comes from the request: choose another name"


def _paths(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        at, path = ("operations", operation, "path"), endpoint.path
        bare = _PLACEHOLDER.sub("", path)
        if path and path[0] not in "/{?":
            yield at, "a path starts with a slash"
        if "{" in bare or "}" in bare:
            yield at, "a placeholder is one name in braces, as in {account}"
        if not re.fullmatch("[!-~]*", path) or "#" in bare:
            yield (
                at,
                "a path has no spaces, no # and nothing outside ASCII: write those as %20, %23 and so on",
            )


def _tables(operation: str, endpoint: Endpoint) -> Iterator[tuple[Place, str, language.Write]]:
    """Yield each parameter of a request: where it stands, what it is called and how it is written."""
    for kind, table in (("query", endpoint.query), ("form", endpoint.form), ("json", endpoint.json_)):
        for name, how in (table or {}).items():
            yield ("operations", operation, kind, name), name, how


def _parameters(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        values = _VALUES_OF[operation]
        for at, _, how in _tables(operation, endpoint):
            if isinstance(how, language.WriteValue) and how.from_ not in values:
                yield at, f"{operation} has no value {how.from_!r}: it has {', '.join(sorted(values))}"


def _needed(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        sent = set(names_in(endpoint.path))
        writes = (how for _, _, how in _tables(operation, endpoint))
        sent |= {how.from_ for how in writes if isinstance(how, language.WriteValue)}
        for one_of in _NEEDED.get(operation, ()):
            if not sent & one_of:
                names = " or ".join(sorted(one_of))
                yield (
                    ("operations", operation),
                    f"{operation} never sends {names}: put it into a parameter or the path",
                )


_TEXT = frozenset({"text"})
_NUMBERS = frozenset({"text", "e164", "digits", "ten_digits"})
_COUNTS = frozenset({"text", "integer"})
_WRITES: Mapping[str, frozenset[str]] = {
    "account": _COUNTS,
    "id": _NUMBERS | {"integer"},
    "phone_number": _NUMBERS | {"integer"},
    "friendly_name": _TEXT,
    "call_delay": _COUNTS,
    "code": _COUNTS,
}
"""How each value may be written."""


def _writes(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        for at, _, how in _tables(operation, endpoint):
            if isinstance(how, language.WriteValue) and how.as_ not in _WRITES[how.from_]:
                yield (
                    (*at, "as"),
                    f"{how.from_} is written as {_either(_WRITES[how.from_])}, not as {how.as_}",
                )
    for name, by in _server_filters(profile):
        if by.as_ not in _WRITES[name]:
            at = ("operations", "list", "filters", name, "as")
            yield at, f"{name} is written as {_either(_WRITES[name])}, not as {by.as_}"


def _server_filters(profile: Profile) -> Iterator[tuple[str, ServerFilter]]:
    filters = profile.operations.list.filters
    for name, by in (("phone_number", filters.phone_number), ("friendly_name", filters.friendly_name)):
        if isinstance(by, ServerFilter):
            yield name, by


def _either(names: frozenset[str]) -> str:
    *others, last = sorted(names)
    return f"{', '.join(others)} or {last}" if others else last


# Requests


def _pointed(profile: Profile) -> Iterator[Breach]:
    """Find JSON parameters of which one would have to stand inside another that is a plain value."""
    for operation, endpoint in endpoints(profile).items():
        paths = {name: f"{name if name.startswith('/') else '/' + name}" for name in endpoint.json_ or {}}
        for name, path in paths.items():
            at = ("operations", operation, "json", name)
            if any(path.startswith(f"{other}/") for other in paths.values()):
                yield at, "this stands inside another parameter, which is a value itself"
            if path in [paths[other] for other in paths if other != name] and name.startswith("/"):
                yield at, "another parameter goes to the same place"


def _bodies(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        if endpoint.form is not None and endpoint.json_ is not None:
            yield ("operations", operation, "json"), "a request has a form or JSON, not both"
        if endpoint.method == "GET" and (endpoint.form is not None or endpoint.json_ is not None):
            yield ("operations", operation, "method"), "a GET has no body: use query"


def _same_names(profile: Profile) -> Iterator[Breach]:
    """Find parameters of one request that overwrite each other."""
    endpoint, at = profile.operations.list, ("operations", "list")
    own: list[tuple[Place, str]] = [(place, name) for place, name, _ in _tables("list", endpoint)]
    if endpoint.page_size.parameter:
        own.append(((*at, "page_size", "parameter"), endpoint.page_size.parameter))
    if parameter := getattr(endpoint.paging, "parameter", None):
        own.append(((*at, "paging", "parameter"), parameter))
    own += [((*at, "filters", name, "parameter"), by.parameter) for name, by in _server_filters(profile)]
    seen = set()
    for place, name in own:
        if name in seen:
            yield place, f"the list request has a parameter {name!r} already"
        seen.add(name)
    if profile.auth.scheme == "query":
        taken = [
            *own,
            *(each[:2] for op, e in endpoints(profile).items() if op != "list" for each in _tables(op, e)),
        ]
        for place, name in taken:
            if name in (profile.auth.name, profile.auth.username):
                yield place, f"the parameter {name!r} holds the credentials already"


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
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
_LINE = re.compile("[ -~]*")


def _headers(profile: Profile) -> Iterator[Breach]:
    taken = {
        **dict.fromkeys(_OWN_HEADERS, "is the connection's own: leave it out"),
        **dict.fromkeys(_auth_header(profile.auth), "holds the credentials already"),
    }
    by_list = (
        {"range": "asks for the page already"}
        if profile.operations.list.paging.strategy == "range_header"
        else {}
    )
    tables: list[tuple[Place, Mapping[str, str], Mapping[str, str]]] = [
        (("headers",), profile.headers, taken)
    ]
    for operation, endpoint in endpoints(profile).items():
        more = {**taken, **(by_list if operation == "list" else {})}
        tables.append((("operations", operation, "headers"), endpoint.headers, more))
    for at, table, refused in tables:
        for name, value in table.items():
            if name.lower() in refused:
                yield (*at, name), f"the header {name} {refused[name.lower()]}"
            if not _TOKEN.fullmatch(name) or not _LINE.fullmatch(value):
                yield (*at, name), "a header is a name without spaces and one line of ASCII"
            if name.lower() == "content-type" and name != "Content-Type":
                yield (*at, name), "write Content-Type, so that it replaces the usual one"


def _auth_header(auth: language.Auth) -> Sequence[str]:
    match auth.scheme:
        case "caller" | "basic" | "bearer":
            return ("authorization",)
        case "header":
            return (auth.name.lower(), auth.username.lower())
        case "query" | "none":
            return ()


def credentials_in_headers(auth: language.Auth) -> Sequence[str]:
    """Return which of the credentials stand in a header as they are."""
    match auth.scheme:
        case "bearer":
            return ("password",)
        case "header":
            own = ["username"] if auth.username else []
            return own + re.findall(r"\{(username|password)\}", auth.value)
        case "caller" | "basic" | "query" | "none":
            return ()


def _success(profile: Profile) -> Iterator[Breach]:
    for operation, endpoint in endpoints(profile).items():
        at = ("operations", operation, "success")
        for index, status in enumerate(endpoint.success):
            if not 200 <= status < 300:
                yield (*at, index), f"{status} is no success: expected 200 to 299"
        if not endpoint.success:
            yield at, "without a status nothing is a success: write [200]"
    endpoint = profile.operations.list
    if endpoint.paging.strategy == "range_header" and 206 not in endpoint.success:
        yield ("operations", "list", "success"), "a Range is answered with 206: write success: [200, 206]"


def _retries(profile: Profile) -> Iterator[Breach]:
    for operation in ("validate", "verify"):
        endpoint = endpoints(profile).get(operation)
        if endpoint is not None and endpoint.retries:
            yield ("operations", operation, "retries"), f"{operation} is never sent twice: a phone would ring"


# Lists


def _totals(profile: Profile) -> Iterator[Breach]:
    endpoint, at = profile.operations.list, ("operations", "list", "total")
    match endpoint.total.strategy:
        case "pointer" if endpoint.include_when:
            yield at, "the upstream's total counts items that include_when leaves out: use strategy walk"
        case "length" if endpoint.paging.strategy != "none":
            yield at, "the length of a page is the total only where paging is none: use strategy walk"
        case "walk" | "pointer" | "length":
            pass


_COUNTED = frozenset({"page_number", "offset", "range_header"})


def _page_sizes(profile: Profile) -> Iterator[Breach]:
    endpoint = profile.operations.list
    if endpoint.paging.strategy in _COUNTED and "page_size" not in endpoint.model_fields_set:
        message = f"{endpoint.paging.strategy} needs page_size: the first page that is not full is the last"
        yield ("operations", "list", "paging"), message


def _lookups(profile: Profile) -> Iterator[Breach]:
    at = ("operations", "list", "filters", "phone_number", "mode")
    if profile.operations.list.filters.phone_number.mode != "lookup":
        return
    if profile.ids.codec != "e164":
        yield at, "lookup needs numbers as ids: ids.codec e164"
    if not isinstance(profile.operations.fetch, ItemEndpoint):
        yield at, "lookup needs the operation fetch"


# Values of answers

KEYED_CODECS = frozenset({"e164", "integer", "hex24"})
"""Those whose Sids can be made up by whoever knows the key."""

_READS_OF_CODEC: Mapping[str, frozenset[str]] = {
    "identity": _TEXT,
    "uuid": _TEXT,
    "hex32": _TEXT,
    "ulid": _TEXT,
    "hex24": _TEXT,
    "e164": _NUMBERS | {"formatted"},
    "integer": _COUNTS,
}


def _ids(profile: Profile) -> Iterator[Breach]:
    codec, fits = profile.ids.codec, _READS_OF_CODEC[profile.ids.codec]
    if profile.caller_id.id.as_ not in fits:
        message = f"ids.codec {codec} cannot hold {profile.caller_id.id.as_}: read {_either(fits)}"
        yield ("caller_id", "id"), message
    if profile.ids.as_ not in fits:
        message = (
            f"an id of codec {codec} is written as {_either(fits - {'formatted'})}, not as {profile.ids.as_}"
        )
        yield ("ids", "as"), message


_DATES = frozenset({"rfc2822", "iso8601", "date", "epoch_seconds", "epoch_milliseconds"})
_READS: Mapping[str, frozenset[str]] = {
    "account": _COUNTS,
    "friendly_name": _COUNTS,
    "phone_number": _NUMBERS | {"formatted"},
    "date_created": _DATES,
    "date_updated": _DATES,
    "code": frozenset({"six_digits", "text"}),
    "pending": _NUMBERS | {"integer"},
}
"""How each value may be read."""


def _values(profile: Profile) -> Iterator[tuple[Place, str, ReadValue]]:
    """Yield what is read out of answers: where the profile says so, and what it is called."""
    fields, endpoint = profile.caller_id, profile.operations.validate_
    names = ("id", "account", "friendly_name", "phone_number", "date_created", "date_updated")
    found: list[tuple[Place, str, ReadValue | None]] = [
        (("caller_id", name), name, getattr(fields, name)) for name in names
    ]
    if isinstance(endpoint, ValidateEndpoint):
        at = ("operations", "validate")
        found += [
            ((*at, name), name, getattr(endpoint, name)) for name in ("code", "friendly_name", "pending")
        ]
    yield from ((place, name, value) for place, name, value in found if value is not None)


def _reads(profile: Profile) -> Iterator[Breach]:
    for place, name, value in _values(profile):
        fits = _READS.get(name)
        if fits and value.as_ not in fits:
            yield (*place, "as"), f"{name} is read as {_either(fits)}, not as {value.as_}"


def _defaults(profile: Profile) -> Iterator[Breach]:
    for place, name, value in _values(profile):
        at = (*place, "default")
        if name in ("id", "code") and not value.required:
            yield at, f"nothing can stand for {name}: leave the default out"
        elif name in ("date_created", "date_updated") and value.default is not None:
            yield at, "a date is never made up: write null"
        elif isinstance(value.default, int):
            yield at, "expected text: put it in quotes"


def _conditions(profile: Profile) -> Iterator[Breach]:
    conditions: list[tuple[Place, language.Condition | None]] = [
        (("operations", "list", "include_when", index), when)
        for index, when in enumerate(profile.operations.list.include_when)
    ]
    conditions += [(("errors", "when"), profile.errors.when), (("errors", "unless"), profile.errors.unless)]
    for place, when in conditions:
        if when and sum(each is not None for each in (when.equals, when.one_of, when.present)) != 1:
            yield place, "give exactly one of equals, one_of and present"


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


def _verify(profile: Profile) -> Iterator[Breach]:
    endpoint, verify = profile.operations.validate_, profile.operations.verify
    is_needed = profile.validation == "code_on_phone"  # which is told already
    pending = endpoint.pending if isinstance(endpoint, ValidateEndpoint) else None
    if pending is not None and verify is None and not is_needed:
        yield ("operations", "validate", "pending"), "nothing uses this: there is no operation verify"
    if not isinstance(endpoint, ValidateEndpoint) and verify is not None:
        yield ("operations", "verify"), "there is no code to verify: validate is unsupported"


def _errors(profile: Profile) -> Iterator[Breach]:
    errors = profile.errors
    if errors.present is not None and "" in errors.present:
        yield ("errors", "present"), "every answer would be an error: point into it, for example /error"
    if errors.code is None and any(row.code is not None for row in errors.map):
        yield ("errors",), "the rows of map look at codes: the key 'code' has to say where those stand"
    seen: list[tuple[int, str | None]] = []
    for index, row in enumerate(errors.map):
        at = ("errors", "map", index)
        code = None if row.code is None else str(row.code)
        if not 200 <= row.status <= 599:
            yield (*at, "status"), f"an answer has a status of 200 to 599, not {row.status}"
        elif row.status < 300 and not (errors.present or errors.when or errors.unless):
            message = f"{row.status} is no error unless present, when or unless says how to recognise one"
            yield (*at, "status"), message
        if (row.status, None) in seen or (row.status, code) in seen:
            yield at, "a row above takes these answers already"
        seen.append((row.status, code))


def _auth(profile: Profile) -> Iterator[Breach]:
    auth = profile.auth
    if auth.scheme not in ("header", "query"):
        for key in ("name", "username", "value"):
            if getattr(auth, key) != getattr(language.Auth(), key):
                yield ("auth", key), f"scheme {auth.scheme} has no {key}"
        return
    if not auth.name:
        yield ("auth",), f"scheme {auth.scheme} needs the name of it: the key 'name'"
    if "{password}" not in auth.value:
        yield ("auth", "value"), "the value has to hold {password}, which comes from accounts in proxy.yaml"
    if auth.scheme == "header" and not _LINE.fullmatch(auth.value):
        yield ("auth", "value"), "a header's value is one line of ASCII"
    for key, name in (("name", auth.name), ("username", auth.username)):
        if auth.scheme == "header" and name and not _TOKEN.fullmatch(name):
            yield ("auth", key), "a header's name has no spaces"
        if auth.scheme == "header" and name.lower() in _OWN_HEADERS | {"content-type", "range"}:
            yield ("auth", key), f"the header {name} is not free for credentials"


_SECRET_NAME = re.compile(
    r"authorization|cookie|(^|[-_])(api[-_]?)?(key|token|secret|password)$", re.IGNORECASE
)


def literal_secrets(data: Any, is_from_outside: Callable[[Any], bool]) -> Iterator[Breach]:
    """Yield what looks like a secret in a profile and is written out in it."""
    for place, name, value in _named_texts(data, ()):
        if _SECRET_NAME.search(name) and value and not is_from_outside(value):
            yield place, "a secret is not written in a profile: use ${VARIABLE}, or accounts in proxy.yaml"


def _named_texts(data: Any, place: Place) -> Iterator[tuple[Place, str, Any]]:
    """Yield headers, variables, constants and a path's own query of a profile as it stands in its file."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        here = (*place, key)
        if isinstance(value, str) and place and place[-1] in ("headers", "variables"):
            yield here, key, value
        elif isinstance(value, str) and key == "path":
            yield from ((here, *each) for each in parse_qsl(value.partition("?")[2]) if "{" not in each[1])
        elif isinstance(value, dict) and isinstance(value.get("constant"), str | int):
            yield here, key, value["constant"]
        else:
            yield from _named_texts(value, here)


RULES: Sequence[Callable[[Profile], Iterator[Breach]]] = (
    _placeholders,
    _variables,
    _paths,
    _parameters,
    _needed,
    _writes,
    _pointed,
    _bodies,
    _same_names,
    _headers,
    _success,
    _retries,
    _totals,
    _page_sizes,
    _lookups,
    _ids,
    _reads,
    _defaults,
    _conditions,
    validation,
    _verify,
    _errors,
    _auth,
)
