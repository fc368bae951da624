"""The tools of the peers, fetched once into build/bench; nothing is installed on the machine itself."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench.processes import BUILT

_DEBIAN = ("nginx", "libnginx-mod-http-lua", "lua-cjson", "haproxy", "tinyproxy-bin")
_UNDICI = "undici@6.29.1"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")


class UnavailableError(Exception):
    """A peer is not available here; the message says why."""


@cache
def python() -> Path:
    """Return the interpreter of the environment with bench/requirements.txt."""
    folder = BUILT / "venv"
    interpreter = folder / "bin" / "python"
    stamp = folder / "installed.txt"
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        venv.create(folder, clear=True, with_pip=True)
        options = ("--quiet", "--quiet", "--no-input", "--disable-pip-version-check")
        _run(interpreter, "-m", "pip", *options, "install", "--requirement", _REQUIREMENTS)
        stamp.write_text(wanted, encoding="utf-8")
    return interpreter


def has_debian() -> bool:
    """Tell whether all of Debian's packages are unpacked already."""
    stamp = BUILT / "debian" / "complete"
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == " ".join(_DEBIAN)


@cache
def debian() -> Path:
    """Return a folder with nginx, HAProxy and tinyproxy as Debian's packages hold them, unpacked."""
    folder, archives = BUILT / "debian", BUILT / "archives"
    if has_debian():
        return folder
    if not shutil.which("apt-get"):
        raise UnavailableError("needs Debian's packages")
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    # Downloaded even where they are installed; without a lock, as nothing is installed here
    options = ("--quiet", "--yes", "--no-install-recommends", "--reinstall", "--download-only")
    places = (f"Dir::Cache::archives={archives}", "Debug::NoLocking=1")
    download = ("apt-get", *options, *(f"--option={place}" for place in places), "install", *_DEBIAN)
    try:
        _run(*download)
    except UnavailableError:
        if os.geteuid() != 0:
            raise
        _run("apt-get", "--quiet", "update")
        _run(*download)
    for archive in archives.glob("*.deb"):
        _run("dpkg-deb", "--extract", archive, folder)
    (folder / "complete").write_text(" ".join(_DEBIAN), encoding="utf-8")
    return folder


@cache
def libraries() -> Path:
    """Return the folder of Debian's libraries for this kind of machine."""
    return next((debian() / "usr" / "lib").glob("*-linux-gnu"))


@cache
def undici() -> Path:
    """Return a folder from which Node finds undici."""
    folder = BUILT / "node"
    if not shutil.which("node"):
        raise UnavailableError("needs Node")
    if not (folder / "node_modules" / "undici").is_dir():
        if not shutil.which("npm"):
            raise UnavailableError("needs npm")
        folder.mkdir(parents=True, exist_ok=True)
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        _run("npm", "install", "--prefix", folder, *options, _UNDICI)
    return folder


def _run(*command: str | Path) -> None:
    """Run a command that says whatever it has to say on stderr."""
    try:
        subprocess.run(command, check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{Path(command[0]).name} failed") from error


def library_path(folders: Sequence[Path]) -> dict[str, str]:
    """Return the variable that leads the loader to libraries in `folders`."""
    return {"LD_LIBRARY_PATH": ":".join(map(str, folders))}
