"""A translator that is replaced by another configuration's."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import closing

import pytest
from support.running import running_sandbox
from support.seed import LIST, basic

from proxy import config
from proxy.config.settings import SnapshotSettings
from proxy.legacy import Request
from proxy.process.assembly import assemble
from proxy.sandbox import Store
from proxy.upstream.client import Client


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Disable the cyclic garbage collector: reference counts have to suffice."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_a_replaced_translator_is_freed_with_its_cache() -> None:
    with closing(Store()) as store:
        async with running_sandbox(store) as url, Client() as client:
            configuration = config.demo(url)
            settings = configuration.settings.model_copy(update={"snapshots": SnapshotSettings()})
            translator = assemble(configuration._replace(settings=settings), client)
            request = Request("GET", LIST, (basic(),), None, b"")
            assert (await translator.answer(request)).status == 200
            assert translator.from_cache(request)
            gone = weakref.ref(translator)
            del translator
            assert gone() is None
