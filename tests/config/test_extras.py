"""Schemes that need a library of an extra, in an installation without it."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.broken_configurations import GOOD, changed, write

WITHOUT = "import sys; sys.modules[sys.argv.pop(1)] = None; from proxy.__main__ import main; main()"


@pytest.mark.parametrize(
    ("library", "extra", "auth"),
    [
        ("botocore.auth", "aws", "{scheme: aws, service: chime, region: us-east-1}"),
        ("jwt", "jwt", "{scheme: jwt}"),
        ("jwt", "jwt", "{scheme: oauth2, token_url: /token, grant: jwt_bearer, assertion: {}}"),
    ],
)
def test_an_extra_that_is_missing(tmp_path: Path, library: str, extra: str, auth: str) -> None:
    write(
        {"my-api.yaml": changed(GOOD["my-api.yaml"], f"- auth: {{scheme: bearer}}\n+ auth: {auth}")}, tmp_path
    )
    command = [
        sys.executable,
        "-c",
        WITHOUT,
        library,
        "check",
        str(tmp_path / "proxy.yaml"),
        "--without-secrets",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert f"the extra {extra} is not installed: pip install 'callerid-proxy[{extra}]'" in done.stderr
    assert done.returncode == 78
    command[3] = "redis"
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert "the extra" not in done.stderr
