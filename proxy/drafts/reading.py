"""The text of a vendor's description → plain values, whatever is in it; of JSON, or of any YAML.

This is no reader of configurations: the strict dialect of `proxy/config/yaml_source.py` refuses what
descriptions have, such as anchors, dates without quotes and `no`, and replaces `${NAME}`. It reads events,
not nodes, so that no depth exhausts the stack; an alias is one more reference to a value that exists once.
"""

import errno
from pathlib import Path
from typing import Any

import orjson
import yaml

from proxy.config.yaml_source import parse_plain, read_content
from proxy.drafts.shapes import DescriptionError

MAX_BYTES = 32 * 1024 * 1024
"""The largest description; the largest public ones of single vendors have about 10 MB."""
_MAX_VALUES = 2_000_000
_MAX_DEPTH = 200
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is installed


def read_description(file: Path) -> Any:
    """Return the plain values of a file: mappings with texts as keys, lists, texts, numbers, booleans, None.

    Mappings and lists may be shared. DescriptionError where the file cannot be read.
    """
    try:
        content = read_content(file, MAX_BYTES)
    except OSError as error:
        limit = f" (more than {MAX_BYTES // 2**20} MiB)" if error.errno == errno.EFBIG else ""
        raise DescriptionError(f"cannot be read: {error.strerror}{limit}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DescriptionError("is not UTF-8 text", content.count(b"\n", 0, error.start) + 1, 1) from None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if file.suffix.lower() == ".json":
            raise DescriptionError(f"is not valid JSON: {error.msg}", error.lineno, error.colno) from None
    try:
        return _build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        position = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise DescriptionError(f"is not valid YAML: {error.problem}", *position) from None
    except (yaml.YAMLError, ValueError, OverflowError):  # the last two for \UFFFFFFFF
        raise DescriptionError("is not valid YAML") from None


def _refuse(message: str, event: yaml.Event) -> DescriptionError:
    mark = event.start_mark
    return DescriptionError(message, *((mark.line + 1, mark.column + 1) if mark else (0, 0)))


class _Container:
    """A mapping or a list whose end has not come yet."""

    def __init__(self, held: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.held = held
        self.anchor = anchor
        self.key: str | None = None
        self.merged: list[Any] = []

    def add(self, value: Any, scalar: str | None) -> None:
        """Add a value, or what is the next key; `scalar` is its text where it is a scalar."""
        if isinstance(self.held, list):
            self.held.append(value)
        elif self.key is None:
            self.key = scalar if scalar is not None else ""
        else:
            if self.key == "<<":
                self.merged += value if isinstance(value, list) else [value]
            else:
                self.held[self.key] = value
            self.key = None

    def finish(self) -> int:
        """Add what `<<` merges; return the number of values that it brought."""
        brought = 0
        for each in self.merged:
            if isinstance(each, dict) and isinstance(self.held, dict):
                brought += len(each)
                for key, value in each.items():
                    self.held.setdefault(key, value)
        return brought


class _Builder:
    """Puts the values of events together."""

    def __init__(self) -> None:
        self._anchors: dict[str, Any] = {}
        self._holders = [_Container([], None)]
        self._count = 0

    def add(self, event: yaml.Event) -> None:
        """Take the next event; DescriptionError where a bound is exceeded."""
        self._count += 1
        match event:
            case yaml.MappingStartEvent():
                self._holders.append(_Container({}, event.anchor))
            case yaml.SequenceStartEvent():
                self._holders.append(_Container([], event.anchor))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                ended = self._holders.pop()
                self._count += ended.finish()
                self._keep(ended.held, ended.anchor, None)
            case yaml.ScalarEvent():
                is_plain = event.implicit[0] and event.tag is None
                value = parse_plain(event.value) if is_plain else event.value
                self._keep(value, event.anchor, event.value)
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    raise _refuse(f"*{event.anchor} stands for nothing, or for what holds it", event)
                known = self._anchors[event.anchor]
                self._keep(known, None, known if isinstance(known, str) else None)
        if self._count > _MAX_VALUES:
            raise _refuse(f"has more than {_MAX_VALUES} values", event)
        if len(self._holders) > _MAX_DEPTH + 1:
            raise _refuse(f"is nested more than {_MAX_DEPTH} deep", event)

    def _keep(self, value: Any, anchor: str | None, scalar: str | None) -> None:
        if anchor:
            self._anchors[anchor] = value
        self._holders[-1].add(value, scalar)

    @property
    def value(self) -> Any:
        found = self._holders[0].held
        return found[0] if isinstance(found, list) and found else None


def _build(text: str) -> Any:
    """Return the value of the first document of a text."""
    builder = _Builder()
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentEndEvent):
            break
        builder.add(event)
    return builder.value
