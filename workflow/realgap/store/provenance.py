"""Which library code a step runs, so that a rule is run again when that code, and only that, has changed.

Snakemake sees a rule's own text and its files but not what a step imports; the digest made here goes
into the rule's params. Imports inside functions count too.
"""

import ast
import hashlib
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("realgap", "scripts")
_EDGE = 1 << 20  # bytes


def code(module: str) -> str:
    """Digest of a module, e.g. "scripts.inversion_invert", and of every module of ours that it reaches by imports."""
    digest = hashlib.sha256()
    for name in sources(module):
        digest.update(f"{name} {hashlib.sha256(_file(name).read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def sources(module: str) -> list[str]:
    """The names of `module` and of every module of ours that it imports, directly or not, sorted."""
    found, to_read = set(), [module]
    while to_read:
        name = to_read.pop()
        if name not in found:
            found.add(name)
            to_read.extend(_imports(name))
    return sorted(found)


def fingerprint(base_model: str | Path) -> str:
    """Digest of the parts of a base model: names, sizes, the first and last megabyte of every file.

    Reading all of a Stable Diffusion takes seconds, and a plan is made often; other weights differ
    everywhere. Times of files do not count, the model card neither.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(base_model).glob("*/*.*")):
        size = path.stat().st_size
        with open(path, "rb") as file:
            digest.update(f"{path.parent.name}/{path.name} {size}\n".encode() + file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    return digest.hexdigest()[:16]


def commit() -> str:
    """The commit of this checkout, "-dirty" where tracked files differ from it; "unknown" outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return run.stdout.strip() if run.returncode == 0 else "unknown"


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions of what made a file, e.g. versions("torch", "diffusers")."""
    return {name: metadata.version(name) for name in sorted(distributions)}


def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    return next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)


@cache
def _imports(name: str) -> frozenset[str]:
    names = {name}  # for the packages it lies in, whose __init__ Python runs first
    for node in ast.walk(ast.parse(_file(name).read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(name, node)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    with_parents = {".".join(n.split(".")[:i]) for n in names for i in range(1, n.count(".") + 2)}
    return frozenset(n for n in with_parents if n.split(".")[0] in PACKAGES and _file(n) is not None)


def _absolute(name: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = name.split(".") if _file(name).name == "__init__.py" else name.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])
