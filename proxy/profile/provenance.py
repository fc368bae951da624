"""Which key of a profile is behind each part of a call, and behind each value of its answer. Pure."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from proxy.profile.calls import Call
from proxy.profile.language import Endpoint, ListEndpoint, Profile, ServerFilter
from proxy.profile.rules import Place, endpoints


class Part(NamedTuple):
    """A part of a call or of what is read from its answer."""

    kind: str
    text: str
    place: Place
    name: str = ""
    """Of a header or a parameter."""
    value: str = ""


def parts_of_call(profile: Profile, operation: str, call: Call) -> Iterator[Part]:
    """Yield what `call` is made of, which `operation` of the profile has led to."""
    endpoint, here = endpoints(profile)[operation], ("operations", operation)
    named = _named(profile, operation, endpoint)
    yield Part("method", call.method, (*here, "method"))
    yield Part("base URL", profile.base_url, ("base_url",))
    yield Part("path", endpoint.path, (*here, "path"))
    body: Mapping[str, object] = call.body
    for kind, table in (("header", call.headers), ("query", call.query), (call.body_type or "form", body)):
        for name, value in table.items():
            place = named.get((kind, name)) or named.get(("", name)) or (*here, kind, name)
            text = f"{name}: {value}" if kind == "header" else f"{name}={value}"
            yield Part(kind, text, place, name, str(value))


def parts_of_answer(profile: Profile, operation: str) -> Iterator[Part]:
    """Yield where the answer to `operation` is looked for what it means."""
    endpoint, here = endpoints(profile)[operation], ("operations", operation)
    yield Part("success", " ".join(map(str, endpoint.success)), (*here, "success"))
    for key in _READ_BY.get(operation, ()):
        if (value := getattr(endpoint, key)) not in (None, (), ""):
            yield Part(key, _summary(value), (*here, key))
    if operation not in ("list", "fetch", "rename"):
        return
    yield Part("ids", _summary(profile.ids), ("ids",))
    for key in type(profile.caller_id).model_fields:
        if (value := getattr(profile.caller_id, key)) is not None:
            yield Part(key, _summary(value), ("caller_id", key))


_READ_BY: Mapping[str, tuple[str, ...]] = {
    "list": ("items", "include_when", "paging", "total"),
    "fetch": ("item",),
    "rename": ("item",),
    "validate": ("code", "friendly_name", "pending"),
}


def _named(profile: Profile, operation: str, endpoint: Endpoint) -> Mapping[tuple[str, str], Place]:
    """Return the places of what does not stand in the endpoint's own tables; some come in query or body."""
    here = ("operations", operation)
    named: dict[tuple[str, str], Place] = {("header", name): ("headers", name) for name in profile.headers}
    named |= {("header", name): (*here, "headers", name) for name in endpoint.headers}
    where: Mapping[str, tuple[Literal["header", "query"], str]] = {
        "header": ("header", profile.auth.name),
        "query": ("query", profile.auth.name),
    }
    named[where.get(profile.auth.scheme, ("header", "Authorization"))] = ("auth",)
    if isinstance(endpoint, ListEndpoint):
        if endpoint.page_size.parameter:
            named["", endpoint.page_size.parameter] = (*here, "page_size", "parameter")
        if parameter := getattr(endpoint.paging, "parameter", None):
            named["", parameter] = (*here, "paging", "parameter")
        named["header", "Range"] = (*here, "paging")
        for key in ("phone_number", "friendly_name"):
            by = getattr(endpoint.filters, key)
            if isinstance(by, ServerFilter):
                named["", by.parameter] = (*here, "filters", key, "parameter")
    return named


def _summary(value: object) -> str:
    """Write a value of a profile on one line, without what it does not say itself."""
    if isinstance(value, tuple):
        return ", ".join(map(_summary, value))
    dump = getattr(value, "model_dump", None)
    if dump is None:
        return str(value)
    said: Mapping[str, object] = dump(by_alias=True, exclude_unset=True, mode="json")
    texts = (
        [_flat(each) for each in said.values()]
        if list(said) == ["at"]
        else [f"{key} {_flat(each)}" for key, each in said.items()]
    )
    return ", ".join(texts)


def _flat(value: object) -> str:
    if isinstance(value, list):
        return " or ".join(map(str, value))
    return "null" if value is None else str(value)
