"""What a profile offers, in words."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from proxy.config.loading import read_profile
from proxy.profile.language import FromList, ProfileSettings, ValidationMode

_VALIDATION: Mapping[ValidationMode, str] = {
    "code_shown": "the code is shown",
    "code_on_phone": "the call speaks the code",
    "unsupported": "no validation calls",
}


class ProfileDescription(NamedTuple):
    """What a person has to know to choose a profile."""

    name: str
    file: str
    checked_against: str
    base_url: str
    auth: str
    """The scheme of the credentials."""
    variables: Mapping[str, str]
    validation: ValidationMode
    left_out: Mapping[str, str]
    """Operations that the vendor does not offer, and why."""
    filters: Mapping[str, str]
    """The mode of each filter."""
    pages: str

    @property
    def summary(self) -> str:
        """One line."""
        left_out = f"; without {', '.join(self.left_out)}" if self.left_out else ""
        return f"{self._describe_validation()}{left_out}"

    def _describe_validation(self) -> str:
        if self.validation == "unsupported" and "validate" not in self.left_out:
            return f"{_VALIDATION['code_on_phone']}, if validation: code_on_phone says so"
        return _VALIDATION[self.validation]

    def write(self) -> Iterator[str]:
        """Yield the lines for a person."""
        rows = [
            ("profile", self.name),
            ("file", self.file),
            ("checked against", self.checked_against),
            ("base URL", self.base_url),
            ("credentials", self.auth),
            *(
                ("variable", f"{name}{f' (default {text})' if text else ''}")
                for name, text in self.variables.items()
            ),
            ("validation", self._describe_validation()),
            ("pages", self.pages),
            *((f"filter {name}", mode) for name, mode in self.filters.items()),
            *((f"no {name}", reason) for name, reason in self.left_out.items()),
        ]
        width = max(len(name) for name, _ in rows)
        yield from (f"{name:{width}}  {text}" for name, text in rows)

    def to_json(self) -> Mapping[str, Any]:
        return {**self._asdict(), "summary": self.summary}


def describe(name: str) -> ProfileDescription:
    """Describe a shipped profile, or one in a file; ConfigurationError for a missing or invalid one."""
    found = read_profile(name, Path(), {})
    profile = found.profile
    filters = profile.operations.list.filters
    return ProfileDescription(
        name,
        found.source.file,
        profile.checked_against,
        profile.base_url,
        profile.auth.scheme,
        profile.variables,
        profile.validation,
        profile.operations.left_out(),
        {"PhoneNumber": filters.phone_number.mode, "FriendlyName": filters.friendly_name.mode},
        _describe_pages(profile),
    )


def _describe_pages(profile: ProfileSettings) -> str:
    endpoint = profile.operations.list
    how = (
        "each by itself, with the vendor's total"
        if endpoint.has_direct_pages()
        else "cut from the whole list, which is counted"
    )
    one = (
        "; one caller ID is looked for in the list" if isinstance(profile.operations.fetch, FromList) else ""
    )
    return f"{endpoint.paging.strategy} of at most {endpoint.page_size.max}: {how}{one}"
