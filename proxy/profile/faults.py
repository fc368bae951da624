"""Error answers of an upstream → Faults. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from unicodedata import category

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
from proxy.profile.base import KeyPath
from proxy.profile.calls import Reply
from proxy.profile.documents import NOT_JSON, parse_json
from proxy.profile.language import EmptyAnswer, Endpoint, ErrorRow, Errors, OperationName, ProfileSettings
from proxy.profile.pointers import compile_pointers
from proxy.profile.values import compile_condition

# Statuses with one meaning. The upstream's message would add nothing but, at times, its paths.
_STANDARD_FAULTS: Mapping[int, Fault] = {
    401: UNAUTHENTICATED,
    404: NOT_FOUND,
    405: BAD_UPSTREAM,  # an error of the profile, not of the client
    429: TOO_MANY_REQUESTS,
    500: BAD_UPSTREAM,
    502: BAD_UPSTREAM,
    503: DECLINED,
    504: TOO_SLOW,
}
# Errors of the client even without a message of the upstream
_FALLBACK_FAULTS: Mapping[int, Fault] = {400: REFUSED, 403: FORBIDDEN}
_DEFAULT_RETRY_AFTER = 1  # seconds


def is_error(document: Any, errors: Errors) -> bool:
    """Whether an answer is an error, whatever its status."""
    if document is None:
        return False
    return (
        (errors.present is not None and compile_pointers(errors.present)(document) is not None)
        or (errors.when is not None and compile_condition(errors.when)(document))
        or (errors.unless is not None and not compile_condition(errors.unless)(document))
    )


def read_code(document: Any, errors: Errors) -> str | None:
    """Return the upstream's error code as text."""
    code = compile_pointers(errors.code or ())(document)
    return str(code) if isinstance(code, str | int | float) else None


class IsEmptyAnswer(Protocol):
    """Whether an answer to a request for the list says that there are no items."""

    def __call__(self, reply: Reply, document: Any, *, is_success: bool) -> bool: ...


def compile_empty_answer(row: EmptyAnswer, errors: Errors) -> IsEmptyAnswer:
    """Return a predicate: whether an answer is as `row` says.

    What is absent may be so because the answer is an error: a row about that does not hold for errors.
    """
    when = row.when
    holds = compile_condition(when) if when else lambda _: True
    holds_by_absence = when is not None and when.accepts_absence()

    def is_empty(reply: Reply, document: Any, *, is_success: bool) -> bool:
        if document is NOT_JSON and (row.code is not None or when):
            return False
        if not (is_success if row.status is None else row.status == reply.status):
            return False
        if holds_by_absence and is_error(document, errors):
            return False
        return (row.code is None or str(row.code) == read_code(document, errors)) and holds(document)

    return is_empty


def derive_fault(
    reply: Reply, document: Any, errors: Errors, operation: OperationName, secrets: Sequence[str]
) -> Fault:
    """Return the legacy error for `reply`; a message that would show one of `secrets` is replaced."""
    code = read_code(document, errors)
    message = _sanitize_message(compile_pointers(errors.message or ())(document), secrets)
    for row in errors.map:
        if _matches(row, reply, code, operation):
            return _apply_row(row, message, reply)
    if fault := _STANDARD_FAULTS.get(reply.status):
        return _add_retry_after(fault, reply)
    if reply.status < 300 and not is_error(document, errors):
        return BAD_UPSTREAM  # a success that the profile does not list
    status = REFUSED.status if reply.status < 300 else reply.status  # an error inside a success
    if 400 <= status < 600 and (message or _parse_code(code)):
        usual = REFUSED if status < 500 else BAD_UPSTREAM
        return replace(usual.saying(message or usual.message), status=status, code=_parse_code(code))
    return _FALLBACK_FAULTS.get(reply.status, BAD_UPSTREAM)


def _matches(row: ErrorRow, reply: Reply, code: str | None, operation: str) -> bool:
    is_for = row.operation is None or operation in row.operation
    return is_for and row.status == reply.status and (row.code is None or str(row.code) == code)


_MOST_OF_AN_ERROR = 64 * 1024  # bytes: larger answers are not looked into


def compile_refusal(errors: Errors, operation: str, endpoint: Endpoint) -> Callable[[Reply], bool] | None:
    """Return a predicate: whether an answer that is no 401 is one for the program, by the rows of `errors`.

    None where no row says so. A 5xx never does: its request may have had an effect.
    """
    rows = [row for row in errors.map if row.operation is None or operation in row.operation]
    statuses = {row.status for row in rows if row.to_status == UNAUTHENTICATED.status and row.status < 500}
    if not statuses:
        return None

    def is_refusal(reply: Reply) -> bool:
        if reply.status not in statuses or len(reply.body) > _MOST_OF_AN_ERROR:
            return False
        document = parse_json(reply.body)
        if endpoint.is_success(reply.status) and not is_error(document, errors):
            return False
        code = read_code(document, errors)
        first = next((row for row in rows if _matches(row, reply, code, operation)), None)
        return first is not None and first.to_status == UNAUTHENTICATED.status

    return is_refusal


def find_cause(
    reply: Reply, document: Any, profile: ProfileSettings, operation: OperationName, endpoint: Endpoint
) -> KeyPath:
    """Return the key of the profile that makes an answer an error; an empty one where the status does."""
    errors, code = profile.errors, read_code(document, profile.errors)
    for index, row in enumerate(errors.map):
        if _matches(row, reply, code, operation):
            return "errors", "map", index
    if endpoint.is_success(reply.status):
        keys = ("present", "when", "unless")
        one_by_one = (Errors.model_construct(**{key: getattr(errors, key)}) for key in keys)
        return "errors", next(
            key for key, each in zip(keys, one_by_one, strict=True) if is_error(document, each)
        )
    return ("operations", operation, "success") if reply.status < 300 else ()


def _apply_row(row: ErrorRow, message: str, reply: Reply) -> Fault:
    """Return the fault of a row; a status with one meaning keeps its message, unless the row has another."""
    usual = _STANDARD_FAULTS.get(row.to_status)
    if usual is None or (usual is UNAUTHENTICATED and row.to_code is not None):
        fault = replace(usual or REFUSED, code=row.to_code)
        text = row.to_message or message or fault.message
    else:
        fault = _add_retry_after(usual, reply)
        fault = replace(fault, code=fault.code if row.to_code is None else row.to_code)
        text = row.to_message or fault.message
    return replace(fault.saying(text), status=row.to_status)


def _add_retry_after(fault: Fault, reply: Reply) -> Fault:
    if fault not in (TOO_MANY_REQUESTS, DECLINED):
        return fault
    return fault.with_header("Retry-After", str(reply.retry_after or _DEFAULT_RETRY_AFTER))


def _parse_code(code: str | None) -> int | None:
    return int(code) if code and re.fullmatch("[0-9]{1,9}", code[:10]) else None


_UNPRINTABLE = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"))
_ADDRESS = re.compile(r"://|/[A-Za-z0-9_.-]+[/.]")


def _is_one_line(text: str) -> bool:
    """Whether no character is a control or another separator than a space.

    `isprintable` refuses characters that Unicode assigned after the release of the Python that runs this.
    """
    return not any(character != " " and category(character) in _UNPRINTABLE for character in text)


def _sanitize_message(message: Any, secrets: Sequence[str]) -> str:
    """Return an upstream's message if it is one short line without addresses or credentials, else ''."""
    if not isinstance(message, str) or len(message) > 256 or not _is_one_line(message):
        return ""
    folded = message.casefold()
    shows_secret = any(secret.casefold() in folded for secret in secrets if secret)
    return "" if shows_secret or _ADDRESS.search(message) else message
