"""What is sent again, how often, and what never is; over real sockets, counted by the upstream."""

from typing import Literal

import pytest
from support.running import running_proxy
from support.seed import LIST, basic
from support.wire import Message, ask, json_answer, scripted_upstream

from proxy.profile.calls import Call, Reply
from proxy.upstream import retry

SID = "PNe536dfda7c6184afab78d980cb8cdf43"
GONE = json_answer(404, b'{"code": 20404, "message": "gone", "status": 404}')
LOST = Message("")  # the connection is closed instead
EMPTY = json_answer(200, b'{"outgoing_caller_ids": [], "next_page_uri": null}')


# The table


def decided(
    retries: int, sent: int, reply: Reply | Literal["unsent"] | None, left: float = 25
) -> float | None:
    return retry.retry_delay(Call("GET", "http://x", retries=retries), sent, reply, left, lambda low, _: low)


def test_a_call_without_retries_is_sent_once() -> None:
    assert decided(0, 1, None) is None
    assert decided(0, 1, Reply(503, b"")) is None


@pytest.mark.parametrize("retries", [1, 2, 3])
def test_a_lost_call_is_sent_again_as_often_as_it_may(retries: int) -> None:
    pauses = [decided(retries, sent, None) for sent in range(1, retries + 2)]
    assert pauses == [0.025] * retries + [None]


def test_a_call_of_which_no_byte_was_sent_has_one_retry_at_least() -> None:
    assert [decided(0, sent, "unsent") for sent in (1, 2)] == [0.025, None]
    assert [decided(1, sent, "unsent") for sent in (1, 2)] == [0.025, None]
    assert [decided(2, sent, "unsent") for sent in (1, 2, 3)] == [0.025, 0.025, None]
    assert decided(0, 2, None) is None


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 409, 422, 429, 501, 505])
def test_other_statuses_are_final(status: int) -> None:
    assert decided(1, 1, Reply(status, b"")) is None


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_transient_statuses_are_retried(status: int) -> None:
    assert decided(1, 1, Reply(status, b"")) == 0.025


def test_retry_after_is_kept_where_there_is_time_for_it() -> None:
    assert decided(1, 1, Reply(503, b"", retry_after=7), left=8) == 7
    assert decided(1, 1, Reply(503, b"", retry_after=7), left=7) is None
    assert decided(1, 1, Reply(503, b"", retry_after=0), left=7) == 0.025
    assert decided(1, 1, None, left=0.01) is None


# The wire


async def status_of(method: str, target: str, *answers: Message) -> tuple[int, int]:
    """Return the status that a client gets, and how often the upstream was asked."""
    async with scripted_upstream(*answers) as upstream, running_proxy(upstream.url) as port:
        body = b"PhoneNumber=4158675309&FriendlyName=x" if method in ("POST", "PUT") else b""
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        headers = (("Host", "x"), ("Authorization", basic()), kind)
        answer = await ask(port, Message(f"{method} {target} HTTP/1.1", headers, body).encode())
        return answer.status, len(upstream.received)


async def test_a_list_whose_answer_was_lost_is_asked_for_again() -> None:
    assert await status_of("GET", LIST, LOST, EMPTY) == (200, 2)


async def test_a_list_is_asked_for_twice_at_most() -> None:
    assert await status_of("GET", LIST, LOST, LOST, EMPTY) == (502, 2)


async def test_a_number_that_is_gone_after_a_lost_answer_was_deleted() -> None:
    assert await status_of("DELETE", f"{LIST}/{SID}", LOST, GONE) == (204, 2)


async def test_a_number_that_was_not_there_was_not_deleted() -> None:
    assert await status_of("DELETE", f"{LIST}/{SID}", GONE) == (404, 1)


async def test_a_rename_is_sent_once() -> None:
    assert await status_of("PUT", f"{LIST}/{SID}", LOST) == (502, 1)


@pytest.mark.parametrize("answer", [LOST, json_answer(500, b"{}"), json_answer(503, b"{}")])
async def test_a_validation_is_sent_once(answer: Message) -> None:
    assert (await status_of("POST", LIST, answer))[1] == 1
