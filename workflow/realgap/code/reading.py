"""What a definition means: its text without comments, docstrings and formatting, and the names that it uses.

The words of an error, of a line on stderr or of a progress bar do not count either.
"""

import ast
import builtins
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from realgap.code.units import (
    GLOBAL,
    Comprehensions,
    Definition,
    Functions,
    Import,
    Source,
    around,
    is_text,
    node_path,
)

WHOLE, ANY = "", "[]"  # how a name is used: as it is, or as a table that is looked up; else the key that is looked up
# What sentences are put together of; within anything else a text is no word for the user.
WORDED = (ast.JoinedStr, ast.FormattedValue, ast.BinOp, ast.IfExp, ast.keyword)
IMPORTERS = ("import_module", "__import__", "run_module")
# Errors of Python's own: what is said of them are words.
ERRORS = {name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)}


@dataclass(frozen=True)
class Use:
    """A name that a definition uses: of its module or of an import inside it, and what of it."""

    name: str | Import
    attributes: tuple[str, ...] = ()
    how: str = WHOLE


@dataclass
class Meaning:
    """What a definition comes down to."""

    text: str
    uses: set[Use] = field(default_factory=set)
    imports: set[Import] = field(default_factory=set)  # made inside of it
    texts: set[str] = field(default_factory=set)
    computed_imports: set[str] = field(default_factory=set)  # what a name that is imported begins with


def read(source: Source, definition: Definition, says: Callable[[Use], str]) -> Meaning:
    """The meaning of a definition; says(use) is "says" or "described" for functions that realgap.code.meaning lists."""
    reader = _Reader(source, says)
    reader.visit(definition.node)
    reader.meaning.text = "".join(reader.parts)
    return reader.meaning


class _Reader:
    """Walks through a definition, writes down what counts, and notes the names that are not its own."""

    def __init__(self, source: Source, says: Callable[[Use], str]) -> None:
        self.source, self.says = source, says
        self.meaning, self.parts = Meaning(""), []
        self.scopes: list[dict[str, Any]] = []
        self.of_class: set[str] = set()  # names that class bodies bind
        self.muted = False  # words do not count
        own = {ast.Name: self._path, ast.Attribute: self._path, ast.Subscript: self._subscript, ast.Call: self._call}
        own |= {ast.Constant: self._constant, ast.Raise: self._raise, ast.Lambda: self._function}
        own |= {ast.ClassDef: self._class, ast.Import: self._import, ast.ImportFrom: self._import}
        own |= dict.fromkeys(Functions, self._function) | dict.fromkeys(Comprehensions, self._comprehension)
        self.own: dict[type, Callable[[Any], None]] = own

    def visit(self, node: ast.AST) -> None:
        kind = type(node)
        if kind is ast.Expr and is_text(node):
            return
        if self.muted and kind is ast.Constant and isinstance(node.value, str):
            return
        before, self.muted = self.muted, self.muted and kind in WORDED
        self.parts.append(f"{kind.__name__}(")
        self.own.get(kind, self._fields)(node)
        self.parts.append(")")
        self.muted = before

    def _fields(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == [] or name == "ctx":
                continue
            self.parts.append(f"{name}:")
            if isinstance(value, ast.AST):
                self.visit(value)
            elif isinstance(value, list):
                for one in value:
                    self.visit(one) if isinstance(one, ast.AST) else self.parts.append(f"{one!r},")
            else:
                self.parts.append(repr(value))

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.meaning.texts.add(node.value)
        self.parts.append(repr(node.value))

    def _path(self, node: ast.AST, how: str = WHOLE) -> None:
        path = node_path(node)
        if not path:
            self._fields(node)
            return
        self.parts.append(".".join(path))
        if path[-1] in IMPORTERS:
            self.meaning.computed_imports.add("")
        own = isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node.id in self.of_class
        self.meaning.uses.update(() if own else self._uses(path, how))

    def _uses(self, path: tuple[str, ...], how: str = WHOLE) -> list[Use]:
        for scope in reversed(self.scopes):
            if path[0] in scope:
                if scope[path[0]] is GLOBAL:
                    break
                return [Use(target, path[1:], how) for target in scope[path[0]]]
        return [] if path[0] in self.of_class - self.source.bound.keys() else [Use(path[0], path[1:], how)]

    def _subscript(self, node: ast.Subscript) -> None:
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        how = (key if isinstance(key, str) else ANY) if isinstance(node.ctx, ast.Load) else WHOLE
        if node_path(node.value):
            self._path(node.value, how)
        else:
            self.visit(node.value)
        self.visit(node.slice)

    def _call(self, node: ast.Call) -> None:
        path = node_path(node.func)
        uses = self._uses(path) if path else []
        said = {self.says(use) for use in uses}
        self.meaning.uses.update(uses)
        if path:
            self.parts.append(".".join(path))
        else:
            self.visit(node.func)
        self._note_computed(node, path)
        described = "described" in said and node.args and node_path(node.args[0]) == ("__doc__",)
        before, self.muted = self.muted, "says" in said or _to_the_user(node, path)
        self._arguments(node, 1 if described else 0)
        self.muted = before

    def _arguments(self, node: ast.Call, first: int = 0) -> None:
        for argument in [*node.args[first:], *node.keywords]:
            self.visit(argument)

    def _note_computed(self, node: ast.Call, path: tuple[str, ...]) -> None:
        """An import by a name that is made at run time, or code that reads its own module as a dict."""
        if path and path[-1] in IMPORTERS:
            first = node.args[0] if node.args else None
            start = first.values[0] if isinstance(first, ast.JoinedStr) and first.values else first
            begin = start.value if isinstance(start, ast.Constant) and isinstance(start.value, str) else ""
            exact = first is start and begin
            self.meaning.computed_imports.add(f"{begin}$" if exact else begin)
        if path in (("vars",), ("dir",)) and not node.args:
            self.meaning.uses.add(Use("globals"))

    def _words(self, error: ast.Call) -> None:
        """An error of Python's own: what it is called with are words, but what is called for them counts."""
        self.parts.append(f"{error.func.id}(")
        before, self.muted = self.muted, True
        self._arguments(error)
        self.muted = before

    def _raise(self, node: ast.Raise) -> None:
        path = node_path(node.exc.func) if isinstance(node.exc, ast.Call) else ()
        error = len(path) == 1 and path[0] in ERRORS and path[0] not in self.source.bound
        if error:
            self._words(node.exc)
        elif node.exc is not None:
            self.visit(node.exc)
        if node.cause is not None:
            self.visit(node.cause)

    def _function(self, node: Any) -> None:
        """Decorators, defaults and annotations belong to the scope around."""
        self.parts.append(getattr(node, "name", ""))
        for part in around(node):
            self.visit(part)
        arguments = node.args
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        named = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
        counts = len(arguments.posonlyargs), len(arguments.args), len(arguments.kwonlyargs)
        self.parts.append(f"{counts}{[one.arg for one in names]}{arguments.vararg is not None}{[n.arg for n in named]}")
        self.parts.append(str([default is None for default in arguments.kw_defaults]))
        body = node.body if isinstance(node.body, list) else [node.body]
        self.scopes.append({**self.source.names_bound(body), **{one.arg: () for one in [*names, *named]}})
        for statement in body:
            self.visit(statement)
        self.scopes.pop()

    def _class(self, node: ast.ClassDef) -> None:
        """Names of a class are no names of its methods, so what the module calls alike counts too."""
        self.of_class |= self.source.names_bound(node.body).keys()
        self._fields(node)

    def _comprehension(self, node: Any) -> None:
        self.visit(node.generators[0].iter)
        own = {n.id: () for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self.scopes.append(own)
        for number, generator in enumerate(node.generators):
            self.parts.append(f"for{generator.is_async}:")
            for part in (generator.target, *([generator.iter] if number else []), *generator.ifs):
                self.visit(part)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self.scopes.pop()

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.meaning.imports.update(imported for _, _, imported in self.source.bindings(node))
        self._fields(node)


def _to_the_user(node: ast.Call, path: tuple[str, ...]) -> bool:
    """Whether a call only tells the user something: words on stderr, a warning, the reason for an exit."""
    if path == ("print",):
        return any(k.arg == "file" and node_path(k.value) == ("sys", "stderr") for k in node.keywords)
    return path in (("sys", "exit"), ("warnings", "warn"))
