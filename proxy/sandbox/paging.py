"""Writes a cursor as a page token, sealed so that only this sandbox can have made it."""

import hmac
import re
from typing import NamedTuple

from proxy.sandbox import errors
from proxy.sandbox.errors import ApiError
from proxy.sandbox.model import Cursor


class PageTokens(NamedTuple):
    """The tokens of one account's lists: `PA` leads to what comes after a place, `PB` before it."""

    key: str
    account_sid: str

    def write(self, cursor: Cursor) -> str:
        place = f"{'PA' if cursor.forward else 'PB'}{cursor.position:016x}"
        seal = hmac.digest(self.key.encode(), f"{self.account_sid} {place}".encode(), "sha256")
        return place + seal.hex()[:16]

    def read(self, token: str) -> Cursor:
        match = re.fullmatch(r"(PA|PB)([0-9a-f]{16})[0-9a-f]{16}", token)
        cursor = match and Cursor(int(match[2], 16), forward=match[1] == "PA")
        if not cursor or not hmac.compare_digest(self.write(cursor), token):
            raise ApiError(errors.BAD_PAGE_TOKEN)
        return cursor
