"""The real translator with scripted replies in the place of an upstream."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from proxy.config import Configuration
from proxy.gateway.accounts import TrustingAccounts
from proxy.gateway.translator import SharedState
from proxy.legacy import Answer, Request
from proxy.observe.counters import Rejection
from proxy.observe.failures import FailureLog, UpstreamFailure
from proxy.process.assembly import assemble, create_accounts
from proxy.profile.calls import Call, Reply

_TOKEN = "token"  # noqa: S105 - stands for one, which is not fetched


class Rehearsal(NamedTuple):
    """How far a request gets with the replies that there are."""

    calls: Sequence[Call]
    """What the upstream would be asked, in order."""
    answer: Answer | None
    """None where the last call has no reply."""
    failures: Sequence[UpstreamFailure] = ()
    """Why the replies could not be used, or what they say is wrong."""


class _NoMoreRepliesError(Exception):
    """A call is made after the last reply."""


class _Script:
    """Replies in order, in the place of a client."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.calls: list[Call] = []
        self._replies = iter(replies)

    async def send(self, call: Call) -> Reply:
        self.calls.append(call.authorized(time.time(), _TOKEN))
        try:
            return next(self._replies)
        except StopIteration:
            if call.is_probe:  # the replies that were given are the whole list
                return Reply(404, b"")
            raise _NoMoreRepliesError from None


class _Failures(FailureLog):
    """Keeps the failures of upstreams, in the place of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[UpstreamFailure] = []

    def upstream_failed(self, failure: UpstreamFailure) -> None:
        self.kept.append(failure)

    def request_rejected(self, reason: Rejection) -> None: ...


async def rehearse(
    configuration: Configuration, request: Request, replies: Sequence[Reply] = ()
) -> Rehearsal:
    """Carry out `request` until the upstream's `replies` are used up, whatever its token."""
    script = _Script(replies)
    accounts = TrustingAccounts(create_accounts(configuration.settings))
    failures = _Failures()
    state = SharedState(failures=failures)
    translator = assemble(configuration, script, accounts=accounts, state=state)
    try:
        answer = await translator.answer(request)
    except _NoMoreRepliesError:
        return Rehearsal(script.calls, None)
    return Rehearsal(script.calls, answer, failures.kept)
