"""JWTs that are tokens themselves, over real sockets: a vendor verifies each of them with the public key."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support import leap
from support.wire import Answer, Message, ScriptedUpstream, json_answer, scripted_upstream

from proxy.errors import Reason
from proxy.model import Credentials
from proxy.process.assembly import create_token_memory
from proxy.profile.auth import compile_auth
from proxy.profile.calls import Call, NoReplyError
from proxy.profile.jwts import Jwt
from proxy.upstream.client import Client

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KEYS: Mapping[str, PrivateKey] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
SECRET = secrets.token_hex(32)


def pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class Vendor:
    """An API that verifies JWTs, and keeps their heads and claims."""

    upstream: ScriptedUpstream
    algorithm: str = "HS256"
    refused: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    audience: str | None = None

    @property
    def claims(self) -> list[dict[str, Any]]:
        return [jwt.decode(each, options={"verify_signature": False}) for each in self.tokens]

    def answer(self, message: Message) -> Answer:
        token = (message.header("Authorization") or "").removeprefix("Bearer ")
        self.tokens.append(token)
        key: Any = KEYS[self.algorithm].public_key() if self.algorithm in KEYS else SECRET
        try:
            options: Any = {"verify_exp": False, "verify_iat": False}  # the clock may be virtual
            jwt.decode(token, key, [self.algorithm], audience=self.audience, options=options)
        except jwt.InvalidTokenError:
            self.refused.add(token)
        if token in self.refused:
            return json_answer(401, b'{"message": "%b is bad"}' % token.encode()).encode()
        return json_answer(200, b"{}").encode()

    def call(self, who: Credentials | None = None, method: str = "GET", **auth: Any) -> Call:
        settings = Jwt.model_validate({"scheme": "jwt", "algorithm": self.algorithm, **auth})
        key = pem(KEYS[self.algorithm]) if self.algorithm in KEYS else SECRET
        call = Call(method, f"{self.upstream.url}/v1/x")
        return compile_auth(settings, f"{self.upstream.url}/v1", {"region": "eu"})(
            call, who or Credentials("me", "", key), "AC1", "acme"
        )


@asynccontextmanager
async def vendor(algorithm: str = "HS256") -> AsyncIterator[Vendor]:
    async with scripted_upstream() as upstream:
        found = Vendor(upstream, algorithm)
        upstream.otherwise = found.answer
        yield found


@pytest.mark.parametrize("algorithm", [*KEYS, "HS256"])
async def test_a_token_is_signed_once_for_many_calls(algorithm: str) -> None:
    async with vendor(algorithm) as it, Client() as client:
        replies = await asyncio.gather(*(client.send(it.call()) for _ in range(20)))
        assert {reply.status for reply in replies} == {200}
        (token,) = set(it.tokens)
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        claims = it.claims[0]
        assert claims.keys() == {"iss", "iat", "exp", "jti"}
        assert (claims["iss"], claims["exp"] - claims["iat"]) == ("me", 300)


PLACES: Mapping[str, tuple[str, dict[str, Any], str, str]] = {
    "query": ("GET", {"place": "query", "name": "jwt"}, r"\?jwt=([\w.-]+) ", ""),
    "query, in a text": (
        "GET",
        {"place": "query", "name": "t", "value": "j:{token}"},
        r"\?t=j%3A([\w.-]+) ",
        "",
    ),
    "body": ("POST", {"place": "body", "name": "jwt"}, "", r"x=1&jwt=([\w.-]+)"),
}


@pytest.mark.parametrize(("method", "auth", "start", "body"), PLACES.values(), ids=PLACES)
async def test_places_of_a_token(method: str, auth: dict[str, Any], start: str, body: str) -> None:
    async with vendor() as it, Client() as client:
        call = it.call(method=method, **auth)
        if body:
            call = call._replace(body={"x": "1"}, body_type="form")
        it.upstream.otherwise = lambda _: json_answer(200, b"{}").encode()
        await client.send(call)
        (received,) = it.upstream.received
        assert received.header("Authorization") is None
        found = re.search(start, received.start) if start else re.fullmatch(body, received.body.decode())
        assert found
        assert jwt.decode(found[1], SECRET, ["HS256"])["iss"] == "me"


LIKE: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Vonage": (
        {
            "issuer": "",
            "claims": {"application_id": "{username}", "acl": {"paths": {"/*/{account}/**": {}}}},
        },
        {"application_id": "me", "acl": {"paths": {"/*/{account}/**": {}}}},
    ),
    "Apple": (
        {"key_id": "{account}", "audience": "appstoreconnect-v1", "claims": {"scope": ["GET /{account}"]}},
        {"iss": "me", "aud": "appstoreconnect-v1", "scope": ["GET /acme"]},
    ),
    "GitHub": ({"backdate": 60, "lifetime": 600, "claims": {"jti": None}}, {"iss": "me", "jti": None}),
    "Zoom": (
        {"lifetime": 10, "claims": {"iat": None, "jti": None}},
        {"iss": "me", "iat": None, "jti": None},
    ),
    "several audiences": (
        {"subject": "{account}", "claims": {"aud": ["a", "{region}"], "level": 2, "on": True, "f": 1.5}},
        {"iss": "me", "sub": "acme", "aud": ["a", "eu"], "level": 2, "on": True, "f": 1.5},
    ),
}


@pytest.mark.parametrize(("auth", "expected"), LIKE.values(), ids=LIKE)
async def test_claims_of_vendors(auth: dict[str, Any], expected: dict[str, Any]) -> None:
    async with vendor("ES256") as it, Client() as client:
        it.audience = auth.get("audience") or ("eu" if "aud" in expected else None)
        assert (await client.send(it.call(**auth))).status == 200
        claims = it.claims[0]
        assert {name: claims.get(name) for name in expected} == expected
        assert claims.keys() <= {*expected, "iat", "exp", "jti"}
        assert jwt.get_unverified_header(it.tokens[0]).get("kid") == ("acme" if "key_id" in auth else None)
        if claims.get("iat"):
            assert claims["exp"] - claims["iat"] == auth.get("lifetime", 300)


@pytest.mark.parametrize(("lifetime", "backdate", "kept"), [(300, 0, 270), (3600, 0, 3540), (600, 60, 486)])
def test_a_token_is_made_anew_before_it_ends(lifetime: int, backdate: int, kept: int) -> None:
    """The clock of the loop is virtual."""

    async def play() -> None:
        async with vendor() as it, Client() as client:
            call = it.call(lifetime=lifetime, backdate=backdate)
            await client.send(call)
            await asyncio.sleep(kept - 5)
            await client.send(call)
            assert len(set(it.tokens)) == 1
            await asyncio.sleep(10)
            await client.send(call)
            assert len(set(it.tokens)) == 2

    leap.run(play())


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_refused_token_is_made_anew_once(method: str) -> None:
    async with vendor() as it, Client() as client:
        await client.send(it.call())
        it.refused = {*it.tokens}
        assert (await client.send(it.call(method=method))).status == 200
        assert [each in it.refused for each in it.tokens] == [True, True, False]


async def test_a_vendor_that_accepts_no_token_is_shown_two() -> None:
    async with vendor() as it, Client() as client:
        reply = await client.send(it.call(Credentials("me", "", "k" * 32)))
        assert reply.body == b'{"message": "******** is bad"}'
        assert (reply.status, len(set(it.tokens))) == (401, 2)


async def test_other_accounts_have_tokens_of_their_own() -> None:
    async with vendor() as it, Client() as client:
        for who in (Credentials("me", "", SECRET), Credentials("you", "", SECRET)) * 2:
            assert (await client.send(it.call(who))).status == 200
        await client.send(it.call(lifetime=60))
        assert len(set(it.tokens)) == 3
        assert [each["iss"] for each in it.claims] == ["me", "you", "me", "you", "me"]


async def test_workers_share_a_token() -> None:
    memory = create_token_memory()
    async with vendor() as it, Client(tokens=memory) as one, Client(tokens=memory) as other:
        for client in (one, other):
            assert (await client.send(it.call())).status == 200
        assert len(set(it.tokens)) == 1


async def test_the_header_is_the_profiles() -> None:
    async with vendor() as it, Client() as client:
        await client.send(it.call(name="X-Auth", value="JWT {token}"))
        message, _ = it.upstream.received  # the second with another token, since the vendor reads none
        assert re.fullmatch(r"JWT [\w-]+\.[\w-]+\.[\w-]+", message.header("X-Auth") or "")
        assert message.header("Authorization") is None


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("RS256", SECRET), ("RS256", pem(KEYS["ES256"])), ("ES256", pem(KEYS["RS256"])), ("EdDSA", "")],
    ids=["a secret", "a key of another kind", "the other way round", "nothing"],
)
async def test_a_key_that_does_not_sign_is_sent_nowhere(algorithm: str, key: str) -> None:
    async with vendor(algorithm) as it, Client() as client:
        with pytest.raises(NoReplyError) as raised:
            await client.send(it.call(Credentials("me", "", key)))
        error = raised.value
        assert (error.reason, error.key_path[0], error.was_sent) == (Reason.REQUEST, "auth", False)
        assert error.has_no_effect
        assert it.upstream.received == []
        assert key not in repr(error) + str(error) or not key
