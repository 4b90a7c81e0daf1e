"""Write images of a study as files for other programs, one shard after another."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from realgap.export import Picture, card, layouts
from realgap.report import sections
from realgap.run import steps
from realgap.store import files, naming, shards

MADE = ".export.json"  # in the folder: what its images are, so that others are not mixed with them
WAYS = {"png": {"format": "PNG"}, "webp": {"format": "WEBP", "lossless": True, "exact": True, "method": 4}}


@dataclass(frozen=True)
class Options:
    title: str
    study: str
    layout: str
    encoding: str
    classes: dict[str, int]  # name -> label in the study's files
    sources: dict[str, str]  # name -> what its images are
    claims: dict[str, str]  # name -> what may be claimed of the real images' privacy
    settings: dict[str, Any]
    base_model: str


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, shards={"nargs": "+"}, audits={"nargs": "*", "default": []}, out={"type": Path}
    )
    folder, names = args.out.parent, sorted(options.classes, key=options.classes.__getitem__)
    _begin(folder, [*(shards.checksum(path) for path in args.shards), options.encoding])
    of_label = {label: name for name, label in options.classes.items()}
    counts: Counter[str] = Counter()
    size = 0
    write = layouts.LAYOUTS[options.layout]
    for number, path in enumerate(steps.progress(args.shards, len(args.shards), "exporting")):
        shard = shards.read(path, "images")
        naming.joint({"the study": {naming.KEY: options.classes}, path: shard.attributes})
        size = shard["images"].shape[1]
        counts.update(of_label[label] for label in shard["labels"].tolist())
        pictures = _pictures(shard, names, of_label, options.encoding)
        write(folder, (number, len(args.shards)), pictures, options.encoding, names)
    facts = card.Facts(
        title=options.title,
        study=options.study,
        counts={name: counts[name] for name in names},
        image_size=size,
        sources=options.sources,
        settings=options.settings,
        base_model=options.base_model,
        claims=options.claims,
        findings=[sentence for path in args.audits for sentence in sections.load(path).sentences],
    )
    files.write(args.out, card.text(facts, options.layout).encode())


def _begin(folder: Path, what: Sequence[str]) -> None:
    """Say what the folder will hold. ValueError where it holds something else."""
    said, path = json.dumps(what), folder / MADE
    if not path.exists() and folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: must be empty for an export; move what is there away")
    if path.exists() and path.read_text() != said:
        raise ValueError(f"{folder}: holds other images, of an earlier state of the study; move it away")
    files.write(path, said.encode())


def _pictures(shard: shards.Shard, names: Sequence[str], of_label: dict[int, str], encoding: str) -> Iterator[Picture]:
    source = shard.attributes["source"]
    places = {name: place for place, name in enumerate(names)}
    for image, label, image_id, variant in zip(
        *(shard[key] for key in ("images", "labels", "image_ids", "variants")), strict=True
    ):
        held = io.BytesIO()
        Image.fromarray(image).save(held, **WAYS[encoding])
        class_name = of_label[int(label)]
        name = f"{source}-{naming.folder(class_name)}-{int(image_id):020d}-{int(variant)}".replace(".", "_")
        yield Picture(name, held.getvalue(), class_name, places[class_name], source, int(image_id), int(variant))


if __name__ == "__main__":
    steps.run(main)
