"""Names and values of the seed document's examples."""

import base64

ACCOUNT = "AC309475e5fede1b49e100272a8640f438"
TOKEN = "demo-token"
BOB = "PNe536dfda7c6184afab78d980cb8cdf43"
COMPANY = "PNe536dfda7c6DDd455fed980cb83345FF"
LIST = f"/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds"
UPSTREAM_LIST = f"/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds"


def basic(username: str = ACCOUNT, password: str = TOKEN) -> str:
    """Return the value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
