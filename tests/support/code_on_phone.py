"""A vendor whose call speaks the code: the proxy's configuration, and the vendor's answers."""

from pathlib import Path

from support.seed import ACCOUNT, LIST, basic
from support.wire import Message, ask, json_answer

CONFIGURATION = f"""\
  profile: telnyx
  validation: code_on_phone
accounts:
  {ACCOUNT}:
    token: ${{TOKEN}}
    upstream: {{password: "${{KEY}}"}}
"""
VARIABLES = {"TOKEN": "demo-token", "KEY": "api-key"}
STARTED = json_answer(200, b'{"phone_number": "+14155551212", "verification_method": "call"}')
VERIFIED = json_answer(200, b'{"data": {"phone_number": "+14155551212", "record_type": "verified_number"}}')
WRONG = json_answer(422, b'{"errors": [{"code": "10015", "title": "Bad Request", "detail": "Wrong code"}]}')


_PROFILE = Path(__file__).parents[2] / "config" / "upstreams" / "signalwire.yaml"


def passing_credentials_on(folder: Path) -> Path:
    """Write a profile whose upstream takes callers' own credentials; return its path."""
    text = _PROFILE.read_text(encoding="utf-8").replace("scheme: basic", "scheme: caller")
    file = folder / "own.yaml"
    file.write_text(text.replace('space: ""', "space: acme"), encoding="utf-8")
    return file


async def validate(port: int, account: str = ACCOUNT) -> Message:
    headers = (("Host", "x"), ("Authorization", basic(account)))
    target = LIST.replace(ACCOUNT, account)
    return await ask(port, Message(f"POST {target} HTTP/1.1", headers, b"PhoneNumber=415-555-1212").encode())
