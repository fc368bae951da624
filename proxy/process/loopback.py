"""A whole proxy on a free port of this machine, in the process that asks it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from proxy.config import Address, Configuration
from proxy.observe.counters import Counters
from proxy.observe.failures import FailureLog
from proxy.process.assembly import assemble, create_routes, create_state, create_store, server_options
from proxy.server.listeners import listeners, listening
from proxy.upstream.client import Client

_ANY_PORT = Address("127.0.0.1", 0)


@asynccontextmanager
async def serve_on_loopback(configuration: Configuration) -> AsyncIterator[Mapping[str, Address]]:
    """Serve until the block ends; yields what is listened on, the plain `address` at a free port."""
    settings = configuration.settings
    listen = settings.listen.model_copy(update={"address": _ANY_PORT})
    options = server_options(settings.model_copy(update={"listen": listen}))
    store = create_store(configuration)
    counters = Counters()
    failures = FailureLog(counters)
    async with Client(create_routes(configuration), failures) as client, AsyncExitStack() as afterwards:
        afterwards.push_async_callback(store.close)
        client.held.limit = settings.limits.answer_bytes
        state = create_state(configuration, failures, store)
        translator = assemble(configuration, client, store, state=state)
        with listeners(options) as every:
            async with listening(translator, options, every, counters):
                yield {name: each.address for name, each in every.items()}
