"""The states of a connection, and the events that happen to it in any of them."""

from collections.abc import Callable
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

C = TypeVar("C")


class State(Enum):
    """Where a connection stands; a table in connection.py says what each event means there."""

    __hash__ = object.__hash__  # each is only itself; an Enum's own hash is computed in Python

    SILENT = "nothing has been received"
    IDLE = "all that was asked has been answered"
    HEAD = "part of a head has been received"
    PARSED = "a whole head has been given to aiohttp, which is about to hand over its request"
    BODY = "a request has been handed over, and its body is awaited"
    FORWARDING = "a request is handed on; its body and its answer pass in pieces"
    READING = "a request without effects is carried out"
    WRITING = "a request with effects is carried out"
    SENDING = "an answer has been written, and there is no room for the next one yet"
    CLOSING = "the last answer has been given; what still arrives is dropped"
    ABANDONED = "the client has gone; what is carried out comes to its end"
    CLOSED = "nothing is left to do"


class Reactions(NamedTuple, Generic[C]):
    """What each event means to a connection."""

    data: Callable[[C, bytes], None]
    """Bytes have arrived."""
    half_close: Callable[[C], bool]
    """The peer sends no more; returns whether anything is still said to it."""
    deadline: Callable[[C], None]
    """The time that the state may last is over."""
    drain: Callable[[C], None]
    """The server is about to stop."""
    loss: Callable[[C], None]
    """The connection has gone."""
