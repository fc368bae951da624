"""Every regular expression of the program takes time in proportion to its text, whatever a stranger writes.

The expressions are found in the source text. Worst cases are derived from the structure of each: what it
repeats, what comes before, and endings that do not match.
"""

import ast
import importlib
import itertools
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

PROXY = Path(__file__).parents[2] / "proxy"
MOST = 0.010  # seconds of CPU

# What an expression reads, in bytes or characters
OPERATOR: Final = 0
"""What the operator, the vendor's profile or the program itself has written."""
LINE = 16 * 1024  # of a request, as long as it may become before it is refused
HEADER = 8190  # of a request, as its target
BODY = 64 * 1024  # of a request
FIELD = 4096  # of a form or a query
ANSWER_HEADER = 32 * 1024  # of an upstream
VALUE = 128 * 1024  # in an answer of an upstream: most expressions stop early
WRITTEN = 256  # as people write a number or a date
TOKEN = 8 * 1024
URL = 64 * 1024  # of a call, percent-encoded
REPLY = 64 * 1024  # of Redis

FIELDS: Mapping[str, Mapping[str, int] | int] = {
    "cache/redis_pipeline": {
        "_IS_CLUSTER": REPLY,
        "_IS_MASTER": REPLY,
        "_REPLICATION_ID": REPLY,
        "'[A-Z]+\\\\b'": 64,
    },
    "cli/doctor": OPERATOR,
    "config/checking": OPERATOR,
    "config/cross_checks": OPERATOR,
    "config/settings": OPERATOR,
    "config/starting": OPERATOR,
    "config/yaml_mistakes": OPERATOR,
    "config/yaml_source": OPERATOR,
    **{
        f"conversations/{name}": OPERATOR
        for name in ("comparing", "messages", "parsing", "placeholders", "preparing")
    },
    # Of an operator's file: the texts are a vendor's, and bounded, but no server reads them
    "drafts/access": OPERATOR,
    "drafts/candidates": OPERATOR,
    "drafts/paging": OPERATOR,
    "drafts/parameters": OPERATOR,
    "drafts/requests": OPERATOR,
    "drafts/shapes": OPERATOR,
    "drafts/words": OPERATOR,
    "drafts/writing": OPERATOR,
    "explain/messages": OPERATOR,
    "legacy/credentials": {"_BASIC": HEADER, "_CONTROLS": HEADER},
    "legacy/formats": {
        "_READABLE": FIELD,
        "_ELSEWHERE": FIELD,
        "_NANP": VALUE,
        "_ALL_NANP": VALUE,  # of a thousand rows: it stops at the first other number
    },
    "legacy/forms": {"_CHARSET": HEADER, "_XML_ENCODING": BODY},
    "legacy/html": {"'(?<!^)(?=[A-Z])'": OPERATOR},
    "legacy/requests": {
        "_PATH": HEADER,
        "_SUFFIX": HEADER,
        "_VERSION": HEADER,
        "_ACCOUNT": HEADER,
        "_ABSOLUTE_FORM": HEADER,
        "_DIGITS": FIELD,
        "_LINE_BREAK": FIELD,
        "_UNPRINTABLE": FIELD,
        "_UP_TO_SIXTY": FIELD,
    },
    "legacy/text": {"_ILLEGAL": 64 * 1024},
    "net/addresses": OPERATOR,
    "net/redis_url": OPERATOR,
    "process/heartbeats": OPERATOR,
    "profile/account_values": OPERATOR,
    "profile/auth": OPERATOR,
    "profile/auth_rules": OPERATOR,
    "profile/base": OPERATOR,
    "profile/consistency": OPERATOR,
    "profile/conversions": {
        "'-?[0-9]{1,20}'": VALUE,
        "'[+-]?[0-9]{1,20}'": FIELD,
        "'[0-9]{6}'": VALUE,
        "'[\\ud800-\\udfff]'": TOKEN,
        "'[1-9][0-9]{6,14}'": VALUE,
        "'[0-9]{10}'": VALUE,
        "'\\\\+1[0-9]{10}'": VALUE,
        "'[\\\\s().\\\\-/]'": WRITTEN,
        "'\\\\+[1-9][0-9]{6,14}|(1?)([2-9][0-9]{9})'": VALUE,
        "_RFC_2822": VALUE,
        "_ISO_8601": VALUE,
        "'(-?[0-9]{1,18})(\\\\.[0-9]*)?'": WRITTEN,
        "_ISO_8601_END": VALUE,
        "'\\\\+1([0-9]{3})([0-9]{3})([0-9]{4})'": VALUE,
        "'\\\\([0-9]{3}\\\\) [0-9]{3}-[0-9]{4}|\\\\+[0-9]+'": FIELD,
    },
    "profile/faults": {"'[0-9]{1,9}'": 10, "_ADDRESS": 256},
    "profile/filters": {"'[{}]'": OPERATOR, "_WORD": FIELD, "_NOT_EXACT": FIELD},
    "profile/ids": {
        "'[A-Za-z0-9_-]{21}[AQgw]'": VALUE,
        "_UNSAFE": VALUE,
        "_HEX32": VALUE,
        "_HEX32_UPPER": VALUE,
        "f'[0-7][{_BASE_32}]{{25}}'": VALUE,
        "_E164": VALUE,
        "_HEX24": VALUE,
        "_INTEGER": VALUE,
    },
    "profile/language": OPERATOR,
    "profile/numbers": {
        "E164": VALUE,
        "_PLAIN": VALUE,
        "_DIGIT": VALUE,
        "'0[0-9]*'": WRITTEN,
        "_SEPARATORS": WRITTEN,
        "_UNPRINTABLE": WRITTEN,
        "_EXTENSION": WRITTEN,
    },
    "profile/oauth2": {"_TOKEN": VALUE, "_TEXT_NUMBER": VALUE},
    "profile/paging": {
        "'\\\\s*\\\\S+ .*/([0-9]{1,18})\\\\s*'": ANSWER_HEADER,
        "_LINK_TARGET": ANSWER_HEADER,
        "_LINK_PARAMETER": ANSWER_HEADER,
        "_LINK_END": ANSWER_HEADER,
        "_ESCAPED": ANSWER_HEADER,
        "'[0-9]{1,18}'": 19,
    },
    "profile/pointer_rules": OPERATOR,
    "profile/pointers": OPERATOR,
    "profile/request_rules": OPERATOR,
    "profile/rules": OPERATOR,
    "profile/signing": OPERATOR,
    "profile/templates": OPERATOR,
    # What a proxy passes on
    "sandbox/paging": {"'(PA|PB)([0-9a-f]{16})[0-9a-f]{16}'": FIELD},
    "sandbox/parameters": {
        "'[ ().-]'": FIELD,
        "'\\\\+[1-9][0-9]{7,14}'": FIELD,
        "'[0-9]{1,2}'": FIELD,
        "'0*[1-9][0-9]{0,99}'": FIELD,
        "'[0-9]{1,18}'": FIELD,
    },
    "server/code_page": {"'[\\\\s-]'": FIELD},
    "server/intake": {
        "_BEYOND_ASCII": LINE,
        "_VERSION": LINE,
        "_PLAIN_LINE": BODY,
        "_CHUNKS_END": BODY,
        "_HEXADECIMAL": BODY,
        "_PLAIN_CHUNK": BODY,
        "_LINE_BREAKS": BODY,
        "_REQUEST_LINE": LINE,
        "_HEADER": LINE,
    },
    "server/metrics": {"_HOST": HEADER},
    "server/peers": {"_WITH_PORT": HEADER},
    "server/responses": {"_CONTROLS": HEADER},
    "server/startup_checks": OPERATOR,
    "upstream/cooldowns": {"_GMT": ANSWER_HEADER, "_ASCTIME": ANSWER_HEADER, "'[0-9]+'": ANSWER_HEADER},
    "upstream/encoding": {"_URL": URL},
}
"""By module: the limit of each expression by its name, or by its source text where it has none."""

FUNCTIONS = frozenset(
    ("compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
)
REPEATING = FUNCTIONS - {"compile", "match", "fullmatch", "search"}


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression of the program."""

    module: str
    name: str
    pattern: str | bytes
    flags: int
    uses: frozenset[str]
    """Methods by which it reads."""

    @property
    def limit(self) -> int | None:
        """How much it reads; None where that is not declared."""
        fields = FIELDS.get(self.module)
        return fields if isinstance(fields, int) else (fields or {}).get(self.name)


def find_calls(tree: ast.Module) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield the name, if any, and the function of every call of the module `re`."""
    names: dict[int, str] = {}
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                names[id(value.value if isinstance(value, ast.Attribute) else value)] = name
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=function)):
                if function in FUNCTIONS:
                    yield names.get(id(node), "") if function == "compile" else "", function, node


def expressions_of(file: Path) -> Iterator[Expression]:
    module = file.relative_to(PROXY).with_suffix("").as_posix()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    methods = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    calls = list(find_calls(tree))
    if not calls or FIELDS.get(module) == OPERATOR:
        return
    # What is in its namespace, an expression may be made of
    namespace = vars(importlib.import_module(f"proxy.{module.replace('/', '.')}"))
    for name, function, call in calls:
        pattern = evaluate(call.args[0], namespace)
        flags = [evaluate(each, namespace) for each in call.args[1:] if function == "compile"]
        used = frozenset(attribute for of, attribute in methods if of == name and attribute in FUNCTIONS)
        uses = (used or {"match", "fullmatch"}) if function == "compile" else {function}
        yield Expression(
            module, name or ast.unparse(call.args[0]), pattern, sum(map(int, flags)), frozenset(uses)
        )


def evaluate(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), "", "eval"), dict(namespace))


@cache
def expressions() -> Sequence[Expression]:
    return [each for file in sorted(PROXY.rglob("*.py")) for each in expressions_of(file)]


# Worst cases

_parser: Any = importlib.import_module("re._parser")
_CATEGORIES = {"SPACE": " ", "DIGIT": "0", "WORD": "a"}
_WORST = 50  # cases that are tried in full
_ENDINGS = ("", "\0", "\n")


def samples(tree: Any) -> Iterator[str]:
    """Yield characters that the parts of an expression match."""
    for operation, argument in tree:
        match str(operation):
            case "LITERAL":
                yield chr(argument)
            case "NOT_LITERAL":
                yield "x" if argument != ord("x") else "y"
            case "ANY":
                yield "x"
            case "IN":
                yield from samples_of_set(argument)
            case _:
                for inner in subtrees(argument):
                    yield from samples(inner)


def samples_of_set(members: Sequence[Any]) -> Iterator[str]:
    if str(members[0][0]) == "NEGATE":
        text = "".join(samples_of_set(members[1:]))
        yield next(each for each in "x ;\"<0,/='" if each not in text)
        return
    for kind, value in members:
        match str(kind):
            case "LITERAL":
                yield chr(value)
            case "RANGE":
                yield chr(value[0])
            case "CATEGORY":
                yield _CATEGORIES.get(str(value).removeprefix("CATEGORY_"), "x")


def subtrees(argument: Any) -> Iterator[Any]:
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for each in argument:
            yield from subtrees(each)


def shortest(tree: Iterable[Any]) -> str:
    """Return a short text that an expression, or the beginning of one, matches."""
    text = ""
    for operation, argument in tree:
        match str(operation):
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                text += next(samples([(operation, argument)]))
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                text += shortest(argument[2]) * argument[0]
            case "SUBPATTERN":
                text += shortest(argument[3])
            case "ATOMIC_GROUP":
                text += shortest(argument)
            case "BRANCH":
                text += shortest(argument[1][0])
    return text


def worst_cases(pattern: str | bytes, flags: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield beginnings, one or two texts that are each repeated behind them, and endings."""
    tree = _parser.parse(pattern, flags)
    characters = list(dict.fromkeys(samples(tree)))[:8]
    beginnings = list(dict.fromkeys(shortest(tree[:end]) for end in range(len(tree) + 1)))
    pairs = list(itertools.permutations(characters, 2))
    repeated = [(unit, "") for unit in (*characters, *map("".join, pairs), *beginnings) if unit]
    for first, second in dict.fromkeys((*repeated, *pairs)):
        for beginning in beginnings[:6]:
            for ending in _ENDINGS:
                yield beginning, first, second, ending


def cost(expression: Expression, text: Any) -> float:
    """Return the CPU time of reading `text`, in seconds."""
    compiled: Any = re.compile(expression.pattern, expression.flags)
    begun = time.thread_time()
    if expression.uses & REPEATING:
        compiled.sub(text[:0], text)
    if "search" in expression.uses:
        compiled.search(text)
    if "match" in expression.uses:
        compiled.match(text)
    if "fullmatch" in expression.uses:
        compiled.fullmatch(text)
    return time.thread_time() - begun


def write(case: tuple[str, str, str, str], size: int, like: str | bytes) -> Any:
    """Write a worst case of about that size, as `like` text or bytes."""
    beginning, first, second, ending = case
    count = max(0, size - len(beginning) - len(ending)) // (len(first) + len(second))
    text = beginning + first * count + second * count + ending
    return text.encode("latin-1") if isinstance(like, bytes) else text


def find_slow(expression: Expression, limit: int) -> str | None:
    """Return what makes an expression slow; nothing if it is fast up to `limit`."""
    cases = list(worst_cases(expression.pattern, expression.flags))
    for size in sorted({min(24, limit), min(512, limit), max(1, limit // 8), limit}):
        costs: list[tuple[float, tuple[str, str, str, str]]] = []
        for case in cases:
            text = write(case, size, expression.pattern)
            taken = cost(expression, text)
            # A busy machine adds some time to one measurement, not to each
            if taken > 20 * MOST or (taken > MOST and min(cost(expression, text) for _ in range(4)) > MOST):
                return "{!r}, again and again {!r} and {!r}, and {!r}".format(*case)
            costs.append((taken, case))
        cases = [case for _, case in sorted(costs, reverse=True)[:_WORST]]  # most others match nothing
    return None


@pytest.mark.parametrize(
    "expression", expressions(), ids=lambda expression: f"{expression.module}:{expression.name}"
)
def test_found_f5_an_expression_reads_in_linear_time(expression: Expression) -> None:
    limit = expression.limit
    assert limit is not None, "declare in FIELDS how much it reads"
    if limit != OPERATOR:
        assert find_slow(expression, limit) is None


def test_every_declared_expression_exists() -> None:
    found = {(each.module, each.name) for each in expressions()}
    declared = {
        (module, name) for module, names in FIELDS.items() if not isinstance(names, int) for name in names
    }
    assert declared <= found


def test_expressions_come_from_the_module_re_alone() -> None:
    """Only then are they found."""
    sources = [file.read_text(encoding="utf-8") for file in PROXY.rglob("*.py")]
    assert not [
        source
        for source in sources
        if re.search(r"^\s*(from re import|import re as|import regex)", source, re.MULTILINE)
    ]


SLOW = {
    "authority and path": (r'((?i:https?)://[^/?#]+)([!-"$-~]*)(?:#.*)?', "fullmatch", URL),
    "zeros": (r"0*([0-9]+)", "fullmatch", FIELD),
    "links": (
        r'<([^>]*)>((?:\s*;\s*[\w!#$&+\-.^`|~]+\*?\s*=\s*(?:"[^"]*"|[^\s;,]+))*)',
        "findall",
        ANSWER_HEADER,
    ),
    "strings": (r'"(?:[^"\\]|\\.)*+"', "sub", BODY),
    "spaces in a target": (r"(?<= ).+(?= HTTP/1\.[0-9]\r\n)", "sub", LINE),
    "nested repetition": (r"(?:[0-9]+,?)+", "fullmatch", FIELD),
}


@pytest.mark.parametrize(("pattern", "use", "limit"), SLOW.values(), ids=SLOW.keys())
def test_what_is_slow_is_found(pattern: str, use: str, limit: int) -> None:
    assert find_slow(Expression("", "", pattern, 0, frozenset({use})), limit) is not None
