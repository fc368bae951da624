"""What goes to an upstream and what comes back, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to an upstream."""

    method: str
    url: str
    """Absolute and percent-encoded."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer to a Call."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; those that profiles and fault rules look at."""

    @property
    def is_error(self) -> bool:
        """Whether the status alone says that the call failed."""
        return self.status >= HTTPStatus.BAD_REQUEST
