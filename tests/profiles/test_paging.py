"""The way to the next page: along the list, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from proxy.errors import BAD_UPSTREAM, LegacyError
from proxy.profile.calls import Call, Reply
from proxy.profile.paging import NextUrl, PageContents, Position, next_position
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
