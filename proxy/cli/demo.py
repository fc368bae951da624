"""What `serve --demo` tells a newcomer: the addresses, and a line to paste for each operation."""

from proxy.sandbox.seed import ACCOUNT_SID, CALLER_IDS, TOKEN

_WELCOME = """\
legacy API   {proxy}/2008-08-01
sandbox      {sandbox}

One line for each operation, ready to paste:

list      curl -u {login} '{list}'
page      curl -u {login} '{list}?page=1&num=1'
filter    curl -u {login} '{list}?PhoneNumber=4158675309'
fetch     curl -u {login} '{list}/{sid}'
rename    curl -u {login} -X PUT -d 'FriendlyName=My Cell Phone' '{list}/{sid}'
validate  curl -u {login} -d 'PhoneNumber=415-555-1212' '{list}'
answer    {command} sandbox answer --url {sandbox} +14155551212 CODE
delete    curl -u {login} -X DELETE '{list}/{sid}'

Press Ctrl-C to stop.
"""


def welcome(proxy: str, sandbox: str, command: str) -> str:
    """Return the text for a proxy and a sandbox at these URLs; `command` is how this program is called."""
    return _WELCOME.format(
        proxy=proxy,
        sandbox=sandbox,
        command=command,
        login=f"{ACCOUNT_SID}:{TOKEN}",
        list=f"{proxy}/2008-08-01/Accounts/{ACCOUNT_SID}/OutgoingCallerIds",
        sid=CALLER_IDS[0].sid,
    )
