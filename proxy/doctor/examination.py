"""The examination of a configuration against its real upstreams: each account, check by check."""

import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import NamedTuple

from proxy.config import Configuration
from proxy.doctor import item_checks, list_checks, network
from proxy.doctor.exchanges import Record, RecordingConnection, RecordingSender
from proxy.doctor.subject import Check, Subject
from proxy.doctor.verdicts import CheckResult, Status, failure, skipped
from proxy.model import Account, Credentials
from proxy.net.deadlines import begin_request
from proxy.process.assembly import create_accounts, create_profile, create_routes, create_token_memory
from proxy.upstream.api import Upstream
from proxy.upstream.client import Client
from proxy.upstream.route import UpstreamRoute

_CHECKS: Sequence[Check] = (
    Check("dns", network.check_dns),
    Check("connection", network.check_connection, ("dns",)),
    Check("tls", network.check_tls, ("connection",)),
    Check("credentials", list_checks.check_credentials, ("connection", "tls")),
    Check("clock", network.check_clock, ("connection", "tls")),
    Check("list", list_checks.check_list, ("credentials",)),
    Check("items", list_checks.check_items, ("list",), reads_list=True),
    Check("ids", list_checks.check_ids, ("list",), reads_list=True),
    Check("total", list_checks.check_total, ("list",), reads_list=True),
    Check("middle_page", list_checks.check_middle_page, ("list", "total"), reads_list=True),
    Check("filter_by_number", list_checks.check_number_filter, ("list",), reads_list=True),
    Check("filter_by_name", list_checks.check_name_filter, ("list",), reads_list=True),
    Check("fetch", item_checks.check_fetch, ("list",), reads_list=True),
    Check("unknown_id", item_checks.check_unknown_id, ("list",), reads_list=True),
    Check("rate_limit", item_checks.check_rate_limit, ("connection", "tls")),
    Check("operations", item_checks.check_operations),
)
_RENAME = Check("rename", item_checks.rename_and_restore, ("list",), reads_list=True)
_CALL = Check("call", item_checks.place_call, ("credentials",))


class ExaminationScope(NamedTuple):
    """What is to be examined, and what may be done beside reading."""

    accounts: Sequence[str] = ()
    """AccountSids; all of them, where none is named."""
    own: Credentials | None = None
    """The caller's own credentials, where the configuration has no accounts."""
    renamed_sid: str = ""
    called_number: str = ""


class Examination:
    """Examines the accounts of a configuration, one after the other."""

    def __init__(self, configuration: Configuration, scope: ExaminationScope) -> None:
        """Examine the accounts of `scope`; LegacyError where the configuration does not know one."""
        self._configuration = configuration
        self._scope = scope
        self._routes = create_routes(configuration)
        table = create_accounts(configuration.settings)
        sids = scope.accounts or tuple(configuration.settings.accounts or ())
        self.accounts = [table.trust(sid, scope.own or Credentials(sid, "")) for sid in sids]

    def describe(self, account: Account) -> str:
        """Return the profile and the place of an account's upstream."""
        settings = self._configuration.find_target(account.sid).settings
        return f"{settings.profile} at {create_profile(self._configuration, settings).place}"

    async def rows(self, account: Account) -> AsyncIterator[CheckResult]:
        """Yield the rows of an account as they become known."""
        record = Record()
        make_connection = partial(RecordingConnection, record)
        async with Client(self._routes, None, create_token_memory(), make_connection) as client:
            subject = self._create_subject(account, RecordingSender(client, record), record)
            asked = {_RENAME: subject.renamed_sid, _CALL: subject.called_number}
            failed: set[str] = set()
            for check in (*_CHECKS, *(each for each, is_asked in asked.items() if is_asked)):
                yield await _run(check, subject, failed)

    def _create_subject(self, account: Account, sender: RecordingSender, record: Record) -> Subject:
        _, settings, language = self._configuration.find_target(account.sid)
        profile = create_profile(self._configuration, settings)
        return Subject(
            account,
            settings,
            language,
            self._configuration.profiles[settings.profile].source,
            profile,
            Upstream(profile, sender),
            self._routes.get(profile.route) or UpstreamRoute(),
            sender,
            record,
            self._scope.renamed_sid,
            self._scope.called_number,
        )


async def _run(check: Check, subject: Subject, failed: set[str]) -> CheckResult:
    """Run a check, unless one that it needs has `failed`, to which it is added if it fails or cannot run."""
    began = time.monotonic()
    blocking = next((need for need in check.needs if need in failed), None)
    if check.reads_list and not subject.is_listed:
        blocking = blocking or next(iter(subject.errors), "list")
    if error := subject.errors.get(check.key):
        verdict = failure(subject.explain(error))
    elif blocking:
        verdict = skipped(f"not checked, because of {blocking.replace('_', ' ')}")
    else:
        begin_request()
        verdict = await check.run(subject)
    if blocking or verdict.status is Status.FAILURE:
        failed.add(check.key)
    return CheckResult(check.key, verdict, time.monotonic() - began)
