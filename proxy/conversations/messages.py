"""HTTP/1.1 messages as values, as bytes and as people write them. Pure."""

import re
from dataclasses import dataclass, replace

HEAD_END = b"\r\n\r\n"
_ESCAPE = re.compile(r"\\x([0-9A-F]{2})")
_ESCAPED_BYTE = re.compile(rb"\\x([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response: its first line, its headers in order, its body."""

    start: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of a header, in order."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    def header(self, name: str) -> str | None:
        """Return the only value of a header, None without one; ValueError where there are several."""
        values = self.values(name)
        if len(values) > 1:
            raise ValueError(f"{name} came {len(values)} times")
        return values[0] if values else None

    def encode(self) -> bytes:
        """Write the message, with a Content-Length where a body has no length yet."""
        headers = list(self.headers)
        names = {name.lower() for name, _ in headers}
        if self.body and not names & {"content-length", "transfer-encoding"}:
            headers.append(("Content-Length", str(len(self.body))))
        head = "".join(
            f"{line}\r\n" for line in (self.start, *(f"{name}: {value}" for name, value in headers))
        )
        return head.encode("latin-1") + b"\r\n" + self.body


def split_head(text: str) -> tuple[str, str]:
    """Return the lines before the empty line of a message as people write it, and the body after it."""
    head, _, body = text.partition("\n\n")
    return head.rstrip("\n"), body.removesuffix("\n")


def parse_text(text: str) -> Message:
    """Read a message as people write it: line feeds only, the body up to the last line feed."""
    head, body = split_head(text)
    start, *lines = head.split("\n")
    return Message(start, _parse_headers(lines), body.encode())


def unescape(message: Message) -> Message:
    r"""Replace `\xE9` in the first line and in the body by the byte."""
    return replace(
        message,
        start=_ESCAPE.sub(lambda found: chr(int(found[1], 16)), message.start),
        body=_ESCAPED_BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), message.body),
    )


def encode_response(response: Message) -> bytes:
    """Write a response as it stands, with the length of an empty body, which has no end otherwise.

    A status that cannot have a body gets none (RFC 9110 section 6.4.1). Without a first line, all is empty.
    """
    if not response.start:
        return b""
    framed = response.values("Content-Length") or response.values("Transfer-Encoding")
    if not (response.body or framed or response.status < 200 or response.status in (204, 304)):
        response = replace(response, headers=(*response.headers, ("Content-Length", "0")))
    return response.encode()


def parse_head(head: bytes) -> Message:
    """Read the bytes of a message up to its empty line."""
    start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    return Message(start, _parse_headers(lines))


def body_length(head: Message) -> int:
    """Return the bytes of the body that the head announces."""
    text = next(iter(head.values("Content-Length")), "")
    return int(text) if text.isdecimal() else 0


def _parse_headers(lines: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
