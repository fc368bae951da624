"""Two entries of proxy.yaml for one upstream account, and that account: its versions grow with each write."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from proxy import config
from proxy.config import Configuration
from proxy.errors import Reason
from proxy.legacy import Answer, Request
from proxy.profile.calls import Call, NoReplyError, Reply
from support.seed import basic

EXAMPLE = Path(__file__).parents[2] / "config" / "upstreams" / "example-rest.yaml"
SIDS = ("AC" + "1" * 32, "AC" + "2" * 32)
TOKEN = "legacy-token"
FIRST = f"PN{1:032x}"


@dataclass(frozen=True)
class Entry:
    """What proxy.yaml says of an account: everything in which two entries for the same one may differ."""

    base_url: str
    account: str
    password: str
    validation: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def written(self, sid: str, profile: Path, secret: str) -> str:
        digest = sha256(TOKEN.encode()).hexdigest()
        upstream = {
            "profile": str(profile),
            "base_url": self.base_url,
            "account": self.account,
            "password": f"${{{secret}}}",
            "variables": dict(self.variables),
            **({"validation": self.validation} if self.validation else {}),
        }
        return f"  {sid}: {json.dumps({'token_sha256': digest, 'upstream': upstream})}\n"


def configured(
    folder: Path, entries: Sequence[Entry], *, named: bool, snapshots: str = "{fresh: 10}"
) -> Configuration:
    """Load a configuration of two entries; only with `named` do the URLs of the profile hold the account."""
    text = EXAMPLE.read_text(encoding="utf-8").replace(
        "name: example-rest", "name: shared\nvariables: {region: us}"
    )
    text = text.replace("codec: integer", "codec: identity").replace("{at: /id, as: integer}", "/id")
    if not named:
        text = text.replace("/accounts/{account}", "")
    profile = folder / "shared.yaml"
    profile.write_text(text, encoding="utf-8")
    secrets = {f"PASSWORD_{index}": each.password for index, each in enumerate(entries)}
    rows = zip(SIDS, entries, secrets, strict=False)
    accounts = "".join(each.written(sid, profile, secret) for sid, each, secret in rows)
    file = folder / "proxy.yaml"
    file.write_text(f"snapshots: {snapshots}\naccounts:\n{accounts}", encoding="utf-8")
    return config.load(file, secrets)


def request(sid: str, method: str = "GET", rest: str = "", body: str = "") -> Request:
    """Return a legacy request of an entry."""
    return Request(
        method,
        f"/2008-08-01/Accounts/{sid}/OutgoingCallerIds{rest}",
        (basic(sid, TOKEN),),
        "application/x-www-form-urlencoded" if body else None,
        body.encode(),
    )


def names_in(answer: Answer) -> list[str]:
    return re.findall(r"<FriendlyName>(.*?)</FriendlyName>", bytes(answer.body).decode())


REFUSED = ("401", "403", "404")
WITHOUT_EFFECT = (*REFUSED, "500")
LOST = {"reset": Reason.RESET, "timeout": Reason.TIMEOUT}
OUTCOMES = ("200", *WITHOUT_EFFECT, *LOST, "503")
"""Of a write; those that are not named otherwise are carried out."""


class OneAccount:
    """Sends calls to one upstream account, whatever the host, the path and the credentials.

    Each rename asks for its outcome as the name, and gives its item the next version. The names that are
    shown hold the version and the credentials of the reader.
    """

    def __init__(self) -> None:
        self.version = 0
        self.listings = 0
        self.is_slow = False
        """Whether the calls from now on wait at a gate, after their effect."""
        self.gates: list[asyncio.Event] = []

    async def send(self, call: Call) -> Reply:
        reply = self._act(call)
        if self.is_slow:
            gate = asyncio.Event()
            self.gates.append(gate)
            await gate.wait()
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _act(self, call: Call) -> Reply | NoReplyError:
        reader = call.headers["Authorization"].removeprefix("Bearer ")
        if call.method == "GET":
            self.listings += 1
            return _json(200, {"items": [self._item(number, reader) for number in (1, 2)], "total": 2})
        outcome = call.body["name"]
        if outcome not in WITHOUT_EFFECT:
            self.version += 1
        if reason := LOST.get(outcome):
            return NoReplyError(reason, was_sent=True)
        return _json(int(outcome), self._item(1, reader) if outcome == "200" else {})

    def _item(self, number: int, reader: str) -> Mapping[str, object]:
        return {
            "id": f"PN{number:032x}",
            "name": f"{self.version} {reader}",
            "number": f"+1415555000{number}",
        }


def _json(status: int, document: object) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"content-type": "application/json"})
