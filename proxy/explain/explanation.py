"""A legacy request, what it asks the upstream, and which line of the configuration is behind each part."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proxy.config import Configuration
from proxy.config.cross_checks import UpstreamTarget
from proxy.config.yaml_source import Source
from proxy.legacy import Request, Route, route
from proxy.model import Delete, Fetch, List, Operation, Rename, Validate
from proxy.profile.calls import Call
from proxy.profile.provenance import Part, trace_answer, trace_call

_NAMES: dict[type[Operation], str] = {
    List: "list",
    Fetch: "fetch",
    Rename: "rename",
    Delete: "delete",
    Validate: "validate",
}
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
        """Find out where `request` leads; LegacyError where it leads nowhere."""
        self._configuration = configuration
        self._route = route(request)
        self._operation = self._route.read(request)
        self._asked = _asked(configuration, self._route)
        self._profile = configuration.profiles[self._asked.settings.profile].source

    def of_request(self) -> Iterator[Row]:
        """Say what the request means, and who is asked about it."""
        to, settings, own = self._route, self._asked.settings, self._configuration.source
        yield Row("route", f"{to.method} {'one caller ID' if to.sid else 'the list'}")
        yield Row("operation", _said(self._operation))
        yield Row("asked as", self._account(), _line(own, self._asked.key_path))
        yield Row("profile", settings.profile, self._own_line("profile"))

    def of_call(self, call: Call) -> Iterator[Row]:
        """Say what is behind each part of a call, and where its answer is looked for what it means."""
        profile, name = self._asked.profile, self._name()
        yield Row(f"{call.method} {self.masked(call).url}")
        yield from self._rows(trace_call(profile, name, call))
        yield Row("The answer")
        yield from self._rows(trace_answer(profile, name))

    def masked(self, call: Call) -> Call:
        """Return `call` with its credentials, and what variables bring into the profile, masked."""
        for part in trace_call(self._asked.profile, self._name(), call):
            if self._is_secret(part):
                call = _without(call, part)
        return call

    def _account(self) -> str:
        accounts = self._configuration.settings.accounts
        if accounts is None:
            return "the caller"
        account = accounts.get(self._route.account_sid)
        return account.upstream.account or "the account's credentials" if account else "nobody"

    def _name(self) -> str:
        operation, filters = self._operation, self._asked.profile.operations.list.filters
        looks_up = isinstance(operation, List) and operation.phone_number is not None
        # A number that is its own id is fetched, and not looked for in a list
        return "fetch" if looks_up and filters.phone_number.mode == "lookup" else _NAMES[type(operation)]

    def _rows(self, parts: Iterable[Part]) -> Iterator[Row]:
        settings = self._asked.settings
        for part in parts:
            text = part.text.replace(part.value, _hidden(part.value)) if self._is_secret(part) else part.text
            if part.key_path == ("base_url",) and settings.base_url:
                yield Row(part.kind, settings.base_url, self._own_line("base_url"))
            else:
                yield Row(part.kind, text, _line(self._profile, part.key_path))

    def _own_line(self, key: str) -> str:
        """Return where proxy.yaml says `key` of the upstream: for its account or for all of them."""
        own = self._configuration.source
        places = ((*self._asked.key_path, key), ("upstream", key))
        return next((_line(own, place) for place in places if place in own.positions), "default")

    def _is_secret(self, part: Part) -> bool:
        place = (
            (*part.key_path, "constant")
            if (*part.key_path, "constant") in self._profile.positions
            else part.key_path
        )
        return part.key_path[0] == "auth" or (bool(part.value) and place in self._profile.variables)


def _asked(configuration: Configuration, to: Route) -> UpstreamTarget:
    """Return which upstream is asked for the account of a path."""
    accounts = configuration.settings.accounts or {}
    place = ("accounts", to.account_sid, "upstream") if to.account_sid in accounts else ("upstream",)
    return next(asked for asked in configuration.targets() if asked.key_path == place)


def _said(operation: Operation) -> str:
    """Write an operation without what it leaves open."""
    fields = ((field.name, getattr(operation, field.name)) for field in dataclasses.fields(operation))
    said = (f"{name}={value!r}" for name, value in fields if value is not None and value is not False)
    return f"{type(operation).__name__}({', '.join(said)})"


def _line(source: Source, place: tuple[str | int, ...]) -> str:
    line, _ = source.position_of(place)
    return f"{source.file}:{line}" if line and place in source.positions else "default"


def _hidden(value: str) -> str:
    """Mask a credential, but not the scheme before it."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme}{space}{_MASK}" if space else _MASK


def _without(call: Call, part: Part) -> Call:
    if part.kind == "header":
        return call._replace(headers={**call.headers, part.name: _hidden(part.value)})
    if part.kind == "query":
        return call._replace(query={**call.query, part.name: _MASK})
    return call._replace(body={**call.body, part.name: _MASK})
