"""ConnectionLimit and ByteBudget: what is kept of whom, and what gives way."""

import socket
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.net.addresses import Address
from proxy.net.byte_budget import ByteBudget
from proxy.net.connection_limit import ConnectionLimit, Peer
from proxy.net.sockets import opened


class Place:
    """A connection that says itself whether it can give way."""

    def __init__(self, peer: str = "", *, awaits_client: bool = True) -> None:
        self.peer = peer
        self.awaits_client = awaits_client
        self.has_given_way = False

    def give_way(self) -> None:
        self.has_given_way = True


def admitted(limit: ConnectionLimit, *peers: str, **kind: Any) -> list[Place]:
    places = [Place(peer) for peer in peers]
    assert all(limit.admit(place, place.peer, **kind) for place in places)
    return places


def gave_way(places: Sequence[Place]) -> list[int]:
    return [number for number, place in enumerate(places) if place.has_given_way]


def test_the_one_that_has_waited_longest_gives_way() -> None:
    limit = ConnectionLimit(3)
    limit.limit_peers(3)
    places = admitted(limit, "a", "a", "a")
    limit.touch(places[0])
    places += admitted(limit, "a", "a")
    assert gave_way(places) == [1, 2]


def test_what_carries_something_out_stays() -> None:
    limit = ConnectionLimit(3)
    limit.limit_peers(3)
    places = admitted(limit, "a", "b", "c")
    places[0].awaits_client = places[2].awaits_client = False
    places += admitted(limit, "d")
    assert gave_way(places) == [1]
    places[3].awaits_client = False
    assert limit.is_full
    assert limit.admit(Place(), "e") is None
    places[0].awaits_client = True
    assert limit.admit(Place(), "e")
    assert gave_way(places) == [0, 1]


def test_a_peer_has_a_quarter_and_its_own_give_way() -> None:
    limit = ConnectionLimit(16)
    others = admitted(limit, "b", "b")
    places = admitted(limit, *"aaaaaa")
    assert gave_way(places) == [0, 1]
    assert not gave_way(others)
    for place in places[2:]:
        place.awaits_client = False
    assert limit.admit(Place(), "a") is None
    assert limit.admit(Place(), "b")
    limit.limit_peers(5)
    assert limit.admit(Place(), "a")


def test_a_peer_with_little_is_spared() -> None:
    limit = ConnectionLimit(10)
    limit.limit_peers(10)
    modest = admitted(limit, "modest")
    greedy = admitted(limit, *["greedy"] * 9)
    greedy += admitted(limit, *["greedy"] * 30)
    assert not gave_way(modest)
    assert gave_way(greedy) == [*range(30)]
    assert not gave_way(admitted(limit, "other"))


def test_without_others_one_with_little_gives_way() -> None:
    limit = ConnectionLimit(4)
    limit.limit_peers(4)
    places = admitted(limit, "a", "b", "b", "b")
    for place in places[1:]:
        place.awaits_client = False
    assert limit.admit(Place(), "c")
    assert gave_way(places) == [0]


def test_an_even_share_is_not_spared() -> None:
    """An even share is the whole number: of ten connections of three peers, three."""
    limit = ConnectionLimit(10)
    limit.limit_peers(10)
    places = admitted(limit, *"aaabbbcccc")
    assert not gave_way(admitted(limit, "d"))
    assert gave_way(places) == [0]


def test_few_are_looked_at_for_one_that_gives_way() -> None:
    """However many are busy; those that come after them are looked at for the next one."""
    limit = ConnectionLimit(300)
    limit.limit_peers(300)
    places = admitted(limit, *["a"] * 300)
    for place in places[:-1]:
        place.awaits_client = False
    assert limit.admit(Place(), "b") is None
    assert limit.admit(Place(), "b")
    assert gave_way(places) == [299]


def test_handshakes_have_a_quarter() -> None:
    limit = ConnectionLimit(16)
    limit.limit_peers(16)
    others = admitted(limit, *"abcdefgh")
    handshakes = admitted(limit, *"ijklmn", shakes_hands=True)
    assert gave_way(handshakes) == [0, 1]
    limit.remove(handshakes[2])
    assert not gave_way(admitted(limit, "o", shakes_hands=True))
    assert not gave_way(others)


def test_a_peer_is_forgotten_with_its_last_connection() -> None:
    limit = ConnectionLimit(4)
    (place,) = admitted(limit, "a")
    limit.remove(place)
    limit.remove(place)
    limit.touch(place)
    assert not gave_way(admitted(limit, "b", "c", "d", "e"))


def test_the_log_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now, logged_at = [0.0], list[int]()
    limit = ConnectionLimit(0, lambda: now[0])
    for second in range(180):
        now[0] = second
        assert limit.admit(Place(), "a") is None
        if len(caplog.messages) > len(logged_at):
            logged_at.append(second)
    assert logged_at == [0, 60, 120]
    assert (
        caplog.messages
        == ["server: new connections are closed, as 0 are open; raise ulimit -n, or add workers"] * 3
    )


def test_the_log_names_the_key_for_a_peer(caplog: pytest.LogCaptureFixture) -> None:
    limit = ConnectionLimit(4)
    (place,) = admitted(limit, "10.9.8.7")
    place.awaits_client = False
    assert limit.admit(Place(), "10.9.8.7") is None
    (line,) = caplog.messages
    assert "limits.connections_per_peer" in line
    assert "listen.trusted_proxies" in line
    assert "10.9.8.7" not in line


MOST, PER_PEER = 8, 4


class LimitMachine(RuleBasedStateMachine):
    """Connections in any order, compared with a list that is searched anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = ConnectionLimit(MOST)
        self.limit.limit_peers(PER_PEER)
        self.open: list[Place] = []  # the one that has waited longest first

    @rule(peer=st.sampled_from("abcde"))
    def admit(self, peer: str) -> None:
        own = [each for each in self.open if each.peer == peer]
        within = own if len(own) >= PER_PEER else self.open if len(self.open) >= MOST else None
        waiting = [each for each in within or () if each.awaits_client]
        place = Place(peer)
        assert bool(self.limit.admit(place, peer)) == (within is None or bool(waiting))
        if within is None or waiting:
            gone = [each for each in self.open if each.has_given_way]
            assert len(gone) == (within is not None)
            assert set(gone) <= set(waiting)
            if within is own:
                assert gone == waiting[:1]
            self.open = [each for each in self.open if not each.has_given_way] + [place]

    @precondition(lambda self: self.open)
    @rule(data=st.data(), change=st.sampled_from(["touch", "work", "remove"]))
    def change(self, data: st.DataObject, change: str) -> None:
        place = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        if change == "remove":
            self.limit.remove(place)
            return
        place.awaits_client = change == "touch"
        self.limit.touch(place)
        self.open.append(place)

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        assert len(self.open) <= MOST
        for peer in "abcde":
            assert sum(each.peer == peer for each in self.open) <= PER_PEER
        is_full = len(self.open) == MOST and not any(each.awaits_client for each in self.open)
        assert self.limit.is_full == is_full


TestLimitMachine = LimitMachine.TestCase


# Bytes


def test_one_peer_gets_four_fifths_of_the_budget() -> None:
    budget, peer = ByteBudget(1000), Peer()
    for _ in range(8):
        assert budget.has_room(peer, 100)
        budget.hold(peer, 100)
    assert not budget.has_room(peer, 1)
    assert budget.has_room(Peer(), 100)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 500)), max_size=200))
def test_the_budget_is_kept_and_something_is_left(requests: list[tuple[int, int]]) -> None:
    budget, peers = ByteBudget(10_000), [Peer() for _ in range(10)]
    for number, size in requests:
        if budget.has_room(peers[number], size):
            budget.hold(peers[number], size)
    assert budget.used == sum(peer.held_bytes for peer in peers) <= budget.most
    assert budget.has_room(Peer(), budget.most // (4 * len(peers) + 1) // 2)


class Reader:
    def __init__(self, budget: ByteBudget, peer: Peer, size: int) -> None:
        self.budget, self.peer, self.size = budget, peer, size
        budget.hold(peer, size)
        budget.add_slow_reader(self)

    def give_way(self) -> None:
        self.budget.hold(self.peer, -self.size)


def test_slow_readers_give_way_after_a_second() -> None:
    now, refused = [0.0], list[int]()
    budget = ByteBudget(1000, lambda: refused.append(1), lambda: now[0])
    peer = Peer()
    for _ in range(4):
        Reader(budget, peer, 200)
        now[0] += 0.25
    assert budget.has_room(peer, 200), "the first has had its second"
    assert budget.used == 600
    budget.hold(peer, 200)
    assert not budget.has_room(peer, 1)
    assert refused == [1]


def test_the_kernel_keeps_little_of_what_is_not_taken() -> None:
    """Else it keeps some MiB for each client that reads nothing, which no budget counts."""
    with opened({"address": Address("127.0.0.1", 0)}) as every:
        listener = every["address"].sockets[0]
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 256 * 1024
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 64 * 1024
