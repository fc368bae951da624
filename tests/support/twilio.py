"""Twilio's profile as it ships, at an address of its own."""

import json

from proxy import config
from proxy.model import Account, Credentials
from proxy.profile import language
from proxy.profile.calls import Reply
from proxy.profile.profile import Profile
from support.seed import ACCOUNT, TOKEN

BASE = "http://upstream.example:9000"
SETTINGS: language.ProfileSettings = config.demo(BASE).profiles["twilio-2010-04-01"].profile
PROFILE = Profile(SETTINGS, BASE)
CALLER = Account(ACCOUNT, ACCOUNT, Credentials(ACCOUNT, TOKEN))
MAPPED = Account(ACCOUNT, "AC" + "b" * 32, Credentials("SK" + "c" * 32, "s3cret-of-the-proxy"), is_own=False)


def replied(status: int, document: object, **headers: str) -> Reply:
    """Return an answer in JSON."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(document).encode(), {"content-type": "application/json", **names})
