"""A profile at work: Operation → Call, and Reply → model. Pure: it awaits nothing and knows no vendor."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

import uritemplate

from proxy.errors import BAD_CALL_DELAY, BAD_UPSTREAM, NOT_FOUND, UNSUPPORTED, LegacyError, RefusedError
from proxy.model import (
    Account,
    CallerIds,
    Delete,
    Deleted,
    Fetch,
    List,
    Rename,
    Result,
    Validate,
    ValidationRequest,
    Verify,
)
from proxy.profile import language
from proxy.profile.auth import authorize, basic_token
from proxy.profile.calls import Call, Reply
from proxy.profile.conversions import WRITE, UnreadableError, is_default_name, sent_back
from proxy.profile.documents import NO_JSON, parse
from proxy.profile.faults import fault_of, is_error
from proxy.profile.ids import codec
from proxy.profile.paging import PageContents, Position, can_jump, following, start, total_of
from proxy.profile.pointers import follow
from proxy.profile.templates import filler
from proxy.profile.values import as_text, condition, items_reader, parameters, reader

_security = logging.getLogger("proxy.security")

T = TypeVar("T")
E = TypeVar("E", bound=language.Endpoint)


class Exchange(NamedTuple, Generic[T]):
    """A Call and how to read its Reply; reading raises LegacyError for an error or for nonsense."""

    call: Call
    read: Callable[[Reply], T]


@dataclass(frozen=True, slots=True)
class UpstreamPage:
    """One upstream page of a list and the way to the next one."""

    caller_ids: CallerIds
    offset: int
    """Items of the list before this page."""
    total: int | None
    """Of the whole list, where the upstream says so."""
    next: "Callable[[Account], Exchange[UpstreamPage]] | None"
    """How to ask for the next page, on behalf of whoever may see this one."""


@dataclass(frozen=True, slots=True)
class StartedValidation:
    """A validation call that speaks its code, which has to come back as a Verify."""

    request: ValidationRequest
    pending: str


class Profile:
    """An upstream API as its settings describe it."""

    def __init__(
        self,
        settings: language.Profile,
        base_url: str | None = None,
        variables: Mapping[str, str] | None = None,
        sid_key: bytes = b"",
    ) -> None:
        """Serve `settings`, at `base_url` and with `variables` where those are not the profile's own."""
        self.limits = settings.limits
        self.speaks_codes = settings.validation == "code_on_phone"
        self._settings = settings
        self._variables: dict[str, Any] = {**settings.variables, **(variables or {})}
        self._base_url = uritemplate.expand(base_url or settings.base_url, self._variables)
        self._ids = codec(settings.ids.codec, sid_key, settings.ids.prefix)
        operations = settings.operations
        self._endpoints: Mapping[type[Fetch | Rename | Delete], language.Operation] = {
            Fetch: operations.fetch,
            Rename: operations.rename,
            Delete: operations.delete,
        }
        self._read_items = items_reader(settings.caller_id, self._ids)
        self._conditions = [condition(when) for when in operations.list.include_when]

    # The list

    def list(self, operation: List, account: Account, offset: int = 0) -> Exchange[UpstreamPage]:
        """Ask for a page of the list, narrowed down as far as the upstream can.

        It is the first one, or the one that holds item `offset` where the upstream `has_direct_pages`.
        """
        endpoint = self._settings.operations.list
        first = self._call(endpoint, operation, account)
        for by, value in self._filters(operation):
            if isinstance(by, language.ServerFilter):
                first = first.asking({by.parameter: WRITE[by.as_](value)})
        if endpoint.page_size.parameter:
            first = first.asking({endpoint.page_size.parameter: endpoint.page_size.max})
        return self._page(first, start(endpoint.paging, first, offset, endpoint.page_size.max), account)

    def has_direct_pages(self, operation: List) -> bool:
        """Whether the upstream has exact totals and any page of what `operation` asks for.

        It does not where anything is left out here: then its total is not ours.
        """
        endpoint = self._settings.operations.list
        return (
            endpoint.total.strategy == "pointer"
            and can_jump(endpoint.paging)
            and not endpoint.include_when
            and all(by.mode == "server" for by, _ in self._filters(operation))
        )

    def lookup(self, operation: List, account: Account) -> Exchange[Result] | None:
        """Ask for the one number that `operation` filters by, where a number is its own id; else None."""
        mode = self._settings.operations.list.filters.phone_number.mode
        if mode != "lookup" or operation.phone_number is None:
            return None
        sid = self._ids.sid(operation.phone_number, account.upstream_id)
        return self.exchange(Fetch(account.sid, sid), account)

    def _filters(
        self, operation: List
    ) -> Sequence[tuple[language.PhoneNumberFilter | language.FriendlyNameFilter, str]]:
        """Return the filters that `operation` uses, each with its value.

        What has no name upstream is shown with one made from its number, which no upstream can filter by.
        """
        filters, name = self._settings.operations.list.filters, operation.friendly_name
        by_name = language.ClientFilter() if name and self._names(name) else filters.friendly_name
        pairs = ((filters.phone_number, operation.phone_number), (by_name, name))
        return [(by, value) for by, value in pairs if value is not None]

    def _names(self, name: str) -> bool:
        """Whether a caller ID without a name upstream may be shown with `name`."""
        field = self._settings.caller_id.friendly_name
        return (field is None or not field.required) and is_default_name(name)

    def _page(self, first: Call, here: Position, account: Account) -> Exchange[UpstreamPage]:
        endpoint = self._settings.operations.list
        items_of = follow((endpoint.items,))

        def read(reply: Reply) -> UpstreamPage:
            page = self._document(endpoint, account, reply)
            items = items_of(page)
            if not isinstance(items, list):
                raise LegacyError(BAD_UPSTREAM)
            came = PageContents(
                reply, page, len(items), total_of(endpoint, reply, page), items[-1] if items else None
            )
            after = following(endpoint.paging, first, here, came, endpoint.page_size.max)
            return UpstreamPage(
                self._read_items(self._included(items), account),
                here.offset,
                came.total,
                partial(self._page, first, after) if after else None,
            )

        return self._exchange(here.call, account, read)

    def _included(self, items: Sequence[Any]) -> Sequence[Any]:
        if self._conditions and not all(isinstance(item, dict) for item in items):
            raise LegacyError(BAD_UPSTREAM)  # of what is no item no condition holds
        for holds in self._conditions:
            items = [item for item in items if holds(item)]
        return items

    # One number

    def exchange(self, operation: Fetch | Rename | Delete, account: Account) -> Exchange[Result]:
        """Ask for what concerns one caller ID; LegacyError 501 where the upstream cannot be asked."""
        endpoint = _supported(self._endpoints[type(operation)])
        item_of = follow((endpoint.item,))

        def read(reply: Reply) -> Result:
            try:
                document = self._document(endpoint, account, reply)
            except LegacyError as error:
                is_gone = NOT_FOUND.status in (reply.status, error.fault.status)
                if isinstance(operation, Delete) and reply.is_repeated and is_gone:
                    return Deleted()  # by the first sending, whose answer was lost
                raise
            if isinstance(operation, Delete):
                return Deleted()
            if document is None:  # says nothing, not even that there is none
                raise LegacyError(BAD_UPSTREAM)
            item = item_of(document)
            if (item is None and endpoint.item) or not self._included([item]):
                raise LegacyError(NOT_FOUND)
            (caller_id,) = self._read_items([item], account)
            return caller_id

        return self._exchange(self._call(endpoint, operation, account), account, read)

    def validate(
        self, operation: Validate, account: Account
    ) -> Exchange[ValidationRequest | StartedValidation]:
        """Start a validation call. What is StartedValidation speaks its code; the others show it."""
        endpoint = _supported(self._settings.operations.validate_)
        if self._settings.validation == "unsupported":
            raise LegacyError(UNSUPPORTED.saying("The upstream API shows no code: its call speaks it"))
        if operation.call_delay and not _mentions(endpoint, "call_delay"):
            raise LegacyError(
                BAD_CALL_DELAY.saying("The upstream API cannot delay calls: CallDelay must be 0")
            )
        shown = self._settings.validation == "code_shown"
        name, code, pending = reader(endpoint.friendly_name), reader(endpoint.code), reader(endpoint.pending)

        def read(reply: Reply) -> ValidationRequest | StartedValidation:
            document = self._document(endpoint, account, reply)
            try:
                request = ValidationRequest(
                    account.sid,
                    operation.phone_number,
                    name(document) or operation.friendly_name,
                    code(document) if shown else "",
                )
                called = pending(document) or operation.phone_number
                return request if shown else StartedValidation(request, str(sent_back(called)))
            except UnreadableError:
                raise LegacyError(BAD_UPSTREAM) from None

        return self._exchange(self._call(endpoint, operation, account), account, read)

    def call(
        self, operation: Validate, started: StartedValidation, account: Account
    ) -> Exchange[None] | None:
        """Have a number called that `validate` only added; None where it calls by itself."""
        endpoint = self._settings.operations.call
        if endpoint is None:
            return None
        asked = Verify(account.sid, operation.phone_number, started.pending, code="")
        return self._acknowledged(endpoint, asked, account)

    def verify(self, operation: Verify, account: Account) -> Exchange[None]:
        """Bring back the code of a call; LegacyError for a wrong one."""
        endpoint = self._settings.operations.verify
        if endpoint is None:
            raise LegacyError(UNSUPPORTED)
        return self._acknowledged(endpoint, operation, account)

    def _acknowledged(
        self, endpoint: language.Endpoint, operation: Verify, account: Account
    ) -> Exchange[None]:
        def read(reply: Reply) -> None:
            self._document(endpoint, account, reply)

        return self._exchange(self._call(endpoint, operation, account), account, read)

    # Operation → Call

    def _call(
        self,
        endpoint: language.Endpoint,
        operation: List | Fetch | Rename | Delete | Validate | Verify,
        account: Account,
    ) -> Call:
        values = self._values(operation, account)
        address = self._base_url + filler(endpoint.path)({**self._variables, **values})
        headers = {**self._settings.headers, **endpoint.headers}
        query = as_text(parameters(endpoint.query, values)) if endpoint.query else {}
        retries = _RETRIES.get(type(operation), 0) if endpoint.retries is None else endpoint.retries
        reads = type(operation) in _READING
        if endpoint.json_ is not None:
            body = parameters(endpoint.json_, values)
            return Call(endpoint.method, address, headers, query, body, "json", retries, reads)
        if endpoint.form is not None:
            form = as_text(parameters(endpoint.form, values))
            return Call(endpoint.method, address, headers, query, form, "form", retries, reads)
        return Call(endpoint.method, address, headers, query, retries=retries, reads=reads)

    def _values(
        self, operation: List | Fetch | Rename | Delete | Validate | Verify, account: Account
    ) -> Mapping[str, Any]:
        """Return what a profile may write into a path or a parameter."""
        values: dict[str, Any] = {"account": account.upstream_id}
        for name in ("phone_number", "friendly_name", "call_delay", "code"):
            values[name] = getattr(operation, name, None)
        match operation:
            case Fetch() | Rename() | Delete():
                upstream_id = self._ids.upstream_id(operation.sid, account.upstream_id)
                values["id"] = WRITE[self._settings.ids.as_](upstream_id)
            case Verify():
                values["id"] = operation.pending
        return values

    def _exchange(self, call: Call, account: Account, read: Callable[[Reply], T]) -> Exchange[T]:
        entry = "" if account.is_own else account.sid
        return Exchange(authorize(self._settings.auth, call, account.credentials, entry), read)

    # Reply → model

    def _document(self, endpoint: language.Endpoint, account: Account, reply: Reply) -> Any:
        """Return the JSON of an answer, None where it is empty; LegacyError where it is an error."""
        document = parse(reply.body)
        if reply.status not in endpoint.success or is_error(document, self._settings.errors):
            secrets = _secrets(account, self._base_url, self._settings.base_url)
            fault = fault_of(reply, document, self._settings.errors, secrets)
            if fault.status in (401, 403) and not account.is_own:
                _security.warning("the upstream refuses the credentials configured for %s", account.sid)
                raise RefusedError
            raise LegacyError(fault)
        # Whatever a page for people holds, it is not the API that has answered
        if document is NO_JSON or (reply.body and "html" in reply.headers.get("content-type", "").lower()):
            raise LegacyError(BAD_UPSTREAM)
        return document


_READING = frozenset({List, Fetch})

# What is harmless to ask twice by itself; a profile may say so of its verb for renaming
_RETRIES: Mapping[type, int] = {List: 1, Fetch: 1, Delete: 1}


def _supported(endpoint: E | language.Unsupported) -> E:
    if isinstance(endpoint, language.Unsupported):
        raise LegacyError(UNSUPPORTED.saying(endpoint.unsupported))
    return endpoint


def _mentions(endpoint: language.Endpoint, value: str) -> bool:
    tables = (endpoint.query, endpoint.form or {}, endpoint.json_ or {})
    writes = (how for table in tables for how in table.values())
    return any(isinstance(how, language.WriteValue) and how.from_ == value for how in writes)


def _secrets(account: Account, *urls: str) -> Sequence[str]:
    """Return what no client may read in an upstream's message: hosts, and what is not the client's own."""
    credentials = account.credentials
    private = (account.upstream_id, credentials.username)
    hosts = (urlsplit(url).hostname or "" for url in urls)
    own = (text for text in private if text != account.sid)
    password = credentials.password
    sent = (password, quote(password, safe=""), quote_plus(password), basic_token(credentials).rstrip("="))
    return (*sent, *hosts, *own)
