"""The proxy that programs talk to, plain and with TLS, before a sandbox whose clock stands still."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import trustme
from support.running import running_listeners, running_sandbox

from clients.programs import Server
from proxy.sandbox import Store

NOW = 1_226_000_000  # Thu, 06 Nov 2008 11:33:20 -0800


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """Serve until the block ends, with keys and certificates in a folder."""
    authority = trustme.CA()
    ca, chain, key = (folder / name for name in ("ca.pem", "chain.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(ca))
    certificate = authority.issue_cert("localhost", "api.twilio.com", common_name="localhost")
    certificate.private_key_pem.write_to_path(str(key))
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    tls = f"{{address: '127.0.0.1:0', certificate: {chain}, key: {key}}}"
    with closing(Store(clock=lambda: NOW)) as store:
        async with (
            running_sandbox(store) as upstream,
            running_listeners(upstream, f"listen: {{tls: {tls}}}\n") as bound,
        ):
            plain, encrypted = bound["address"], bound["tls"]
            yield Server(f"http://{plain}", f"https://localhost:{encrypted.port}", ca)
