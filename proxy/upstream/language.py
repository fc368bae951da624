"""The language of profiles: what the YAML of an upstream may say, as frozen and checked settings.

Nothing here or anywhere in this package names a field of a vendor's JSON; a profile does.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from proxy.upstream.conversions import DefaultName, ReadName, WriteName


class Frozen(BaseModel):
    """Settings that cannot change and refuse keys they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _tuple_of(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _short_for(key: str) -> BeforeValidator:
    """Let a plain string stand for a mapping with that one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


def _check_pointer(text: str) -> str:
    if not re.fullmatch(r"(/([^~/]|~[01])*)*", text):
        raise ValueError(
            "a JSON Pointer is empty or starts with a slash, for example /data/0/name (RFC 6901)"
        )
    return text


def _check_base_url(text: str) -> str:
    url = urlsplit(text) if text.isascii() and text.isprintable() and " " not in text else urlsplit("")
    try:
        url.port  # noqa: B018 - it raises for a port that is none
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("write a URL like https://api.example.com, without user, query or fragment")
    return text.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
Pointer = Annotated[str, AfterValidator(_check_pointer)]
Pointers = Annotated[tuple[Pointer, ...], BeforeValidator(_tuple_of), Field(min_length=1)]
"""Where a value stands: the first of several places that holds something."""


class ReadValue(Frozen):
    at: Pointers
    as_: ReadName = Field("text", alias="as")
    default: str | StrictInt | None = None
    """Used where the value is absent or null. Without one (not even a null), the value is required."""

    @property
    def required(self) -> bool:
        """Whether an answer without this value makes no sense."""
        return "default" not in self.model_fields_set


class NameValue(ReadValue):
    otherwise: DefaultName = "formatted_number"
    """What a caller ID is called that has no name upstream."""


class WriteValue(Frozen):
    from_: Literal["account", "id", "phone_number", "friendly_name", "call_delay"] = Field(alias="from")
    as_: WriteName = Field("text", alias="as")


Read = Annotated[ReadValue, _short_for("at")]
"""How to read a value out of the upstream's JSON; a plain string is its pointer."""
ReadFriendlyName = Annotated[NameValue, _short_for("at")]
Write = Annotated[WriteValue, _short_for("from")]
"""How to write a parameter of an operation; a plain string is its name."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Endpoint(Frozen):
    """One upstream request; a parameter that the operation lacks is left out."""

    method: Method
    path: str
    """A URI template (RFC 6570) over `account` and `id`, appended to the base URL."""
    query: Mapping[str, Write] = {}
    form: Mapping[str, Write] = {}
    success: tuple[StrictInt, ...] = (200,)


class NextUrl(Frozen):
    """Each page names the next one's URL, absolute or relative; the last one names none."""

    strategy: Literal["next_url"]
    next: Pointers


Paging = NextUrl


class PageSize(Frozen):
    """The largest page the upstream gives, and the parameter that asks for it."""

    parameter: str
    max: StrictInt = Field(ge=1)


class Filter(Frozen):
    """How the upstream narrows a list down. Equality is checked here as well."""

    mode: Literal["server"]
    parameter: str
    as_: WriteName = Field("text", alias="as")


class Filters(Frozen):
    """The two filters of the legacy list."""

    phone_number: Filter
    friendly_name: Filter


class Limits(Frozen):
    """Where a walk through a list ends with an error rather than with a wrong total."""

    pages: StrictInt = Field(200, ge=1)
    items: StrictInt = Field(100_000, ge=1)


class ListEndpoint(Endpoint):
    """The first request of a walk through the list."""

    method: Method = "GET"
    items: Pointer
    page_size: PageSize
    paging: Paging
    filters: Filters


class ValidateEndpoint(Endpoint):
    """The request that places a call, and what its answer says."""

    code: Read
    friendly_name: Read


class Operations(Frozen):
    """One endpoint for each operation; one that is left out is answered with 501."""

    list: ListEndpoint | None = None
    fetch: Endpoint | None = None
    rename: Endpoint | None = None
    delete: Endpoint | None = None
    validate_: ValidateEndpoint | None = Field(None, alias="validate")


class CallerIdFields(Frozen):
    """Where the fields of a caller ID stand in one item of JSON."""

    id: Read
    account: Read | None = None
    """Must be the account that was asked about."""
    friendly_name: ReadFriendlyName
    phone_number: Read
    date_created: Read
    date_updated: Read


class ErrorRow(Frozen):
    """From an upstream's status and code to what 2008 calls the same thing."""

    status: StrictInt
    code: StrictInt | str | None = None
    to_status: StrictInt = Field(ge=400, le=599)
    to_code: StrictInt | None = None
    to_message: str | None = None


class Errors(Frozen):
    """Where an error answer says what is wrong."""

    code: Pointers
    message: Pointers
    map: tuple[ErrorRow, ...] = ()


class Auth(Frozen):
    """How the upstream learns who asks. `caller`: the caller's own Basic credentials, or its account's."""

    scheme: Literal["caller"] = "caller"


class Profile(Frozen):
    """Everything there is to know about an upstream API."""

    name: str
    base_url: BaseUrl
    headers: Mapping[str, str] = {}
    auth: Auth = Auth()
    operations: Operations
    caller_id: CallerIdFields
    errors: Errors
    limits: Limits = Limits()
