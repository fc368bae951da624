"""The contract of 2008 with the scripted stand-in of every vendor."""

import json
from urllib.parse import urlencode

import pytest
from lxml import etree
from support.running import running_proxy
from support.seed import ACCOUNT, LIST
from support.wire import Message

from vendors.client import Client, texts
from vendors.contract import Kind, attributes, before, error, shown, without_sids
from vendors.machinery import CODE, Answer, listening
from vendors.models import VENDORS
from vendors.models.infobip import CancellingInfobip, Infobip
from vendors.models.plivo import Plivo
from vendors.models.restcomm import Restcomm
from vendors.models.telnyx import Telnyx
from vendors.models.twilio import Twilio
from vendors.models.vonage import CancellingVonage, Vonage

NOWHERE = "PN" + "0123456789abcdef" * 2

every_vendor = pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.profile)


def some(*kinds: Kind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.profile)


every_vendor_and_deletion = some(*VENDORS, CancellingInfobip, CancellingVonage)
"""Also with deletions that the shipped profiles only have in a comment."""


def vendors_that(tell: str) -> pytest.MarkDecorator:
    return some(*(kind for kind in VENDORS if kind.code == tell))


def assert_unsupported(answer: Message, reason: str) -> None:
    told = error(answer)
    assert (told["Status"], told["Message"], told["Code"]) == ("501", reason, "20501")


# 1 and 3: lists, pages and elements


@every_vendor
@pytest.mark.parametrize(
    "count", ["none", "one", "a page less one", "a page", "a page and one", "999", "1000", "1001"]
)
async def test_every_page_of_the_list(kind: Kind, count: str) -> None:
    page = kind.page
    lengths = {"none": 0, "one": 1, "a page less one": page - 1, "a page": page, "a page and one": page + 1}
    total = lengths[count] if count in lengths else int(count)
    size = max(7, total // 3)
    async with before(kind) as (client, vendor):
        vendor.fill(total)
        everything = shown(vendor, vendor.verified)
        whole: list[dict[str, str | None]] = []
        for place in range(-(-total // size) + 1):  # one past the end
            vendor.received.clear()
            said, items = await client.look(page=place, num=size)
            assert said == attributes(total, place, size)
            assert without_sids(items) == everything[place * size : (place + 1) * size]
            assert len(vendor.received) <= len(vendor.numbers) // page + 2
            whole += items
        assert whole == everything


@every_vendor_and_deletion
async def test_a_page_is_cached_until_a_write(kind: Kind) -> None:
    async with before(kind, fresh=3600) as (client, vendor):
        vendor.fill(9)
        for parameters in ({"page": 1, "num": 4}, {"page": 2, "num": 4}, {"FriendlyName": "nobody"}):
            seen = await client.look(**parameters)
            vendor.received.clear()
            assert await client.look(**parameters) == seen
            assert vendor.received == []
        if kind.delete_refusal:
            return
        said, items = await client.look(page=1, num=4)
        assert (await client.ask("DELETE", f"{LIST}/{items[0]['Sid']}")).status == 204
        said, left = await client.look(page=1, num=4)
        assert said == attributes(8, 1, 4)
        assert items[0] not in left


@every_vendor
async def test_any_page_of_many_numbers(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        vendor.fill(203)
        everything = shown(vendor, vendor.verified)
        for page, size in ((0, 50), (2, 50), (4, 50), (3, 64), (17, 11), (0, 1000), (9, 50)):
            said, items = await client.look(page=page, num=size)
            assert said == attributes(203, page, size)
            assert without_sids(items) == everything[page * size : (page + 1) * size]


@some(*(kind for kind in VENDORS if not kind.north_american))
async def test_a_foreign_number_keeps_all_its_digits(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        kept = vendor.keep("+442079460958", "London")
        _, items = await client.look()
        assert items[0]["PhoneNumber"] == "442079460958"
        assert (await client.look(PhoneNumber=kept.number))[1] == items


# 2: filters


@every_vendor
async def test_filters_are_exact_and_describe_the_filtered_list(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        vendor.fill(30)
        vendor.keep("+14158675309", "Line 1")
        vendor.keep("+14158675310", "Zoë & <Söhne>, 1+1=2")
        for wanted in ("+14155550001", "+14158675310", "+14158675399"):
            for name in (None, "Line 1", "Line", "line 1", "Zoë & <Söhne>, 1+1=2", "(415) 555-0001"):
                parameters = {"PhoneNumber": wanted} | ({} if name is None else {"FriendlyName": name})
                fit = [
                    it
                    for it in vendor.verified
                    if it.number == wanted and name in (None, vendor.name_shown(it))
                ]
                said, items = await client.look(**parameters)
                assert said == attributes(len(fit), 0, 50)
                assert without_sids(items) == shown(vendor, fit)
        for name in ("Line 1", "Line", "Zoë & <Söhne>, 1+1=2", "(415) 867-5309", "nobody"):
            fit = [it for it in vendor.verified if vendor.name_shown(it) == name]
            said, items = await client.look(FriendlyName=name, num=1, page=0)
            assert said == attributes(len(fit), 0, 1)
            assert without_sids(items) == shown(vendor, fit[:1])


@every_vendor
async def test_an_unnamed_number_is_found_by_its_shown_name(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        vendor.fill(3)
        unnamed = vendor.keep("+14158675309")
        _, items = await client.look(FriendlyName="(415) 867-5309")
        assert without_sids(items) == shown(vendor, [unnamed])


# 1: one number


@every_vendor_and_deletion
async def test_fetch_and_delete(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        vendor.fill(5)
        number = vendor.verified[2]
        place = f"{LIST}/{await client.sid(number)}"
        expected = shown(vendor, [number])
        assert without_sids([texts(await client.read("GET", place))]) == expected
        for suffix, mark in ((".json", b'"PhoneNumber":"'), (".csv", b","), (".html", b'"phone-number">')):
            answer = await client.ask("GET", place + suffix)
            assert mark + number.number[2:].encode() in answer.body
            listed = await client.ask("GET", f"{LIST}{suffix}?num=5")
            assert listed.body.count(mark + number.number[2:].encode()) == 1
        vendor.received.clear()
        if kind.delete_refusal:
            assert_unsupported(await client.ask("DELETE", place), kind.delete_refusal)
            assert vendor.received == []
            return
        assert (await client.ask("DELETE", place)).status == 204
        assert len(vendor.received) == kind.delete_calls
        assert number not in vendor.numbers
        for method in ("GET", "DELETE"):
            answer = await client.ask(method, place)
            told = {"Status": "404", "Message": "The requested resource was not found"}
            assert error(answer) == told
        assert (await client.look())[0]["total"] == "4"


@every_vendor
@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_rename_or_its_refusal(kind: Kind, method: str) -> None:
    async with before(kind) as (client, vendor):
        vendor.fill(3)
        number = vendor.verified[1]
        place = f"{LIST}/{await client.sid(number)}"
        vendor.received.clear()
        answer = await client.ask(method, place, urlencode({"FriendlyName": "Zoë & Co"}))
        if kind.rename_refusal:
            assert_unsupported(answer, kind.rename_refusal)
            assert vendor.received == []
        else:
            assert etree.fromstring(answer.body)[0].findtext("FriendlyName") == "Zoë & Co"
            assert len(vendor.received) == kind.rename_calls
            assert number.name == "Zoë & Co"


@every_vendor_and_deletion
async def test_a_made_up_sid_is_not_found(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        vendor.fill(2)
        methods = ("GET",) if kind.delete_refusal else ("GET", "DELETE")
        for method in methods:
            answer = await client.ask(method, f"{LIST}/{NOWHERE}")
            assert error(answer) == {"Status": "404", "Message": "The requested resource was not found"}
        assert len(vendor.received) == (0 if kind.keyed else len(methods))
        assert len(vendor.verified) == 2


# 2 and 4: validation


@vendors_that("shown")
async def test_the_code_is_shown(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        vendor.fill(1)
        form = "PhoneNumber=415-867-5309&FriendlyName=My+Home&CallDelay=7"
        told = texts(await client.read("POST", LIST, form))
        assert told == {
            "AccountSid": ACCOUNT,
            "PhoneNumber": "4158675309",
            "FriendlyName": "My Home",
            "ValidationCode": CODE,
        }
        assert len(vendor.received) == 1
        code, message = kind.taken
        refused = error(await client.ask("POST", LIST, f"PhoneNumber={vendor.numbers[0].digits}"))
        assert (refused["Message"], refused["Code"]) == (message, "21450"), code


@some(*(kind for kind in VENDORS if kind.code != "shown"))
async def test_without_a_code_to_show_no_call_is_placed(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        told = error(await client.ask("POST", LIST, "PhoneNumber=4158675309"))
        assert (told["Status"], told["Code"]) == ("501", "20501")
        assert vendor.received == []


@vendors_that("spoken")
async def test_the_code_is_entered_on_the_page(kind: Kind) -> None:
    async with before(kind, "code_on_phone") as (client, vendor):
        vendor.fill(2)
        told = await client.read("POST", LIST, "PhoneNumber=415-867-5309&FriendlyName=My+Home")
        assert (told.findtext("PhoneNumber"), told.findtext("ValidationCode")) == ("4158675309", "")
        assert (await client.look(PhoneNumber="4158675309"))[0]["total"] == "0"
        assert await client.bring("4158675309", "999999") == 400
        assert await client.bring("4158675309", kind.pin) == 200
        assert await client.bring("4158675309", kind.pin) == 400
        assert (await client.look(PhoneNumber="4158675309"))[0]["total"] == "1"
        assert (await client.look())[0]["total"] == "3"


@vendors_that("spoken")
async def test_a_number_that_is_already_listed(kind: Kind) -> None:
    async with before(kind, "code_on_phone") as (client, vendor):
        vendor.fill(1)
        answer = await client.ask("POST", LIST, f"PhoneNumber={vendor.numbers[0].digits}")
        assert error(answer)["Message"] == kind.taken[1]
        assert answer.status == 400
        assert len(vendor.received) == 1


@some(*(kind for kind in VENDORS if kind.code == "spoken" and not kind.delays))
async def test_a_call_cannot_be_delayed(kind: Kind) -> None:
    async with before(kind, "code_on_phone") as (client, vendor):
        told = error(await client.ask("POST", LIST, "PhoneNumber=4158675309&CallDelay=5"))
        assert (told["Status"], told["Code"]) == ("400", "21454")
        assert vendor.received == []


# 4: errors


@every_vendor
async def test_a_wrong_token_never_reaches_the_upstream(kind: Kind) -> None:
    async with before(kind) as (client, vendor):
        answer = await client.ask("GET", LIST, token="wrong")
        assert error(answer)["Code"] == "20003"
        assert answer.status == 401
        assert vendor.received == []


@every_vendor
async def test_refused_credentials_of_the_proxy_are_a_gateway_error(kind: Kind) -> None:
    async with before(kind, key="another") as (client, vendor):
        told = error(await client.ask("GET", LIST))
        assert (told["Status"], told["Code"]) == ("502", "20502")
        assert told["Message"] == "The upstream API returned an unexpected response"
        assert len(vendor.received + vendor.token_requests) == 1


@some(Twilio, Restcomm)
async def test_refused_credentials_of_the_caller_are_a_401(kind: Kind) -> None:
    vendor = kind()
    configuration = f"  profile: {kind.profile}\n  variables: {kind.variables}\n"
    async with listening(vendor), running_proxy(vendor.url, configuration) as port:
        answer = await Client(port).ask("GET", LIST)
    assert (answer.status, error(answer)["Code"]) == (401, "20003")


@every_vendor
@pytest.mark.parametrize(
    ("status", "shown_as", "code"), [(429, 429, "20429"), (500, 502, "20502"), (503, 503, "20503")]
)
async def test_a_failing_upstream(kind: Kind, status: int, shown_as: int, code: str) -> None:
    async with before(kind) as (client, vendor):
        vendor.instead.append(Answer(status, {"error": "no"}, {"Retry-After": "60"}))
        answer = await client.ask("GET", LIST)
        assert (answer.status, error(answer)["Code"]) == (shown_as, code)
        assert answer.header("Retry-After") == (None if shown_as == 502 else "60")
        assert len(vendor.received) == 1


@every_vendor
async def test_errors_in_json(kind: Kind) -> None:
    async with before(kind) as (client, _):
        answer = await client.ask("GET", f"{LIST}/{NOWHERE}.json")
        assert json.loads(answer.body)["TwilioResponse"]["RestException"]["Status"] == "404"


# What only one vendor does


async def test_a_page_from_plivo_costs_three_calls_at_any_length() -> None:
    async with before(Plivo) as (client, vendor):
        vendor.fill(1000)
        said, items = await client.look(page=2)
        assert said == attributes(1000, 2, 50)
        assert without_sids(items) == shown(vendor, vendor.numbers[100:150])
        calls = [
            f"GET /v1/Account/MA1/VerifiedCallerId/?limit=20&offset={offset}" for offset in (100, 120, 140)
        ]
        assert vendor.received == calls


async def test_telnyx_fetches_a_number_without_a_list() -> None:
    async with before(Telnyx) as (client, vendor):
        vendor.fill(3)
        await client.look(PhoneNumber="4155550001")
        assert vendor.received == ["GET /v2/verified_numbers/+14155550001"]


async def test_vonage_cancels_a_number_of_its_country() -> None:
    async with before(CancellingVonage) as (client, vendor):
        vendor.keep("+442079460958")
        vendor.keep("+4420794609581")  # begins with the other one
        place = f"{LIST}/{await client.sid(vendor.numbers[0])}"
        vendor.received.clear()
        vendor.numbers.reverse()
        assert (await client.read("GET", place)).findtext("PhoneNumber") == "442079460958"
        assert (await client.ask("DELETE", place)).status == 204
        fetch = "GET /account/numbers?pattern=442079460958&size=100"
        assert vendor.received == [fetch, fetch, "POST /number/cancel"]
        assert [number.number for number in vendor.numbers] == ["+4420794609581"]


@pytest.mark.parametrize(
    ("status", "document", "told"),
    [
        (200, {}, "200"),
        (200, {"count": 0, "numbers": []}, "200"),
        (200, {"error-code": "401", "error-code-label": "authentication failed"}, "502"),
        (200, {"error-code": "420", "error-code-label": "method failed"}, "400"),
        (420, {"error-code": "420", "error-code-label": "method failed"}, "420"),
    ],
)
async def test_vonage_says_in_words_what_a_list_is(
    status: int, document: dict[str, object], told: str
) -> None:
    async with before(Vonage) as (client, vendor):
        vendor.instead.append(Answer(status, document))
        answer = await client.ask("GET", LIST)
        assert len(vendor.received) == 1
        assert str(answer.status) == told
        if told == "200":
            assert etree.fromstring(answer.body)[0].get("total") == "0"


@pytest.mark.parametrize("status", [200, 420])
async def test_vonage_refuses_a_number_that_is_not_the_account_s(status: int) -> None:
    async with before(CancellingVonage) as (client, vendor):
        place = f"{LIST}/{await client.sid(vendor.keep('+14158675309'))}"
        document = {"error-code": "420", "error-code-label": "method failed"}
        shown = {"count": 1, "numbers": [{"country": "US", "msisdn": "14158675309"}]}
        vendor.instead += [Answer(200, shown), Answer(status, document)]
        answer = await client.ask("DELETE", place)
        assert error(answer) == {"Status": "404", "Message": "The requested resource was not found"}


async def test_a_page_from_infobip_keeps_to_its_limit_of_requests() -> None:
    async with before(Infobip) as (client, vendor):
        vendor.fill(1000)
        said, items = await client.look(page=7)
        assert said == attributes(1000, 7, 50)
        assert [item["Sid"] for item in items] == [
            f"PN{Infobip().key(number).lower()}" for number in vendor.numbers[350:400]
        ]
        assert vendor.received == ["GET /numbers/1/numbers?limit=50&page=7"]


async def test_infobip_says_what_is_wrong() -> None:
    async with before(CancellingInfobip) as (client, vendor):
        refusal = {"messageId": "FORBIDDEN_NUMBER", "text": "Number cannot be cancelled"}
        vendor.instead.append(Answer(409, {"requestError": {"serviceException": refusal}}))
        answer = await client.ask("DELETE", f"{LIST}/{NOWHERE}")
        assert (answer.status, error(answer)["Message"]) == (409, "Number cannot be cancelled")
