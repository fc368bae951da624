"""Rules about requests that an upstream cannot carry out as they are meant, whatever it is."""

import re
from collections.abc import Iterator, Sequence

from proxy.errors import LegacyError
from proxy.profile.base import KeyPath, Rule, Violation, find_tilde_mistake
from proxy.profile.conversions import READ, WRITE, UnreadableError
from proxy.profile.language import Endpoint, ProfileSettings
from proxy.profile.paging import PAGING_KINDS
from proxy.profile.pointers import is_index

_READS = ("list", "fetch")


def _list_headers(profile: ProfileSettings) -> Iterator[tuple[KeyPath, str, str, Endpoint | None]]:
    """Yield each header: its key path, its name in lower case, its value and the endpoint, if it has one."""
    for name, value in profile.headers.items():
        yield ("headers", name), name.lower(), value, None
    for operation, endpoint in profile.operations.endpoints().items():
        for name, value in endpoint.headers.items():
            yield ("operations", operation, "headers", name), name.lower(), value, endpoint


def _check_methods(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        if endpoint.method == "DELETE" and operation not in (*_READS, "delete"):
            yield ("operations", operation, "method"), f"{operation} deletes nothing: expected another method"


_OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})


def _check_overrides(profile: ProfileSettings) -> Iterator[Violation]:
    """Find headers that make other requests of those for which they are not meant."""
    reads = [getattr(profile.operations, name) for name in _READS]
    for key_path, name, value, endpoint in _list_headers(profile):
        if name not in _OVERRIDES:
            continue
        if endpoint is None:
            yield key_path, f"every request would be a {value}: this header belongs to one operation"
        elif endpoint in reads and value.upper() not in ("GET", "POST"):
            yield key_path, f"{key_path[1]} changes nothing: expected GET or POST"


_OTHER_TYPES = re.compile(r"(application|text)/(.+\+)?(xml|html|xhtml|csv|yaml|plain|javascript)")


def _check_accepted_types(profile: ProfileSettings) -> Iterator[Violation]:
    for key_path, name, value, _ in _list_headers(profile):
        types = [each.partition(";")[0].strip().lower() for each in value.split(",")]
        if name == "accept" and all(map(_OTHER_TYPES.fullmatch, types)):
            yield key_path, "answers have to be JSON, but this asks for another type"


def _check_partial_answers(profile: ProfileSettings) -> Iterator[Violation]:
    """Find headers whose answer is a part of what is read, or nothing."""
    reads = [None, *(getattr(profile.operations, name) for name in _READS)]
    own = PAGING_KINDS[profile.operations.list.paging.strategy].header.lower()
    for key_path, name, _, endpoint in _list_headers(profile):
        if endpoint not in reads:
            continue
        if name == "range" and own != name:  # else another rule says that paging sets it
            yield key_path, "a range is a part of the answer: use paging with a Range header, or leave it out"
        elif name in ("if-none-match", "if-modified-since"):
            yield key_path, "the answer to a condition may be 304, without content: leave it out"


def _check_encodings(profile: ProfileSettings) -> Iterator[Violation]:
    for key_path, name, value, endpoint in _list_headers(profile):
        if name == "content-encoding":
            yield key_path, "a body is sent as it is, without an encoding: leave it out"
        has_body = endpoint is None or endpoint.has_body()
        if name == "content-type" and has_body and value.lower().startswith("multipart/"):
            yield key_path, "a body is a form or JSON, never multipart"


def _check_parameter_names(profile: ProfileSettings) -> Iterator[Violation]:
    for operation, endpoint in profile.operations.endpoints().items():
        for (kind, key), name, _ in endpoint.parameters():
            here = ("operations", operation, kind, key)
            if not name:
                yield here, "a parameter needs a name"
            elif kind in ("json", "merge") and name.startswith("/") and (wrong := find_tilde_mistake(name)):
                yield here, wrong


def _check_added_names(profile: ProfileSettings) -> Iterator[Violation]:
    """Find parameters of paging and filters that overwrite a part of the JSON of a list's request."""
    endpoint = profile.operations.list
    if endpoint.json_ is None:
        return
    own = [_write_pointer(name) for name in endpoint.json_]
    for key_path, name in endpoint.added_parameters():
        path, here = _write_pointer(name), ("operations", "list", *key_path)
        if wrong := find_tilde_mistake(path):
            yield here, wrong
        elif any(path.startswith(f"{other}/") for other in own):
            yield here, "the parameter is inside another one, which is a plain value"
        elif any(other.startswith(f"{path}/") for other in own):
            yield here, "the parameter is a plain value, but another one is inside it"
        own.append(path)


def _write_pointer(name: str) -> str:
    return name if name.startswith("/") else f"/{name.replace('~', '~0').replace('/', '~1')}"


def _check_prefixes(profile: ProfileSettings) -> Iterator[Violation]:
    """Find conversions that no id with its prefix survives."""
    prefix = profile.ids.prefix
    if not prefix:
        return
    read, write = profile.caller_id.id.as_, profile.ids.as_
    try:
        READ[read](f"{prefix}1")
    except UnreadableError as error:
        yield ("caller_id", "id"), f"an id that begins with {prefix} is not {error}: read it as text"
    try:
        WRITE[write](f"{prefix}1")
    except LegacyError:
        yield ("ids", "as"), f"an id that begins with {prefix} is not written as {write}: write it as text"


_ELSEWHERE = frozenset({"prev", "previous", "first", "last", "self", "up", "start"})


def _check_relations(profile: ProfileSettings) -> Iterator[Violation]:
    relation = getattr(profile.operations.list.paging, "relation", "")
    if relation.lower() in _ELSEWHERE:
        here = ("operations", "list", "paging", "relation")
        yield here, f"a link to {relation} does not lead to the next page: expected next"


REQUEST_RULES: Sequence[Rule] = (
    _check_methods,
    _check_overrides,
    _check_accepted_types,
    _check_partial_answers,
    _check_encodings,
    _check_parameter_names,
    _check_added_names,
    _check_prefixes,
    _check_relations,
)


# Warnings


def _warn_of_arrays(profile: ProfileSettings) -> Iterator[Violation]:
    """Find parameters that seem to make an array, but make an object."""
    for operation, endpoint in profile.operations.endpoints().items():
        kind, names = ("json", endpoint.json_) if endpoint.merge is None else ("merge", endpoint.merge)
        holders: dict[str, list[str]] = {}
        for name in names or ():
            if name.startswith("/"):
                above, _, last = name.rpartition("/")
                holders.setdefault(above, []).append(last)
        for above, tokens in holders.items():
            is_array = tokens == [str(index) for index in range(len(tokens))]
            if above and any(map(is_index, tokens)) and not is_array:
                message = f"{above} is sent as an object: the indexes of an array are 0, 1 and so on"
                yield ("operations", operation, kind), message


REQUEST_WARNINGS: Sequence[Rule] = (_warn_of_arrays,)
