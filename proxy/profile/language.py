"""The language of profiles: what the YAML of an upstream may say, as frozen and checked settings.

The settings of paging, credentials and ids are beside their functions, in modules of their own. Nothing in
this package names a field of a vendor's JSON; only a profile does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictBool, StrictInt, Tag

from proxy.net.addresses import check_url
from proxy.profile.auth import Auth, AuthSettings
from proxy.profile.base import Frozen, KeyPath, Name, Pointer, Pointers, Scalar, wrap_text
from proxy.profile.codes import Codes
from proxy.profile.conversions import CONVERSIONS, WRITE, DefaultName, ReadName, TypeName, WriteName
from proxy.profile.filters import Escape, FilterTemplate, fill_template
from proxy.profile.ids import Ids
from proxy.profile.items import ItemsForm
from proxy.profile.paging import PageSize, Paging, Total, WalkTotal, has_direct_pages


def _expand_text(key: str, model: Any) -> BeforeValidator:
    """Let a plain string stand for a mapping with that one key."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value, json_schema_input_type=str | model
    )


def _tell_apart(*keys: str, otherwise: str) -> Discriminator:
    """Choose the model that has one of `keys`. Angle brackets are not in keys, which errors name likewise."""

    def has(value: Any, key: str) -> bool:
        return key in value if isinstance(value, dict) else hasattr(value, key) or hasattr(value, f"{key}_")

    def choose(value: Any) -> str:
        return f"<{next((key for key in keys if has(value, key)), otherwise)}>"

    return Discriminator(choose)


def _check_base_url(text: str) -> str:
    check_url(re.sub(r":\{\w+\}", ":1", re.sub(r"(?<!:)\{\w+\}", "x", text)))
    return text.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
ValidationMode = Literal["code_shown", "code_on_phone", "unsupported"]
"""Whether the answer to `validate` holds the code, the call speaks it, or the upstream offers neither."""


# Values


class ReadValue(Frozen):
    """How to read a value out of the upstream's JSON."""

    at: Pointers
    as_: ReadName = Field("text", alias="as")
    default: str | StrictInt | None = None
    """Used where the value is absent or null. Without one (not even a null), the value is required."""

    @property
    def is_required(self) -> bool:
        return "default" not in self.model_fields_set


class NameValue(ReadValue):
    """How to read a FriendlyName."""

    otherwise: DefaultName = "formatted_number"
    """The name of a caller ID that has none upstream."""

    @property
    def can_lack(self) -> bool:
        """Whether a caller ID may have no name upstream."""
        return not self.is_required or CONVERSIONS[self.as_].can_lack


class WriteValue(Frozen):
    """How to write a parameter from an operation."""

    from_: Literal["account", "id", "phone_number", "friendly_name", "call_delay", "code"] = Field(
        alias="from"
    )
    as_: WriteName = Field("text", alias="as")
    default: Scalar | None = None
    """Sent where the operation does not have the value; without one the parameter is left out."""
    otherwise: DefaultName | None = None
    """Instead of a default, the name of a number for which the caller has given none."""


class Constant(Frozen):
    """A parameter that is always the same."""

    constant: Scalar | None


class ItemValue(Frozen):
    """A value of the caller ID as the upstream has it, which is fetched before the request."""

    from_item: Pointer
    as_: TypeName | None = Field(None, alias="as")
    """Without one, it is sent as it is in the item, also an object or an array."""
    default: Scalar | None = None
    """Sent where the item does not have the value; null leaves the parameter out.

    Without one (not even a null), the value is required: a request that lacks it may be about other items.
    """

    @property
    def is_required(self) -> bool:
        return "default" not in self.model_fields_set


Read = Annotated[ReadValue, _expand_text("at", ReadValue)]
"""A plain string is its pointer."""
ReadFriendlyName = Annotated[NameValue, _expand_text("at", NameValue)]
Write = Annotated[
    Annotated[WriteValue, Tag("<from>")]
    | Annotated[Constant, Tag("<constant>")]
    | Annotated[ItemValue, Tag("<from_item>")],
    _tell_apart("constant", "from_item", otherwise="from"),
    _expand_text("from", WriteValue | Constant | ItemValue),
]
"""A plain string is the name of a value of the operation."""

Parameters = Mapping[str, Write]
"""By name. In JSON, a name that starts with a slash is a JSON Pointer to where the value goes, as /tags/0."""


# Operations


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Unsupported(Frozen):
    """An operation that the upstream does not offer, and why."""

    unsupported: Name


class Endpoint(Frozen):
    """One upstream request; a parameter that the operation lacks is left out."""

    method: Method
    path: str
    """A URI template (RFC 6570) over `account`, `id`, `placeholders` and variables, after the base URL."""
    placeholders: Mapping[str, Write] = {}
    """More values of the path, by name; each is percent-encoded, and none may be absent or empty."""
    headers: Mapping[str, str] = {}
    query: Mapping[str, Write] = {}
    form: Parameters | None = None
    json_: Parameters | None = Field(None, alias="json")
    merge: Parameters | None = None
    """Changes of the item (RFC 7396): PATCH sends them alone, PUT and POST the item with these changes."""
    success: tuple[StrictInt, ...] | None = None
    """The statuses that are no errors; None stands for all from 200 to 299."""
    retries: StrictInt | None = Field(None, ge=0, le=3)
    """How often it is sent again after a 5xx or no answer. Default: 1 for list, fetch and delete, else 0."""

    def is_success(self, status: int) -> bool:
        return 200 <= status < 300 if self.success is None else status in self.success

    def parameters(self) -> Iterator[tuple[KeyPath, str, Write]]:
        """Yield each parameter, also of the path: its key path from here, its name and how it is written."""
        tables = {"placeholders": self.placeholders, "query": self.query}
        tables |= {"form": self.form or {}, "json": self.json_ or {}, "merge": self.merge or {}}
        for kind, table in tables.items():
            for name, how in table.items():
                yield (kind, name), name, how

    def has_body(self) -> bool:
        return any(table is not None for table in (self.form, self.json_, self.merge))

    def sends_whole_item(self) -> bool:
        """Whether the body is the item with changes."""
        return self.merge is not None and self.method != "PATCH"

    def needs_item(self) -> bool:
        """Whether the item has to be fetched before the request."""
        is_read = any(isinstance(how, ItemValue) for _, _, how in self.parameters())
        return is_read or self.sends_whole_item()

    def written_values(self) -> set[str]:
        """Return the names of the values that parameters hold."""
        return {how.from_ for _, _, how in self.parameters() if isinstance(how, WriteValue)}


class ItemEndpoint(Endpoint):
    """A request that is answered with one caller ID."""

    item: Pointer | None = ""
    """None where the answer has none: then it is fetched."""


class FromList(Frozen):
    """The upstream has no request for one caller ID: the list holds it."""

    from_: Literal["list"] = Field(alias="from")


class ServerFilter(Frozen):
    """The upstream filters: exactly, or so that every match is in its answer (`server_superset`)."""

    mode: Literal["server", "server_superset"]
    parameter: Name
    as_: WriteName = Field("text", alias="as")
    template: FilterTemplate | None = None
    """The parameter's text, where it is an expression that holds the value as {filter}."""
    escape: Escape = "none"
    """How the value is written inside of quotation marks of the template."""

    def write(self, value: str) -> str | int | None:
        """Return the parameter; None where the value cannot be put into the template as it is."""
        written: str | int = WRITE[self.as_](value)
        if self.template is None:
            return written
        return fill_template(self.template, self.escape, str(written))


class LookupFilter(Frozen):
    """A number is its own id: a fetch of it replaces the list, with no item or one."""

    mode: Literal["lookup"]


class ClientFilter(Frozen):
    """The upstream cannot filter: the proxy reads the whole list and filters it."""

    mode: Literal["client"] = "client"


PhoneNumberFilter = Annotated[ServerFilter | LookupFilter | ClientFilter, Field(discriminator="mode")]
FriendlyNameFilter = Annotated[ServerFilter | ClientFilter, Field(discriminator="mode")]


class Filters(Frozen):
    """The two filters of the legacy list. The proxy checks equality as well, whatever the mode."""

    phone_number: PhoneNumberFilter = ClientFilter()
    friendly_name: FriendlyNameFilter = ClientFilter()
    join: str | None = None
    """What is between two expressions of one parameter."""

    def on_server(self) -> Mapping[str, ServerFilter]:
        """Return the filters that the upstream applies, by name."""
        return {name: by for name, by in self if isinstance(by, ServerFilter)}

    def joined_parameters(self) -> frozenset[str]:
        """Return the parameters that hold several expressions."""
        used = [by.parameter for by in self.on_server().values() if by.template is not None]
        return frozenset(used) if self.join is not None else frozenset()


class Condition(Frozen):
    """What must hold: of an item for it to be in the list, or of an answer."""

    at: Pointers
    equals: Scalar | None = None
    one_of: tuple[Scalar | None, ...] | None = None
    """Null stands for a value that is absent or null."""
    contains: Scalar | None = None
    """A value that an array has."""
    present: StrictBool | None = None
    empty: StrictBool | None = None
    """Whether the value is absent, null, or an object, an array or a text without content."""

    def compares(self) -> bool:
        """Whether it compares a plain value."""
        return self.equals is not None or self.one_of is not None

    def needs_value(self) -> bool:
        """Whether only what has a value meets it."""
        return not self.accepts_absence()

    def accepts_absence(self) -> bool:
        """Whether what has no value meets it."""
        return (
            self.present is False or self.empty is True or (self.one_of is not None and None in self.one_of)
        )

    def tests(self) -> Sequence[object]:
        """Return what is given of the keys of which a condition has one."""
        given = (self.equals, self.one_of, self.contains, self.present, self.empty)
        return [each for each in given if each is not None]


class EmptyAnswer(Frozen):
    """An answer that says that the list has no items, or no more; everything that is given holds."""

    status: StrictInt | None = None
    code: Scalar | None = None
    """At the place of the codes of errors."""
    when: Condition | None = None


class ListEndpoint(Endpoint):
    """The first request of a listing."""

    method: Method = "GET"
    items: Pointer
    items_are: ItemsForm = "array"
    page_size: PageSize = PageSize(max=1000)
    paging: Paging
    total: Total = WalkTotal(strategy="walk")
    filters: Filters = Filters()
    include_when: tuple[Condition, ...] = ()
    empty: tuple[EmptyAnswer, ...] = ()

    def has_direct_pages(self) -> bool:
        """Whether the upstream states the exact total, and gives any page without those before it."""
        return self.total.strategy == "pointer" and has_direct_pages(self.paging) and not self.include_when

    def added_parameters(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield the parameters that are not in a table: the key path of each from here, and its name."""
        if self.page_size.parameter:
            yield ("page_size", "parameter"), self.page_size.parameter
        if parameter := getattr(self.paging, "parameter", None):
            yield ("paging", "parameter"), parameter
        for name, by in self.filters.on_server().items():
            yield ("filters", name, "parameter"), by.parameter


class ValidateEndpoint(Endpoint):
    """The request that places a call, and what its answer says."""

    code: Read | None = None
    """The code to show; without it, the call speaks the code (`validation: code_on_phone`)."""
    friendly_name: Read | None = None
    pending: Read | None = None
    """What `verify` needs instead of an id."""


_NoOperation = Annotated[Unsupported, Tag("<unsupported>")]
_has_operation = _tell_apart("unsupported", otherwise="endpoint")
_has_fetch = _tell_apart("unsupported", "from", otherwise="endpoint")
_OneCallerId = Annotated[ItemEndpoint, Tag("<endpoint>")]
Operation = Annotated[_NoOperation | _OneCallerId, _has_operation]
FetchOperation = Annotated[_NoOperation | Annotated[FromList, Tag("<from>")] | _OneCallerId, _has_fetch]
OperationName = Literal["list", "fetch", "rename", "delete", "validate", "call", "verify"]


class Operations(Frozen):
    """One endpoint for each operation, or why there is none; then the answer is 501."""

    list: ListEndpoint
    fetch: FetchOperation
    rename: Operation
    delete: Operation
    validate_: Annotated[_NoOperation | Annotated[ValidateEndpoint, Tag("<endpoint>")], _has_operation] = (
        Field(alias="validate")
    )
    call: Endpoint | None = None
    """The request that places the call, where `validate` only adds the number."""
    verify: Endpoint | None = None
    """The request that sends back the code which the call spoke."""

    def endpoints(self) -> Mapping[str, Endpoint]:
        """Return the endpoints that there are, by the operation's name."""
        named = {field.alias or name: getattr(self, name) for name, field in Operations.model_fields.items()}
        return {name: endpoint for name, endpoint in named.items() if isinstance(endpoint, Endpoint)}

    def left_out(self) -> Mapping[str, str]:
        """Return the operations that the upstream does not offer, each with the reason."""
        offered: Mapping[str, object] = {
            "fetch": self.fetch,
            "rename": self.rename,
            "delete": self.delete,
            "validate": self.validate_,
        }
        return {name: each.unsupported for name, each in offered.items() if isinstance(each, Unsupported)}

    def name_of(self, endpoint: Endpoint) -> str:
        """Return the operation's name of one of these endpoints."""
        return next(name for name, each in self.endpoints().items() if each is endpoint)


class CallerIdFields(Frozen):
    """Where the fields of a caller ID are in one item of JSON."""

    id: Read
    account: Read | None = None
    """Must be the account of the request."""
    friendly_name: ReadFriendlyName | None = None
    phone_number: Read
    date_created: Read | None = None
    date_updated: Read | None = None


OperationNames = Annotated[
    tuple[OperationName, ...],
    BeforeValidator(wrap_text, json_schema_input_type=OperationName | tuple[OperationName, ...]),
]


class ErrorRow(Frozen):
    """An upstream's status and code, and the legacy error for them."""

    status: StrictInt
    code: Scalar | None = None
    operation: OperationNames | None = None
    """The operations that are answered so; None stands for all."""
    to_status: StrictInt = Field(ge=400, le=599)
    to_code: StrictInt | None = None
    to_message: str | None = None


class Errors(Frozen):
    """How an error answer is recognised, and where it says what is wrong."""

    present: Pointers | None = None
    """An answer that has this is an error, whatever its status."""
    when: Condition | None = None
    """An answer of which this holds is an error, whatever its status."""
    unless: Condition | None = None
    """An answer of which this does not hold is an error, unless it is empty."""
    code: Pointers | None = None
    message: Pointers | None = None
    map: tuple[ErrorRow, ...] = ()


class ListingLimits(Frozen):
    """Where a listing ends with an error rather than with a wrong total."""

    pages: StrictInt = Field(200, ge=1)
    items: StrictInt = Field(100_000, ge=1)
    bytes: StrictInt = Field(32 * 1024 * 1024, ge=1)
    """Of all answers together."""


class ProfileSettings(Frozen):
    """A whole profile: everything that the proxy knows about an upstream API."""

    name: Name
    checked_against: Name
    base_url: BaseUrl
    variables: Mapping[str, str] = {}
    """Placeholders of the base URL and the paths, and their defaults; proxy.yaml may give others."""
    headers: Mapping[str, str] = {}
    auth: AuthSettings = Auth()
    ids: Ids = Ids()
    operations: Operations
    validation: ValidationMode = "code_shown"
    codes: Codes | None = None
    """The form of validation codes. None stands for six digits, where one is typed; any code is shown."""
    caller_id: CallerIdFields
    errors: Errors = Errors()
    limits: ListingLimits = ListingLimits()
