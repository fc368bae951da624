"""Error answers of the upstream → what 2008 would have said, without a word too many."""

from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.seed import ACCOUNT, BOB, basic
from support.twilio import BASE, CALLER, MAPPED, PROFILE, SETTINGS, replied

from proxy.errors import Fault, LegacyError
from proxy.model import Account, Fetch
from proxy.profile.calls import Reply
from proxy.profile.faults import is_error
from proxy.profile.language import Errors
from proxy.profile.profile import Profile
from proxy.upstream.cooldowns import seconds_of


def fault(reply: Reply, account: Account = CALLER, profile: Profile = PROFILE) -> Fault:
    with pytest.raises(LegacyError) as raised:
        profile.exchange(Fetch(ACCOUNT, BOB), account).read(reply)
    return raised.value.fault


def twilio(status: int, code: object, message: object, **headers: str) -> Reply:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    document = {"code": code, "message": message, "more_info": more_info, "status": status}
    return replied(status, document, **headers)


REFUSED = "The upstream API refused the request"
NONSENSE = "The upstream API returned an unexpected response"
NOT_FOUND = "The requested resource was not found"
VALIDATED = "Phone number already validated on your account"
ELSEWHERE = "Phone number already validated on another account"
FORBIDDEN = "Access to the requested resource is forbidden"


@pytest.mark.parametrize(
    ("reply", "status", "code", "message"),
    [
        # what 2008 has words for
        (twilio(401, 20003, "Authentication Error - invalid username"), 401, 20003, "Authenticate"),
        (Reply(401, b""), 401, 20003, "Authenticate"),
        (twilio(401, 20005, "Account not active"), 401, 20005, "Account not active"),
        (twilio(404, 20404, f"The resource /2010-04-01/{BOB}.json was not found"), 404, None, NOT_FOUND),
        (Reply(404, b"<html>"), 404, None, NOT_FOUND),
        (twilio(429, 20429, "Too Many Requests"), 429, 20429, "Too many requests"),
        (Reply(429, b""), 429, 20429, "Too many requests"),
        # the upstream's own
        (twilio(400, 21450, VALIDATED), 400, 21450, VALIDATED),
        (twilio(400, 21453, ELSEWHERE), 400, 21453, ELSEWHERE),
        (twilio(400, "21450", "As text"), 400, 21450, "As text"),
        (twilio(403, 20403, "Forbidden here"), 403, 20403, "Forbidden here"),
        (twilio(409, 20409, "Conflict"), 409, 20409, "Conflict"),
        (twilio(400, 21450, None), 400, 21450, REFUSED),
        (twilio(400, None, "No code"), 400, None, "No code"),
        (replied(400, {"title": "Bad", "status": 400, "detail": "Too bad"}), 400, None, "Too bad"),
        (replied(400, {"title": "Bad"}), 400, None, "Bad"),
        # wordless
        (Reply(400, b""), 400, None, REFUSED),
        (Reply(400, b"<html>"), 400, None, REFUSED),
        (replied(400, []), 400, None, REFUSED),
        (replied(400, {"code": {}, "message": []}), 400, None, REFUSED),
        (Reply(403, b""), 403, None, FORBIDDEN),
        (Reply(418, b""), 502, 20502, NONSENSE),
        # its failures
        (twilio(500, 20500, "NullPointerException"), 502, 20502, NONSENSE),
        (Reply(501, b""), 502, 20502, NONSENSE),
        (Reply(502, b""), 502, 20502, NONSENSE),
        (Reply(503, b""), 503, 20503, "The upstream API declines requests at the moment"),
        (Reply(504, b""), 504, 20504, "The upstream API took too long to answer"),
        (Reply(599, b""), 502, 20502, NONSENSE),
        # neither success nor failure
        (replied(201, {}), 502, 20502, NONSENSE),
        (replied(204, {}), 502, 20502, NONSENSE),
        (replied(301, {"message": "Moved"}), 502, 20502, NONSENSE),
        (Reply(307, b""), 502, 20502, NONSENSE),
        (Reply(304, b""), 502, 20502, NONSENSE),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)  # fmt: skip
def test_a_fault(reply: Reply, status: int, code: int | None, message: str) -> None:
    found = fault(reply)
    assert (found.status, found.code, found.message) == (status, code, message)


def test_an_unauthenticated_client_is_challenged() -> None:
    for reply in (twilio(401, 20003, "x"), twilio(401, 20005, "Account not active")):
        assert fault(reply).headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("1", "1"),
        ("17", "17"),
        ("3600", "3600"),
        ("3601", "3600"),
        ("1000000000000", "3600"),
        ("0", "1"),
        ("-5", "1"),
        ("1.5", "1"),
        ("soon", "1"),
        ("", "1"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "1"),
        ("١٢", "1"),
    ],
)
def test_retry_after_is_between_a_second_and_an_hour(status: int, asked: str, told: str) -> None:
    assert (
        fault(Reply(status, b"", retry_after=seconds_of(asked, None, 2_000_000_000))).headers["Retry-After"]
        == told
    )


def test_retry_after_has_a_default() -> None:
    assert fault(Reply(429, b"")).headers["Retry-After"] == "1"
    assert fault(Reply(503, b"")).headers["Retry-After"] == "1"


# What must not be said

HOST = "upstream.example:9000"
TELLTALES = [
    "No such thing as https://api.twilio.com/2010-04-01/Accounts",
    "See http://127.0.0.1",
    "The requested resource /2010-04-01/Accounts/AC123/OutgoingCallerIds.json was not found",
    "open /etc/twilio/secrets.conf failed",
    f"{HOST} is on fire",
    f"Connection to {BASE} failed",
    f"Wrong token {MAPPED.credentials.password}",
    f"Account {MAPPED.upstream_id} is suspended",
    f"password={MAPPED.credentials.password}&x",
    "line one\nline two",
    "\x1b[31mred",
    "\u202eright to left",
    "x" * 257,
]


@pytest.mark.parametrize("message", TELLTALES, ids=lambda message: ascii(message)[:40])
def test_a_message_with_a_secret_is_replaced(message: str) -> None:
    found = fault(twilio(400, 21450, message), MAPPED)
    assert (found.status, found.code, found.message) == (400, 21450, REFUSED)


@pytest.mark.parametrize(
    "message",
    [
        "upstream.example is on fire",
        "UPSTREAM.EXAMPLE:9000 is on fire",
        "api.twilio.com is on fire",  # where the profile would have asked
        f"Key {MAPPED.credentials.username} is revoked",
        f"Bad header: {basic(MAPPED.credentials.username, MAPPED.credentials.password)}",
    ],
    ids=["host without port", "host in capitals", "profile's host", "user name", "header"],
)
def test_host_and_credentials_in_other_spellings(message: str) -> None:
    assert fault(twilio(400, 21450, message), MAPPED).message == REFUSED


SECRETS = [HOST, MAPPED.credentials.password, MAPPED.upstream_id, "https://", "/2010-04-01/"]


STATUSES = st.sampled_from([400, 401, 403, 409, 422])


@given(st.text(max_size=40), st.sampled_from(SECRETS), st.text(max_size=40), STATUSES)
@example("", SECRETS[1], "", 401)
def test_no_secret_ever_shows(before: str, secret: str, after: str, status: int) -> None:
    for code in (20005, 21450):
        assert secret not in fault(twilio(status, code, before + secret + after), MAPPED).message


ODD_JSON = [b"[" * 5000, b"{", b'{"code":1e400}', b'{"code":' + b"9" * 5000 + b"}", b'{"code":-21450}']


@given(st.integers(201, 599), st.binary(max_size=50) | st.sampled_from(ODD_JSON), st.text(max_size=20))
def test_any_answer_becomes_a_fault(status: int, body: bytes, retry_after: str) -> None:
    found = fault(Reply(status, body, retry_after=seconds_of(retry_after, None, 0)))
    assert 400 <= found.status <= 599
    assert found.message
    assert found.code is None or 0 <= found.code < 10**9


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(JSON, JSON)
def test_any_code_and_message_become_a_fault(code: object, message: object) -> None:
    found = fault(twilio(400, code, message))
    assert found.status == 400
    assert {category(character) for character in found.message}.isdisjoint(
        {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    )


def test_a_row_of_the_map_decides_first() -> None:
    row = {"status": 400, "code": 21450, "to_status": 409, "to_code": 1, "to_message": "Known already"}
    errors = SETTINGS.errors.model_validate({"code": "/code", "message": "/message", "map": [row]})
    profile = Profile(SETTINGS.model_copy(update={"errors": errors}), BASE)
    found = fault(twilio(400, 21450, "x"), CALLER, profile)
    assert (found.status, found.code, found.message) == (409, 1, "Known already")
    assert fault(twilio(400, 21451, "x"), CALLER, profile).code == 21451


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        ({"to_status": 401}, 20003, "Authenticate"),
        ({"to_status": 401, "to_code": 20005}, 20005, "Upstream's words"),
        ({"to_status": 404}, None, "The requested resource was not found"),
        ({"to_status": 404, "to_code": 20404}, 20404, "The requested resource was not found"),
        ({"to_status": 404, "to_message": "Gone"}, None, "Gone"),
        ({"to_status": 409}, None, "Upstream's words"),
        ({"to_status": 429}, 20429, "Too many requests"),
        ({"to_status": 502}, 20502, NONSENSE),
        ({"to_status": 503}, 20503, "The upstream API declines requests at the moment"),
    ],
    ids=str,
)
def test_a_row_without_a_message_has_that_of_its_status(
    row: dict[str, object], code: int | None, message: str
) -> None:
    errors = {"message": "/message", "map": [{"status": 400, **row}]}
    profile = Profile(SETTINGS.model_copy(update={"errors": SETTINGS.errors.model_validate(errors)}), BASE)
    reply = twilio(400, 7, "Upstream's words")._replace(retry_after=17)
    found = fault(reply, CALLER, profile)
    assert (found.status, found.code, found.message) == (row["to_status"], code, message)
    assert found.headers.get("Retry-After") == ("17" if found.status in (429, 503) else None)


WHEN = Errors.model_validate({"when": {"at": "/success", "equals": False}})
UNLESS = Errors.model_validate({"unless": {"at": "/code", "one_of": [0, "OK"]}})


@pytest.mark.parametrize(
    ("errors", "document", "expected"),
    [
        (WHEN, {"success": False}, True),
        (WHEN, {"success": True}, False),
        (WHEN, {"success": 0}, False),
        (WHEN, {}, False),
        (UNLESS, {"code": 0}, False),
        (UNLESS, {"code": "OK"}, False),
        (UNLESS, {"code": 7}, True),
        (UNLESS, {"code": False}, True),
        (UNLESS, {}, True),
        (UNLESS, [], True),
        (UNLESS, None, False),  # an empty answer, whose status says it all
        (Errors(), {"success": False, "code": 7}, False),
    ],
)
def test_an_error_that_only_a_flag_shows(errors: Errors, document: object, expected: bool) -> None:
    assert is_error(document, errors) == expected
