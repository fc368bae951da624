"""docs/operations.md lists every reason and every metric, in the words of the program."""

import re
from pathlib import Path

from proxy.errors import Reason, UpstreamError
from proxy.observe.counters import FAMILIES

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
ROWS = [re.split(r" *\| *", line.strip("| ")) for line in TEXT.splitlines() if line.startswith("| `")]


def test_every_reason_and_what_it_means() -> None:
    shown = {name.strip("`"): meaning for name, meaning, *_ in ROWS if not name.startswith("`callerid")}
    assert shown == {reason: str(UpstreamError(reason)).removeprefix(f"{reason}: ") for reason in Reason}


def test_every_metric_and_its_labels() -> None:
    shown = {
        name.strip("`"): re.findall("`([a-z]+)`", labels) for name, labels, *_ in ROWS if "callerid" in name
    }
    assert shown == {
        f"{family.name}{'' if family.is_gauge else '_total'}": list(family.labels) for family in FAMILIES
    }
