"""What the proxy would ask and answer: the real translator, with nobody at the other end."""

from collections.abc import Sequence
from typing import NamedTuple

from proxy.config import Configuration
from proxy.gateway.accounts import TrustingAccounts
from proxy.legacy import Answer, Request
from proxy.process.assembly import assemble, create_accounts
from proxy.profile.calls import Call, Reply


class Rehearsed(NamedTuple):
    """How far a request has come."""

    calls: Sequence[Call]
    """What the upstream would be asked, in order."""
    answer: Answer | None
    """None where the last call still waits for its reply."""


class _WaitingError(Exception):
    """There is no reply to a call."""


class _Script:
    """Replies in order, in the place of a client."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.calls: list[Call] = []
        self._replies = iter(replies)

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        try:
            return next(self._replies)
        except StopIteration:
            raise _WaitingError from None


async def rehearse(
    configuration: Configuration, request: Request, replies: Sequence[Reply] = ()
) -> Rehearsed:
    """Carry `request` out until the upstream's `replies` are used up; its token does not matter."""
    script = _Script(replies)
    translator = assemble(
        configuration, script, accounts=TrustingAccounts(create_accounts(configuration.settings))
    )
    try:
        answer = await translator.answer(request)
    except _WaitingError:
        return Rehearsed(script.calls, None)
    return Rehearsed(script.calls, answer)
