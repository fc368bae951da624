"""Whether a peer takes what is sent, also where its connection has just been closed."""

import asyncio

from proxy.server.stalls import is_peer_gone, reset, unacknowledged_bytes


class ClosedTls(asyncio.Transport):
    """A transport of TLS below which the socket has been closed, before its protocol is told."""

    is_aborted = False

    def get_write_buffer_size(self) -> int:
        return 7

    def abort(self) -> None:
        self.is_aborted = True


def test_a_socket_that_has_gone_is_no_failure() -> None:
    transport = ClosedTls()
    assert unacknowledged_bytes(transport) == (7, 0)
    assert is_peer_gone(transport)
    reset(transport)
    assert transport.is_aborted
