"""Every file in conversations/ is a test; support/conversations.py describes their sections."""

from pathlib import Path

import pytest
from support.conversations import FILES, hold_conversation


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_conversation(file: Path, tmp_path: Path) -> None:
    await hold_conversation(file, tmp_path)
