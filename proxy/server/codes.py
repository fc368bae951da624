"""Outside the 2008 API: a page, and the same for programs, to bring back the code that a call spoke.

It answers on the legacy listener under `/caller-id-code`, and only where an upstream works that way. Guessing
is limited per number; browsers are believed only when the page that posts is this one.
"""

import html
from collections.abc import Mapping
from string import Template
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from proxy.errors import FORBIDDEN, METHOD_NOT_ALLOWED, Fault, LegacyError
from proxy.legacy import parse_body
from proxy.translator import Translator

PATH = "/caller-id-code"

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Confirm a phone number</title>
<style>
body { font: 1.1rem/1.5 system-ui, sans-serif; color: #222 }
body { margin: 12vh auto; max-width: 24rem; padding: 0 1rem }
h1 { font-size: 1.5rem }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600 }
input, button { font: inherit; padding: .5rem; border: 1px solid #777; border-radius: .3rem }
input { width: 100%; box-sizing: border-box }
button { margin-top: 1.5rem; padding: .5rem 1.5rem; border: 0; color: #fff; background: #14558f }
.said { padding: .5rem .75rem; border-left: .3rem solid #14558f; background: #eef4fa }
.wrong { border-color: #a11; background: #fbeeee }
</style>
</head>
<body>
<h1>Confirm a phone number</h1>
$said
<p>Your phone rang and a voice read out a code of six digits. Type it here.</p>
<form method="post" action="$path">
<label for="number">Phone number</label>
<input id="number" name="PhoneNumber" type="tel" autocomplete="tel" required value="$number">
<label for="code">Code</label>
<input id="code" name="Code" inputmode="numeric" autocomplete="one-time-code"
 pattern="[0-9]{6}" maxlength="6" required>
<button>Confirm</button>
</form>
</body>
</html>
""")

_HEADERS = {
    hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none';"
        " base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def answer(request: web.BaseRequest, body: bytes, translator: Translator) -> web.Response:
    """Show the page for a GET, take number and code for a POST; HTTP statuses are those of the Faults."""
    match request.method:
        case "GET" | "HEAD":
            return _page("", 200)
        case "POST":
            pass
        case _:
            return _refused(METHOD_NOT_ALLOWED.with_header("Allow", "GET, HEAD, POST"), "")
    if _is_from_elsewhere(request):
        return _refused(FORBIDDEN, "")
    number = ""
    try:
        form = parse_body(request.headers.get(hdrs.CONTENT_TYPE), body)
        number = form.get("PhoneNumber", "")
        await translator.bring_code(number, form.get("Code", ""))
    except LegacyError as error:
        return _refused(error.fault, number)
    return _page('<p class="said" role="status">Thank you: the number is confirmed.</p>', 200)


def _is_from_elsewhere(request: web.BaseRequest) -> bool:
    """Whether a browser says that another site sent this. What is no browser sends neither header."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get(hdrs.ORIGIN)
    own = origin is None or urlsplit(origin).netloc == request.headers.get(hdrs.HOST)
    return site not in ("same-origin", "none") or not own


def _refused(fault: Fault, number: str) -> web.Response:
    said = f'<p class="said wrong" role="alert">{html.escape(fault.message)}.</p>'
    return _page(said, fault.status, number, fault.headers)


def _page(said: str, status: int, number: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    text = _PAGE.substitute(said=said, path=PATH, number=html.escape(number[:40]))
    return web.Response(status=status, body=text.encode(), headers={**_HEADERS, **(headers or {})})
