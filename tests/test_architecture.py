"""The import rules, read from the source text: no module is executed.

Each rule is a table. A violation names the file, the line, the import and the rule.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROXY = TESTS.parent / "proxy"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file of ours."""

    path: str
    """For example `proxy/legacy/xml.py`."""
    tree: ast.Module

    @property
    def package(self) -> list[str]:
        """The names of the package that relative imports start from."""
        return self.path.split("/")[:-1]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Return the line and the full dotted name of everything imported, wherever in the file it stands."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import():
                    yield from ((node.lineno, each.name) for each in node.names)
                case ast.ImportFrom():
                    above = self.package[: len(self.package) + 1 - node.level] if node.level else []
                    origin = [*above, *((node.module or "").split(".") if node.module else [])]
                    yield from ((node.lineno, ".".join([*origin, each.name])) for each in node.names)

    def strings(self) -> Iterator[tuple[int, str]]:
        """Return every text constant with its line, docstrings and other free-standing texts aside."""
        prose = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                yield node.lineno, node.value


def modules(root: Path) -> list[Module]:
    """Parse every file under `root`, which is a folder named proxy or tests."""
    return [
        Module(
            file.relative_to(root.parent).as_posix(),
            ast.parse(file.read_text(encoding="utf-8"), filename=str(file)),
        )
        for file in sorted(root.rglob("*.py"))
    ]


def lies_in(name: str, package: str) -> bool:
    """Tell whether a dotted name is `package` or something in it."""
    return name == package or name.startswith(f"{package}.")


def stands_in(path: str, places: tuple[str, ...]) -> bool:
    """Tell whether a file is one of `places`; a place that ends with a slash is a folder."""
    return any(path.startswith(place) if place.endswith("/") else path == place for place in places)


# The rules: each returns its violations

MAY_NOT_IMPORT: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    # importing module, imported, except, why
    (("proxy/legacy/",), "proxy.profile", "", "the two sides do not know each other"),
    (("proxy/profile/",), "proxy.legacy", "", "the two sides do not know each other"),
    (("proxy/config/",), "proxy.server", "", "settings and server do not know each other"),
    (("proxy/server/",), "proxy.config", "", "settings and server do not know each other"),
    (("proxy/model.py", "proxy/errors.py"), "proxy", "", "the neutral middle imports nothing of ours"),
    (("proxy/sandbox/",), "proxy", "proxy.sandbox", "the sandbox stands for a stranger's server"),
    (("proxy/",), "importlib", "importlib.metadata", "imports stand where these rules can read them"),
)


def forbidden_imports(of: list[Module]) -> list[str]:
    return [
        f"{module.path}:{line}: imports {name}, but {why}"
        for importers, imported, exempt, why in MAY_NOT_IMPORT
        for module in of
        if stands_in(module.path, importers)
        for line, name in module.imports()
        if lies_in(name, imported) and not (exempt and lies_in(name, exempt))
    ]


ONLY_IN: Mapping[str, tuple[str, ...]] = {
    "aiohttp": ("proxy/server/", "proxy/sandbox/"),
    "botocore": ("proxy/profile/signing.py",),
    "httptools": ("proxy/upstream/response.py",),
    "jwt": ("proxy/profile/jwts.py",),
    "lxml": ("proxy/legacy/",),
    "prometheus_client": ("proxy/observe/exposition.py",),
    "redis": ("proxy/cache/redis_pipeline.py", "proxy/cache/redis_store.py", "proxy/net/redis_url.py"),
    "yaml": ("proxy/config/yaml_source.py", "proxy/drafts/reading.py"),  # the latter reads any YAML
}


def misplaced_libraries(of: list[Module]) -> list[str]:
    return [
        f"{module.path}:{line}: imports {name}, but only {', '.join(places)} may"
        for library, places in ONLY_IN.items()
        for module in of
        if not stands_in(module.path, places)
        for line, name in module.imports()
        if lies_in(name, library)
    ]


SIDES = ("proxy.legacy", "proxy.profile")
BRIDGES = (
    *("proxy/gateway/", "proxy/process/assembly.py", "proxy/config/", "proxy/explain/"),
    "proxy/conversations/preparing.py",
)


def extra_bridges(of: list[Module]) -> list[str]:
    return [
        f"{module.path}: imports from both {' and '.join(SIDES)}, but only {', '.join(BRIDGES)} may"
        for module in of
        if knows_both_sides(module) and not stands_in(module.path, BRIDGES)
    ]


def knows_both_sides(module: Module) -> bool:
    return all(any(lies_in(name, side) for _, name in module.imports()) for side in SIDES)


LAYERS: Sequence[frozenset[str]] = (
    frozenset({"__init__", "model", "errors"}),
    frozenset({"net", "observe"}),
    frozenset({"legacy", "profile"}),
    frozenset({"config", "upstream", "cache"}),
    frozenset({"gateway"}),
    frozenset({"server"}),
    frozenset({"process"}),
    frozenset({"explain", "doctor", "conversations", "drafts"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
"""From the bottom: a package imports from the layers below it and from itself. The sandbox stands apart."""
APART = frozenset({"sandbox"})


def arrows_up(of: list[Module]) -> list[str]:
    return [
        f"{module.path}:{line}: imports {name}, but {inner} is not below {own}"
        for module in of
        if (own := room_of(module.path)) not in APART
        for line, name in module.imports()
        if lies_in(name, "proxy")
        and (inner := room_of_name(name)) not in {own, *APART}
        and level_of(inner) >= level_of(own)
    ]


def room_of(path: str) -> str:
    return path.split("/")[1].removesuffix(".py")


def room_of_name(name: str) -> str:
    _, *rest = name.split(".")
    return rest[0] if rest and any(rest[0] in layer for layer in (*LAYERS, APART)) else "__init__"


def level_of(room: str) -> int:
    return next((level for level, layer in enumerate(LAYERS) if room in layer), len(LAYERS))


def circles(of: list[Module]) -> list[str]:
    """Find circular imports of any length."""
    names = {module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for module in of}
    edges = {
        name: {found for _, each in module.imports() if (found := longest_in(each, names)) and found != name}
        for module in of
        if (name := module.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    }
    return [
        f"{name} imports itself by way of {', '.join(sorted(edges[name] & reaching))}"
        for name in sorted(edges)
        if (reaching := {each for each in edges[name] if name in reached_from(each, edges)})
    ]


def longest_in(name: str, names: set[str]) -> str | None:
    """Return the module that an imported name is, or lies in."""
    parts = name.split(".")
    found = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((each for each in found if each in names), None)


def reached_from(name: str, edges: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        for each in edges.get(waiting.pop(), set()) - reached:
            reached.add(each)
            waiting.append(each)
    return reached


LOOSE = frozenset({"proxy/__init__.py", "proxy/__main__.py", "proxy/model.py", "proxy/errors.py"})


def loose_modules(of: list[Module]) -> list[str]:
    return [
        f"{module.path}: stands in no package"
        for module in of
        if module.path.count("/") == 1 and module.path not in LOOSE
    ]


VENDOR_WORDS = ("outgoing_caller_ids", "next_page_uri", "/validation_code", "PageToken", "2010-04-01")
MAY_NAME_VENDORS = ("proxy/sandbox/",)
DEFAULT_PROFILE = ("proxy/config/settings.py", "twilio-2010-04-01")


def vendor_words(of: list[Module]) -> list[str]:
    return [
        f"{module.path}:{line}: names {word!r}, but only profiles and the sandbox know a vendor's words"
        for module in of
        if not stands_in(module.path, MAY_NAME_VENDORS)
        for line, text in module.strings()
        for word in VENDOR_WORDS
        if word in text and (module.path, text) != DEFAULT_PROFILE
    ]


def private_imports(of: list[Module]) -> list[str]:
    return [
        f"{module.path}:{line}: uses {name}, but a name with an underscore belongs to its own module"
        for module in of
        for line, name in [*module.imports(), *attributes_of_modules(module)]
        if lies_in(name, "proxy") and any(is_private(part) for part in name.split("."))
    ]


def attributes_of_modules(module: Module) -> Iterator[tuple[int, str]]:
    """Return `config._secret` where `from proxy import config` stands above."""
    known = {name.rpartition(".")[2]: name for _, name in module.imports()}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            yield node.lineno, f"{known[node.value.id]}.{node.attr}"


DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    # Of packages that are used through more than their topmost module: what their documentation names
    "aiohttp": ("aiohttp.abc", "aiohttp.hdrs", "aiohttp.typedefs", "aiohttp.web"),
    "botocore": ("botocore.auth", "botocore.awsrequest", "botocore.credentials"),
    "lxml": ("lxml.etree",),
    "prometheus_client": ("prometheus_client.core", "prometheus_client.registry"),
    "python_multipart": ("python_multipart.exceptions", "python_multipart.multipart"),
    "redis": ("redis.asyncio", "redis.asyncio.connection", "redis.exceptions"),
}
PUBLIC_UNDERSCORES = ("_asdict", "_fields", "_make", "_replace", "_exit")  # of named tuples, and of os
FOREIGN_EXCEPTIONS: Mapping[tuple[str, str], str] = {}
"""File and name → the reason for it."""


def foreign_internals(of: list[Module]) -> list[str]:
    """Find private names of other packages, which change in patch releases, and undocumented modules."""
    return [
        f"{module.path}:{line}: uses {name}, but only what a package documents stays as it is"
        for module in of
        for line, name in [*undocumented_imports(module), *foreign_attributes(module)]
        if (module.path, name) not in FOREIGN_EXCEPTIONS
    ]


def undocumented_imports(module: Module) -> Iterator[tuple[int, str]]:
    for line, name in module.imports():
        package, *path = name.split(".")
        if package in ("proxy", "__future__"):
            continue
        origin = ".".join([package, *path[:-1]])
        known = {package, *DOCUMENTED.get(package, ())}
        is_submodule = package in DOCUMENTED and origin not in known
        if is_submodule or any(is_private(part) for part in [package, *path]):
            yield line, name


def foreign_attributes(module: Module) -> Iterator[tuple[int, str]]:
    """Return attributes with an underscore that nothing in the module defines."""
    own = set(defined_names(module)) | set(PUBLIC_UNDERSCORES)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            yield node.lineno, node.attr


def defined_names(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name


FOREIGN_TEST_MODULES = ("aiohttp.test_utils",)


def imported_tests(of: list[Module]) -> list[str]:
    """Find imports from test modules: pytest may run their tests twice, and fixtures arrive unseen."""
    return [
        f"{module.path}:{line}: imports {name}, but what tests share stands in tests/support/"
        for module in of
        for line, name in module.imports()
        if is_test_module(name) and not any(lies_in(name, each) for each in FOREIGN_TEST_MODULES)
    ]


def is_test_module(name: str) -> bool:
    return any(part == "conftest" or part.startswith("test_") for part in name.split("."))


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


# The project follows the rules


@pytest.fixture(scope="module")
def ours() -> list[Module]:
    return modules(PROXY)


Rule = Callable[[list[Module]], list[str]]


def obey(rule: Rule, ours: list[Module]) -> None:
    violations = rule(ours)
    assert not violations, "\n" + "\n".join(violations)


def test_forbidden_imports(ours: list[Module]) -> None:
    obey(forbidden_imports, ours)


def test_each_library_is_imported_by_its_own_modules(ours: list[Module]) -> None:
    obey(misplaced_libraries, ours)


def test_only_bridges_import_both_sides(ours: list[Module]) -> None:
    obey(extra_bridges, ours)


def test_imports_follow_the_layers(ours: list[Module]) -> None:
    obey(arrows_up, ours)
    assert {room_of(module.path) for module in ours} <= {*APART}.union(*LAYERS)


def test_no_circular_imports(ours: list[Module]) -> None:
    obey(circles, ours)


def test_every_module_is_in_a_package(ours: list[Module]) -> None:
    obey(loose_modules, ours)


def test_no_field_of_a_vendor_is_named_outside_profiles_and_the_sandbox(ours: list[Module]) -> None:
    obey(vendor_words, ours)


def test_no_module_uses_the_private_names_of_another(ours: list[Module]) -> None:
    obey(private_imports, ours)


def test_no_module_uses_the_internals_of_other_packages(ours: list[Module]) -> None:
    obey(foreign_internals, ours)


def test_every_exception_is_still_needed(ours: list[Module]) -> None:
    uses = {
        (module.path, name)
        for module in ours
        for _, name in [*undocumented_imports(module), *foreign_attributes(module)]
    }
    assert set(FOREIGN_EXCEPTIONS) <= uses


def test_no_test_imports_another() -> None:
    obey(imported_tests, modules(TESTS))


# The rules find violations


def test_the_rules_see_the_whole_program(ours: list[Module]) -> None:
    found = {module.path for module in ours}
    named = {
        place
        for places in (BRIDGES, *ONLY_IN.values(), *(importers for importers, *_ in MAY_NOT_IMPORT))
        for place in places
    }
    missing = {place for place in named if not any(stands_in(path, (place,)) for path in found)}
    assert not missing
    assert any(knows_both_sides(module) for module in ours if module.path == "proxy/process/assembly.py")
    for library in ("aiohttp", "yaml"):
        assert any(lies_in(name, library) for module in ours for _, name in module.imports())


PLANTED: list[tuple[Rule, str, str, str]] = [
    # rule, file, its source, how the message opens
    (
        forbidden_imports,
        "proxy/legacy/xml.py",
        "def f():\n    import proxy.profile.paging",
        "proxy/legacy/xml.py:2: imports proxy.profile.paging, but the two sides do not know each other",
    ),
    (
        forbidden_imports,
        "proxy/profile/auth.py",
        "from proxy import legacy",
        "proxy/profile/auth.py:1: imports proxy.legacy, but",
    ),
    (
        forbidden_imports,
        "proxy/profile/deep/auth.py",
        "from ...legacy.xml import many",
        "proxy/profile/deep/auth.py:1: imports proxy.legacy.xml.many, but",
    ),
    (
        forbidden_imports,
        "proxy/model.py",
        "from . import errors",
        "proxy/model.py:1: imports proxy.errors, but the neutral middle imports nothing of ours",
    ),
    (
        forbidden_imports,
        "proxy/errors.py",
        "import proxy",
        "proxy/errors.py:1: imports proxy, but",
    ),
    (
        forbidden_imports,
        "proxy/sandbox/app.py",
        "from ..model import Page",
        "proxy/sandbox/app.py:1: imports proxy.model.Page, but the sandbox stands for a stranger's server",
    ),
    (
        forbidden_imports,
        "proxy/cli.py",
        "from importlib import import_module",
        "proxy/cli.py:1: imports importlib.import_module, but",
    ),
    (
        misplaced_libraries,
        "proxy/gateway/translator.py",
        "if TYPE_CHECKING:\n    from aiohttp import web",
        "proxy/gateway/translator.py:2: imports aiohttp.web, but only proxy/server/, proxy/sandbox/ may",
    ),
    (
        misplaced_libraries,
        "proxy/upstream/profile.py",
        "import lxml.etree as etree",
        "proxy/upstream/profile.py:1: imports lxml.etree, but only proxy/legacy/ may",
    ),
    (
        misplaced_libraries,
        "proxy/config/loading.py",
        "import yaml",
        "proxy/config/loading.py:1: imports yaml, but only proxy/config/yaml_source.py, ",
    ),
    (
        extra_bridges,
        "proxy/server/listening.py",
        "from proxy.legacy import Answer\nfrom proxy.profile.calls import Call",
        "proxy/server/listening.py: imports from both proxy.legacy and proxy.profile, but only ",
    ),
    (
        arrows_up,
        "proxy/cache/stores.py",
        "def f():\n    from proxy.gateway import accounts",
        "proxy/cache/stores.py:2: imports proxy.gateway.accounts, but gateway is not below cache",
    ),
    (
        arrows_up,
        "proxy/cache/stores.py",
        "from proxy.upstream.retry import retry_delay",
        "proxy/cache/stores.py:1: imports proxy.upstream.retry.retry_delay, but upstream is not below cache",
    ),
    (
        arrows_up,
        "proxy/net/tls.py",
        "import proxy.legacy.xml",
        "proxy/net/tls.py:1: imports proxy.legacy.xml, but legacy is not below net",
    ),
    (loose_modules, "proxy/logs.py", "", "proxy/logs.py: stands in no package"),
    (
        vendor_words,
        "proxy/upstream/paging.py",
        'x = page["next_page_uri"]',
        "proxy/upstream/paging.py:1: names 'next_page_uri', but only profiles and the sandbox ",
    ),
    (
        vendor_words,
        "proxy/gateway/translator.py",
        'url = f"{base}/2010-04-01/Accounts"',
        "proxy/gateway/translator.py:1: names '2010-04-01', but",
    ),
    (
        private_imports,
        "proxy/cli.py",
        "from proxy.config import _secret",
        "proxy/cli.py:1: uses proxy.config._secret, but a name with an underscore belongs to its own module",
    ),
    (
        private_imports,
        "proxy/cli.py",
        "from proxy import config\nconfig._shipped()",
        "proxy/cli.py:2: uses proxy.config._shipped, but",
    ),
    (
        forbidden_imports,
        "proxy/server/listeners.py",
        "from proxy.config import Listen",
        "proxy/server/listeners.py:1: imports proxy.config.Listen, but settings and server do not ",
    ),
    (
        arrows_up,
        "proxy/net/sockets.py",
        "from proxy.server import peers",
        "proxy/net/sockets.py:1: imports proxy.server.peers, but server is not below net",
    ),
    (
        foreign_internals,
        "proxy/server/door.py",
        "from aiohttp.base_protocol import BaseProtocol",
        "proxy/server/door.py:1: uses aiohttp.base_protocol.BaseProtocol, but only what",
    ),
    (
        foreign_internals,
        "proxy/server/door.py",
        "from aiohttp import _http_parser",
        "proxy/server/door.py:1: uses aiohttp._http_parser, but",
    ),
    (
        foreign_internals,
        "proxy/server/door.py",
        "import orjson\norjson._loads(b'')",
        "proxy/server/door.py:2: uses _loads, but",
    ),
    (
        foreign_internals,
        "proxy/server/door.py",
        "class Door(web.RequestHandler):\n    def f(self):\n        return self._messages",
        "proxy/server/door.py:3: uses _messages, but",
    ),
    (
        foreign_internals,
        "proxy/server/door.py",
        "def f(body):\n    body._buffer.clear()",
        "proxy/server/door.py:2: uses _buffer, but",
    ),
    (
        foreign_internals,
        "proxy/server/door.py",
        "def f(body):\n    body._paused = True",
        "proxy/server/door.py:2: uses _paused, but",
    ),
]


@pytest.mark.parametrize(("rule", "path", "source", "opening"), PLANTED)
def test_a_planted_violation_is_found(
    rule: Rule, path: str, source: str, opening: str, tmp_path: Path
) -> None:
    plant(tmp_path, path, source)
    (violation,) = rule(modules(tmp_path / "proxy"))
    assert violation.startswith(opening)


@pytest.mark.parametrize(
    ("source", "opening"),
    [
        ("import test_conversations as talks", "tests/cli/x.py:1: imports test_conversations, but"),
        ("from server import test_raw", "tests/cli/x.py:1: imports server.test_raw, but what tests share"),
        ("from server.test_raw import get", "tests/cli/x.py:1: imports server.test_raw.get, but"),
        (
            "def f():\n    from ..cache.conftest import Clock",
            "tests/cli/x.py:2: imports tests.cache.conftest.",
        ),
        ("from . import conftest", "tests/cli/x.py:1: imports tests.cli.conftest, but"),
    ],
)
def test_a_planted_import_of_a_test_is_found(source: str, opening: str, tmp_path: Path) -> None:
    plant(tmp_path, "tests/cli/x.py", source)
    (violation,) = imported_tests(modules(tmp_path / "tests"))
    assert violation.startswith(opening)


def test_imports_of_helpers_pass(tmp_path: Path) -> None:
    plant(
        tmp_path, "tests/cli/x.py", "from aiohttp.test_utils import TestClient\nfrom support.raw import get"
    )
    assert imported_tests(modules(tmp_path / "tests")) == []


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    for path, source in (
        ("proxy/net/a.py", "from proxy.net import b"),
        ("proxy/net/b.py", "def f():\n    from proxy.net.c import g"),
        ("proxy/net/c.py", "import proxy.net.a"),
        ("proxy/net/d.py", "import proxy.net.a"),
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    found = circles(modules(tmp_path / "proxy"))
    assert [violation.partition(" ")[0] for violation in found] == [
        "proxy.net.a",
        "proxy.net.b",
        "proxy.net.c",
    ]


INNOCENT = [
    ("proxy/sandbox/app.py", "from . import errors\nfrom proxy.sandbox.store import Store\nimport aiohttp"),
    ("proxy/legacy/xml.py", "import lxml.etree\nfrom proxy.model import Page\nfrom proxy.upstreams import x"),
    ("proxy/config/settings.py", '_TWILIO = "twilio-2010-04-01"'),
    ("proxy/sandbox/answers.py", 'x = {"next_page_uri": None}'),
    ("proxy/upstream/paging.py", '"""Some upstreams call it next_page_uri."""'),
    (
        "proxy/cache/redis_store.py",
        "from proxy.cache.keys import Key\nfrom proxy.errors import Fault\nimport redis",
    ),
    ("proxy/cli.py", "from proxy import __version__\nimport aiohttp_other\nself._x = proxy.config.Address"),
    (
        "proxy/gateway/translator.py",
        "from proxy.legacy import route\nfrom proxy.profile.calls import Call",
    ),
    (
        "proxy/server/door.py",
        "from aiohttp import EMPTY_PAYLOAD, web\nfrom aiohttp.abc import AbstractStreamWriter",
    ),
    (
        "proxy/server/door.py",
        "class Door(web.RequestHandler):\n    def f(self):\n        self._ours = settings._replace(a=1)",
    ),
    ("proxy/server/door.py", "import os\nfrom collections.abc import Mapping\nos.environ.__len__()"),
]


@pytest.mark.parametrize(("path", "source"), INNOCENT)
def test_similar_but_allowed_imports_pass(path: str, source: str, tmp_path: Path) -> None:
    plant(tmp_path, path, source)
    planted = modules(tmp_path / "proxy")
    rules = (
        forbidden_imports,
        misplaced_libraries,
        extra_bridges,
        vendor_words,
        private_imports,
        foreign_internals,
        arrows_up,
    )
    assert [violation for rule in rules for violation in rule(planted)] == []


def plant(folder: Path, path: str, source: str) -> None:
    file = folder / path
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")
