"""Pending calls: what is read of records that others may have written."""

import secrets

import pytest

from proxy.cache import MemoryRecords
from proxy.gateway.accounts import AccountEntry, AccountTable
from proxy.gateway.pending_codes import PendingCalls
from proxy.model import Credentials

NUMBER = "+14155551212"
SID, OTHER = ("AC" + letter * 32 for letter in "ab")
ACCOUNTS = AccountTable(
    {SID: AccountEntry(secrets.token_bytes(32), "main", Credentials("main", "key"), "upstream")}
)


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"\xff", b"[1]", b"{}", b'["id","digest"]', b'["id","digest",["x"]]', b"[1,2,3]"],
)
async def test_what_is_no_record_hides_no_call(content: bytes) -> None:
    records = MemoryRecords()
    calls = PendingCalls(records)
    account = ACCOUNTS.find(SID)
    assert account
    await records.put(NUMBER, OTHER, content, 60)
    assert await calls.add(NUMBER, account, "name")
    assert [each.pending for each in await calls.find(NUMBER, ACCOUNTS)] == ["name"]


@pytest.mark.parametrize("length", [1, 36, 1500, 8192])
async def test_an_upstream_may_name_a_call_at_length(length: int) -> None:
    calls, account = PendingCalls(MemoryRecords()), ACCOUNTS.find(SID)
    assert account
    assert await calls.add(NUMBER, account, "x" * length)
    (found,) = await calls.find(NUMBER, ACCOUNTS)
    assert len(found.pending) == length
