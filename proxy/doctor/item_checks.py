"""Checks of one caller ID, of limits and of what is left out; and, if asked for, a rename and a call."""

import string
from collections.abc import Mapping, Sequence

from proxy.doctor.subject import Subject
from proxy.doctor.verdicts import Verdict, failure, ok, skipped, warning
from proxy.errors import NOT_FOUND, UNKNOWN_OUTCOME, LegacyError
from proxy.model import CallerId, Fetch, Rename, Validate, ValidationRequest
from proxy.profile.conversions import UnreadableError, is_default_name

_FIELDS = ("account_sid", "friendly_name", "phone_number", "date_created", "date_updated")
_MAX_NAME = 64  # characters of a FriendlyName
_MARK = " (doctor)"


def _find_left_out(subject: Subject, operation: str) -> Verdict | None:
    """Return why the profile leaves an operation out, None where it does not."""
    reason = subject.language.operations.left_out().get(operation)
    return skipped(f"the profile leaves it out: {reason}") if reason else None


def _refuses_fetch(subject: Subject) -> Verdict | None:
    """Return why caller IDs are not fetched one by one, None where they are."""
    if verdict := _find_left_out(subject, "fetch"):
        return verdict
    if subject.upstream.fetches_from_list:
        return ok("out of the list: the upstream has no request for one caller ID")
    return None


async def check_fetch(subject: Subject) -> Verdict:
    """Fetch one caller ID, and compare it with the one in the list."""
    if verdict := _refuses_fetch(subject):
        return verdict
    wanted = subject.pick()
    if wanted is None:
        return skipped("the list is empty")
    try:
        found = await _fetch(subject, wanted.sid)
    except LegacyError as error:
        return failure(f"{wanted.sid}: {subject.explain(error)}")
    if differing := [name for name in _FIELDS if getattr(found, name) != getattr(wanted, name)]:
        return warning(f"{wanted.sid} is as in the list, apart from {' and '.join(differing)}")
    return ok(f"{wanted.sid} is as in the list")


async def _fetch(subject: Subject, sid: str) -> CallerId | None:
    result = await subject.upstream.fetch(Fetch(subject.account.sid, sid), subject.account)
    return next(iter(result.caller_ids or ()), None)


async def check_unknown_id(subject: Subject) -> Verdict:
    """Fetch a caller ID that there is not; old programs expect a 404."""
    if "fetch" in subject.language.operations.left_out():
        return skipped("the profile leaves out fetch")
    if subject.upstream.fetches_from_list:
        return ok("404: the list does not have it")
    if (sid := _make_unknown_sid(subject)) is None:
        return skipped("there is no id to make an unknown one of")
    before = len(subject.record.answers)
    try:
        await _fetch(subject, sid)
    except LegacyError as error:
        if error.fault.status == NOT_FOUND.status:
            status = subject.record.answers[-1].status if len(subject.record.answers) > before else None
            return ok(f"404, for the upstream's status {status}")
        return failure(f"an unknown id is no 404: {subject.explain(error)}")
    return failure("an unknown id is answered with a caller ID")


def _make_unknown_sid(subject: Subject) -> str | None:
    """Return the Sid of an id that looks like one of the list, and is none of it."""
    known = set(subject.read_ids())
    own = min(known, default="")
    for step in range(1, 21 if own else 0):
        other = _change_end(own, step)
        try:
            if other not in known:
                return subject.profile.sid_of(other, subject.account)
        except UnreadableError:  # the form of the ids has a rule of its own
            continue
    return None


_CLASSES = (string.digits, "abcdef", string.ascii_lowercase, "ABCDEF", string.ascii_uppercase)


def _change_end(text: str, step: int) -> str:
    """Change the last eight characters of an id, each to another of its class, so many further."""
    changed = [_move(character, step * place) for place, character in enumerate(text[-8:], 1)]
    return text[:-8] + "".join(changed)


def _move(character: str, far: int) -> str:
    of = next((each for each in _CLASSES if character in each), character)
    return of[(of.index(character) + far) % len(of)]


_LIMIT_HEADERS = ("ratelimit", "rate-limit", "retry-after", "concurrent-requests")
"""What the names of headers have in common that vendors use for this."""


async def check_rate_limit(subject: Subject) -> Verdict:
    """Show what the last answers say about rate limits."""
    told: dict[str, str] = {}
    for answer in subject.record.answers:
        told |= {
            name: text
            for name, text in answer.headers.items()
            if any(each in name for each in _LIMIT_HEADERS)
        }
    shown = ", ".join(f"{name}: {text[:100]}" for name, text in told.items())
    declined = sum(answer.status == 429 for answer in subject.record.answers)
    if declined:
        return warning(
            f"{declined} of {len(subject.record.answers)} answers were 429{shown and f'; {shown}'}"
        )
    if any("remaining" in name and text and not text.strip("0") for name, text in told.items()):
        return warning(f"nothing is left: {shown}")
    return ok(shown or f"no header of {len(subject.record.answers)} answers tells of one")


async def check_operations(subject: Subject) -> Verdict:
    """Tell which operations the profile leaves out, and why."""
    left_out = subject.language.operations.left_out()
    told = [f"{name} is left out: {reason}" for name, reason in left_out.items()]
    if "validate" not in left_out:
        told += _MODES.get(subject.settings.validation or subject.language.validation, ())
    return ok("; ".join(told) or "list, fetch, rename, delete and validate")


_MODES: Mapping[str, Sequence[str]] = {
    "unsupported": ("validate is left out: validation is unsupported",),
    "code_on_phone": ("a validation call speaks its code, which is brought back on a page of the proxy",),
}


async def rename_and_restore(subject: Subject) -> Verdict:
    """Rename a caller ID and give it its name back; whatever happens between, its name is given back."""
    sid = subject.renamed_sid
    if verdict := _find_left_out(subject, "rename"):
        return verdict
    found = next((each for each in subject.listed if each.sid.lower() == sid.lower()), None)
    if found is None:
        return failure(f"the list has no caller ID {sid}: nothing was renamed")
    name = found.friendly_name
    if is_default_name(name):
        return failure(f"{sid} has no name that could be given back: nothing was renamed")
    if len(name) > _MAX_NAME:
        return failure(f"the name of {sid} is longer than {_MAX_NAME} characters: nothing was renamed")
    changed = f"{name[: _MAX_NAME - len(_MARK)]}{_MARK}"
    subject.sender.may_write = True
    try:
        try:
            problem = await _rename(subject, found.sid, changed)
        finally:
            undone = await _rename(subject, found.sid, name)
    finally:
        subject.sender.may_write = False
    if undone:
        return failure(f"{sid} may have another name now, which was {name!r}: {undone}")
    return failure(problem) if problem else ok(f"{sid} was {changed!r} for a moment, and is {name!r} again")


async def _rename(subject: Subject, sid: str, name: str) -> str:
    """Rename a caller ID; return what is wrong with the outcome."""

    async def state() -> object:
        return None

    try:
        result = await subject.upstream.write(Rename(subject.account.sid, sid, name), subject.account, state)
    except LegacyError as error:
        return f"the rename failed: {subject.explain(error)}"
    shown = result.friendly_name if isinstance(result, CallerId) else None
    if shown != name:
        return f"the answer to the rename shows {shown!r} instead of {name!r}"
    if _refuses_fetch(subject) is not None:
        return ""
    try:
        fetched = await _fetch(subject, sid)
    except LegacyError as error:
        return f"the renamed caller ID cannot be fetched: {subject.explain(error)}"
    if fetched is None or fetched.friendly_name != name:
        return "a caller ID that is fetched after the rename has its old name"
    return ""


async def place_call(subject: Subject) -> Verdict:
    """Place one validation call."""
    number = subject.called_number
    if verdict := _find_left_out(subject, "validate"):
        return verdict
    subject.sender.may_write = True
    try:
        started = await subject.upstream.validate(
            Validate(subject.account.sid, number, None, 0), subject.account
        )
    except LegacyError as error:
        placed = (
            "a call may have been placed" if error.fault.message == UNKNOWN_OUTCOME.message else "no call"
        )
        return failure(f"{placed}: {subject.explain(error)}")
    finally:
        subject.sender.may_write = False
    if isinstance(started, ValidationRequest):
        return ok(f"{number} is being called: its code is {started.validation_code}")
    return ok(f"{number} is being called, and hears its code")
