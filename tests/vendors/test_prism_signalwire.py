"""SignalWire's profile, with prism and SignalWire's OpenAPI file as the upstream.

With `--errors` prism checks its own answers too. Two examples of the file are changed, since
with them every page would have a next one, and no number would be verified.
"""

import json
from pathlib import Path

from support.prism import SPECS, needs_prism
from support.seed import LIST
from support.wire import Message, ask

from vendors.client import texts
from vendors.machinery import CODE
from vendors.with_prism import with_prism

pytestmark = needs_prism

PROFILE, BASE, SPACE = "signalwire", "/api/relay/rest", "{space: acme}"
SID = "PN3fa85f6457174562b3fc2c963f66afa6"


def description(folder: Path) -> Path:
    """Return SignalWire's description with a list that ends and numbers that are verified."""
    published = json.loads((SPECS / "signalwire_verified_caller_ids.json").read_text(encoding="utf-8"))
    schemas = published["components"]["schemas"]
    del schemas["PaginationLinks"]["properties"]["next"]
    for name in ("VerifiedCallerID", "VerifiedCallerIDResponse"):
        schemas[name]["properties"]["verified"]["examples"] = [True]
    mended = folder / "signalwire.json"
    mended.write_text(json.dumps(published), encoding="utf-8")
    return mended


async def test_no_operation_breaks_the_description(tmp_path: Path) -> None:
    async with with_prism(description(tmp_path), PROFILE, BASE, SPACE) as (client, upstream):
        # prism does not filter; the proxy checks once more
        for query, total in (
            ("", "1"),
            ("?PhoneNumber=5551234567", "1"),
            ("?PhoneNumber=4158675309", "0"),
            ("?FriendlyName=C-3P0&num=1", "1"),
            ("?FriendlyName=Zo%C3%AB+%26+Co&page=1", "0"),
        ):
            listed = await client.read("GET", LIST + query)
            assert (listed.tag, listed.get("total")) == ("OutgoingCallerIds", total)
        assert (await client.read("GET", f"{LIST}/{SID}")).findtext("PhoneNumber") == "5551234567"
        for method in ("PUT", "POST"):
            renamed = await client.read(method, f"{LIST}/{SID}", "FriendlyName=Zo%C3%AB+%26+Co")
            assert renamed.findtext("FriendlyName") == "C-3P0"
        assert (await client.ask("DELETE", f"{LIST}/{SID}")).status == 204
        told = texts(await client.read("POST", LIST, "PhoneNumber=4158675309&FriendlyName=My+Home"))
        assert (told["PhoneNumber"], told["ValidationCode"]) == ("4158675309", None)
        assert await client.bring("4158675309", CODE) == 200

        # and prism does refuse invalid requests
        headers = (("Host", "x"), ("Authorization", "Basic YTpi"), ("Content-Type", "application/json"))
        bad = Message(f"POST {BASE}/verified_caller_ids HTTP/1.1", headers, b'{"name": "x"}')
        assert (await ask(upstream.port, bad.encode())).status == 422
    assert upstream.count("Request received") == 12
    assert upstream.count("did not pass the validation rules") == 1
