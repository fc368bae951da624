"""A legacy request, what it asks the upstream, and which line of the configuration is behind each part."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from proxy.config import Configuration
from proxy.config.yaml_source import Source
from proxy.legacy import Request, is_other_resource, origin_form, route
from proxy.model import Fetch, List, Operation
from proxy.profile.calls import Call
from proxy.profile.language import FromList
from proxy.profile.provenance import Part, trace_answer, trace_call

_MASK = "********"


class Row(NamedTuple):
    """One line of an explanation; one without a text is a heading."""

    name: str
    text: str = ""
    origin: str = ""
    """`file:line`, or nothing where no line is behind it."""


class Explanation:
    """What a configuration makes of one request."""

    def __init__(self, configuration: Configuration, request: Request) -> None:
        """Parse `request`; LegacyError where it has no meaning."""
        self._configuration = configuration
        self._route = route(request)
        self._operation = self._route.read(request)
        self._target = configuration.find_target(self._route.account_sid)
        self._profile = configuration.profiles[self._target.settings.profile].source

    def explain_request(self) -> Iterator[Row]:
        """Say what the request means, and which upstream answers it."""
        to, settings, own = self._route, self._target.settings, self._configuration.source
        yield Row("route", f"{to.method} {'one caller ID' if to.sid else 'the list'}")
        yield Row("operation", _format_operation(self._operation))
        yield Row("asked as", self._upstream_account(), _format_line(own, self._target.key_path))
        yield Row("profile", settings.profile, self._own_line("profile"))

    def explain_call(self, call: Call) -> Iterator[Row]:
        """Say where each part of a call comes from, and where the values of its answer are read."""
        profile, name = self._target.profile, self._operation_name()
        yield Row(f"{call.method} {self.mask(call).url}")
        yield from self._rows(trace_call(profile, name, call))
        yield Row("The answer")
        yield from self._rows(trace_answer(profile, name))

    def mask(self, call: Call) -> Call:
        """Return `call` with its credentials, and what variables bring into the profile, mask."""
        for part in trace_call(self._target.profile, self._operation_name(), call):
            if self._is_secret(part):
                call = _mask_part(call, part)
        return call

    def _upstream_account(self) -> str:
        accounts = self._configuration.settings.accounts
        if accounts is None:
            return "the caller"
        account = accounts.get(self._route.account_sid)
        return account.upstream.account or "the account's credentials" if account else "no account"

    def _operation_name(self) -> str:
        operation, operations = self._operation, self._target.profile.operations
        looks_up = isinstance(operation, List) and operation.phone_number is not None
        if looks_up and operations.list.filters.phone_number.mode == "lookup":
            return "fetch"  # where a number is its own id, the filter fetches it
        if isinstance(operation, Fetch) and isinstance(operations.fetch, FromList):
            return "list"
        return type(operation).__name__.lower()

    def _rows(self, parts: Iterable[Part]) -> Iterator[Row]:
        settings = self._target.settings
        for part in parts:
            text = part.text
            if self._is_secret(part):
                text = text.replace(part.value, _mask_credential(part.value))
            if part.key_path == ("base_url",) and settings.base_url:
                yield Row(part.kind, settings.base_url, self._own_line("base_url"))
            else:
                yield Row(part.kind, text, _format_line(self._profile, part.key_path))

    def _own_line(self, key: str) -> str:
        """Return where proxy.yaml gives `key` of the upstream: at the account, or for all accounts."""
        own = self._configuration.source
        places = ((*self._target.key_path, key), ("upstream", key))
        return next((_format_line(own, place) for place in places if place in own.positions), "default")

    def _is_secret(self, part: Part) -> bool:
        constant = (*part.key_path, "constant")
        place = constant if constant in self._profile.positions else part.key_path
        return part.key_path[0] == "auth" or (bool(part.value) and place in self._profile.variables)


def explain_forwarding(configuration: Configuration, request: Request) -> Sequence[Row]:
    """Say where a request is handed on to; nothing where it is answered by the proxy itself."""
    forward, source = configuration.settings.legacy.forward, configuration.source
    if forward is None or not is_other_resource(request.target, everything=forward.everything):
        return ()
    here = ("legacy", "forward")

    def find_line(key: str) -> str:
        is_short = isinstance(source.find(here), str)
        return _format_line(source, here if is_short and key == "to" else (*here, key))

    own = "go on too" if forward.credentials else "are removed"
    return (
        Row("forwarded to", f"{forward.to}{origin_form(request.target)}", find_line("to")),
        Row("credentials", own, find_line("credentials")),
    )


def _format_operation(operation: Operation) -> str:
    """Write an operation without its empty fields."""
    fields = ((field.name, getattr(operation, field.name)) for field in dataclasses.fields(operation))
    texts = (f"{name}={value!r}" for name, value in fields if value is not None and value is not False)
    return f"{type(operation).__name__}({', '.join(texts)})"


def _format_line(source: Source, place: tuple[str | int, ...]) -> str:
    return source.find_line(place) if place in source.positions else "default"


def _mask_credential(value: str) -> str:
    """Mask a credential, but not the scheme before it."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme}{space}{_MASK}" if space else _MASK


def _mask_part(call: Call, part: Part) -> Call:
    if part.kind == "header":
        return call._replace(headers={**call.headers, part.name: _mask_credential(part.value)})
    if part.kind == "query":
        return call._replace(query={**call.query, part.name: _MASK})
    return call._replace(body={**call.body, part.name: _MASK})
