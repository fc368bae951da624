"""The command doctor against stand-ins: as they should be, and with a fault for each line of its report."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from click.testing import CliRunner, Result
from support.seed import ACCOUNT, basic
from support.upstream_servers import running_nginx, running_tinyproxy, write_certificates
from vendors.machinery import ASSERTION, Answer, Asked, Vendor, answered, listening
from vendors.models import VENDORS
from vendors.models.example_rest import ExampleRest
from vendors.models.twilio import Twilio

from proxy.cli import main
from proxy.config import shipped_profiles

READS = frozenset({"GET", "HEAD"})
LINES = (
    "dns",
    "connection",
    "tls",
    "credentials",
    "clock",
    "list",
    "items",
    "ids",
    "total",
    "middle_page",
    "filter_by_number",
    "filter_by_name",
    "fetch",
    "unknown_id",
    "rate_limit",
    "operations",
)


def write(folder: Path, vendor: Vendor, *, url: str = "", more: str = "") -> Path:
    """Write the proxy.yaml of a stand-in."""
    file = folder / "proxy.yaml"
    file.write_text(
        f"upstream:\n  profile: {vendor.profile}\n  base_url: {url or vendor.url}\n"
        f"  variables: {vendor.variables.replace('ORIGIN', vendor.origin)}\n{more}"
        f"accounts:\n  {ACCOUNT}:\n    token: ${{TOKEN}}\n"
        f"    upstream:\n      {{account: {vendor.account}, username: SK1,"
        f" password: '${{KEY}}'{vendor.credentials}}}\n"
        f"ids: {{database: {folder / 'ids.db'}}}\n"
    )
    return file


async def doctor(file: Path, *options: str, answer: str = "") -> Result:
    variables = {"TOKEN": "demo-token", "KEY": "key", "ASSERTION": ASSERTION}
    arguments = ["doctor", str(file), *options]
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=answer, env=variables)


async def examine(file: Path, *options: str, answer: str = "") -> tuple[Mapping[str, tuple[str, str]], int]:
    """Return status and text of each check of the only account, and the exit status."""
    result = await doctor(file, "--json", *options, answer=answer)
    (account,) = json.loads(result.stdout)["accounts"]
    return {each["check"]: (each["status"], each["text"]) for each in account["checks"]}, result.exit_code


# Stand-ins as they should be


@pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.profile)
async def test_every_stand_in(kind: type[Vendor], tmp_path: Path) -> None:
    vendor = kind()
    vendor.fill(7)
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor))
    assert {key: each for key, each in found.items() if each[0] in ("warning", "failure")} == {}
    assert (tuple(found), exit_status) == (LINES, 0)
    assert vendor.breaches == []


@pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.profile)
@pytest.mark.parametrize("count", [0, 1])
async def test_a_short_list(kind: type[Vendor], count: int, tmp_path: Path) -> None:
    vendor = kind()
    vendor.fill(count)
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor))
    assert {key: each for key, each in found.items() if each[0] in ("warning", "failure")} == {}
    assert exit_status == 0
    assert found["middle_page"][0] == "skipped"


@pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.profile)
async def test_nothing_is_changed(kind: type[Vendor], tmp_path: Path) -> None:
    """Not a single request changes anything: numbers, names and pending calls are as before."""
    vendor = kind()
    vendor.fill(3)
    before = [replace(each) for each in vendor.numbers]
    async with listening(vendor):
        await examine(write(tmp_path, vendor))
    assert (vendor.numbers, vendor.pending) == (before, {})
    assert not (tmp_path / "ids.db").exists()


# One fault for each line


@dataclass
class Faulty(ExampleRest):
    """An upstream with one fault."""

    headers: dict[str, str] = field(default_factory=dict)
    """Of every answer."""
    change: Callable[[str, Answer], Answer] = lambda _, answer: answer
    """Makes another answer of one to a request, as `GET /path`."""

    def __post_init__(self) -> None:
        super().__init__()
        self.fill(7)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.received.append(f"{request.method} {request.raw_path}")
        answer = self.consider(request, await request.read())
        made = self.change(self.received[-1], answer)
        return answered(replace(made, headers={**made.headers, **self.headers}))

    def consider(self, request: web.BaseRequest, body: bytes) -> Answer:
        try:
            return super().consider(request, body)
        except Exception as error:
            if not hasattr(error, "answer"):
                raise
            answer: Answer = error.answer
            return answer


Change = Callable[[str, Answer], Answer]


def changing(pattern: str, make: Callable[[Any], Any]) -> Change:
    """Change the document of answers to requests that a pattern is found in."""

    def change(request: str, answer: Answer) -> Answer:
        if not re.search(pattern, request) or answer.status != 200:
            return answer
        return replace(answer, document=make(json.loads(json.dumps(answer.document))))

    return change


def answering(pattern: str, with_answer: Answer) -> Change:
    return lambda request, answer: with_answer if re.search(pattern, request) else answer


def items(change: Callable[[list[Any]], Any]) -> Callable[[Any], Any]:
    def make(document: Any) -> Any:
        change(document["items"])
        return document

    return make


ONE, LIST, DIRECT = r"caller-ids/[0-9]+$", r"caller-ids\?", r"offset=[1-9]"
FAULTS: Mapping[str, tuple[str, str, Change, str]] = {
    "refused credentials": (
        "credentials",
        "failure",
        answering("", ExampleRest.wrong_credentials),
        "credentials: the upstream refuses the configured credentials",
    ),
    "no items where they should be": (
        "list",
        "failure",
        changing(LIST, lambda it: {"data": it["items"], "total": it["total"]}),
        "expected an array",
    ),
    "an error instead of the list": (
        "list",
        "failure",
        answering(LIST, Answer(500, {"error": {"code": "x", "message": "y"}})),
        "status 500",
    ),
    "HTML instead of the list": (
        "list",
        "failure",
        answering(LIST, Answer(200, "<html>")),
        "expected an array",
    ),
    "an item without a number": (
        "items",
        "failure",
        changing(LIST, items(lambda it: it[3].pop("number"))),
        "a required value is missing",
    ),
    "a number that is an object": (
        "items",
        "failure",
        changing(LIST, items(lambda it: it[3].update(number={}))),
        "item 3",
    ),
    "a date in another format": (
        "items",
        "warning",
        changing(
            LIST + "|" + ONE,
            lambda it: (
                (
                    [each.update(created_at="last week") for each in it.get("items", [it]) if each["id"] > 5]
                    and it
                )
                or it
            ),
        ),
        "date_created of 2 items cannot be read as iso8601",
    ),
    "text instead of a number": (
        "items",
        "warning",
        changing(
            LIST + "|" + ONE,
            lambda it: (
                (
                    [each.update(number="Reception") for each in it.get("items", [it]) if each["id"] == 2]
                    and it
                )
                or it
            ),
        ),
        "1 phone number not as E.164, the first in item 1",
    ),
    "an id of another form": (
        "ids",
        "failure",
        changing(LIST, items(lambda it: it[2].update(id=2**65))),
        "item 2",
    ),
    "an id that is a text": (
        "ids",
        "failure",
        changing(LIST, items(lambda it: it[2].update(id="x"))),
        "item 2",
    ),
    "a total that is too large": (
        "total",
        "failure",
        changing(LIST, lambda it: {**it, "total": it["total"] + 3}),
        "the upstream states 10, but its list has 7 items",
    ),
    "a total that is an object": (
        "total",
        "failure",
        changing(LIST, lambda it: {**it, "total": {}}),
        "total",
    ),
    "no total": (
        "total",
        "warning",
        changing(LIST, lambda it: {"items": it["items"]}),
        "no page states a total",
    ),
    "pages that begin one later": (
        "middle_page",
        "failure",
        changing(DIRECT, items(lambda it: it.append(it.pop(0)))),
        "are not those of the list",
    ),
    "a filter by number that finds nothing": (
        "filter_by_number",
        "failure",
        changing("number=", lambda it: {"items": [], "total": 0}),
        "the upstream finds 0 of 1 caller ID",
    ),
    "a filter by name that finds nothing": (
        "filter_by_name",
        "failure",
        changing("name=", lambda it: {"items": [], "total": 0}),
        "the upstream finds 0 of 1 caller ID",
    ),
    "another caller ID": ("fetch", "failure", changing(ONE, lambda it: {**it, "id": 1}), "404"),
    "an item without a number of its own": (
        "fetch",
        "failure",
        changing(ONE, lambda it: {"id": it["id"]}),
        "a required value is missing",
    ),
    "a fetched item with another name": (
        "fetch",
        "warning",
        changing(ONE, lambda it: {**it, "name": "Other"}),
        "apart from friendly_name",
    ),
    "an unknown id as a 500": (
        "unknown_id",
        "failure",
        lambda _, answer: Answer(500, {}) if answer.status == 404 else answer,
        "an unknown id is no 404",
    ),
    "an unknown id as a 400": (
        "unknown_id",
        "failure",
        lambda _, answer: replace(answer, status=400) if answer.status == 404 else answer,
        "an unknown id is no 404",
    ),
}


@pytest.mark.parametrize(("line", "status", "change", "text"), FAULTS.values(), ids=FAULTS)
async def test_a_planted_fault(line: str, status: str, change: Change, text: str, tmp_path: Path) -> None:
    vendor = Faulty(change=change)
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor))
    assert {key: each[0] for key, each in found.items() if each[0] in ("warning", "failure")} == {
        line: status
    }
    assert text in found[line][1]
    assert exit_status == {"warning": 1, "failure": 2}[status]


class Repeating(Faulty):
    """Shows the last page again for one past the end, and states no total."""

    def page_of(self, asked: Asked) -> Answer:
        answer = super().page_of(asked)
        if not answer.document["items"]:  # type: ignore[index]
            answer = super().page_of(replace(asked, query={**asked.query, "offset": "0"}))
        return replace(answer, document={"items": answer.document["items"]})  # type: ignore[index]

    routes = (replace(ExampleRest.routes[0], does=page_of), *ExampleRest.routes[1:])


async def test_a_last_page_that_comes_again(tmp_path: Path) -> None:
    """That is no overlap of pages: a page past the end is only requested to be sure."""
    vendor = Repeating()
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor))
    assert found["list"][0] == "ok"
    assert found["list"][1].startswith("7 caller IDs on 1 page")
    assert found["items"][1] == "7 read"
    assert exit_status == 1  # because of the total


class Unfiltered(Faulty):
    """Ignores one of the filters."""

    ignored = "number"

    def page_of(self, asked: Asked) -> Answer:
        query = {name: text for name, text in asked.query.items() if name != self.ignored}
        return super().page_of(replace(asked, query=query))

    routes = (replace(ExampleRest.routes[0], does=page_of), *ExampleRest.routes[1:])


@pytest.mark.parametrize("ignored", ["number", "name"])
async def test_a_filter_that_is_ignored(ignored: str, tmp_path: Path) -> None:
    vendor = Unfiltered()
    vendor.ignored = ignored
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor))
    line = f"filter_by_{ignored}"
    assert {key: each[0] for key, each in found.items() if each[0] in ("warning", "failure")} == {
        line: "failure"
    }
    assert "also finds 6 caller IDs without this value" in found[line][1]
    assert exit_status == 2


HEADERS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "no date": ("clock", "the answer has a Date that is none", {"Date": "now"}),
    "nothing left": ("rate_limit", "nothing is left", {"RateLimit-Limit": "100", "RateLimit-Remaining": "0"}),
    "nothing left, with X-": ("rate_limit", "nothing is left", {"X-Rate-Limit-Remaining": "0"}),
}


@pytest.mark.parametrize(("line", "text", "headers"), HEADERS.values(), ids=HEADERS)
async def test_a_header(line: str, text: str, headers: Mapping[str, str], tmp_path: Path) -> None:
    vendor = Faulty(headers=dict(headers))
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor))
    assert {key: each[0] for key, each in found.items() if each[0] in ("warning", "failure")} == {
        line: "warning"
    }
    assert text in found[line][1]
    assert exit_status == 1


CLOCKS: Mapping[str, tuple[int, str, str]] = {
    "an hour ahead": (3600, "warning", r"the upstream's clock is (3600|3599) s ahead"),
    "an hour behind": (-3600, "warning", r"the upstream's clock is (3600|3601) s behind"),
    "some seconds ahead": (20, "ok", r"the upstream's clock is (20|19) s ahead"),
    "the same": (0, "ok", "the same as this machine's, as far as a Date can tell"),
}


@pytest.mark.parametrize(("seconds", "status", "text"), CLOCKS.values(), ids=CLOCKS)
async def test_a_clock(seconds: int, status: str, text: str, tmp_path: Path) -> None:
    vendor = Faulty(change=dated(seconds))
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor))
    assert found["clock"][0] == status
    assert re.fullmatch(text, found["clock"][1])
    assert {key for key, each in found.items() if each[0] in ("warning", "failure")} <= {"clock"}
    assert exit_status == (status == "warning")


async def test_a_clock_with_signatures(tmp_path: Path) -> None:
    """Where credentials depend on the time, an hour is too much."""
    vendor = Faulty(change=dated(3600))
    profile = shipped_profiles()["example-rest"].read_text(encoding="utf-8")
    signed = (
        "auth: {scheme: signed, string_to_sign: '{method} {http_date}', headers: {X-Sign: '{signature}'}}"
    )
    (tmp_path / "signed.yaml").write_text(profile.replace("auth: {scheme: bearer}", signed))
    vendor.is_authorized = lambda *_: True  # type: ignore[method-assign]
    async with listening(vendor):
        file = write(tmp_path, vendor)
        file.write_text(file.read_text().replace("profile: example-rest", "profile: ./signed.yaml"))
        found, exit_status = await examine(file)
    assert found["clock"][0] == "failure"
    assert found["clock"][1].endswith("what is signed here counts as expired or as not valid yet")
    assert {key for key, each in found.items() if each[0] in ("warning", "failure")} == {"clock"}
    assert exit_status == 2


def dated(seconds: int) -> Change:
    """Date answers by a clock that is so many seconds ahead."""

    def change(_: str, answer: Answer) -> Answer:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        return replace(answer, headers={"Date": date})

    return change


async def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    vendor = Faulty()
    found, exit_status = await examine(write(tmp_path, vendor, url="http://nothing.invalid/v1"))
    assert found["dns"][0] == "failure"
    assert "nothing.invalid cannot be looked up" in found["dns"][1]
    assert {each[0] for key, each in found.items() if key not in ("dns", "operations")} == {"skipped"}
    assert exit_status == 2


async def test_a_port_that_is_closed(tmp_path: Path) -> None:
    found, exit_status = await examine(write(tmp_path, Faulty(), url="http://127.0.0.1:1/v1"))
    assert found["connection"] == ("failure", "127.0.0.1:1: Connection refused")
    assert {key for key, each in found.items() if each[0] == "failure"} == {"connection"}
    assert found["list"] == ("skipped", "not checked, because of credentials")
    assert exit_status == 2


async def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    url = f"http+unix://{tmp_path}/api.sock:/v1"
    found, _ = await examine(write(tmp_path, Faulty(), url=url))
    assert found["connection"] == ("failure", f"{tmp_path}/api.sock: No such file or directory")


@asynccontextmanager
async def with_tls(
    vendor: Vendor, folder: Path, days: int = 365, name: str = "127.0.0.1"
) -> AsyncIterator[None]:
    """Serve a stand-in by TLS; the certificate of its authority is ca.pem in the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    now = datetime.now(UTC)
    issued = authority.issue_cert(
        name, not_before=now - timedelta(days=60), not_after=now + timedelta(days=days)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    runner = web.ServerRunner(web.Server(vendor.handle), handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        vendor.port = runner.addresses[0][1]
        yield
    finally:
        await runner.cleanup()


async def examine_with_tls(folder: Path, *, has_ca: bool = True, **how: Any) -> tuple[Any, int]:
    vendor = Faulty()
    async with with_tls(vendor, folder, **how):
        more = "  tls: {ca: ca.pem}\n" if has_ca else ""
        url = f"https://127.0.0.1:{vendor.port}/v1"
        return await examine(write(folder, vendor, url=url, more=more))


async def test_tls_with_an_own_authority(tmp_path: Path) -> None:
    found, exit_status = await examine_with_tls(tmp_path)
    assert found["tls"][0] == "ok"
    assert "TLSv1.3, a trusted chain" in found["tls"][1]
    assert "which ends in 36" in found["tls"][1]
    assert exit_status == 0


async def test_a_certificate_that_ends_soon(tmp_path: Path) -> None:
    found, exit_status = await examine_with_tls(tmp_path, days=5)
    assert {key: each[0] for key, each in found.items() if each[0] in ("warning", "failure")} == {
        "tls": "warning"
    }
    assert "which ends in 4 days" in found["tls"][1]
    assert exit_status == 1


CERTIFICATES: Mapping[str, tuple[dict[str, Any], str]] = {
    "an unknown authority": ({"has_ca": False}, "unable to get local issuer certificate"),
    "another name": ({"name": "other.example"}, "IP address mismatch"),
    "one that has ended": ({"days": -1}, "certificate has expired"),
}


@pytest.mark.parametrize(("how", "text"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_certificate_that_is_not_trusted(how: dict[str, Any], text: str, tmp_path: Path) -> None:
    found, exit_status = await examine_with_tls(tmp_path, **how)
    assert {key for key, each in found.items() if each[0] in ("warning", "failure")} == {"tls"}
    assert text in found["tls"][1]
    assert exit_status == 2


# Other ways to an upstream


async def test_the_way_through_a_proxy(tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor), running_tinyproxy(tmp_path) as proxy:
        file = write(tmp_path, vendor, more=f"  proxy: http://127.0.0.1:{proxy}\n")
        found, exit_status = await examine(file)
    assert found["dns"] == ("ok", "127.0.0.1 (the proxy) is an address")
    assert found["connection"] == ("ok", f"127.0.0.1:{proxy} (the proxy)")
    assert found["list"][0] == "ok"
    assert exit_status == 0


async def test_a_proxy_that_wants_credentials(tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor), running_tinyproxy(tmp_path, "old right") as proxy:
        file = write(tmp_path, vendor, more=f"  proxy: http://127.0.0.1:{proxy}\n")
        found, exit_status = await examine(file)
    assert {key for key, each in found.items() if each[0] == "failure"} == {"credentials"}
    assert re.search("proxy_status 40[17]", found["credentials"][1])
    assert (vendor.received, exit_status) == ([], 2)


async def test_a_proxy_that_answers_nonsense(tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        more = f"  proxy: http://127.0.0.1:{port}\n"
        found, exit_status = await examine(write(tmp_path, Faulty(), url="https://127.0.0.1:1/v1", more=more))
    assert {key for key, each in found.items() if each[0] == "failure"} == {"tls"}
    assert "the answer is not valid HTTP/1.1" in found["tls"][1]
    assert exit_status == 2


async def test_a_unix_socket(tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor), running_nginx(tmp_path, vendor.port, tmp_path / "api.sock"):
        found, exit_status = await examine(
            write(tmp_path, vendor, url=f"http+unix://{tmp_path}/api.sock:/v1")
        )
    assert found["dns"][0] == "skipped"
    assert found["connection"] == ("ok", f"{tmp_path}/api.sock")
    assert (found["list"][0], exit_status) == ("ok", 0)


@pytest.mark.parametrize("has_certificate", [True, False])
async def test_client_certificates(has_certificate: bool, tmp_path: Path) -> None:
    write_certificates(tmp_path, "localhost")
    own = ", certificate: client.pem, key: client.key" if has_certificate else ""
    vendor = Faulty()
    async with listening(vendor), running_nginx(tmp_path, vendor.port, tls=True) as port:
        url, more = f"https://localhost:{port}/v1", f"  tls: {{ca: ca.pem{own}}}\n"
        found, exit_status = await examine(write(tmp_path, vendor, url=url, more=more))
    assert found["tls"][0] == "ok"
    failed = {key for key, each in found.items() if each[0] == "failure"}
    assert (failed, exit_status) == (set(), 0) if has_certificate else ({"list"}, 2)


# Writes and calls, only where they are asked for


async def sid_of(vendor: Vendor, folder: Path) -> str:
    found, _ = await examine(write(folder, vendor))
    return found["fetch"][1].split()[0]


def changes(vendor: Vendor) -> list[str]:
    return [each for each in vendor.received if each.split()[0] not in READS]


async def test_a_rename_there_and_back(tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor):
        sid = await sid_of(vendor, tmp_path)
        names = [each.name for each in vendor.numbers]
        found, exit_status = await examine(write(tmp_path, vendor), "--write", sid)
    assert found["rename"] == ("ok", f"{sid} was 'Line 3 (doctor)' for a moment, and is 'Line 3' again")
    assert [each.split()[0] for each in changes(vendor)] == ["PATCH", "PATCH"]
    assert [each.name for each in vendor.numbers] == names
    assert exit_status == 0


RENAMES: Mapping[str, tuple[Change, str]] = {
    "ignored": (
        changing("PATCH", lambda it: {**it, "name": "Line 3"}),
        "the answer to the rename shows 'Line 3'",
    ),
    "refused": (
        answering("PATCH", Answer(400, {"error": {"code": "x", "message": "No"}})),
        "the rename failed",
    ),
    "an error": (answering("PATCH", Answer(500, {})), "the rename failed"),
}


@pytest.mark.parametrize(("change", "text"), RENAMES.values(), ids=RENAMES)
async def test_a_rename_that_fails(change: Change, text: str, tmp_path: Path) -> None:
    """The name is given back in any case."""
    vendor = Faulty(change=change)
    async with listening(vendor):
        sid = await sid_of(vendor, tmp_path)
        found, exit_status = await examine(write(tmp_path, vendor), "--write", sid)
    assert found["rename"][0] == "failure"
    assert text in found["rename"][1]
    assert len(changes(vendor)) == 2
    assert [each.name for each in vendor.numbers] == [f"Line {place}" for place in range(7)]
    assert exit_status == 2


async def test_a_rename_of_what_is_not_there(tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor):
        found, _ = await examine(write(tmp_path, vendor), "--write", f"PN{'0' * 32}")
    assert found["rename"] == ("failure", f"the list has no caller ID PN{'0' * 32}: nothing was renamed")
    assert changes(vendor) == []


async def test_a_rename_of_what_has_no_name(tmp_path: Path) -> None:
    """The name that is shown instead is none that the upstream has had."""
    vendor = Faulty()
    for each in vendor.numbers:
        each.name = None
    async with listening(vendor):
        sid = await sid_of(vendor, tmp_path)
        found, _ = await examine(write(tmp_path, vendor), "--write", sid)
    assert found["rename"] == ("failure", f"{sid} has no name that could be given back: nothing was renamed")
    assert changes(vendor) == []


async def test_a_call_that_is_confirmed(tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor):
        found, exit_status = await examine(write(tmp_path, vendor), "--call", "+14155550199", answer="y\n")
    assert found["call"] == ("ok", "+14155550199 is being called: its code is 012345")
    assert changes(vendor) == ["POST /v1/accounts/acme/validations"]
    assert exit_status == 0


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "maybe\nno\n"])
async def test_a_call_that_is_not_confirmed(answer: str, tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor):
        result = await doctor(write(tmp_path, vendor), "--call", "+14155550199", answer=answer)
    assert "This places one validation call to +14155550199" in result.stderr
    assert "no call was placed" in result.stderr
    assert (result.exit_code, vendor.received) == (2, [])


async def test_a_call_whose_outcome_is_unknown(tmp_path: Path) -> None:
    """It is placed once, whatever comes back."""
    vendor = Faulty(change=answering("POST", Answer(500, {})))
    async with listening(vendor):
        found, _ = await examine(write(tmp_path, vendor), "--call", "+14155550199", answer="y\n")
    assert found["call"][0] == "failure"
    assert "a call may have been placed" in found["call"][1]
    assert len(changes(vendor)) == 1


async def test_no_call_with_refused_credentials(tmp_path: Path) -> None:
    vendor = Faulty(change=answering("", ExampleRest.wrong_credentials))
    async with listening(vendor):
        found, _ = await examine(write(tmp_path, vendor), "--call", "+14155550199", answer="y\n")
    assert found["call"] == ("skipped", "not checked, because of credentials")
    assert changes(vendor) == []


# The command line


async def test_the_table(tmp_path: Path) -> None:
    vendor = Faulty(headers={"RateLimit-Remaining": "0"})
    async with listening(vendor):
        result = await doctor(write(tmp_path, vendor))
    first, _, *lines = result.stdout.splitlines()
    assert first == f"{ACCOUNT}: example-rest at 127.0.0.1:{vendor.port}"
    assert any(re.match(r"  ok +list +[0-9]+ ms  7 caller IDs on 1 page: ", line) for line in lines)
    assert any(re.match(r"  warning  rate limit +[0-9]+ ms  nothing is left", line) for line in lines)
    assert lines[-1] == "no failures, 1 warning. This can stand behind the 2008 API."
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80
    assert result.exit_code == 1


async def test_what_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    """An upstream chooses the texts of headers and of error messages."""
    hostile = "\x1b]0;owned\x07\x9b31m"
    vendor = Faulty(
        headers={"X-RateLimit-Note": hostile.replace("\x07", "").replace("\x1b", "")},
        change=lambda _, answer: (
            replace(answer, status=400, document={"error": {"message": hostile}})
            if answer.status == 404
            else answer
        ),
    )
    async with listening(vendor):
        result = await doctor(write(tmp_path, vendor))
    assert {"\x1b", "\x07", "\x9b"}.isdisjoint(result.stdout)
    assert "\\x9b31m" in result.stdout


async def test_several_accounts(tmp_path: Path) -> None:
    vendor = Faulty()
    other = "AC" + "1" * 32
    async with listening(vendor):
        file = write(tmp_path, vendor)
        text = file.read_text()
        more = f"  {other}:\n    token: ${{TOKEN}}\n    upstream: {{account: acme, password: 'wrong'}}\n"
        file.write_text(text.replace("ids:", f"{more}ids:").replace("wrong", "${TOKEN}"))
        both = await doctor(file, "--json")
        one = await doctor(file, "--json", "--account", other)
        unknown = await doctor(file, "--account", "AC" + "2" * 32)
        write_to_both = await doctor(file, "--write", f"PN{'0' * 32}")
    assert [each["account"] for each in json.loads(both.stdout)["accounts"]] == [ACCOUNT, other]
    assert (both.exit_code, one.exit_code, unknown.exit_code, write_to_both.exit_code) == (2, 2, 2, 2)
    assert [each["account"] for each in json.loads(one.stdout)["accounts"]] == [other]
    assert "the configuration has no account AC222" in unknown.stderr
    assert "--write and --call are for one account" in write_to_both.stderr


class DirectTwilio(Twilio):
    """Takes the credentials of old programs."""

    authorization = basic(Twilio.account, "key")


async def test_credentials_of_the_caller(tmp_path: Path) -> None:
    """Without accounts, the token is taken from an option, a variable or a prompt."""
    vendor = DirectTwilio()
    vendor.fill(3)
    async with listening(vendor):
        file = tmp_path / "proxy.yaml"
        file.write_text(f"upstream: {{base_url: {vendor.url}}}\n")
        missing = await doctor(file)
        asked = await doctor(file, "--account", vendor.account, answer="key\n")
        wrong = await doctor(file, "--account", vendor.account, "--token", "other")
    assert "name one with --account" in missing.stderr
    assert (missing.exit_code, asked.exit_code, wrong.exit_code) == (2, 0, 2)
    assert "key\n" not in asked.stdout


async def test_no_secret_is_shown(tmp_path: Path) -> None:
    vendor = Faulty()
    async with listening(vendor):
        file = write(tmp_path, vendor)
        file.write_text(file.read_text().replace("${KEY}", "${CANARY}"))
        result = await asyncio.to_thread(
            CliRunner().invoke,
            main,
            ["doctor", str(file)],
            env={"TOKEN": "demo-token", "CANARY": "canary-of-the-password"},
        )
    assert "canary" not in result.output
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--write", "PN12"), "a Sid is PN and 32 hexadecimal digits"),
        (("--call", "4158675309"), "write the number as E.164"),
        (("--call", "+1415867530912345678"), "write the number as E.164"),
    ],
)
async def test_options_that_make_no_sense(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = await doctor(write(tmp_path, Faulty()), *options)
    assert message in result.stderr
    assert result.exit_code == 2


async def test_an_invalid_configuration(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("upstrem: {}")
    result = await doctor(file)
    assert (result.exit_code, "did you mean 'upstream'?" in result.stderr) == (78, True)
