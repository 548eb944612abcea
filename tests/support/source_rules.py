"""What a Python file imports, the cycle that makes, and whether importing the file does any work."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "fer_edge"

HARMLESS = frozenset(
    [
        *("chr", "dict", "dict.fromkeys", "float", "frozenset", "int", "len", "list", "max", "min", "object", "ord"),
        *("property", "range"),
        *("set", "sorted", "sum", "tuple", "zip", "re.compile", "re.escape", "math.log", "math.sqrt", "str.maketrans"),
        *("struct.Struct", "struct.calcsize", "logging.getLogger", "threading.Lock", "shutil.ignore_patterns", "Path"),
        *("TypeVar", "ParamSpec", "NewType", "NamedTuple", "namedtuple", "MappingProxyType", "timedelta", "dataclass"),
        *("ContextVar", "field", "lru_cache", "wraps", "np.array", "np.empty", "np.float32", "np.zeros"),
        *("about", "key"),  # ours: the rules of a key in a TOML file
    ]
)
"""Calls that make a value and change nothing outside; also allowed: classes of ours, own functions that do the same."""
OF_A_PATH = frozenset({"absolute", "joinpath", "resolve", "with_name", "with_suffix"})


def modules(root: Path, rooms: tuple[str, ...]) -> dict[str, Path]:
    """Dotted name -> file of every module of ours: those of the rooms and those beside them."""
    files = [*root.glob("*.py"), *(path for room in rooms for path in sorted((root / room).rglob("*.py")))]
    return {dotted(path, root): path for path in files}


def dotted(path: Path, root: Path = ROOT) -> str:
    """The name by which Python imports a file."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join([PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)])


def imports(path: Path, root: Path = ROOT, *, for_types: bool = True) -> list[str]:
    """Absolute names of everything a file imports, at any depth; without `for_types` not what only annotations need."""
    package = [PACKAGE, *path.relative_to(root).parent.parts]
    names: list[str] = []
    for node in _nodes(_tree(path.read_text()), for_types):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names += [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
    return names


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _nodes(tree: ast.AST, for_types: bool) -> Iterator[ast.AST]:
    """Every node, with or without the bodies of `if TYPE_CHECKING`."""
    yield tree
    hidden = isinstance(tree, ast.If) and ast.unparse(tree.test).endswith("TYPE_CHECKING") and not for_types
    for child in tree.orelse if hidden and isinstance(tree, ast.If) else ast.iter_child_nodes(tree):
        yield from _nodes(child, for_types)


def graph(known: Mapping[str, Path], root: Path = ROOT) -> dict[str, set[str]]:
    """Module -> our modules it needs while it runs, a package's own __init__ where a name is taken from there."""
    edges: dict[str, set[str]] = {}
    for name, path in known.items():
        wanted = imports(path, root, for_types=False)
        taken = {w for w in wanted if w in known}
        from_modules = {w.rpartition(".")[0] for w in taken}
        named = {w.rpartition(".")[0] for w in wanted if w not in known}
        edges[name] = {t for t in taken if t not in from_modules or t in named} - {name}
    return edges


def cycle(edges: Mapping[str, set[str]]) -> list[str]:
    """Modules that need one another in a circle, or none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return sorted(set(error.args[1]))
    return []


def work_at_import(text: str) -> list[str]:
    """What a module does when it is imported beyond defining things, as "line: why"."""
    return [f"{node.lineno}: {why}" for node, why in _Module(text).work()]


class _Module:
    """One file: its statements, its functions, and the classes that are ours."""

    def __init__(self, text: str) -> None:
        self.body = _tree(text).body
        self.functions = {n.name: n for n in self.body if isinstance(n, ast.FunctionDef)}
        self.classes = {n.name for n in self.body if isinstance(n, ast.ClassDef)}
        for node in self.body:
            if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith(PACKAGE)):
                self.classes |= {a.asname or a.name for a in node.names if a.name[:1].isupper()}

    def work(self) -> Iterator[tuple[ast.stmt, str]]:
        yield from self._statements(self.body)

    def _statements(self, body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                given = [*node.args.defaults, *node.args.kw_defaults]
                yield from self._calls(node, *node.decorator_list, *(d for d in given if d))
            elif isinstance(node, ast.ClassDef):
                yield from self._calls(node, *node.decorator_list, *node.bases)
                yield from self._statements(node.body)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if any(isinstance(part, (ast.Attribute, ast.Subscript)) for part in ast.walk(target)):
                        yield node, f"changes {ast.unparse(target)}"
                yield from self._calls(node, *([node.value] if node.value else []))
            elif isinstance(node, ast.If) and (guard := _guard(node.test)):
                yield from self._statements([*(node.body if guard == "version" else []), *node.orelse])
            elif isinstance(node, ast.Try) and all(_of_an_import(handler) for handler in node.handlers):
                after = [s for handler in node.handlers for s in handler.body]
                yield from self._statements([*node.body, *after, *node.orelse, *node.finalbody])
            elif not isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)) and not _is_text(node):
                yield node, f"is a {type(node).__name__}"

    def _calls(self, node: ast.stmt, *values: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
        """The calls made by evaluating these that might do something."""
        for part in (part for value in values for part in _evaluated(value)):
            if isinstance(part, ast.Call) and not self._harmless(part.func):
                yield node, f"calls {ast.unparse(part.func)}"

    def _harmless(self, function: ast.expr) -> bool:
        name = ast.unparse(function)
        if name in self.functions:
            return not any(True for statement in self.functions[name].body for _ in self._calls(statement, statement))
        if isinstance(function, ast.Attribute) and isinstance(function.value, (ast.Constant, ast.Call)):
            return isinstance(function.value, ast.Constant) or function.attr in OF_A_PATH
        return name in HARMLESS or name in self.classes


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _guard(test: ast.expr) -> str:
    """Which harmless question an `if` of a module asks, or nothing."""
    text = ast.unparse(test)
    if text == "__name__ == '__main__'" or text.endswith("TYPE_CHECKING"):
        return "never true on import"
    return "version" if text.startswith(("sys.version_info", "sys.platform")) else ""


def _of_an_import(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and ast.unparse(handler.type) in {"ImportError", "ModuleNotFoundError"}


def _evaluated(value: ast.AST) -> Iterator[ast.AST]:
    """Its nodes, without the bodies of lambdas and inner functions, which run later."""
    if not isinstance(value, (ast.Lambda, ast.FunctionDef)):
        yield value
        for child in ast.iter_child_nodes(value):
            yield from _evaluated(child)
