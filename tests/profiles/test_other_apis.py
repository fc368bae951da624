"""Every file in vendors/ is an API that no shipped profile is for, written as YAML alone.

They are conversations, as in ../conversations, and support/conversations.py says what their sections mean.
"""

from pathlib import Path

import pytest
from support.conversations import hold_conversation

FILES = sorted((Path(__file__).parent / "vendors").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_an_api_described_by_yaml_alone(file: Path, tmp_path: Path) -> None:
    await hold_conversation(file, tmp_path)
