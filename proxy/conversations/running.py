"""Runs a conversation over real sockets: its client and its upstream, with the proxy of `serve` between."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from proxy.conversations.comparing import ABSENT, describe, find_differences
from proxy.conversations.endpoints import AnsweringUpstream, RawClient, answering_upstream, open_stream
from proxy.conversations.messages import Message, encode_response
from proxy.conversations.parsing import Conversation, Finding, Section
from proxy.conversations.placeholders import Placeholders
from proxy.conversations.preparing import ProfileUnderTest, prepare_fixture
from proxy.process.loopback import serve_on_loopback

_HOST = "api.twilio.com"
_SIGNS = "(- expected, + received)"
_LOG = logging.getLogger("proxy")


class ConversationFailedError(Exception):
    """A conversation that goes another way than its file says."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__("\n".join([f"{finding.line}: {finding.message}", *finding.details]))


async def run_conversation(conversation: Conversation, subject: ProfileUnderTest, within: float = 10) -> None:
    """Run a conversation once; each answer has to arrive `within` so many seconds.

    ConversationError where its configuration or a placeholder cannot be used, ConversationFailedError at the
    first difference, with what the proxy has logged.
    """
    with TemporaryDirectory() as folder, _collect_log() as logged:
        async with answering_upstream() as upstream:
            fixture = prepare_fixture(conversation, subject, upstream.url, Path(folder))
            answers = (each.message(fixture.placeholders) for each in conversation.named("upstream answers"))
            upstream.follow([encode_response(answer) for answer in answers])
            async with (
                serve_on_loopback(fixture.configuration) as bound,
                open_stream(bound["address"].port) as stream,
            ):
                runner = _Runner(upstream, RawClient(*stream), fixture.placeholders, within)
                try:
                    await runner.run(conversation.sections)
                except ConversationFailedError as error:
                    finding = error.finding
                    details = [*finding.details, *(f"log: {line}" for line in logged)]
                    raise ConversationFailedError(finding._replace(details=details)) from None


@dataclass(slots=True)
class _Runner:
    """Both ends of a conversation that is under way."""

    upstream: AnsweringUpstream
    client: RawClient
    placeholders: Placeholders
    within: float
    request: Message = field(default_factory=lambda: Message(""))
    """That the client has sent last."""
    expected: list[Section] = field(default_factory=list)
    """What the upstream has to have received by now."""

    async def run(self, sections: Sequence[Section]) -> None:
        for section in sections:
            match section.name:
                case "client":
                    self.request = _with_host(section.message(self.placeholders))
                    await self._send(section, self.request.encode())
                case "client goes on":
                    await self._send(section, section.fill(self.placeholders).rstrip("\n").encode())
                case "upstream receives":
                    self.expected.append(section)
                case "client receives":
                    await self._receive(section)
                case "connection is closed":
                    if not await self.client.is_closed(self.within):
                        _fail(section, f"the connection is still open after {self.within:g} seconds")
        self._check_upstream(sections[-1], None)

    async def _send(self, section: Section, data: bytes) -> None:
        try:
            async with asyncio.timeout(self.within):
                await self.client.send(data)
        except (OSError, TimeoutError):
            _fail(section, "the proxy has closed the connection, or does not read it")

    async def _receive(self, section: Section) -> None:
        answer, problem = await self._wait()
        self._check_upstream(section, answer)
        if answer is None:
            _fail(section, problem)
        elif details := find_differences(section.message(self.placeholders), answer, is_request=False):
            _fail(section, f"the client receives another answer {_SIGNS}", details)

    async def _wait(self) -> tuple[Message | None, str]:
        """Return the next answer; without one, why there is none."""
        has_body = not self.request.start.startswith("HEAD ")
        try:
            answer = await self.client.receive(body=has_body, within=self.within)
        except TimeoutError:
            return None, f"the client receives no whole answer within {self.within:g} seconds"
        except (OSError, EOFError, asyncio.LimitOverrunError):
            answer = None
        return answer, "the connection is closed without a whole answer"

    def _check_upstream(self, here: Section, answer: Message | None) -> None:
        """Compare every request that the upstream has received so far."""
        for section, received in zip_longest(self.expected, self.upstream.received):
            if section is None:
                message = "the upstream receives a request that the conversation does not list"
                _fail(here, f"{message} before this line", describe(received))
            expected = section.message(self.placeholders)
            if received is None:
                then = ["the client receives", *describe(answer)] if answer else []
                _fail(
                    section, "the upstream does not receive this request", [*describe(expected, "-"), *then]
                )
            if details := find_differences(expected, received, is_request=True):
                _fail(section, f"the upstream receives another request {_SIGNS}", details)


def _fail(section: Section, message: str, details: Sequence[str] = ()) -> NoReturn:
    raise ConversationFailedError(Finding(section.line, message, details))


def _with_host(request: Message) -> Message:
    """Add the Host that HTTP/1.1 wants, unless the file has one or says that it is absent."""
    if request.start.endswith("HTTP/1.1") and not request.values("Host"):
        return replace(request, headers=(("Host", _HOST), *request.headers))
    headers = tuple(header for header in request.headers if header != ("Host", ABSENT))
    return replace(request, headers=headers)


class _LogLines(logging.Handler):
    """Keeps warnings and errors as lines."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname.lower()}: {record.getMessage()}")


@contextmanager
def _collect_log() -> Iterator[Sequence[str]]:
    """Keep what the proxy logs off standard error; yields the lines of warnings and errors."""
    handler, propagates = _LogLines(), _LOG.propagate
    _LOG.addHandler(handler)
    _LOG.propagate = False
    try:
        yield handler.lines
    finally:
        _LOG.removeHandler(handler)
        _LOG.propagate = propagates
