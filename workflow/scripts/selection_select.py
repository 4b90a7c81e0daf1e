"""Keep one of the candidates of each slot of a shard, as the scores of its whole class say.

Candidates may be real images: then each slot is an image that is there again, and those of a better score are there
more often. It is the same score used to weight real images (control).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from realgap.run import steps
from realgap.selection import choosing, criteria
from realgap.store import naming, shards
from realgap.study import sources


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How one of several candidates is chosen."""

    of: str  # the source of the candidates, or real
    candidates: int  # of a slot
    criteria: dict[str, float]  # name -> weight
    shuffled: bool
    entropy_band: list[float]
    control_quantile: float
    per_image: int | None = None  # slots for each real image, where candidates are real


@dataclass(frozen=True)
class Options(Choice):
    source: str
    seed: int


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, images={}, pool={"nargs": "*", "default": []}, scores={"nargs": "+"}, out={}
    )
    candidates = shards.read(args.images, "images")
    opened = shards.read_all(args.scores, "scores")
    known = {name: np.concatenate([one[name] for one in opened]) for name in shards.LAYOUT["scores"]}
    chosen, refused = choose(known, opened[0].attributes["controls"], options, options.seed)
    keep = _slots_of if options.of == sources.REAL else _candidates_of
    arrays, own, kept = keep(candidates, chosen, known, options, args.pool)
    made = {"step": "select", "source": options.source, "options": asdict(options), "kept": kept}
    made |= {"refused": {name: int(of[own].sum()) for name, of in refused.items()}}
    inputs = {"images": candidates.attributes["checksum"]}
    made |= {"inputs": inputs | {"scores": shards.joint(one.attributes["checksum"] for one in opened)}}
    made |= naming.carried(candidates.attributes, *(one.attributes for one in opened))
    shards.write(args.out, "images", arrays, made)


Kept = tuple[dict[str, np.ndarray], np.ndarray, list[int]]  # arrays, which slots (bool), which candidates


def _candidates_of(
    candidates: shards.Shard, chosen: np.ndarray, known: Mapping[str, np.ndarray], options: Options, pool: list[str]
) -> Kept:
    """Those of this shard that are kept, in its order."""
    whose = known["image_ids"], known["variants"]
    kept = list(zip(*(column[chosen].tolist() for column in whose), strict=True))
    at = {
        key: row
        for row, key in enumerate(zip(*(candidates[n].tolist() for n in ("image_ids", "variants")), strict=True))
    }
    own = np.array([key in at for key in kept], bool)
    rows = np.sort(np.array([at[key] for key in kept if key in at], np.int64))
    arrays = {name: candidates[name][rows] for name in ("images", "labels", "image_ids")}
    arrays["variants"] = (candidates["variants"][rows] // options.candidates).astype(np.int32)
    return arrays, own, candidates["variants"][rows].tolist()


def _slots_of(
    real: shards.Shard, chosen: np.ndarray, known: Mapping[str, np.ndarray], options: Options, pool: list[str]
) -> Kept:
    """Real images of the class, one for each slot of the images of this shard."""
    opened = shards.read_all(pool, "images")
    images = {name: np.concatenate([one[name] for one in opened]) for name in ("images", "labels", "image_ids")}
    at = {image_id: row for row, image_id in enumerate(images["image_ids"].tolist())}
    rows = np.array([at[image_id] for image_id in known["image_ids"][chosen].tolist()], np.int64)
    own = np.isin(np.repeat(np.sort(known["image_ids"]), options.per_image), real["image_ids"])
    arrays = {name: values[rows[own]] for name, values in images.items()}
    return arrays | {"variants": choosing.occurrences(chosen)[own]}, own, [0] * int(own.sum())


def choose(
    known: Mapping[str, np.ndarray], controls: Sequence, choice: Choice, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The rows of a class's scores that are kept, int64 (slots,), and which of them a criterion refuses, (slots,)."""
    scores = _scores(known, np.array(controls), choice)
    if choice.shuffled:
        scores = choosing.shuffled(scores, seed)
    if choice.of == sources.REAL:
        slots = choosing.drawn_again(known["image_ids"], choice.per_image, choice.candidates, seed)
    else:
        slots = choosing.slots(known["image_ids"], known["variants"], choice.candidates)
    whose = known["image_ids"], known["variants"]
    chosen = choosing.choose(slots, *whose, scores, choice.criteria, seed, known["features"])
    return chosen, {name: np.isneginf(values[chosen]) for name, values in scores.items()}


def _scores(known: Mapping[str, np.ndarray], controls: np.ndarray, choice: Choice) -> dict[str, np.ndarray]:
    """The criteria of all candidates of a class, each float64 (n,), of those that the study asks for."""
    made = {
        "utility": lambda: criteria.utility(known["logits"], known["labels"], tuple(choice.entropy_band)),
        "attention": lambda: known["attention"],
        "typicality": lambda: known["typicality"],
        "geometry": lambda: criteria.geometry(known["measures"], criteria.bounds(controls, choice.control_quantile)),
        "random": lambda: np.zeros(len(known["labels"])),
    }
    return {name: made[name]() for name in choice.criteria if name in made}


if __name__ == "__main__":
    steps.run(main)
