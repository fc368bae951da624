"""How hypothesis works here: the same examples every time, and no stop-watch.

`--hypothesis-profile fuzz` looks further: other examples each time, and a hundred times as many.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("suite")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where every tool is installed nothing may be skipped: .ci/run says how many skips it allows."""
    allowed = os.environ.get("CALLERID_PROXY_MAX_SKIPS")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if allowed is None or reporter is None:  # not the gate, or a worker of xdist's
        return
    skipped = len(reporter.stats.get("skipped", ()))
    if skipped > int(allowed):
        reporter.write_line(f"\n{skipped} skipped, {allowed} allowed", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
