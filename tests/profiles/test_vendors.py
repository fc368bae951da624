"""What a vendor should not do but may, and every strategy of paging and ids against a simple model."""

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.running import running_proxy
from support.seed import ACCOUNT, LIST, basic
from support.wire import Message, ScriptedUpstream, ask, json_answer, scripted_upstream

from proxy.config import loading, yaml_source
from proxy.errors import LegacyError
from proxy.model import Account, Credentials, List
from proxy.profile import language
from proxy.profile.calls import Call, Reply
from proxy.profile.conversions import UnreadableError
from proxy.profile.ids import CodecName, build_codec
from proxy.profile.language import ListEndpoint
from proxy.profile.profile import Exchange, Profile, UpstreamPage

EXAMPLE = language.ProfileSettings.model_validate(
    yaml_source.read_yaml(loading.shipped_profiles()["example-rest"], {}).data
)
ASKING = Account(ACCOUNT, "someone", Credentials("user", "key"), is_own=False)


def configuration(profile: str) -> str:
    return (
        f"  profile: {profile}\n  variables: {{}}\naccounts:\n  {ACCOUNT}:\n    token: ${{TOKEN}}\n"
        "    upstream: {account: MA1, password: '${KEY}'}\n"
    )


async def asked(
    profile: str, target: str, *answers: bytes, status: int = 200
) -> tuple[Message, ScriptedUpstream]:
    """Send a GET through a proxy with that profile; the upstream gives these answers."""
    async with (
        scripted_upstream(*[json_answer(status, answer) for answer in answers]) as upstream,
        running_proxy(upstream.url, configuration(profile), {"TOKEN": "demo-token", "KEY": "key"}) as port,
    ):
        request = Message(f"GET {target} HTTP/1.1", (("Host", "x"), ("Authorization", basic())))
        return await ask(port, request.encode()), upstream


def plivo_page(first: int, count: int, total: int) -> bytes:
    numbers = range(first, first + count)
    objects = [
        {"phone_number": str(14150000000 + n), "alias": f"Line {n}", "created_at": None} for n in numbers
    ]
    return json.dumps({"meta": {"total_count": total}, "objects": objects}).encode()


async def test_an_inconsistent_total_leads_to_a_full_listing() -> None:
    pages = [plivo_page(0, 20, 30), plivo_page(20, 5, 30), plivo_page(25, 0, 30)]
    answer, upstream = await asked("plivo", LIST, *pages, *pages)
    assert b'total="25" start="0" end="24"' in answer.body
    assert upstream.hits("GET") == 6


async def test_an_error_inside_a_success() -> None:
    answer, _ = await asked("voximplant", LIST, b'{"error": {"msg": "Invalid count", "code": 115}}')
    assert (answer.status, b"<Message>Invalid count</Message><Code>115</Code>" in answer.body) == (400, True)


@pytest.mark.parametrize(("name", "value"), [("e164", "+14158675309"), ("integer", "42")])
def test_a_forged_sid_is_refused(name: CodecName, value: str) -> None:
    ids = build_codec(name, b"key")
    sid = ids.encode(value, "account")
    assert ids.decode(f"PN{sid[2:].upper()}", "account") == value
    for forged in (sid[:-1] + ("0" if sid[-1] != "0" else "1"), "PN" + "0" * 32):
        with pytest.raises(LegacyError, match="not found"):
            ids.decode(forged, "account")
    for other in (build_codec(name, b"other"), ids):
        with pytest.raises(LegacyError, match="not found"):
            other.decode(sid, "account" if other is not ids else "another")


@given(st.integers(10, 10**15 - 1), st.text(max_size=20))
def test_numbers_are_decoded_from_their_sids(number: int, account: str) -> None:
    for ids, value in (
        (build_codec("e164", b"key"), f"+{number}"),
        (build_codec("integer", b"key"), str(number)),
    ):
        assert ids.decode(ids.encode(value, account), account) == value


@given(st.uuids(), st.text(max_size=20))
def test_24_hexadecimal_digits_are_decoded_and_checked(uuid: UUID, account: str) -> None:
    ids, value = build_codec("hex24", b"key"), uuid.hex[:24]
    sid = ids.encode(value, account)
    assert len(sid) == 34
    assert ids.decode(f"PN{sid[2:].upper()}", account) == value
    with pytest.raises(LegacyError, match="not found"):
        ids.decode(sid, f"{account}x")


def test_a_ulid_is_a_sid_in_other_digits() -> None:
    ids = build_codec("ulid", b"")
    assert ids.encode("01ARZ3NDEKTSV4RRFFQ69G5FAV", "") == "PN01563e3ab5d3d6764c61efb99302bd5b"
    assert ids.decode("PN01563E3AB5D3D6764C61EFB99302BD5B", "") == "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@given(st.integers(0, 2**128 - 1))
def test_ulids_are_decoded_from_their_sids(bits: int) -> None:
    ids, sid = build_codec("ulid", b""), f"PN{bits:032x}"
    assert ids.encode(ids.decode(sid, ""), "") == sid


@given(st.uuids(), st.sampled_from(["", "CID", "PN", "0"]))
def test_hexadecimal_ids_are_decoded_from_their_sids(uuid: UUID, prefix: str) -> None:
    ids = build_codec("hex32", b"", prefix)
    sid = ids.encode(f"{prefix}{uuid.hex}", "")
    assert sid == f"PN{uuid.hex}"
    assert ids.decode(sid.replace("a", "A"), "") == f"{prefix}{uuid.hex}"


@pytest.mark.parametrize("value", ["CID", "X" + "0" * 32, "CID" + "0" * 31, "CID" + "A" * 32, "0" * 32])
def test_what_a_codec_with_a_prefix_cannot_hold(value: str) -> None:
    with pytest.raises(UnreadableError):
        build_codec("hex32", b"", "CID").encode(value, "")


@given(st.uuids())
def test_uuids_are_decoded_from_their_sids(uuid: object) -> None:
    ids = build_codec("uuid", b"")
    assert ids.decode(ids.encode(str(uuid), ""), "") == str(uuid)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", "PN1"),
        ("uuid", "x"),
        ("hex32", "x"),
        ("hex32_upper", "a" * 32),
        ("hex32_upper", "A" * 31),
        ("hex24", "0" * 23),
        ("hex24", "A" * 24),
        ("ulid", "81ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("ulid", "01ARZ3NDEKTSV4RRFFQ69G5FAI"),
        ("e164", "415"),
        ("integer", "-1"),
        ("integer", "01"),
    ],
)
def test_what_a_codec_cannot_hold(name: CodecName, value: str) -> None:
    with pytest.raises(UnreadableError):
        build_codec(name, b"").encode(value, "")


# Strategies of paging: an upstream in a few lines for each


def _query(call: Call) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(call.url).query).items()}


def _slice(total: int, start: int, size: int) -> list[dict[str, object]]:
    return [{"id": n, "number": f"+1415{n:07}"} for n in range(total)[start : start + size]]


Responder = Callable[[Call, int, int], tuple[dict[str, object], dict[str, str]]]


def _by_page(base: int) -> Responder:
    def respond(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
        return {"items": _slice(total, (int(_query(call)["at"]) - base) * size, size)}, {}

    return respond


def _by_offset(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    return {"items": _slice(total, int(_query(call)["at"]), size)}, {}


def _by_item(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    return {"items": _slice(total, int(_query(call)["at"]) - 1, size)}, {}


def _by_cursor(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    start = int(_query(call).get("at", "0"))
    following = start + size if start + size < total else None
    return {"items": _slice(total, start, size), "next": following}, {}


def _by_cursor_and_flag(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    page, _ = _by_cursor(call, total, size)
    return {**page, "next": page["next"] or "the end", "more": page["next"] is not None}, {}


def _after_last(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    start = int(_query(call).get("at", "-1")) + 1
    return {"items": _slice(total, start, size), "more": int(start + size < total)}, {}


def _by_url(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    page, _ = _by_cursor(call, total, size)
    return {**page, "next": page["next"] and f"?at={page['next']}"}, {}


def _by_link(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    page, _ = _by_cursor(call, total, size)
    link = (
        f'<?at=0>; rel="first", <?at={page["next"]}>; rel="next"' if page["next"] else '<?at=0>; rel="first"'
    )
    return {"items": page["items"]}, {"link": link}


def _by_range(call: Call, total: int, size: int) -> tuple[dict[str, object], dict[str, str]]:
    start = int(call.headers["Range"].removeprefix("records=").partition("-")[0])
    return {"items": _slice(total, start, size)}, {
        "content-range": f"records {start}-{start + size - 1}/{total}"
    }


STRATEGIES: dict[str, tuple[dict[str, object], Responder]] = {
    "page_number from 0": ({"strategy": "page_number", "parameter": "at", "base": 0}, _by_page(0)),
    "page_number from 1": ({"strategy": "page_number", "parameter": "at", "base": 1}, _by_page(1)),
    "offset": ({"strategy": "offset", "parameter": "at"}, _by_offset),
    "offset from 1": ({"strategy": "offset", "parameter": "at", "base": 1}, _by_item),
    "cursor": ({"strategy": "cursor", "parameter": "at", "next": "/next"}, _by_cursor),
    "cursor with a flag": (
        {"strategy": "cursor", "parameter": "at", "next": "/next", "more": "/more"},
        _by_cursor_and_flag,
    ),
    "after_last": (
        {"strategy": "after_last", "parameter": "at", "of": "/id", "more": "/more"},
        _after_last,
    ),
    "next_url": ({"strategy": "next_url", "next": "/next"}, _by_url),
    "link_header": ({"strategy": "link_header"}, _by_link),
    "range_header": ({"strategy": "range_header", "unit": "records"}, _by_range),
}


@pytest.mark.parametrize("name", STRATEGIES)
@given(total=st.integers(0, 40), size=st.integers(1, 12))
def test_a_listing_finds_every_item_once_and_ends(name: str, total: int, size: int) -> None:
    paging, respond = STRATEGIES[name]
    found = EXAMPLE
    endpoint = ListEndpoint.model_validate(
        {"path": "/x", "items": "/items", "paging": paging, "page_size": {"max": size}}
    )
    operations = found.operations.model_copy(update={"list": endpoint})
    profile = Profile(
        found.model_copy(update={"operations": operations}), "http://upstream.example", sid_key=b"k"
    )
    exchange: Exchange[UpstreamPage] | None = profile.list(List(ACCOUNT, 0, 50), ASKING)
    numbers: list[str] = []
    calls = 0
    while exchange is not None:
        page, headers = respond(exchange.call, total, size)
        listing = exchange.read(Reply(200, json.dumps(page).encode(), headers))
        numbers += [caller_id.phone_number for caller_id in listing.caller_ids]
        exchange = listing.next(ASKING) if listing.next else None
        calls += 1
    assert numbers == [f"+1415{n:07}" for n in range(total)]
    # Where nothing states the total, a short first page may be as large as this upstream's pages get
    probes = 1 if 0 < total < size and name.startswith(("page_number", "offset")) else 0
    assert calls <= total // size + 1 + probes
