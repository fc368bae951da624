"""A proxy with a mapped account and prism as its upstream, and a legacy client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from support.prism import Prism, accept_any_id, prism
from support.running import running_proxy
from support.seed import ACCOUNT

from proxy.config import shipped_profiles
from vendors.client import Client


@asynccontextmanager
async def with_prism(
    specification: Path, profile: str, base: str, variables: str = "{}"
) -> AsyncIterator[tuple[Client, Prism]]:
    text = accept_any_id(shipped_profiles()[profile].read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "profile.yaml"
        file.write_text(text, encoding="utf-8")
        async with _before(specification, file, base, variables) as found:
            yield found


@asynccontextmanager
async def _before(
    specification: Path, profile: Path, base: str, variables: str
) -> AsyncIterator[tuple[Client, Prism]]:
    configuration = (
        f"  profile: {profile}\n  variables: {variables}\n  validation: code_on_phone\n"
        f"accounts:\n  {ACCOUNT}:\n    token: ${{TOKEN}}\n"
        "    upstream: {account: account-1, username: project, password: '${KEY}'}\n"
    )
    secrets = {"TOKEN": "demo-token", "KEY": "key"}
    async with (
        prism(str(specification), "--errors") as upstream,
        running_proxy(f"http://127.0.0.1:{upstream.port}{base}", configuration, secrets) as port,
    ):
        yield Client(port), upstream
