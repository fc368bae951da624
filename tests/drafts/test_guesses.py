"""What is guessed from which words of a description: pages, credentials, servers, ids, numbers, dates."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.openapi import Json, array, content, document, in_path, operation, query, record, text

from proxy.config.yaml_source import UNFILLED
from proxy.drafts import draft_profile

NUMBER = record(
    id=text(format="uuid"),
    phone_number=text(example="+14158675309"),
    label=text(),
    created_at=text(format="date-time"),
)
WHOLE = {"type": "integer"}
FLAG = {"type": "boolean"}


def draft(folder: Path, description: Json) -> tuple[Json, str]:
    """Return a draft as values and as text."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(description), encoding="utf-8")
    found = draft_profile("mine", file).text
    return yaml.safe_load(found), found


def listing(
    *parameters: Json,
    item: Json | None = None,
    answer: Json | None = None,
    response: Json | None = None,
    **beside: Any,
) -> Json:
    """Return a description whose list has these parameters, and these fields beside its items."""
    schema = answer or record(data=array(item or NUMBER), **beside)
    get = operation("List", content(schema) | (response or {}), parameters=[*parameters])
    return document("3.0.0", "Small", {"/caller-ids": {"get": get}}, server="https://api.small.example")


def json_body(schema: Json) -> Json:
    return {"content": {"application/json": {"schema": schema}}}


# Pages


LIMIT = query("limit", WHOLE | {"maximum": 100})
PAGES: dict[str, tuple[Json, Any]] = {
    "pages with a total": (
        listing(LIMIT, query("page", WHOLE | {"minimum": 1}), total=WHOLE),
        {"strategy": "page_number", "parameter": "page", "base": 1},
    ),
    "pages from zero": (
        listing(
            LIMIT, query("pageNumber", WHOLE, description="Zero-based"), meta=record(totalElements=WHOLE)
        ),
        {"strategy": "page_number", "parameter": "pageNumber", "base": 0},
    ),
    "pages from an unknown number": (
        listing(LIMIT, query("page", WHOLE), total=WHOLE),
        {"strategy": "page_number", "parameter": "page", "base": UNFILLED},
    ),
    "offsets": (
        listing(LIMIT, query("skip", WHOLE)),
        {"strategy": "offset", "parameter": "skip"},
    ),
    "offsets from one": (
        listing(LIMIT, query("startIndex", WHOLE | {"minimum": 1}), totalResults=WHOLE),
        {"strategy": "offset", "parameter": "startIndex", "base": 1},
    ),
    "a URL": (listing(LIMIT, next=text(format="uri")), {"strategy": "next_url", "next": "/next"}),
    "a URL in links": (
        listing(query("page", WHOLE), links=record(self=text(), next=text())),
        {"strategy": "next_url", "next": "/links/next"},
    ),
    "a URL of HAL": (
        listing(_links=record(next=record(href=text()))),
        {"strategy": "next_url", "next": "/_links/next/href"},
    ),
    "a URL of OData": (
        listing(**{"@odata.nextLink": text()}),
        {"strategy": "next_url", "next": "/@odata.nextLink"},
    ),
    "a URL by its words": (
        listing(LIMIT, query("offset", WHOLE), meta=record(next=text(description="Link to the next page"))),
        {"strategy": "next_url", "next": "/meta/next"},
    ),
    "a cursor": (
        listing(query("cursor", text()), next_cursor=text()),
        {"strategy": "cursor", "next": "/next_cursor", "parameter": "cursor"},
    ),
    "a token": (
        listing(query("page_token", text()), query("page_size", WHOLE), nextPageToken=text()),
        {"strategy": "cursor", "next": "/nextPageToken", "parameter": "page_token"},
    ),
    "a cursor and a flag": (
        listing(query("page[after]", text()), meta=record(cursors=record(after=text()), has_more=FLAG)),
        {
            "strategy": "cursor",
            "next": "/meta/cursors/after",
            "parameter": "page[after]",
            "more": "/meta/has_more",
        },
    ),
    "the last id": (
        listing(LIMIT, query("starting_after", text()), has_more=FLAG),
        {"strategy": "after_last", "of": "/id", "parameter": "starting_after", "more": "/has_more"},
    ),
    "a Link header": (
        listing(LIMIT, query("page", WHOLE), response={"headers": {"Link": {"schema": text()}}}),
        {"strategy": "link_header"},
    ),
    "a Range header": (
        listing({"name": "Range", "in": "header", "schema": text()}),
        {"strategy": "range_header", "unit": UNFILLED, "base": UNFILLED},
    ),
    "one page": (listing(), {"strategy": "none"}),
    "a size and no more": (listing(LIMIT), {"strategy": UNFILLED}),
    "a cursor to nowhere": (listing(query("cursor", text())), {"strategy": UNFILLED}),
}


@pytest.mark.parametrize("name", PAGES)
def test_paging(name: str, tmp_path: Path) -> None:
    description, paging = PAGES[name]
    values, _ = draft(tmp_path, description)
    assert values["operations"]["list"]["paging"] == paging


@pytest.mark.parametrize(
    ("parameter", "page_size"),
    [
        (query("limit", WHOLE | {"maximum": 250}), {"parameter": "limit", "max": 250}),
        (
            query("pageSize", WHOLE, description="Default 20, maximum is 500."),
            {"parameter": "pageSize", "max": 500},
        ),
        (query("per_page", WHOLE, description="Up to 50 items"), {"parameter": "per_page", "max": 50}),
        (query("page[size]", WHOLE | {"default": 20}), {"parameter": "page[size]", "max": UNFILLED}),
        (query("$top", WHOLE | {"maximum": 0}), {"parameter": "$top", "max": UNFILLED}),
        (query("color", text()), {"max": UNFILLED}),
    ],
)
def test_page_size(parameter: Json, page_size: Json, tmp_path: Path) -> None:
    values, _ = draft(tmp_path, listing(parameter, next_url=text()))
    assert values["operations"]["list"]["page_size"] == page_size


@pytest.mark.parametrize(
    ("beside", "total"),
    [
        ({"total": WHOLE}, "/total"),
        (
            {"meta": record(pagination=record(total_count=WHOLE, total_pages=WHOLE))},
            "/meta/pagination/total_count",
        ),
        ({"count": WHOLE | {"description": "The total number of numbers"}}, "/count"),
        ({"count": WHOLE}, None),
        ({"total_pages": WHOLE}, None),
        ({"total": text()}, None),
    ],
)
def test_total(beside: Json, total: str | None, tmp_path: Path) -> None:
    values, _ = draft(tmp_path, listing(LIMIT, query("offset", WHOLE), **beside))
    found = {"strategy": "pointer", "at": total} if total else {"strategy": "walk"}
    assert values["operations"]["list"]["total"] == found


def test_a_total_that_counts_more_than_the_list(tmp_path: Path) -> None:
    item = record(id=text(format="uuid"), number=text(example="+14158675309"), verified=FLAG)
    values, _ = draft(tmp_path, listing(LIMIT, query("offset", WHOLE), item=item, total=WHOLE))
    found = values["operations"]["list"]
    assert found["include_when"] == [{"at": "/verified", "equals": True}]
    assert found["total"] == {"strategy": "walk"}
    assert found["paging"] == {"strategy": "offset", "parameter": "offset", "count": "/total"}


@pytest.mark.parametrize(
    ("parameter", "by_number"),
    [
        (
            query("phone_number", text()),
            {"mode": "server_superset", "parameter": "phone_number", "as": "e164"},
        ),
        (
            query("filter[number]", text(), description="The exact number"),
            {"mode": "server", "parameter": "filter[number]", "as": "e164"},
        ),
        (
            query("msisdn", text(example="14158675309"), description="Not an exact match"),
            {"mode": "server_superset", "parameter": "msisdn", "as": "digits"},
        ),
        (query("q", text()), {"mode": "client"}),
        (query("number", FLAG), {"mode": "client"}),
    ],
)
def test_filter(parameter: Json, by_number: Json, tmp_path: Path) -> None:
    values, _ = draft(tmp_path, listing(parameter))
    assert values["operations"]["list"]["filters"]["phone_number"] == by_number


# Items


@pytest.mark.parametrize(
    ("answer", "items"),
    [
        (array(NUMBER), ""),
        (record(result=record(list=array(NUMBER))), "/result/list"),
        (record(tags=array(text()), errors=array(record(code=text())), numbers=array(NUMBER)), "/numbers"),
        ({"allOf": [record(total=WHOLE), record(items=array(NUMBER))]}, "/items"),
        ({"oneOf": [{"type": "null"}, record(items=array({"anyOf": [NUMBER]}))]}, "/items"),
        (record(**{"a/b~c": array(NUMBER)}), "/a~1b~0c"),
    ],
)
def test_items(answer: Json, items: str, tmp_path: Path) -> None:
    values, _ = draft(tmp_path, listing(answer=answer))
    assert values["operations"]["list"]["items"] == items


def test_an_example_without_a_schema(tmp_path: Path) -> None:
    example = {
        "data": [
            {"uuid": "7d0b9a52-3c1f-4e55-9a7e-5f8e2f0c6b11", "number": "4158675309", "added": "2024-05-01"}
        ]
    }
    description = listing()
    response = description["paths"]["/caller-ids"]["get"]["responses"]["200"]
    response["content"] = {"application/json": {"example": example}}
    values, shown = draft(tmp_path, description)
    assert values["operations"]["list"]["items"] == "/data"
    assert values["ids"] == {"codec": "uuid"}
    assert values["caller_id"] == {
        "id": "/uuid",
        "phone_number": {"at": "/number", "as": "ten_digits"},
        "date_created": {"at": "/added", "as": "date", "default": None},
        "date_updated": {"at": "/added", "as": "date", "default": None},
    }
    place = "#/paths/~1caller-ids/get/responses/200/content/application~1json/example/data/0/number"
    assert f"# guessed from {place}\n" in shown


@pytest.mark.parametrize(
    ("schema", "ids"),
    [
        (text(format="uuid"), {"codec": "uuid"}),
        (text(description="A UUID"), {"codec": "uuid"}),
        (WHOLE, {"codec": "integer"}),
        (text(example="1234567"), {"codec": "integer"}),
        (text(pattern="^[0-9a-f]{32}$"), {"codec": "hex32"}),
        (text(example="6FED0BC540BFADD9B05ED7D89AAC22FA"), {"codec": "hex32_upper"}),
        (text(example="01H6EPS7KCHWPMQ2KW7SFP0WD2"), {"codec": "ulid"}),
        (text(example="65f0c2a7b8d9e0f1a2b3c4d5"), {"codec": "hex24"}),
        (text(pattern="^PN[0-9a-fA-F]{32}$"), {"codec": "identity"}),
        (text(example="num_7d0b9a523c1f4e559a7e5f8e2f0c6b11"), {"codec": "hex32", "prefix": "num_"}),
        (text(pattern="^num_[0-9a-f]{32}$"), {"codec": "hex32", "prefix": "num_"}),
        (text(example="0042"), {"codec": UNFILLED}),
        (text(examples=["7", "x7"]), {"codec": UNFILLED}),
        (text(), {"codec": UNFILLED}),
    ],
)
def test_ids(schema: Json, ids: Json, tmp_path: Path) -> None:
    item = record(id=schema, number=text(example="+14158675309"))
    values, _ = draft(tmp_path, listing(item=item))
    assert values["ids"] == ids
    is_number = schema == WHOLE
    assert values["caller_id"]["id"] == ({"at": "/id", "as": "integer"} if is_number else "/id")


def test_an_id_by_the_placeholder_of_its_path(tmp_path: Path) -> None:
    item = record(id=text(), handle=text(), number=text(example="+14158675309"))
    description = listing(item=item)
    description["paths"]["/caller-ids/{handle}"] = {
        "parameters": [in_path("handle", text(format="uuid"))],
        "get": operation("One", content(item)),
    }
    values, _ = draft(tmp_path, description)
    assert values["caller_id"]["id"] == "/handle"
    assert values["ids"] == {"codec": "uuid"}
    assert values["operations"]["fetch"] == {"method": "GET", "path": "/caller-ids/{id}"}


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        (text(example="+14158675309"), "e164"),
        (text(example="14158675309"), "digits"),
        (WHOLE | {"example": 441632960961}, "digits"),
        (text(example="4158675309"), "ten_digits"),
        (text(example="(415) 867-5309"), "formatted"),
        (text(pattern=r"^\+[1-9]\d{1,14}$"), "e164"),
        (text(pattern=r"^\+?[0-9]+$"), UNFILLED),
        (text(pattern=r"^\d{10}$"), "ten_digits"),
        (text(description="In E.164 format"), "e164"),
        (text(description="In E.164 format, without the plus sign"), "digits"),
        (text(), UNFILLED),
    ],
)
def test_number_form(schema: Json, form: str, tmp_path: Path) -> None:
    values, _ = draft(tmp_path, listing(item=record(id=text(format="uuid"), phone_number=schema)))
    assert values["caller_id"]["phone_number"] == {"at": "/phone_number", "as": form}


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        (text(format="date-time"), "iso8601"),
        (text(format="date"), "date"),
        (text(format="date-time-rfc-2822"), "rfc2822"),
        (text(example="2024-05-01T10:00:00Z"), "iso8601"),
        (text(example="Tue, 01 Apr 2008 18:26:32 +0000"), "rfc2822"),
        (text(description="ISO 8601"), "iso8601"),
        (WHOLE | {"example": 1207074392}, "epoch_seconds"),
        (WHOLE | {"example": 1207074392789}, "epoch_milliseconds"),
        (WHOLE | {"description": "Milliseconds since 1970"}, "epoch_milliseconds"),
        ({"type": ["string", "null"], "format": "date-time"}, "iso8601"),
        (text(example="yesterday"), UNFILLED),
        (WHOLE, UNFILLED),
    ],
)
def test_date_form(schema: Json, form: str, tmp_path: Path) -> None:
    item = record(id=text(format="uuid"), number=text(example="+14158675309"), createdAt=schema)
    values, _ = draft(tmp_path, listing(item=item))
    assert values["caller_id"]["date_created"] == {"at": "/createdAt", "as": form, "default": None}


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("friendlyName", {"at": "/friendlyName", "default": None}),
        ("label", {"at": "/label", "default": None}),
        ("caller_name", {"at": "/caller_name", "default": None}),
        ("handle", UNFILLED),
    ],
)
def test_name(field: str, named: Any, tmp_path: Path) -> None:
    item = record(id=text(format="uuid"), number=text(example="+14158675309"), **{field: text()})
    values, _ = draft(tmp_path, listing(item=item))
    assert values["caller_id"]["friendly_name"] == named


def test_an_item_without_a_name(tmp_path: Path) -> None:
    item = record(id=text(format="uuid"), number=text(example="+14158675309"), kind=text(enum=["a"]))
    values, shown = draft(tmp_path, listing(item=item))
    assert "friendly_name" not in values["caller_id"]
    assert "  # guessed: no friendly_name: no field of an item looks like one\n" in shown


# Servers and credentials


@pytest.mark.parametrize(
    ("servers", "base_url", "variables"),
    [
        ([{"url": "https://a.example/v1/"}], "https://a.example/v1", None),
        ([{"url": "https://sandbox.a.example"}, {"url": "https://a.example"}], "https://a.example", None),
        ([{"url": "/v1"}], UNFILLED, None),
        ([], UNFILLED, None),
        ([{"url": "ftp://a.example"}], UNFILLED, None),
        ([{"url": "https://{region}.a.example"}], "https://{region}.a.example", {"region": ""}),
        (
            [{"url": "https://{my-id}.a.example", "variables": {"my-id": {"default": "eu"}}}],
            "https://{my_id}.a.example",
            {"my_id": "eu"},
        ),
        (
            [{"url": "https://{account}.a.example", "variables": {"account": {"default": "YOUR_ACCOUNT"}}}],
            "https://{account_name}.a.example",
            {"account_name": ""},
        ),
    ],
)
def test_base_url(servers: list[Json], base_url: str, variables: Json | None, tmp_path: Path) -> None:
    values, _ = draft(tmp_path, listing() | {"servers": servers})
    assert values["base_url"] == base_url
    assert values.get("variables") == variables


def test_the_server_of_a_path(tmp_path: Path) -> None:
    description = listing()
    description["paths"]["/caller-ids"]["servers"] = [{"url": "https://numbers.small.example"}]
    values, _ = draft(tmp_path, description)
    assert values["base_url"] == "https://numbers.small.example"


BASIC = {"type": "http", "scheme": "Basic"}
BEARER = {"type": "http", "scheme": "bearer"}
KEY = {"type": "apiKey", "in": "header", "name": "X-Api-Key"}
CLIENT = {"clientCredentials": {"tokenUrl": "https://login.small.example/token", "scopes": {"numbers": "-"}}}


@pytest.mark.parametrize(
    ("schemes", "security", "auth"),
    [
        ({"a": BASIC}, [{"a": []}], {"scheme": "basic"}),
        ({"a": BEARER}, None, {"scheme": "bearer"}),
        ({"a": KEY}, [{"a": []}], {"scheme": "header", "name": "X-Api-Key"}),
        ({"a": KEY | {"in": "query", "name": "key"}}, [{"a": []}], {"scheme": "query", "name": "key"}),
        ({"a": KEY | {"in": "cookie"}}, [{"a": []}], {"scheme": UNFILLED}),
        ({"a": KEY, "b": BASIC}, [{"a": []}, {"b": []}], {"scheme": "basic"}),
        (
            {"a": KEY | {"name": "Authorization", "description": "`Authorization: App 1234`"}},
            None,
            {"scheme": "header", "name": "Authorization", "value": "App {password}"},
        ),
        (
            {"a": KEY | {"name": "Authorization"}},
            None,
            {"scheme": "header", "name": "Authorization", "value": UNFILLED},
        ),
        (
            {"a": KEY | {"name": "X-Auth-Id"}, "b": KEY | {"name": "X-Auth-Token"}},
            [{"a": [], "b": []}],
            {"scheme": "header", "name": "X-Auth-Token", "username": "X-Auth-Id"},
        ),
        (
            {"a": KEY | {"in": "query", "name": "api_key"}, "b": KEY | {"in": "query", "name": "api_secret"}},
            [{"a": [], "b": []}],
            {"scheme": "query", "name": "api_secret", "username": "api_key"},
        ),
        (
            {"a": KEY | {"name": "X-One"}, "b": KEY | {"name": "X-Two"}},
            [{"a": [], "b": []}],
            {"scheme": "header", "name": UNFILLED, "username": UNFILLED},
        ),
        ({"a": BASIC, "b": KEY}, [{"a": [], "b": []}], {"scheme": UNFILLED}),
        (
            {"a": {"type": "oauth2", "flows": CLIENT}},
            [{"a": ["numbers"]}],
            {
                "scheme": "oauth2",
                "token_url": "https://login.small.example/token",
                "client": "basic",
                "scope": "numbers",
            },
        ),
        ({"a": {"type": "oauth2", "flows": {"implicit": {}}}}, [{"a": []}], {"scheme": UNFILLED}),
        ({"a": {"type": "openIdConnect"}}, [{"a": []}], {"scheme": UNFILLED}),
        ({}, [{"a": []}], {"scheme": UNFILLED}),
        ({}, None, {"scheme": UNFILLED}),
        ({"a": BASIC}, [], {"scheme": "none"}),
        ({"a": BASIC}, [{}, {"a": []}], {"scheme": "basic"}),
    ],
)
def test_credentials(schemes: Json, security: Any, auth: Json, tmp_path: Path) -> None:
    description = listing() | {"components": {"securitySchemes": schemes}}
    description |= {} if security is None else {"security": security}
    values, _ = draft(tmp_path, description)
    assert values["auth"] == auth


# Operations


def test_a_list_alone(tmp_path: Path) -> None:
    values, _ = draft(tmp_path, listing())
    operations = values["operations"]
    assert operations["fetch"] == {"from": "list"}
    assert [*operations["rename"]] == [*operations["delete"]] == [*operations["validate"]] == ["unsupported"]
    assert values["validation"] == "unsupported"


def test_other_placeholders_are_variables(tmp_path: Path) -> None:
    description = listing()
    one = {
        "get": operation("One", content(NUMBER)),
        "delete": operation("Remove", {"description": "-"}, status=204),
    }
    description["paths"] = {
        "/spaces/{space-name}/caller-ids": description["paths"]["/caller-ids"],
        "/spaces/{space-name}/caller-ids/{uuid}": one,
    }
    values, _ = draft(tmp_path, description)
    operations = values["operations"]
    assert operations["list"]["path"] == "/spaces/{space_name}/caller-ids"
    assert operations["delete"]["path"] == "/spaces/{space_name}/caller-ids/{id}"
    assert values["variables"] == {"space_name": ""}


def test_what_a_rename_has_to_repeat(tmp_path: Path) -> None:
    body = record(
        ["label", "phone_number", "kind", "route"],
        label=text(),
        phone_number=text(),
        kind=text(enum=["caller_id"]),
        route=text(),
        note=text(),
    )
    description = listing()
    description["paths"]["/caller-ids/{id}"] = {
        "put": operation(
            "Change", content(NUMBER), requestBody={"content": {"application/json": {"schema": body}}}
        )
    }
    values, shown = draft(tmp_path, description)
    assert values["operations"]["rename"]["json"] == {
        "label": "friendly_name",
        "phone_number": {"from_item": "/phone_number"},
        "kind": {"constant": "caller_id"},
        "route": {"constant": UNFILLED},
    }
    assert "# look up what is required here: #/paths/~1caller-ids~1{id}/put/requestBody" in shown


def test_a_call_that_follows_the_validation(tmp_path: Path) -> None:
    description = listing()
    start = record(["phone_number"], phone_number=text(example="+14158675309"))
    code = record(["code"], code=text())
    description["paths"]["/caller-ids"]["post"] = operation(
        "Add", content(NUMBER), requestBody=json_body(start)
    )
    description["paths"]["/caller-ids/{id}"] = {"get": operation("One", content(NUMBER))}
    description["paths"]["/caller-ids/{id}/call"] = {
        "post": operation("Call it", {"description": "-"}, status=202)
    }
    description["paths"]["/caller-ids/{id}/code"] = {
        "post": operation("Verify", {"description": "-"}, status=204, requestBody=json_body(code))
    }
    values, _ = draft(tmp_path, description)
    operations = values["operations"]
    assert operations["call"] == {"method": "POST", "path": "/caller-ids/{id}/call"}
    assert operations["verify"]["json"] == {"code": "code"}
    assert operations["validate"]["pending"] == "/id"
    assert values["validation"] == "unsupported"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (record(code=text()), "/code"),
        (record(data=record(validation_code=text())), "/data/validation_code"),
        (record(code=WHOLE, message=text()), None),
        (record(code=WHOLE | {"description": "HTTP status"}), None),
        (record(code=text(enum=["ok", "failed"])), None),
        (record(error_code=WHOLE), None),
        (record(code=WHOLE, msg=text(), data=record(pin=WHOLE)), {"at": "/data/pin", "as": "six_digits"}),
        (record(otp=text(example="040213")), {"at": "/otp", "as": "six_digits"}),
        (record(otp=text(description="A six-digit code")), {"at": "/otp", "as": "six_digits"}),
        (record(otp=text(example="0402")), "/otp"),
    ],
)
def test_a_code_is_told_from_a_status(answer: Json, code: Any, tmp_path: Path) -> None:
    description = listing()
    start = record(["phone_number"], phone_number=text(example="+14158675309"))
    post = operation("Validate", content(answer), requestBody=json_body(start))
    description["paths"]["/caller-ids"]["post"] = post
    values, _ = draft(tmp_path, description)
    validate = values["operations"]["validate"]
    assert validate.get("code") == code
    assert values["validation"] == ("code_shown" if code else "unsupported")


@pytest.mark.parametrize(("path", "has_warning"), [("/caller-ids", False), ("/numbers", True)])
def test_a_delete_that_may_cost_a_number(path: str, has_warning: bool, tmp_path: Path) -> None:
    description = listing()
    one = {"delete": operation("Remove", {"description": "-"}, status=204)}
    description["paths"] = {path: description["paths"]["/caller-ids"], f"{path}/{{id}}": one}
    _, shown = draft(tmp_path, description)
    assert ("delete: does it cancel a rented number?" in shown) == has_warning


def test_a_list_that_is_a_post(tmp_path: Path) -> None:
    body = record(
        ["kind"], kind=text(enum=["own"]), limit=WHOLE | {"maximum": 9}, offset=WHOLE, number=text()
    )
    answer = content(record(result=array(NUMBER), total_count=WHOLE))
    post = operation("All", answer, operationId="listCallerIds", requestBody=json_body(body))
    description = listing() | {"paths": {"/GetCallerIDs": {"post": post}}}
    values, _ = draft(tmp_path, description)
    found = values["operations"]["list"]
    assert (found["method"], found["path"], found["items"]) == ("POST", "/GetCallerIDs", "/result")
    assert found["json"] == {"kind": {"constant": "own"}}
    assert found["page_size"] == {"parameter": "limit", "max": 9}
    assert found["paging"] == {"strategy": "offset", "parameter": "offset"}
    assert found["filters"]["phone_number"] == {
        "mode": "server_superset",
        "parameter": "number",
        "as": "e164",
    }
    assert found["total"] == {"strategy": "pointer", "at": "/total_count"}


def test_parameters_in_an_object(tmp_path: Path) -> None:
    page = query(
        "page", record(number=WHOLE | {"minimum": 1}, size=WHOLE | {"maximum": 50}), style="deepObject"
    )
    values, _ = draft(tmp_path, listing(page, total=WHOLE))
    found = values["operations"]["list"]
    assert found["page_size"] == {"parameter": "page[size]", "max": 50}
    assert found["paging"] == {"strategy": "page_number", "parameter": "page[number]", "base": 1}


# Swagger 2.0


def test_swagger_2(tmp_path: Path) -> None:
    number = {"$ref": "#/definitions/Number"}
    own = {"name": "id", "in": "path", "required": True, "type": "string", "format": "uuid"}
    description = {
        "swagger": "2.0",
        "info": {"title": "Old", "version": "1"},
        "host": "api.old.example",
        "basePath": "/v1/",
        "schemes": ["https"],
        "securityDefinitions": {"key": KEY},
        "security": [{"key": []}],
        "definitions": {"Number": NUMBER, "Failure": record(code=WHOLE, message=text())},
        "paths": {
            "/callerIds": {
                "get": {
                    "parameters": [
                        {"name": "offset", "in": "query", "type": "integer"},
                        {"name": "limit", "in": "query", "type": "integer", "maximum": 50},
                        {"name": "number", "in": "query", "type": "string"},
                    ],
                    "responses": {
                        "200": {"description": "-", "schema": record(items=array(number), total=WHOLE)},
                        "default": {"description": "-", "schema": {"$ref": "#/definitions/Failure"}},
                    },
                }
            },
            "/callerIds/{id}": {
                "parameters": [own],
                "get": {"responses": {"200": {"description": "-", "schema": number}}},
                "put": {
                    "parameters": [{"name": "label", "in": "formData", "type": "string", "required": True}],
                    "responses": {"200": {"description": "-", "schema": number}},
                },
                "delete": {"responses": {"204": {"description": "-"}}},
            },
        },
    }
    values, shown = draft(tmp_path, description)
    assert values["base_url"] == "https://api.old.example/v1"
    assert values["auth"] == {"scheme": "header", "name": "X-Api-Key"}
    found = values["operations"]
    assert found["list"]["items"] == "/items"
    assert found["list"]["page_size"] == {"parameter": "limit", "max": 50}
    assert found["list"]["paging"] == {"strategy": "offset", "parameter": "offset"}
    assert found["list"]["total"] == {"strategy": "pointer", "at": "/total"}
    assert found["rename"] == {"method": "PUT", "path": "/callerIds/{id}", "form": {"label": "friendly_name"}}
    assert values["errors"] == {"code": "/code", "message": "/message"}
    assert "label: friendly_name # guessed from #/paths/~1callerIds~1{id}/put/parameters/0\n" in shown
