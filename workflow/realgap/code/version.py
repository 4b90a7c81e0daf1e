"""What a step's code means, as a digest: of the functions, classes and constants that the step can reach by name.

Snakemake sees a rule's own text and its files but not what a step runs; the digest goes into the rule's params. Names
are followed from the step's module on, through imports at the top and inside functions. Statements at the top of a
module that is imported count whenever it is. Where a name cannot be followed (a module as a value, globals(), an import
by a computed name), the whole module counts: better once too often than a change that is missed.
"""

import builtins
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from realgap.code import meaning
from realgap.code.reading import ANY, WHOLE, Use, read
from realgap.code.units import Definition, Import, Source

PACKAGES = ("realgap", "scripts")
ALL_OF_IT = {"globals", "exec", "eval"}  # who calls one of these may use any name of its module


@dataclass
class Links:
    """A definition's digest and what it leads to."""

    digest: str
    definitions: set[Definition] = field(default_factory=set)
    tables: set[Definition] = field(default_factory=set)  # that are looked up by a key which is not written there
    modules: set[str] = field(default_factory=set)  # that it imports
    whole: set[str] = field(default_factory=set)  # modules of which everything counts
    texts: set[str] = field(default_factory=set)


class Tree:
    """The packages below a folder; files are read once."""

    def __init__(self, root: Path, packages: tuple[str, ...] = PACKAGES) -> None:
        self.root, self.packages = root, packages
        self._sources: dict[str, Source | None] = {}
        self._links: dict[Definition, Links] = {}

    def definitions(self, step: str, keys: Mapping[str, str] | None = None) -> dict[str, str]:
        """Digest of each definition that a step, e.g. "scripts.invert", reaches, by its full name.

        keys: tables of which the step looks up this entry alone, e.g. {"realgap.loaders.LOADERS": "digits"}.
        Raises ValueError when there is no such step or table.
        """
        if self.source(step) is None:
            raise ValueError(f"{step}: must be a module below {self.root}")
        for table in keys or {}:
            if self._table(table) is None:
                raise ValueError(f"{table}: must be a table, a dict whose keys are texts, at the top of a module")
        walk = _Walk(self, dict(keys or {}))
        walk.run(step)
        return {definition.full_name: self.links(definition).digest for definition in walk.seen}

    def source(self, module: str) -> Source | None:
        """A module of ours as definitions; None where there is none."""
        if module not in self._sources:
            path = self.root.joinpath(*module.split("."))
            files = [path / "__init__.py", path.with_suffix(".py")] if module.split(".")[0] in self.packages else []
            file = next((file for file in files if file.is_file()), None)
            text = file.read_text(encoding="utf-8") if file else ""
            is_package = file is not None and file.name == "__init__.py"
            self._sources[module] = Source(module, text, self.packages, is_package) if file else None
        return self._sources[module]

    def links(self, definition: Definition) -> Links:
        """What a definition means, in view of what its names stand for, and what it leads to."""
        if definition not in self._links:
            self._links[definition] = self._link(definition)
        return self._links[definition]

    @cached_property
    def modules(self) -> list[str]:
        """All modules of the packages."""
        files = sorted(file for name in self.packages for file in (self.root / name).rglob("*.py"))
        return [".".join(file.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__") for file in files]

    def _link(self, definition: Definition) -> Links:
        source = self.source(definition.module)
        meaning = read(source, definition, lambda use: self._kind(source, use))
        links = Links("", texts=meaning.texts)
        for imported in meaning.imports:
            links.modules.update(self._imported(imported))
        for begin in meaning.computed_imports:
            links.whole.update(self._beginning_with(begin))
        stands_for = sorted({name for use in meaning.uses for name in self._follow(source, use, links)})
        links.digest = hashlib.sha256("\n".join([meaning.text, *stands_for]).encode()).hexdigest()[:16]
        return links

    def _kind(self, source: Source, use: Use) -> str:
        """ "says" or "described" for a function that realgap.code.meaning lists."""
        called = use.name if isinstance(use.name, str) else use.name.name
        if (use.attributes[-1] if use.attributes else called) not in _listed_ends():
            bound = source.bound.get(use.name, ()) if isinstance(use.name, str) and not use.attributes else ()
            if not any(isinstance(one, Import) and one.name in _listed_ends() for one in bound):
                return ""
        names = set(self._follow(source, use, Links("")))
        return "says" if names & meaning.SAYS.keys() else "described" if names & {*meaning.DESCRIBED} else ""

    def _follow(self, source: Source, use: Use, links: Links) -> Iterator[str]:
        """Add to `links` what a use leads to; the full names that it stands for."""
        if isinstance(use.name, Import):
            yield from self._through(use.name, use.attributes, use.how, links)
        elif use.name in source.bound:
            for target in source.bound[use.name]:
                if isinstance(target, Import):
                    yield from self._through(target, use.attributes, use.how, links)
                else:
                    yield self._take(target, use.attributes, use.how, links)
        elif use.name == "__doc__":
            yield self._take(source.docstring, (), WHOLE, links)
        elif use.name in ALL_OF_IT or not (hasattr(builtins, use.name) or use.name in ("__file__", "__path__")):
            links.whole.update([source.module, *source.stars])  # what it stands for is not to be seen

    def _through(self, target: Import, attributes: tuple[str, ...], how: str, links: Links) -> Iterator[str]:
        path = attributes if target.name is None else (target.name, *attributes)
        if target.module.split(".")[0] not in self.packages:
            full_name = ".".join([target.module, *path])
            if full_name.startswith("sys.modules"):
                links.whole.update(self.modules)
            yield full_name
        else:
            yield from self._in_module(target.module, path, how, links)

    def _in_module(self, module: str, path: tuple[str, ...], how: str, links: Links) -> Iterator[str]:
        """The same for a path of names that starts in a module of ours."""
        links.modules.update(self._imported(Import(module)))
        source = self.source(module)
        if path and source is not None and path[0] in source.bound:
            yield from self._follow(source, Use(path[0], path[1:], how), links)
        elif path and self._is_module(f"{module}.{path[0]}"):
            yield from self._in_module(f"{module}.{path[0]}", path[1:], how, links)
        elif path == ("__doc__",) and source is not None:
            yield self._take(source.docstring, (), WHOLE, links)
        else:
            links.whole.add(module)
            yield module

    def _take(self, target: Definition, attributes: tuple[str, ...], how: str, links: Links) -> str:
        if target.full_name in meaning.SAYS:
            return target.full_name
        if attributes or not target.entries or (how != ANY and how not in target.entries):
            links.definitions.add(target)
        elif how == ANY:
            links.tables.add(target)
        else:
            links.definitions.add(target.entries[how])
        return target.full_name

    def _is_module(self, name: str) -> bool:
        return self.source(name) is not None or self.root.joinpath(*name.split(".")).is_dir()

    def _imported(self, imported: Import) -> list[str]:
        """The modules of ours that an import runs: the packages around it too."""
        name = imported.module if imported.name is None else f"{imported.module}.{imported.name}"
        parts = name.split(".")
        if parts[0] not in self.packages:
            return []
        return [m for m in (".".join(parts[:end]) for end in range(1, len(parts) + 1)) if self.source(m) is not None]

    def _beginning_with(self, begin: str) -> list[str]:
        """Modules that an import by a computed name can mean; `begin` ends in $ where it is the whole name."""
        if begin.endswith("$"):
            return [module for module in self.modules if module == begin[:-1]]
        return [module for module in self.modules if module.startswith(begin) or begin.startswith(f"{module}.")]

    def _table(self, full_name: str) -> Definition | None:
        module, _, name = full_name.rpartition(".")
        source = self.source(module)
        found = source.bound.get(name, []) if source else []
        return found[0] if found and isinstance(found[0], Definition) and found[0].entries else None


class _Walk:
    """All that a step reaches."""

    def __init__(self, tree: Tree, keys: dict[str, str]) -> None:
        self.tree, self.keys = tree, keys
        self.seen: set[Definition] = set()
        self.imported: set[str] = set()
        self.whole: set[str] = set()
        self.tables: set[Definition] = set()
        self.texts: set[str] = set()
        self.todo: list[Definition] = []

    def run(self, step: str) -> None:
        self._import(self.tree._imported(Import(step)))
        self.todo += self.tree.source(step).main
        while self.todo or self._look_up():
            definition = self.todo.pop()
            if definition not in self.seen:
                self.seen.add(definition)
                self._go_on(self.tree.links(definition))

    def _go_on(self, links: Links) -> None:
        self.todo += links.definitions
        self.tables |= links.tables
        self.texts |= links.texts
        self._import(links.modules)
        for module in links.whole - self.whole:
            self.whole.add(module)
            self._import([module])
            source = self.tree.source(module)
            self.todo += [] if source is None else source.definitions

    def _import(self, modules: object) -> None:
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module not in self.imported:
                self.imported.add(module)
                source = self.tree.source(module)
                self.todo += [definition for definition in source.definitions if definition.always]
                waiting += [name for imported in source.imports for name in self.tree._imported(imported)]

    def _look_up(self) -> bool:
        """Put what is looked up in tables on the list; whether there was anything new."""
        for table in self.tables:
            key = self.keys.get(table.full_name)
            if key in table.entries:
                found = [table.entries[key]]
            elif table.full_name in meaning.BY_TEXT:
                found = [entry for text, entry in table.entries.items() if text in self.texts]
            else:
                found = [table]
            self.todo += [one for one in found if one not in self.seen]
        return bool(self.todo)


def digest(definitions: Mapping[str, str]) -> str:
    """One digest of several definitions."""
    lines = "".join(f"{name} {own}\n" for name, own in sorted(definitions.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


@cache
def _listed_ends() -> frozenset[str]:
    """The last parts of the names that realgap.code.meaning lists: most calls need no second look."""
    return frozenset(name.rpartition(".")[2] for name in (*meaning.SAYS, *meaning.DESCRIBED))
