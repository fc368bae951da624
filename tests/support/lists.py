"""Lists as the proxy writes them."""

from collections.abc import Sequence

from proxy.legacy import ListWriter, Page, RenderedList, Style
from proxy.model import CallerId, CallerIds


def listed(caller_ids: Sequence[CallerId], style: Style) -> RenderedList:
    """Write a whole list."""
    writer = ListWriter(style)
    writer.add(CallerIds.of(caller_ids))
    return writer.listed()


def cut(caller_ids: Sequence[CallerId], number: int, size: int, style: Style) -> Page:
    """Write a list and return a page of it."""
    return listed(caller_ids, style).page(number, size)
