"""Send the requests on standard input through twilio 2.0.10, under Python 2.7; print a line for each answer.

A request is [path, method, parameters]; an answer is [the status of the exception or null, body].
"""

import json
import sys

import twilio  # type: ignore[import-untyped]

base_url, sid, token = sys.argv[1:]
twilio._TWILIO_API_URL = base_url  # noqa: SLF001 - where this library keeps it
account = twilio.Account(sid, token)
for line in sys.stdin:
    path, method, parameters = json.loads(line)
    encoded = {name: value.encode("utf-8") for name, value in parameters.items()}
    try:
        answer = [None, account.request(str(path), str(method), encoded)]
    except twilio.urllib2.HTTPError as error:
        answer = [error.code, error.read()]
    sys.stdout.write(json.dumps(answer) + "\n")
