"""Inside a container, loopback addresses are reached from inside only; the image has another default."""

import json
import re
import shlex
from pathlib import Path

import pytest
from support.processes import run, running

from bench.processes import free_port
from proxy.config import Address, load, load_listen
from proxy.config.containers import is_inside_container

ROOT = Path(__file__).parents[2]
WARNS = (
    "inside this container, {} is reached from inside only: listen on 0.0.0.0:{} to be reached from outside"
)
VARIABLE = "CALLERID_PROXY_DEFAULT_ADDRESS"


@pytest.mark.parametrize("marker", [".dockerenv", "run/.containerenv", "run/systemd/container"])
def test_found_e7_a_container_is_known_by_a_file(tmp_path: Path, marker: str) -> None:
    assert not is_inside_container({}, tmp_path)
    file = tmp_path / marker
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert is_inside_container({}, tmp_path)
    assert not is_inside_container({"container": ""}, tmp_path)


@pytest.mark.parametrize("name", ["container", "KUBERNETES_SERVICE_HOST"])
def test_found_e7_a_container_is_known_by_a_variable(tmp_path: Path, name: str) -> None:
    assert is_inside_container({name: "podman"}, tmp_path)


LOOPBACK = {
    "upstream: {}": ("127.0.0.1:8080", 8080),
    "listen: 127.0.0.1:8080": ("127.0.0.1:8080", 8080),
    "listen: 127.1.2.3:81": ("127.1.2.3:81", 81),
    "listen: '[::1]:8080'": ("[::1]:8080", 8080),
    "listen: localhost:8080": ("localhost:8080", 8080),
    "listen: {address: 127.0.0.1:80, metrics: 0.0.0.0:9464}": ("127.0.0.1:80", 80),
}
REACHED = (
    "listen: 0.0.0.0:8080",
    "listen: ':8080'",
    "listen: '[::]:8080'",
    "listen: 10.0.0.5:8080",
    "listen: proxy.internal:8080",
)


@pytest.mark.parametrize("text", [*LOOPBACK, *REACHED])
def test_found_e7_check_warns_of_loopback_addresses(tmp_path: Path, text: str) -> None:
    """It is no reason for `--strict` to fail: a file may be checked in a container and serve elsewhere."""
    file = tmp_path / "proxy.yaml"
    file.write_text(f"{text}\n", encoding="utf-8")
    warned = ""
    if text in LOOPBACK:
        address, port = LOOPBACK[text]
        warned = f"{file}:1:1: warning: {WARNS.format(address, port)}\n"
    done = run("check", "--strict", file, container="docker")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: good\n", warned)
    assert load(file, {"container": ""}).hints == ()


def test_found_e7_serve_logs_the_same(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("listen: 127.0.0.1:0\n", encoding="utf-8")
    inside = ("env", "container=podman")
    with running("serve", "--config", file, shows_log=True, inside=inside) as server:
        server.until(r".*(inside this container, 127\.0\.0\.1:0 is reached from inside only).*")
        assert server.stop() == 0
    with running("serve", "--config", file, "--listen", "0.0.0.0:0", shows_log=True, inside=inside) as server:
        server.until(r"legacy API.*()")
        assert server.stop() == 0
        assert "inside this container" not in server.output.read()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", Address("0.0.0.0", 8080)),
        ("listen: {metrics: 127.0.0.1:9464}", Address("0.0.0.0", 8080)),
        ("listen: 127.0.0.1:9000", Address("127.0.0.1", 9000)),
        ("listen: {address: 127.0.0.1:8080}", Address("127.0.0.1", 8080)),
        ("listen: {tls: {address: 0.0.0.0:8443, certificate: nowhere.pem}}", None),
    ],
)
def test_found_e7_the_default_address_of_the_image(
    tmp_path: Path, text: str, address: Address | None
) -> None:
    """A file that names an address, or listens with TLS, is obeyed."""
    file = tmp_path / "proxy.yaml"
    file.write_text(f"{text}\n", encoding="utf-8")
    variables = {VARIABLE: "0.0.0.0:8080", "container": "docker"}
    assert load_listen(file, variables).address == (address or Address("127.0.0.1", 8080))
    if address:
        loaded = load(file, variables)
        assert loaded.settings.listen.address == address
        assert bool(loaded.hints) == (address.host == "127.0.0.1")


def test_found_e7_a_wrong_default_address(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("", encoding="utf-8")
    done = run("check", file, **{VARIABLE: "8080"})
    assert done.returncode == 78
    assert done.stderr == f"{VARIABLE}: write HOST:PORT, for example 127.0.0.1:8080\n"


def test_found_e7_the_image_is_reached_from_outside(tmp_path: Path) -> None:
    """Read the Dockerfile, and run its commands with the README's proxy.yaml."""
    stages = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    final = stages.rpartition("\nFROM ")[2]
    variables = dict(re.findall(r"(CALLERID_PROXY_\w+)=(\S+)", final))
    assert variables == {VARIABLE: "0.0.0.0:8080"}
    assert "EXPOSE 8080\n" in final
    entry, serve = (
        json.loads(each) for each in re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", final, re.MULTILINE)
    )
    health = json.loads(re.findall(r"HEALTHCHECK .*? CMD (\[.*\])", final)[0])
    assert entry == ["callerid-proxy"]
    assert health[0] == "callerid-proxy"

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    file = tmp_path / "proxy.yaml"
    (complete,) = re.findall(r"This is a complete `proxy\.yaml`.*?```yaml\n(.*?)```", readme, re.DOTALL)
    file.write_text(complete, encoding="utf-8")
    paths = {"/etc/callerid-proxy/proxy.yaml": str(file)}
    port = free_port()
    inside = ("env", "container=docker", f"{VARIABLE}=0.0.0.0:{port}")
    command = [paths.get(word, word) for word in serve]
    with running(*command, inside=inside, shows_log=True) as server:
        server.until(rf"legacy API +http://127\.0\.0\.1:({port})/2008-08-01")
        words = [paths.get(word, word) for word in health[1:]]
        assert run(*words, **{VARIABLE: f"0.0.0.0:{port}"}).returncode == 0, shlex.join(words)
        assert server.stop() == 0
        assert "inside this container" not in server.output.read()
