"""A vendor whose call speaks the code: the proxy's configuration, and the vendor's answers."""

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


async def validate(port: int) -> Message:
    headers = (("Host", "x"), ("Authorization", basic()))
    return await ask(port, Message(f"POST {LIST} HTTP/1.1", headers, b"PhoneNumber=415-555-1212").encode())
