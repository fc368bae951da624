"""URI templates (RFC 6570), compiled once and filled often. Pure."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import uritemplate

_EXPRESSION = re.compile(r"\{[^{}]*\}")


@lru_cache(maxsize=1024)
def compile_template(template: str) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that fills a template with values."""
    form = "%s".join(text.replace("%", "%%") for text in _EXPRESSION.split(template))
    gaps = [_compile_expression(expression) for expression in _EXPRESSION.findall(template)]
    return lambda values: form % tuple([gap(values) for gap in gaps])


def _compile_expression(expression: str) -> Callable[[Mapping[str, Any]], str]:
    """Compile one expression. The library, which is several times slower, does all but a plain name."""
    name = expression[1:-1]
    if not re.fullmatch(r"\w+", name):
        template = uritemplate.URITemplate(expression)
        return lambda values: template.expand(dict(values))
    return lambda values: "" if (value := values.get(name)) is None else _quote(str(value))


def _quote(text: str) -> str:
    return text if text.isascii() and text.isalnum() else quote(text, safe="")
