"""The command line as processes: output, exit status, and the commands that the demo prints."""

import re
import shlex
import shutil
import signal
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from click.testing import CliRunner
from lxml import etree
from support.processes import run, running
from support.seed import ACCOUNT, BOB, TOKEN

from proxy import __version__
from proxy.cli import main

ANYWHERE = "127.0.0.1:0"
HERE = r"(http://127\.0\.0\.1:\d+)"
LEGACY = rf"legacy API +{HERE}/2008-08-01"
SANDBOX = rf"sandbox +{HERE}"


class Answer(NamedTuple):
    status: int
    body: bytes

    def texts(self, name: str) -> list[str | None]:
        """Return the texts of all elements of this name."""
        return [element.text for element in etree.fromstring(self.body).iter(name)]


# Commands that end


def test_version() -> None:
    done = run("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"callerid-proxy {__version__}\n", "")


def test_check_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("upstream: {base_url: 'http://127.0.0.1:9000'}", encoding="utf-8")
    done = run("check", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: good\n", "")


@pytest.mark.parametrize("command", [["check"], ["serve", "--config"]], ids=" ".join)
def test_a_bad_file(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("numbers:\n  outside_nanp: keep\nlisten: 8080\nlegcy: {}\n", encoding="utf-8")
    done = run(*command, file)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr == (
        f"{file}:2:3: expected one of 'digits', 'e164' or 'skip'\n"
        f"{file}:3:1: write HOST:PORT, for example 127.0.0.1:8080\n"
        f"{file}:4:1: unknown key 'legcy'; did you mean 'legacy'?\n"
    )


def test_a_missing_file(tmp_path: Path) -> None:
    done = run("check", tmp_path / "none.yaml")
    assert done.returncode == 78
    assert done.stderr == f"{tmp_path}/none.yaml: cannot be read: No such file or directory\n"


def test_nothing_to_serve() -> None:
    done = run("serve")
    assert (done.returncode, done.stdout) == (2, "")
    assert "give either --config FILE or --demo" in done.stderr


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("serve --demo --config x", "give either --config FILE or --demo"),
        ("serve --demo --listen 8080", "write HOST:PORT, for example 127.0.0.1:8080"),
        ("sandbox --listen 127.0.0.1:http", "write HOST:PORT, for example 127.0.0.1:8080"),
        ("check", "Missing argument 'FILE'"),
        ("serve --dmeo", "No such option"),
        ("sandbox answer +14155551212", "Missing argument 'CODE'"),
    ],
)
def test_an_invalid_command(command: str, reason: str) -> None:
    done = CliRunner().invoke(main, command.split())
    assert done.exit_code == 2
    assert reason in done.stderr


# Addresses


@contextmanager
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    "command",
    [
        "serve --demo --sandbox-listen 127.0.0.1:0 --listen",
        "sandbox --listen",
    ],
)
def test_an_address_that_is_taken(command: str) -> None:
    with taken_port() as address:
        done = run(*command.split(), address)
    assert done.returncode == 1
    assert done.stderr == f"Error: cannot listen on {address}: Address already in use\n"
    assert done.stdout == ""


def test_a_configured_address_that_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    with taken_port() as address:
        file.write_text(f"listen: {address}", encoding="utf-8")
        done = run("serve", "--config", file)
    assert done.returncode == 1
    assert done.stderr == f"Error: cannot listen on {address}: Address already in use\n"


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("healthcheck --url nonsense", "nonsense"),
        ("healthcheck --url http://127.0.0.1:port", "port"),
        ("sandbox --sandbox-db /nonexistent/x.db", "/nonexistent/x.db"),
        (f"sandbox --sandbox-db {__file__}", __file__),
        ("sandbox answer +14155551212 123456 --url http://127.0.0.1:1", "127.0.0.1:1"),
        ("sandbox answer +14155551212 123456 --url nonsense", "nonsense"),
    ],
)
def test_each_failure_is_one_sentence(command: str, named: str) -> None:
    done = CliRunner().invoke(main, command.split())
    assert isinstance(done.exception, SystemExit)  # else Python would write a traceback
    assert done.exit_code in (1, 2)
    assert named in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        "--listen 127.0.0.1:0 --sandbox-listen :0",
        "--listen :0 --sandbox-listen 127.0.0.1:0",
    ],
)
def test_a_demo_on_every_interface(options: str) -> None:
    with running("serve", "--demo", *options.split()) as demo:
        address = demo.until(r"legacy API +(http://[0-9a-z.\[\]:]*:\d+)/2008-08-01")
        assert not address.startswith("http://:")
        assert get(f"{address}/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds").status == 200
        assert demo.stop() == 0


@pytest.mark.parametrize("attempt", range(3))
def test_a_signal_as_soon_as_it_listens(tmp_path: Path, attempt: int) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("listen: 127.0.0.1:0", encoding="utf-8")
    with running("serve", "--config", str(file)) as proxy:
        proxy.until(LEGACY)
        assert proxy.stop() == 0


# The demo


def test_every_line_that_the_demo_prints() -> None:
    with running("serve", "--demo", "--listen", ANYWHERE, "--sandbox-listen", ANYWHERE) as demo:
        demo.until(LEGACY)
        demo.until(SANDBOX)
        lines = {name: paste(demo.until(rf"{name} +(\S.*)")) for name in ("list", "page", "filter", "fetch")}
        lines |= {name: paste(demo.until(rf"{name} +(\S.*)")) for name in ("rename", "validate")}
        lines |= {name: paste(demo.until(rf"{name} +(\S.*)")) for name in ("answer", "delete")}

        listed = ask(lines["list"])
        assert listed.status == 200
        assert listed.texts("FriendlyName") == ["Bob Cell Phone", "Company Main Line"]
        assert b'page="0" numpages="1" pagesize="50" total="2" start="0" end="1"' in listed.body

        page = ask(lines["page"])
        assert page.texts("FriendlyName") == ["Company Main Line"]
        assert b'page="1" numpages="2" pagesize="1" total="2" start="1" end="1"' in page.body

        assert ask(lines["filter"]).texts("PhoneNumber") == ["4158675309"]
        assert ask(lines["fetch"]).texts("Sid") == [BOB]

        renamed = ask(lines["rename"])
        assert (renamed.status, renamed.texts("FriendlyName")) == (200, ["My Cell Phone"])
        assert ask(lines["fetch"]).texts("FriendlyName") == ["My Cell Phone"]

        validation = ask(lines["validate"])
        assert (validation.status, validation.texts("PhoneNumber")) == (200, ["4155551212"])
        (code,) = validation.texts("ValidationCode")
        assert code is not None
        assert ask(lines["list"]).texts("PhoneNumber") == ["4158675309", "4158675310"]

        answered = execute([code if word == "CODE" else word for word in lines["answer"]])
        assert "+14155551212" in answered
        assert ask(lines["list"]).texts("PhoneNumber") == ["4158675309", "4158675310", "4155551212"]

        assert ask(lines["delete"]) == Answer(204, b"")
        assert ask(lines["fetch"]).status == 404
        assert ask(lines["list"]).texts("PhoneNumber") == ["4158675310", "4155551212"]
        assert demo.stop() == 0


def paste(line: str) -> list[str]:
    return shlex.split(line)


def execute(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout


def ask(command: list[str]) -> Answer:
    """Run one of the demo's curl commands, or the same request without curl."""
    assert command[0] == "curl"
    if shutil.which("curl") is None:
        return ask_like_curl(command[1:])
    extra = ["--silent", "--noproxy", "*", "--write-out", "\n%{http_code}"]
    body, _, status = execute([*command, *extra]).rpartition("\n")
    return Answer(int(status), body.encode())


def ask_like_curl(arguments: list[str]) -> Answer:
    options = dict(zip(arguments[:-1:2], arguments[1:-1:2], strict=True))
    assert set(options) <= {"-u", "-X", "-d"}
    form = options["-d"].encode() if "-d" in options else None
    method = options.get("-X", "POST" if form else "GET")
    return get(arguments[-1], options["-u"], method, form)


def get(url: str, user: str = f"{ACCOUNT}:{TOKEN}", method: str = "GET", form: bytes | None = None) -> Answer:
    headers = {"Authorization": f"Basic {b64encode(user.encode()).decode()}"}
    direct = build_opener(ProxyHandler({}))
    try:
        with direct.open(Request(url, form, headers, method=method), timeout=10) as response:
            return Answer(response.status, response.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.read())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_without_an_error(how: signal.Signals) -> None:
    with running("serve", "--demo", "--listen", ANYWHERE, "--sandbox-listen", ANYWHERE) as demo:
        address = demo.until(LEGACY)
        demo.until(r"(Press Ctrl-C) to stop\.")
        assert get(f"{address}/2008-08-01").status == 404
        assert demo.stop(how) == 0


def test_the_sandboxs_data_is_kept(tmp_path: Path) -> None:
    db = tmp_path / "sandbox.db"
    options = ("--listen", ANYWHERE, "--sandbox-listen", ANYWHERE, "--sandbox-db", db)
    names = []
    for name in (b"First", b"Second"):
        with running("serve", "--demo", *options) as demo:
            url = f"{demo.until(LEGACY)}/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds/{BOB}"
            names += get(url).texts("FriendlyName")
            assert get(url, method="PUT", form=b"FriendlyName=" + name).status == 200
            demo.until(r"(Press Ctrl-C) to stop\.")
            assert demo.stop() == 0
    with running("sandbox", "--listen", ANYWHERE, "--sandbox-db", db) as sandbox:
        listed = get(f"{sandbox.until(SANDBOX)}/2010-04-01/Accounts/{ACCOUNT}/OutgoingCallerIds.json")
        assert b'"friendly_name": "Second"' in listed.body
    assert names == ["Bob Cell Phone", "First"]


# The sandbox by itself, and a proxy before it


def test_a_number_is_validated_by_answering_the_phone(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    with running("sandbox", "--listen", ANYWHERE) as sandbox:
        upstream = sandbox.until(SANDBOX)
        file.write_text(f"listen: {ANYWHERE}\nupstream: {{base_url: '{upstream}'}}\n", encoding="utf-8")
        with running("serve", "--config", file) as proxy:
            legacy = proxy.until(LEGACY)
            url = f"{legacy}/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds"

            answer = ["sandbox", "answer", "--url", upstream, "+14155551212"]
            nobody_rings = CliRunner().invoke(main, [*answer, "123456"])
            assert nobody_rings.exit_code == 1
            assert nobody_rings.stderr == "Error: No call is waiting for this number\n"

            form = b"PhoneNumber=(415)+555-1212&FriendlyName=Zo%C3%AB"
            (code,) = get(url, method="POST", form=form).texts("ValidationCode")
            assert code is not None
            assert re.fullmatch("[0-9]{6}", code)
            assert len(get(url).texts("OutgoingCallerId")) == 2

            wrong = f"{(int(code) + 1) % 10**6:06}"
            assert CliRunner().invoke(main, [*answer, wrong]).exit_code == 1
            answered = run(*answer, code)
            assert (answered.returncode, answered.stderr) == (0, "")
            assert "+14155551212 is now validated" in answered.stdout
            assert get(f"{url}?PhoneNumber=4155551212").texts("FriendlyName") == ["Zoë"]

            assert run("healthcheck", "--url", legacy).returncode == 0
            assert healthcheck(upstream) == 1  # the server there is not a proxy
            assert proxy.stop() == 0
            assert healthcheck(legacy) == 1
        assert sandbox.stop() == 0


def test_a_healthcheck_uses_no_http_proxy() -> None:
    with running("serve", "--demo", "--listen", ANYWHERE, "--sandbox-listen", ANYWHERE) as demo:
        address = demo.until(LEGACY)
        assert run("healthcheck", "--url", address, http_proxy="http://127.0.0.1:1").returncode == 0


def healthcheck(url: str) -> int:
    return CliRunner().invoke(main, ["healthcheck", "--url", url]).exit_code


def test_listen_overrides_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    with taken_port() as address:
        file.write_text(f"listen: {address}", encoding="utf-8")
        with running("serve", "--config", file, "--listen", ANYWHERE) as proxy:
            url = proxy.until(LEGACY)
            assert url != f"http://{address}"
            assert get(url).status == 404
            assert proxy.stop() == 0
