"""Where a call holds credentials: in a header, in the query or in the body. Pure."""

from collections.abc import Callable, Mapping
from typing import Literal

from proxy.profile.base import Frozen, Name
from proxy.profile.calls import Call

Part = Literal["header", "query", "body"]

ADD: Mapping[Part, Callable[[Call, Mapping[str, str]], Call]] = {
    "header": lambda call, shown: call._replace(headers={**call.headers, **shown}),
    "query": lambda call, shown: call._replace(query={**call.query, **shown}),
    "body": lambda call, shown: call.with_parameters(shown),
}
"""Return a call with headers or parameters that hold credentials."""


class ShownToken(Frozen):
    """Where a token is shown (RFC 6750 section 2)."""

    place: Part = "header"
    name: Name = "Authorization"
    """The header or the parameter that holds the token."""
    value: Name = "Bearer {token}"
    """Its content; in the query and the body, the token alone by default."""

    @property
    def template(self) -> str:
        is_plain = self.place != "header" and "value" not in self.model_fields_set
        return "{token}" if is_plain else self.value

    def show(self, call: Call, token: str) -> Call:
        """Return a call that shows `token`."""
        return ADD[self.place](call, {self.name: self.template.replace("{token}", token)})
