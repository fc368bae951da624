"""Reads what a request says: credentials, form and query fields, and each parameter's rule."""

import base64
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import parse_qsl

from proxy.sandbox import errors
from proxy.sandbox.errors import ApiError

Fields = Mapping[str, str]

_NUMBERS = {"CallDelay", "Page", "PageSize"}  # where an empty text is a fault


def basic_credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        username, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise ApiError(errors.NOT_AUTHENTICATED) from None
    if scheme.lower() != "basic":
        raise ApiError(errors.NOT_AUTHENTICATED)
    return username, token


def fields(encoded: bytes) -> Fields:
    """Read a form or a query: of equal names the last wins, and an empty text counts as absent."""
    try:
        pairs = parse_qsl(encoded.decode(), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise ApiError(errors.BAD_FIELDS) from None
    return {name: value for name, value in dict(pairs).items() if value or name in _NUMBERS}


def e164(text: str) -> str | None:
    """Drop a number's decoration; what then is not E.164, such as ten digits without +1, is no number."""
    number = re.sub(r"[ ().-]", "", text)
    return number if re.fullmatch(r"\+[1-9][0-9]{7,14}", number) else None


def phone_number(given: Fields) -> str:
    if "PhoneNumber" not in given:
        raise ApiError(errors.NO_PHONE_NUMBER)
    number = e164(given["PhoneNumber"])
    if number is None:
        raise ApiError(errors.BAD_PHONE_NUMBER)
    return number


def phone_number_filter(given: Fields) -> str | None:
    """Keep what is no number as it is: nothing matches it."""
    text = given.get("PhoneNumber")
    return text and (e164(text) or text)


def friendly_name(given: Fields) -> str | None:
    name = given.get("FriendlyName")
    if name and (len(name) > 64 or any(unicodedata.category(character) == "Cc" for character in name)):
        raise ApiError(errors.BAD_FRIENDLY_NAME)
    return name


def call_delay(given: Fields) -> int:
    text = given.get("CallDelay", "0")
    if not re.fullmatch(r"[0-9]{1,2}", text) or int(text) > 60:
        raise ApiError(errors.BAD_CALL_DELAY)
    return int(text)


def page_size(given: Fields) -> int:
    text = given.get("PageSize", "50")
    if not re.fullmatch(r"0*[1-9][0-9]{0,99}", text):
        raise ApiError(errors.BAD_PAGE_SIZE)
    return min(int(text), 1000)


def page_number(given: Fields) -> int:
    """Read Page, a client's own count: without a PageToken only the first page can be had."""
    text = given.get("Page", "0")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ApiError(errors.BAD_PAGE)
    if int(text) and "PageToken" not in given:
        raise ApiError(errors.PAGE_WITHOUT_TOKEN)
    return int(text)
