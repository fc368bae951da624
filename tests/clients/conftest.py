"""The proxy that programs talk to, and an old library.

The library needs a Python 2.7: PYTHON27 names one, or it is found on PATH or among pyenv's. pip fetches it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from clients.programs import Server, works
from clients.serving import serving

REQUIREMENT = """\
--no-binary :all:
twilio==2.0.10 --hash=sha256:3d468364ba9802e7e51fbaa920e662c10799b36b91f734fc1c56e3bbfe288fb3
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as server:
        yield server


def pythons() -> Iterator[str | Path]:
    """Name what may be a Python 2.7; one of pyenv's shims may stand for a version that is not chosen."""
    if named := os.environ.get("PYTHON27"):
        yield named
        return
    yield from filter(None, map(shutil.which, ("python2.7", "python2")))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/2.7*/bin/python2.7"), reverse=True)


@pytest.fixture(scope="session")
def python27() -> str | Path:
    is_27 = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    found = next((python for python in pythons() if works(python, "-c", is_27)), None)
    return found or pytest.skip("no Python 2.7: name one in PYTHON27")


@pytest.fixture(scope="session")
def library(python27: str | Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the unpacked library; the workers of one session share it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "twilio-2.0.10"
    with (shared / "twilio-2.0.10.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            download(python27, folder)
    return folder if (folder / "twilio.py").exists() else pytest.skip("pip cannot fetch twilio==2.0.10")


def download(python27: str | Path, folder: Path) -> None:
    """Fetch and unpack the library; leave the folder empty where that cannot be done."""
    folder.mkdir()
    requirement = folder / "requirement.txt"
    requirement.write_text(REQUIREMENT)
    # Its own Python's pip asks setup.py at once; this one's would first install what builds packages today.
    for python in (python27, sys.executable):
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--retries=1"]
        command = [*pip, "download", "--no-deps", "--dest", folder, "--requirement", requirement]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            (archive,) = folder.glob("*.tar.gz")
            with tarfile.open(archive) as files:
                module = files.extractfile("twilio-2.0.10/twilio.py")
                assert module is not None
                (folder / "twilio.py").write_bytes(module.read())
            return
