"""Hypothesis settings: the same examples every time, and no deadline.

`--hypothesis-profile fuzz` tries other examples each time, and a hundred times as many; `few` tries the first
fifth, for more versions of Python than one.
"""

import os
import resource

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("support")

os.environ["container"] = ""  # noqa: SIM112 - the tests mean the same inside a container
os.environ.pop("CALLERID_PROXY_DEFAULT_ADDRESS", None)
for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
    del os.environ[name]  # `check` would say that it is not used

settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("few", deadline=None, derandomize=True, max_examples=20)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("suite")


FILES = 1024
"""Open files that a test may have at a time, whatever this machine allows: Debian's default."""


def pytest_configure() -> None:
    """Lower the limit of open files, also for the processes that tests start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make soak`: random tests at full length."""
    parser.addoption("--full", action="store_true", help="run random tests at full length")


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Tell whether a random test runs at full length, for minutes."""
    return bool(request.config.getoption("--full"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if a test is skipped for a reason that names none of the tools that .ci/run may lack."""
    lacking = os.environ.get("CALLERID_PROXY_MAY_LACK")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if lacking is None or reporter is None:  # not the gate, or a worker of xdist's
        return
    reasons = [str(report.longrepr[2]) for report in reporter.stats.get("skipped", ())]
    if unexpected := [reason for reason in reasons if not any(word in reason for word in lacking.split(","))]:
        reporter.write_line(f"\nskipped, and should not have been: {unexpected}", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
