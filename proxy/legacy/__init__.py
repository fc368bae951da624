"""The 2008 side: pure functions from HTTP requests to Operations, and from results to HTTP answers."""

from proxy.legacy.credentials import read_credentials
from proxy.legacy.elements import Style
from proxy.legacy.formats import e164, rfc_2822_writer
from proxy.legacy.forms import parse_body
from proxy.legacy.rendered_list import EMPTY_LIST, Item, ListWriter, Page, RenderedList
from proxy.legacy.rendering import Answer, Shown, render, render_error
from proxy.legacy.requests import Request, Route, account_of, is_other_resource, origin_form, route

__all__ = [
    "EMPTY_LIST",
    "Answer",
    "Item",
    "ListWriter",
    "Page",
    "RenderedList",
    "Request",
    "Route",
    "Shown",
    "Style",
    "account_of",
    "e164",
    "is_other_resource",
    "origin_form",
    "parse_body",
    "read_credentials",
    "render",
    "render_error",
    "rfc_2822_writer",
    "route",
]
