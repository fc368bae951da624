"""The embedded upstream: a Twilio 2010-04-01 look-alike for demonstrations and tests.

It lists, renames and deletes caller ids and takes validation requests as api.twilio.com does, keeps them
in SQLite and lets a person play the phone that rings.
"""

from proxy.sandbox.app import make_app
from proxy.sandbox.phone import AnswerError, answer
from proxy.sandbox.store import Store

__all__ = ["AnswerError", "Store", "answer", "make_app"]
