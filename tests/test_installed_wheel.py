"""The wheel works without the checkout, in an empty folder."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
ACCOUNT = "AC309475e5fede1b49e100272a8640f438"
TOKEN = "demo-token"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it, and nothing else, into a folder of its own."""
    wheels = tmp_path_factory.mktemp("wheels")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, CHECKOUT], check=True
    )
    (wheel,) = wheels.glob("callerid_proxy-*-py3-none-any.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", folder, wheel], check=True)
    return folder


def environment(installed: Path) -> dict[str, str]:
    """Put the installed folder first, before the checkout's editable installation."""
    return os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def test_python_imports_the_wheel(installed: Path, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import proxy; print(proxy.__file__)"],
        cwd=tmp_path,
        env=environment(installed),
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == str(installed / "proxy" / "__init__.py")


def test_the_wheel_has_types_and_shipped_files(installed: Path) -> None:
    shipped = installed / "proxy" / "shipped"
    config = CHECKOUT / "config"
    in_checkout = {file.relative_to(config) for file in config.rglob("*") if file.is_file()}
    assert {file.relative_to(shipped) for file in shipped.rglob("*") if file.is_file()} == in_checkout
    assert (installed / "proxy" / "py.typed").is_file()
    assert {file.name for file in (installed / "proxy" / "server").glob("*.html")} == {
        file.name for file in (CHECKOUT / "proxy" / "server").glob("*.html")
    }


def test_the_installed_command_serves_the_demo(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "bin" / "callerid-proxy"), "serve", "--demo"]
    listen = ["--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, *listen], cwd=tmp_path, env=environment(installed), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            addresses = (re.search(r"http://127\.0\.0\.1:\d+/2008-08-01", line) for line in process.stdout)
            address = next((found.group() for found in addresses if found), None)
            assert address is not None, "the demo ended without naming the legacy API's address"

            answer = get(f"{address}/Accounts/{ACCOUNT}/OutgoingCallerIds")
            assert 'total="2"' in answer

            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
            assert process.returncode == 0
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_tests_a_shipped_profile(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(installed / "bin" / "callerid-proxy"), "test", "example-rest"],
        cwd=tmp_path,
        env=environment(installed),
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout
    folder = installed / "proxy" / "shipped" / "upstreams" / "example-rest.tests"
    count = len(list(folder.iterdir()))
    assert done.stdout.splitlines()[-1] == f"example-rest: {count} of {count} conversations passed"
    assert list(tmp_path.iterdir()) == []


def get(url: str) -> str:
    credentials = b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {credentials}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=10) as response:
        return str(response.read().decode())
