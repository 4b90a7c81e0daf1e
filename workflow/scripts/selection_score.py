"""Score generated images as candidates, by judges that have never seen the real image that each was made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from realgap import devices
from realgap.analyses.geometry import measures
from realgap.analyses.saliency import focus, grad_cam
from realgap.classifier import storage, training
from realgap.data.images import resampled
from realgap.features import extractors
from realgap.run import steps
from realgap.selection import criteria
from realgap.store import naming, shards

MOST_REAL = 200  # real images of a class that candidates are compared with


@dataclass(frozen=True)
class Options(devices.Compute):
    source: str
    layer: str  # as the saliency analysis has it
    method: str
    geometry: bool  # whether lines are measured
    batch_size: int


class Judge(NamedTuple):
    model: torch.nn.Module
    classes: list[int]
    held_out: np.ndarray  # ids of the real images that it has not seen


class Judged(NamedTuple):
    """What judges say of n images."""

    logits: np.ndarray  # float32 (n, classes)
    maps: np.ndarray  # float32 (n, h, w), for the label
    correct: np.ndarray  # bool (n,)


def main() -> None:
    args, options = steps.parse(__doc__, Options, images={}, real={"nargs": "+"}, judges={"nargs": "+"}, out={})
    candidates = shards.read(args.images, "images")
    opened = shards.read_all(args.real, "images")
    real = {name: np.concatenate([one[name] for one in opened]) for name in shards.LAYOUT["images"]}
    arrays, about = score(candidates.arrays, real, judges(args.judges, options), options)
    made = {"step": "score", "source": options.source, "options": asdict(options), **about}
    made |= {"inputs": {"images": candidates.attributes["checksum"]}}
    made |= naming.carried(candidates.attributes, *(one.attributes for one in opened))
    shards.write(args.out, "scores", arrays, made)


def judges(paths: Sequence[str], options: devices.Compute) -> list[Judge]:
    device = devices.pick(options)
    return [_judge(path, device) for path in paths]


def score(
    candidates: Mapping[str, np.ndarray], real: Mapping[str, np.ndarray], known: Sequence[Judge], options: Options
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a shard of scores, and what it says of them; all images are of one class."""
    real = {name: values[:MOST_REAL] for name, values in real.items()}
    of_real, own = (_judged(known, images, options) for images in (real, candidates))
    of_features, real_features = (_features(known[0], images["images"], options) for images in (candidates, real))
    harmless = [real["images"], resampled(real["images"])] if options.geometry else []
    n, right = len(candidates["labels"]), of_real.correct
    arrays = {
        "logits": own.logits,
        "features": of_features,
        "attention": criteria.attention(
            _focus(own.maps), own.maps, own.correct, _focus(of_real.maps[right]), of_real.maps[right]
        ),
        "typicality": criteria.typicality(of_features, real_features),
        "measures": _measures(candidates["images"]) if options.geometry else _no_measures(n),
        "labels": naming.positions(candidates["labels"], known[0].classes),
        "image_ids": candidates["image_ids"],
        "variants": candidates["variants"],
    }
    controls = [_measures(images).tolist() for images in harmless]
    about = {"classes": known[0].classes, "measures": list(criteria.MEASURES), "controls": controls}
    return arrays, {**about, "real_right": int(right.sum())}


def _judge(path: str, device: torch.device) -> Judge:
    model, made = storage.classifier(path)
    return Judge(model.to(device), made["classes"], np.array(made["held_out"], np.int64))


def _judged(judges: Sequence[Judge], images: Any, options: Options) -> Judged:
    """Of each image what the judge says that has not seen its real image; of one made of none, what the first says."""
    parts: list[tuple[np.ndarray, Judged]] = []
    for judge, rows in _shared_out(judges, images["image_ids"]):
        targets = naming.positions(images["labels"][rows], judge.classes)
        pixel_values = training.to_pixel_values(torch.from_numpy(images["images"][rows]))
        labels = torch.from_numpy(targets)
        size = training.side_by_side(judge.model, options.batch_size)
        said = grad_cam.attend(judge.model, pixel_values, labels, options.layer, options.method, size)
        parts.append((rows, Judged(said.logits, said.true_maps, said.logits.argmax(axis=1) == targets)))
    order = np.argsort(np.concatenate([rows for rows, _ in parts]), kind="stable")
    return Judged(*(np.concatenate(column)[order] for column in zip(*(judged for _, judged in parts), strict=True)))


def _shared_out(judges: Sequence[Judge], image_ids: np.ndarray) -> Iterator[tuple[Judge, np.ndarray]]:
    """Each judge with the rows that are its own."""
    shared = [np.isin(image_ids, judge.held_out) for judge in judges]
    shared[0] |= ~np.any(shared, axis=0)
    for judge, own in zip(judges, shared, strict=True):
        if own.any():
            yield judge, np.flatnonzero(own)


def _features(judge: Judge, images: np.ndarray, options: Options) -> np.ndarray:
    device = next(judge.model.parameters()).device
    size = options.batch_size
    return extractors.penultimate(judge.model, images, batch_size=size, device=device, dtype=torch.float32)


def _focus(maps: np.ndarray) -> np.ndarray:
    """The metrics of focus of maps (n, h, w): float64 (n, metrics)."""
    return np.stack(list(focus.focus(maps).values()), axis=1) if len(maps) else np.zeros((0, len(focus.METRICS)))


def _measures(images: np.ndarray) -> np.ndarray:
    """MEASURES of images (n, h, w, 3): float32 (n, k)."""
    found = _no_measures(len(images))
    for row, image in enumerate(images):
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        named = dict(zip(measures.names(max(gray.shape)), measures.measure(gray), strict=True))
        found[row] = [named[name] for name in criteria.MEASURES]
    return found


def _no_measures(n: int) -> np.ndarray:
    return np.full((n, len(criteria.MEASURES)), np.nan, np.float32)


if __name__ == "__main__":
    steps.run(main)
