"""The way to the next page: along the list, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from proxy.errors import BAD_UPSTREAM, LegacyError
from proxy.profile.calls import Call, Reply
from proxy.profile.paging import LinkHeader, NextUrl, PageContents, Position, next_position
from proxy.upstream.encoding import origin_and_target

BASE = "https://api.example.com:8443"
ASKED = f"{BASE}/2010-04-01/Accounts/AC1/OutgoingCallerIds.json?PageSize=1000"
CALL = Call("GET", ASKED, {"Authorization": "Basic x"})
PAGING = NextUrl(strategy="next_url", next=("/next_page_uri", "/links/next"))


def after(page: object) -> Call | None:
    """Return the call for the page after `page`, which has three items after seven others."""
    came = PageContents(Reply(200, b""), page, 3, None)
    found = next_position(PAGING, CALL, Position(CALL, 7), came, 1000)
    assert found is None or found.offset == 10
    return found.call if found else None


def after_one_that_names(target: object) -> Call | None:
    return after({"next_page_uri": target})


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/2010-04-01/x.json?Page=1&PageToken=PA%2B1", f"{BASE}/2010-04-01/x.json?Page=1&PageToken=PA%2B1"),
        (f"{BASE}/elsewhere?Page=1", f"{BASE}/elsewhere?Page=1"),
        ("//api.example.com:8443/x", f"{BASE}/x"),
        ("?Page=1", f"{BASE}/2010-04-01/Accounts/AC1/OutgoingCallerIds.json?Page=1"),
        ("other.json", f"{BASE}/2010-04-01/Accounts/AC1/other.json"),
        ("../../../../x", f"{BASE}/x"),
    ],
)
def test_a_next_page(target: str, url: str) -> None:
    assert after_one_that_names(target) == Call("GET", url, CALL.headers)


@pytest.mark.parametrize("page", [{"next_page_uri": None}, {"next_page_uri": ""}, {}, {"links": {}}])
def test_the_last_page(page: object) -> None:
    assert after(page) is None


def test_a_second_pointer_to_the_next_url() -> None:
    page = {"next_page_uri": None, "links": {"next": "/x"}}
    assert after(page) == Call("GET", f"{BASE}/x", CALL.headers)


@pytest.mark.parametrize(
    "target",
    [
        # another origin
        "https://evil.example:8443/x",
        "https://evil.example/x",
        "http://api.example.com:8443/x",
        "https://api.example.com/x",
        "https://api.example.com:8444/x",
        "https://api.example.com:443/x",
        "https://api.example.com.evil.example:8443/x",
        "https://api.example.com:8443.evil.example/x",
        "//evil.example/x",
        "\thttps://evil.example/x",
        "\n//evil.example/x",
        " https://evil.example/x",
        "ht\ntps://evil.example/x",
        "https://127.0.0.1:8443/x",
        "https://0x7f.1:8443/x",
        "https://2130706433:8443/x",
        "https://[::1]:8443/x",
        # credentials
        "https://user@api.example.com:8443/x",
        "https://user:password@api.example.com:8443/x",
        "https://api.example.com:8443@evil.example/x",
        "//@api.example.com:8443/x",
        # another scheme
        "file:///etc/passwd",
        "file:/etc/passwd",
        "ftp://api.example.com:8443/x",
        "javascript:alert(1)",
        "data:application/json,{}",
        "gopher://api.example.com:8443/_x",
        "unix:///run/x.sock",
        # no URL
        "https://:8443/x",
        "https://api.example.com:port/x",
        "https://api.example.com:99999/x",
        "http://[",
        "https://[::1/x",
        # no text
        True,
        False,
        0,
        1,
        1.5,
        [],
        ["/x"],
        {},
        {"href": "/x"},
    ],
    ids=ascii,
)
def test_no_next_page(target: object) -> None:
    with pytest.raises(LegacyError) as raised:
        after_one_that_names(target)
    assert raised.value.fault == BAD_UPSTREAM


@pytest.mark.parametrize(
    "target",
    [
        "///evil.example/x//evil.example",
        "////evil.example/x",
        "/\\evil.example/x",
        "\\\\evil.example\\x",
        "https:evil.example/x",
        "https:/\\evil.example:8443/x",
        "https://",
        "/\0",
        "#",
    ],
    ids=ascii,
)
def test_an_ambiguous_url_is_a_path_of_this_host(target: str) -> None:
    found = after_one_that_names(target)
    assert found is not None
    assert same_origin(found.url)


def same_origin(url: str) -> bool:
    """Judge as the client will: by yarl, not by urllib."""
    return URL(origin_and_target(url)[0]) == URL(BASE)


SCRAPS = ["https:", "http:", "/", "//", "\\", "@", ":", "8443", "api.example.com", "evil", "?", "#", "[", "]"]
TEXTS = st.lists(st.sampled_from([*SCRAPS, "%2F", "\t", "\n", " ", ".", "..", "\0"]), max_size=8).map("".join)


@given(TEXTS | st.text(max_size=20))
def test_no_text_leads_to_another_origin(target: str) -> None:
    try:
        found = after_one_that_names(target)
    except LegacyError as error:
        assert error.fault == BAD_UPSTREAM  # noqa: PT017
        return
    assert found is None or same_origin(found.url)
    assert found is None or found == CALL.with_url(found.url)


PAGES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["next_page_uri", "links", "next"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(PAGES)
def test_any_page_has_a_next_one_or_none_or_is_invalid(page: object) -> None:
    try:
        found = after(page)
    except LegacyError as error:
        assert error.fault == BAD_UPSTREAM  # noqa: PT017
    else:
        assert found is None or same_origin(found.url)


# Prefixes, internal hosts, Link headers


def next_call(page: object, base_url: str, *, path_only: bool = False, asked: str = "") -> Call | None:
    paging = NextUrl(strategy="next_url", next=("/next",), path_only=path_only)
    call = CALL.with_url(asked or f"{base_url}/list?page=1")
    contents = PageContents(Reply(200, b""), page, 3, None, base_url=base_url)
    found = next_position(paging, call, Position(call, 0), contents, 1000)
    return found.call if found else None


PREFIX = "https://gw.example.com/twilio"


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/2010-04-01/x.json?Page=1&PageToken=PA%2B1", f"{PREFIX}/2010-04-01/x.json?Page=1&PageToken=PA%2B1"),
        ("/twilio/2010-04-01/x.json?Page=1", f"{PREFIX}/2010-04-01/x.json?Page=1"),
        ("/twilio?Page=1", f"{PREFIX}?Page=1"),
        ("/twilio2/x", f"{PREFIX}/twilio2/x"),
        ("https://gw.example.com/2010-04-01/x.json?Page=1", f"{PREFIX}/2010-04-01/x.json?Page=1"),
        ("https://GW.example.com:443/twilio/x", f"{PREFIX}/x"),
        ("//gw.example.com/x", f"{PREFIX}/x"),
        ("https://gw.example.com?a", f"{PREFIX}?a"),
        ("?page=2", f"{PREFIX}/list?page=2"),
        ("other?page=2", f"{PREFIX}/other?page=2"),
        ("../x", f"{PREFIX}/x"),
        ("../../../x", f"{PREFIX}/x"),
        ("/twilio/../x", f"{PREFIX}/x"),
        ("/x?to=/../y", f"{PREFIX}/x?to=/../y"),
    ],
)
def test_found_c9_the_next_page_is_inside_the_prefix(target: str, url: str) -> None:
    found = next_call({"next": target}, PREFIX)
    assert found is not None
    assert found.url == url


@pytest.mark.parametrize(
    "target",
    [
        "https://gw.example.com/twilio/../admin",
        "/twilio/%2e%2e/admin",
        "/twilio/%2E./admin",
        "/twilio/..%2fadmin",
        "/twilio/..\\admin",
        "/twilio/x/..%5c..%5cadmin",
        "https://other.example.com/twilio/x",
        "http://gw.example.com/twilio/x",
        "https://gw.example.com:444/twilio/x",
    ],
)
def test_found_c9_a_next_page_never_leads_out_of_it(target: str) -> None:
    with pytest.raises(LegacyError) as raised:
        next_call({"next": target}, PREFIX)
    assert raised.value.fault == BAD_UPSTREAM


@given(TEXTS | st.text(max_size=20))
def test_found_c9_no_text_leads_out_of_the_prefix(target: str) -> None:
    try:
        found = next_call({"next": target}, PREFIX)
    except LegacyError:
        return
    if found is not None:
        path = URL(found.url).path  # the parser of the connection: it resolves dots
        assert found.url.startswith(PREFIX)
        assert path == "/twilio" or path.startswith("/twilio/")


@pytest.mark.parametrize("base_url", [PREFIX, "https://gw.example.com"])
@pytest.mark.parametrize(
    "target",
    [
        "http://gw.example.com/list?page=2",
        "http://10.0.0.7:8080/list?page=2",
        "https://internal.local/list?page=2#x",
        "//internal/list?page=2",
        "/list?page=2",
        "?page=2",
    ],
)
def test_found_c13_path_and_query_of_an_internal_url(target: str, base_url: str) -> None:
    found = next_call({"next": target}, base_url, path_only=True)
    assert found is not None
    assert (found.url, found.headers) == (f"{base_url}/list?page=2", CALL.headers)


@pytest.mark.parametrize(
    "target", ["file:///list", "ftp://gw.example.com/list", "javascript:alert(1)", "http:list", "http://[", 7]
)
def test_found_c13_other_schemes_are_refused_nevertheless(target: object) -> None:
    with pytest.raises(LegacyError) as raised:
        next_call({"next": target}, PREFIX, path_only=True)
    assert raised.value.fault == BAD_UPSTREAM


def linked(header: str | None, relation: str = "next", *, path_only: bool = False) -> str | None:
    paging = LinkHeader(strategy="link_header", relation=relation, path_only=path_only)
    reply = Reply(200, b"", {} if header is None else {"link": header})
    contents = PageContents(reply, None, 3, None, base_url=BASE)
    found = next_position(paging, CALL, Position(CALL, 0), contents, 1000)
    return found.call.url if found else None


LINKS = {
    "a token": "</x>; rel=next",
    "a quoted string": '</x>; rel="next"',
    "spaces around the sign": '</x> ;\trel = "next" ',
    "in other letters": "</x>; REL=NEXT",
    "among several": '</x>; rel="prev next http://example.com/rel"',
    "escaped": '</x>; rel="ne\\xt"',
    "parameters without a value": "</x>; crossorigin; rel=next; foo",
    "parameters with an empty value": '</x>; a=; b=""; rel=next',
    "an extended value": "</x>; title*=UTF-8''n%c3%a9; rel=next",
    "punctuation in a string": '</y>; title="a, <b>; rel=next \\" "; rel=prev, </x>; rel=next',
    "commas in URLs": "</y,z;a>; rel=prev,</x>; rel=next",
    "empty elements": " ,, </y>; rel=first , ,\t, </x>; rel=next,,",
    "empty parameters": "</x>;; rel=next ;",
    "more signs in a value": "</x>; a=b=c; rel=next",
    "the first rel counts": "</y>; rel=prev; rel=next, </x>; rel=next; rel=prev",
    "its own page as anchor": f'</x>; rel=next; anchor="{ASKED}"',
    "a part of its own page as anchor": '</x>; rel=next; anchor="#items"',
    "an anchor elsewhere first": '</y>; anchor="/other"; rel=next, </x>; rel=next',
    "an extension relation before": '</y>; rel="http://example.com/next", </x>; rel=next',
}


@pytest.mark.parametrize("header", LINKS.values(), ids=LINKS)
def test_found_c10_any_link_header_is_read(header: str) -> None:
    assert linked(header) == f"{BASE}/x"


def test_found_c10_other_relations() -> None:
    assert linked("</x>; rel=more", "more") == f"{BASE}/x"
    relation = "http://example.com/rel#More"
    assert linked(f'</x>; rel="{relation.upper()}"', relation) == f"{BASE}/x"
    assert linked("<http://internal:8080/x>; rel=next", path_only=True) == f"{BASE}/x"


@pytest.mark.parametrize(
    "header",
    [None, "", " , ", "</x>", "</x>; rel=prev", '</x>; title="rel=next"', '</x>; rel=next; anchor="/other"'],
)
def test_found_c10_the_last_page_has_no_next_link(header: str | None) -> None:
    assert linked(header) is None


@pytest.mark.parametrize(
    "header",
    [
        "/x; rel=next",
        "</x; rel=next",
        '</x>; rel="next',
        '</x>; rel="next\\"',
        '</x>; rel=ne"xt"',
        "</x> rel=next",
        "</y>; rel=prev </x>; rel=next",
        '</y>; rel="prev" title="a", </x>; rel=next',
        "</y>; rel=prev, x, </x>; rel=next",
        "</y>; rel=prev; </x>; rel=next",
        "</y>; rel=prev, garbage",
        '{"next": "/x"}',
        "<https://elsewhere.example/x>; rel=next",
        '</x>; rel=next; anchor="http://["',
    ],
)
def test_found_c10_what_cannot_be_read_is_no_end(header: str) -> None:
    with pytest.raises(LegacyError) as raised:
        linked(header)
    assert raised.value.fault == BAD_UPSTREAM


def test_found_c10_a_link_to_the_page_itself_is_no_end() -> None:
    """The listing finds that it goes round in a circle."""
    assert linked("<>; rel=next") == ASKED
