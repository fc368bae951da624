"""What a new sandbox holds: the account, caller ids and code of the 2008 documentation's examples."""

from proxy.sandbox.model import CallerId

ACCOUNT_SID = "AC309475e5fede1b49e100272a8640f438"
TOKEN = "demo-token"  # noqa: S105 - public on purpose
FIRST_CODE = "123456"

_TUE_01_APR_2008_11_26_32_PDT = 1207074392

CALLER_IDS = tuple(
    CallerId(sid, ACCOUNT_SID, name, number, _TUE_01_APR_2008_11_26_32_PDT, _TUE_01_APR_2008_11_26_32_PDT)
    for sid, name, number in (
        ("PNe536dfda7c6184afab78d980cb8cdf43", "Bob Cell Phone", "+14158675309"),
        ("PNe536dfda7c6DDd455fed980cb83345FF", "Company Main Line", "+14158675310"),
    )
)
