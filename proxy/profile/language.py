"""The language of profiles: what the YAML of an upstream may say, as frozen and checked settings.

Nothing here or anywhere in this package names a field of a vendor's JSON; a profile does.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    Tag,
)

from proxy.profile.conversions import DefaultName, ReadName, WriteName
from proxy.profile.ids import CodecName


class Frozen(BaseModel):
    """Settings that cannot change and refuse keys they do not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True
    )


def _tuple_of(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _short_for(key: str, model: Any) -> BeforeValidator:
    """Let a plain string stand for a mapping with that one key."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value, json_schema_input_type=str | model
    )


def _check_not_empty(places: tuple[str, ...]) -> tuple[str, ...]:
    if not places:
        raise ValueError("expected a list that is not empty")
    return places


def _check_pointer(text: str) -> str:
    if not re.fullmatch(r"(/([^~/]|~[01])*)*", text):
        raise ValueError(
            "a JSON Pointer is empty or starts with a slash, for example /data/0/name (RFC 6901)"
        )
    return text


def _check_base_url(text: str) -> str:
    bare = re.sub(r"\{\w+\}", "x", text)
    try:
        url = urlsplit(bare if re.fullmatch("[!-z|~]*", bare) else "")
        url.port  # noqa: B018 - it raises for a port that is none
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("write a URL like https://api.example.com, without user, query or fragment")
    return text.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
Pointer = Annotated[str, AfterValidator(_check_pointer)]
Pointers = Annotated[
    tuple[Pointer, ...],
    AfterValidator(_check_not_empty),
    BeforeValidator(_tuple_of, json_schema_input_type=str | tuple[str, ...]),
]
"""Where a value stands: the first of several places that holds something."""
ValidationMode = Literal["code_shown", "code_on_phone", "unsupported"]
"""Whether the answer to `validate` holds the code, the call speaks it, or neither is of use."""
Scalar = str | StrictBool | StrictInt
Name = Annotated[str, Field(min_length=1)]


# Values


class ReadValue(Frozen):
    """How to read a value out of the upstream's JSON."""

    at: Pointers
    as_: ReadName = Field("text", alias="as")
    default: str | StrictInt | None = None
    """Used where the value is absent or null. Without one (not even a null), the value is required."""

    @property
    def required(self) -> bool:
        """Whether an answer without this value makes no sense."""
        return "default" not in self.model_fields_set


class NameValue(ReadValue):
    """How to read a FriendlyName."""

    otherwise: DefaultName = "formatted_number"
    """What a caller ID is called that has no name upstream."""


class WriteValue(Frozen):
    """How to write a parameter out of an operation."""

    from_: Literal["account", "id", "phone_number", "friendly_name", "call_delay", "code"] = Field(
        alias="from"
    )
    as_: WriteName = Field("text", alias="as")
    default: Scalar | None = None
    """Sent where the operation does not have the value; without one the parameter is left out."""


class Constant(Frozen):
    """A parameter that is always the same."""

    constant: Scalar


# In angle brackets, names of kinds are told from keys where a mistake is placed
def _write_kind(value: Any) -> str:
    named = isinstance(value, Constant) or (isinstance(value, dict) and "constant" in value)
    return "<constant>" if named else "<from>"


Read = Annotated[ReadValue, _short_for("at", ReadValue)]
"""A plain string is its pointer."""
ReadFriendlyName = Annotated[NameValue, _short_for("at", NameValue)]
Write = Annotated[
    Annotated[WriteValue, Tag("<from>")] | Annotated[Constant, Tag("<constant>")],
    Discriminator(_write_kind),
    _short_for("from", WriteValue | Constant),
]
"""A plain string is the name of a value of the operation."""

Parameters = Mapping[str, Write]
"""By name. In JSON, a name that starts with a slash is a JSON Pointer to where the value goes, as /tags/0."""


# Operations


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Unsupported(Frozen):
    """An operation that the upstream cannot do, and why."""

    unsupported: Name


class Endpoint(Frozen):
    """One upstream request; a parameter that the operation lacks is left out."""

    method: Method
    path: str
    """A URI template (RFC 6570) over `account`, `id` and the profile's variables, after the base URL."""
    headers: Mapping[str, str] = {}
    query: Parameters = {}
    form: Parameters | None = None
    json_: Parameters | None = Field(None, alias="json")
    success: tuple[StrictInt, ...] = (200,)
    retries: StrictInt | None = Field(None, ge=0, le=3)
    """How often it is sent again after a 5xx or no answer. Default: 1 for list, fetch and delete, else 0."""


class ItemEndpoint(Endpoint):
    """A request that is answered with one caller ID."""

    item: Pointer = ""


class NoPaging(Frozen):
    """The whole list comes at once."""

    strategy: Literal["none"]


class PageNumber(Frozen):
    """Pages are counted."""

    strategy: Literal["page_number"]
    parameter: Name
    base: Literal[0, 1] = 1


class Offset(Frozen):
    """Items are counted."""

    strategy: Literal["offset"]
    parameter: Name
    base: Literal[0, 1] = 0
    """What the first item is called."""


class NextUrl(Frozen):
    """Each page names the next one's URL, absolute or relative; the last one names none."""

    strategy: Literal["next_url"]
    next: Pointers


class Cursor(Frozen):
    """Each page holds a token for the next one; the last one holds none, or says that there is no more."""

    strategy: Literal["cursor"]
    next: Pointers
    parameter: Name
    more: Pointers | None = None
    """A flag that is not true on the last page, where the last page has a token too."""


class AfterLast(Frozen):
    """The next page is asked for by a value of this one's last item, as in `starting_after=ID`."""

    strategy: Literal["after_last"]
    of: Pointers
    """Where the value stands in an item."""
    parameter: Name
    more: Pointers
    """A flag that is not true on the last page."""


class RangeHeader(Frozen):
    """A Range header asks for items (RFC 9110 section 14); Content-Range tells which came and of how many."""

    strategy: Literal["range_header"]
    unit: Name
    base: Literal[0, 1] = 0


class LinkHeader(Frozen):
    """A Link header names the next page's URL (RFC 8288)."""

    strategy: Literal["link_header"]
    relation: Name = "next"


Paging = Annotated[
    NoPaging | PageNumber | Offset | NextUrl | Cursor | AfterLast | RangeHeader | LinkHeader,
    Field(discriminator="strategy"),
]


class PageSize(Frozen):
    """The largest page the upstream gives, and the parameter that asks for it."""

    parameter: Name | None = None
    max: StrictInt = Field(ge=1)


class WalkTotal(Frozen):
    """The list is walked to its end and counted."""

    strategy: Literal["walk"]


class PointerTotal(Frozen):
    """The upstream says how many items there are, so that a page can be asked for without the others."""

    strategy: Literal["pointer"]
    at: Pointers


class LengthTotal(Frozen):
    """The one page is the list."""

    strategy: Literal["length"]


Total = Annotated[WalkTotal | PointerTotal | LengthTotal, Field(discriminator="strategy")]


class ServerFilter(Frozen):
    """The upstream filters: exactly, or so that what matches is among what it gives (`server_superset`)."""

    mode: Literal["server", "server_superset"]
    parameter: Name
    as_: WriteName = Field("text", alias="as")


class LookupFilter(Frozen):
    """A number is its own id: fetching it gives a list of none or one."""

    mode: Literal["lookup"]


class ClientFilter(Frozen):
    """The upstream cannot filter: the whole list is walked and filtered here."""

    mode: Literal["client"] = "client"


PhoneNumberFilter = Annotated[ServerFilter | LookupFilter | ClientFilter, Field(discriminator="mode")]
FriendlyNameFilter = Annotated[ServerFilter | ClientFilter, Field(discriminator="mode")]


class Filters(Frozen):
    """The two filters of the legacy list. Equality is checked here as well, whatever the mode."""

    phone_number: PhoneNumberFilter = ClientFilter()
    friendly_name: FriendlyNameFilter = ClientFilter()


class Condition(Frozen):
    """What must hold: of an item for it to be in the list, or of an answer."""

    at: Pointers
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    present: StrictBool | None = None


class ListEndpoint(Endpoint):
    """The first request of a walk through the list."""

    method: Method = "GET"
    items: Pointer
    page_size: PageSize = PageSize(max=1000)
    paging: Paging
    total: Total = WalkTotal(strategy="walk")
    filters: Filters = Filters()
    include_when: tuple[Condition, ...] = ()


class ValidateEndpoint(Endpoint):
    """The request that places a call, and what its answer says."""

    code: Read | None = None
    """The code to show; where there is none, the call speaks it (`validation: code_on_phone`)."""
    friendly_name: Read | None = None
    pending: Read | None = None
    """What `verify` needs in the place of an id."""


def _kind(value: Any) -> str:
    named = isinstance(value, Unsupported) or (isinstance(value, dict) and "unsupported" in value)
    return "<unsupported>" if named else "<endpoint>"


Operation = Annotated[
    Annotated[Unsupported, Tag("<unsupported>")] | Annotated[ItemEndpoint, Tag("<endpoint>")],
    Discriminator(_kind),
]


class Operations(Frozen):
    """One endpoint for each operation, or why there is none; then the answer is 501."""

    list: ListEndpoint
    fetch: Operation
    rename: Operation
    delete: Operation
    validate_: Annotated[
        Annotated[Unsupported, Tag("<unsupported>")] | Annotated[ValidateEndpoint, Tag("<endpoint>")],
        Discriminator(_kind),
    ] = Field(alias="validate")
    call: Endpoint | None = None
    """The request that has a number called, where `validate` only adds it."""
    verify: Endpoint | None = None
    """The request that brings back a code which the call spoke."""


class Ids(Frozen):
    """How the upstream's ids become Sids."""

    codec: CodecName = "identity"
    as_: WriteName = Field("text", alias="as")
    """How an id is written in paths and parameters."""
    prefix: str = ""
    """What every id begins with, before what the codec holds."""


class CallerIdFields(Frozen):
    """Where the fields of a caller ID stand in one item of JSON."""

    id: Read
    account: Read | None = None
    """Must be the account that was asked about."""
    friendly_name: ReadFriendlyName | None = None
    phone_number: Read
    date_created: Read | None = None
    date_updated: Read | None = None


class ErrorRow(Frozen):
    """From an upstream's status and code to what 2008 calls the same thing."""

    status: StrictInt
    code: Scalar | None = None
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


class Auth(Frozen):
    """How the upstream learns who asks. `caller`: the caller's own Basic credentials, or its account's."""

    scheme: Literal["caller", "basic", "bearer", "header", "query", "none"] = "caller"
    name: str = ""
    """Of the header or the query parameter."""
    username: str = ""
    """Of another header or query parameter, which holds the user name."""
    value: str = "{password}"
    """What the header or the query parameter holds; `{username}` and `{password}` stand for the account's."""


class Limits(Frozen):
    """Where a walk through a list ends with an error rather than with a wrong total."""

    pages: StrictInt = Field(200, ge=1)
    items: StrictInt = Field(100_000, ge=1)
    bytes: StrictInt = Field(32 * 1024 * 1024, ge=1)
    """Of all answers together."""


class Profile(Frozen):
    """Everything there is to know about an upstream API."""

    name: Name
    checked_against: Name
    base_url: BaseUrl
    variables: Mapping[str, str] = {}
    """Placeholders of the base URL and the paths, and their defaults; proxy.yaml may give others."""
    headers: Mapping[str, str] = {}
    auth: Auth = Auth()
    ids: Ids = Ids()
    operations: Operations
    validation: ValidationMode = "code_shown"
    caller_id: CallerIdFields
    errors: Errors = Errors()
    limits: Limits = Limits()
