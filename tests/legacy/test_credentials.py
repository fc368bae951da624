"""Authorization headers: accepted forms and refused ones."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.seed import ACCOUNT, TOKEN, basic

from proxy.errors import UNAUTHENTICATED, LegacyError
from proxy.legacy import read_credentials
from proxy.model import Credentials


def carrying(text: bytes) -> str:
    return f"Basic {b64encode(text).decode()}"


GOOD = b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "password"),
    [
        (f"Basic {GOOD}", TOKEN),
        (f"basic {GOOD}", TOKEN),
        (f"BASIC {GOOD}", TOKEN),
        (f"Basic   {GOOD}", TOKEN),
        (f" Basic {GOOD}\t", TOKEN),
        (basic(password="to:ken:"), "to:ken:"),
        (basic(password=""), ""),
        (basic(password=" spaced "), " spaced "),
        (basic(password="Zoë €"), "Zoë €"),
        (carrying(f"{ACCOUNT}:Zoë".encode("latin-1")), "Zoë"),
    ],
)
def test_credentials(header: str, password: str) -> None:
    assert read_credentials([header]) == Credentials(ACCOUNT, password)


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Basic",
        "Basic ",
        GOOD,
        f"Basic{GOOD}",
        f"Basic:{GOOD}",
        f"Basic {GOOD},",
        f"Basic {GOOD} {GOOD}",
        f"Basic {GOOD}, Basic {GOOD}",
        f"Basic\t{GOOD}",
        f"Bearer {GOOD}",
        f"Digest {GOOD}",
        "Bearer eyJhbGciOiJIUzI1NiJ9",
        "Basic !!!!",
        "Basic A",
        "Basic QQ",  # no padding
        f"Basic {GOOD.rstrip('=')}A",
        f"Basic ={GOOD}",
        f"Basic {GOOD[:8]} {GOOD[8:]}",
        f"Basic {GOOD[:8]}\n{GOOD[8:]}",
        "Basic =",
        carrying(b""),
        carrying(b":"),
        carrying(b":token"),
        carrying(ACCOUNT.encode()),  # no colon
        carrying(b"AC:to\0ken"),
        carrying(b"AC:to\nken"),
        carrying(b"AC:to\rken"),
        carrying(b"AC:token\x7f"),
        carrying(b"AC\x1b:token"),
        "Basic \N{FULLWIDTH LATIN CAPITAL LETTER A}A==",
    ],
    ids=ascii,
)
def test_no_credentials(header: str) -> None:
    with pytest.raises(LegacyError) as raised:
        read_credentials([header])
    assert raised.value.fault == UNAUTHENTICATED


def test_no_header_at_all() -> None:
    with pytest.raises(LegacyError) as raised:
        read_credentials([])
    fault = raised.value.fault
    assert (fault.status, fault.code, fault.message) == (401, 20003, "Authenticate")
    assert fault.headers == {"WWW-Authenticate": 'Basic realm="Twilio API"'}


@pytest.mark.parametrize("second", [f"Basic {GOOD}", "Basic x", "Bearer x", ""])
def test_two_headers_are_a_bad_request(second: str) -> None:
    for both in ([f"Basic {GOOD}", second], [second, f"Basic {GOOD}"]):
        with pytest.raises(LegacyError) as raised:
            read_credentials(both)
        assert raised.value.fault.status == 400


def test_credentials_hide_their_password() -> None:
    credentials = read_credentials([basic(password="s3cret")])
    assert "s3cret" not in repr(credentials)
    assert "s3cret" not in str(credentials)


NAMES = st.text(st.characters(exclude_characters=":", exclude_categories=["Cc", "Cs"]), min_size=1)
PASSWORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@given(NAMES, PASSWORDS)
def test_any_name_and_password_round_trip(name: str, password: str) -> None:
    assert read_credentials([basic(name, password)]) == Credentials(name, password)


@given(st.text(st.characters(exclude_categories=())) | st.binary().map(carrying))
def test_any_header_is_parsed_or_refused(header: str) -> None:
    try:
        credentials = read_credentials([header])
    except LegacyError as error:
        assert error.fault == UNAUTHENTICATED  # noqa: PT017
    else:
        assert credentials.username
