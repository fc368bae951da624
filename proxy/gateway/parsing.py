"""A legacy request → its meaning: what is asked, for which account, and where its answer may be cached.

A read has candidates in the cache: lists that may hold its answer, in the order in which they are looked up.
The list without filters comes first, since it answers every query.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.cache import Key, derive_key
from proxy.gateway.accounts import Accounts
from proxy.gateway.concurrency import UnjudgedCaller
from proxy.legacy import Item, Page, RenderedList, Request, Route, read_credentials, route
from proxy.model import Account, Fetch, List, Operation

UNFILTERED = (None, None)
"""The query of the list without filters."""


class Candidate(NamedTuple):
    """A cached list that may hold the answer, and how the answer is cut out of it."""

    key: Key
    cut: Callable[[RenderedList], Page | Item | None]
    """None where the list does not hold it."""


def find_candidates(operation: Operation, everything: Key) -> Sequence[Candidate]:
    """Return where the answer to `operation` may be cached; the last one is what has to be loaded."""
    match operation:
        case Fetch(sid=sid):
            return (
                Candidate(everything, lambda listed: listed.item(sid)),
                Candidate(
                    everything.with_query(sid), lambda listed: Item(listed, 0) if len(listed) else None
                ),
            )
        case List(page=number, page_size=size) as filters:
            query = filters.phone_number, filters.friendly_name
            unfiltered = Candidate(everything, lambda listed: listed.matching(filters).page(number, size))
            if query == UNFILTERED:
                return (unfiltered,)
            return unfiltered, Candidate(
                everything.with_query(*query), lambda listed: listed.page(number, size)
            )
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """The meaning of a request, whenever it is sent."""

    route: Route
    operation: Operation
    account: Account
    key: Key
    """Of the list without filters, read with the credentials of the account."""
    caller: Hashable
    """Whose slots upstream calls take: those of a credential, or those of an account of the table."""
    candidates: Sequence[Candidate]
    """Empty for a write."""


def parse(accounts: Accounts, request: Request) -> ParsedRequest:
    """Return the meaning of a request for one of `accounts`; LegacyError where it has none."""
    to = route(request)
    account = accounts.authenticate(to.account_sid, read_credentials(request.authorization))
    operation, key = to.read(request), derive_key(account, *UNFILTERED)
    caller = UnjudgedCaller(key.credential) if account.is_own else (key.credential, account.sid)
    return ParsedRequest(to, operation, account, key, caller, find_candidates(operation, key))
