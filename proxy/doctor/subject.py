"""One account under examination: its settings, its upstream, and what is known of both so far."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from proxy.config.settings import UpstreamSettings
from proxy.config.yaml_source import Source
from proxy.doctor.exchanges import Record, RecordingSender
from proxy.doctor.verdicts import Verdict
from proxy.errors import LegacyError
from proxy.model import NO_CALLER_IDS, Account, CallerId, CallerIds
from proxy.net.addresses import Address
from proxy.profile.conversions import READ
from proxy.profile.language import ProfileSettings
from proxy.profile.pointers import compile_pointers
from proxy.profile.profile import Profile
from proxy.upstream.api import Upstream
from proxy.upstream.route import UpstreamRoute


@dataclass(slots=True)
class Subject:
    """What the checks examine. They run one after the other; later ones use what earlier ones have found."""

    account: Account
    settings: UpstreamSettings
    language: ProfileSettings
    source: Source
    """The profile's file."""
    profile: Profile
    upstream: Upstream
    route: UpstreamRoute
    sender: RecordingSender
    record: Record
    renamed_sid: str = ""
    """The caller ID that is renamed there and back; none is, where this is empty."""
    called_number: str = ""
    """The number that a validation call is placed to, E.164; none is, where this is empty."""
    addresses: Sequence[Address] = ()
    """Of the host that is connected to, once it has been looked up."""
    listed: CallerIds = NO_CALLER_IDS
    """The whole list, once `is_listed`."""
    is_listed: bool = False
    items: Sequence[Any] = field(default_factory=list)
    """The same as the upstream's JSON has it, without what `include_when` leaves out."""
    left_out: int = 0
    """How many items `include_when` leaves out."""
    totals: Sequence[int | None] = field(default_factory=list)
    """What each page of the list states."""
    errors: dict[str, LegacyError] = field(default_factory=dict)
    """By the key of the check that has to tell it."""

    def explain(self, error: LegacyError) -> str:
        """Return what is wrong, with the line of the profile."""
        error.line = error.line or self.source.find_line(error.key_path)
        return error.describe()

    def line_of(self, *key_path: str | int) -> str:
        return self.source.find_line(key_path)

    def read_ids(self) -> Sequence[str]:
        """Return the upstream's id of each item."""
        field = self.language.caller_id.id
        find, read = compile_pointers(field.at), READ[field.as_]
        return [str(read(find(item))) for item in self.items]

    def pick(self) -> CallerId | None:
        """Return a caller ID from the middle of the list, None where the list is empty."""
        middle = len(self.listed) // 2
        return next(iter(self.listed[middle : middle + 1]), None)


Run = Callable[[Subject], Awaitable[Verdict]]


class Check(NamedTuple):
    """A check, which makes no sense where one that it needs has failed."""

    key: str
    run: Run
    needs: Sequence[str] = ()
    reads_list: bool = False
    """Whether it is about caller IDs of the list."""
