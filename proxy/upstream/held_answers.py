"""How many bytes of upstream answers one worker holds: those that arrive, are read, or belong to a listing.

Law: before a request is sent, there is room for a short answer to it. An answer that says that a phone call
has been placed is not dropped for want of room.
"""

from contextvars import ContextVar
from typing import Self

from proxy.errors import Reason, UpstreamError
from proxy.profile.calls import NoReplyError

DEFAULT_BYTES = 64 * 1024 * 1024
_STEP = 16 * 1024  # bytes: a short answer fits


class AnswerBudget:
    """The bytes that the answers of one worker may have together."""

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        self.limit = limit
        self.taken = 0

    def take(self, size: int) -> bool:
        """Take so many bytes; return whether there were as many."""
        if self.taken + size > self.limit:
            return False
        self.taken += size
        return True

    @property
    def description(self) -> str:
        return f"{self.limit} bytes of answers together"


_current: ContextVar["HeldAnswers | None"] = ContextVar("held_answers", default=None)


def holding() -> "HeldAnswers":
    """Return the answers that the operation of this task holds; a block inside another one is the same."""
    return _current.get() or HeldAnswers()


class HeldAnswers:
    """The answers that an operation holds until its outermost block ends."""

    __slots__ = ("_blocks", "_budget", "_left", "_taken", "_token")

    def __init__(self) -> None:
        self._blocks = 0
        self._budget: AnswerBudget | None = None
        self._taken = self._left = 0

    def __enter__(self) -> Self:
        if not self._blocks:
            self._token = _current.set(self)
        self._blocks += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks -= 1
        if not self._blocks:
            _current.reset(self._token)
            if self._budget is not None:
                self._budget.taken -= self._taken

    def prepare(self, budget: AnswerBudget) -> None:
        """Make room for a short answer; NoReplyError where there is none."""
        self._budget = budget
        if not self._leave(min(_STEP, budget.limit)):
            raise NoReplyError(Reason.CAPACITY, was_sent=False, limit=budget.description)

    def add(self, size: int) -> None:
        """Hold more bytes; UpstreamError where there is no room for them."""
        if not self._leave(size):
            raise UpstreamError(Reason.CAPACITY, limit=self._budget.description if self._budget else "")
        self._left -= size

    def _leave(self, size: int) -> bool:
        """Take what is missing for `size` bytes to be left; return whether there was as much."""
        if (missing := size - self._left) > 0:
            if self._budget is None or not self._budget.take(missing):
                return False
            self._taken += missing
            self._left = size
        return True
