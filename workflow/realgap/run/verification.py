"""Whether the finished artefacts of a study are whole, made as the study says, and made of one another."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from PIL import Image

from realgap.classifier import storage
from realgap.report import metrics, sections, tables
from realgap.store import files, shards


@dataclass(frozen=True)
class Made:
    """What the study's graph says of a file: its rule, the options that it gives now, and its inputs by their names.

    Inputs are paths below the study's folder; those outside of it are left out.
    """

    rule: str
    options: Mapping[str, Any] | None
    inputs: Mapping[str, Sequence[str]]


class Study:
    """The artefacts of one study, path below `folder` -> what the graph says of it, and what has been read of them."""

    def __init__(self, folder: str | Path, graph: Mapping[str, Made]) -> None:
        self.folder, self.graph = Path(folder), graph
        self.finished = [name for name in graph if (self.folder / name).exists()]
        self.checksums: dict[str, str] = {}
        self.made: dict[str, dict[str, Any]] = {}
        self.damaged: set[str] = set()
        self.unread: set[str] = set()

    def problems(self) -> Iterator[str]:
        """A line for each finished artefact that must not be used: what is wrong with it, which rule makes it again.

        `damaged` and `unread` name them afterwards. One that the system could not read may be whole.
        """
        for check in (self._check_content, self._check_inputs, self._check_table):
            for name in [one for one in self.finished if one not in self.damaged | self.unread]:
                try:
                    check(name)
                except ValueError as error:
                    self.damaged.add(name)
                    yield self._line(name, error)
                except OSError as error:
                    self.unread.add(name)
                    known = error.filename is None and error.strerror
                    yield self._line(name, known or files.system_error(self.folder / name, error).strerror)

    def _line(self, name: str, said: object) -> str:
        return f"{' '.join(str(said).split())} (rule {self.graph[name].rule})"

    def _check_content(self, name: str) -> None:
        path = self.folder / name
        if path.suffix == ".h5":
            made = shards.read(path, shards.kind(path)).attributes
            self.checksums[name] = made["checksum"]
        elif path.suffix == ".safetensors":
            made = storage.load(path)[1]
            self.checksums[name] = files.sha256(path)
        else:
            _check_product(path)
            return
        self.made[name] = made
        then, now = made.get("options"), self.graph[name].options
        odd = [key for key in sorted({*then, *now} - {"root"}) if then.get(key) != now.get(key)] if then and now else []
        if odd:
            raise ValueError(_again(path, f"was made with {odd[0]} {then.get(odd[0])!r}, must be {now.get(odd[0])!r}"))

    def _check_inputs(self, name: str) -> None:
        inputs = self.graph[name].inputs
        for what, checksum in self.made.get(name, {}).get("inputs", {}).items():
            names = inputs.get(what, [])
            known = [self.checksums[one] for one in names if one in self.made and one not in self.damaged]
            if names and len(known) == len(names) and checksum != shards.joint(known):
                raise ValueError(_again(self.folder / name, f"was made of another {what} than this study's"))

    def _check_table(self, name: str) -> None:
        predictions = [one for one in self.graph if one.startswith("predictions/")]
        if name not in TABLES or not set(predictions) <= set(self.made) - self.damaged:
            return
        opened = [shards.read(self.folder / one, "predictions") for one in predictions]
        margin = (self.graph[name].options or {}).get("margin", 0) / 100
        frame = TABLES[name]([{**one.arrays, **one.attributes} for one in opened], margin)
        if (self.folder / name).read_text(encoding="utf-8", errors="replace") != tables.as_csv(frame):
            raise ValueError(_again(self.folder / name, "is not what the predictions say"))


TABLES = {
    "accuracies.csv": lambda predictions, margin: tables.accuracies(predictions),
    "table.csv": lambda predictions, margin: tables.table(
        tables.accuracies(predictions), tables.references(predictions)
    ),
    "verdicts.csv": tables.verdicts,
    "pairs.csv": tables.pairs,
    "metrics.csv": lambda predictions, margin: metrics.table(predictions),
}


def _check_product(path: Path) -> None:
    """Tables, figures and pages carry no checksum of ours: PNG has its own, the others must be complete."""
    try:
        content = path.read_bytes()
        if path.suffix == ".png":
            Image.open(io.BytesIO(content)).load()
        elif path.suffix == ".svg":
            ElementTree.fromstring(content)
        elif path.suffix == ".html" and not content.rstrip().endswith(b"</html>"):
            raise ValueError("its end is missing")
        elif path.suffix == ".json":
            sections.load(path)
        elif path.suffix == ".csv" and (pd.read_csv(path).columns.empty or not content.endswith(b"\n")):
            raise ValueError("its end is missing")
    except (ValueError, OSError, SyntaxError) as error:
        if system := files.system_error(path, error):
            raise system from error
        raise ValueError(_again(path, f"not complete ({error})")) from error


def _again(path: Path, what: str) -> str:
    return f"{path}: {what}; {files.make_again()}"
