"""Every file in vendors/ is an API that no shipped profile is for, written as YAML alone.

They are conversations, as in ../conversations, and test_conversations.py says what their sections mean.
"""

from pathlib import Path

import pytest
import test_conversations as conversations

FILES = sorted((Path(__file__).parent / "vendors").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_an_api_described_by_yaml_alone(file: Path, tmp_path: Path) -> None:
    await conversations.test_conversation(file, tmp_path)
