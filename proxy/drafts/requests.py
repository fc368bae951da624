"""Requests of a description → the operations on one caller ID, and the validation of a number. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from proxy.drafts.candidates import (
    ValidationRequests,
    choose_field,
    find_rename,
    find_request,
    has_number_word,
)
from proxy.drafts.description import DescribedRequest
from proxy.drafts.parameters import (
    CODE,
    DELAY,
    ID,
    NAME,
    Context,
    Role,
    make_number_role,
    write_body,
    write_extras,
    write_path,
)
from proxy.drafts.shapes import FieldShape, Shape, find_inside, list_fields
from proxy.drafts.words import CODES, IDS, NAMES, choose, find_id_form, has_type, rate_name, split_words
from proxy.drafts.writing import MISSING, Guess, Tree, guess_from, guess_without

# Where the item is in an answer


def write_item(request: DescribedRequest, context: Context) -> Guess | None:
    """Return where the answer has the caller ID; None where it is the whole answer."""
    if request.answer is None:
        if request.method == "GET":
            return Guess(
                MISSING, f"look up where the answer has the caller ID: {request.place} describes none"
            )
        return guess_without(None, "the answer does not have the caller ID")
    known = [each.path for each in (context.fields.number, context.fields.id) if each]
    shape = request.answer.shape
    if _holds(shape, known):
        return None
    for field in list_fields(shape):
        held = field.shape.items if "array" in field.shape.types else field.shape
        if held is not None and _holds(held, known):
            return guess_from(field.place, field.pointer)
    if request.method == "GET":
        return Guess(
            MISSING, f"look up where the answer has the caller ID: it is not obvious in {shape.place}"
        )
    return guess_without(None, f"the answer does not have the caller ID: {shape.place}")


def _holds(shape: Shape, paths: Sequence[Sequence[str]]) -> bool:
    return "array" not in shape.types and bool(paths) and all(find_inside(shape, path) for path in paths)


# Operations


def write_operation(
    request: DescribedRequest,
    context: Context,
    roles: Sequence[Role] | None = None,
    repeated: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Guess | Tree]:
    """Return method, path and parameters of a request about one caller ID."""
    own_id = context.find_own_placeholder(request.path)
    tree: dict[str, Guess | Tree] = {
        "method": guess_from(request.place, request.method),
        "path": write_path(request, own_id),
    }
    extras = write_extras(request, context, frozenset())
    headers, query = dict(extras["headers"]), extras["query"]  # type: ignore[arg-type]
    if roles is not None and request.body:
        kind, parameters = write_body(request.body, roles, context, repeated)
        if request.body.kind == "json" and request.body.media_type not in ("application/json", "*/*"):
            headers["Content-Type"] = guess_from(request.place, request.body.media_type)
        tree[kind] = parameters or guess_without({}, "the body is empty")
    return {**tree, "headers": headers, "query": query}


def guess_fetch(context: Context, item_path: str | None) -> Tree | Guess:
    request = find_request(context.description, item_path, "GET")
    if request is None:
        return guess_without({"from": "list"}, "the description has no request for one caller ID")
    tree = write_operation(request, context)
    item = write_item(request, context)
    return {**tree, "item": item} if item else tree


def guess_rename(context: Context, item_path: str | None) -> Tree | Guess:
    request = find_rename(context.description, item_path)
    if request is None:
        reason = "This vendor's API does not rename caller IDs"
        return guess_without({"unsupported": reason}, "the description has no request that changes a name")
    tree = write_operation(request, context, (NAME, _ID_IF_REQUIRED), context.fields.known)
    item = write_item(request, context)
    return {**tree, "item": item} if item else tree


_ID_IF_REQUIRED: Role = (lambda field: ID[0](field) if field.is_required else 0, ID[1])


def guess_delete(context: Context, item_path: str | None, *, is_sure: bool) -> Tree | Guess:
    """Return the request; unless the list `is_sure` to be of caller IDs, with a warning."""
    request = find_request(context.description, item_path, "DELETE")
    if request is None:
        reason = "This vendor's API does not delete caller IDs"
        return guess_without({"unsupported": reason}, "the description has no DELETE of one caller ID")
    tree = write_operation(request, context)
    if not is_sure:
        tree["method"] = guess_from(request.place, "DELETE", "does it cancel a rented number?")
    return tree


# Validation


@dataclass(frozen=True, slots=True)
class ValidationDraft:
    """The parts of a profile that are about validation."""

    mode: Guess
    operations: Tree
    codes: Guess | None


def guess_validation(context: Context, found: ValidationRequests) -> ValidationDraft:
    """Return how a number is validated."""
    others = ", ".join(each.place for each in found.others[:5])
    hint = f"; others: {others}" if others else ""
    if found.validate is None:
        return _refuse_validation("the description has no request that validates a number")
    if found.verify is not None:
        return _speak_code(context, found.validate, found.verify, found.call, hint)
    if found.code is not None:
        return _show_code(context, found.validate, found.code, hint)
    why = f"{found.validate.place} takes a number, but nothing shows a code or takes one{hint}"
    return _refuse_validation(why)


def _refuse_validation(why: str) -> ValidationDraft:
    reason = "This vendor's API does not validate numbers"
    operations = {"validate": guess_without({"unsupported": reason}, why)}
    return ValidationDraft(guess_without("unsupported", why), operations, None)


def _write_validate(context: Context, request: DescribedRequest) -> dict[str, Guess | Tree]:
    validate = write_operation(request, context, (make_number_role(context.fields), NAME, DELAY))
    if request.answer and (name := choose_field(request.answer.shape, NAMES, 7)):
        validate["friendly_name"] = guess_from(name.place, {"at": name.pointer, "default": None})
    return validate


def _show_code(context: Context, request: DescribedRequest, code: FieldShape, hint: str) -> ValidationDraft:
    """Return a validation whose answer has the code, which the callee types."""
    validate, codes = _write_validate(context, request), _guess_codes(code.shape, code.place)
    is_six_digits = codes is None and _has_six_digits(code.shape)
    value = {"at": code.pointer, "as": "six_digits"} if is_six_digits else code.pointer
    validate["code"] = guess_from(code.place, value)
    mode = guess_from(code.place, "code_shown", f"the answer has the code{hint}")
    return ValidationDraft(mode, {"validate": validate}, codes)


def _has_six_digits(shape: Shape) -> bool:
    """Whether a code has six digits; as a number it has most likely, since zeros are lost otherwise."""
    texts = [str(each) for each in shape.examples]
    is_told = re.search(r"\b(6|six)[- ]digits?\b", shape.description.lower()) or "{6}" in shape.pattern
    return (
        bool(is_told) or shape.types == {"integer"} or any(re.fullmatch("[0-9]{6}", each) for each in texts)
    )


def _speak_code(
    context: Context,
    request: DescribedRequest,
    verify: DescribedRequest,
    call: DescribedRequest | None,
    hint: str,
) -> ValidationDraft:
    """Return a validation whose call speaks the code, which `verify` sends back."""
    validate = _write_validate(context, request)
    pending = _write_pending(verify, request.answer.shape if request.answer else None, context)
    operations: Tree = {
        "validate": {**validate, "pending": pending} if pending else validate,
        **({"call": write_operation(call, context, _VERIFY)} if call else {}),
        "verify": _write_verify(verify, context),
    }
    why = f"the call speaks the code, which {verify.place} takes; code_on_phone turns that on{hint}"
    code = choose_field(verify.body.shape, CODES, 8) if verify.body else None
    codes = _guess_codes(code.shape, code.place) if code else None
    return ValidationDraft(guess_without("unsupported", why), operations, codes)


_VERIFY: Sequence[Role] = (CODE, ID)


def _write_verify(request: DescribedRequest, context: Context) -> dict[str, Guess | Tree]:
    is_named = context.find_own_placeholder(request.path) is not None
    roles = (CODE, *(() if is_named else (ID, make_number_role(context.fields))))
    return write_operation(request, context, roles)


def _write_pending(verify: DescribedRequest, answer: Shape | None, context: Context) -> Guess | None:
    """Return what of the answer to validate names it afterwards; None where the phone number does."""
    own_id = context.find_own_placeholder(verify.path)
    in_body = choose_field(verify.body.shape, IDS) if verify.body and own_id is None else None
    wanted = own_id or (in_body.path[-1] if in_body else None)
    # `caller_id` may be a number or an id
    if wanted is None or has_number_word(wanted, 8 if context.fields.codec == "e164" else 10):
        return None
    fields = (
        [each for each in list_fields(answer) if has_type(each.shape, "string", "integer")] if answer else []
    )

    def rate(field: FieldShape) -> int:
        is_same = split_words(field.path[-1]) == split_words(wanted)
        return rate_name(field.path, IDS) + (10 if is_same else 0)

    found = choose(fields, rate)
    if found is None:
        return Guess(MISSING, f"look up where the answer has what {verify.place} takes as {wanted}")
    is_number = find_id_form(found.shape) == ("integer", "") and found.shape.types == {"integer"}
    return guess_from(found.place, {"at": found.pointer, "as": "integer"} if is_number else found.pointer)


def _guess_codes(shape: Shape, place: str) -> Guess | None:
    """Return the form of codes, where it is another one than six digits."""
    least, most = shape.number("minLength"), shape.number("maxLength")
    if least is None or most is None or not 4 <= least.value <= most.value <= 32:
        return None
    if (least.value, most.value) == (6, 6):
        return None
    has_letters = bool(re.search("[a-zA-Z]", re.sub(r"\\[dD]", "", shape.pattern)))
    value = {"length": [least.value, most.value], **({"characters": "alphanumeric"} if has_letters else {})}
    return guess_from(place, value)
