"""A compiled profile: Operation → Call, and Reply → model. Pure: it awaits nothing and knows no vendor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

import uritemplate

from proxy.errors import BAD_CALL_DELAY, NOT_FOUND, UNSUPPORTED, Fault, LegacyError, Reason, UpstreamError
from proxy.model import (
    Account,
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
from proxy.profile import language, paging
from proxy.profile.auth import authorize, encode_basic
from proxy.profile.calls import BodyType, Call, Reply
from proxy.profile.conversions import WRITE, UnreadableError, is_default_name, read_opaque
from proxy.profile.documents import NOT_JSON, parse_json
from proxy.profile.faults import derive_fault, find_cause, is_error
from proxy.profile.ids import build_codec
from proxy.profile.mismatches import describe, explain_call, explain_filter, explain_paging, mismatch
from proxy.profile.pointers import compile_pointers
from proxy.profile.templates import compile_template
from proxy.profile.values import (
    compile_items_reader,
    compile_reader,
    write_parameters,
    write_texts,
)

_Operation = Operation | Verify
T = TypeVar("T")
E = TypeVar("E", bound=language.Endpoint)


class Exchange(NamedTuple, Generic[T]):
    """A Call and how to read its Reply; reading raises LegacyError for an error or an invalid answer."""

    call: Call
    read: Callable[[Reply], T]


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
    ) -> None:
        """Compile `settings`; `base_url` and `variables` replace those of the profile."""
        self.limits = settings.limits
        self.has_spoken_codes = settings.validation == "code_on_phone"
        self._settings = settings
        self._variables: dict[str, Any] = {**settings.variables, **(variables or {})}
        self._base_url = uritemplate.expand(base_url or settings.base_url, self._variables)
        self.origin = urlsplit(self._base_url).netloc.rpartition("@")[2]
        """Host and port of the upstream."""
        self._codec = build_codec(settings.ids.codec, sid_key, settings.ids.prefix)
        include_when = settings.operations.list.include_when
        self._read_items = compile_items_reader(settings.caller_id, self._codec, include_when)

    # The list

    def list(self, operation: List, account: Account, offset: int = 0) -> Exchange[UpstreamPage]:
        """Request a page of the list, filtered as far as the upstream can.

        It is the first page, or the page that holds item `offset` where the upstream `has_direct_pages`.
        """
        endpoint = self._settings.operations.list
        first = self._build_call(endpoint, operation, account)
        for by, value in self._choose_filters(operation):
            if isinstance(by, language.ServerFilter):
                try:
                    first = first.with_parameters({by.parameter: WRITE[by.as_](value)})
                except LegacyError as error:
                    raise explain_filter(error, endpoint, by) from None
        if endpoint.page_size.parameter:
            first = first.with_parameters({endpoint.page_size.parameter: endpoint.page_size.max})
        start = paging.start_position(endpoint.paging, first, offset, endpoint.page_size.max)
        return self._request_page(first, start, account)

    def has_direct_pages(self, operation: List) -> bool:
        """Whether the upstream states the exact total and gives any page of what `operation` requests.

        Where the proxy itself filters, the upstream's total is not the total of the filtered list.
        """
        endpoint = self._settings.operations.list
        return (
            endpoint.total.strategy == "pointer"
            and paging.has_direct_pages(endpoint.paging)
            and not endpoint.include_when
            and all(by.mode == "server" for by, _ in self._choose_filters(operation))
        )

    def lookup(self, operation: List, account: Account) -> Exchange[Result] | None:
        """Fetch the one number that `operation` filters by, where a number is its own id; else None."""
        mode = self._settings.operations.list.filters.phone_number.mode
        if mode != "lookup" or operation.phone_number is None:
            return None
        sid = self._codec.encode(operation.phone_number, account.upstream_id)
        return self.exchange(Fetch(account.sid, sid), account)

    def _choose_filters(
        self, operation: List
    ) -> Sequence[tuple[language.PhoneNumberFilter | language.FriendlyNameFilter, str]]:
        """Return the filters that `operation` uses, each with its value.

        A caller ID without a name upstream is shown with a default name, which no upstream can filter by.
        """
        filters, name = self._settings.operations.list.filters, operation.friendly_name
        field = self._settings.caller_id.friendly_name
        can_be_default = name and is_default_name(name) and not (field and field.is_required)
        by_name = language.ClientFilter() if can_be_default else filters.friendly_name
        pairs = ((filters.phone_number, operation.phone_number), (by_name, name))
        return [(by, value) for by, value in pairs if value is not None]

    def _request_page(self, first: Call, here: paging.Position, account: Account) -> Exchange[UpstreamPage]:
        endpoint = self._settings.operations.list
        items_of = compile_pointers((endpoint.items,))

        def read(reply: Reply) -> UpstreamPage:
            try:
                page = self._read_document(endpoint, account, reply)
            except LegacyError as error:
                if not paging.is_end(here, reply, error.fault):
                    raise
                page = None
            items = items_of(page)
            if items is None and here.guess != "no":
                items = []
            if not isinstance(items, list):
                at = ("operations", "list", "items")
                raise mismatch(Reason.NO_ITEMS, page, (endpoint.items,), at, "an array")
            last = items[-1] if items else None
            try:
                total = paging.read_total(endpoint.paging, endpoint.total, reply, page)
                contents = paging.PageContents(reply, page, len(items), total, last)
                size = endpoint.page_size.max
                position = paging.next_position(endpoint.paging, first, here, contents, size)
            except UpstreamError as error:
                raise explain_paging(error, endpoint, page, last) from None
            following = partial(self._request_page, first, position) if position else None
            return UpstreamPage(self._read_items(items, account), here.offset, total, following)

        return self._authorize(here.call, account, read)

    # One number

    def exchange(self, operation: Fetch | Rename | Delete, account: Account) -> Exchange[Result]:
        """Request an operation on one caller ID; LegacyError 501 where the upstream does not offer it."""
        operations = self._settings.operations
        endpoints = {Fetch: operations.fetch, Rename: operations.rename, Delete: operations.delete}
        name = type(operation).__name__.lower()
        endpoint = _require_endpoint(endpoints[type(operation)], name)
        item_of = compile_pointers((endpoint.item,))

        def read(reply: Reply) -> Result:
            try:
                document = self._read_document(endpoint, account, reply)
            except LegacyError as error:
                is_gone = NOT_FOUND.status in (reply.status, error.fault.status)
                if isinstance(operation, Delete) and reply.is_repeated and is_gone:
                    return Deleted()  # by the first call, whose answer was lost
                raise
            if isinstance(operation, Delete):
                return Deleted()
            if document is None:  # an empty answer does not even say that there is none
                at = ("operations", name, "item")
                raise mismatch(Reason.ITEM_KEY, document, (endpoint.item,), at, "an object")
            item = item_of(document)
            if item is None and endpoint.item:
                _, pointer, found = describe(document, (endpoint.item,))
                missing = LegacyError(NOT_FOUND, pointer=pointer, expected="an object", found=found)
                raise missing.at_key("operations", name, "item")
            for caller_id in self._read_items([item], account):
                return caller_id
            raise LegacyError(NOT_FOUND).at_key("operations", "list", "include_when")

        return self._authorize(self._build_call(endpoint, operation, account), account, read)

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
        read_code = compile_reader(endpoint.code, (*at, "code"), Reason.CODE)

        def read(reply: Reply) -> ValidationRequest | StartedValidation:
            document = self._read_document(endpoint, account, reply)
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

        return self._authorize(self._build_call(endpoint, operation, account), account, read)

    def call(
        self, operation: Validate, started: StartedValidation, account: Account
    ) -> Exchange[None] | None:
        """Place the call for a number that `validate` only added; None where `validate` places it."""
        endpoint = self._settings.operations.call
        if endpoint is None:
            return None
        verify = Verify(account.sid, operation.phone_number, started.pending, code="")
        return self._acknowledge(endpoint, verify, account)

    def verify(self, operation: Verify, account: Account) -> Exchange[None]:
        """Send back the code of a call; LegacyError for a wrong one."""
        endpoint = self._settings.operations.verify
        if endpoint is None:
            raise LegacyError(UNSUPPORTED)
        return self._acknowledge(endpoint, operation, account)

    def _acknowledge(
        self, endpoint: language.Endpoint, operation: Verify, account: Account
    ) -> Exchange[None]:
        def read(reply: Reply) -> None:
            self._read_document(endpoint, account, reply)

        return self._authorize(self._build_call(endpoint, operation, account), account, read)

    # Operation → Call

    def _build_call(self, endpoint: language.Endpoint, operation: _Operation, account: Account) -> Call:
        try:
            return self._write_call(endpoint, operation, account)
        except LegacyError as error:
            raise explain_call(error, self._settings, endpoint) from None

    def _write_call(self, endpoint: language.Endpoint, operation: _Operation, account: Account) -> Call:
        values = self._collect_values(operation, account)
        address = self._base_url + compile_template(endpoint.path)({**self._variables, **values})
        headers = {**self._settings.headers, **endpoint.headers}
        query = write_texts(endpoint.query, values) if endpoint.query else {}
        retries = _RETRIES.get(type(operation), 0) if endpoint.retries is None else endpoint.retries
        is_safe = type(operation) in _SAFE
        body_type: BodyType | None = None
        body: Mapping[str, Any] = {}
        if endpoint.json_ is not None:
            body, body_type = write_parameters(endpoint.json_, values), "json"
        elif endpoint.form is not None:
            body, body_type = write_texts(endpoint.form, values), "form"
        return Call(endpoint.method, address, headers, query, body, body_type, retries, is_safe)

    def _collect_values(self, operation: _Operation, account: Account) -> Mapping[str, Any]:
        """Return the values that a profile may write into a path or a parameter."""
        names = ("phone_number", "friendly_name", "call_delay", "code")
        values = {"account": account.upstream_id, **{name: getattr(operation, name, None) for name in names}}
        match operation:
            case Fetch() | Rename() | Delete():
                try:
                    upstream_id = self._codec.decode(operation.sid, account.upstream_id)
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

        return Exchange(authorize(self._settings.auth, call, account.credentials, entry), read_reply)

    # Reply → model

    def _read_document(self, endpoint: language.Endpoint, account: Account, reply: Reply) -> Any:
        """Return the JSON of an answer, None where it is empty; LegacyError where it is an error."""
        document = parse_json(reply.body)
        if reply.status not in endpoint.success or is_error(document, self._settings.errors):
            secrets = _collect_secrets(account, self._base_url, self._settings.base_url)
            fault = derive_fault(reply, document, self._settings.errors, secrets)
            reason = _find_reason(fault, reply, account)
            shown = None if reason is Reason.CREDENTIALS else fault
            error = LegacyError(fault) if reason is None else UpstreamError(reason, shown)
            error.has_no_effect = _is_refusal(fault, reply)
            raise error.at_key(*find_cause(reply, document, self._settings, endpoint))
        # An HTML page does not come from the API
        if document is NOT_JSON or (reply.body and "html" in reply.headers.get("content-type", "").lower()):
            is_encoded = bool(reply.headers.get("content-encoding"))
            raise UpstreamError(Reason.ENCODING if is_encoded else Reason.NOT_JSON)
        return document


def _find_reason(fault: Fault, reply: Reply, account: Account) -> Reason | None:
    """Return why an error answer is a failure; None where it only says that the request is wrong."""
    if fault.status in (401, 403):
        return Reason.UNAUTHORIZED if account.is_own else Reason.CREDENTIALS
    if fault.status == 429 or reply.status in (429, 503):
        return Reason.DECLINED
    return Reason.STATUS if fault.status >= 500 else None


def _is_refusal(fault: Fault, reply: Reply) -> bool:
    """Whether an error answer says that the call changed nothing; an earlier sending may have."""
    is_refused = bool(_REFUSALS & {reply.status, fault.status}) and reply.status < 500
    return is_refused and not reply.is_repeated


_REFUSALS = frozenset({401, 403, 404})
_SAFE = frozenset({List, Fetch})

# Operations that are idempotent; a profile may declare so of its request for renaming
_RETRIES: Mapping[type, int] = {List: 1, Fetch: 1, Delete: 1}


def _require_endpoint(endpoint: E | language.Unsupported, name: str) -> E:
    if isinstance(endpoint, language.Unsupported):
        raise LegacyError(UNSUPPORTED.saying(endpoint.unsupported)).at_key("operations", name)
    return endpoint


def _collect_secrets(account: Account, *urls: str) -> Sequence[str]:
    """Return what an upstream's message must not show to a client: hosts, and credentials not its own."""
    credentials = account.credentials
    private = (account.upstream_id, credentials.username)
    hosts = (urlsplit(url).hostname or "" for url in urls)
    own = (text for text in private if text != account.sid)
    password = credentials.password
    sent = (password, quote(password, safe=""), quote_plus(password), encode_basic(credentials).rstrip("="))
    return (*sent, *hosts, *own)
