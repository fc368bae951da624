"""The bridge: the only module that knows both shores. Orchestration and nothing else."""

import re
from collections.abc import Mapping
from typing import assert_never

from proxy.accounts import Accounts
from proxy.errors import BAD_CODE, BAD_PHONE_NUMBER, NOT_FOUND, Fault, LegacyError
from proxy.legacy import Answer, Request, Style, cut, e164, read_credentials, render, render_error, route
from proxy.model import (
    Account,
    CallerId,
    Delete,
    Fetch,
    List,
    Operation,
    Page,
    Rename,
    Result,
    Validate,
    ValidationRequest,
)
from proxy.pending import PendingCalls, Waiting
from proxy.upstream.api import Upstream


class Translator:
    """Answers legacy requests out of an upstream."""

    def __init__(self, accounts: Accounts, upstreams: Mapping[str, Upstream], style: Style) -> None:
        """Bind the parts together; each account names the one of `upstreams` that it is asked of."""
        self._accounts = accounts
        self._upstreams = upstreams
        self._style = style
        self._pending = PendingCalls()
        self.takes_codes = any(upstream.speaks_codes for upstream in upstreams.values())

    async def answer(self, request: Request) -> Answer:
        """Carry out `request`; whatever goes wrong on the way is an answer too."""
        try:
            to = route(request)
            account = self._accounts.admit(to.account_sid, read_credentials(request.authorization))
            result = await self._perform(to.read(request), account)
        except LegacyError as error:
            return self.refuse(error.fault, request.target)
        return render(result, to, self._style)

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        """Answer a request to `target`, as far as that is known, which cannot be carried out."""
        return render_error(fault, target, self._style)

    async def _perform(self, operation: Operation, account: Account) -> Result:
        upstream = self._upstreams[account.upstream]
        match operation:
            case List():
                return await self._list(operation, account, upstream)
            case Fetch():
                return self._listed(await upstream.perform(operation, account))
            case Rename() | Delete():
                return await upstream.perform(operation, account)
            case Validate():
                return await self._validate(operation, account, upstream)
            case _:
                assert_never(operation)

    def _listed(self, result: Result) -> Result:
        """Hide one caller ID where the list leaves it out."""
        if isinstance(result, CallerId) and self._style.number(result.phone_number) is None:
            raise LegacyError(NOT_FOUND)
        return result

    async def _list(self, operation: List, account: Account, upstream: Upstream) -> Page:
        if operation.nothing_matches:
            return cut((), operation.page, operation.page_size)
        # The upstream's total counts the numbers that are left out here
        window = None if self._style.outside_nanp == "skip" else await upstream.window(operation, account)
        if window:
            page = Page(window.caller_ids, operation.page, operation.page_size, window.total)
            if all(self._lists(caller_id, operation) for caller_id in page.caller_ids):
                return page
        walked = await upstream.walk(operation, account)
        listed = [caller_id for caller_id in walked if self._lists(caller_id, operation)]
        return cut(listed, operation.page, operation.page_size)

    def _lists(self, caller_id: CallerId, operation: List) -> bool:
        return _matches(caller_id, operation) and self._style.number(caller_id.phone_number) is not None

    async def _validate(self, operation: Validate, account: Account, upstream: Upstream) -> ValidationRequest:
        started = await upstream.validate(operation, account)
        if isinstance(started, ValidationRequest):
            return started
        self._pending.add(operation.phone_number, Waiting(account, started.pending))
        return started.request

    async def bring_code(self, readable_number: str, code: str) -> None:
        """Bring back the code that a validation call spoke; LegacyError where it is not taken."""
        number = e164(readable_number)
        if number is None:
            raise LegacyError(BAD_PHONE_NUMBER)
        if not re.fullmatch("[0-9]{6}", code):
            raise LegacyError(BAD_CODE)
        verify, account = self._pending.attempt(number, code)
        await self._upstreams[account.upstream].verify(verify, account)
        self._pending.done(number)


def _matches(caller_id: CallerId, operation: List) -> bool:
    """Check both filters once more: an upstream may take them less exactly than 2008 did."""
    return operation.phone_number in (None, caller_id.phone_number) and operation.friendly_name in (
        None,
        caller_id.friendly_name,
    )
