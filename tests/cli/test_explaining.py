"""explain and translate: they send nothing, print no credentials, and match what the proxy does."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lxml import etree
from support.proxied import PROFILE, proxied
from support.seed import ACCOUNT, BOB, LIST
from support.wire import json_answer

from proxy import __version__
from proxy.cli import main

SECRET = "correct-horse-battery"
PLIVO = (
    "upstream:\n"
    "  profile: plivo\n"
    "  base_url: http://127.0.0.1:1/v1\n"
    "accounts:\n"
    f"  {ACCOUNT}:\n"
    "    token: ${SECRET}\n"
    "    upstream: {account: MA1, password: '${SECRET}'}\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "proxy.yaml"
    file.write_text(PLIVO, encoding="utf-8")
    return file


def called(*arguments: str | Path, stdin: str = "") -> Result:
    environment = {"SECRET": SECRET}
    return CliRunner().invoke(main, [*map(str, arguments)], input=stdin, env=environment)


def explained(*arguments: str | Path) -> list[str]:
    """Return the lines with single spaces, files by their last name."""
    done = called("explain", *arguments)
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
    return [
        re.sub(r"\S*/([\w.-]+\.yaml:\d+)", r"\1", re.sub(" +", " ", line)).strip()
        for line in done.stdout.split("\n")
    ]


# explain


@pytest.mark.parametrize(
    ("forward", "own", "line"),
    [
        ("{to: http://old.example.com/x, credentials: true}", "go on too", "proxy.yaml:8"),
        ("http://old.example.com/x", "are removed", "default"),
    ],
)
def test_where_a_request_is_forwarded(file: Path, forward: str, own: str, line: str) -> None:
    calls = LIST.replace("OutgoingCallerIds", "Calls") + "?Status=2"
    assert "legacy.forward" in called("explain", "get", calls, "--config", file).stdout
    file.write_text(f"{PLIVO}legacy: {{forward: {forward}}}\n", encoding="utf-8")
    assert explained("get", f"http://x{calls}", "--config", file) == [
        f"GET {calls}",
        f"forwarded to http://old.example.com/x{calls} proxy.yaml:8",
        f"credentials {own} {line}",
        "",
    ]
    assert "route GET the list" in explained("get", LIST, "--config", file)
    done = called("translate", "get", calls, "--config", file)
    assert done.exit_code == 1
    assert "it is forwarded to http://old.example.com/x" in done.stderr


def test_each_part_of_the_upstream_request_with_its_line(file: Path) -> None:
    lines = explained("get", f"http://x{LIST}?page=2", "--config", file)
    assert "GET http://127.0.0.1:1/v1/MA1/VerifiedCallerId/?limit=20&offset=100" in lines
    for line in (
        "route GET the list",
        f"operation List(account_sid='{ACCOUNT}', page=2, page_size=50)",
        "asked as MA1 proxy.yaml:7",
        "profile plivo proxy.yaml:2",
        "base URL http://127.0.0.1:1/v1 proxy.yaml:3",
        "path /{account}/VerifiedCallerId/ plivo.yaml:17",
        "header Authorization: Basic ******** plivo.yaml:11",
        "query limit=20 plivo.yaml:19",
        "query offset=100 plivo.yaml:20",
        "items /objects plivo.yaml:18",
        "total strategy pointer, at /meta/total_count plivo.yaml:21",
    ):
        assert line in lines


def test_a_number_that_is_its_own_id_is_fetched(file: Path) -> None:
    lines = explained("GET", f"{LIST}?PhoneNumber=4158675309", "--config", file)
    assert "path /{account}/VerifiedCallerId/{id}/ plivo.yaml:25" in lines


def test_the_lines_of_the_form_of_a_validation() -> None:
    lines = explained("POST", LIST, "-d", "PhoneNumber=4158675309", "-d", "FriendlyName=x")
    assert "form PhoneNumber=+14158675309 twilio-2010-04-01.yaml:44" in lines
    assert "form FriendlyName=x twilio-2010-04-01.yaml:45" in lines
    assert "profile twilio-2010-04-01 default" in lines


def test_a_request_without_an_upstream_call(file: Path) -> None:
    lines = explained("POST", LIST, "-d", "PhoneNumber=4158675309", "--config", file)
    assert "The upstream is not asked. The answer is" in lines
    assert "501" in lines
    assert "404" in explained("GET", "/nothing")
    assert "401" in explained("GET", LIST.replace(ACCOUNT, f"AC{'9' * 32}"), "--config", file)


# translate


def test_an_upstreams_json_becomes_the_legacy_document(file: Path) -> None:
    page = '{"meta": {"total_count": 1}, "objects": [{"phone_number": "14158675309", "alias": "Bob"}]}'
    done = called("translate", "GET", LIST, "--config", file, stdin=page)
    assert done.exit_code == 0
    document = etree.fromstring(done.stdout_bytes.strip())
    assert document.findtext(".//PhoneNumber") == "4158675309"
    assert document.xpath("OutgoingCallerIds/@total") == ["1"]


def test_an_upstreams_error(file: Path) -> None:
    done = called(
        "translate", "GET", LIST, "-i", "--status", "429", "--config", file, stdin='{"error": "slow"}'
    )
    assert done.stdout.startswith(
        "429\nRetry-After: 1\nContent-Type: application/xml; charset=utf-8\n\n<?xml"
    )


def test_several_pages() -> None:
    item = f'{{"sid": "{BOB}", "phone_number": "+14158675309"}}'
    first = f'{{"outgoing_caller_ids": [{item}], "next_page_uri": "/2"}}'
    last = '{"outgoing_caller_ids": [], "next_page_uri": null}'
    done = called("translate", "GET", LIST, stdin=f"{first}\n{last}\n")
    assert etree.fromstring(done.stdout_bytes.strip()).xpath("OutgoingCallerIds/@total") == ["1"]
    done = called("translate", "GET", LIST, stdin=first)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: the upstream would be asked once more, for GET https://api.twilio.com/2\n"


EXITS: Mapping[str, tuple[Sequence[str], str, int, str]] = {
    "an empty list": (("GET", LIST), '{"outgoing_caller_ids": []}', 0, ""),
    "one number": (("GET", f"{LIST}/{BOB}"), f'{{"sid": "{BOB}", "phone_number": "+14158675309"}}', 0, ""),
    "an unusable answer": (
        ("GET", LIST),
        "<html>",
        65,
        "upstream twilio-2010-04-01 at api.twilio.com: list for .* failed: not_json: .*",
    ),
    "an error that is passed on": (
        ("DELETE", f"{LIST}/{BOB}", "--status", "409"),
        '{"code": 7, "message": "Not now"}',
        65,
        r"upstream .*: delete for .* failed: 409 Not now \(status 409\)",
    ),
    "nothing there": (
        ("GET", f"{LIST}/{BOB}", "--status", "404"),
        "{}",
        65,
        r"upstream .*: fetch for .* failed: 404 The requested resource was not found \(status 404\)",
    ),
    "no such resource": (
        ("GET", "/nothing"),
        "",
        65,
        "the request: 404 The requested resource was not found",
    ),
    "no number": (("POST", LIST), "", 65, "the request: 400 PhoneNumber must be a ten-digit phone number"),
}


@pytest.mark.parametrize(("arguments", "stdin", "status", "reason"), EXITS.values(), ids=EXITS)
def test_translate_exits_with_65_for_an_error(
    arguments: Sequence[str], stdin: str, status: int, reason: str
) -> None:
    done = called("translate", *arguments, stdin=stdin)
    assert done.exit_code == status
    assert re.fullmatch(f"Error: {reason}\n" if reason else "", done.stderr)
    assert ("<RestException>" in done.stdout) == bool(reason)


def test_translate_of_an_operation_that_the_upstream_lacks(file: Path) -> None:
    done = called("translate", "POST", LIST, "-d", "PhoneNumber=4158675309", "--config", file)
    assert done.exit_code == 65
    assert done.stderr.endswith(" failed: 501 The upstream API shows no code: its call speaks it\n")


def test_translate_for_an_unknown_account(file: Path) -> None:
    done = called("translate", "GET", LIST.replace(ACCOUNT, f"AC{'9' * 32}"), "--config", file)
    assert (done.exit_code, done.stderr) == (65, "Error: the configuration has no such account\n")


def test_no_content() -> None:
    done = called("translate", "DELETE", f"{LIST}/{BOB}", "-i")
    assert (done.exit_code, done.stdout) == (0, "204\n\n")


def test_an_answer_that_is_not_json() -> None:
    done = called("translate", "GET", f"{LIST}.json", "-i", stdin="<html>")
    assert done.stdout.startswith("502\n")


def test_a_legacy_request_becomes_the_upstreams(file: Path) -> None:
    done = called("translate", "--request", "GET", LIST, "--config", file)
    assert done.stdout == (
        "GET /v1/MA1/VerifiedCallerId/?limit=20&offset=0 HTTP/1.1\n"
        "Host: 127.0.0.1:1\n"
        f"User-Agent: callerid-proxy/{__version__}\n"
        "Accept: application/json\n"
        "Accept-Encoding: identity\n"
        "Authorization: Basic ********\n"
    )
    done = called("translate", "--request", "PUT", f"{LIST}/{BOB}", "-d", "FriendlyName=A+B")
    kind, length = "Content-Type: application/x-www-form-urlencoded", "Content-Length: 16"
    assert done.stdout.endswith(f"{kind}\n{length}\n\nFriendlyName=A+B\n")


def test_a_legacy_request_without_an_upstream_call(file: Path) -> None:
    done = called("translate", "--request", "POST", LIST, "-d", "PhoneNumber=4158675309", "--config", file)
    assert (done.exit_code, done.stderr) == (1, "Error: the upstream is not asked\n")
    assert done.stdout.startswith("501\n")


@pytest.mark.parametrize("name", ["Content-Type", "Accept", "User-Agent", "X-Own"])
@pytest.mark.parametrize("place", ["profile", "operation"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_found_b9_a_request_is_printed_as_it_is_sent(
    tmp_path: Path, name: str, place: str, method: str
) -> None:
    """Each header of the profile replaces the default of that name; a body has one type and one length."""
    text = PROFILE.read_text(encoding="utf-8")
    header = f"headers: {{{name}: application/vnd.own}}\n"
    of_operations = re.sub(r"( +)(?=path: )", rf"\1{header}\1", text)
    text = f"{text}{header}" if place == "profile" else of_operations
    (tmp_path / "mine.yaml").write_text(text.replace("FriendlyName: friendly_name", "Näme: friendly_name"))
    configuration = f"  profile: {tmp_path}/mine.yaml\n"
    target = LIST if method == "POST" else f"{LIST}/{BOB}"
    form = {"POST": "PhoneNumber=4158675309&FriendlyName=Bob", "PUT": "FriendlyName=Caf\u00e9"}.get(method)
    answer = json_answer(404, b"{}")
    async with proxied(answer, configuration=configuration) as between:
        await between.ask(method, target, form=form)
        (sent,) = between.upstream.received
        (tmp_path / "proxy.yaml").write_text(
            f"upstream:\n{configuration}  base_url: {between.upstream.url}\n"
        )
    data = [word for field in (form or "").split("&") if field for word in ("-d", field)]
    arguments: list[str | Path] = ["--request", method, target, *data, "--config", tmp_path / "proxy.yaml"]
    done = await asyncio.to_thread(called, "translate", *arguments)
    head, _, body = done.stdout.removesuffix("\n").partition("\n\n")
    start, *lines = head.split("\n")
    secret = dict(sent.headers)["Authorization"]
    printed = [line.replace("Basic ********", secret) for line in lines]
    assert (start, printed) == (sent.start, [f"{name}: {value}" for name, value in sent.headers])
    assert body == sent.body.decode()


def test_found_b9_a_masked_body_keeps_its_length(tmp_path: Path) -> None:
    text = PROFILE.read_text(encoding="utf-8")
    own = "      CallDelay: call_delay\n"
    text = text.replace(own, f"{own}      Extra: {{constant: '${{SECRET}}'}}\n")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "proxy.yaml").write_text("upstream: {profile: ./mine.yaml}\n", encoding="utf-8")
    arguments: list[str | Path] = [
        "POST",
        LIST,
        "-d",
        "PhoneNumber=4158675309",
        "--config",
        tmp_path / "proxy.yaml",
    ]
    done = called("translate", "--request", *arguments)
    assert SECRET not in done.output
    sent = f"PhoneNumber=%2B14158675309&CallDelay=0&Extra={SECRET}"
    assert f"\nContent-Length: {len(sent)}\n\n" in done.stdout


def test_found_b4_the_given_documents_are_the_whole_list(tmp_path: Path) -> None:
    """Behind a short page the proxy would ask for another one, which is none here."""
    shipped = PROFILE.with_name("example-rest.yaml").read_text(encoding="utf-8")
    text = shipped.replace("total: {strategy: pointer, at: /total}", "total: {strategy: walk}")
    (tmp_path / "mine.yaml").write_text(text.replace("{scheme: bearer}", "{scheme: none}"), encoding="utf-8")
    (tmp_path / "proxy.yaml").write_text("upstream: {profile: ./mine.yaml}\n", encoding="utf-8")
    page = '{"items": [{"id": 7, "number": "+14158675309"}]}'
    for pages, total in ((page, "1"), (page + page.replace("7", "8", 1), "2")):
        done = called("translate", "GET", LIST, "--config", tmp_path / "proxy.yaml", stdin=pages)
        assert done.exit_code == 0, done.output
        assert etree.fromstring(done.stdout_bytes.strip()).xpath("OutgoingCallerIds/@total") == [total]


# Credentials that are shown when a call is sent

LATE = """\
name: my-api
checked_against: nothing
base_url: http://127.0.0.1:1
auth: {auth}
operations:
  list: {{path: /numbers, items: /items, paging: {{strategy: none}}, total: {{strategy: length}}}}
  fetch: {{unsupported: not here}}
  rename: {{unsupported: not here}}
  delete: {{unsupported: not here}}
  validate: {{method: POST, path: /calls, json: {{number: phone_number}}, code: /code}}
caller_id: {{id: /id, phone_number: /number}}
"""
SIGNED = (
    '{scheme: signed, string_to_sign: "{path}", query: {sig: "{signature}"}, headers: {X-At: "{seconds}"}}'
)


@pytest.mark.parametrize(
    ("auth", "lines"),
    [
        ("{scheme: oauth2, token_url: /token}", ["Authorization: Bearer ********"]),
        ("{scheme: aws, service: chime, region: us-east-1}", ["Authorization: AWS4-HMAC-SHA256 ********"]),
        (SIGNED, ["sig=********", "X-At: ********"]),
        ("{scheme: body, name: /auth/key, username: user}", ["/auth/key=********", "user=********"]),
    ],
)
def test_credentials_that_depend_on_the_moment(tmp_path: Path, auth: str, lines: list[str]) -> None:
    file = tmp_path / "proxy.yaml"
    (tmp_path / "my-api.yaml").write_text(LATE.format(auth=auth), encoding="utf-8")
    text = PLIVO.replace("plivo", "./my-api.yaml").replace("account: MA1", "username: someone")
    file.write_text(text, encoding="utf-8")
    arguments = ("POST", LIST, "-d", "PhoneNumber=4158675309", "--config", file)
    shown = explained(*arguments)
    for line in lines:
        assert [each for each in shown if line in each and each.endswith("my-api.yaml:4")], shown
    request = called("translate", *arguments, "--request")
    assert request.exit_code == 0
    assert SECRET not in request.output
    answer = called("translate", *arguments, stdin='{"code": "040213"}')
    assert "<ValidationCode>040213</ValidationCode>" in answer.stdout
