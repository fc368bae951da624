"""Servers → the base URL and its variables; security schemes → how requests show credentials. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from proxy.drafts.description import DescribedRequest, Description, SecurityScheme, Server
from proxy.drafts.words import split_words
from proxy.drafts.writing import MISSING, Guess, guess_from, guess_without, leave_out
from proxy.profile.language import BaseUrl
from proxy.profile.rules import BUILT_IN

_BASE_URL: TypeAdapter[str] = TypeAdapter(BaseUrl)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NOT_PRODUCTION = re.compile("sandbox|staging|test|mock|localhost|127\\.0\\.0\\.1|dev", re.IGNORECASE)


def name_variable(name: str) -> str:
    """Return the name of a variable of the profile for a name in braces."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    return f"{plain}_name" if plain in BUILT_IN else plain


def guess_base_url(description: Description, request: DescribedRequest) -> tuple[Guess, Mapping[str, Guess]]:
    """Return the base URL of a request, and the variables in it."""
    servers = description.list_servers(request)
    if not servers:
        return leave_out("the URL that all paths come after: the description has no servers"), {}
    usual = [each for each in servers if not _NOT_PRODUCTION.search(f"{each.url} {each.about}")]
    chosen, *others = [*usual, *(each for each in servers if each not in usual)]
    url = _PLACEHOLDER.sub(lambda found: f"{{{name_variable(found[1])}}}", chosen.url)
    why = f"others: {', '.join(each.url for each in others[:5])}" if others else ""
    try:
        base_url = _BASE_URL.validate_python(url)
    except ValidationError:
        return leave_out(f"the whole URL: {chosen.place} is {chosen.url}"), {}
    variables = {
        name_variable(name): _guess_variable(chosen, name) for name in _PLACEHOLDER.findall(chosen.url)
    }
    return guess_from(chosen.place, base_url, why), variables


def _guess_variable(server: Server, name: str) -> Guess:
    node = server.variables.get(name)
    if node is None:
        return guess_without("", "the description gives no value: set it in proxy.yaml")
    default = node.text("default")
    choices = [str(each.value) for each in node.get("enum").list_items()]
    why = f"one of {', '.join(choices[:10])}" if choices else ""
    if not default or re.search(r"[{}<>\s]|your|example", default, re.IGNORECASE):
        return guess_from(node.place, "", f"set it in proxy.yaml{'; ' if why else ''}{why}")
    return guess_from(node.place, default, why)


def guess_auth(description: Description, request: DescribedRequest, *, is_account_of_caller: bool) -> Guess:
    """Return how requests show credentials.

    `is_account_of_caller` says that paths hold AccountSids as the 2008 API has them, so that the caller's own
    credentials may be meant.
    """
    required = description.list_security(request)
    if required is not None and not any(required):
        return guess_without({"scheme": "none"}, "the description asks for no credentials")
    alternatives = [each for each in required or () if each] or [
        [each] for each in description.list_schemes()
    ]
    if not alternatives:
        return Guess({"scheme": MISSING}, "look up how requests show credentials: nothing describes it")
    ranked = sorted(alternatives, key=_rank)
    chosen, others = ranked[0], ranked[1:]
    found = _write_schemes(chosen, is_account_of_caller=is_account_of_caller)
    if others:
        names = ", ".join(" and ".join(each.name for each in other) for other in others[:5])
        return Guess(found.value, f"{found.note}; others: {names}")
    return found


def _kind(scheme: SecurityScheme) -> str:
    node = scheme.node
    kind = node.text("type").lower()
    if kind == "http":
        return node.text("scheme").lower()
    return f"{kind} {node.text('in').lower()}" if kind == "apikey" else kind


def _rank(schemes: Sequence[SecurityScheme]) -> int:
    """Return how late an alternative is chosen: after those with fewer schemes, and with simpler ones."""
    ranks = {kind: rank for rank, kind in enumerate(_WRITERS)}
    return max(ranks.get(_kind(each), len(ranks)) for each in schemes) + len(schemes) - 1


def _write_schemes(schemes: Sequence[SecurityScheme], *, is_account_of_caller: bool) -> Guess:
    kinds = [_kind(each) for each in schemes]
    place = schemes[0].node.place
    if len(schemes) > 1:
        if kinds in (["apikey header"] * 2, ["apikey query"] * 2):
            return _write_pair(schemes)
        names = " and ".join(each.name for each in schemes)
        return Guess({"scheme": MISSING}, f"look up which credentials are needed: {place} asks for {names}")
    if kinds == ["basic"] and is_account_of_caller:
        return guess_from(place, {"scheme": "caller"}, "the AccountSid is in the path, as in the old API")
    if (write := _WRITERS.get(kinds[0])) is not None:
        return write(schemes[0])
    what = f"{place} is {kinds[0]!r}"
    return Guess({"scheme": MISSING}, f"look up how requests show credentials: {what}")


def _write_pair(schemes: Sequence[SecurityScheme]) -> Guess:
    """Return the scheme of two keys, of which one is the name of the user."""
    names = [each.node.text("name") for each in schemes]
    user, secret = sorted(names, key=_rate_secrecy)
    kind, place = _kind(schemes[0]).partition(" ")[2], schemes[0].node.place
    if _rate_secrecy(user) == _rate_secrecy(secret):
        value = {"scheme": kind, "name": MISSING, "username": MISSING}
        return Guess(value, f"guessed from {place}; look up which of {' and '.join(names)} is the secret")
    return guess_from(place, {"scheme": kind, "name": secret, "username": user})


def _rate_secrecy(name: str) -> int:
    """Return how much a name is that of a secret, among others that belong to it."""
    words = split_words(name)
    return next((weight for word, weight in _SECRECY if word in words), 0)


_SECRECY = (("secret", 3), ("password", 3), ("token", 2), ("key", 1))


_AUTHORIZATION = re.compile(r"authorization[\"'`]?: *[\"'`]?(\w{2,20}) ", re.IGNORECASE)


def _write_header(scheme: SecurityScheme) -> Guess:
    node = scheme.node
    name = node.text("name") or MISSING
    if not isinstance(name, str) or name.lower() != "authorization":
        return guess_from(node.place, {"scheme": "header", "name": name})
    found = _AUTHORIZATION.search(node.text("description")[:4000])
    if found and found[1].lower() == "bearer":
        return guess_from(node.place, {"scheme": "bearer"})
    if found and found[1].lower() == "basic":
        return guess_from(node.place, {"scheme": "basic"})
    value = f"{found[1]} {{password}}" if found else MISSING
    why = "" if found else "; look up what is before the key, as in Bearer {password}"
    return Guess({"scheme": "header", "name": name, "value": value}, f"guessed from {node.place}{why}")


def _write_oauth2(scheme: SecurityScheme) -> Guess:
    node = scheme.node
    flow = node.get("flows", "clientCredentials")
    if flow.value is None and node.text("flow") == "application":  # Swagger 2.0
        flow = node
    if flow.value is None:
        return Guess({"scheme": MISSING}, f"look up how a program gets a token: {node.place} is for people")
    url = flow.text("tokenUrl")
    is_usable = url.startswith(("https://", "http://", "/")) and not re.search(r"[{}\s]", url)
    value = {
        "scheme": "oauth2",
        "token_url": url if is_usable else MISSING,
        "client": "basic",
        **({"scope": " ".join(scheme.scopes)} if scheme.scopes else {}),
    }
    why = "client may be body" if is_usable else f"look up the whole URL: it is {url!r} there"
    return Guess(value, f"guessed from {flow.place}: {why}")


def _write_query(scheme: SecurityScheme) -> Guess:
    return guess_from(scheme.node.place, {"scheme": "query", "name": scheme.node.text("name") or MISSING})


_WRITERS: Mapping[str, Callable[[SecurityScheme], Guess]] = {
    "basic": lambda scheme: guess_from(scheme.node.place, {"scheme": "basic"}),
    "bearer": lambda scheme: guess_from(scheme.node.place, {"scheme": "bearer"}),
    "apikey header": _write_header,
    "apikey query": _write_query,
    "oauth2": _write_oauth2,
}
"""The kinds of schemes, those first that are chosen first."""
