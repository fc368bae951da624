"""What tests against the stand-ins share: a proxy before one of them, and what the contract of 2008 shows."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from lxml import etree
from support.running import running_proxy
from support.seed import ACCOUNT
from support.wire import Message

from proxy.config import shipped_profiles
from vendors.client import Client, texts
from vendors.machinery import ASSERTION, Number, Vendor, listening

Kind = type[Vendor]
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


def date(seconds: int | None) -> str | None:
    return None if seconds is None else format_datetime(datetime.fromtimestamp(seconds, LOS_ANGELES))


def shown(vendor: Vendor, numbers: list[Number]) -> list[dict[str, str | None]]:
    """Return these numbers as the legacy API shows them, without Sids."""
    return [
        {
            "AccountSid": ACCOUNT,
            "FriendlyName": vendor.name_shown(number),
            "PhoneNumber": number.number.removeprefix("+1").removeprefix("+"),
            "DateCreated": date(vendor.dates_shown(number)[0]),
            "DateUpdated": date(vendor.dates_shown(number)[1]),
        }
        for number in numbers
    ]


def without_sids(items: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    sids = [item.pop("Sid") for item in items]
    assert len(set(sids)) == len(sids)
    assert all(sid and sid.startswith("PN") and len(sid) == 34 for sid in sids)
    return items


def attributes(total: int, page: int, size: int) -> dict[str, str]:
    first, last = page * size, min((page + 1) * size, total) - 1
    if first >= total:
        first = last = 0
    values = {"page": page, "numpages": -(-total // size), "pagesize": size, "total": total}
    return {name: str(value) for name, value in {**values, "start": first, "end": last}.items()}


@contextmanager
def profile_of(kind: Kind) -> Iterator[str]:
    """Return the shipped profile, or a copy of it with the deletion that it has in a comment."""
    if not kind.has_commented_deletion:
        yield kind.profile
        return
    text = shipped_profiles()[kind.profile].read_text(encoding="utf-8")
    text, changes = re.subn(r"^  # (delete: .+)\n  delete: .+$", r"  \1", text, flags=re.MULTILINE)
    assert changes == 1
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{kind.profile}.yaml"
        file.write_text(text, encoding="utf-8")
        yield str(file)


@asynccontextmanager
async def before(
    kind: Kind, validation: str = "", key: str = "key", *, strictly: bool = True, fresh: int = 0
) -> AsyncIterator[tuple[Client, Vendor]]:
    """Run a proxy with a new upstream, which must not have got undocumented requests."""
    vendor = kind()
    async with AsyncExitStack() as stack:
        profile = stack.enter_context(profile_of(kind))
        await stack.enter_async_context(listening(vendor))
        configuration = (
            f"  profile: {profile}\n  variables: {kind.variables.replace('ORIGIN', vendor.origin)}\n"
            + (f"  validation: {validation}\n" if validation else "")
            + f"accounts:\n  {ACCOUNT}:\n    token: ${{TOKEN}}\n"
            f"    upstream: {{account: {kind.account}, username: SK1, password: '${{KEY}}'"
            f"{kind.credentials}}}\n"
            f"snapshots: {{fresh: {fresh}}}\n"
        )
        variables = {"TOKEN": "demo-token", "KEY": key, "ASSERTION": ASSERTION}
        async with running_proxy(vendor.url, configuration, variables) as port:
            yield Client(port), vendor
    assert vendor.breaches == [] or not strictly


def error(answer: Message) -> dict[str, str | None]:
    (exception,) = etree.fromstring(answer.body)
    assert exception.tag == "RestException"
    told = texts(exception)
    assert told["Status"] == str(answer.status)
    return told
