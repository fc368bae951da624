"""Which requests of a description are about caller IDs: lists, single items, writes and validation. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from proxy.drafts.description import DescribedRequest, Description
from proxy.drafts.shapes import FieldShape, Shape, list_fields
from proxy.drafts.words import (
    ACCOUNTS,
    CODES,
    FLAGS,
    IDS,
    LEAST,
    NAMES,
    NUMBERS,
    choose,
    has_type,
    rate_name,
    rate_number,
    rate_path,
    split_words,
)

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MAX_ARRAYS = 10


@dataclass(frozen=True)
class ListCandidate:
    """A request whose answer has an array of objects, as far as it is described."""

    request: DescribedRequest
    answer: Shape
    items_path: tuple[str, ...] | None
    """None where the answer is described too little to find the array."""
    items_place: str
    item: Shape
    fields: Sequence[FieldShape]
    """Of an item."""
    number: FieldShape | None
    """The field that looks like a phone number."""
    weight: int


def list_placeholders(path: str) -> Sequence[str]:
    return _PLACEHOLDER.findall(path)


def is_account(name: str) -> bool:
    """Whether a placeholder stands for the account."""
    return ACCOUNTS.get(split_words(name), 0) >= LEAST


def find_lists(description: Description) -> Sequence[ListCandidate]:
    """Return the lists of objects with phone numbers, those that are most likely of caller IDs first.

    Where there are none, requests count whose paths are about caller IDs and whose answers are not described.
    """
    paths = list_item_paths(description)
    found = [
        each
        for request in description.requests
        if request.method == "GET" or (request.method == "POST" and _reads(request))
        for each in _list_candidates(request, paths)
        if each.number is not None
    ]
    if not found:
        found = [
            _make_blank(each)
            for each in description.requests
            if each.method == "GET" and not _ends_with_placeholder(each.path) and is_about_caller_ids(each)
        ]
    best: dict[str, ListCandidate] = {}
    for each in sorted(found, key=lambda each: -each.weight):
        best.setdefault(each.request.path, each)
    return list(best.values())


def find_list_at(description: Description, path: str) -> ListCandidate | None:
    """Return the list at a path, whatever it is a list of; None where no GET or POST has this path."""
    paths = list_item_paths(description)
    requests = [each for each in description.requests if each.path == path and each.method in ("GET", "POST")]
    for request in requests:
        if found := sorted(_list_candidates(request, paths), key=lambda each: -each.weight):
            return found[0]
    return _make_blank(requests[0]) if requests else None


_READ = re.compile(r"(^|_)(list|get|search|query|find|read|retrieve)(_|$)")


def _reads(request: DescribedRequest) -> bool:
    """Whether a POST only reads, by its name."""
    return bool(_READ.search(split_words(f"{request.path} {request.node.text('operationId')}")))


_SURE = 10
"""The weight of a path that names caller IDs."""


def is_about_caller_ids(request: DescribedRequest) -> bool:
    """Whether a path names caller IDs, as opposed to numbers of any kind."""
    return rate_path(_PLACEHOLDER.sub("", request.path)) >= _SURE


def _ends_with_placeholder(path: str) -> bool:
    return bool(_PLACEHOLDER.fullmatch(_strip(path).rpartition("/")[2]))


def _make_blank(request: DescribedRequest) -> ListCandidate:
    """Return a list whose answer shows no array of objects."""
    answer = request.answer.shape if request.answer else Shape((), (), request.place)
    item = Shape((), (), answer.place)
    weight = 2 * rate_path(_PLACEHOLDER.sub("", request.path))
    return ListCandidate(request, answer, None, answer.place, item, (), None, weight)


def _list_candidates(request: DescribedRequest, paths: Mapping[str, str]) -> Iterator[ListCandidate]:
    answer = request.answer
    if answer is None:
        return
    for path, array in _list_arrays(answer.shape):
        item = array.items
        if item is None or not item.properties:
            continue
        fields = [each for each in list_fields(item) if "array" not in each.shape.types]
        number = choose(fields, rate_number)
        weight = _weigh(request, fields, number) + (3 if _strip(request.path) in paths else 0)
        yield ListCandidate(request, answer.shape, path, array.place, item, fields, number, weight)


def _list_arrays(answer: Shape) -> Iterator[tuple[tuple[str, ...], Shape]]:
    """Yield the arrays of an answer, each with the way to it."""
    if "array" in answer.types:
        yield (), answer
        return
    found = 0
    for field in list_fields(answer):
        if "array" in field.shape.types and found < _MAX_ARRAYS:
            found += 1
            yield field.path, field.shape


def _weigh(request: DescribedRequest, fields: Sequence[FieldShape], number: FieldShape | None) -> int:
    static = _PLACEHOLDER.sub("", request.path)
    weight = 2 * rate_path(static) + rate_path(request.words)
    weight += rate_number(number) // 2 if number else 0
    weight += 3 if choose(fields, lambda each: rate_name(each.path, IDS)) else 0
    weight += 2 if choose(fields, lambda each: rate_name(each.path, FLAGS), 8) else 0
    weight -= 3 if request.method == "POST" else 0
    return weight - 4 * sum(not is_account(name) for name in list_placeholders(request.path))


# Requests about one item


def _strip(path: str) -> str:
    return re.sub(r"(\.json)?/?$", "", path)


def list_item_paths(description: Description) -> Mapping[str, str]:
    """Return the paths of single items, which end with a placeholder, by the paths of their lists."""
    found: dict[str, str] = {}
    for request in description.requests:
        holder, slash, last = _strip(request.path).rpartition("/")
        if slash and _PLACEHOLDER.fullmatch(last):
            found.setdefault(holder, request.path)
    return found


def find_item_path(description: Description, list_path: str) -> str | None:
    """Return the path of one item of a list; of a path that has the singular of its last word, too."""
    known, stem = list_item_paths(description), _strip(list_path)
    without_verb = re.sub("/(list|index|search|all)$", "", stem)
    tried = (stem, stem.removesuffix("s"), re.sub("ies$", "y", stem), without_verb)
    return next((known[each] for each in tried if each in known), None)


def find_request(description: Description, path: str | None, *methods: str) -> DescribedRequest | None:
    """Return the first of these methods that a path has."""
    found = {each.method: each for each in description.requests if each.path == path}
    return next((found[method] for method in methods if method in found), None)


def find_rename(description: Description, path: str | None) -> DescribedRequest | None:
    """Return the request that changes the name of the item at a path."""
    for method in ("PATCH", "PUT", "POST"):
        request = find_request(description, path, method)
        if request and request.body and choose_field(request.body.shape, NAMES):
            return request
    return None


def choose_field(shape: Shape, names: object, least: int = LEAST) -> FieldShape | None:
    """Return the text or the number of an object whose name weighs most in a table of names."""
    fields = [each for each in list_fields(shape, 4) if has_type(each.shape, "string", "integer")]
    return choose(fields, lambda each: rate_name(each.path, names), least)  # type: ignore[arg-type]


# Validation

_VALIDATION = re.compile(r"verif|validat|confirm")
_CALL = ("call", "calls")
_AGAIN = re.compile(r"redial|resend|retry|again")


@dataclass(frozen=True)
class ValidationRequests:
    """The requests of a validation; None for those that are not described."""

    validate: DescribedRequest | None
    code: FieldShape | None
    """Where the answer to `validate` shows the code."""
    call: DescribedRequest | None
    verify: DescribedRequest | None
    others: Sequence[DescribedRequest]
    """Other requests that may start a validation."""


def find_validation(
    description: Description, chosen: ListCandidate, item_path: str | None
) -> ValidationRequests:
    """Return the requests that validate a number."""
    found = [
        (weight, each)
        for each in description.requests
        if each.method == "POST" and (weight := _weigh_validation(each, chosen)) >= 4
    ]
    ranked = [each for _, each in sorted(found, key=lambda each: -each[0])]
    if not ranked:
        return ValidationRequests(None, None, None, None, ())
    validate, *others = ranked
    verify = _find_verify(description, validate, item_path)
    call = _find_call(description, validate, item_path) if verify else None
    code = find_shown_code(validate) if verify is None else None
    return ValidationRequests(validate, code, call, verify, others)


def find_shown_code(request: DescribedRequest) -> FieldShape | None:
    """Return the code in the answer to a validation, as opposed to a status code."""
    if request.answer is None:
        return None
    fields = list(list_fields(request.answer.shape))
    envelopes = {each.path[:-1] for each in fields if split_words(each.path[-1]) in _BESIDE_STATUS}

    def rate(field: FieldShape) -> int:
        is_in_envelope = split_words(field.path[-1]) == "code" and field.path[:-1] in envelopes
        is_status = is_in_envelope or re.search("status|error|http", field.shape.description.lower())
        fits = has_type(field.shape, "string", "integer") and not field.shape.choices and not is_status
        return rate_name(field.path, CODES) if fits else 0

    return choose(fields, rate, 7)


_BESIDE_STATUS = frozenset({"message", "msg", "status", "success", "error", "errors", "data", "result"})
"""Names beside which a `code` is that of the answer."""


def _has_number(request: DescribedRequest) -> bool:
    return request.body is not None and choose(list_fields(request.body.shape, 4), rate_number) is not None


def _weigh_validation(request: DescribedRequest, chosen: ListCandidate) -> int:
    names = list_placeholders(request.path)
    is_about_item = any(not is_account(name) for name in names) and request.path != chosen.request.path
    if request.body is None or is_about_item or not _has_number(request):
        return 0
    if _takes_code(request):
        return 0
    words = split_words(f"{request.path} {request.words}")
    weight = 4 if request.path == chosen.request.path else 0
    weight += 4 if _VALIDATION.search(words) else 0
    weight += 4 if find_shown_code(request) else 0
    about = rate_path(f"{request.path} {request.words}", _CALL) if weight < 8 else 0
    return weight + max(min(about, 4), -4)


def _takes_code(request: DescribedRequest) -> bool:
    return request.body is not None and choose_field(request.body.shape, CODES, 8) is not None


def _find_verify(
    description: Description, validate: DescribedRequest, item_path: str | None
) -> DescribedRequest | None:
    """Return the request that sends back a code."""
    near = [_strip(path) for path in (item_path, validate.path) if path]

    def weigh(request: DescribedRequest) -> int:
        if request.method not in ("POST", "PUT", "PATCH") or not _takes_code(request):
            return 0
        is_identified = any(not is_account(name) for name in list_placeholders(request.path))
        if not is_identified and not _has_number(request) and not _has_id(request):
            return 0
        words = split_words(f"{request.path} {request.words}")
        weight = 4 if any(request.path.startswith(each) for each in near) else 0
        return weight + (3 if _VALIDATION.search(words) else 0) + max(min(rate_path(request.path), 3), -3)

    return _find_heaviest(description, weigh, 4)


def _has_id(request: DescribedRequest) -> bool:
    return request.body is not None and choose_field(request.body.shape, IDS) is not None


def _find_call(
    description: Description, validate: DescribedRequest, item_path: str | None
) -> DescribedRequest | None:
    """Return the request that starts the call, where another one has only added the number."""
    if item_path is None or _VALIDATION.search(
        split_words(validate.words + validate.node.text("description"))
    ):
        return None

    def weigh(request: DescribedRequest) -> int:
        words = split_words(f"{request.path} {request.words}")
        if request.method != "POST" or not request.path.startswith(f"{_strip(item_path)}/"):
            return 0
        if _takes_code(request) or _AGAIN.search(words):
            return 0
        return 4 if _VALIDATION.search(words) or "call" in words.split("_") else 0

    return _find_heaviest(description, weigh, 4)


def _find_heaviest(
    description: Description, weigh: Callable[[DescribedRequest], int], least: int
) -> DescribedRequest | None:
    rated = [(weigh(each), each) for each in description.requests]
    best = max((weight for weight, _ in rated), default=0)
    return next(each for weight, each in rated if weight == best) if best >= least else None


def has_number_word(name: str, least: int) -> bool:
    """Whether a placeholder is named like a phone number."""
    return NUMBERS.get(split_words(name), 0) >= least
