"""The Authorization header of a legacy client: HTTP Basic (RFC 7617), as all of them send it."""

import base64
import binascii
import re
from collections.abc import Sequence

from proxy.errors import MALFORMED, UNAUTHENTICATED, LegacyError
from proxy.model import Credentials

_BASIC = re.compile(r"basic +([A-Za-z0-9+/=]+)", re.IGNORECASE)
_CONTROLS = re.compile("[\x00-\x1f\x7f]")


def read_credentials(authorization: Sequence[str]) -> Credentials:
    """Read the values of all Authorization headers; LegacyError 401 without usable ones, 400 for several."""
    if len(authorization) > 1:
        raise LegacyError(MALFORMED.saying("The request has more than one Authorization header"))
    found = _BASIC.fullmatch(authorization[0].strip(" \t")) if authorization else None
    username, colon, password = _decode(found[1]).partition(":") if found else ("", "", "")
    if not username or not colon:
        raise LegacyError(UNAUTHENTICATED)
    return Credentials(username, password)


def _decode(token: str) -> str:
    try:
        text = base64.b64decode(token, validate=True)
    except binascii.Error:
        return ""
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("iso-8859-1")
    return "" if _CONTROLS.search(decoded) else decoded
