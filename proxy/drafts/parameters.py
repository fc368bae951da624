"""What requests are made of: paths, and parameters with the values of operations. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.drafts.access import name_variable
from proxy.drafts.candidates import is_account, list_placeholders
from proxy.drafts.description import DescribedBody, DescribedRequest, Description
from proxy.drafts.fields import ItemFields
from proxy.drafts.shapes import FieldShape, Shape, list_fields, write_pointer
from proxy.drafts.words import (
    CALLS,
    CHANNELS,
    CODES,
    DELAYS,
    IDS,
    NAMES,
    choose,
    find_written_form,
    has_type,
    rate_name,
    rate_number,
    split_words,
)
from proxy.drafts.writing import MISSING, Guess, Tree, guess_from

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Context:
    """What the requests of a draft share."""

    description: Description
    fields: ItemFields
    secret_names: frozenset[str]
    """Headers and parameters that hold the credentials, in lower case."""
    shared_placeholders: frozenset[str]
    """Placeholders of the list's path, which are in other paths too and name no caller ID."""

    def find_own_placeholder(self, path: str) -> str | None:
        """Return the placeholder of the caller ID: the last one that the list does not have."""
        shared = self.shared_placeholders
        names = [each for each in list_placeholders(path) if not is_account(each) and each not in shared]
        return names[-1] if names else None


# Paths


def convert_path(path: str, own_id: str | None) -> tuple[str, Mapping[str, str]]:
    """Return a path of the profile, and its other placeholders by the names that they have as variables.

    `own_id` is the placeholder of the caller ID.
    """
    others: dict[str, str] = {}

    def convert(found: re.Match[str]) -> str:
        name = found[1]
        if name == own_id:
            return "{id}"
        if is_account(name):
            return "{account}"
        others[name_variable(name)] = name
        return f"{{{name_variable(name)}}}"

    return _PLACEHOLDER.sub(convert, path), others


def write_path(request: DescribedRequest, own_id: str | None) -> Guess:
    path, _ = convert_path(request.path, own_id)
    is_plain = re.fullmatch("/[!-~]*", path) and "#" not in path
    if not is_plain:
        return Guess(MISSING, f"look up how this path is written: {request.place}")
    about = request.node.text("summary")
    return guess_from(request.place, path, f'"{" ".join(about.split())[:80]}"' if about else "")


def write_extras(request: DescribedRequest, context: Context, used: frozenset[str]) -> Tree:
    """Return what a request has to have in its query and in its headers besides."""
    query: dict[str, Guess] = {}
    for each in request.list_parameters("query"):
        if not each.is_required or each.name in used or each.name.lower() in context.secret_names:
            continue
        constant = _find_constant(each.shape)
        if is_account(each.name):
            query[each.name] = guess_from(each.place, "account")
        elif constant is not None:
            query[each.name] = guess_from(each.place, {"constant": constant}, "it is required")
        else:
            query[each.name] = Guess({"constant": MISSING}, f"look up what is required here: {each.place}")
    headers: dict[str, Guess] = {}
    for each in request.list_parameters("header"):
        name = each.name.lower()
        if not each.is_required or name in context.secret_names or name in _OWN_HEADERS:
            continue
        constant = _find_constant(each.shape)
        if constant is not None:
            headers[each.name] = guess_from(each.place, str(constant), "it is required")
        else:
            headers[each.name] = Guess(MISSING, f"look up what is required here: {each.place}")
    return {"headers": headers, "query": query}


_OWN_HEADERS = frozenset({"accept", "authorization", "content-type", "range", "user-agent", "host"})


def _find_constant(shape: Shape) -> str | int | bool | None:
    """Return the only value that a parameter may have, or the one that it has if nothing is said."""
    if len(shape.choices) == 1:
        only: str | int = shape.choices[0]
        return only
    default = next(
        (part.get("default").value for part in shape.parts if part.get("default").value is not None), None
    )
    return default if isinstance(default, str | int) else None


# Bodies

Role = tuple[Callable[[FieldShape], int], Callable[[FieldShape], object]]
"""How much a field looks like a value of the operation, and how it is written then."""


def write_body(
    body: DescribedBody, roles: Sequence[Role], context: Context, repeated: Mapping[str, str]
) -> tuple[str, Mapping[str, Guess]]:
    """Return the kind of a body and its parameters: the values of the operation, and what else is required.

    `repeated` are fields of the item that the body may have to repeat, with their pointers.
    """
    fields = [each for each in list_fields(body.shape, 4) if not each.shape.types & {"object", "array"}]
    taken: dict[tuple[str, ...], Guess] = {}
    for rate, write in roles:
        field = choose((each for each in fields if each.path not in taken), rate)
        if field is not None:
            taken[field.path] = _guess_value(field, _simplify(write(field), body.kind))
    for field in fields:
        if field.path in taken or field.path[-1].lower() in context.secret_names:
            continue
        if (guess := _write_other(field, repeated)) is not None:
            taken[field.path] = guess
    order = [each.path for each in fields if each.path in taken]
    kind = body.kind
    return kind, {_name_parameter(path, kind): taken[path] for path in order}


def _simplify(value: object, kind: str) -> object:
    """Return a value of a form without the type that it has in JSON alone."""
    match value:
        case {"from": name, "as": "integer"} if kind == "form" and name != "phone_number":
            return name
        case _:
            return value


def _guess_value(field: FieldShape, value: object) -> Guess:
    if isinstance(value, Mapping) and MISSING in value.values():
        return Guess(
            value, f"guessed from {field.place}; look up the form of the number: e164, digits or ten_digits"
        )
    return guess_from(field.place, value)


def _name_parameter(path: Sequence[str], kind: str) -> str:
    if kind == "form":
        return path[0] + "".join(f"[{each}]" for each in path[1:])
    is_plain = len(path) == 1 and not path[0].startswith("/")
    return path[0] if is_plain else write_pointer(path)


def _write_other(field: FieldShape, repeated: Mapping[str, str]) -> Guess | None:
    """Return what a field has to hold that is no value of the operation; None where it may be left out."""
    calls = [each for each in field.shape.choices if str(each).lower() in CALLS]
    is_channel = rate_name(field.path, CHANNELS) >= 6
    if calls and (field.is_required or is_channel):
        return guess_from(
            field.place, {"constant": calls[0]}, f"one of {', '.join(map(str, field.shape.choices[:10]))}"
        )
    if not field.is_required:
        return None
    constant = _find_constant(field.shape)
    if constant is not None:
        return guess_from(field.place, {"constant": constant}, "it is required")
    if is_account(field.path[-1]):
        return guess_from(field.place, "account")
    if (pointer := repeated.get(split_words(field.path[-1]))) is not None:
        return guess_from(field.place, {"from_item": pointer}, "it is required")
    return Guess({"constant": MISSING}, f"look up what is required here: {field.place}")


def make_number_role(fields: ItemFields) -> Role:
    def write(field: FieldShape) -> object:
        form = find_written_form(field.shape, fields.number_form)
        if form == "digits" and field.shape.types == {"integer"}:
            form = "integer"
        return {"from": "phone_number", "as": form or MISSING}

    return rate_number, write


def _role(names: Mapping[str, int], value: str) -> Role:
    def write(field: FieldShape) -> object:
        is_count = field.shape.types == {"integer"} and value in ("call_delay", "id")
        return {"from": value, "as": "integer"} if is_count else value

    return (
        lambda field: rate_name(field.path, names) if has_type(field.shape, "string", "integer") else 0,
        write,
    )


NAME = _role(NAMES, "friendly_name")
ID = _role(IDS, "id")
CODE = _role(CODES, "code")
DELAY = _role(DELAYS, "call_delay")


def write_list_body(request: DescribedRequest, context: Context, used: frozenset[str]) -> Tree:
    """Return the body of a list that is a POST: what is required beside pages and filters."""
    if request.method != "POST" or request.body is None:
        return {}
    kind, parameters = write_body(request.body, (), context, {})
    rest = {name: each for name, each in parameters.items() if name not in used}
    return {kind: rest or guess_from(request.body.shape.place, {})}
