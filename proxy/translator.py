"""The bridge: the only module that knows both shores. Orchestration and nothing else."""

from typing import assert_never

from proxy.accounts import Accounts
from proxy.errors import NOT_FOUND, Fault, LegacyError
from proxy.legacy import Answer, Request, Style, cut, read_credentials, render, render_error, route
from proxy.model import Account, CallerId, Delete, Fetch, List, Operation, Page, Rename, Result, Validate
from proxy.upstream.api import Upstream


class Translator:
    """Answers legacy requests out of an upstream."""

    def __init__(self, accounts: Accounts, upstream: Upstream, style: Style) -> None:
        """Bind the parts together."""
        self._accounts = accounts
        self._upstream = upstream
        self._style = style

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
        match operation:
            case List():
                return await self._list(operation, account)
            case Fetch():
                return self._listed(await self._upstream.perform(operation, account))
            case Rename() | Delete() | Validate():
                return await self._upstream.perform(operation, account)
            case _:
                assert_never(operation)

    def _listed(self, result: Result) -> Result:
        """Hide one caller ID where the list leaves it out."""
        if isinstance(result, CallerId) and self._style.number(result.phone_number) is None:
            raise LegacyError(NOT_FOUND)
        return result

    async def _list(self, operation: List, account: Account) -> Page:
        walked = () if operation.nothing_matches else await self._upstream.walk(operation, account)
        listed = [
            it for it in walked if _matches(it, operation) and self._style.number(it.phone_number) is not None
        ]
        return cut(listed, operation.page, operation.page_size)


def _matches(caller_id: CallerId, operation: List) -> bool:
    """Check both filters once more: an upstream may take them less exactly than 2008 did."""
    return operation.phone_number in (None, caller_id.phone_number) and operation.friendly_name in (
        None,
        caller_id.friendly_name,
    )
