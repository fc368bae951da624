"""An OpenAPI description (3.0, 3.1, or Swagger 2.0) as requests, servers and credentials. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Literal

from proxy.drafts.shapes import Node, Root, Shape, is_name

_MAX_PATHS = 5000
_METHODS = ("get", "post", "put", "patch", "delete")

BodyKind = Literal["json", "form", "merge"]


@dataclass(frozen=True)
class DescribedParameter:
    """A parameter of a request, in its path, query, headers or body."""

    name: str
    part: str
    """`path`, `query`, `header`, `cookie` or `body`."""
    node: Node
    is_required: bool
    known: Shape | None = None
    """What its value looks like, where it is a field of an object."""

    @cached_property
    def shape(self) -> Shape:
        """What its value looks like; Swagger 2.0 describes it in the parameter itself."""
        if self.known is not None:
            return self.known
        schema = self.node.get("schema")
        given = [self.node.get("example").value]
        given += [each.get("value").value for _, each in self.node.get("examples").list_entries()]
        given = [each for each in given if each is not None]
        if schema.value is None:
            return Shape((self.node,), tuple(given), self.node.place)
        found = Shape.of(schema, given)
        return Shape((*found.parts, self.node), found.given, self.node.place)

    @property
    def place(self) -> str:
        return self.known.place if self.known is not None else self.node.place

    def list_members(self) -> Iterator["DescribedParameter"]:
        """Yield the parameter, or those that an object stands for, as `page[size]` (style: deepObject)."""
        if self.part != "query" or not self.shape.properties:
            yield self
            return
        for name, shape in self.shape.properties.items():
            is_required = self.is_required and name in self.shape.required
            full = f"{self.name}[{name}]" if self.node.text("style") == "deepObject" else name
            yield DescribedParameter(full, self.part, self.node, is_required, shape)


@dataclass(frozen=True, slots=True)
class DescribedBody:
    """The body of a request, or of an answer."""

    kind: BodyKind
    media_type: str
    shape: Shape


@dataclass(frozen=True)
class DescribedRequest:
    """A method of a path."""

    path: str
    method: str
    """In capitals."""
    node: Node
    holder: Node
    """The path item."""

    @property
    def place(self) -> str:
        return self.node.place

    @cached_property
    def parameters(self) -> Sequence[DescribedParameter]:
        """The parameters; those of the method replace those of the path."""
        found: dict[tuple[str, str], DescribedParameter] = {}
        for holder in (self.holder, self.node):
            for node in holder.get("parameters").list_items():
                name, part = node.text("name"), node.text("in")
                if is_name(name) and part in ("path", "query", "header", "cookie"):
                    is_required = node.get("required").value is True
                    found[name, part] = DescribedParameter(name, part, node, is_required)
        return [member for each in found.values() for member in each.list_members()]

    def list_parameters(self, part: str) -> Sequence[DescribedParameter]:
        return [each for each in self.parameters if each.part == part]

    def list_settable(self) -> Sequence[DescribedParameter]:
        """Return what the pages and the filters of a list may be: its query, or the fields of its body."""
        body = self.body if self.method == "POST" else None
        if body is None:
            return self.list_parameters("query")
        fields = body.shape.properties.items()
        required = body.shape.required
        return [
            DescribedParameter(name, "body", self.node, name in required, shape) for name, shape in fields
        ]

    @cached_property
    def words(self) -> str:
        """What the request is called, in words."""
        tags = " ".join(str(each.value) for each in self.node.get("tags").list_items())
        named = (self.node.text("operationId"), self.node.text("summary"), tags)
        return " ".join(" ".join(named)[:1000].split())

    @cached_property
    def body(self) -> DescribedBody | None:
        """The JSON or the form that is sent; None where there is none, or it is of another kind."""
        content = self.node.get("requestBody", "content")
        if content.value is not None:
            return _choose_body(content)
        fields: dict[str, tuple[Node, bool]] = {}
        for holder in (self.holder, self.node):  # Swagger 2.0
            for node in holder.get("parameters").list_items():
                if node.text("in") == "body":
                    return DescribedBody("json", "application/json", Shape.of(node.get("schema")))
                if node.text("in") == "formData" and is_name(node.text("name")):
                    fields[node.text("name")] = node, node.get("required").value is True
        if not fields:
            return None
        members = {name: Shape((node,), (), node.place) for name, (node, _) in fields.items()}
        required = {"required": [name for name, (_, is_required) in fields.items() if is_required]}
        part = Node(self.node.root, required, self.place)
        return DescribedBody(
            "form", "application/x-www-form-urlencoded", Shape((part,), (), self.place, members)
        )

    @cached_property
    def answer(self) -> DescribedBody | None:
        """The JSON of a success; None where it has none."""
        responses = self.node.get("responses")
        for status in [*sorted(key for key, _ in responses.list_entries() if key[:1] == "2"), "default"]:
            if found := _read_answer(responses.get(status)):
                return found
        return None

    @property
    def has_answer(self) -> bool:
        """Whether a success has content of any kind."""
        return any(
            key[:1] == "2" and (node.get("content").value or node.get("schema").value)
            for key, node in self.node.get("responses").list_entries()
        )

    def list_statuses(self) -> Iterator[tuple[str, Node]]:
        """Yield the answers that are described, by status."""
        yield from self.node.get("responses").list_entries()

    def list_errors(self) -> Iterator[DescribedBody]:
        """Yield the JSON of the answers that are errors."""
        for status, node in self.list_statuses():
            if status[:1] in ("4", "5", "d") and (found := _read_answer(node)):
                yield found


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go to."""

    url: str
    place: str
    about: str
    variables: Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """A way to show credentials."""

    name: str
    node: Node
    scopes: Sequence[str]


class Description:
    """A whole description."""

    def __init__(self, value: object) -> None:
        self.root = Node(Root(value), value, "#")

    @property
    def version(self) -> str:
        """The version of the format, '' for what is no description."""
        found = [self.root.get(key).value for key in ("openapi", "swagger")]
        return next((str(each) for each in found if isinstance(each, str | int | float)), "")

    @property
    def title(self) -> str:
        words = f"{self.root.text('info', 'title')} {self.root.text('info', 'version')}"
        return " ".join(words.split())

    @property
    def unfollowed(self) -> Mapping[str, str]:
        return self.root.root.unfollowed

    @cached_property
    def requests(self) -> Sequence[DescribedRequest]:
        """Every method of every path, in the order of the file."""
        found = self.root.get("paths").list_entries(_MAX_PATHS)
        return [
            DescribedRequest(path, method.upper(), item.get(method), item)
            for path, item in found
            for method in _METHODS
            if isinstance(item.get(method).value, dict)
        ]

    def list_servers(self, request: DescribedRequest) -> Sequence[Server]:
        """Return the servers of a request: its own, or those of its path, or those of the description."""
        for holder in (request.node, request.holder, self.root):
            if found := [
                Server(url, each.place, each.text("description"), dict(each.get("variables").list_entries()))
                for each in holder.get("servers").list_items()
                if (url := each.text("url"))
            ]:
                return found
        host = self.root.text("host")  # Swagger 2.0
        schemes = [str(each.value) for each in self.root.get("schemes").list_items()]
        scheme = "http" if schemes and "https" not in schemes else "https"
        base = self.root.text("basePath").rstrip("/")
        if host or base:
            url = f"{scheme}://{host}{base}" if host else base
            return [Server(url, "#/host" if host else "#/basePath", "", {})]
        return []

    def list_security(self, request: DescribedRequest) -> Sequence[Sequence[SecurityScheme]] | None:
        """Return the alternatives of a request, each of which is one or several schemes.

        None where the description does not say which of its schemes is for which request.
        """
        for holder in (request.node, self.root):
            required = holder.get("security")
            if isinstance(required.value, list):
                return [
                    [self._find_scheme(name, scopes) for name, scopes in each.list_entries()]
                    for each in required.list_items()
                ]
        return None

    def list_schemes(self) -> Sequence[SecurityScheme]:
        for keys in (("components", "securitySchemes"), ("securityDefinitions",)):
            if found := [
                SecurityScheme(name, node, ()) for name, node in self.root.get(*keys).list_entries()
            ]:
                return found
        return []

    def _find_scheme(self, name: str, scopes: Node) -> SecurityScheme:
        named = tuple(each.value for each in scopes.list_items() if isinstance(each.value, str))
        known = (each for each in self.list_schemes() if each.name == name)
        found = next(known, None)
        place = self.root.get("components", "securitySchemes", name)
        return SecurityScheme(name, found.node if found else place, named)


_FORM = "application/x-www-form-urlencoded"
_MERGE = "application/merge-patch+json"


def _choose_body(content: Node) -> DescribedBody | None:
    """Return what is known of the content of a body; JSON comes first, then forms."""
    named = {key: node for key, node in content.list_entries() if key.partition(";")[0].strip()}
    for media_type, node in sorted(named.items(), key=lambda each: _rank(each[0])):
        plain = media_type.partition(";")[0].strip().lower()
        if _rank(plain) < len(_RANKS):
            kind: BodyKind = "form" if plain == _FORM else "merge" if plain == _MERGE else "json"
            return DescribedBody(kind, plain, _read_shape(node))
    return None


_RANKS = ("application/json", "+json", "json", "*/*", _FORM)


def _rank(media_type: str) -> int:
    plain = media_type.partition(";")[0].strip().lower()
    return next((rank for rank, each in enumerate(_RANKS) if each in plain), len(_RANKS))


def _read_shape(media: Node) -> Shape:
    """Return the shape of content, with the examples beside its schema."""
    entries = islice(media.get("examples").list_entries(), 20)
    given = [(media.get("example").value, media.get("example").place)]
    given += [((value := each.get("value")).value, value.place) for _, each in entries]
    given = [each for each in given if each[0] is not None]
    values = [value for value, _ in given]
    schema = media.get("schema")
    if schema.value is None and given:
        return Shape((), tuple(values), given[0][1])
    return Shape.of(schema, values)


def _read_answer(response: Node) -> DescribedBody | None:
    if response.get("content").value is not None:
        found = _choose_body(response.get("content"))
        return found if found and found.kind != "form" else None
    examples = response.get("examples")  # Swagger 2.0
    values = [(each.value, each.place) for key, each in examples.list_entries() if "json" in key]
    if response.get("schema").value is not None:
        shape = Shape.of(response.get("schema"), [value for value, _ in values])
        return DescribedBody("json", "application/json", shape)
    if values:
        return DescribedBody("json", "application/json", Shape((), (values[0][0],), values[0][1]))
    return None
