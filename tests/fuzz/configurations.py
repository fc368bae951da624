"""Any bytes as a proxy.yaml and as a profile beside it.

The result is a configuration whose requests can be encoded, or errors. Only named files are read, no file is
written, and no error contains the value of a variable or of a secret file.
"""

import importlib
import os
import re
import sys
import sysconfig
import tempfile
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from support.seed import ACCOUNT

from proxy.config import Configuration, ConfigurationError, load, shipped_profiles
from proxy.config.yaml_source import Mistake
from proxy.errors import LegacyError
from proxy.model import Account, Credentials, List
from proxy.process.assembly import create_profile
from proxy.upstream import encoding

SECRET = "a-secret-that-nobody-reads"
VARIABLES = {
    "TOKEN": "old-token",
    "KEY": "a-key",
    "SID_KEY": "sid-key",
    "SECRET": SECRET,
    "BY_FILE": SECRET,  # which is read from a file
}
BETWEEN = b"\xff"
"""Separates the two files; no text contains it."""

_SYSTEM = (*sysconfig.get_paths().values(), sys.base_prefix, *zoneinfo.TZPATH)
_SHIPPED = [str(file) for file in shipped_profiles().values()]


def configuration(data: bytes) -> None:
    """Read a proxy.yaml, and my-api.yaml after it."""
    own, _, profile = data.partition(BETWEEN)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"proxy.yaml": own, "my-api.yaml": profile, "secret": SECRET.encode()}
        for file, content in files.items():
            (folder / file).write_bytes(content)
        with _watched() as events:
            loaded = _load(folder)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == files
        named = {text for content in (own, profile) for text in _scalars(content)}
        for event in events:
            assert _is_fine(event, folder, named), event
        if loaded:
            _assert_of_use(loaded)


def _load(folder: Path) -> Configuration | None:
    variables = {**VARIABLES, "BY_FILE": "", "BY_FILE_FILE": str(folder / "secret")}
    loaded: Configuration | None = None
    told: Sequence[Mistake] = ()
    try:
        loaded = load(folder / "proxy.yaml", variables)
        told = loaded.warnings
    except ConfigurationError as error:
        told = error.mistakes
    assert loaded or told
    for mistake in told:
        assert mistake.file
        assert mistake.message
        assert mistake.line >= 0
        text = str(mistake)
        assert text.isprintable()
        assert SECRET not in text, text
    return loaded


def _assert_of_use(loaded: Configuration) -> None:
    """Check that every operation can be encoded for the upstream, or is unsupported."""
    for settings in loaded.upstreams().values():
        profile = create_profile(loaded, settings)
        account = Account(ACCOUNT, "7", Credentials("a-key", "its-secret"), is_own=False)
        with suppress(LegacyError):
            call = profile.list(List(ACCOUNT, 0, 50), account).call
            origin, target = encoding.origin_and_target(call.url)
            assert origin.startswith(("http://", "https://"))
            encoding.encode(call, target, "upstream.example")


# Effects outside the program


_Event = tuple[str, Any]

_watching: list[list[_Event]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching:
        _watching[-1].append((event, arguments))


importlib.import_module("botocore.auth")  # the first import tries whether a socket can have an IPv6 address
sys.addaudithook(_watch)


@contextmanager
def _watched() -> Iterator[Sequence[_Event]]:
    """Collect the interpreter's audit events about files, sockets and processes."""
    _watching.append([])
    try:
        yield _watching[-1]
    finally:
        _watching.clear()


_OUTSIDE = frozenset({"ctypes", "ftplib", "shutil", "socket", "subprocess", "tempfile", "urllib"})
_CHANGING = frozenset({"chmod", "fork", "link", "mkdir", "remove", "rename", "rmdir", "symlink", "system"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _is_fine(event: _Event, folder: Path, named: set[str]) -> bool:
    name, arguments = event
    if name == "open":
        path, _, flags = arguments
        return str(path).startswith(_SYSTEM) or (
            not flags & _WRITING and _may_be_read(str(path), folder, named)
        )
    module, _, what = name.partition(".")
    return module not in _OUTSIDE and not (module == "os" and what in _CHANGING)


def _may_be_read(path: str, folder: Path, named: set[str]) -> bool:
    if path in (str(folder / "proxy.yaml"), str(folder / "secret"), *_SHIPPED):
        return True
    return any(path == str(folder / _expanded(text)) for text in named)


def _expanded(text: str) -> str:
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda found: VARIABLES.get(found[1]) or found[2] or "", text)


def _scalars(content: bytes) -> Iterator[str]:
    """Yield every text that stands in a YAML file, as far as it can be read."""
    with suppress(yaml.YAMLError, ValueError, OverflowError):
        for event in yaml.parse(content.decode(), Loader=yaml.SafeLoader):
            if isinstance(event, yaml.ScalarEvent):
                yield event.value
