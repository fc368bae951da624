"""What the program logs inside a test."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from proxy.observe.log import RateLimitFilter


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """Collect the records that the program writes, once a minute each."""
    records: list[logging.LogRecord] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    collecting, log = Collecting(), logging.getLogger("proxy")
    collecting.addFilter(RateLimitFilter(asyncio.get_running_loop().time))
    log.addHandler(collecting)
    try:
        yield records
    finally:
        log.removeHandler(collecting)
