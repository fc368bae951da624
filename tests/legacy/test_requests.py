"""Legacy requests → Operations, as tables: routes, then each parameter, then every kind of body."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.seed import ACCOUNT, BOB, LIST

from proxy.errors import Fault, LegacyError
from proxy.legacy import Request, route
from proxy.model import Delete, Fetch, List, Operation, Rename, Validate

INSTANCE = f"{LIST}/{BOB}"
FORM = "application/x-www-form-urlencoded"


def read(method: str, target: str, body: bytes = b"", content_type: str | None = FORM) -> Operation:
    request = Request(method, target, content_type=content_type, body=body)
    return route(request).read(request)


def refusal(method: str, target: str, body: bytes = b"", content_type: str | None = FORM) -> Fault:
    with pytest.raises(LegacyError) as raised:
        read(method, target, body, content_type)
    return raised.value.fault


def listed(query: str) -> List:
    operation = read("GET", f"{LIST}?{query}")
    assert isinstance(operation, List)
    return operation


def created(body: bytes, content_type: str | None = FORM) -> Validate:
    operation = read("POST", LIST, body, content_type)
    assert isinstance(operation, Validate)
    return operation


def renamed(body: bytes, content_type: str | None = FORM) -> str:
    operation = read("PUT", INSTANCE, body, content_type)
    assert isinstance(operation, Rename)
    return operation.friendly_name


# Routes

PLAIN_LIST = List(ACCOUNT, page=0, page_size=50)
NUMBER = b"PhoneNumber=4155551212"
NAME = b"FriendlyName=Home"
HOME = Validate(ACCOUNT, "+14155551212", "Home", 5)


@pytest.mark.parametrize(
    ("method", "target", "body", "operation"),
    [
        ("GET", LIST, b"", PLAIN_LIST),
        ("HEAD", LIST, b"", PLAIN_LIST),
        ("POST", LIST, NUMBER, Validate(ACCOUNT, "+14155551212", None, 0)),
        ("GET", INSTANCE, b"", Fetch(ACCOUNT, BOB)),
        ("HEAD", INSTANCE, b"", Fetch(ACCOUNT, BOB)),
        ("PUT", INSTANCE, NAME, Rename(ACCOUNT, BOB, "Home")),
        ("POST", INSTANCE, NAME, Rename(ACCOUNT, BOB, "Home")),
        ("DELETE", INSTANCE, b"", Delete(ACCOUNT, BOB)),
        # _method in the query of a POST
        ("POST", f"{INSTANCE}?_method=PUT", NAME, Rename(ACCOUNT, BOB, "Home")),
        ("POST", f"{INSTANCE}?_method=DELETE", b"", Delete(ACCOUNT, BOB)),
        ("POST", f"{INSTANCE}?x=1&_method=DELETE", b"", Delete(ACCOUNT, BOB)),
        # in no other place, and no other value
        ("POST", f"{INSTANCE}?_method=delete", NAME, Rename(ACCOUNT, BOB, "Home")),
        ("POST", f"{INSTANCE}?_method=GET", NAME, Rename(ACCOUNT, BOB, "Home")),
        ("POST", f"{INSTANCE}?_method=", NAME, Rename(ACCOUNT, BOB, "Home")),
        ("POST", f"{INSTANCE}?_METHOD=DELETE", NAME, Rename(ACCOUNT, BOB, "Home")),
        ("POST", INSTANCE, NAME + b"&_method=DELETE", Rename(ACCOUNT, BOB, "Home")),
        ("GET", f"{INSTANCE}?_method=DELETE", b"", Fetch(ACCOUNT, BOB)),
        ("PUT", f"{INSTANCE}?_method=DELETE", NAME, Rename(ACCOUNT, BOB, "Home")),
        ("POST", f"{LIST}?_method=GET", NUMBER, Validate(ACCOUNT, "+14155551212", None, 0)),
    ],
)
def test_a_route(method: str, target: str, body: bytes, operation: Operation) -> None:
    assert read(method, target, body) == operation


@pytest.mark.parametrize(
    "target",
    [
        f"/{LIST}",
        f"////{LIST}",
        f"{LIST}?",
        f"{LIST}/",
        f"{LIST}/?",
        f"{LIST}.xml",
        f"{LIST}.json",
        f"{LIST}.csv",
        f"{LIST}.html",
        f"{LIST}.xml?",
        f"http://api.twilio.com{LIST}",
        f"HTTPS://api.twilio.com:443{LIST}",
        f"http://api.twilio.com/{LIST}?",
        f"http://user@evil.example{LIST}?",
        f"{LIST}?unknown=1&another&=",
    ],
)
def test_other_spellings_of_the_list(target: str) -> None:
    assert read("GET", target) == PLAIN_LIST


@pytest.mark.parametrize("account", [ACCOUNT.upper(), "AC" + "aB" * 16, "AC" + "0" * 32])
def test_sids_are_kept_as_received(account: str) -> None:
    sid = "PN" + "Cd" * 16
    assert read("GET", f"/2008-08-01/Accounts/{account}/OutgoingCallerIds/{sid}") == Fetch(account, sid)


HEX = "e536dfda7c6184afab78d980cb8cdf43"
NOT_SIDS = [
    f"PN{HEX[:-1]}",  # too short
    f"PN{HEX}0",  # too long
    f"PN{HEX[:-1]}g",
    f"AC{HEX}",  # another kind
    f"pn{HEX}",
    HEX,
    f"PN{HEX}%2F",
    f"PN{HEX}%2F..%2F..%2FCalls",
    f"PN{HEX[:-3]}%2F",
    f"%50N{HEX}",
    f"PN{HEX[:-3]}%34",
    f"PN{HEX[:-2]}..",
    "..",
    ".",
    "%2e%2e",
    f"PN{HEX}/..",
    f"PN{HEX}/../PN{HEX}",
    f"PN{HEX}//",
    f"PN{HEX}%00",
    f"PN{HEX[:-1]}\0",
    f"PN{HEX}%0D%0AX-Evil:%201",
    f"PN{HEX}\r\nX-Evil: 1",
    f"PN{HEX}\n",
    f"PN{HEX};x=1",
    f"PN{HEX}%3B",
    f"PN{HEX}%3Fx=1",
    f"PN{HEX}#top",
    f"PN{HEX}%ZZ",
    f"PN{HEX} ",
    f"PN{HEX}%20",
    f"PN{HEX}.pdf",
    f"PN{HEX}.XML",
    f"PN{HEX}.xml.xml",
    f"PN{HEX[:-1]}\N{ARABIC-INDIC DIGIT THREE}",
    f"PN{HEX[:-1]}\N{FULLWIDTH DIGIT THREE}",
    f"PN{HEX[:-1]}%D9%A3",
    f"PN{HEX[:-1]}\udcd9",
    f"PN{HEX}/Calls",
]


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("sid", NOT_SIDS, ids=ascii)
def test_a_malformed_sid_is_not_found(method: str, sid: str) -> None:
    fault = refusal(method, f"{LIST}/{sid}", NAME)
    assert (fault.status, fault.code, fault.message) == (404, None, "The requested resource was not found")


@pytest.mark.parametrize("sid", NOT_SIDS, ids=ascii)
def test_a_malformed_account_is_not_found(sid: str) -> None:
    account = sid.replace("PN", "AC") if "PN" in sid else f"PN{sid}"
    assert refusal("GET", f"/2008-08-01/Accounts/{account}/OutgoingCallerIds").status == 404


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "*",
        "?",
        "example.com:443",
        "http://api.twilio.com",
        f"ftp://api.twilio.com{LIST}",
        f"http:{LIST}",
        f"http://http://api.twilio.com{LIST}",
        LIST[1:],
        f"x{LIST}",
        f"/.{LIST}",
        f"/..{LIST}",
        f"/x/..{LIST}",
        LIST.lower(),
        LIST.upper(),
        LIST.replace("OutgoingCallerIds", "outgoingcallerids"),
        LIST.replace("OutgoingCallerIds", "Outgoing%43allerIds"),
        LIST.replace("2008-08-01", "2010-04-01"),
        LIST.replace("2008-08-01", "2008-08-02"),
        LIST.replace("/Accounts/", "//Accounts/"),
        LIST.replace("/OutgoingCallerIds", "//OutgoingCallerIds"),
        LIST.replace("/OutgoingCallerIds", ""),
        LIST.replace("/OutgoingCallerIds", "/Calls"),
        f"{LIST}//",
        f"{LIST}//{BOB}",
        f"{LIST}.xml/{BOB}",
        f"{LIST}#",
        f"{LIST}%3F",
        f"{LIST} ",
        f"{LIST}\n",
        f"\n{LIST}",
    ],
    ids=ascii,
)
def test_any_other_path_is_not_found(target: str) -> None:
    fault = refusal("GET", target)
    assert (fault.status, fault.code) == (404, None)


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "FOO", ""]
)
def test_methods_the_list_does_not_support(method: str) -> None:
    fault = refusal(method, LIST)
    assert (fault.status, fault.code, fault.headers) == (405, 20004, {"Allow": "GET, HEAD, POST"})


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "CONNECT", "delete", "FOO", ""])
def test_methods_an_instance_does_not_support(method: str) -> None:
    fault = refusal(method, INSTANCE)
    assert (fault.status, fault.code) == (405, 20004)
    assert set(fault.headers["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "POST", "DELETE"}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_method_parameters_do_not_apply_to_the_list(method: str) -> None:
    assert refusal("POST", f"{LIST}?_method={method}", NUMBER).status == 405


# Parameters of the list


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", 0),
        ("page=0", 0),
        ("page=1", 1),
        ("Page=2", 2),
        ("page=007", 7),
        ("page=999999999", 999_999_999),
        ("page=1&page=3", 3),  # the last wins
        ("page=", 0),
        ("page=&Page=4", 4),  # empty counts as absent
        ("page=-1", 0),
        ("page=%2B1", 0),
        ("page=1.5", 0),
        ("page=1e3", 0),
        ("page=0x10", 0),
        ("page=1_000", 0),
        ("page=+1", 0),
        ("page=1+", 0),
        ("page=abc", 0),
        ("page=%D9%A3", 0),
        ("page=%B2", 0),  # a superscript two in windows-1252
        ("PAGE=1", 0),
        ("pAge=1", 0),
    ],
)
def test_page(query: str, page: int) -> None:
    assert listed(query) == List(ACCOUNT, page=page, page_size=50)


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("", 50),
        ("num=1", 1),
        ("PageSize=20", 20),
        ("num=50", 50),
        ("num=999", 999),
        ("num=1000", 1000),
        ("num=1001", 1000),
        ("num=5000", 1000),
        ("num=1000000000000000000", 1000),
        (f"num={'9' * 4000}", 1000),
        ("num=0", 50),
        ("num=00", 50),
        ("num=-5", 50),
        ("num=", 50),
        ("num=&PageSize=7", 7),
        ("num=ten", 50),
        ("num=10.0", 50),
        ("num=%D9%A3", 50),
        ("num=2&num=3", 3),
        ("Num=2", 50),
        ("pagesize=2", 50),
    ],
    ids=lambda value: str(value)[:20],
)
def test_page_size(query: str, size: int) -> None:
    assert listed(query) == List(ACCOUNT, page=0, page_size=size)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("num=00020", List(ACCOUNT, page=0, page_size=20)),
        ("num=00000", PLAIN_LIST),
        (f"page={'0' * 30}7", List(ACCOUNT, page=7, page_size=50)),
    ],
)
def test_leading_zeros_change_nothing(query: str, expected: List) -> None:
    assert listed(query) == expected


@pytest.mark.parametrize("number", [10**18, 10**18 + 1, 10**100, 10**4000])
def test_a_huge_page_is_past_the_end(number: int) -> None:
    assert listed(f"page={number}").page >= 10**15


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("PhoneNumber=4158675309", "+14158675309"),
        ("PhoneNumber=415-867-5309", "+14158675309"),
        ("PhoneNumber=(415)+867-5309", "+14158675309"),
        ("PhoneNumber=1-415-867-5309", "+14158675309"),
        ("PhoneNumber=%2B14158675309", "+14158675309"),
        ("PhoneNumber=+14158675309", "+14158675309"),  # a space
        ("PhoneNumber=1&PhoneNumber=4158675309", "+14158675309"),
        ("PhoneNumber=442071838750", "+442071838750"),  # as a list shows it
        ("PhoneNumber=%2B442071838750", "+442071838750"),
        ("PhoneNumber=", None),
        ("phonenumber=4158675309", None),
        ("Phone=4158675309", None),
    ],
)
def test_the_filter_by_number(query: str, number: str | None) -> None:
    assert listed(query) == List(ACCOUNT, page=0, page_size=50, phone_number=number)


@pytest.mark.parametrize(
    "text", ["415", "4158675309x5", "%2B4158675309x", "*", "0", "abc", "415867530%D9%A3"]
)
def test_a_filter_that_is_no_number_matches_nothing(text: str) -> None:
    assert listed(f"PhoneNumber={text}").nothing_matches


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("FriendlyName=Bob", "Bob"),
        ("FriendlyName=Bob+Cell%20Phone", "Bob Cell Phone"),
        ("FriendlyName=bob", "bob"),
        ("FriendlyName=+Bob+", " Bob "),  # nothing is trimmed
        ("FriendlyName=a%2Bb%26c%3Dd;e", "a+b&c=d;e"),
        ("FriendlyName=a=b", "a=b"),
        ("FriendlyName=Zo%C3%AB", "Zoë"),
        ("FriendlyName=Zo%EB", "Zoë"),  # windows-1252
        ("FriendlyName=%E2%82%AC", "€"),
        ("FriendlyName=%80", "€"),
        ("FriendlyName=%F0%9F%93%9E", "\U0001f4de"),
        ("FriendlyName=Zoë", "Zoë"),
        ("FriendlyName=Zo\udceb", "Zoë"),  # the raw byte
        ("FriendlyName=100%", "100%"),
        ("FriendlyName=%ZZ", "%ZZ"),
        ("FriendlyName=A&FriendlyName=B", "B"),
        ("FriendlyName=", None),
        ("FriendlyName", None),
        ("friendlyname=Bob", None),
    ],
    ids=ascii,
)
def test_the_filter_by_name(query: str, name: str | None) -> None:
    assert listed(query) == List(ACCOUNT, page=0, page_size=50, friendly_name=name)


def test_a_filter_longer_than_any_name_is_no_error() -> None:
    assert listed(f"FriendlyName={'x' * 65}").friendly_name == "x" * 65


def test_everything_at_once() -> None:
    assert listed("page=3&num=20&PhoneNumber=415-867-5309&FriendlyName=Bob&_method=PUT&foo=bar") == List(
        ACCOUNT, page=3, page_size=20, phone_number="+14158675309", friendly_name="Bob"
    )


def test_the_body_of_a_get_is_ignored() -> None:
    assert read("GET", LIST, b"FriendlyName=Bob&page=3") == PLAIN_LIST
    assert read("GET", LIST, b"\xff" * 100_000, "image/png") == PLAIN_LIST
    assert read("DELETE", INSTANCE, b"{", "application/json") == Delete(ACCOUNT, BOB)


# Parameters of a new number


@pytest.mark.parametrize(
    "number",
    [
        b"415-555-1212",
        b"(415) 555.1212",
        b"1-415-555-1212",
        b"%2B14155551212",
        b"(415)+555%2D1212",
        b"4155551212",
    ],
)
def test_a_new_number(number: bytes) -> None:
    assert created(b"PhoneNumber=" + number) == Validate(ACCOUNT, "+14155551212", None, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PhoneNumber",
        b"PhoneNumber=",
        b"phonenumber=4155551212",
        b"Phone Number=4155551212",
        b"PhoneNumber=415555121",
        b"PhoneNumber=41555512123",
        b"PhoneNumber=415-555-1212x5",
        b"PhoneNumber=1-800-FLOWERS",
        b"PhoneNumber=%2B442071838750",
        b"PhoneNumber=%2B4155551212",
        b"PhoneNumber=%D9%A4%D9%A1%D9%A5%D9%A5%D9%A5%D9%A5%D9%A1%D9%A2%D9%A1%D9%A2",
        b"PhoneNumber=" + b"4" * 4000,
        b"PhoneNumber=4155551212&PhoneNumber=4155551213",
        b"PhoneNumber=4155551213&PhoneNumber=4155551212&PhoneNumber=4155551212",
        b"PhoneNumber=4155551212\0",
        b"PhoneNumber=4155551212;FriendlyName=Home",
        b"FriendlyName=Home",
    ],
    ids=lambda body: ascii(body)[:40],
)
def test_invalid_new_numbers(body: bytes) -> None:
    fault = refusal("POST", LIST, body)
    assert (fault.status, fault.code) == (400, 21401)
    assert "PhoneNumber" in fault.message


@pytest.mark.parametrize(
    ("query", "body", "operation"),
    [
        ("PhoneNumber=4155551212", b"", Validate(ACCOUNT, "+14155551212", None, 0)),
        ("PhoneNumber=415.555.1212%0A&FriendlyName=Home&CallDelay=5", b"", HOME),
        (
            "PhoneNumber=4155551212&FriendlyName=Home&CallDelay=5",
            b"FriendlyName=&CallDelay=&PhoneNumber=",
            HOME,
        ),
        ("FriendlyName=Home&CallDelay=5", NUMBER, HOME),
        ("CallDelay=5", NUMBER + b"&FriendlyName=Home", HOME),
        # The body comes first, name by name
        (
            "PhoneNumber=4158675309&FriendlyName=Office&CallDelay=61",
            NUMBER + b"&FriendlyName=Home&CallDelay=5",
            HOME,
        ),
        ("PhoneNumber=nonsense&CallDelay=5", NUMBER + b"&FriendlyName=Home", HOME),
        ("PhoneNumber=4155551212&PhoneNumber=4158675309&CallDelay=5", NUMBER + b"&FriendlyName=Home", HOME),
        # Of equal names the last one, in the query too
        ("FriendlyName=Office&FriendlyName=Home&CallDelay=5", NUMBER, HOME),
        ("PhoneNumber=4155551212&PhoneNumber=%2B14155551212&FriendlyName=Home&CallDelay=5", b"", HOME),
        ("friendlyname=Office&callDelay=9", NUMBER, Validate(ACCOUNT, "+14155551212", None, 0)),
    ],
)
def test_found_d6_a_new_number_in_the_query(query: str, body: bytes, operation: Validate) -> None:
    assert read("POST", f"{LIST}?{query}", body) == operation


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("PhoneNumber=4155551212&PhoneNumber=4158675309", b"", 21401),
        ("PhoneNumber=4155551212&PhoneNumber=4158675309", b"PhoneNumber=", 21401),
        ("PhoneNumber=4155551212", b"PhoneNumber=nonsense", 21401),
        ("PhoneNumber=4155551212", NUMBER + b"&PhoneNumber=4158675309", 21401),
        ("CallDelay=61", NUMBER, 21454),
        (f"FriendlyName={'x' * 65}", NUMBER, 20002),
        ("_method=PUT", NUMBER, 20004),
    ],
)
def test_found_d6_what_is_no_better_in_a_query(query: str, body: bytes, code: int) -> None:
    assert refusal("POST", f"{LIST}?{query}", body).code == code


@pytest.mark.parametrize(
    ("method", "query", "content_type", "body", "name"),
    [
        ("PUT", "FriendlyName=Home", FORM, b"", "Home"),
        ("PUT", "FriendlyName=Home", None, b"", "Home"),
        ("POST", "FriendlyName=Home", None, b"", "Home"),
        ("POST", "_method=PUT&FriendlyName=Home", FORM, b"", "Home"),
        ("PUT", "FriendlyName=Home", FORM, b"FriendlyName=", "Home"),
        ("PUT", "FriendlyName=Home", FORM, b"FriendlyName=Office", "Office"),
        ("PUT", "FriendlyName=Home", "text/xml", b"<r><FriendlyName>Office</FriendlyName></r>", "Office"),
        ("PUT", "FriendlyName=Home", "text/xml", b"<r><x/></r>", "Home"),
        ("PUT", "FriendlyName=Zo%EB", f"{FORM}; charset=utf-8", b"", "Zo\xeb"),
        ("POST", "FriendlyName=Home", FORM, b"_method=DELETE", "Home"),
    ],
)
def test_found_d6_a_new_name_in_the_query(
    method: str, query: str, content_type: str | None, body: bytes, name: str
) -> None:
    assert read(method, f"{INSTANCE}?{query}", body, content_type) == Rename(ACCOUNT, BOB, name)


def test_the_same_number_twice_is_one_number() -> None:
    assert created(NUMBER + b"&" + NUMBER).phone_number == "+14155551212"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"", 0), (b"0", 0), (b"1", 1), (b"5", 5), (b"09", 9), (b"59", 59), (b"60", 60), (b"0060", 60)],
)
def test_call_delay(text: bytes, seconds: int) -> None:
    assert created(NUMBER + b"&CallDelay=" + text).call_delay == seconds


WHITE = ["%0A", "%0D%0A", "%09", "+", "%20%20", "%0B%0C", "%C2%A0", "%E2%80%89", "%E3%80%80", "%E2%80%A8"]


@pytest.mark.parametrize("white", WHITE)
def test_found_d1_white_space_is_no_part_of_a_value(white: str) -> None:
    form = f"PhoneNumber={white}4155551212{white}&CallDelay={white}5{white}".encode()
    assert created(form) == Validate(ACCOUNT, "+14155551212", None, 5)
    assert listed(f"PhoneNumber={white}4155551212{white}").phone_number == "+14155551212"
    assert listed(f"PhoneNumber={white}442071838750{white}").phone_number == "+442071838750"


@pytest.mark.parametrize("white", WHITE)
def test_found_d1_nothing_but_white_space_counts_as_absent(white: str) -> None:
    assert listed(f"PhoneNumber={white}") == PLAIN_LIST
    assert created(NUMBER + f"&CallDelay={white}".encode()).call_delay == 0
    assert refusal("POST", LIST, f"PhoneNumber={white}".encode()).code == 21401


def test_found_d1_xml_with_line_breaks() -> None:
    body = (
        b"<Request>\r\n\t<PhoneNumber>\r\n\t\t415-555-1212\r\n\t</PhoneNumber>"
        b"\n <CallDelay>\n  5\n </CallDelay>\n</Request>\n"
    )
    assert created(body, "text/xml") == Validate(ACCOUNT, "+14155551212", None, 5)


def test_found_d1_names_are_not_trimmed() -> None:
    assert renamed(b"FriendlyName=+Home+") == " Home "


@pytest.mark.parametrize(
    "text",
    [
        b"-1",
        b"61",
        b"600",
        b"1e9",
        b"0x10",
        b"%2B5",
        b"5.5",
        b"5s",
        b"five",
        b"5+5",
        b"1%0A1",
        b"%D9%A3",
        b"1000000000000",
        b"9" * 4000,
        b"%00",
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_invalid_call_delays(text: bytes) -> None:
    fault = refusal("POST", LIST, NUMBER + b"&CallDelay=" + text)
    assert (fault.status, fault.code) == (400, 21454)
    assert "CallDelay" in fault.message


def test_the_name_of_a_new_number() -> None:
    assert created(NUMBER + b"&FriendlyName=My+Home+Phone+Number").friendly_name == "My Home Phone Number"
    assert created(NUMBER + b"&FriendlyName=").friendly_name is None
    assert created(NUMBER + b"&FriendlyName=" + b"x" * 64).friendly_name == "x" * 64
    assert refusal("POST", LIST, NUMBER + b"&FriendlyName=" + b"x" * 65).code == 20002


# Names


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"FriendlyName=x", "x"),
        (b"FriendlyName=+", " "),  # nothing is trimmed
        (b"FriendlyName=" + b"x" * 64, "x" * 64),
        (b"FriendlyName=" + b"%C3%A9" * 64, "é" * 64),
        (b"FriendlyName=" + b"%F0%9F%93%9E" * 64, "\U0001f4de" * 64),  # code points count, not bytes
        (b"FriendlyName=%3Cscript%3E%26%22'%5D%5D%3E", "<script>&\"']]>"),
        (b"FriendlyName=a%09b%0Ac%0D%0Ad%0De", "a b c d e"),
        (b"FriendlyName=a%C2%A0b", "a\N{NO-BREAK SPACE}b"),
        (b"FriendlyName=A&FriendlyName=B", "B"),
        (b"CallDelay=700&PhoneNumber=x&FriendlyName=A", "A"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_name(body: bytes, name: str) -> None:
    assert renamed(body) == name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"FriendlyName",
        b"FriendlyName=",
        b"friendlyname=x",
        b"Friendly+Name=x",
        b"FriendlyName=" + b"x" * 65,
        b"FriendlyName=" + b"%F0%9F%93%9E" * 65,
        b"FriendlyName=A&FriendlyName=",
        b"FriendlyName=a%00b",
        b"FriendlyName=a%1Bb",
        b"FriendlyName=a%7Fb",
        b"FriendlyName=%EF%BF%BE",  # U+FFFE
    ],
    ids=lambda body: ascii(body)[:40],
)
def test_invalid_names(body: bytes) -> None:
    fault = refusal("PUT", INSTANCE, body)
    assert (fault.status, fault.code) == (400, 20002)
    assert "FriendlyName" in fault.message


# Bodies

LABELS = {  # of the WHATWG encoding standard, section 4.2
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    "ascii": "ansi_x3.4-1968 ascii us-ascii",
    "iso-8859-1": (
        "cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1"
        " latin1"
    ),
    "cp1252": "cp1252 windows-1252 x-cp1252",
}
TEXTS = {"utf-8": "Zoë €", "ascii": "Zoe", "iso-8859-1": "Zoë", "cp1252": "Zoë €"}
LABELLED = [(encoding, label) for encoding, labels in LABELS.items() for label in labels.split()]


@pytest.mark.parametrize(("encoding", "label"), LABELLED)
@pytest.mark.parametrize("spelling", ["{}", '"{}"'])
def test_found_d2_labels_of_charsets(encoding: str, label: str, spelling: str) -> None:
    text = TEXTS[encoding]
    for each in (label, label.upper(), label.title()):
        content_type = f"{FORM};charset={spelling.format(each)}"
        assert renamed(b"FriendlyName=" + text.encode(encoding), content_type) == text
        assert renamed(f"FriendlyName={quote(text, encoding=encoding)}".encode(), content_type) == text
        xml = f"<r><FriendlyName>{text}</FriendlyName></r>".encode(encoding)
        assert renamed(xml, f"text/xml; charset={spelling.format(each)}") == text
    part = b'--b0\r\nContent-Disposition: form-data; name="FriendlyName"\r\n\r\n%b\r\n--b0--\r\n'
    content_type = f"multipart/form-data; boundary=b0; charset={spelling.format(label)}"
    assert renamed(part % text.encode(encoding), content_type) == text


@pytest.mark.parametrize(("encoding", "label"), [pair for pair in LABELLED if ":" not in pair[1]])
def test_found_d2_labels_that_xml_declares(encoding: str, label: str) -> None:
    text = TEXTS[encoding]
    for each in (label, label.upper()):
        xml = f"<?xml version='1.0' encoding='{each}'?><r><FriendlyName>{text}</FriendlyName></r>"
        assert renamed(xml.encode(encoding), "application/xml") == text


@pytest.mark.parametrize(
    "label",
    ["latin2", "iso-8859-15", "iso-8859-11", "utf-7", "utf16", "unicode", "cp1250", "cp437", "utf_8", "u8"],
)
def test_found_d2_labels_of_other_encodings(label: str) -> None:
    assert refusal("PUT", INSTANCE, NAME, f"{FORM}; charset={label}").status == 415
    xml = f"<?xml version='1.0' encoding='{label}'?><r><FriendlyName>Home</FriendlyName></r>"
    assert refusal("PUT", INSTANCE, xml.encode(), "text/xml").status == 400


@pytest.mark.parametrize("label", LABELS["utf-8"].split())
def test_found_d2_utf_8_that_is_named_is_strict(label: str) -> None:
    assert refusal("PUT", INSTANCE, b"FriendlyName=Zo%EB", f"{FORM}; charset={label}").status == 400


MULTIPART = (
    b'--b0\r\nContent-Disposition: form-data; name="PhoneNumber"\r\n\r\n415-555-1212\r\n'
    b'--b0\r\nContent-Disposition: form-data; name="FriendlyName"\r\n\r\nZo\xc3\xab & Co\r\n--b0--\r\n'
)
XML = "<Request><PhoneNumber>415-555-1212</PhoneNumber><FriendlyName>Zoë &amp; Co</FriendlyName></Request>"
ZOE = Validate(ACCOUNT, "+14155551212", "Zoë & Co", 0)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b"PhoneNumber=4155551212&FriendlyName=Zo%C3%AB+%26+Co"),
        ("", b"PhoneNumber=4155551212&FriendlyName=Zo%C3%AB+%26+Co"),
        (FORM, b"PhoneNumber=4155551212&FriendlyName=Zo%C3%AB+%26+Co"),
        (FORM, b"&&FriendlyName=Zo%EB+%26+Co&PhoneNumber=4155551212&"),
        ("Application/X-WWW-Form-URLencoded", b"PhoneNumber=4155551212&FriendlyName=Zo%EB+%26+Co"),
        (f"{FORM};charset=UTF-8", b"PhoneNumber=4155551212&FriendlyName=Zo%C3%AB+%26+Co"),
        (f'{FORM}; Charset="utf-8"', b"PhoneNumber=4155551212&FriendlyName=Zo\xc3\xab+%26+Co"),
        (f"{FORM}; charset=ISO-8859-1", b"PhoneNumber=4155551212&FriendlyName=Zo%EB+%26+Co"),
        (f"{FORM}; charset=windows-1252", b"PhoneNumber=4155551212&FriendlyName=Zo\xeb+%26+Co"),
        ("multipart/form-data; boundary=b0", MULTIPART),
        ('multipart/form-data; boundary="b0"', MULTIPART.replace(b"Zo\xc3\xab", b"Zo\xeb")),
        ("application/xml", XML.encode()),
        ("text/xml; charset=utf-8", XML.encode()),
        ("application/xml", b"<?xml version='1.0' encoding='ISO-8859-1'?>" + XML.encode("latin-1")),
        ("application/xml", b"<!-- --><?x?>\n" + XML.replace("><", ">\n <").encode()),
    ],
)
def test_every_kind_of_body(content_type: str | None, body: bytes) -> None:
    assert created(body, content_type) == ZOE


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "text/html",
        "application/octet-stream",
        "image/png",
        "application/x-www-form-urlencoded-not",
        "x-www-form-urlencoded",
        "nonsense",
        ";",
        f"{FORM}; charset=bogus",
        f"{FORM}; charset=zlib",
        f"{FORM}; charset=utf-7",
        f"{FORM}; charset=utf-16",
        f"{FORM}; charset=rot13",
        f"{FORM}; charset=idna",
    ],
)
def test_other_content_types_are_not_supported(content_type: str) -> None:
    assert refusal("POST", LIST, NUMBER, content_type).status == 415
    assert refusal("PUT", INSTANCE, NAME, content_type).status == 415


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (f"{FORM}; charset=utf-8", b"FriendlyName=Zo%EB"),
        (f"{FORM}; charset=utf-8", b"FriendlyName=Zo\xeb"),
        (f"{FORM}; charset=utf-8", b"FriendlyName=%ED%A0%80"),  # a surrogate
        (f"{FORM}; charset=us-ascii", b"FriendlyName=Zo%C3%AB"),
        (FORM, b"FriendlyName=%81%FF"),  # neither UTF-8 nor windows-1252
        (FORM, b"&".join([b"x=1"] * 101)),
        (FORM, b"FriendlyName=" + b"x" * 5000),
        ("multipart/form-data", MULTIPART),  # no boundary
        ("multipart/form-data; boundary=b0", MULTIPART[:-20]),  # cut off
        ("multipart/form-data; boundary=b0", b""),
        ("multipart/form-data; boundary=b1", MULTIPART),
        ("application/xml", b""),
        ("application/xml", b"<Request>"),
        ("application/xml", b"FriendlyName=Home"),
        (
            "application/xml",
            b'<!DOCTYPE r SYSTEM "http://127.0.0.1/x"><r><FriendlyName>Home</FriendlyName></r>',
        ),
        (
            "application/xml",
            b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r><FriendlyName>&x;</FriendlyName></r>',
        ),
        ("application/xml", b'<!DOCTYPE r [<!ENTITY x "xx">]><r><FriendlyName>&x;&x;</FriendlyName></r>'),
        (
            "application/xml",
            '<!DOCTYPE r [<!ENTITY x "xx">]><r><FriendlyName>&x;</FriendlyName></r>'.encode("utf-16"),
        ),
        ("application/xml", b"<r><FriendlyName>&x;</FriendlyName></r>"),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_a_body_that_cannot_be_read(content_type: str, body: bytes) -> None:
    assert refusal("PUT", INSTANCE, body, content_type).status == 400


def test_a_file_among_the_fields_is_refused() -> None:
    body = MULTIPART.replace(b'name="FriendlyName"', b'name="FriendlyName"; filename="name.txt"')
    assert refusal("PUT", INSTANCE, body, "multipart/form-data; boundary=b0").status in (400, 415)


# Anything at all

PARTS = st.sampled_from(
    [
        b"/",
        b"//",
        b"?",
        b"&",
        b"=",
        b"%",
        b"%2F",
        b";",
        b"..",
        b".xml",
        b"http://",
        b"2008-08-01",
        b"Accounts",
        b"OutgoingCallerIds",
        LIST.encode(),
        INSTANCE.encode(),
        ACCOUNT.encode(),
        b"page",
        b"num",
        b"_method",
        b"PhoneNumber",
        b"FriendlyName",
        b"CallDelay",
        b"DELETE",
    ]
)
SCRAPS = st.lists(PARTS | st.binary(max_size=8), max_size=12).map(b"".join)
TARGETS = st.one_of(
    SCRAPS,
    SCRAPS.map(lambda tail: LIST.encode() + b"?" + tail),
    SCRAPS.map(lambda tail: INSTANCE.encode() + tail),
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "get", ""])
CONTENT_TYPES = st.none() | st.sampled_from(
    [
        FORM,
        f"{FORM}; charset=utf-8",
        f"{FORM}; charset=iso-8859-1",
        "multipart/form-data; boundary=b0",
        "multipart/form-data",
        "multipart/form-data; boundary=\xff",
        'multipart/form-data; boundary="',
        "application/xml",
        "text/xml; charset=us-ascii",
        "application/json",
        ";;;",
    ]
)
BODIES = st.one_of(
    SCRAPS,
    st.binary(max_size=64),
    st.binary(max_size=16).map(lambda scrap: MULTIPART.replace(b"415-555-1212", scrap)),
    st.binary(max_size=16).map(lambda scrap: MULTIPART.replace(b'"PhoneNumber"', scrap)),
    st.binary(max_size=16).map(lambda scrap: XML.encode().replace(b"415-555-1212", scrap)),
    st.tuples(st.integers(0, 200), st.integers(0, 200)).map(lambda cut: MULTIPART[cut[0] : cut[1]]),
    st.tuples(st.integers(0, 200), st.integers(0, 200)).map(lambda cut: XML.encode()[cut[0] : cut[1]]),
)


@given(METHODS, TARGETS, CONTENT_TYPES, BODIES)
@example("PUT", INSTANCE.encode(), f"{FORM}; charset=us-ascii", b"FriendlyName=\xff")
@example("GET", b"\xff\xfe", None, b"")
def test_random_requests_are_parsed_or_refused(
    method: str, target: bytes, content_type: str | None, body: bytes
) -> None:
    """A target is bytes on the wire; the server reads them as aiohttp does."""
    try:
        read(method, target.decode("utf-8", "surrogateescape"), body, content_type)
    except LegacyError as error:
        assert 400 <= error.fault.status < 500  # noqa: PT017


@given(st.sampled_from(["POST", "PUT"]), CONTENT_TYPES, BODIES)
def test_random_bodies_are_parsed_or_refused(method: str, content_type: str | None, body: bytes) -> None:
    try:
        read(method, LIST if method == "POST" else INSTANCE, body, content_type)
    except LegacyError as error:
        assert error.fault.status in (400, 415)  # noqa: PT017


@pytest.mark.parametrize(
    "body", [b"PhoneNumber=415-867-5309&PhoneNumber=4158675309", b"PhoneNumber=&PhoneNumber=4158675309"]
)
def test_one_number_in_two_spellings_is_one_number(body: bytes) -> None:
    request = Request("POST", LIST, body=body)
    assert route(request).read(request) == Validate(ACCOUNT, "+14158675309", None, 0)


def test_two_numbers_are_refused() -> None:
    request = Request("POST", LIST, body=b"PhoneNumber=4158675309&PhoneNumber=4158675310")
    with pytest.raises(LegacyError, match="given twice"):
        route(request).read(request)
