"""URI templates (RFC 6570) that are parsed once and filled in often. Pure."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import uritemplate

_EXPRESSION = re.compile(r"\{[^{}]*\}")


@lru_cache(maxsize=1024)
def filler(template: str) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that writes values into a template."""
    form = "%s".join(text.replace("%", "%%") for text in _EXPRESSION.split(template))
    gaps = [_gap(expression) for expression in _EXPRESSION.findall(template)]
    return lambda values: form % tuple([gap(values) for gap in gaps])


def _gap(expression: str) -> Callable[[Mapping[str, Any]], str]:
    """Leave to the library what is not one plain name: it takes several times as long."""
    name = expression[1:-1]
    if not re.fullmatch(r"\w+", name):
        template = uritemplate.URITemplate(expression)
        return lambda values: template.expand(dict(values))
    return lambda values: "" if (value := values.get(name)) is None else _quoted(str(value))


def _quoted(text: str) -> str:
    return text if text.isascii() and text.isalnum() else quote(text, safe="")
