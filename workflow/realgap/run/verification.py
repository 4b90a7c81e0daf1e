"""Whether the finished artefacts of a study are whole, made as the study says, and made of one another."""

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from PIL import Image

from realgap.classifier import storage
from realgap.report import sections, tables
from realgap.store import artefacts, files, shards


class Study:
    """The artefacts of one study and what has been read of them.

    `options`: path of each artefact below `folder` -> the options its rule has now (None where it has none);
    `rules`: the name of that rule, for artefacts that realgap.store.artefacts does not know.
    """

    def __init__(
        self,
        folder: str | Path,
        options: Mapping[str, Mapping[str, Any] | None],
        rules: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.options, self.rules = Path(folder), options, rules or {}
        self.finished = [name for name in options if (self.folder / name).exists()]
        self.checksums: dict[str, str] = {}
        self.made: dict[str, dict[str, Any]] = {}
        self.damaged: set[str] = set()

    def problems(self) -> Iterator[str]:
        """A line for each finished artefact that must not be used: what is wrong with it, which rule makes it again."""
        for check in (self._check_content, self._check_inputs, self._check_table):
            for name in [one for one in self.finished if one not in self.damaged]:
                try:
                    check(name)
                except (ValueError, OSError) as error:
                    self.damaged.add(name)
                    said, rule = " ".join(str(error).split()), self.rules.get(name)
                    yield f"{said} (rule {rule})" if rule and f"rule {rule} " not in said else said

    def _check_content(self, name: str) -> None:
        path = self.folder / name
        kind = artefacts.kind(path)
        if kind is not None:
            made = shards.read(path, kind).attributes
            self.checksums[name] = made["checksum"]
        elif path.suffix == ".safetensors":
            made = storage.load(path)[1]
            self.checksums[name] = files.sha256(path)
        else:
            _check_product(path)
            return
        self.made[name] = made
        then, now = made.get("options"), self.options[name]
        odd = [key for key in sorted({*then, *now} - {"root"}) if then.get(key) != now.get(key)] if then and now else []
        if odd:
            raise ValueError(_mend(path, f"was made with {odd[0]} {then.get(odd[0])!r}, must be {now.get(odd[0])!r}"))

    def _check_inputs(self, name: str) -> None:
        if name in self.made:
            for what, names in self._inputs(name).items():
                known = [self.checksums[one] for one in names if one in self.made and one not in self.damaged]
                if len(known) == len(names) and self.made[name].get("inputs", {}).get(what) != shards.joint(known):
                    raise ValueError(_mend(self.folder / name, f"was made of another {what} than this study's"))

    def _check_table(self, name: str) -> None:
        predictions = [one for one in self.options if one.startswith("predictions/")]
        if name not in ("accuracies.csv", "table.csv") or not set(predictions) <= set(self.made) - self.damaged:
            return
        opened = [shards.read(self.folder / one, "predictions") for one in predictions]
        frame = tables.accuracies([{**one.arrays, **one.attributes} for one in opened])
        text = tables.as_csv(frame if name == "accuracies.csv" else tables.table(frame))
        if (self.folder / name).read_text(encoding="utf-8", errors="replace") != text:
            raise ValueError(_mend(self.folder / name, "is not what the predictions say"))

    def _inputs(self, name: str) -> dict[str, list[str]]:
        """The artefacts that one was made of, by the names that rules give their inputs."""
        match PurePath(name).parts:
            case ["full_size", "vae_only", file]:
                return {"moments": [f"moments/{file.removesuffix('.h5')}/0.h5"]}
            case ["full_size", "real", _]:
                return {}
            case ["full_size", source, file]:
                shard = str(PurePath("samples", source, file.removesuffix(".h5"), "0.h5"))
                return self._inputs(shard)
            case ["moments", *rest]:
                return {"images": ["/".join(["real", *rest])]}
            case ["embeddings", *rest] | ["samples", "vae_only", *rest]:
                return {"moments": ["/".join(["moments", *rest])]}
            case ["samples", source, class_name, shard]:
                whole = (self.options.get(name) or {}).get("unconditional") == "dataset"
                embeddings = self._embeddings["" if whole else class_name] if source == "diffusion_inversion" else []
                return {"images": [f"real/{class_name}/{shard}"], **({"embeddings": embeddings} if embeddings else {})}
            case ["classifiers", training_set, _]:
                return {"training_set": [f"training_sets/{training_set}.h5"]}
            case ["predictions", training_set, seed]:
                classifier = f"classifiers/{training_set}/{seed.removesuffix('.h5')}.safetensors"
                return {"classifier": [classifier], "test": ["test.h5"]}
        return {}

    @cached_property
    def _embeddings(self) -> dict[str, list[str]]:
        """The embeddings of each class; of all under the empty name."""
        by_class: dict[str, list[str]] = defaultdict(list)
        for name in self.options:
            match PurePath(name).parts:
                case ["embeddings", class_name, _]:
                    by_class[class_name].append(name)
                    by_class[""].append(name)
        return by_class


def _check_product(path: Path) -> None:
    """Tables, figures and pages carry no checksum of ours: PNG has its own, the others must be complete."""
    content = path.read_bytes()
    try:
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
        raise ValueError(_mend(path, f"not complete ({error})")) from error


def _mend(path: Path, what: str) -> str:
    return f"{path}: {what}; {artefacts.mend(path)}"
