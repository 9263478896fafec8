"""Reads a house (a folder of rooms) once, and finds what is not as planned. Every rule gives `path:line: what`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.house import plan

Findings = Iterator[str]


@dataclass(frozen=True)
class Module:
    """One Python file of a room."""

    path: str  # from the root, with slashes
    text: str

    @property
    def room(self) -> str:
        """The top-level package."""
        return self.path.split("/", 1)[0]

    @property
    def name(self) -> str:
        """Its dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text, self.path)

    def at(self, node: ast.AST, what: str) -> str:
        """A finding."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"

    @cached_property
    def imports(self) -> list[tuple[ast.stmt, str, str, bool]]:
        """(statement, module, name or '', whether inside a function) of every import, typing-only ones included."""
        found: list[tuple[ast.stmt, str, str, bool]] = []
        stack: list[tuple[ast.AST, bool]] = [(self.tree, False)]
        while stack:
            node, inside = stack.pop()
            if isinstance(node, ast.Import):
                found += [(node, alias.name, "", inside) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found += [(node, self._absolute(node), alias.name, inside) for alias in node.names]
            within = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            stack += [(child, within) for child in ast.iter_child_nodes(node)]
        return sorted(found, key=lambda each: (each[0].lineno, each[1], each[2]))

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        base = self.name.split(".") if self.path.endswith("__init__.py") else self.name.split(".")[:-1]
        base = base[: len(base) - (node.level - 1)]
        return ".".join([*base, *([node.module] if node.module else [])])


class House:
    """All rooms below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules = [
            Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
            for room in plan.ROOMS
            for path in sorted((root / room).rglob("*.py"))
        ]

    @cached_property
    def by_name(self) -> dict[str, Module]:
        """Modules by dotted name."""
        return {module.name: module for module in self.modules}

    @cached_property
    def documented_methods(self) -> dict[str, set[str]]:
        """Class name -> its methods that have a docstring; an override may leave its own out."""
        found: dict[str, set[str]] = {}
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef):
                    methods = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
                    found.setdefault(node.name, set()).update(each.name for each in methods if ast.get_docstring(each))
        return found


def floors(house: House) -> Findings:
    """A room imports only the rooms below it."""
    for module in house.modules:
        for node, imported, _, _ in module.imports:
            room = imported.split(".", 1)[0]
            if room in plan.ROOMS and room != module.room and room not in plan.ROOMS[module.room]:
                yield module.at(node, f"{module.room} may not see {room}")
            if room in ("tests", "benchmarks"):
                yield module.at(node, f"{module.room} may not see {room}")
            wing = "/".join(imported.split(".")[:2])
            if wing in plan.WINGS.get("/".join(module.path.split("/")[:2]), ()):
                yield module.at(node, f"{'/'.join(module.path.split('/')[:2])} may not see {wing}")


def libraries(house: House) -> Findings:
    """A library is imported only where it lives."""
    for module in house.modules:
        for node, imported, _, _ in module.imports:
            library = imported.split(".", 1)[0]
            if module.room not in plan.LIBRARIES.get(library, plan.ROOMS.keys()):
                yield module.at(node, f"{library} may not be imported in {module.room}")
            if library == "yaml" and module.path != plan.YAML_READER:
                yield module.at(node, f"YAML is read only by {plan.YAML_READER}")


def cycles(house: House) -> Findings:
    """No module needs itself through others while it is being imported."""
    graph = {module.name: _needed(module, house) for module in house.modules}
    done: set[str] = set()
    for start in sorted(graph):
        if start in done:
            continue
        path, stack = [start], [iter(sorted(graph[start]))]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                done.add(path.pop())
                stack.pop()
            elif following in path:
                ring = [*path[path.index(following) :], following]
                yield f"{house.by_name[following].path}:1: an import cycle: {' -> '.join(ring)}"
            elif following not in done:
                path.append(following)
                stack.append(iter(sorted(graph[following])))


def _needed(module: Module, house: House) -> set[str]:
    typing_only = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    needed = set()
    for node, imported, name, inside in module.imports:
        if inside or id(node) in typing_only:
            continue
        full = f"{imported}.{name}"
        if full in house.by_name:
            needed.add(full)
        elif imported in house.by_name:
            needed.add(imported)
    return needed - {module.name}


def late_imports(house: House) -> Findings:
    """Imports stand at the top; the few that do not have their reason in the plan."""
    for module in house.modules:
        for node, imported, _, inside in module.imports:
            if inside and (module.room, imported.split(".", 1)[0]) not in plan.LATE_IMPORTS:
                yield module.at(node, f"{imported} is imported inside a function")


def names(house: House) -> Findings:
    """No module or folder hides behind a name that says nothing; no package stands outside the plan."""
    for module in house.modules:
        for part in module.name.split("."):
            if part in plan.NO_NAMES:
                yield f"{module.path}:1: '{part}' says nothing about what is inside"
    for folder in sorted(path for path in house.root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        known = folder.name in plan.ROOMS or folder.name in ("tests", "benchmarks", "docs")
        if not known and next(folder.glob("*.py"), None) is not None:
            yield f"{folder.name}:1: no room of the plan"


def sizes(house: House) -> Findings:
    """Modules and functions stay readable at one sitting. Migrations are frozen tables and may be long."""
    for module in house.modules:
        if plan.MIGRATIONS in module.path:
            continue
        count = module.text.count("\n") + 1
        if count > plan.MODULE_LINES:
            yield f"{module.path}:1: {count} lines; the ceiling is {plan.MODULE_LINES}"
        for node, lines in _functions(module):
            if lines > plan.FUNCTION_LINES:
                yield module.at(node, f"{node.name} has {lines} lines; the ceiling is {plan.FUNCTION_LINES}")


def connector_sizes(house: House) -> Findings:
    """A connector, its modules together, is read at one sitting; what is larger has a ceiling that only falls."""
    lines, declaring = Counter[str](), set[str]()
    for module in house.modules:
        if module.room == "connectors":
            name = module.path.split("/")[1].removesuffix(".py")
            lines[name] += module.text.count("\n")
            if any(_names_a_system(node) for node in ast.walk(module.tree)):
                declaring.add(name)
    for name in sorted(declaring):
        ceiling, where = plan.CONNECTOR_CEILINGS.get(name, plan.CONNECTOR_LINES), f"connectors/{name}:1"
        if lines[name] > ceiling:
            yield f"{where}: {lines[name]} lines; its ceiling is {ceiling}. Is it among the parts of connectors/README.md?"
        elif name in plan.CONNECTOR_CEILINGS and lines[name] + plan.CONNECTOR_ROOM < ceiling:
            yield f"{where}: {lines[name]} lines; lower its ceiling of {ceiling}, which may only fall"


def _names_a_system(node: ast.AST) -> bool:
    """Whether a class says which system it connects."""
    if not isinstance(node, ast.ClassDef):
        return False
    plain = {ast.unparse(target) for each in node.body if isinstance(each, ast.Assign) for target in each.targets}
    typed = {ast.unparse(each.target) for each in node.body if isinstance(each, ast.AnnAssign) and each.value}
    return "system" in plain | typed


def long_functions(house: House) -> Findings:
    """Functions that are worth a second look."""
    for module in house.modules:
        for node, lines in _functions(module):
            if lines > plan.LONG_FUNCTION and plan.MIGRATIONS not in module.path:
                yield module.at(node, f"{node.name} has {lines} lines")


def _functions(module: Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Functions with their length, docstring not counted."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = node.body[0] if ast.get_docstring(node) is not None else None
            docstring = (told.end_lineno or told.lineno) - told.lineno + 1 if told is not None else 0
            yield node, (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


def annotations(house: House) -> Findings:
    """Every parameter and every result has its type."""
    for module in house.modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            given = node.args
            parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            parameters += [each for each in (given.vararg, given.kwarg) if each is not None]
            for position, parameter in enumerate(parameters):
                if parameter.annotation is None and not (position == 0 and parameter.arg in ("self", "cls")):
                    yield module.at(node, f"{node.name}: '{parameter.arg}' has no type")
            if node.returns is None:
                yield module.at(node, f"{node.name} has no result type")


def docstrings(house: House) -> Findings:
    """Every public name says in a sentence what it is; an override may leave that to what it overrides."""
    for module in house.modules:
        if module.text.strip() and ast.get_docstring(module.tree) is None:
            yield f"{module.path}:1: the module has no docstring"
        if plan.MIGRATIONS in module.path:  # `upgrade` and `downgrade` say it
            continue
        yield from _undocumented(module, module.tree.body, frozenset(), house)


def _undocumented(module: Module, body: list[ast.stmt], inherited: frozenset[str], house: House) -> Findings:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and node.name not in inherited and not _is_overload(node):
            yield module.at(node, f"{node.name} has no docstring")
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
            told = frozenset().union(*(house.documented_methods.get(base, set()) for base in bases))
            yield from _undocumented(module, node.body, told, house)


def _is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(each).split(".")[-1] in ("overload", "override", "setter") for each in decorators)


def comparisons(house: House) -> Findings:
    """Signatures and tokens are compared in constant time (hmac.compare_digest), never by == or in."""
    for module in house.modules:
        secret = _SECRET if module.room in ("connectors", "console") else _SECRET_ELSEWHERE
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Compare):
                continue
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            if any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
                for side in sides:
                    name = _last_name(side).lower()
                    if secret.search(name) and not _POSITION.search(name):
                        yield module.at(node, f"'{name}' is compared with ==; use hmac.compare_digest")


_SECRET = re.compile(r"(?:^|_)(?:sig|signature|hmac|digest|token)(?:$|_)")
_SECRET_ELSEWHERE = re.compile(
    r"(?:^|_)(?:sig|signature|hmac)(?:$|_)"
)  # a content's digest or a parser's token is none
_POSITION = re.compile(r"page|next|cursor|continuation|delta|sync")  # a place in a list, not a credential


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return "" if node.attr == "lower" else node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return node.id if isinstance(node, ast.Name) else ""


def unsafe_calls(house: House) -> Findings:
    """No loader of YAML that builds objects, no eval, no exec; `print` belongs to the console and to a `__main__`."""
    for module in house.modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("eval", "exec", "os.system"):
                yield module.at(node, f"{called} is never needed")
            if called in ("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"):
                yield module.at(node, f"{called} may build any object")
            if called == "print" and module.room != "console" and not module.path.endswith("/__main__.py"):
                yield module.at(node, "print belongs to the console")


def told_bodies(house: House) -> Findings:
    """No log line and no print is handed a body, a payload or a record."""
    for module in house.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and _tells(node.func):
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                for inner in (part for value in given for part in ast.walk(value)):
                    if _last_name(inner) in _BODIES and not _only_counted(inner, given):
                        yield module.at(node, f"'{_last_name(inner)}' is told to the log")


_BODIES = frozenset(
    {"body", "payload", "raw", "content", "text", "bodies", "payloads", "before_image", "headers", "secret", "password"}
)
_LOGGER = re.compile(r"(?:^|[._])(?:log|logger|logging|getlogger)(?:$|[.(])")
_LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log", "msg"})


def _tells(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "print"
    if not isinstance(function, ast.Attribute) or function.attr not in _LEVELS:
        return False
    return _LOGGER.search(ast.unparse(function.value).lower()) is not None


def _only_counted(inner: ast.AST, given: list[ast.expr]) -> bool:
    """Whether it only stands inside len(...)."""
    calls = (node for value in given for node in ast.walk(value) if isinstance(node, ast.Call))
    return any(ast.unparse(call.func) == "len" and inner in ast.walk(call) for call in calls)


def readmes(house: House) -> Findings:
    """Each room says its job in a few lines."""
    for room in plan.ROOMS:
        if not (house.root / room).is_dir():
            continue
        readme = house.root / room / "README.md"
        if not readme.is_file():
            yield f"{room}/README.md:1: is missing"
        elif (count := len(readme.read_text(encoding="utf-8").strip().splitlines())) > plan.README_LINES:
            yield f"{room}/README.md:1: {count} lines; its job fits in {plan.README_LINES}"


def stewards_folders(house: House) -> Findings:
    """YAML lives one folder down, Python never does beside it."""
    for room in plan.ROOMS:
        for path in sorted((house.root / room).rglob("*.yaml")):
            where = path.relative_to(house.root).as_posix()
            if path.parent == house.root / room:
                yield f"{where}:1: YAML lives one folder down"
            elif next(path.parent.glob("*.py"), None) is not None:
                yield f"{where}:1: Python stands beside it"


RULES: dict[str, Callable[[House], Findings]] = {
    rule.__name__: rule
    for rule in (
        floors, libraries, cycles, late_imports, names, sizes, connector_sizes, annotations, docstrings, comparisons, unsafe_calls,
        told_bodies, readmes, stewards_folders,
    )
}  # fmt: skip
"""The rules that refuse."""
