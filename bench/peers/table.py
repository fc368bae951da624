"""The table of what is measured: ours first, then every peer, with how it is started."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from bench import tools
from bench.processes import BUILT, Cores, Server, free_port, running
from proxy.config import shipped_profiles

_HERE = Path(__file__).parent
_PROFILE = "twilio-2010-04-01"
_OURS = (sys.executable, "-m", "proxy")


class Launch(NamedTuple):
    """A command and the variables that it needs."""

    command: Sequence[str | Path]
    variables: Mapping[str, str] = {}


class Peer(NamedTuple):
    """One way to do the work."""

    name: str
    launch: Callable[[int, int], Launch]
    """From its own port and the upstream's."""
    speaks: Literal["legacy", "modern"] = "legacy"
    """Which requests it takes; modern ones are answered as the upstream does."""
    constant: bool = False
    """Whether it has one answer for every list and one for every instance."""
    snapshot: bool = False
    """Whether the upstream is not asked."""
    ours: bool = False


@contextmanager
def started(peer: Peer, upstream: int, on: Cores) -> Iterator[Server]:
    """Run a peer before an upstream; UnavailableError where it cannot be had."""
    port = free_port()
    launch = peer.launch(port, upstream)
    with running(launch.command, port, on, launch.variables) as server:
        yield server


# Ours


def _configured(more: str, port: int = 8080, upstream: int = 9000) -> Path:
    file = _scratch() / f"proxy-{port}.yaml"
    base_url = f"http://127.0.0.1:{upstream}"
    listen = f"listen: {{address: 127.0.0.1:{port}, drain: 0}}\n"
    settings = f"{listen}upstream: {{profile: {_profile()}, base_url: {base_url}}}\n{more}"
    file.write_text(settings, encoding="utf-8")
    return file


def _profile() -> Path:
    """Return the shipped profile, which then takes lists of 100,000 too."""
    limits = "\nlimits: {items: 100000, bytes: 134217728}\n"
    text = shipped_profiles()[_PROFILE].read_text(encoding="utf-8")
    file = _scratch() / f"{_PROFILE}.yaml"
    file.write_text(text + limits, encoding="utf-8")
    return file


def _scratch() -> Path:
    folder = BUILT / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ours(port: int, upstream: int, fresh: int = 0, workers: int = 1) -> Launch:
    """Return how to start ours: with snapshots that count for `fresh` seconds, or with none at 0."""
    # 100,000 items are 34 MB as text, a little more than what is remembered unless told otherwise
    more = f"snapshots: {{fresh: {fresh}, bytes: 67108864}}\n"
    options = ("--workers", str(workers))
    return Launch([*_OURS, "serve", "--config", _configured(more, port, upstream), *options])


# The others


def _python(module: str, port: int, upstream: int) -> Launch:
    return Launch([sys.executable, "-m", f"bench.peers.{module}", str(port), str(upstream)])


def _starlette(port: int, upstream: int) -> Launch:
    return Launch([tools.python(), "-m", "bench.peers.starlette_httpx", str(port), str(upstream)])


def _debian(program: str, file: str, port: int, upstream: int) -> Launch:
    folder, libraries = tools.debian(), tools.libraries()
    words = {
        "DEBIAN": folder,
        "LIBRARIES": libraries,
        "PEERS": _HERE,
        "SCRATCH": _scratch(),
        "PORT": port,
        "UPSTREAM": upstream,
    }
    text = (_HERE / file).read_text(encoding="utf-8")
    for name, value in words.items():
        text = text.replace(f"@{name}@", str(value))
    filled_in = _scratch() / file
    filled_in.write_text(text, encoding="utf-8")
    loader = tools.library_path([libraries, folder / "lib" / libraries.name])
    option = "-c" if program == "nginx" else "-f"
    return Launch(
        [folder / "usr" / "sbin" / program, option, filled_in], {**loader, "UPSTREAM_PORT": str(upstream)}
    )


def _node(port: int, upstream: int) -> Launch:
    folder = tools.undici()
    return Launch(["node", _HERE / "node.mjs", str(port), str(upstream)], {"UNDICI": f"{folder}/"})


_nginx = partial(_debian, "nginx", "nginx.conf")
_haproxy = partial(_debian, "haproxy", "haproxy.cfg")

PASS_THROUGH = Peer("bare aiohttp pass-through", partial(_python, "passthrough"), speaks="modern")
OURS = Peer("ours, upstream asked", ours, ours=True)
SNAPSHOT = Peer("ours, cached", partial(ours, fresh=3600), snapshot=True, ours=True)
CONSTANT = Peer("constant, aiohttp web.Application", partial(_python, "constant"), constant=True)

QUICK = (OURS, SNAPSHOT, CONSTANT)
FULL = (
    *QUICK,
    Peer("constant, aiohttp web.Server", partial(_python, "constant_server"), constant=True),
    Peer("nginx, nothing translated", _nginx, speaks="modern"),
    Peer("HAProxy, nothing translated", _haproxy, speaks="modern"),
    Peer("nginx + Lua", _nginx),
    Peer("HAProxy + Lua", _haproxy),
    Peer("Node + undici, tuned", _node),
    Peer("straightforward aiohttp + lxml", partial(_python, "straightforward")),
    Peer("Starlette + httpx", _starlette),
)
