"""Schemathesis compares the sandbox with Twilio's OpenAPI file; no check is excluded."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.sandbox import Store, seed
from proxy.sandbox.model import CallerId
from sandbox.client import ACCOUNT, Client, instance_path, list_path

SPEC = Path(__file__).parents[3] / "shared/specs/twilio_outgoing_caller_ids.relaxed.json"
SIDS = [f"PN{n:032x}" for n in range(300)]

pytestmark = pytest.mark.skipif(not SPEC.exists(), reason="no ../shared/specs beside this checkout")


async def test_twilios_openapi_description(client: Client, tmp_path: Path) -> None:
    """Most requests here name an account that does not exist."""
    await schemathesis(SPEC, client.url, tmp_path, examples=10)


@pytest.mark.timeout(180)  # it takes half a minute, and on a busy machine longer
async def test_the_description_with_rules_from_its_prose(
    client: Client, store: Store, tmp_path: Path
) -> None:
    store.add_caller_ids(
        CallerId(sid, ACCOUNT, sid, f"+4930{n:08}", 1_200_000_000, 1_200_000_000)
        for n, sid in enumerate(SIDS)
    )
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(exact(json.loads(SPEC.read_text()))))
    await schemathesis(spec, client.url, tmp_path, examples=25)


async def schemathesis(spec: Path, url: str, folder: Path, examples: int) -> None:
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis",
        "run",
        spec,
        f"--url={url}",
        f"--auth={ACCOUNT}:{seed.TOKEN}",
        # --auth would make a generated Authorization valid, which schemathesis then reports as a failure.
        "--generation-with-security-parameters=false",
        "--generation-deterministic",
        f"--max-examples={examples}",
        "--no-color",
        "--continue-on-failure",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, output.decode()


def exact(spec: Any) -> Any:
    """Say in the schema what the description says in prose, or what the sandbox decided, and add data."""
    paths = spec["paths"]
    listed, instance = paths[list_path("{AccountSid}")], paths[instance_path("{Sid}", "{AccountSid}")]
    for operation in (listed["get"], listed["post"], instance["get"], instance["post"], instance["delete"]):
        narrow(operation, AccountSid={"enum": [ACCOUNT]}, Sid={"enum": SIDS})
    # A larger PageSize counts as 1000; a page is reached by its token, which only a list gives.
    narrow(
        listed["get"],
        PageSize={"type": "integer", "minimum": 1},
        Page={"type": "integer", "enum": [0]},
        PageToken={"enum": [""]},
    )
    name = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$", "maxLength": 64}
    form(instance["post"])["schema"]["properties"] = {"FriendlyName": name}
    listed["post"]["requestBody"]["required"] = True
    validation = form(listed["post"])
    validation["schema"]["properties"] = {
        "PhoneNumber": {"type": "string", "pattern": r"^\+[1-9][0-9]{7,14}$"},
        "FriendlyName": name,
        "CallDelay": {"type": "integer", "minimum": 0, "maximum": 60},
    }
    validation["examples"]["create"]["value"]["CallDelay"] = 60
    return spec


def narrow(operation: Any, **schemas: Any) -> None:
    for parameter in operation["parameters"]:
        parameter["schema"] = schemas.get(parameter["name"], parameter["schema"])


def form(operation: Any) -> Any:
    return operation["requestBody"]["content"]["application/x-www-form-urlencoded"]
