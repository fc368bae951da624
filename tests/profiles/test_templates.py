"""Paths are filled in as RFC 6570 says: as the library does it, whose own speed is the only thing wrong."""

from typing import Any

import pytest
import uritemplate
from hypothesis import given
from hypothesis import strategies as st

from proxy.profile.templates import compile_template

TEMPLATES = [
    "",
    "/plain",
    "/{account}/x/{id}.json",
    "/{id}{id}/{account}",
    "/%20/{id}%s/%",
    "/x/{+id}",
    "/x{/account,id}{?id,page}",
    "{/id}{;id}{.id}",
]


@pytest.mark.parametrize("template", TEMPLATES)
@given(st.dictionaries(st.sampled_from(["account", "id", "page"]), st.none() | st.integers() | st.text()))
def test_a_template(template: str, values: dict[str, Any]) -> None:
    assert compile_template(template)(values) == uritemplate.expand(template, values)
