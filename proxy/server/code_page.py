"""Outside the 2008 API: a page, and the same for programs, that takes the code that a call spoke.

It is served on the legacy listener under `/caller-id-code`, and only where an upstream works that way.
Guesses are limited per call and per peer; browsers may post only from this page. Nothing but a right code
tells whether a number is being called.
"""

import hashlib
import html
import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from string import Template

from aiohttp import hdrs

from proxy.errors import (
    BAD_PHONE_NUMBER,
    FORBIDDEN,
    METHOD_NOT_ALLOWED,
    TOO_MANY_REQUESTS,
    WRONG_CODE,
    Fault,
    LegacyError,
)
from proxy.gateway.translator import CodeForm, Translator
from proxy.legacy import Answer, parse_body
from proxy.legacy.text import legible

PATH = "/caller-id-code"

_FOLDER = Path(__file__).parent
_PAGE, _FORM, _DONE = (
    Template((_FOLDER / name).read_text(encoding="utf-8"))
    for name in ("code_page.html", "code_form.html", "code_done.html")
)
_SEPARATORS = 14  # characters between those of a code
_LONGEST = 40  # characters of a phone number, however it is written
_STYLE = _PAGE.template.partition("<style>")[2].partition("</style>")[0]
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CONTENT_TYPE = "text/html; charset=utf-8"
_HEADERS: Mapping[str, str] = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with that, a browser gives the origin of this page's own form as `null`
    "Referrer-Policy": "same-origin",
}

_ELSEWHERE = FORBIDDEN.saying("This form was sent from another site. To confirm a number, type the code here")
_FOR_PEOPLE: Mapping[object, tuple[str, str]] = {
    BAD_PHONE_NUMBER.kind: ("number", "This is not a phone number. Type all of it, with the area code"),
    WRONG_CODE.kind: ("code", "Wrong code"),
    TOO_MANY_REQUESTS.kind: ("", "Too many tries. Wait ten minutes, then ask for a new call"),
    METHOD_NOT_ALLOWED.kind: ("", METHOD_NOT_ALLOWED.message),
    _ELSEWHERE.kind: ("", _ELSEWHERE.message),
}
"""Which field a Fault is about, and what it says to people who know of no API."""


async def answer(
    method: str, headers: Mapping[str, str], body: bytes, translator: Translator, peer: str = ""
) -> Answer:
    """Show the page for a GET, take number, code and account for a POST; statuses are those of the Faults."""
    if method in ("GET", "HEAD"):
        return _form(200, translator.codes)
    if method != "POST":
        return _refused(METHOD_NOT_ALLOWED.with_header("Allow", "GET, HEAD, POST"), translator.codes)
    if _is_from_elsewhere(headers):
        return _refused(_ELSEWHERE, translator.codes)
    number = account = ""
    try:
        form = parse_body(headers.get(hdrs.CONTENT_TYPE), body)
        number, account = form.get("PhoneNumber", ""), form.get("Account") or form.get("AccountSid", "")
        code = re.sub(r"[\s-]", "", form.get("Code", ""))
        confirmed = await translator.bring_code(number, code, account, peer)
    except LegacyError as error:
        return _refused(error.fault, translator.codes, number, account)
    label = confirmed.label and f"<p>Account: {_shown(confirmed.label)}</p>\n"
    done = _DONE.substitute(number=_shown(number), account=label, path=PATH)
    return _page("Number confirmed", done, confirmed.status)


def _is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site sent this. What is no browser sends neither header.

    The first one is believed alone, for the Host that Origin is compared with may be a reverse proxy's.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != headers.get(hdrs.HOST)


def _refused(fault: Fault, codes: CodeForm, number: str = "", account: str = "") -> Answer:
    unavailable = "The phone service does not answer as it should. Try again in a minute"
    about, words = _FOR_PEOPLE.get(
        fault.kind, ("", unavailable) if fault.status >= 500 else ("code", fault.message)
    )
    if fault.message == f"A code has {codes}":
        words = f"The code has {codes}. Check it and type it again"
    return _form(fault.status, codes, number, account, words.rstrip(".") + ".", about, fault.headers)


def _form(  # noqa: PLR0913, PLR0917 - what the form shows
    status: int,
    codes: CodeForm,
    number: str = "",
    account: str = "",
    said: str = "",
    about: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Show the form; what is `said` of one of its fields goes with that field, and so does the cursor."""
    start = about or ("code" if number else "number")
    marks = {start: " autofocus"}
    if about:
        marks[about] += ' aria-invalid="true" aria-describedby="said"'
    content = _FORM.substitute(
        said=said and f'<p id="said" class="said wrong" role="alert">{html.escape(said)}</p>\n',
        path=PATH,
        codes=codes,
        label="Six-digit code" if codes == CodeForm() else "Code",
        pattern=f" *({codes.pattern}[ \\-]*){{{_write_length(codes)}}}",
        keyboard="numeric" if codes.characters == "digits" else "text",
        longest_code=codes.length[1] + _SEPARATORS,
        longest=_LONGEST,
        number=_shown(number),
        account=_shown(account),
        about_number=marks.get("number", ""),
        about_code=marks.get("code", ""),
    )
    title = "Confirm a phone number"
    return _page(f"Not confirmed: {title}" if said else title, content, status, headers)


def _write_length(codes: CodeForm) -> str:
    shortest, longest = codes.length
    return f"{shortest}" if shortest == longest else f"{shortest},{longest}"


def _page(title: str, content: str, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    text = _PAGE.substitute(title=title, content=content)
    return Answer(status, _CONTENT_TYPE, text.encode(), {**_HEADERS, **(headers or {})})


def _shown(number: str) -> str:
    return html.escape(legible(number[:_LONGEST]))
