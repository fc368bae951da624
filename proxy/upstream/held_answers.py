"""How many bytes of upstream answers one worker holds: those that arrive, are read, or belong to a listing.

Law: before a request is sent, there is room for a short answer to it. An answer that says that a phone call
has been placed is not dropped for want of room.
"""

from contextvars import ContextVar, Token
from types import TracebackType

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


class HeldAnswers:
    """The answers that an operation holds until its block ends; a block inside another one belongs to it."""

    __slots__ = ("_budget", "_left", "_taken", "_token")

    def __init__(self) -> None:
        self._budget: AnswerBudget | None = None
        self._taken = self._left = 0
        self._token: Token[HeldAnswers | None] | None = None

    def __enter__(self) -> "HeldAnswers":  # noqa: PYI034 - perhaps the outer one
        if (outer := _current.get()) is not None:
            return outer
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
            if self._budget is not None:
                self._budget.taken -= self._taken

    def prepare(self, budget: AnswerBudget) -> None:
        """Make room for a short answer; NoReplyError where there is none."""
        self._budget = budget
        if self._left < _STEP and not self._take(min(_STEP, budget.limit) - self._left):
            raise NoReplyError(Reason.CAPACITY, was_sent=False, limit=budget.description)

    def add(self, size: int) -> None:
        """Hold more bytes; UpstreamError where there is no room for them."""
        missing = size - self._left
        if missing > 0 and not self._take(missing):
            raise UpstreamError(Reason.CAPACITY, limit=self._budget.description if self._budget else "")
        self._left -= size

    def _take(self, size: int) -> bool:
        if self._budget is None or not self._budget.take(size):
            return False
        self._taken += size
        self._left += size
        return True
