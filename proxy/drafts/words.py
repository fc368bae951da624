"""What vendors call things: names with weights, and the forms of values. Pure.

A weight says how much a name tells: 10 for a name that means one thing, less for one that may mean others.
A guess needs `LEAST` of them; formats, patterns and examples add to the name's.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from proxy.drafts.shapes import FieldShape, Shape
from proxy.profile.conversions import READ, UnreadableError
from proxy.profile.numbers import E164

LEAST = 6

Names = Mapping[str, int]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@lru_cache(maxsize=4096)
def split_words(name: str) -> str:
    """Return a name in one spelling: `pageSize`, `page[size]` and `PAGE-SIZE` are all `page_size`."""
    return "_".join(_WORD.findall(name)).lower()


def _weigh(**weights: str) -> Names:
    """Return a table from texts of names, which `w10=`, `w8=` and so on weigh."""
    return {name: int(weight[1:]) for weight, names in weights.items() for name in names.split()}


# Fields of a caller ID, and parameters that hold them

NUMBERS = _weigh(
    w10="phone_number caller_id_number callerid_number e_164 e164 msisdn telephone_number phonenumber"
    " caller_number phone_no tel_number",
    w8="number phone telephone callerid caller_id did did_number cli outgoing_number source_number tel",
    w6="tn ani line_number num",
    w4="value address",
)
IDS = _weigh(
    w10="id sid",
    w9="uuid guid uid",
    w7="identifier resource_id key ref reference",
    w6="number_id callerid_id caller_id_id phone_number_id caller_id_sid number_sid",
)
NAMES = _weigh(
    w10="friendly_name",
    w9="name label display_name",
    w8="alias nickname caller_name caller_id_name callerid_name cnam",
    w7="title description",
    w6="note notes comment memo",
)
CREATED = _weigh(
    w10="created_at date_created created_on created_date creation_date created_time create_time",
    w9="created inserted_at added_at date_added creation_time registered_at time_created",
    w7="added since registered",
)
VERIFIED_AT = _weigh(w8="verified_at validated_at verified_on verification_date verified_date date_verified")
UPDATED = _weigh(
    w10="updated_at date_updated modified_at last_modified updated_on update_time date_modified",
    w9="updated modified last_updated changed_at modified_date last_updated_at modified_time",
    w7="changed last_change",
)
ACCOUNTS = _weigh(
    w10="account_sid account_id accountid",
    w8="account auth_id account_number account_uuid",
    w7="customer_id tenant_id organization_id organisation_id org_id client_id user_id owner_id company_id",
)
CODES = _weigh(
    w10="validation_code verification_code verify_code confirmation_code",
    w9="otp passcode pin pin_code security_code",
    w8="code",
    w6="token challenge",
)
DELAYS = _weigh(w10="call_delay delay_seconds call_delay_seconds", w8="delay")
CHANNELS = _weigh(
    w9="channel verification_method method delivery_method verification_type", w6="type via mode"
)
CALLS = frozenset({"call", "voice", "phone_call", "voice_call", "phone", "tts"})
FLAGS = _weigh(
    w10="verified is_verified validated is_validated",
    w8="approved confirmed is_confirmed is_approved verification_status",
    w6="status state active is_active verification_state",
)
GOOD_STATES = ("verified", "validated", "approved", "confirmed", "active", "completed")

# Paging

_NEXT = [f"{start}_{end}" for start in ("next", "next_page") for end in ("url", "uri", "link", "href")]
NEXT_URLS = dict.fromkeys((*_NEXT, "links_next", "link_next", "links_next_href", "odata_next_link"), 10)
NEXT_URLS |= _weigh(w8="paging_next pagination_next meta_next next_href meta_next_page", w6="next next_page")
NEXT_CURSORS = _weigh(
    w10="next_cursor next_page_token next_token next_page_cursor cursor_next next_key",
    w9="cursors_after end_cursor continuation_token page_token next_marker continuation cursor_after",
    w7="cursor next after marker next_page bookmark",
)
MORE = _weigh(
    w10="has_more has_next has_next_page has_more_items has_more_results",
    w8="more is_truncated truncated more_results more_available",
)
TOTALS = _weigh(
    w10="total_count total_results total_items total_elements total_records total_entries total",
    w8="total_size total_number total_hits totalcount total_rows items_count number_count result_count",
    w7="record_count all_count",
    w4="count size",
)
SIZES = _weigh(
    w10="page_size pagesize per_page perpage results_per_page items_per_page page_limit max_results",
    w8="limit page_length max_items num_results",
    w7="size count maxresults max rows take top num first",
)
PAGES = _weigh(w10="page_number page_num pagenumber page_no page_index", w9="page current_page", w6="index p")
OFFSETS = _weigh(w10="offset page_offset start_index", w8="skip start from_index", w6="first_result start_at")
CURSORS = _weigh(
    w10="cursor page_token page_cursor next_token next_page_token page_after starting_after start_cursor",
    w9="continuation_token after next_cursor pagetoken pagination_token exclusive_start_key start_after",
    w7="marker bookmark continuation token next",
)

# Errors

ERROR_CODES = _weigh(
    w10="error_code errorcode error_code_id",
    w9="code error_id",
    w7="message_id reason_code type errno",
)
MESSAGES = _weigh(
    w10="error_message errormessage error_description error_msg",
    w9="message detail details msg",
    w8="title text description reason",
    w7="error errors error_code_label error_text errmsg",
)

# Words of paths and requests

LISTS = _weigh(
    w10="callerid callerids",
    w5="verified validated outgoing outbound verification verifications",
    w4="cli clis",
    w3="phone number numbers phonenumber phonenumbers phones dids did incoming owned my",
)
_ELSEWHERE = _weigh(
    w8="available search message messages sms order orders porting port ports lookup lookups mms fax faxes",
    w6="call calls country countries inventory coverage block blocked blacklist blocklist spam conference"
    " recording recordings voicemail emergency queue contact contacts regulatory campaign campaigns pricing"
    " address addresses webhook webhooks log logs history reservation reservations portability export",
)
_CALLER_ID = re.compile(r"caller_ids?(_|$)")


def rate_path(text: str, ignored: Sequence[str] = ()) -> int:
    """Return how much a path, or the words of a request, are about caller IDs."""
    words = _CALLER_ID.sub(r"callerid\1", split_words(text)).split("_")
    found = dict.fromkeys(word for word in words if word not in ignored)
    return sum(LISTS.get(word, 0) - _ELSEWHERE.get(word, 0) for word in found)


# Rating


def rate_name(path: Sequence[str], names: Names) -> int:
    """Return the weight of a field's name; a name with something before it weighs less, one inside too."""
    words = [split_words(each) for each in path]
    best = 0
    for length in (1, 2, 3):
        if length <= len(words):
            best = max(best, names.get("_".join(words[-length:]), 0))
    if not best:
        parts = words[-1].split("_")
        tails = (names.get("_".join(parts[start:]), 0) for start in range(1, len(parts)))
        best = max(tails, default=0) - 3
    if best <= 0:
        return 0
    return max(best - sum(word not in _WRAPPERS for word in words[:-1]), 0)


_WRAPPERS = frozenset({"attributes", "data", "error", "errors", "0", ""})
"""Names that say nothing about what they hold."""

_FOREIGN = re.compile(
    r"(account|user|customer|owner|tenant|organi[sz]ation|org|company|project|parent|call|order|country|region)_"
)


def is_foreign_id(name: str) -> bool:
    """Whether an id is one of what a caller ID belongs to."""
    return bool(_FOREIGN.match(split_words(name))) and not split_words(name).startswith("caller")


def choose(
    fields: Iterable[FieldShape], rate: Callable[[FieldShape], int], least: int = LEAST
) -> FieldShape | None:
    """Return the field with the largest weight, the first of several; None where none weighs enough."""
    rated = [(rate(each), each) for each in fields]
    best = max((weight for weight, _ in rated), default=0)
    return next(each for weight, each in rated if weight == best) if best >= least else None


def has_type(shape: Shape, *types: str) -> bool:
    """Whether a value may be of one of these types; one without any may be anything."""
    return not shape.types or bool(shape.types & {*types})


def rate_number(field: FieldShape) -> int:
    """Return how much a field looks like a phone number."""
    shape = field.shape
    weight = rate_name(field.path, NUMBERS)
    if not weight or not has_type(shape, "string", "integer") or shape.choices:
        return 0
    if find_number_form(shape) or shape.format in ("phone-number", "phone", "e164", "e.164", "tel"):
        weight += 5
    elif shape.types == {"integer"}:
        weight -= 4
    return weight + (3 if "phone number" in shape.description.lower() else 0)


# Forms of values

_NUMBER_FORMS: Sequence[tuple[re.Pattern[str], str]] = (
    (E164, "e164"),
    (re.compile(r"[1-9][0-9]{10,14}"), "digits"),
    (re.compile(r"[2-9][0-9]{9}"), "ten_digits"),
    (re.compile(r"[+(0-9][0-9 ().-]{6,20}"), "formatted"),
)


def find_number_form(shape: Shape) -> str | None:
    """Return the conversion that reads a phone number as it is described, None where nothing tells."""
    texts = [
        str(each) for each in shape.examples if isinstance(each, str | int) and not isinstance(each, bool)
    ]
    for text in texts:
        for pattern, form in _NUMBER_FORMS:
            if pattern.fullmatch(text):
                return form
    if shape.pattern.startswith(("^\\+", "^[+]", "\\+")) and not shape.pattern.startswith(("^\\+?", "^[+]?")):
        return "e164"
    if shape.pattern.replace("[0-9]", "\\d") in ("^\\d{10}$", "\\d{10}"):
        return "ten_digits"
    about = shape.description.lower()
    if "e.164" in about or "e164" in about or shape.format in ("e164", "e.164"):
        is_bare = "without" in about and ("plus" in about or "'+'" in about or "leading +" in about)
        return "digits" if is_bare or shape.types == {"integer"} else "e164"
    return None


WRITABLE = frozenset({"e164", "digits", "ten_digits"})
"""Forms in which a number can be sent."""


def find_written_form(shape: Shape, otherwise: str | None) -> str | None:
    """Return the form in which a number is sent: as it is described, or `otherwise`; None for no form."""
    form = find_number_form(shape) or otherwise
    return form if form in WRITABLE else None


_DATE_FORMATS: Mapping[str, str] = {
    "date-time": "iso8601",
    "datetime": "iso8601",
    "date": "date",
    "date-time-rfc-2822": "rfc2822",
    "rfc2822": "rfc2822",
    "rfc-2822": "rfc2822",
    "unix-time": "epoch_seconds",
    "unixtime": "epoch_seconds",
    "timestamp": "epoch_seconds",
}
_MILLISECONDS = 10**11  # as seconds, this is the year 5138


def find_date_form(shape: Shape) -> str | None:
    """Return the conversion that reads a date as it is described, None where nothing tells."""
    about = shape.description.lower()
    if shape.types & {"integer", "number"} and "string" not in shape.types:
        numbers = [each for each in shape.examples if type(each) is int]
        if "millisecond" in about or any(each >= _MILLISECONDS for each in numbers):
            return "epoch_milliseconds"
        is_epoch = numbers or any(word in about for word in ("epoch", "unix", "seconds"))
        return "epoch_seconds" if is_epoch else None
    if (named := _DATE_FORMATS.get(shape.format)) is not None:
        return named
    texts = [each for each in shape.examples if isinstance(each, str)]
    for form in ("iso8601", "rfc2822"):
        if texts and all(_is_readable(form, each) for each in texts):
            return "date" if form == "iso8601" and all(len(each) == 10 for each in texts) else form
    words = (("rfc 2822", "rfc2822"), ("rfc2822", "rfc2822"), ("iso 8601", "iso8601"), ("iso8601", "iso8601"))
    return next((form for word, form in words if word in about), None)


def _is_readable(form: Any, text: str) -> bool:
    try:
        return READ[form](text) is not None
    except UnreadableError:
        return False


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID_FORMS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"PN[0-9a-fA-F]{32}"), "identity"),
    (re.compile(_UUID, re.IGNORECASE), "uuid"),
    (re.compile(r"[0-9a-f]{32}"), "hex32"),
    (re.compile(r"[0-9A-F]{32}"), "hex32_upper"),
    (re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}"), "ulid"),
    (re.compile(r"[0-9a-f]{24}"), "hex24"),
    (re.compile(r"0|[1-9][0-9]{0,18}"), "integer"),
)
_ID_PATTERNS: Mapping[str, str] = {
    "PN[0-9a-fA-F]{32}": "identity",
    "[0-9a-f]{32}": "hex32",
    "[a-f0-9]{32}": "hex32",
    "[0-9A-F]{32}": "hex32_upper",
    "[A-F0-9]{32}": "hex32_upper",
    "[0-9a-f]{24}": "hex24",
    "[a-f0-9]{24}": "hex24",
    "[0-9a-fA-F]{24}": "hex24",
    "[0-9]+": "integer",
    "\\d+": "integer",
}
_ID_FORMATS: Mapping[str, str] = {"uuid": "uuid", "guid": "uuid", "ulid": "ulid"}
_PREFIX = re.compile(r"([A-Za-z]{1,12}[_-])(.+)")


def find_id_form(shape: Shape) -> tuple[str, str] | None:
    """Return the codec and the prefix of ids as they are described, None where nothing tells."""
    known = "integer" if shape.types == {"integer"} else _ID_FORMATS.get(shape.format)
    return (known, "") if known else _find_in_pattern(shape) or _find_in_examples(shape)


def _find_in_pattern(shape: Shape) -> tuple[str, str] | None:
    pattern = shape.pattern.removeprefix("^").removesuffix("$")
    if (found := _ID_PATTERNS.get(pattern)) is not None:
        return found, ""
    prefix = _PREFIX.match(pattern)
    if prefix and (found := _ID_PATTERNS.get(prefix[2])) is not None:
        return found, prefix[1]
    return None


def _find_in_examples(shape: Shape) -> tuple[str, str] | None:
    texts = [each for each in shape.examples if isinstance(each, str)]
    forms = {_find_form(each) for each in texts}
    if len(forms) == 1:
        return forms.pop()
    return ("uuid", "") if not texts and "uuid" in shape.description.lower() else None


def _find_form(text: str) -> tuple[str, str] | None:
    prefix = _PREFIX.fullmatch(text)
    for start, rest in (("", text), *(((prefix[1], prefix[2]),) if prefix else ())):
        for pattern, codec in _ID_FORMS:
            if pattern.fullmatch(rest) and not (start and codec == "integer"):
                return codec, start
    return None
