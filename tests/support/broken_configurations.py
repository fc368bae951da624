"""Broken configurations: text files with a configuration and the output of `callerid-proxy check`.

A file opens with a sentence about the reason. Then come sections, each under a line `--- NAME`:

`proxy.yaml`, `my-api.yaml`    the whole file
`proxy.yaml, changed`          the file of that name in configurations/good/, without the lines `- OLD`; lines
                               `+ NEW` replace the line above them
`environment`                  variables, NAME=VALUE, beside TOKEN, KEY and SID_KEY
`file NAME`, `folder NAME`     a file with this content and a folder, beside proxy.yaml
`check says`                   the whole output; the exit status is 78
`check warns`                  the warnings about a valid configuration

Without a section, proxy.yaml and my-api.yaml are the files in configurations/good/.
"""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "configurations"
FILES = sorted(FOLDER.glob("*.txt"))
GOOD = {file.name: file.read_text(encoding="utf-8") for file in (FOLDER / "good").iterdir()}
ENVIRONMENT = {"TOKEN": "old-token", "KEY": "key", "SID_KEY": "sid-key"}


def sections(file: Path) -> dict[str, str]:
    about, *rest = re.split(r"^--- (.+)\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert about.strip(), "a configuration says why it is broken"
    return dict(zip(rest[::2], rest[1::2], strict=True))


def changed(text: str, changes: str) -> str:
    """Put new lines in the place of old ones."""
    lines, at = text.splitlines(), 0
    for change in changes.splitlines():
        if change.startswith("- "):
            at = lines.index(change[2:])
            del lines[at]
        else:
            lines.insert(at, change.removeprefix("+ "))
            at += 1
    return "".join(f"{line}\n" for line in lines)


def write(parts: dict[str, str], folder: Path) -> None:
    for name, text in GOOD.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, body in parts.items():
        match name.split():
            case ["proxy.yaml" | "my-api.yaml"]:
                (folder / name).write_text(body, encoding="utf-8")
            case [("proxy.yaml," | "my-api.yaml,") as start, "changed"]:
                of = start.removesuffix(",")
                (folder / of).write_text(changed(GOOD[of], body), encoding="utf-8")
            case ["file", other]:
                (folder / other).write_text(body, encoding="utf-8")
            case ["folder", other]:
                (folder / other).mkdir()
            case ["environment"] | ["check", "says" | "warns"]:
                pass
            case _:
                pytest.fail(f"no such section: {name}")
