"""A source file as the definitions it holds and the names it binds.

A definition is a function, a class or a constant at the top of a module; all other statements there run whenever the
module is imported.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

GLOBAL = object()  # a name that a function declares to be the module's
# What may be called where a module is imported without any doubt about effects.
PLAIN_CALLS = re.compile(
    r"(tuple|list|dict|set|frozenset|sorted|range|len|str|int|float|bool|min|max|sum|zip|map|enumerate|isinstance|abs"
    r"|round|object|type|slice|pathlib\.Path|typing\.\w+|re\.compile|collections\.\w+|dataclasses\.\w+|enum\.auto"
    r"|math\.\w+|operator\.\w+|functools\.(partial|cache|lru_cache|cached_property|wraps)|contextlib\.\w+"
    r"|numpy\.(array|arange|linspace|geomspace|radians|float32|int64|eye|zeros|ones)|torch\.(no_grad|inference_mode)"
    r"|datetime\.\w+|logging\.getLogger|types\.\w+|property|staticmethod|classmethod)"
)
PLAIN_METHODS = {"split", "splitlines", "items", "values", "keys", "join", "format", "strip", "resolve", "with_suffix"}

Functions = (ast.FunctionDef, ast.AsyncFunctionDef)
Comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Import:
    """What an import binds: a module (name is None), or a name of it."""

    module: str
    name: str | None = None


@dataclass(eq=False)
class Definition:
    """A statement at the top of a module, or an entry of a table there."""

    module: str
    name: str
    node: ast.AST
    always: bool = False  # runs, or may have effects, whenever the module is imported
    entries: dict[str, "Definition"] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.module}.{self.name}"


class Source:
    """A module's definitions by the names they bind."""

    def __init__(self, module: str, text: str, packages: Sequence[str], is_package: bool = False) -> None:
        self.module, self.packages, self.is_package = module, packages, is_package
        self.definitions: list[Definition] = []
        self.main: list[Definition] = []  # run where the module is the program
        self.bound: dict[str, list[Definition | Import]] = {}
        self.imports: set[Import] = set()  # made whenever the module is imported
        self.stars: list[str] = []
        self.has_walrus = ":=" in text
        tree = ast.parse(text)
        self.docstring = Definition(module, "__doc__", ast.Constant(ast.get_docstring(tree) or ""))
        for node in tree.body:
            self._add(node)
        self._doubt(text)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module that an import names, relative ones resolved."""
        if not node.level:
            return node.module or ""
        package = self.module.split(".") if self.is_package else self.module.split(".")[:-1]
        kept = package[: len(package) - node.level + 1]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def bindings(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import, Import]]:
        """(name, what it is bound to, what is imported for it) of an import statement."""
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                target = Import(self.absolute(node), alias.name)
                yield alias.asname or alias.name, target, target
            else:
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or bound, Import(bound), Import(alias.name)

    def names_bound(self, nodes: Iterable[ast.AST]) -> dict[str, Any]:
        """The names that statements bind in their own scope: to imports, to GLOBAL, or to values of their own, ()."""
        bound: dict[str, Any] = {}
        elsewhere: set[str] = set()
        todo = nodes = list(nodes)
        while todo:
            todo, waiting = [], todo
            for node in waiting:
                kind = type(node)
                if kind in (ast.Import, ast.ImportFrom):
                    for name, target, _ in self.bindings(node):
                        bound[name] = (*(bound.get(name) or ()), target)
                elif kind is ast.Global:
                    bound.update(dict.fromkeys(node.names, GLOBAL))
                elif kind is ast.Nonlocal:
                    elsewhere.update(node.names)
                else:
                    for name in _names_set(node):
                        bound.setdefault(name, ())
                    todo += [] if kind is ast.ClassDef else _inner_statements(node)
        if self.has_walrus:
            for inner in (inner for node in nodes for inner in own_nodes(node, ast.NamedExpr)):
                bound.setdefault(inner.target.id, ())
        return {name: targets for name, targets in bound.items() if name not in elsewhere}

    def _add(self, node: ast.stmt) -> None:
        if is_text(node):
            return
        if _is_main(node):
            self.main.append(Definition(self.module, f"__main__ <{len(self.main)}>", node, always=True))
            return
        bound = self.names_bound([node])
        for inner in _imports(node):
            self.imports.update(imported for _, _, imported in self.bindings(inner))
            self.stars += [target.module for _, target, _ in self.bindings(inner) if target.name == "*"]
        known = (
            isinstance(node, (*Functions, ast.ClassDef, ast.Assign, ast.AnnAssign)) and bound and not _sets_parts(node)
        )
        definition = Definition(self.module, ", ".join(bound) if known else "statement", node, not known)
        if not isinstance(node, ast.Import | ast.ImportFrom):
            self.definitions.append(definition)
            definition.entries = self._entries(node, definition.name)
        for name, targets in bound.items():
            self.bound.setdefault(name, []).extend(targets or [definition])

    def _entries(self, node: ast.stmt, name: str) -> dict[str, Definition]:
        """Of a table, a dict whose keys are texts."""
        value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if not isinstance(value, ast.Dict):
            return {}
        keys = [key.value if isinstance(key, ast.Constant) else None for key in value.keys]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
            return {}
        pairs = zip(keys, value.values, strict=True)
        return {key: Definition(self.module, f"{name}[{key!r}]", entry) for key, entry in pairs}

    def _doubt(self, text: str) -> None:
        """What binds a name that something else binds too, or may have effects, counts wherever the module does."""
        twice = {id(one) for several in self.bound.values() if len(several) > 1 for one in several}
        for one in self.definitions:
            one.always = one.always or id(one) in twice or not self._harmless(one.node)
        for number, one in enumerate(one for one in self.definitions if one.always):
            one.entries, one.name = {}, f"{one.name} <{number}>"  # their order matters
        words = Counter(re.findall(r"\w+", re.sub("#.*", "", text)))
        for name, (first, *_) in self.bound.items():  # an import that nothing uses is there for its effects
            foreign = isinstance(first, Import) and first.module.partition(".")[0] not in self.packages
            if foreign and words[name] == 1:
                self.definitions.append(
                    Definition(self.module, f"import {name}", ast.Constant(repr(first)), always=True)
                )

    def _harmless(self, node: ast.AST) -> bool:
        """Whether a definition that nothing uses has no effects."""
        if isinstance(node, ast.ClassDef):
            if node.keywords or any(self._ours(base) for base in node.bases):
                return False  # such a base may keep a list of what derives from it
            inside = (*Functions, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Pass)
            if not all(is_text(s) or (isinstance(s, inside) and self._harmless(s)) for s in node.body):
                return False
        at_once = around(node) if isinstance(node, (*Functions, ast.ClassDef)) else [node]
        called = [call for part in at_once for call in own_nodes(part, ast.Call)]
        return all(map(self._plain, [*called, *getattr(node, "decorator_list", ())]))

    def _ours(self, node: ast.AST) -> bool:
        """Whether a base class is defined here or comes from a module of the same package."""
        several = self.bound.get((*node_path(node), "")[0], [])
        return any(not isinstance(s, Import) or s.module.partition(".")[0] in self.packages for s in several)

    def _plain(self, node: ast.AST) -> bool:
        function = node.func if isinstance(node, ast.Call) else node
        if isinstance(function, ast.Attribute) and function.attr in PLAIN_METHODS:
            return True
        path = node_path(function)
        if not path:
            return False
        several = self.bound.get(path[0])
        if several is None:
            return bool(PLAIN_CALLS.fullmatch(".".join(path)))
        if isinstance(several[0], Import):
            module, name = several[0].module, several[0].name
            return bool(PLAIN_CALLS.fullmatch(".".join([module, *([name] if name else []), *path[1:]])))
        return _keeps_only(several[0].node)


def node_path(node: ast.AST) -> tuple[str, ...]:
    """("a", "b", "c") of a.b.c; () of anything else."""
    path = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    return (node.id, *reversed(path)) if isinstance(node, ast.Name) else ()


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test) == "__name__ == '__main__'"


def _sets_parts(node: ast.stmt) -> bool:
    """Whether an assignment changes something that is there: an attribute, an entry."""
    targets = [*getattr(node, "targets", ()), *([node.target] if isinstance(node, ast.AnnAssign) else [])]
    return any(isinstance(one, ast.Attribute | ast.Subscript) for target in targets for one in ast.walk(target))


def around(node: Any) -> list[ast.AST]:
    """The parts of a function or class that are evaluated in the scope around it."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    arguments = node.args
    several = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    notes = [one.annotation for one in several if one is not None and one.annotation is not None]
    returns = [node.returns] if getattr(node, "returns", None) is not None else []
    defaults = [default for default in (*arguments.defaults, *arguments.kw_defaults) if default is not None]
    return [*getattr(node, "decorator_list", ()), *defaults, *notes, *returns]


def is_text(node: ast.AST) -> bool:
    """A docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _keeps_only(node: ast.AST) -> bool:
    """Whether this is a dataclass that keeps what it is given and does nothing else."""
    if not isinstance(node, ast.ClassDef) or node.bases:
        return False
    made = {one.name for one in node.body if isinstance(one, Functions)} & {"__post_init__", "__init__", "__new__"}
    return not made and any("dataclass" in ast.dump(one) for one in node.decorator_list)


def own_nodes(node: ast.AST, *kinds: type) -> Iterator[Any]:
    """The nodes of these kinds in a statement, without those inside functions and lambdas."""
    todo = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, kinds):
            yield node
        if not isinstance(node, (*Functions, ast.Lambda)):
            for value in vars(node).values():
                if isinstance(value, ast.AST):
                    todo.append(value)
                elif isinstance(value, list):
                    todo += [one for one in value if isinstance(one, ast.AST)]


def _imports(node: ast.stmt) -> list[Any]:
    """The imports in a statement, those inside functions apart."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [node]
    return [found for inner in _inner_statements(node) for found in _imports(inner)]


def _inner_statements(node: ast.AST) -> list[Any]:
    """Statements within one, those inside functions apart."""
    if isinstance(node, Functions):
        return []
    several = [getattr(node, name, ()) for name in ("body", "orelse", "finalbody", "handlers", "cases")]
    return [one for statements in several if isinstance(statements, list) for one in statements]


def _names_set(node: ast.AST) -> list[str]:
    """The names that a statement itself sets."""
    if isinstance(node, (*Functions, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.ExceptHandler):
        return [node.name] if node.name else []
    if isinstance(node, ast.match_case):
        names = [getattr(one, "name", getattr(one, "rest", None)) for one in ast.walk(node.pattern)]
        return [name for name in names if name]
    targets = [*getattr(node, "targets", ()), getattr(node, "target", None)]
    targets += [item.optional_vars for item in getattr(node, "items", ())]
    given = [target for target in targets if target is not None]
    return [
        one.id for t in given for one in ast.walk(t) if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load)
    ]
