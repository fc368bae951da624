"""Signatures against the published test vectors of RFCs and vendors, and against other programs."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from proxy.model import Credentials
from proxy.profile.auth import compile_auth
from proxy.profile.calls import Call
from proxy.profile.signing import AwsSignature, Signed

NOW = datetime(2022, 4, 13, 18, 9, 12, tzinfo=UTC).timestamp()


def signed(
    call: Call,
    credentials: Credentials,
    now: float = NOW,
    *,
    variables: Mapping[str, str] | None = None,
    **auth: Any,
) -> Call:
    settings = Signed.model_validate({"scheme": "signed", **auth})
    authorize = compile_auth(settings, "https://x.example", variables or {})
    return authorize(call, credentials, account="acme").authorized(now, "")


# RFC 2202 (test case 2 of each) and RFC 4231 (test case 2)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("md5", "750c783e6ab0b503eaa86e310a5db738"),
        ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha384",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            "sha512",
            (
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            ),
        ),
    ],
)
def test_algorithms(algorithm: str, digest: str) -> None:
    auth: dict[str, Any] = {
        "algorithm": algorithm,
        "signature_encoding": "hex",
        "string_to_sign": "what do ya want for nothing?",
        "headers": {"X-Signature": "{signature}"},
    }
    call = signed(Call("GET", "https://x.example/"), Credentials("", "Jefe"), **auth)
    assert call.headers["X-Signature"] == digest


@pytest.mark.parametrize(
    ("encoding", "key"), [("text", "Jefe"), ("base64", "SmVmZQ=="), ("hex", "4a656665"), ("hex", "4A65 6665")]
)
@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("hex", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ("base64", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="),
        ("base64url", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM"),
        (
            "base64_of_hex",
            "NWJkY2MxNDZiZjYwNzU0ZTZhMDQyNDI2MDg5NTc1Yzc1YTAwM2YwODlkMjczOTgzOWRlYzU4Yjk2NGVjMzg0Mw==",
        ),
    ],
)
def test_encodings(encoding: str, key: str, form: str, shown: str) -> None:
    auth: dict[str, Any] = {
        "key_encoding": encoding,
        "signature_encoding": form,
        "string_to_sign": "what do ya want for nothing?",
        "query": {"signature": "{signature}"},
    }
    call = signed(Call("GET", "https://x.example/"), Credentials("", key), **auth)
    assert call.query == {"signature": shown}


# Azure Communication Services: the vectors of the vendor's SDK (azure-communication-identity, test_hmac.py)

AZURE: dict[str, Any] = {
    "key_encoding": "base64",
    "string_to_sign": "{method}\n{target}\n{http_date};{host};{body|sha256_base64}",
    "headers": {
        "x-ms-date": "{http_date}",
        "x-ms-content-sha256": "{body|sha256_base64}",
        "Authorization": "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}",
    },
}


@pytest.mark.parametrize(
    ("target", "signature"),
    [
        ("/", "88MDmJhUR3m5QhFxb8ztShsSwlGrg7g/6XPnWf7QEO4="),
        ("/testPath", "RoCrHjw7fb9fpHSbqvRUY2xa8RBS0YvI1cxI1x8AS38="),
        ("/testPath?testQuery=yes", "il99+rd6V5O136roX/zVePCNle78HmvC4B7tu9zRH3I="),
    ],
)
def test_azure_communication(target: str, signature: str) -> None:
    path, _, query = target.partition("?")
    parameters = dict([query.split("=")]) if query else {}
    address = f"https://contoso.communicationservices.azure.com{path}"
    call = signed(Call("GET", address, {}, parameters), Credentials("", "pw=="), **AZURE)
    shown = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
    assert call.headers == {
        "x-ms-date": "Wed, 13 Apr 2022 18:09:12 GMT",
        "x-ms-content-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "Authorization": shown,
    }


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("banana", "88EC05aAS9iXnaimtNO78JLjiPtfWryQB/5QYEzEsu8="),
        ("\U0001f600", "1rudJKjn2Zi+3hRrBG29wIF6pD6YyAeQR1ZcFtXoKAU="),
    ],
)
def test_texts_of_azure(text: str, signature: str) -> None:
    auth: dict[str, Any] = {"key_encoding": "base64", "string_to_sign": text, "headers": {"X": "{signature}"}}
    call = signed(Call("GET", "https://x.example/"), Credentials("", "pw=="), **auth)
    assert call.headers["X"] == signature


# Zadarma: the vendor publishes its algorithm as PHP, and no vectors

ZADARMA: dict[str, Any] = {
    "algorithm": "sha1",
    "signature_encoding": "base64_of_hex",
    "string_to_sign": "{path}{parameters}{parameters|md5}",
    "headers": {"Authorization": "{username}:{signature}"},
}
PHP = """
parse_str($argv[2], $params); ksort($params);
$line = http_build_query($params, '', '&', PHP_QUERY_RFC1738);
echo 'a-key:' . base64_encode(hash_hmac('sha1', $argv[1] . $line . md5($line), 's&cr t'));
"""


@pytest.mark.skipif(shutil.which("php") is None, reason="no php")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"format": "json"},
        {"id": "100", "caller_id": "+1 415 867-5309", "format": "json"},
        {"name": "Café & Söhne/\U0001f600", "Zone": "x", "a": "="},
    ],
)
def test_zadarma(method: str, parameters: Mapping[str, str]) -> None:
    call = Call(method, "https://api.example/v1/sip/callerid/")
    call = (
        call._replace(query=parameters)
        if method == "GET"
        else call._replace(body=parameters, body_type="form")
    )
    came = signed(call, Credentials("a-key", "s&cr t"), **ZADARMA).headers["Authorization"]
    form = call._replace(method="GET", body_type=None, query=parameters).url.partition("?")[2]
    command = ["php", "-r", PHP, "--", "/v1/sip/callerid/", form]
    assert came == subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


# Values


def test_values() -> None:
    call = Call("POST", "https://x.example:8443/v1/a%20b", {}, {"z": "1", "a": "x y"}, {"m": "é"}, "form")
    names = [
        "method",
        "url",
        "host",
        "path",
        "query",
        "target",
        "parameters",
        "body",
        "content_type",
        "username",
        "account",
        "http_date",
        "iso_date",
        "seconds",
        "milliseconds",
        "username|upper",
        "username|lower",
        "host|encoded",
        "username|base64",
        "region",
    ]
    came = signed(
        call,
        Credentials("Me{path}", "secret"),
        NOW + 0.25,
        variables={"region": "eu"},
        string_to_sign="x",
        headers={str(n): f"{{{name}}}" for n, name in enumerate(names)},
        body={"s": "{signature}"},
    )
    assert dict(zip(names, came.headers.values(), strict=True)) == {
        "method": "POST",
        "url": "https://x.example:8443/v1/a%20b?z=1&a=x+y",
        "host": "x.example:8443",
        "path": "/v1/a%20b",
        "query": "z=1&a=x+y",
        "target": "/v1/a%20b?z=1&a=x+y",
        "parameters": "a=x+y&m=%C3%A9&z=1",
        "body": "m=%C3%A9",
        "content_type": "application/x-www-form-urlencoded",
        "username": "Me{path}",
        "account": "acme",
        "http_date": "Wed, 13 Apr 2022 18:09:12 GMT",
        "iso_date": "2022-04-13T18:09:12Z",
        "seconds": "1649873352",
        "milliseconds": "1649873352250",
        "username|upper": "ME{PATH}",
        "username|lower": "me{path}",
        "host|encoded": "x.example%3A8443",
        "username|base64": "TWV7cGF0aH0=",
        "region": "eu",
    }
    assert list(came.body) == ["m", "s"]


def test_what_is_added_before_the_signature_is_signed() -> None:
    auth: dict[str, Any] = {
        "signature_encoding": "hex",
        "string_to_sign": "{query}",
        "query": {"sig": "{signature}", "at": "{seconds}"},
    }
    came = signed(Call("GET", "https://x.example/", {}, {"a": "1"}), Credentials("", "Jefe"), **auth)
    other: dict[str, Any] = {**auth, "string_to_sign": "a=1&at=1649873352"}
    same = signed(Call("GET", "https://x.example/", {}, {"a": "1"}), Credentials("", "Jefe"), **other)
    assert came.query == same.query
    assert list(came.query) == ["a", "at", "sig"]


def test_a_nonce_is_for_one_sending() -> None:
    auth = compile_auth(
        Signed.model_validate(
            {"scheme": "signed", "string_to_sign": "{nonce}", "headers": {"N": "{nonce}", "S": "{signature}"}}
        )
    )
    call = auth(Call("GET", "https://x.example/"), Credentials("", "x"))
    sent = [call.authorized(NOW, "").headers for _ in range(3)]
    assert len({each["N"] for each in sent}) == len({each["S"] for each in sent}) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", each["N"]) for each in sent)


# AWS: the vendor's test suite for Signature Version 4

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
EXAMPLE = "https://example.amazonaws.com"


def signed_for_aws(call: Call, service: str, session_token: str = "") -> Mapping[str, str]:
    auth = AwsSignature(scheme="aws", service=service, region="{region}")
    authorize = compile_auth(auth, EXAMPLE, {"region": "us-east-1"})
    with time_machine.travel(AT, tick=False):
        return authorize(call, Credentials(KEY_ID, SECRET, session_token)).authorized(0, "").headers


@pytest.mark.parametrize(
    ("call", "names", "signature"),
    [
        (
            Call("GET", f"{EXAMPLE}/"),
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            Call("GET", f"{EXAMPLE}/", {}, {"Param2": "value2", "Param1": "value1"}),
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            Call("GET", f"{EXAMPLE}/", {}, {"\u1234": "bar"}),
            "host;x-amz-date",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            Call("POST", f"{EXAMPLE}/"),
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            Call("POST", f"{EXAMPLE}/", {}, {}, {"Param1": "value1"}, "form"),
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=[
        "get-vanilla",
        "get-vanilla-query-order",
        "get-vanilla-utf8-query",
        "post-vanilla",
        "post-x-www-form",
    ],
)
def test_aws(call: Call, names: str, signature: str) -> None:
    headers = signed_for_aws(call, "service")
    assert headers == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}",
    }


def test_the_example_of_aws_documentation() -> None:
    """IAM's ListUsers, from the page on how a signature is made."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    query = {"Action": "ListUsers", "Version": "2010-05-08"}
    call = Call("GET", "https://iam.amazonaws.com/", headers, query)
    came = signed_for_aws(call, "iam")
    assert came["Authorization"].endswith(
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def test_temporary_credentials_of_aws() -> None:
    came = signed_for_aws(Call("GET", f"{EXAMPLE}/"), "service", "session")
    assert came["X-Amz-Security-Token"] == "session"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in came["Authorization"]


def test_a_space_in_a_query_for_aws() -> None:
    """It is %20 in what is signed, so it has to be that in what is sent."""
    auth = AwsSignature(scheme="aws", service="chime", region="us-east-1")
    call = compile_auth(auth)(Call("GET", f"{EXAMPLE}/a", {}, {"q": "a b+c~é"}), Credentials(KEY_ID, SECRET))
    assert call.authorized(0, "").url == f"{EXAMPLE}/a?q=a%20b%2Bc~%C3%A9"
