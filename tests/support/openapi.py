"""Made-up OpenAPI descriptions of vendors that do not exist, and the profiles that are right for them.

Each vendor is of another shape; none is a copy of a real one.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A description, and a right profile as YAML."""

    name: str
    description: Json
    profile: str


def text(**words: Any) -> Json:
    return {"type": "string", **words}


def record(required: Sequence[str] = (), /, **properties: Any) -> Json:
    return {"type": "object", "properties": properties, **({"required": [*required]} if required else {})}


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def query(name: str, schema: Json, **words: Any) -> Json:
    return {"name": name, "in": "query", "schema": schema, **words}


def in_path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def content(schema: Json, media_type: str = "application/json", **beside: Any) -> Json:
    return {"description": "-", "content": {media_type: {"schema": schema, **beside}}}


def operation(
    summary: str, answer: Json, *, status: int = 200, errors: Json | None = None, **rest: Any
) -> Json:
    """Return a method of a path; `errors` are the answers by status."""
    return {"summary": summary, "responses": {str(status): answer, **(errors or {})}, **rest}


def document(version: str, title: str, paths: Json, *, server: str, **rest: Any) -> Json:
    return {
        "openapi": version,
        "info": {"title": title, "version": "1.4"},
        "servers": [{"url": server}],
        "paths": paths,
        **rest,
    }


# JSON:API, numbered pages, a bearer token


def _ringwell() -> Vendor:
    kind = "application/vnd.api+json"
    attributes = record(
        phone_number=text(description="In E.164 format", example="+14158675309"),
        label=text(nullable=True, maxLength=80),
        created_at=text(format="date-time"),
        updated_at=text(format="date-time"),
        state=text(enum=["pending", "verified"]),
    )
    number = record(
        ["id", "type", "attributes"],
        id=text(format="uuid"),
        type=text(enum=["outbound_numbers"]),
        attributes=attributes,
    )
    failure = {
        "4XX": content(
            record(errors=array(record(status=text(), code=text(), title=text(), detail=text()))), kind
        )
    }
    meta = record(total=text() | {"type": "integer"}, page_count={"type": "integer"})
    name_only = record(
        ["type", "id", "attributes"],
        type=text(enum=["outbound_numbers"]),
        id=text(format="uuid"),
        attributes=record(["label"], label=text()),
    )
    own = in_path("id", text(format="uuid"))
    paths = {
        "/available_numbers": {
            "get": operation(
                "Search numbers to buy",
                content(
                    record(data=array(record(id=text(), phone_number=text(example="+14155550100")))), kind
                ),
            )
        },
        "/outbound_numbers": {
            "get": operation(
                "List the verified caller IDs",
                content(record(data=array(ref("Number")), meta=meta), kind),
                errors=failure,
                parameters=[
                    query("page[number]", {"type": "integer", "minimum": 1}),
                    query("page[size]", {"type": "integer", "default": 20, "maximum": 100}),
                    query("filter[phone_number]", text(), description="An exact number in E.164 format"),
                ],
            )
        },
        "/outbound_numbers/{id}": {
            "parameters": [own],
            "get": operation("Read a number", content(record(data=ref("Number")), kind), errors=failure),
            "patch": operation(
                "Change a number",
                content(record(data=ref("Number")), kind),
                errors=failure,
                requestBody={"content": {kind: {"schema": record(["data"], data=name_only)}}},
            ),
            "delete": operation("Remove a number", {"description": "-"}, status=204, errors=failure),
        },
    }
    return Vendor(
        "ringwell",
        document(
            "3.0.3",
            "Ringwell",
            paths,
            server="https://api.ringwell.example/v2",
            security=[{"token": []}],
            components={
                "schemas": {"Number": number},
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        ),
        """\
base_url: https://api.ringwell.example/v2
headers: {Accept: application/vnd.api+json}
auth: {scheme: bearer}
ids: {codec: uuid}
validation: unsupported
operations:
  list:
    path: /outbound_numbers
    items: /data
    page_size: {parameter: "page[size]", max: 100}
    paging: {strategy: page_number, parameter: "page[number]", base: 1, count: /meta/total}
    filters:
      phone_number: {mode: server, parameter: "filter[phone_number]", as: e164}
    include_when: [{at: /attributes/state, equals: verified}]
  fetch: {method: GET, path: "/outbound_numbers/{id}", item: /data}
  rename:
    method: PATCH
    path: /outbound_numbers/{id}
    headers: {Content-Type: application/vnd.api+json}
    json:
      /data/attributes/label: friendly_name
      /data/type: {constant: outbound_numbers}
      /data/id: id
    item: /data
  delete: {method: DELETE, path: "/outbound_numbers/{id}"}
  validate: {unsupported: Nothing}
caller_id:
  id: /id
  friendly_name: {at: /attributes/label, default: null}
  phone_number: {at: /attributes/phone_number, as: e164}
  date_created: {at: /attributes/created_at, as: iso8601, default: null}
  date_updated: {at: /attributes/updated_at, as: iso8601, default: null}
errors:
  code: /errors/0/code
  message: [/errors/0/detail, /errors/0/title]
""",
    )


# A cursor in the body, nested data, an account in the path, composed schemas; codes are spoken


def _callico() -> Vendor:
    base = record(["id"], id={"type": "integer", "format": "int64"}, org_id={"type": "integer"})
    caller_id = {
        "allOf": [
            ref("Base"),
            record(
                ["number"],
                number=text(pattern="^\\+[1-9][0-9]{6,14}$"),
                display_name=text(),
                created={"type": "integer", "description": "Unix time in seconds"},
                modified={"type": "integer", "description": "Unix time in seconds"},
                verified={"type": "boolean"},
            ),
        ]
    }
    failure = {
        "default": content(record(error=record(code={"type": "integer"}, message=text(), request=text())))
    }
    page = record(
        items=array(ref("CallerId")),
        meta=record(
            next_cursor=text(nullable=True, description="Where to go on"), has_more={"type": "boolean"}
        ),
    )
    account = in_path("account_id", text())
    own = in_path("caller_id", {"type": "integer"})
    start = record(["number"], number=text(description="In E.164 format"), display_name=text())
    paths = {
        "/accounts/{account_id}/contacts": {
            "parameters": [account],
            "get": operation(
                "List contacts", content(array(record(id=text(), phone=text(example="+14155550100"))))
            ),
        },
        "/accounts/{account_id}/caller-ids": {
            "parameters": [account],
            "get": operation(
                "List caller IDs",
                content(record(data=ref("Page"))),
                errors=failure,
                parameters=[
                    query("cursor", text()),
                    query("limit", {"type": "integer"}, description="Items on a page, at most 200"),
                    query("number", text(), description="Finds numbers that contain these digits"),
                    query("name", text()),
                ],
            ),
            "post": operation(
                "Add a caller ID and call it",
                content(record(data=ref("CallerId"))),
                status=201,
                errors={**failure, "409": {"description": "There already"}},
                requestBody={"content": {"application/json": {"schema": start}}},
            ),
        },
        "/accounts/{account_id}/caller-ids/{caller_id}": {
            "parameters": [account, own],
            "get": operation("Read one", content(record(data=ref("CallerId"))), errors=failure),
            "put": operation(
                "Rename one",
                {"description": "-"},
                status=204,
                errors=failure,
                requestBody={"content": {"application/json": {"schema": record(display_name=text())}}},
            ),
            "delete": operation("Remove one", {"description": "-"}, status=204, errors=failure),
        },
        "/accounts/{account_id}/caller-ids/{caller_id}/verify": {
            "parameters": [account, own],
            "post": operation(
                "Verify the code that was heard",
                content(record(data=ref("CallerId"))),
                errors=failure,
                requestBody={
                    "content": {
                        "application/json": {"schema": record(["code"], code=text(minLength=4, maxLength=4))}
                    }
                },
            ),
        },
    }
    return Vendor(
        "callico",
        document(
            "3.0.0",
            "Callico",
            paths,
            server="https://{region}.callico.example",
            components={
                "schemas": {"Base": base, "CallerId": caller_id, "Page": page},
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        )
        | {
            "servers": [
                {
                    "url": "https://{region}.callico.example",
                    "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}},
                }
            ]
        },
        """\
base_url: https://{region}.callico.example
variables: {region: eu}
auth: {scheme: bearer}
ids: {codec: integer}
validation: unsupported
codes: {length: [4, 4]}
operations:
  list:
    path: /accounts/{account}/caller-ids
    items: /data/items
    page_size: {parameter: limit, max: 200}
    paging: {strategy: cursor, next: /data/meta/next_cursor, parameter: cursor, more: /data/meta/has_more}
    filters:
      phone_number: {mode: server_superset, parameter: number, as: e164}
      friendly_name: {mode: server_superset, parameter: name}
    include_when: [{at: /verified, equals: true}]
  fetch: {method: GET, path: "/accounts/{account}/caller-ids/{id}", item: /data}
  rename:
    method: PUT
    path: /accounts/{account}/caller-ids/{id}
    json: {display_name: friendly_name}
    item: null
  delete: {method: DELETE, path: "/accounts/{account}/caller-ids/{id}"}
  validate:
    method: POST
    path: /accounts/{account}/caller-ids
    json: {number: phone_number, display_name: friendly_name}
    friendly_name: {at: /data/display_name, default: null}
    pending: {at: /data/id, as: integer}
  verify:
    method: POST
    path: /accounts/{account}/caller-ids/{id}/verify
    json: {code: code}
caller_id:
  id: {at: /id, as: integer}
  friendly_name: {at: /display_name, default: null}
  phone_number: {at: /number, as: e164}
  date_created: {at: /created, as: epoch_seconds, default: null}
  date_updated: {at: /modified, as: epoch_seconds, default: null}
errors:
  code: /error/code
  message: /error/message
  map:
    - {status: 409, operation: validate, to_status: 400, to_code: 21450}
""",
    )


# Offsets, types as arrays of OpenAPI 3.1, a key in a header; codes are shown


def _dialtree() -> Vendor:
    number = record(
        ["ref", "msisdn"],
        ref=text(examples=["65f0c2a7b8d9e0f1a2b3c4d5"]),
        msisdn=text(examples=["14158675309"]),
        alias={"type": ["string", "null"]},
        added={"type": ["string", "null"], "format": "date"},
    )
    failure = {
        "400": content(record(message=text(), errno={"type": "integer"})),
        "422": content(record(message=text())),
    }
    call = record(
        ["msisdn"],
        msisdn=text(examples=["14158675309"]),
        alias=text(),
        delay={"type": "integer", "maximum": 60},
        channel=text(enum=["sms", "voice"]),
    )
    own = in_path("ref", text())
    paths = {
        "/numbers/": {
            "get": operation(
                "Own numbers that are validated",
                content(
                    record(
                        numbers=array(ref("Number")),
                        total={"type": ["integer", "null"]},
                        offset={"type": "integer"},
                    )
                ),
                errors=failure,
                parameters=[
                    query("limit", {"type": "integer", "maximum": 50}),
                    query("offset", {"type": "integer"}),
                    {"name": "X-Version", "in": "header", "required": True, "schema": {"const": "7"}},
                ],
            ),
        },
        "/numbers/{ref}/": {
            "parameters": [own],
            "get": operation("One number", content(record(number=ref("Number"))), errors=failure),
            "post": operation(
                "Name a number",
                content(record(number=ref("Number"))),
                errors=failure,
                requestBody={
                    "content": {"application/x-www-form-urlencoded": {"schema": record(alias=text())}}
                },
            ),
            "delete": operation("Give a number up", content(record(ok={"type": "boolean"})), errors=failure),
        },
        "/validations/": {
            "post": operation(
                "Call a number and ask for the code",
                content(record(pin=text(description="The code to show"), alias=text())),
                errors=failure,
                requestBody={"content": {"application/json": {"schema": call}}},
            )
        },
    }
    return Vendor(
        "dialtree",
        document(
            "3.1.0",
            "Dialtree",
            paths,
            server="https://dialtree.example/api/",
            security=[{"key": []}],
            components={
                "schemas": {"Number": number},
                "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Dialtree-Key"}},
            },
        ),
        """\
base_url: https://dialtree.example/api
auth: {scheme: header, name: X-Dialtree-Key}
ids: {codec: hex24}
validation: code_shown
operations:
  list:
    path: /numbers/
    headers: {X-Version: "7"}
    items: /numbers
    page_size: {parameter: limit, max: 50}
    paging: {strategy: offset, parameter: offset}
    total: {strategy: pointer, at: /total}
  fetch: {method: GET, path: "/numbers/{id}/", item: /number}
  rename: {method: POST, path: "/numbers/{id}/", form: {alias: friendly_name}, item: /number}
  delete: {method: DELETE, path: "/numbers/{id}/"}
  validate:
    method: POST
    path: /validations/
    json:
      msisdn: {from: phone_number, as: digits}
      alias: friendly_name
      delay: {from: call_delay, as: integer}
      channel: {constant: voice}
    code: /pin
    friendly_name: {at: /alias, default: null}
caller_id:
  id: /ref
  friendly_name: {at: /alias, default: null}
  phone_number: {at: /msisdn, as: digits}
  date_created: {at: /added, as: date, default: null}
  date_updated: {at: /added, as: date, default: null}
errors:
  code: /errno
  message: /message
  map:
    - {status: 422, to_status: 400}
""",
    )


VENDORS: Mapping[str, Vendor] = {each.name: each for each in (_ringwell(), _callico(), _dialtree())}


def changed(vendor: Vendor, *changes: tuple[Sequence[str | int], Any]) -> Json:
    """Return a description with other values at some places; None removes what is there."""
    found = copy.deepcopy(vendor.description)
    for path, value in changes:
        *above, last = path
        holder: Any = found
        for step in above:
            holder = holder[step]
        if value is None:
            del holder[last]
        else:
            holder[last] = value
    return found
