"""A compiled profile: Operation → Call, and Reply → model. Pure: it awaits nothing and knows no vendor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import uritemplate

from proxy.errors import BAD_CALL_DELAY, NOT_FOUND, UNSUPPORTED, LegacyError, Reason, UpstreamError
from proxy.model import (
    Account,
    CallerId,
    CallerIds,
    Delete,
    Deleted,
    Fetch,
    List,
    Operation,
    Rename,
    Result,
    Validate,
    ValidationRequest,
    Verify,
)
from proxy.net.addresses import find_origin, split_socket
from proxy.profile import language, paging
from proxy.profile.answers import AnswerReader
from proxy.profile.auth import compile_auth
from proxy.profile.calls import Call, Reply
from proxy.profile.codes import SIX_DIGITS
from proxy.profile.conversions import WRITE, UnreadableError, is_default_name, read_opaque
from proxy.profile.faults import compile_refusal
from proxy.profile.ids import build_codec, find_memory
from proxy.profile.items import name_form
from proxy.profile.mismatches import explain_call, explain_filter, explain_paging, mismatch, missing
from proxy.profile.pointers import compile_pointers
from proxy.profile.templates import compile_template
from proxy.profile.values import (
    ITEM,
    compile_items_reader,
    compile_reader,
    write_body,
    write_placeholders,
    write_texts,
)

_Operation = Operation | Verify
T = TypeVar("T")
E = TypeVar("E", bound=language.Endpoint)


class Exchange(NamedTuple, Generic[T]):
    """A Call and how to read its Reply; reading raises LegacyError for an error or an invalid answer."""

    call: Call
    read: Callable[[Reply], T]


class FoundItem(NamedTuple):
    """One caller ID, and the item of the upstream's JSON that it was read from."""

    caller_id: CallerId
    item: Any


@dataclass(frozen=True, slots=True)
class UpstreamPage:
    """One upstream page of a list and the way to the next one."""

    caller_ids: CallerIds
    offset: int
    """Items of the list before this page."""
    total: int | None
    """Items of the whole list, where the upstream states it."""
    next: "Callable[[Account], Exchange[UpstreamPage]] | None"
    """Requests the next page, on behalf of an account that may see this one."""
    found: FoundItem | None = None
    """The caller ID that the list is read for."""


@dataclass(frozen=True, slots=True)
class StartedValidation:
    """A validation call that speaks its code; the operation Verify brings the code back."""

    request: ValidationRequest
    pending: str


class Profile:
    """An upstream API as its settings describe it: one method for each operation."""

    def __init__(
        self,
        settings: language.ProfileSettings,
        base_url: str | None = None,
        variables: Mapping[str, str] | None = None,
        sid_key: bytes = b"",
        route: str = "",
    ) -> None:
        """Compile `settings`; `base_url` and `variables` replace those of the profile.

        Calls go by the `route` of that name, or directly.
        """
        self.limits = settings.limits
        self.has_spoken_codes = settings.validation == "code_on_phone"
        self.codes = settings.codes or SIX_DIGITS
        self.has_fetch = isinstance(settings.operations.fetch, language.ItemEndpoint)
        """Whether the upstream has a request for one caller ID."""
        self.fetches_from_list = isinstance(settings.operations.fetch, language.FromList)
        self._settings = settings
        self._variables: dict[str, Any] = {**settings.variables, **(variables or {})}
        expanded = uritemplate.expand(base_url or settings.base_url, self._variables)
        self._base_url, socket = split_socket(expanded)
        self.socket = socket
        """The path of the unix socket that takes requests, '' where none does."""
        self.route = route
        self.base_origin = find_origin(self._base_url)
        """Scheme, host and port of every call."""
        self.origin = urlsplit(self._base_url).netloc.rpartition("@")[2]
        """Host and port of the upstream."""
        self.place = self.socket or self.origin
        """What to call the upstream."""
        self._answers = AnswerReader(settings, self._base_url)
        self._refusals = {
            name: compile_refusal(settings.errors, name, endpoint)
            for name, endpoint in settings.operations.endpoints().items()
        }
        self._show_credentials = compile_auth(settings.auth, self._base_url, self._variables)
        self._codec = build_codec(settings.ids.codec, sid_key, settings.ids.prefix)
        self.id_memory = find_memory(self._codec)
        """What Sids stand for that do not hold their ids."""
        include_when = settings.operations.list.include_when
        self._read_items = compile_items_reader(settings.caller_id, self._codec, include_when)

    # Ids

    def sid_of(self, upstream_id: str, account: Account) -> str:
        """Return the Sid that stands for an upstream's id; UnreadableError where the codec has none."""
        return self._codec.encode(upstream_id, account.upstream_id)

    def id_of(self, sid: str, account: Account) -> str:
        """Return the upstream's id that a Sid stands for; LegacyError 404 where there is none."""
        return self._codec.decode(sid, account.upstream_id)

    # The list

    def list(
        self, operation: List, account: Account, offset: int = 0, wanted: str = ""
    ) -> Exchange[UpstreamPage]:
        """Request a page of the list, filtered as far as the upstream can.

        It is the first page, or the page that holds item `offset` where the upstream `has_direct_pages`.
        Pages say whether they hold the `wanted` Sid.
        """
        endpoint = self._settings.operations.list
        first = self._build_call("list", endpoint, operation, account)
        joined = endpoint.filters.joined_parameters()
        for by, value in self._choose_filters(operation):
            if not isinstance(by, language.ServerFilter):
                continue
            try:
                written = by.write(value)
            except LegacyError as error:
                raise explain_filter(error, endpoint, by) from None
            if written is not None:
                given = {**first.query, **first.body}.get(by.parameter) if by.parameter in joined else None
                if given is not None:
                    written = f"{given}{endpoint.filters.join}{written}"
                first = first.with_parameters({by.parameter: written})
        if endpoint.page_size.parameter:
            first = first.with_parameters({endpoint.page_size.parameter: endpoint.page_size.max})
        start = paging.start_position(endpoint.paging, first, offset, endpoint.page_size.max)
        return self._request_page(first, start, account, wanted)

    def has_direct_pages(self, operation: List) -> bool:
        """Whether the upstream states the exact total and gives any page of what `operation` requests.

        Where the proxy itself filters, the upstream's total is not the total of the filtered list.
        """
        return self._settings.operations.list.has_direct_pages() and all(
            by.mode == "server" for by, _ in self._choose_filters(operation)
        )

    def lookup(self, operation: List, account: Account) -> Exchange[Result | None] | None:
        """Fetch the one number that `operation` filters by, where a number is its own id; else None."""
        mode = self._settings.operations.list.filters.phone_number.mode
        if mode != "lookup" or operation.phone_number is None:
            return None
        sid = self.sid_of(operation.phone_number, account)
        return self.exchange(Fetch(account.sid, sid), account)

    def _choose_filters(
        self, operation: List
    ) -> Sequence[tuple[language.PhoneNumberFilter | language.FriendlyNameFilter, str]]:
        """Return the filters that `operation` uses, each with its value.

        A caller ID without a name upstream is shown with a default name, which no upstream can filter by.
        """
        filters, name = self._settings.operations.list.filters, operation.friendly_name
        field = self._settings.caller_id.friendly_name
        can_be_default = name and is_default_name(name) and (field is None or field.can_lack)
        by_name = language.ClientFilter() if can_be_default else filters.friendly_name
        pairs = ((filters.phone_number, operation.phone_number), (by_name, name))
        return [(_choose_exact(by, value), value) for by, value in pairs if value is not None]

    def _request_page(
        self, first: Call, here: paging.Position, account: Account, wanted: str
    ) -> Exchange[UpstreamPage]:
        endpoint = self._settings.operations.list

        def read(reply: Reply) -> UpstreamPage:
            try:
                page, items = self._answers.read_page(account, reply)
            except LegacyError as error:
                if not paging.is_end(here, reply, error.fault):
                    raise
                page = items = None
            if items is None and here.guess != "no":
                items = []
            if not isinstance(items, list):
                at = ("operations", "list", "items")
                expected = name_form(endpoint.items_are)
                raise mismatch(Reason.NO_ITEMS, page, (endpoint.items,), at, expected)
            last = items[-1] if items else None
            try:
                total = paging.read_total(endpoint.paging, endpoint.total, reply, page)
                contents = paging.PageContents(reply, page, len(items), total, last, self._base_url)
                size = endpoint.page_size.max
                position = paging.next_position(endpoint.paging, first, here, contents, size)
            except UpstreamError as error:
                raise explain_paging(error, endpoint, page, last) from None
            following = partial(self._request_page, first, position, wanted=wanted) if position else None
            caller_ids, included = self._read_items(items, account)
            found = _find_item(caller_ids, included, wanted) if wanted else None
            return UpstreamPage(caller_ids, here.offset, total, following, found)

        return self._authorize(here.call, account, read)

    # One number

    def find(self, sid: str, account: Account) -> Exchange[FoundItem]:
        """Request one caller ID, as `exchange` does for a Fetch."""
        operation = Fetch(account.sid, sid)
        endpoint = _require_endpoint(self._settings.operations.fetch, "fetch")

        def read(reply: Reply) -> FoundItem:
            document = self._answers.read("fetch", endpoint, account, reply)
            return self._read_item("fetch", endpoint, document, sid, account)

        return self._authorize(self._build_call("fetch", endpoint, operation, account), account, read)

    def check_sid(self, operation: Fetch | Rename | Delete, account: Account) -> None:
        """Raise LegacyError 404 for a Sid that no id has; a list may show an id that is not stored yet."""
        if self.id_memory is None:
            self._collect_values(operation, account)

    def needs_item(self, operation: Rename | Delete) -> bool:
        """Whether `exchange` needs the caller ID as the upstream has it, to send more of it."""
        _, endpoint = self._find_operation(operation)
        return isinstance(endpoint, language.ItemEndpoint) and endpoint.needs_item()

    def exchange(
        self, operation: Fetch | Rename | Delete, account: Account, item: Any = None
    ) -> Exchange[Result | None]:
        """Request an operation on one caller ID; LegacyError 501 where the upstream does not offer it.

        `item` is what the upstream has, where the operation `needs_item`. The result is None where the answer
        to a rename does not hold the caller ID: then it is looked up.
        """
        name, offered = self._find_operation(operation)
        endpoint = _require_endpoint(offered, name)

        def read(reply: Reply) -> Result | None:
            try:
                document = self._answers.read(name, endpoint, account, reply)
            except LegacyError as error:
                is_gone = NOT_FOUND.status in (reply.status, error.fault.status)
                if isinstance(operation, Delete) and reply.is_repeated and is_gone:
                    return Deleted()  # by the first call, whose answer was lost
                raise
            if isinstance(operation, Delete):
                return Deleted()
            try:
                return self._read_item(name, endpoint, document, operation.sid, account).caller_id
            except LegacyError:
                if isinstance(operation, Rename):
                    return None  # the caller ID has its new name, whatever the answer holds
                raise

        return self._authorize(self._build_call(name, endpoint, operation, account, item), account, read)

    def _find_operation(
        self, operation: Fetch | Rename | Delete
    ) -> tuple[language.OperationName, language.FetchOperation]:
        operations = self._settings.operations
        match operation:
            case Fetch():
                return "fetch", operations.fetch
            case Rename():
                return "rename", operations.rename
            case Delete():
                return "delete", operations.delete

    def _read_item(
        self,
        name: language.OperationName,
        endpoint: language.ItemEndpoint,
        document: Any,
        sid: str,
        account: Account,
    ) -> FoundItem:
        """Return the caller ID in an answer; LegacyError 404 where there is none or another one."""
        at, pointers = ("operations", name, "item"), (endpoint.item or "",)
        if document is None or endpoint.item is None:  # this does not even say that there is none
            raise mismatch(Reason.ITEM_KEY, document, pointers, at, "an object")
        place = compile_pointers(pointers)(document)
        if endpoint.item and place in (None, []):
            raise missing(document, pointers, at, "an object")
        items = place if isinstance(place, list) and endpoint.item else [place]
        caller_ids, included = self._read_items(items, account)
        if not included:
            raise LegacyError(NOT_FOUND).at_key("operations", "list", "include_when")
        found = _find_item(caller_ids, included, sid if self._settings.ids.compare else caller_ids.sid[0])
        if found is None:
            own = self._settings.caller_id.id.at
            raise missing(items[0], own, ("caller_id", "id"), "the id of the request")
        return found

    def validate(
        self, operation: Validate, account: Account
    ) -> Exchange[ValidationRequest | StartedValidation]:
        """Start a validation call; StartedValidation where the call speaks the code instead of showing it."""
        endpoint = _require_endpoint(self._settings.operations.validate_, "validate")
        if self._settings.validation == "unsupported":
            raise LegacyError(UNSUPPORTED.saying("The upstream API shows no code: its call speaks it"))
        if operation.call_delay and "call_delay" not in endpoint.written_values():
            fault = BAD_CALL_DELAY.saying("The upstream API cannot delay calls: CallDelay must be 0")
            raise LegacyError(fault).at_key("operations", "validate")
        shown = self._settings.validation == "code_shown"
        at = ("operations", "validate")
        read_name = compile_reader(endpoint.friendly_name, (*at, "friendly_name"))
        read_pending = compile_reader(endpoint.pending, (*at, "pending"))
        codes = self._settings.codes
        has_conversion = endpoint.code is not None and "as_" in endpoint.code.model_fields_set
        convert = codes.read if codes and not has_conversion else None
        read_code = compile_reader(endpoint.code, (*at, "code"), Reason.CODE, convert)

        def read(reply: Reply) -> ValidationRequest | StartedValidation:
            document = self._answers.read("validate", endpoint, account, reply)
            name = operation.friendly_name and (read_name(document) or operation.friendly_name)
            code = read_code(document) if shown else ""
            request = ValidationRequest(account.sid, operation.phone_number, name, code)
            pending = read_pending(document) or operation.phone_number
            try:
                return request if shown else StartedValidation(request, str(read_opaque(pending)))
            except UnreadableError as error:
                pointers = endpoint.pending.at if endpoint.pending else ()
                where, expected = (*at, "pending"), str(error)
                raise mismatch(Reason.ITEM_TYPE, document, pointers, where, expected) from None

        return self._authorize(self._build_call("validate", endpoint, operation, account), account, read)

    def call(
        self, operation: Validate, started: StartedValidation, account: Account
    ) -> Exchange[None] | None:
        """Place the call for a number that `validate` only added; None where `validate` places it."""
        endpoint = self._settings.operations.call
        if endpoint is None:
            return None
        verify = Verify(account.sid, operation.phone_number, started.pending, code="")
        return self._acknowledge("call", endpoint, verify, account)

    def verify(self, operation: Verify, account: Account) -> Exchange[None]:
        """Send back the code of a call; LegacyError for a wrong one."""
        endpoint = self._settings.operations.verify
        if endpoint is None:
            raise LegacyError(UNSUPPORTED)
        return self._acknowledge("verify", endpoint, operation, account)

    def _acknowledge(
        self,
        name: language.OperationName,
        endpoint: language.Endpoint,
        operation: Verify,
        account: Account,
    ) -> Exchange[None]:
        def read(reply: Reply) -> None:
            self._answers.read(name, endpoint, account, reply)

        return self._authorize(self._build_call(name, endpoint, operation, account), account, read)

    # Operation → Call

    def _build_call(
        self,
        name: language.OperationName,
        endpoint: language.Endpoint,
        operation: _Operation,
        account: Account,
        item: Any = None,
    ) -> Call:
        try:
            call = self._write_call(endpoint, operation, account, item)
        except LegacyError as error:
            raise explain_call(error, self._settings, endpoint) from None
        is_refusal = self._refusals[name]
        return call._replace(is_refusal=is_refusal) if is_refusal else call

    def _write_call(
        self, endpoint: language.Endpoint, operation: _Operation, account: Account, item: Any
    ) -> Call:
        values = {**self._collect_values(operation, account), ITEM: item}
        named = {**self._variables, **values}
        if endpoint.placeholders:
            named |= write_placeholders(endpoint.placeholders, values)
        address = self._base_url + compile_template(endpoint.path)(named)
        headers = {**self._settings.headers, **endpoint.headers}
        query = write_texts(endpoint.query, values) if endpoint.query else {}
        retries = _RETRIES.get(type(operation), 0) if endpoint.retries is None else endpoint.retries
        is_safe = type(operation) in _SAFE
        body, body_type = write_body(endpoint, values)
        return Call(
            endpoint.method, address, headers, query, body, body_type, retries, is_safe, route=self.route
        )

    def _collect_values(self, operation: _Operation, account: Account) -> Mapping[str, Any]:
        """Return the values that a profile may write into a path or a parameter."""
        names = ("phone_number", "friendly_name", "call_delay", "code")
        values = {"account": account.upstream_id, **{name: getattr(operation, name, None) for name in names}}
        match operation:
            case Fetch() | Rename() | Delete():
                try:
                    upstream_id = self.id_of(operation.sid, account)
                    values["id"] = WRITE[self._settings.ids.as_](upstream_id)
                except LegacyError as error:
                    error.add_details(codec=self._settings.ids.codec)
                    raise error.at_key("ids") from None
            case Verify():
                values["id"] = operation.pending
        return values

    def _authorize(self, call: Call, account: Account, read: Callable[[Reply], T]) -> Exchange[T]:
        entry = "" if account.is_own else account.sid

        def read_reply(reply: Reply) -> T:
            try:
                return read(reply)
            except LegacyError as error:
                error.add_details(status=reply.status)
                raise

        call = self._show_credentials(call, account.credentials, entry, account.upstream_id)
        return Exchange(call, read_reply)


_SAFE = frozenset({List, Fetch})

# Operations that are idempotent; a profile may declare so of its request for renaming
_RETRIES: Mapping[type, int] = {List: 1, Fetch: 1, Delete: 1}


def _choose_exact(
    by: language.PhoneNumberFilter | language.FriendlyNameFilter, value: str
) -> language.PhoneNumberFilter | language.FriendlyNameFilter:
    """Return a filter, or that of the proxy where the upstream's expressions cannot hold the value."""
    try:
        is_inexact = isinstance(by, language.ServerFilter) and by.write(value) is None
    except LegacyError:  # the request for the list says why
        return by
    return language.ClientFilter() if is_inexact else by


def _find_item(caller_ids: CallerIds, items: Sequence[Any], wanted: str) -> FoundItem | None:
    """Return the caller ID with the `wanted` Sid, whose letters may be small or large."""
    pairs = zip(caller_ids, items, strict=True)
    return next((FoundItem(*each) for each in pairs if each[0].sid.lower() == wanted.lower()), None)


def _require_endpoint(endpoint: E | language.Unsupported | language.FromList, name: str) -> E:
    if isinstance(endpoint, language.Unsupported):
        raise LegacyError(UNSUPPORTED.saying(endpoint.unsupported)).at_key("operations", name)
    if isinstance(endpoint, language.FromList):
        raise LegacyError(UNSUPPORTED).at_key("operations", name)
    return endpoint
