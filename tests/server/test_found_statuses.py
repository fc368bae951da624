"""Any status from 400 to 599 reaches the client, with a phrase that is the same on every Python."""

import json
import subprocess
from pathlib import Path

import pytest
from aiohttp import HttpVersion11
from click.testing import CliRunner
from support.proxied import PROFILE, proxied
from support.seed import BOB, LIST
from support.wire import json_answer

from proxy.cli import main
from proxy.legacy import Answer
from proxy.server.responses import response

ODD = [402, 406, 410, 418, 420, 422, 440, 449, 451, 460, 498, 499, 501, 507, 509, 520, 530, 598, 599]


def mapping(folder: Path) -> str:
    """Return the keys of an upstream whose profile maps 409 with a code to the status of that number."""
    rows = "".join(
        f"    - {{status: 409, code: {status}, to_status: {status}}}\n" for status in range(400, 600)
    )
    text = PROFILE.read_text(encoding="utf-8")
    (folder / "mapping.yaml").write_text(text.replace("  map:\n", f"  map:\n{rows}"), encoding="utf-8")
    return f"  profile: {folder}/mapping.yaml\n"


async def test_found_b3_every_mapped_status_reaches_the_client(tmp_path: Path) -> None:
    statuses = range(400, 600)
    refusals = [
        json_answer(409, json.dumps({"code": status, "message": "No"}).encode()) for status in statuses
    ]
    async with proxied(*refusals, configuration=mapping(tmp_path)) as between:
        for status in statuses:
            answer = await between.ask(target=f"{LIST}/{BOB}")
            assert answer.status == status


@pytest.mark.parametrize("status", ODD)
async def test_found_b3_a_status_of_the_upstream_reaches_the_client(status: int) -> None:
    document = {"code": 20000 + status, "message": "Enhance your calm"}
    async with proxied(*[json_answer(status, json.dumps(document).encode())] * 2) as between:
        answer = await between.ask(target=f"{LIST}/{BOB}")
    assert answer.status == status
    assert f"<Message>Enhance your calm</Message><Code>{20000 + status}</Code>".encode() in answer.body


@pytest.mark.parametrize("status", [404, *ODD])
def test_found_b3_translate_prints_the_status_on_the_wire(status: int, tmp_path: Path) -> None:
    document = json.dumps({"code": 21, "message": "No"})
    file = tmp_path / "proxy.yaml"
    file.write_text(f"upstream:\n{mapping(tmp_path)}", encoding="utf-8")
    arguments = ["translate", "GET", f"{LIST}/{BOB}", "-i", "--config", str(file), "--status"]
    for given, body in ((status, document), (409, f'{{"code": {status}}}')):
        printed = CliRunner().invoke(main, [*arguments, str(given)], input=body)
        assert printed.output.partition("\n")[0] == str(status)


def test_found_b3_every_status_has_a_phrase() -> None:
    for status in range(200, 600):
        line = response(Answer(status), HttpVersion11).partition(b"\r\n")[0].decode()
        version, number, phrase = line.split(" ", 2)
        assert (version, number) == ("HTTP/1.1", str(status))
        assert phrase.isascii()
        assert phrase.isprintable()


def test_found_b3_phrases_that_differ_between_versions_of_python() -> None:
    """Python 3.13 has other ones for these."""
    phrases = {
        413: "Request Entity Too Large",
        414: "Request-URI Too Long",
        416: "Requested Range Not Satisfiable",
        422: "Unprocessable Entity",
        420: "Client Error",
        599: "Server Error",
    }
    for status, phrase in phrases.items():
        line = response(Answer(status), HttpVersion11).partition(b"\r\n")[0]
        assert line == f"HTTP/1.1 {status} {phrase}".encode()


def test_found_b3_no_phrase_comes_from_the_library() -> None:
    server = Path(__file__).parents[2] / "proxy"
    found = subprocess.run(
        ["grep", "-rlE", r"HTTPStatus|\.phrase|http\.client import responses", "--include=*.py", str(server)],
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert found.stdout == ""
