"""Drafts of made-up vendors, and of real ones: what is guessed is right or marked, what is not is a fault."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from support.draft_comparison import HEAD, Comparison, compare
from support.markdown import blocks
from support.openapi import VENDORS

from proxy import config
from proxy.cli import main
from proxy.config.yaml_source import UNFILLED, read_yaml

ROOT = Path(__file__).parents[2]
SPECS = ROOT.parent / "shared" / "specs"
REAL = {
    "twilio": ("twilio_outgoing_caller_ids.json", "twilio-2010-04-01"),
    "twilio, with errors": ("twilio_outgoing_caller_ids.relaxed.json", "twilio-2010-04-01"),
    "signalwire": ("signalwire_verified_caller_ids.json", "signalwire"),
    "telnyx": ("telnyx_verified_numbers.reconstructed.yaml", "telnyx"),
}
LEAST_RIGHT = 0.7
"""Of the values of a right profile: fewer would not be worth a draft."""


def called(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def draft(folder: Path, name: str, description: Path, *options: str) -> Path:
    """Write a draft to a file."""
    file = folder / f"{name}.yaml"
    done = called("init", name, "--from-openapi", description, "--output", file, *options)
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    return file


def check_draft(file: Path) -> list[config.ConfigurationError]:
    """Return what `check` says of a proxy.yaml with this profile."""
    settings = file.parent / "proxy.yaml"
    settings.write_text(f"upstream: {{profile: ./{file.name}}}\n", encoding="utf-8")
    try:
        config.load(settings, {})
    except config.ConfigurationError as error:
        return [error]
    return []


CASES = [
    *((name, "made up") for name in VENDORS),
    ("ringbook", "of the tutorial"),
    *((name, "real") for name in REAL),
]


def tutorial_profile() -> str:
    """Return the profile that docs/profiles.md writes."""
    found = ""
    for block in blocks(ROOT / "docs" / "profiles.md"):
        if block.heading == "Start from an OpenAPI description":
            break
        if block.language == "yaml" and not block.text.startswith("# proxy.yaml"):
            found += f"{block.text}\n"
        if block.language == "diff":
            old, new = (line[1:] for line in block.text.splitlines())
            found = found.replace(old, new)
    return found


def compared(name: str, kind: str, folder: Path) -> tuple[Path, Comparison]:
    if kind == "made up":
        vendor = VENDORS[name]
        description = folder / "openapi.json"
        description.write_text(json.dumps(vendor.description), encoding="utf-8")
        right = vendor.profile
    elif kind == "of the tutorial":
        description, right = ROOT / "tests" / "support" / "ringbook.yaml", tutorial_profile()
    else:
        spec, profile = REAL[name]
        description = SPECS / spec
        if not description.exists():
            pytest.skip(f"there is no {description}")
        right = config.shipped_profiles()[profile].read_text(encoding="utf-8")
    file = draft(folder, name.partition(",")[0], description)
    return file, compare(file, right)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_draft_is_right_or_says_that_it_may_not_be(
    name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, found = compared(name, kind, tmp_path)
    with capsys.disabled():
        print(f"\n{HEAD}\n{found.row(name)}")  # noqa: T201 - the table is what this test is read for
    assert found.silent == []
    assert found.unmarked == []
    total = len(found.right) + len(found.wrong) + len(found.faults)
    assert len(found.right) >= LEAST_RIGHT * total, (
        found.wrong,
        found.faults,
        file.read_text(encoding="utf-8"),
    )


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_check_names_every_fault_of_a_draft_and_nothing_else(name: str, kind: str, tmp_path: Path) -> None:
    file, _ = compared(name, kind, tmp_path)
    lines = file.read_text(encoding="utf-8").splitlines()
    places = [
        (number, line.index(UNFILLED) + 1)
        for number, line in enumerate(lines, 1)
        if UNFILLED in line and not line.startswith("#")
    ]
    (error,) = check_draft(file) or [config.ConfigurationError([])]
    of_draft = [each for each in error.mistakes if each.file == str(file)]
    assert [(each.line, each.column) for each in of_draft] == places
    for each in of_draft:
        assert each.message.startswith(f"{UNFILLED} is not filled in yet: ")
        assert "look up" in each.message


FILLED = {
    "codec: <TODO>": "codec: uuid",
    "as: <TODO>": "as: digits",
    "max: <TODO>": "max: 50",
    "map: <TODO>": "map: []",
    "errors: <TODO>": "errors: {}",
}
"""What a person might put in the place of each fault."""


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_draft_without_faults_is_good(name: str, kind: str, tmp_path: Path) -> None:
    """No guess breaks a rule of profiles, and no two of them contradict each other."""
    file, _ = compared(name, kind, tmp_path)
    text = file.read_text(encoding="utf-8")
    for fault, filled in FILLED.items():
        text = text.replace(fault, filled)
    assert f": {UNFILLED}" not in text
    file.write_text(text, encoding="utf-8")
    found = config.read_profile(f"./{file.name}", tmp_path / "proxy.yaml", {})
    assert [str(each) for each in found.warnings] == []


def test_a_right_profile_of_each_made_up_vendor_is_valid(tmp_path: Path) -> None:
    """What drafts are compared with is a profile."""
    for name, vendor in VENDORS.items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"name: {name}\nchecked_against: a test\n{vendor.profile}", encoding="utf-8")
        found = config.read_profile(f"./{file.name}", tmp_path / "proxy.yaml", {})
        assert found.profile.name == name


@pytest.mark.parametrize("name", VENDORS)
def test_yaml_and_json_lead_to_the_same_draft(name: str, tmp_path: Path) -> None:
    description = VENDORS[name].description
    (tmp_path / "a.json").write_text(json.dumps(description), encoding="utf-8")
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(description, sort_keys=False), encoding="utf-8")
    one, other = (
        called("init", "x", "--from-openapi", tmp_path / each).stdout for each in ("a.json", "a.yaml")
    )
    assert one.replace("a.json", "a.yaml") == other
    (tmp_path / "draft.yaml").write_text(one, encoding="utf-8")
    assert all(UNFILLED in each.message for each in read_yaml(tmp_path / "draft.yaml", {}).mistakes)
