"""Rules about what a profile reads in answers: ids, values, conditions, codes and errors."""

from collections.abc import Iterator, Sequence
from typing import get_args

from proxy.profile.base import Frozen, KeyPath, Rule, Violation, join_names
from proxy.profile.conversions import READ, WRITE, ReadName, UnreadableError, list_readers
from proxy.profile.ids import ID_CODECS
from proxy.profile.language import Condition, OperationName, ProfileSettings, ReadValue, ValidateEndpoint


def _check_ids(profile: ProfileSettings) -> Iterator[Violation]:
    codec, fits = profile.ids.codec, ID_CODECS[profile.ids.codec].readers
    if profile.caller_id.id.as_ not in fits:
        message = f"ids.codec {codec} cannot hold {profile.caller_id.id.as_}: read {join_names(sorted(fits))}"
        yield ("caller_id", "id"), message
    if profile.ids.as_ not in fits:
        fits &= WRITE.keys()
        message = f"an id of codec {codec} is written as {join_names(sorted(fits))}, not as {profile.ids.as_}"
        yield ("ids", "as"), message


def _list_values(profile: ProfileSettings) -> Iterator[tuple[KeyPath, str, ReadValue]]:
    """Yield what the profile reads in answers: the key path, the name of the value, and how it is read."""
    validate = profile.operations.validate_
    holders: dict[KeyPath, Frozen] = {("caller_id",): profile.caller_id, ("operations", "validate"): validate}
    for key_path, holder in holders.items():
        for name, value in holder:
            if isinstance(value, ReadValue):
                yield (*key_path, name), name, value


def _check_values(profile: ProfileSettings) -> Iterator[Violation]:
    for here, name, value in _list_values(profile):
        fits = list_readers(name)
        if fits and value.as_ not in fits:
            yield (*here, "as"), f"{name} is read as {join_names(sorted(fits))}, not as {value.as_}"
        if name in ("id", "code") and not value.is_required:
            yield (*here, "default"), f"{name} is required: leave the default out"
        elif name in ("date_created", "date_updated") and value.default is not None:
            yield (*here, "default"), "the default of a date can only be null"
        elif isinstance(value.default, int):
            yield (*here, "default"), "expected text: put it in quotes"


def _check_conditions(profile: ProfileSettings) -> Iterator[Violation]:
    conditions: list[tuple[KeyPath, Condition | None]] = [
        (("operations", "list", "include_when", index), when)
        for index, when in enumerate(profile.operations.list.include_when)
    ]
    conditions += [(("errors", "when"), profile.errors.when), (("errors", "unless"), profile.errors.unless)]
    conditions += [
        (("operations", "list", "empty", index, "when"), row.when)
        for index, row in enumerate(profile.operations.list.empty)
    ]
    for key_path, when in conditions:
        if when and len(when.tests()) != 1:
            yield key_path, "give exactly one of equals, one_of, contains, present and empty"


def _check_empty(profile: ProfileSettings) -> Iterator[Violation]:
    for index, row in enumerate(profile.operations.list.empty):
        here = ("operations", "list", "empty", index)
        if not row.model_fields_set:
            yield here, "every answer would be an empty list: give status, code or when"
        if row.status is not None and not 200 <= row.status <= 599:
            yield (*here, "status"), f"an answer has a status of 200 to 599, not {row.status}"
        if row.code is not None and profile.errors.code is None:
            yield (*here, "code"), "errors has no code: it has to point to the code"


def check_validation(profile: ProfileSettings) -> Iterator[Violation]:
    """Yield why a profile cannot do what its `validation` says."""
    mode, endpoint = profile.validation, profile.operations.validate_
    if mode == "code_shown" and isinstance(endpoint, ValidateEndpoint) and endpoint.code is None:
        yield ("operations", "validate"), "code_shown needs a pointer to the code: the key 'code'"
    if mode == "code_on_phone" and profile.operations.verify is None:
        yield ("validation",), "code_on_phone needs the operation verify, which sends the code back"


def _check_codes(profile: ProfileSettings) -> Iterator[Violation]:
    code, codes = getattr(profile.operations.validate_, "code", None), profile.codes
    if codes is None or code is None or "as_" not in code.model_fields_set:
        return
    shortest, longest = codes.length
    if profile.validation == "code_shown" and not any(
        _can_read(code.as_, "0" * length) for length in range(shortest, longest + 1)
    ):
        message = f"{code.as_} reads no code of {codes}: leave the key out"
        yield ("operations", "validate", "code", "as"), message


def _can_read(conversion: ReadName, text: str) -> bool:
    try:
        READ[conversion](text)
    except UnreadableError:
        return False
    return True


def _check_verify(profile: ProfileSettings) -> Iterator[Violation]:
    endpoint, verify = profile.operations.validate_, profile.operations.verify
    is_needed = profile.validation == "code_on_phone"  # check_validation reports that
    pending = endpoint.pending if isinstance(endpoint, ValidateEndpoint) else None
    if pending is not None and verify is None and not is_needed:
        yield ("operations", "validate", "pending"), "pending is unused: there is no operation verify"
    if not isinstance(endpoint, ValidateEndpoint) and verify is not None:
        yield ("operations", "verify"), "there is no code to verify: validate is unsupported"


def _check_errors(profile: ProfileSettings) -> Iterator[Violation]:
    errors = profile.errors
    if errors.present is not None and "" in errors.present:
        yield ("errors", "present"), "every answer would be an error: point into it, for example /error"
    if errors.code is None and any(row.code is not None for row in errors.map):
        yield ("errors",), "the rows of map compare codes: the key 'code' has to point to the code"
    seen: list[tuple[int, str | None, frozenset[str]]] = []
    for index, row in enumerate(errors.map):
        here = ("errors", "map", index)
        code = None if row.code is None else str(row.code)
        if not 200 <= row.status <= 599:
            yield (*here, "status"), f"an answer has a status of 200 to 599, not {row.status}"
        elif row.status < 300 and not (errors.present or errors.when or errors.unless):
            how = "present, when or unless has to say how to recognise an error"
            yield (*here, "status"), f"{row.status} is a success: {how}"
        operations = frozenset(get_args(OperationName) if row.operation is None else row.operation)
        if not operations:
            yield (*here, "operation"), "a row for no operation is never used: leave the key out"
        above = [names for status, other, names in seen if status == row.status and other in (None, code)]
        if operations and operations <= frozenset().union(*above):
            yield here, "a row above matches these answers already"
        seen.append((row.status, code, operations))


ANSWER_RULES: Sequence[Rule] = (
    _check_ids,
    _check_values,
    _check_conditions,
    _check_empty,
    check_validation,
    _check_codes,
    _check_verify,
    _check_errors,
)
