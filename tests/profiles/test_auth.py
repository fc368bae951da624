"""Where each scheme puts the credentials of an account."""

from collections.abc import Mapping

import pytest

from proxy.model import Credentials
from proxy.profile.auth import Auth, compile_auth
from proxy.profile.calls import Call

WHO = Credentials("name", "to{username}ken")
CALL = Call("GET", "http://upstream.example", {"X": "x"}, {"q": "1"})


@pytest.mark.parametrize(
    ("auth", "headers", "query"),
    [
        ({"scheme": "caller"}, {"Authorization": "Basic bmFtZTp0b3t1c2VybmFtZX1rZW4="}, {}),
        ({"scheme": "basic"}, {"Authorization": "Basic bmFtZTp0b3t1c2VybmFtZX1rZW4="}, {}),
        ({"scheme": "bearer"}, {"Authorization": "Bearer to{username}ken"}, {}),
        ({"scheme": "header", "name": "X-Key"}, {"X-Key": "to{username}ken"}, {}),
        (
            {"scheme": "header", "name": "X-Key", "username": "X-User", "value": "{username}={password}!"},
            {"X-User": "name", "X-Key": "name=to{username}ken!"},
            {},
        ),
        ({"scheme": "query", "name": "key"}, {}, {"key": "to{username}ken"}),
        (
            {"scheme": "query", "name": "key", "username": "user"},
            {},
            {"user": "name", "key": "to{username}ken"},
        ),
        ({"scheme": "none"}, {}, {}),
    ],
)
def test_where_credentials_go(
    auth: Mapping[str, str], headers: Mapping[str, str], query: Mapping[str, str]
) -> None:
    call = compile_auth(Auth.model_validate(auth))(CALL, WHO)
    expected = CALL._replace(headers={"X": "x", **headers}, query={"q": "1", **query})
    assert call._replace(credentials=0, caller=0) == expected


def test_other_credentials_have_another_hash() -> None:
    """A pause that was asked of one is nobody else's."""
    callers = [Credentials(*each) for each in (("name", "token"), ("name", "other"), ("other", "token"))]
    told = [compile_auth(Auth())(CALL, caller).credentials for caller in (*callers, *callers)]
    assert len(set(told)) == 3
    assert told[:3] == told[3:]


def test_each_caller_has_its_own_hash() -> None:
    other = Credentials("name", "other")
    callers = [(WHO, ""), (WHO, "AC1"), (WHO, "AC2"), (other, ""), (other, "AC1")]
    calls = [compile_auth(Auth())(CALL, *caller) for caller in (*callers, *callers)]
    told = [call.caller for call in calls]
    assert len(set(told)) == 5
    assert told[:5] == told[5:]
    assert len({call.credentials for call in calls}) == 2
