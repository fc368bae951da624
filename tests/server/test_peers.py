"""Who asks, as far as it can be told."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.server.peers import peer_of

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("connected", "forwarded_for", "peer"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.9.9.9 ,10.8.8.8"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1,"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1", ""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1", ",10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.9.9.9"], "10.9.9.9"),
        ("fd00::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("10.0.0.1", ["198.51.100.1:50123"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:50123, 10.9.9.9:1"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3::]:50123"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["[2001:db8:1:2:3::]"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["198.51.100.1:"], "10.0.0.1"),
        ("10.0.0.1", ["[198.51.100.1"], "10.0.0.1"),
        ("2001:db8:1:2::1", [], "2001:db8:1:2::/64"),
        ("", [], ""),
    ],
)
def test_peer(connected: str, forwarded_for: Sequence[str], peer: str) -> None:
    assert peer_of(connected, forwarded_for, PROXIES) == peer


@given(st.lists(st.text()))
def test_nothing_is_believed_without_trusted_proxies(forwarded_for: list[str]) -> None:
    assert peer_of("192.0.2.7", forwarded_for, []) == "192.0.2.7"


@given(st.lists(st.text() | st.ip_addresses().map(str)))
def test_what_a_client_writes_before_a_trusted_proxy_does_changes_nothing(made_up: list[str]) -> None:
    assert peer_of("10.0.0.1", [*made_up, "198.51.100.1"], PROXIES) == "198.51.100.1"
