"""What the answers of an upstream say: a document, an error, or that a list has no items. Pure."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from proxy.errors import Fault, LegacyError, Reason, UpstreamError
from proxy.model import Account
from proxy.profile.auth import encode_basic
from proxy.profile.calls import Reply
from proxy.profile.documents import NOT_JSON, parse_json
from proxy.profile.faults import compile_empty_answer, derive_fault, find_cause, is_error
from proxy.profile.items import compile_items
from proxy.profile.language import Endpoint, OperationName, ProfileSettings
from proxy.profile.pointers import compile_pointers, is_null


class AnswerReader:
    """Reads the answers of one upstream."""

    def __init__(self, settings: ProfileSettings, base_url: str) -> None:
        """Read what `settings` say; a message that names one of the hosts is not shown."""
        self._settings = settings
        self._errors = settings.errors
        self._urls = base_url, settings.base_url
        self._list = settings.operations.list
        self._list_items = compile_items(self._list.items_are)
        self._empty_answers = [compile_empty_answer(row, self._errors) for row in self._list.empty]

    def read(self, operation: OperationName, endpoint: Endpoint, account: Account, reply: Reply) -> Any:
        """Return the JSON of an answer, None where it is empty; LegacyError where it is an error."""
        document = parse_json(reply.body)
        self._check(document, operation, endpoint, account, reply)
        return document

    def read_page(self, account: Account, reply: Reply) -> tuple[Any, Any]:
        """Return the JSON of a page of the list, and what is in the place of its items, [] for no items.

        LegacyError where the answer is an error.
        """
        document, endpoint = parse_json(reply.body), self._list
        is_success = endpoint.is_success(reply.status)
        is_empty = any(is_so(reply, document, is_success=is_success) for is_so in self._empty_answers)
        if not is_empty:
            self._check(document, "list", endpoint, account, reply)
        elif not is_success or document is NOT_JSON:
            document = None
        items = self._list_items(compile_pointers((endpoint.items,))(document))
        if (
            is_empty
            or (reply.status == 204 and document is None)
            or _is_null(document, endpoint.items, reply)
        ):
            return document, items if isinstance(items, list) else []
        return document, items

    def _check(
        self, document: Any, operation: OperationName, endpoint: Endpoint, account: Account, reply: Reply
    ) -> None:
        if not endpoint.is_success(reply.status) or is_error(document, self._errors):
            secrets = _collect_secrets(account, *self._urls)
            fault = derive_fault(reply, document, self._errors, operation, secrets)
            reason = _find_reason(fault, reply, account)
            shown = None if reason is Reason.CREDENTIALS else fault
            error = LegacyError(fault) if reason is None else UpstreamError(reason, shown)
            error.has_no_effect = _is_refusal(fault, reply)
            raise error.at_key(*find_cause(reply, document, self._settings, operation, endpoint))
        # An HTML page does not come from the API
        if document is NOT_JSON or (reply.body and "html" in reply.headers.get("content-type", "").lower()):
            is_encoded = bool(reply.headers.get("content-encoding"))
            raise UpstreamError(Reason.ENCODING if is_encoded else Reason.NOT_JSON)


def _is_null(document: Any, pointer: str, reply: Reply) -> bool:
    """Whether there is a null in the place of the items; an answer without content has none."""
    return is_null(document, pointer) and bool(reply.body.strip())


def _find_reason(fault: Fault, reply: Reply, account: Account) -> Reason | None:
    """Return why an error answer is a failure; None where it only says that the request is wrong."""
    if fault.status in (401, 403):
        return Reason.UNAUTHORIZED if account.is_own else Reason.CREDENTIALS
    if fault.status == 429 or reply.status in (429, 503):
        return Reason.DECLINED
    return Reason.STATUS if fault.status >= 500 else None


def _is_refusal(fault: Fault, reply: Reply) -> bool:
    """Whether an error answer says that the call changed nothing; an earlier sending may have."""
    is_refused = bool(_REFUSALS & {reply.status, fault.status}) and reply.status < 500
    return is_refused and not reply.is_repeated


_REFUSALS = frozenset({401, 403, 404})


def _collect_secrets(account: Account, *urls: str) -> Sequence[str]:
    """Return what an upstream's message must not show to a client: hosts, and credentials not its own."""
    credentials = account.credentials
    private = (account.upstream_id, credentials.username)
    hosts = (urlsplit(url).hostname or "" for url in urls)
    own = (text for text in private if text != account.sid)
    password = credentials.password
    sent = (password, quote(password, safe=""), quote_plus(password), encode_basic(credentials).rstrip("="))
    extra = (credentials.extra,) if credentials.extra else ()
    return (*sent, *extra, *hosts, *own)
