"""Answers that are errors → where the code and the message are, and the errors of 2008 for them. Pure."""

from collections.abc import Sequence

from proxy.drafts.description import DescribedRequest
from proxy.drafts.shapes import FieldShape, list_fields
from proxy.drafts.words import ERROR_CODES, LEAST, MESSAGES, Names, has_type, rate_name
from proxy.drafts.writing import Guess, Tree, guess_from, leave_out

_MAX_POINTERS = 4
_MAX_NAMED = 8


def guess_errors(requests: Sequence[DescribedRequest], validate: DescribedRequest | None) -> Tree | Guess:
    """Return the profile's `errors`, from what the requests of the draft answer."""
    found: dict[tuple[str, ...], FieldShape] = {}
    for request in requests:
        for body in request.list_errors():
            for field in list_fields(body.shape, 4, in_arrays=True):
                if not field.shape.types & {"object", "array"}:
                    found.setdefault(field.path, field)
    fields = list(found.values())
    if not fields:
        what = "where the code and the message of an error are, as {code: /code, message: /message}"
        return leave_out(f"{what}: the description shows none")
    codes = _rank(fields, ERROR_CODES, "string", "integer")
    messages = _rank(fields, MESSAGES, "string")
    claimed = {each.path for each in (*codes, *messages)}
    rest = [each for each in fields if each.path not in claimed]
    return {
        **({"code": _write(codes, "the code of an error", rest)} if codes or rest else {}),
        **({"message": _write(messages, "the text of an error", rest)} if messages or rest else {}),
        **_guess_rows(requests, validate),
    }


def _rank(fields: Sequence[FieldShape], names: Names, *types: str) -> Sequence[FieldShape]:
    """Return the fields that fit, the most likely ones first."""
    rated = [(rate_name(each.path, names), each) for each in fields if has_type(each.shape, *types)]
    ranked = sorted((each for each in rated if each[0] >= LEAST), key=lambda each: -each[0])
    return [each for _, each in ranked]


def _write(found: Sequence[FieldShape], what: str, rest: Sequence[FieldShape]) -> Guess:
    if not found:
        named = ", ".join(each.pointer for each in rest[:_MAX_NAMED])
        return leave_out(f"where {what} is: one of {named}? Without one, delete this")
    pointers = list(dict.fromkeys(each.pointer for each in found))[:_MAX_POINTERS]
    return guess_from(found[0].place, pointers[0] if len(pointers) == 1 else pointers)


def _guess_rows(requests: Sequence[DescribedRequest], validate: DescribedRequest | None) -> Tree:
    """Return the statuses that 2008 did not have."""
    statuses = {status: node for request in requests for status, node in request.list_statuses()}
    rows: list[dict[str, object]] = []
    places: list[str] = []
    conflict = dict(validate.list_statuses()).get("409") if validate else None
    if conflict is not None:
        rows.append({"status": 409, "operation": "validate", "to_status": 400, "to_code": 21450})
        places.append(f"{conflict.place} (verified already?)")
    if "422" in statuses:
        rows.append({"status": 422, "to_status": 400})
        places.append(statuses["422"].place)
    if rows:
        return {"map": guess_from(" and ".join(places), rows)}
    if validate is None:
        return {}
    example = "[{status: 400, code: 7, to_status: 400, to_code: 21450}]"
    return {
        "map": leave_out(f"the error for a number that is validated already, as {example}, or delete this")
    }
