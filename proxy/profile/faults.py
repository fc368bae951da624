"""Error answers of an upstream → Faults."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from proxy.errors import (
    BAD_UPSTREAM,
    DECLINED,
    FORBIDDEN,
    NOT_FOUND,
    REFUSED,
    TOO_MANY_REQUESTS,
    TOO_SLOW,
    UNAUTHENTICATED,
    Fault,
)
from proxy.profile.calls import Reply
from proxy.profile.language import ErrorRow, Errors
from proxy.profile.pointers import follow
from proxy.profile.values import condition

# Statuses that say it all. The upstream's own words would add nothing but, at times, its paths.
_SELF_EXPLANATORY: Mapping[int, Fault] = {
    401: UNAUTHENTICATED,
    404: NOT_FOUND,
    405: BAD_UPSTREAM,  # not the client's doing: the profile's
    429: TOO_MANY_REQUESTS,
    500: BAD_UPSTREAM,
    502: BAD_UPSTREAM,
    503: DECLINED,
    504: TOO_SLOW,
}
# Statuses that are the client's doing even where the upstream does not say why
_WORDLESS: Mapping[int, Fault] = {400: REFUSED, 403: FORBIDDEN}
_DEFAULT_RETRY_AFTER = 1  # seconds


def is_error(document: Any, errors: Errors) -> bool:
    """Whether an answer is an error whatever its status says."""
    if document is None:
        return False
    return (
        (errors.present is not None and follow(errors.present)(document) is not None)
        or (errors.when is not None and condition(errors.when)(document))
        or (errors.unless is not None and not condition(errors.unless)(document))
    )


def fault_of(reply: Reply, document: Any, errors: Errors, secrets: Sequence[str]) -> Fault:
    """Say in the words of 2008 what `reply` says; a message that would show one of `secrets` is replaced."""
    code = follow(errors.code or ())(document)
    message = _presentable(follow(errors.message or ())(document), secrets)
    for row in errors.map:
        if row.status == reply.status and (row.code is None or str(row.code) == str(code)):
            return _mapped(row, message, reply)
    if fault := _SELF_EXPLANATORY.get(reply.status):
        return _with_retry_after(fault, reply)
    if reply.status < 300 and not is_error(document, errors):
        return BAD_UPSTREAM  # a success, though not one that the profile knows
    status = REFUSED.status if reply.status < 300 else reply.status  # an error inside a success
    if 400 <= status < 500 and (message or _number(code)):
        fault = REFUSED.saying(message or REFUSED.message)
        return replace(fault, status=status, code=_number(code))
    return _WORDLESS.get(reply.status, BAD_UPSTREAM)


def _mapped(row: ErrorRow, message: str, reply: Reply) -> Fault:
    """Return what a row says; a status that says it all keeps its own words, unless the row has others."""
    usual = _SELF_EXPLANATORY.get(row.to_status)
    if usual is None or (usual is UNAUTHENTICATED and row.to_code is not None):
        fault = replace(usual or REFUSED, code=row.to_code)
        words = row.to_message or message or fault.message
    else:
        fault = _with_retry_after(usual, reply)
        fault = replace(fault, code=fault.code if row.to_code is None else row.to_code)
        words = row.to_message or fault.message
    return replace(fault.saying(words), status=row.to_status)


def _with_retry_after(fault: Fault, reply: Reply) -> Fault:
    if fault not in (TOO_MANY_REQUESTS, DECLINED):
        return fault
    return fault.with_header("Retry-After", str(reply.retry_after or _DEFAULT_RETRY_AFTER))


def _number(code: Any) -> int | None:
    return int(code) if re.fullmatch("[0-9]{1,9}", str(code)) else None


_ADDRESS = re.compile(r"://|/[A-Za-z0-9_.-]+[/.]")


def _presentable(message: Any, secrets: Sequence[str]) -> str:
    """Return an upstream's message if it is one short line without addresses or credentials, else ''."""
    if not isinstance(message, str) or len(message) > 256 or not message.isprintable():
        return ""
    if _ADDRESS.search(message) or any(
        secret.casefold() in message.casefold() for secret in secrets if secret
    ):
        return ""
    return message
