"""A draft that a person finishes passes `check`, and the proxy serves with it."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer
from click.testing import CliRunner
from support.openapi import VENDORS, Json, changed
from support.running import running_proxy_of
from support.seed import ACCOUNT
from support.walkthrough import KEY, Ringbook
from support.wire import Message, ask, json_answer, scripted_upstream

from proxy import config
from proxy.cli import main
from proxy.config.yaml_source import UNFILLED

RINGBOOK = Path(__file__).parents[1] / "support" / "ringbook.yaml"
UUID = "7d0b9a52-3c1f-4e55-9a7e-5f8e2f0c6b11"
NUMBER = {"uid": UUID, "msisdn": "14158675309", "alias": "Bob", "added": "2024-05-01"}


def unclear() -> Json:
    """Return a description that leaves much open: no server, no forms, no largest page."""
    schema = ("components", "schemas", "Number", "properties")
    vendor = VENDORS["dialtree"]
    paths = vendor.description["paths"]
    limit = ("paths", "/numbers/", "get", "parameters", 0, "schema", "maximum")
    call = ("paths", "/validations/", "post", "requestBody", "content", "application/json", "schema")
    found = changed(
        vendor,
        (("servers",), None),
        ((*schema, "ref"), None),
        ((*schema, "uid"), {"type": "string"}),
        ((*schema, "msisdn", "examples"), None),
        ((*schema, "added", "format"), None),
        (limit, None),
        ((*call, "properties", "msisdn", "examples"), None),
        (("security",), None),
        (("components", "securitySchemes"), None),
    )
    assert paths is not found["paths"]
    return found


ANSWERS: Mapping[str, str] = {
    "base_url": "{url}",
    "auth": "{scheme: header, name: X-Dialtree-Key}",
    "ids": "{codec: uuid}",
    "page_size": "{parameter: limit, max: 50}",
    "msisdn": "{from: phone_number, as: digits}",
    "phone_number": "{at: /msisdn, as: digits}",
    "date_created": "{at: /added, as: date, default: null}",
    "date_updated": "{at: /added, as: date, default: null}",
}
"""What a person finds in the vendor's documentation, by the keys of the lines with faults."""


def finish(draft: str, url: str) -> str:
    """Fill in every fault of a draft."""
    lines = draft.splitlines()
    for number, line in enumerate(lines):
        found = re.match(r"( *)([\w/]+): (.*?) #", line)
        if found and UNFILLED in found[3]:
            lines[number] = f"{found[1]}{found[2]}: {ANSWERS[found[2]].replace('{url}', url)}"
    return "\n".join(lines)


def request(method: str, path: str, body: str = "") -> bytes:
    credentials = base64.b64encode(f"{ACCOUNT}:old-token".encode()).decode()
    headers = [("Host", "old.example"), ("Authorization", f"Basic {credentials}")]
    target = f"/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds{path}"
    if body:
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    return Message(f"{method} {target} HTTP/1.1", tuple(headers), body.encode()).encode()


def answer(document: Any, status: int = 200) -> Message:
    return json_answer(status, json.dumps(document).encode())


async def test_a_finished_draft_serves(tmp_path: Path) -> None:
    description, draft, settings = (tmp_path / name for name in ("openapi.json", "mine.yaml", "proxy.yaml"))
    description.write_text(json.dumps(unclear()), encoding="utf-8")
    done = CliRunner().invoke(
        main,
        ["init", "dialtree", "--from-openapi", str(description), "-o", str(draft)],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    account = "{token: old-token-of-ours, upstream: {password: a-key}}"
    settings.write_text(
        "upstream: {profile: ./mine.yaml}\nlegacy: {sid_key: 0123456789abcdef0123456789abcdef}\n"
        f"accounts:\n  {ACCOUNT}: {account}\n",
        encoding="utf-8",
    )
    checked = CliRunner().invoke(main, ["check", str(settings)])
    assert checked.exit_code == 78
    faults = re.findall(rf"^[^#]*{UNFILLED}", draft.read_text(encoding="utf-8"), re.MULTILINE)
    assert checked.output.count(UNFILLED) == len(faults) == len(ANSWERS)
    async with scripted_upstream() as upstream:
        draft.write_text(finish(draft.read_text(encoding="utf-8"), upstream.url), encoding="utf-8")
        variables = {"OLD_TOKEN": "old-token", "KEY": "a-key"}
        settings.write_text(
            f"upstream: {{profile: ./mine.yaml}}\naccounts:\n  {ACCOUNT}:\n    token: ${{OLD_TOKEN}}\n"
            '    upstream: {password: "${KEY}"}\n',
            encoding="utf-8",
        )
        checked = CliRunner().invoke(main, ["check", "--strict", str(settings)], env=variables)
        assert (checked.exit_code, checked.output) == (0, f"{settings}: good\n")
        async with running_proxy_of(config.load(settings, variables)) as port:
            upstream.then(answer({"numbers": [NUMBER], "total": 1, "offset": 0}))
            listed = await ask(port, request("GET", ""))
            assert listed.status == 200
            assert b'total="1"' in listed.body
            assert b"<PhoneNumber>4158675309</PhoneNumber>" in listed.body
            sid = "PN" + UUID.replace("-", "")
            assert sid.encode() in listed.body
            upstream.then(answer({"number": NUMBER}))
            assert b"<FriendlyName>Bob</FriendlyName>" in (await ask(port, request("GET", f"/{sid}"))).body
            upstream.then(answer({"number": NUMBER | {"alias": "Desk"}}))
            renamed = await ask(port, request("PUT", f"/{sid}", "FriendlyName=Desk"))
            assert b"<FriendlyName>Desk</FriendlyName>" in renamed.body
            upstream.then(answer({"pin": "040213", "alias": "Home"}))
            validated = await ask(port, request("POST", "", "PhoneNumber=4158675310&FriendlyName=Home"))
            assert b"<ValidationCode>040213</ValidationCode>" in validated.body
            upstream.then(answer({"ok": True}))
            assert (await ask(port, request("DELETE", f"/{sid}"))).status == 204
        asked = [(each.start.split(" ")[0], each.target, each.body.decode()) for each in upstream.received]
        assert asked == [
            ("GET", "/numbers/?limit=50&offset=0", ""),
            ("GET", f"/numbers/{UUID}/", ""),
            ("POST", f"/numbers/{UUID}/", "alias=Desk"),
            ("POST", "/validations/", asked[3][2]),
            ("DELETE", f"/numbers/{UUID}/", ""),
        ]
        assert json.loads(asked[3][2]) == {
            "msisdn": "14158675310",
            "alias": "Home",
            "delay": 0,
            "channel": "voice",
        }
        assert {each.header("X-Dialtree-Key") for each in upstream.received} == {"a-key"}
        assert upstream.received[0].header("X-Version") == "7"


async def test_the_draft_of_the_tutorial_serves(tmp_path: Path) -> None:
    """Finished as docs/profiles.md does it, in front of the tutorial's vendor."""
    draft, settings = tmp_path / "ringbook.yaml", tmp_path / "proxy.yaml"
    done = CliRunner().invoke(main, ["init", "ringbook", "--from-openapi", str(RINGBOOK), "-o", str(draft)])
    assert done.exit_code == 0
    variables = {"OLD_TOKEN": "old-token", "KEY": KEY}
    async with TestServer(Ringbook().app()) as vendor:
        text = draft.read_text(encoding="utf-8").replace("127.0.0.1:9100", f"127.0.0.1:{vendor.port}")
        text = text.replace("codec: <TODO>", "codec: uuid").replace("as: <TODO>", "as: digits")
        errors = "errors: {present: /error, code: /error/code, message: /error/text, map: [MAP]}"
        errors = errors.replace("MAP", "{status: 200, code: 17, to_status: 404}")
        draft.write_text(text.replace("errors: <TODO>", errors), encoding="utf-8")
        settings.write_text(
            f"upstream: {{profile: ./ringbook.yaml}}\naccounts:\n  {ACCOUNT}:\n    token: ${{OLD_TOKEN}}\n"
            '    upstream: {password: "${KEY}"}\n',
            encoding="utf-8",
        )
        async with running_proxy_of(config.load(settings, variables)) as port:
            listed = (await ask(port, request("GET", ""))).body.decode()
            assert 'total="2"' in listed
            sid = "PNf1b5d6a89e2b4c538c770d1a4b3e8f90"
            assert f"<Sid>{sid}</Sid>" in listed
            renamed = await ask(port, request("PUT", f"/{sid}", "FriendlyName=Front+Desk"))
            assert b"<FriendlyName>Front Desk</FriendlyName>" in renamed.body
            validated = await ask(port, request("POST", "", "PhoneNumber=4155550199&FriendlyName=Home"))
            assert b"<ValidationCode>040213</ValidationCode>" in validated.body
            assert (await ask(port, request("DELETE", f"/{sid}"))).status == 204
            assert (await ask(port, request("GET", f"/{sid}"))).status == 404
