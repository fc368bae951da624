"""The sandbox over HTTP: Twilio's 2010-04-01 OutgoingCallerIds, and beside it the phones that ring."""

import logging

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from proxy.sandbox import answers, errors
from proxy.sandbox.errors import ApiError, Fault
from proxy.sandbox.model import Cursor, Wanted
from proxy.sandbox.paging import PageTokens
from proxy.sandbox.parameters import (
    Fields,
    basic_credentials,
    call_delay,
    fields,
    friendly_name,
    page_size,
    phone_number,
    phone_number_filter,
)
from proxy.sandbox.store import Store

log = logging.getLogger("proxy.sandbox")

STORE = web.AppKey("store", Store)

_LIST = "/2010-04-01/Accounts/{account}/OutgoingCallerIds.json"
_INSTANCE = "/2010-04-01/Accounts/{account}/OutgoingCallerIds/{sid:PN[0-9a-fA-F]{32}}.json"
_FORM = "application/x-www-form-urlencoded"
_LARGEST_BODY = 64 * 1024

_FAULTS = {404: errors.NOT_FOUND, 405: errors.METHOD_NOT_ALLOWED, 413: errors.BODY_TOO_LARGE}
_REASONS = {413: errors.BODY_TOO_LARGE.message}  # Python 3.13 has another


def make_app(store: Store) -> web.Application:
    """Serve a store, which stays the caller's to close."""
    app = web.Application(middlewares=[errors_as_json], client_max_size=_LARGEST_BODY)
    app[STORE] = store
    app.on_response_prepare.append(_name_server)
    app.add_routes(
        [
            web.get(_LIST, list_caller_ids),
            web.post(_LIST, request_validation),
            web.get(_INSTANCE, fetch),
            web.post(_INSTANCE, rename),
            web.delete(_INSTANCE, delete),
            web.get("/sandbox/calls", waiting_calls),
            web.post("/sandbox/answer", answer_call),
        ]
    )
    return app


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = "callerid-proxy-sandbox"  # aiohttp would name the version of Python


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return _error(error.fault)
    except web.HTTPException as error:
        fault = _FAULTS.get(error.status, Fault(error.status, 20000 + error.status, error.reason))
        return _error(fault, error.headers.get(hdrs.ALLOW))
    except Exception:
        log.exception("the sandbox failed")
        return _error(errors.INTERNAL)


def _error(fault: Fault, allow: str | None = None) -> web.Response:
    response = web.json_response(answers.error(fault), status=fault.status, reason=_REASONS.get(fault.status))
    if fault.status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="Twilio API"'
    if allow:
        response.headers[hdrs.ALLOW] = allow
    return response


def authenticate(request: web.Request) -> str:
    """Return the account of the credentials, which sees only paths of its own."""
    credentials = basic_credentials(request.headers.get(hdrs.AUTHORIZATION, ""))
    account_sid = request.app[STORE].authenticate(*credentials)
    if request.match_info["account"] != account_sid:
        raise ApiError(errors.NOT_FOUND)
    return account_sid


def query(request: web.Request) -> Fields:
    # aiohttp's parser without its C extension hands raw bytes on as surrogates.
    return fields(request.rel_url.raw_query_string.encode(errors="surrogateescape"))


async def form(request: web.Request) -> Fields:
    """Read the body as a form, also where no Content-Type names it."""
    body = await request.read()
    if body and hdrs.CONTENT_TYPE in request.headers and request.content_type != _FORM:
        raise web.HTTPUnsupportedMediaType
    return fields(body)


async def list_caller_ids(request: web.Request) -> web.Response:
    store, account_sid, given = request.app[STORE], authenticate(request), query(request)
    tokens = PageTokens(store.page_key, account_sid)
    cursor = tokens.read(given["PageToken"]) if "PageToken" in given else Cursor()
    wanted = Wanted(account_sid, phone_number_filter(given), given.get("FriendlyName"))
    page = store.page(wanted, cursor, page_size(given))
    return web.json_response(answers.caller_id_list(page, given, tokens))


async def request_validation(request: web.Request) -> web.Response:
    account_sid, given = authenticate(request), await form(request)
    delay = call_delay(given)
    call = request.app[STORE].call(account_sid, phone_number(given), friendly_name(given), delay)
    log.info(
        "%s rings in %d s; enter the code with: callerid-proxy sandbox answer %s CODE",
        call.phone_number,
        delay,
        call.phone_number,
    )
    return web.json_response(answers.validation_request(call))


async def fetch(request: web.Request) -> web.Response:
    item = request.app[STORE].fetch(authenticate(request), request.match_info["sid"])
    return web.json_response(answers.caller_id(item))


async def rename(request: web.Request) -> web.Response:
    """Without a FriendlyName nothing changes."""
    store, account_sid, sid = request.app[STORE], authenticate(request), request.match_info["sid"]
    name = friendly_name(await form(request))
    item = store.rename(account_sid, sid, name) if name else store.fetch(account_sid, sid)
    return web.json_response(answers.caller_id(item))


async def delete(request: web.Request) -> web.Response:
    request.app[STORE].delete(authenticate(request), request.match_info["sid"])
    return web.Response(status=204)


async def waiting_calls(request: web.Request) -> web.Response:
    store = request.app[STORE]
    return web.json_response([answers.waiting_call(call, store.clock()) for call in store.calls()])


async def answer_call(request: web.Request) -> web.Response:
    given = await form(request)
    item = request.app[STORE].answer(phone_number(given), given.get("Code", ""))
    return web.json_response(answers.answered(item))
