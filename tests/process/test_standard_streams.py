"""Standard streams that are closed at start: no socket gets their numbers."""

import os
from itertools import chain, combinations
from pathlib import Path

import pytest
from support.processes import processes_of, starting, workers_of
from support.wire import ask

SUBSETS = [*chain.from_iterable(combinations((0, 1, 2), number) for number in range(4))]


@pytest.mark.parametrize("closed", SUBSETS, ids=str)
async def test_found_e6_no_socket_gets_the_number_of_a_closed_stream(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """Each subset; with workers where it has two streams."""
    workers = 2 if len(closed) == 2 else 1
    shell = ("sh", "-c", " ".join(['exec "$@"', *(f"{number}>&-" for number in closed)]), "sh")
    with starting(tmp_path, "--workers", str(workers), inside=shell) as (server, port):
        if workers > 1:
            workers_of(server, workers)
        assert (await ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404
        for pid in processes_of(server):
            opened = streams_of(pid)
            assert {opened[number] for number in closed} <= {os.devnull}
            assert not any(file.startswith("socket:") for file in opened)
        assert server.stop() == 0


def streams_of(pid: int) -> list[str]:
    return [str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in range(3)]
