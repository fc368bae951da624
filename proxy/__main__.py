"""The process: `python -m proxy`, and the script `callerid-proxy`."""

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from signal import SIG_BLOCK, SIGHUP, SIGINT, SIGTERM, Signals, pthread_sigmask

_HELD: Mapping[str, Collection[Signals]] = {"serve": {SIGTERM, SIGINT, SIGHUP}, "sandbox": {SIGTERM, SIGINT}}
"""Signals that wait until a command handles them; until then they would end the process."""


def main() -> None:
    """Prepare the process, then run the command line."""
    _open_standard_streams()
    command = sys.argv[1] if len(sys.argv) > 1 and "answer" not in sys.argv else ""
    pthread_sigmask(SIG_BLOCK, _HELD.get(command, ()))
    from proxy.cli import main as run_command  # noqa: PLC0415 - it takes most of the time until signals are handled

    run_command(prog_name="callerid-proxy")


def _open_standard_streams() -> None:
    """Open those that were closed at start: a socket would get their number, and what is written to them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - for good


if __name__ == "__main__":
    main()
