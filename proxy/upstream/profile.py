"""A profile at work: Operation → Call, and Reply → model. Pure: it awaits nothing and knows no vendor."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

import uritemplate

from proxy.errors import BAD_UPSTREAM, UNSUPPORTED, LegacyError
from proxy.model import (
    Account,
    CallerId,
    Delete,
    Deleted,
    Fetch,
    List,
    Operation,
    Rename,
    Result,
    Validate,
    ValidationRequest,
)
from proxy.upstream import language
from proxy.upstream.auth import HEADERS
from proxy.upstream.calls import Call, Reply
from proxy.upstream.conversions import DEFAULT_NAMES, READ, WRITE, UnreadableError
from proxy.upstream.documents import NO_JSON, parse
from proxy.upstream.faults import fault_of
from proxy.upstream.paging import next_call
from proxy.upstream.pointers import follow

T = TypeVar("T")
E = TypeVar("E", bound=language.Endpoint)


@dataclass(frozen=True, slots=True)
class Exchange(Generic[T]):
    """A Call and how to read its Reply; reading raises LegacyError for an error or for nonsense."""

    call: Call
    read: Callable[[Reply], T]


@dataclass(frozen=True, slots=True)
class Listing:
    """One upstream page of a list and the way to the next one."""

    caller_ids: Sequence[CallerId]
    next: "Exchange[Listing] | None"


class Profile:
    """An upstream API as its settings describe it."""

    def __init__(self, settings: language.Profile, base_url: str | None = None) -> None:
        """Serve `settings`, at `base_url` where that is not the profile's own."""
        self.limits = settings.limits
        self._settings = settings
        self._base_url = base_url or settings.base_url
        self._read_item = _item_reader(settings.caller_id)

    def list(self, operation: List, account: Account) -> Exchange[Listing]:
        """Ask for the first and largest page, narrowed down as far as the upstream can."""
        endpoint = _supported(self._settings.operations.list)
        filters = {
            "phone_number": endpoint.filters.phone_number,
            "friendly_name": endpoint.filters.friendly_name,
        }
        query = {
            by.parameter: WRITE[by.as_](value)
            for name, by in filters.items()
            if (value := getattr(operation, name)) is not None
        }
        query[endpoint.page_size.parameter] = str(endpoint.page_size.max)
        return self._page(endpoint, self._call(endpoint, operation, account, query), account)

    def exchange(self, operation: Fetch | Rename | Delete | Validate, account: Account) -> Exchange[Result]:
        """Ask for what concerns a single number; LegacyError 501 where the upstream cannot be asked."""
        operations = self._settings.operations
        match operation:
            case Fetch():
                return self._one(_supported(operations.fetch), operation, account, self._caller_id)
            case Rename():
                return self._one(_supported(operations.rename), operation, account, self._caller_id)
            case Delete():
                return self._one(_supported(operations.delete), operation, account, _deleted)
            case Validate():
                endpoint = _supported(operations.validate_)
                return self._one(endpoint, operation, account, _validation_reader(endpoint, operation))

    def _page(self, endpoint: language.ListEndpoint, call: Call, account: Account) -> Exchange[Listing]:
        items_of = follow((endpoint.items,))

        def read(reply: Reply) -> Listing:
            page = self._document(endpoint, account, reply)
            items = items_of(page)
            if not isinstance(items, list):
                raise LegacyError(BAD_UPSTREAM)
            following = next_call(endpoint.paging, call, page)
            return Listing(
                [self._caller_id(item, account) for item in items],
                self._page(endpoint, following, account) if following else None,
            )

        return Exchange(call, read)

    def _one(
        self,
        endpoint: language.Endpoint,
        operation: Operation,
        account: Account,
        read: Callable[[Any, Account], Result],
    ) -> Exchange[Result]:
        return Exchange(
            self._call(endpoint, operation, account),
            lambda reply: read(self._document(endpoint, account, reply), account),
        )

    # Operation → Call

    def _call(
        self,
        endpoint: language.Endpoint,
        operation: Operation,
        account: Account,
        query: Mapping[str, str] | None = None,
    ) -> Call:
        values = _values(operation, account)
        path = uritemplate.expand(endpoint.path, account=values["account"], id=values["id"])
        query = {**_parameters(endpoint.query, values), **(query or {})}
        url = self._base_url + path + (f"?{urlencode(query)}" if query else "")
        headers = {**self._settings.headers, **HEADERS[self._settings.auth.scheme](account.credentials)}
        if not endpoint.form:
            return Call(endpoint.method, url, headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return Call(endpoint.method, url, headers, urlencode(_parameters(endpoint.form, values)).encode())

    # Reply → model

    def _document(self, endpoint: language.Endpoint, account: Account, reply: Reply) -> Any:
        if reply.status not in endpoint.success:
            raise LegacyError(
                fault_of(
                    reply, self._settings.errors, _secrets(account, self._base_url, self._settings.base_url)
                )
            )
        document = parse(reply.body)
        if document is NO_JSON:
            raise LegacyError(BAD_UPSTREAM)
        return document

    def _caller_id(self, item: Any, account: Account) -> CallerId:
        try:
            return self._read_item(item, account)
        except UnreadableError:
            raise LegacyError(BAD_UPSTREAM) from None


def _supported(endpoint: E | None) -> E:
    if endpoint is None:
        raise LegacyError(UNSUPPORTED)
    return endpoint


def _parameters(table: Mapping[str, language.WriteValue], values: Mapping[str, Any]) -> dict[str, str]:
    """Write the parameters that there are values for; one that is None is left out."""
    found = ((name, how, values[how.from_]) for name, how in table.items())
    return {name: WRITE[how.as_](value) for name, how, value in found if value is not None}


def _values(operation: Operation, account: Account) -> Mapping[str, Any]:
    """Return what a profile may write into paths and parameters."""
    names = ("phone_number", "friendly_name", "call_delay")
    own = {name: getattr(operation, name, None) for name in names}
    return {**own, "account": account.upstream_id, "id": getattr(operation, "sid", None)}


def _secrets(account: Account, *urls: str) -> Sequence[str]:
    """Return what no client may read in an upstream's message: hosts, and what is not the client's own."""
    credentials = account.credentials
    basic = b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    private = (account.upstream_id, credentials.username)
    hosts = (urlsplit(url).hostname or "" for url in urls)
    return (credentials.password, basic, *hosts, *(text for text in private if text != account.sid))


def _reader(value: language.ReadValue) -> Callable[[Any], Any]:
    find, convert, required, default = follow(value.at), READ[value.as_], value.required, value.default

    def read(document: Any) -> Any:
        if (found := find(document)) is not None:
            return convert(found)
        if required:
            raise UnreadableError("a required value is missing")
        return default

    return read


def _item_reader(fields: language.CallerIdFields) -> Callable[[Any, Account], CallerId]:
    sid, name, number = _reader(fields.id), _reader(fields.friendly_name), _reader(fields.phone_number)
    created, updated = _reader(fields.date_created), _reader(fields.date_updated)
    owner = _reader(fields.account) if fields.account else lambda _: None
    default_name = DEFAULT_NAMES[fields.friendly_name.otherwise]

    def read(item: Any, account: Account) -> CallerId:
        if owner(item) not in (None, account.upstream_id):
            raise UnreadableError("a caller ID of another account")
        phone_number = number(item)
        friendly_name = name(item)
        return CallerId(
            sid(item),
            account.sid,
            default_name(phone_number) if friendly_name is None else friendly_name,
            phone_number,
            created(item),
            updated(item),
        )

    return read


def _deleted(_: Any, __: Account) -> Deleted:
    return Deleted()


def _validation_reader(
    endpoint: language.ValidateEndpoint, operation: Validate
) -> Callable[[Any, Account], ValidationRequest]:
    code, name = _reader(endpoint.code), _reader(endpoint.friendly_name)

    def read(document: Any, account: Account) -> ValidationRequest:
        try:
            friendly_name = name(document) or operation.friendly_name
            return ValidationRequest(account.sid, operation.phone_number, friendly_name, code(document))
        except UnreadableError:
            raise LegacyError(BAD_UPSTREAM) from None

    return read
