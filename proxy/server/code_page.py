"""Outside the 2008 API: a page, and the same for programs, that takes the code that a call spoke.

It is served on the legacy listener under `/caller-id-code`, and only where an upstream works that way.
Guesses are limited per number; browsers may post only from this page.
"""

import hashlib
import html
import re
from base64 import b64encode
from collections.abc import Mapping
from string import Template

from aiohttp import hdrs

from proxy.errors import (
    BAD_CODE,
    BAD_PHONE_NUMBER,
    FORBIDDEN,
    METHOD_NOT_ALLOWED,
    NO_SUCH_CALL,
    NOT_FOUND,
    NOT_SHOWN_YET,
    REFUSED,
    TOO_MANY_REQUESTS,
    Fault,
    LegacyError,
)
from proxy.gateway.translator import Translator
from proxy.legacy import Answer, parse_body
from proxy.legacy.text import legible

PATH = "/caller-id-code"

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --around: #eef1f5; --quiet: #57606a }
:root { --line: #818b98; --strong: #0b5cad; --on: #fff; --good: #e6f4ea; --bad: #fdecea; --wrong: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --paper: #1c2128; --around: #12161b; --quiet: #a8b1bb; --line: #768390 }
  :root { --strong: #79b8ff; --on: #0d1b2a; --good: #17321f; --bad: #3d1f1f; --wrong: #ff8f85 }
}
* { box-sizing: border-box }
body { margin: 0; padding: 8vh 1rem 2rem; font: 1.0625rem/1.5 system-ui, sans-serif }
body { color: var(--ink); background: var(--around) }
main { max-width: 26rem; margin: auto; padding: 2rem; border-radius: .75rem; background: var(--paper) }
main { box-shadow: 0 1px 3px #0003, 0 8px 24px #0001; overflow-wrap: anywhere }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25 }
p { margin: 0 0 1rem; color: var(--quiet) }
p:last-child { margin: 0 }
label { display: block; margin: 1.25rem 0 .375rem; font-weight: 600 }
input, button { width: 100%; min-height: 3rem; font: inherit; border-radius: .5rem }
input { padding: 0 .75rem; color: inherit; background: transparent; border: 1px solid var(--line) }
input[aria-invalid] { border: 2px solid var(--wrong) }
#code { font-size: 1.375rem; letter-spacing: .25em; font-variant-numeric: tabular-nums }
button { margin-top: 1.75rem; border: 0; font-weight: 600; color: var(--on); background: var(--strong) }
button { cursor: pointer }
:focus-visible { outline: 3px solid var(--strong); outline-offset: 2px }
a { color: var(--strong) }
.said { padding: .75rem 1rem; border-radius: .5rem; color: inherit; background: var(--good) }
.wrong { background: var(--bad); border-left: .25rem solid var(--wrong) }
"""

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
$content
</main>
</body>
</html>
""")

_FORM = Template("""\
<h1>Confirm a phone number</h1>
$said<p>The phone rang, and a voice read out a code of six digits. Type it here.</p>
<form method="post" action="$path">
<label for="number">Phone number</label>
<input id="number" name="PhoneNumber" type="tel" autocomplete="tel" maxlength="$longest" required \
value="$number"$about_number>
<label for="code">Six-digit code</label>
<input id="code" name="Code" inputmode="numeric" autocomplete="one-time-code" maxlength="20" required \
pattern=" *([0-9][ \\-]*){6}" title="The six digits that the voice read out"$about_code>
<button>Confirm</button>
</form>""")

_DONE = Template("""\
<h1>Thank you</h1>
<p class="said" role="status">$number is confirmed.</p>
<p>You can close this page, or <a href="$path">confirm another number</a>.</p>""")

_LONGEST = 40  # characters of a phone number, however it is written
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
_GONE = (
    "number",
    (
        "No call to this number is waiting for its code. Check the number; if more than ten minutes have"
        " passed, ask for a new call"
    ),
)
_FOR_PEOPLE: Mapping[object, tuple[str, str]] = {
    fault.kind: shown
    for fault, shown in (
        (BAD_PHONE_NUMBER, ("number", "This is not a phone number. Type all of it, with the area code")),
        (NO_SUCH_CALL, _GONE),
        (NOT_FOUND, _GONE),
        (BAD_CODE, ("code", "The code has six digits. Check it and type it again")),
        (REFUSED, ("code", "This is not the code. Check it and type it again")),
        (TOO_MANY_REQUESTS, ("", "Too many tries. Wait ten minutes, then ask for a new call")),
        (METHOD_NOT_ALLOWED, ("", METHOD_NOT_ALLOWED.message)),
        (_ELSEWHERE, ("", _ELSEWHERE.message)),
    )
}
"""Which field a Fault is about, and what it says to people who know of no API."""


async def answer(method: str, headers: Mapping[str, str], body: bytes, translator: Translator) -> Answer:
    """Show the page for a GET, take number and code for a POST; HTTP statuses are those of the Faults."""
    match method:
        case "GET" | "HEAD":
            return _form(200)
        case "POST":
            pass
        case _:
            return _refused(METHOD_NOT_ALLOWED.with_header("Allow", "GET, HEAD, POST"))
    if _is_from_elsewhere(headers):
        return _refused(_ELSEWHERE)
    number, status = "", 200
    try:
        form = parse_body(headers.get(hdrs.CONTENT_TYPE), body)
        number = form.get("PhoneNumber", "")
        await translator.bring_code(number, re.sub(r"[\s-]", "", form.get("Code", "")))
    except LegacyError as error:
        if error.fault is not NOT_SHOWN_YET:
            return _refused(error.fault, number)
        status = error.fault.status  # for programs; the number is confirmed all the same
    return _page("Number confirmed", _DONE.substitute(number=_shown(number), path=PATH), status)


def _is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site sent this. What is no browser sends neither header.

    The first one is believed alone, for the Host that Origin is compared with may be a reverse proxy's.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != headers.get(hdrs.HOST)


def _refused(fault: Fault, number: str = "") -> Answer:
    unavailable = "The phone service does not answer as it should. Try again in a minute"
    about, words = _FOR_PEOPLE.get(
        fault.kind, ("", unavailable) if fault.status >= 500 else ("code", fault.message)
    )
    return _form(fault.status, number, words.rstrip(".") + ".", about, fault.headers)


def _form(
    status: int, number: str = "", said: str = "", about: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    """Show the form; what is `said` of one of its fields goes with that field, and so does the cursor."""
    start = about or ("code" if number else "number")
    marks = {start: " autofocus"}
    if about:
        marks[about] += ' aria-invalid="true" aria-describedby="said"'
    content = _FORM.substitute(
        said=said and f'<p id="said" class="said wrong" role="alert">{html.escape(said)}</p>\n',
        path=PATH,
        longest=_LONGEST,
        number=_shown(number),
        about_number=marks.get("number", ""),
        about_code=marks.get("code", ""),
    )
    title = "Confirm a phone number"
    return _page(f"Not confirmed: {title}" if said else title, content, status, headers)


def _page(title: str, content: str, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    text = _PAGE.substitute(title=title, style=_STYLE, content=content)
    return Answer(status, _CONTENT_TYPE, text.encode(), {**_HEADERS, **(headers or {})})


def _shown(number: str) -> str:
    return html.escape(legible(number[:_LONGEST]))
