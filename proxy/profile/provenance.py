"""Traces each part of a call, and each value of its answer, back to a key of the profile. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from proxy.profile.auth import set_names
from proxy.profile.base import KeyPath
from proxy.profile.calls import Call
from proxy.profile.language import Endpoint, ListEndpoint, ProfileSettings
from proxy.profile.paging import PAGING_KINDS


class Part(NamedTuple):
    """A part of a call or of what is read from its answer."""

    kind: str
    text: str
    key_path: KeyPath
    """The key of the profile behind it."""
    name: str = ""
    """Of a header or a parameter."""
    value: str = ""


def trace_call(profile: ProfileSettings, operation: str, call: Call) -> Iterator[Part]:
    """Yield the parts of `call`, which `operation` of the profile has made."""
    endpoint, here = profile.operations.endpoints()[operation], ("operations", operation)
    set_by = _collect_settings(profile, operation, endpoint)
    yield Part("method", call.method, (*here, "method"))
    yield Part("base URL", profile.base_url, ("base_url",))
    yield Part("path", endpoint.path, (*here, "path"))
    body: Mapping[str, object] = call.body
    for kind, table in (
        ("header", call.headers),
        ("query", call.query),
        ("merge" if call.body_type == "item" else call.body_type or "form", body),
    ):
        for name, value in table.items():
            key_path = set_by.get((kind, name)) or set_by.get(("", name)) or (*here, kind, name)
            text = f"{name}: {value}" if kind == "header" else f"{name}={value}"
            yield Part(kind, text, key_path, name, str(value))


def trace_answer(profile: ProfileSettings, operation: str) -> Iterator[Part]:
    """Yield what the profile reads in an answer to `operation`."""
    endpoint, here = profile.operations.endpoints()[operation], ("operations", operation)
    success = "200 to 299" if endpoint.success is None else " ".join(map(str, endpoint.success))
    yield Part("success", success, (*here, "success"))
    for key in _READ_BY.get(operation, ()):
        if (value := getattr(endpoint, key)) not in (None, (), ""):
            yield Part(key, _summarize(value), (*here, key))
    if operation not in ("list", "fetch", "rename"):
        return
    yield Part("ids", _summarize(profile.ids), ("ids",))
    for key in type(profile.caller_id).model_fields:
        if (value := getattr(profile.caller_id, key)) is not None:
            yield Part(key, _summarize(value), ("caller_id", key))


_READ_BY: Mapping[str, tuple[str, ...]] = {
    "list": ("items", "empty", "include_when", "paging", "total"),
    "fetch": ("item",),
    "rename": ("item",),
    "validate": ("code", "friendly_name", "pending"),
}


def _collect_settings(
    profile: ProfileSettings, operation: str, endpoint: Endpoint
) -> Mapping[tuple[str, str], KeyPath]:
    """Return the key paths of what other keys than the endpoint's tables set, by part and name.

    The part is empty for a parameter, which may be in the query or in the body.
    """
    here = ("operations", operation)
    set_by: dict[tuple[str, str], KeyPath] = {("header", name): ("headers", name) for name in profile.headers}
    set_by |= {("header", name): (*here, "headers", name) for name in endpoint.headers}
    auth = profile.auth
    set_by |= {("header", name): ("auth",) for name in set_names(auth, "header")}
    set_by |= {("query", name): ("auth",) for name in set_names(auth, "query")}
    set_by |= {("", name): ("auth",) for name in set_names(auth, "body")}
    if isinstance(endpoint, ListEndpoint):
        set_by["header", PAGING_KINDS[endpoint.paging.strategy].header] = (*here, "paging")
        set_by |= {("", name): (*here, *key_path) for key_path, name in endpoint.added_parameters()}
    return set_by


def _summarize(value: object) -> str:
    """Write a value of a profile on one line, without defaults."""
    if isinstance(value, tuple):
        return ", ".join(map(_summarize, value))
    dump = getattr(value, "model_dump", None)
    if dump is None:
        return str(value)
    given: Mapping[str, object] = dump(by_alias=True, exclude_unset=True, mode="json")
    if list(given) == ["at"]:
        return _write_flat(given["at"])
    return ", ".join([f"{key} {_write_flat(each)}" for key, each in given.items()])


def _write_flat(value: object) -> str:
    if isinstance(value, list):
        return " or ".join(map(_write_flat, value))
    return "null" if value is None else str(value)
