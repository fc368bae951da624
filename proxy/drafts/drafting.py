"""Puts the draft of a profile together: which list is meant, and the guesses about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.config.yaml_source import UNFILLED
from proxy.drafts.access import guess_auth, guess_base_url
from proxy.drafts.candidates import (
    ListCandidate,
    find_item_path,
    find_list_at,
    find_lists,
    find_rename,
    find_request,
    find_validation,
    is_about_caller_ids,
    is_account,
    list_placeholders,
)
from proxy.drafts.description import DescribedParameter, DescribedRequest, Description
from proxy.drafts.failing import guess_errors
from proxy.drafts.fields import describe_absence, guess_condition, guess_fields
from proxy.drafts.paging import guess_filters, guess_pages
from proxy.drafts.parameters import Context, convert_path, write_extras, write_list_body, write_path
from proxy.drafts.reading import read_description
from proxy.drafts.requests import guess_delete, guess_fetch, guess_rename, guess_validation
from proxy.drafts.shapes import DescriptionError, write_pointer
from proxy.drafts.writing import (
    Guess,
    Tree,
    guess_from,
    leave_out,
    list_guesses,
    write_note,
    write_tree,
    write_value,
)

_MAX_OTHERS = 5
_MAX_UNFOLLOWED = 10


@dataclass(frozen=True, slots=True)
class Draft:
    """A profile as text, and how much of it is left to do."""

    text: str
    guesses: int
    """Values that are guessed."""
    faults: int
    """Places that have to be filled in, each of which `check` names."""
    unfollowed: Sequence[str]
    """What the description refers to and is not followed, each with its place; the first of them."""


def draft_profile(name: str, file: Path, path: str | None = None) -> Draft:
    """Return the draft of a profile from the description in a file, with the list at `path`, if one is given.

    DescriptionError for a file that is no description, or one without a list of phone numbers.
    """
    description = Description(read_description(file))
    _check_description(description)
    candidates = find_lists(description)
    chosen = _choose_list(description, candidates, path)
    tree, notes = _guess_profile(description, chosen)
    unfollowed = [f"{target} at {place}" for target, place in description.unfollowed.items()]
    others = [each.request.path for each in candidates if each.request.path != chosen.request.path]
    about = f"{description.title}, " if description.title else ""
    head = [
        f"{name}: a draft, from {about}OpenAPI {description.version} ({file.name}).",
        *_HOW_TO_READ,
        f"The list is {chosen.request.path}.",
        *([f"Others, for --path: {', '.join(others[:_MAX_OTHERS])}."] if others else []),
        *(f"Not followed: {each}." for each in unfollowed[:_MAX_UNFOLLOWED]),
    ]
    lines = [*(f"# {write_note(each)}" for each in head), *_write_profile(name, tree, notes)]
    guesses = list(list_guesses(tree))
    return Draft(
        "".join(f"{line}\n" for line in lines),
        sum(not each.faults for each in guesses),
        sum(each.faults for each in guesses),
        unfollowed[:_MAX_UNFOLLOWED],
    )


_HOW_TO_READ = (
    "Each guess has its place in the description: compare it with the vendor's documentation.",
    f"What could not be guessed is {UNFILLED}, with what to look up: `callerid-proxy check` names each.",
)


def _check_description(description: Description) -> None:
    version = description.version
    if not version:
        raise DescriptionError("is no OpenAPI description: it has no key openapi or swagger")
    if version.partition(".")[0] not in ("2", "3"):
        raise DescriptionError(f"OpenAPI {version} is not read; versions 3.0, 3.1 and Swagger 2.0 are")
    if not description.requests:
        raise DescriptionError("#/paths: describes no requests")


def _choose_list(
    description: Description, candidates: Sequence[ListCandidate], path: str | None
) -> ListCandidate:
    """Return the list that is meant: the one at `path`, or the most likely one."""
    if path is None:
        if not candidates:
            no_list = "no GET has a path about caller IDs, or answers with objects that have phone numbers"
            raise DescriptionError(f"#/paths: {no_list}; choose a list with --path")
        return candidates[0]
    chosen = find_list_at(description, path)
    if chosen is None:
        known = ", ".join(each.request.path for each in candidates[:_MAX_OTHERS]) or "none"
        raise DescriptionError(f"#/paths: {path} is not there, or has no GET; lists of numbers: {known}")
    return chosen


def _guess_profile(description: Description, chosen: ListCandidate) -> tuple[Tree, Sequence[str]]:
    """Return the guesses by the keys of a profile, and comments about what is not among them."""
    request = chosen.request
    item_path = find_item_path(description, request.path)
    parameter = _find_parameter(description, item_path, request.path)
    accounts = [each for each in request.list_parameters("path") if is_account(each.name)]
    has_account = any(is_account(each) for each in list_placeholders(request.path))
    is_sid = any(each.shape.pattern.startswith(("^AC", "AC")) for each in accounts)
    fields = guess_fields(chosen, parameter, has_account=has_account)
    base_url, variables = guess_base_url(description, request)
    auth = guess_auth(description, request, is_account_of_caller=is_sid)
    shared = frozenset(list_placeholders(request.path))
    context = Context(description, fields, _list_secret_names(auth), shared)
    condition = guess_condition(chosen.fields)
    pages = guess_pages(chosen, fields, is_filtered=condition is not None)
    fetch = guess_fetch(context, item_path)
    has_fetch = find_request(description, item_path, "GET") is not None
    filters, filtering = guess_filters(chosen, fields, pages.used, has_fetch=has_fetch)
    found = find_validation(description, chosen, item_path)
    validation = guess_validation(context, found)
    is_supported = found.code is not None or found.verify is not None
    added = (found.validate, found.call, found.verify) if is_supported else ()
    used = _list_requests(description, chosen, item_path, *added)
    variables = {**variables, **_guess_variables(used, context)}
    operations: dict[str, Guess | Tree] = {
        "list": {
            **({"method": guess_from(request.place, request.method)} if request.method != "GET" else {}),
            "path": write_path(request, None),
            **write_extras(request, context, pages.used | filtering),
            **write_list_body(request, context, pages.used | filtering),
            "items": _write_items(chosen),
            **({"page_size": pages.page_size} if pages.page_size else {}),
            "paging": pages.paging,
            "total": pages.total,
            "filters": filters,
            **({"include_when": condition} if condition else {}),
        },
        "fetch": fetch,
        "rename": guess_rename(context, item_path),
        "delete": guess_delete(context, item_path, is_sure=is_about_caller_ids(request)),
        **validation.operations,
    }
    tree: Tree = {
        "base_url": base_url,
        "variables": variables,
        "headers": _guess_headers(chosen),
        "auth": auth,
        "ids": fields.ids,
        "validation": validation.mode,
        **({"codes": validation.codes} if validation.codes else {}),
        "operations": operations,
        "caller_id": fields.tree,
        "errors": guess_errors(used, found.validate if is_supported else None),
    }
    return tree, describe_absence(fields)


def _write_items(chosen: ListCandidate) -> Guess:
    if chosen.items_path is None:
        return leave_out(f"where the answer has the items, as /data: {chosen.items_place} does not show it")
    return guess_from(chosen.items_place, write_pointer(chosen.items_path))


def _find_parameter(
    description: Description, item_path: str | None, list_path: str
) -> DescribedParameter | None:
    """Return the placeholder of one item in its path."""
    shared = list_placeholders(list_path)
    names = [each for each in list_placeholders(item_path or "") if each not in shared]
    requests = [each for each in description.requests if each.path == item_path]
    found = (
        each for request in requests for each in request.list_parameters("path") if each.name in names[-1:]
    )
    return next(found, None)


def _list_secret_names(auth: Guess) -> frozenset[str]:
    held = auth.value if isinstance(auth.value, Mapping) else {}
    return frozenset(str(held[key]).lower() for key in ("name", "username") if isinstance(held.get(key), str))


def _list_requests(
    description: Description, chosen: ListCandidate, item_path: str | None, *others: DescribedRequest | None
) -> Sequence[DescribedRequest]:
    """Return the requests of the draft."""
    found = [chosen.request, *(find_request(description, item_path, method) for method in ("GET", "DELETE"))]
    return [each for each in (*found, find_rename(description, item_path), *others) if each is not None]


def _guess_variables(requests: Sequence[DescribedRequest], context: Context) -> Mapping[str, Guess]:
    """Return the placeholders of paths that are neither the account nor the caller ID."""
    found: dict[str, Guess] = {}
    for request in requests:
        _, others = convert_path(request.path, context.find_own_placeholder(request.path))
        for variable, name in others.items():
            found.setdefault(
                variable, guess_from(request.place, "", f"{{{name}}} of the path: set it in proxy.yaml")
            )
    return found


def _guess_headers(chosen: ListCandidate) -> Mapping[str, Guess]:
    answer = chosen.request.answer
    if answer is None or answer.media_type in ("application/json", "*/*"):
        return {}
    return {"Accept": guess_from(chosen.request.place, answer.media_type)}


# The text


def _write_profile(name: str, tree: Tree, notes: Sequence[str]) -> Iterator[str]:
    yield ""
    yield f"name: {write_value(name)}"
    yield "checked_against: nothing yet; drafted from an OpenAPI description"
    for key, held in tree.items():
        if not isinstance(held, Guess) and not held:
            continue
        if key in ("base_url", "operations", "caller_id", "errors"):
            yield ""
        yield from write_tree({key: held})
        if key == "caller_id":
            yield from (f"  # {write_note(note)}" for note in notes)
