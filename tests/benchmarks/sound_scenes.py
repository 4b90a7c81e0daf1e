"""Can the geometry of lines tell sound scenes from those with a defect? `python -m tests.benchmarks.sound_scenes`.

    envs/run snakemake --configfile resources/studies/rooms-feedback.yaml
    envs/run python -m tests.benchmarks.sound_scenes

The study's candidates say which defect each was drawn with. The first table keeps those within bounds of the criterion
`geometry`, one quantile of the controls a row; the second has what the study's selections kept. The third is of scenes
that it does not have, and keeps half of the sound ones, the better: by the criterion's measures, and with one more.
"""

import argparse
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from realgap import statistics
from realgap.analyses.geometry import measures
from realgap.data import catalog
from realgap.data.images import resampled
from realgap.rendering import dataset
from realgap.report import text_tables
from realgap.selection import criteria
from realgap.store import shards
from realgap.study.sources import DEFECTS
from tests.benchmarks.arms import spread

FRESH = slice(24, 44)  # real scenes of a class after the study's
VARIANTS = 4  # new scenes for each
QUANTILES = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
SOUND = "sound"
OTHER = "edge_straightness"

Drawn = dict[tuple[int, int], str]  # (real image, variant) -> the scene's defect, or SOUND


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("results/rooms-feedback"), help="default: %(default)s")
    args = parser.parse_args()
    drawn, kept = _drawn(args.study), {}
    for quantile in QUANTILES:
        kept[f"{quantile:g}"] = _within(args.study, quantile)
    heads = ("kept", "of 100 sound ones", *(f"of 100 with {_words(name)}" for name in DEFECTS), "sound, of 100 kept")
    print(text_tables.markdown(("quantile", *heads), [_row(name, drawn, own) for name, own in kept.items()]))
    names = sorted(path.name for path in (args.study / "samples").iterdir() if path.name != "candidates")
    chosen = {name: _chosen(args.study, name) for name in names}
    print(text_tables.markdown(("selection", *heads), [_row(name, drawn, own) for name, own in chosen.items()]))
    with ProcessPoolExecutor() as processes:
        fresh = list(processes.map(_fresh, range(len(catalog.RENDERED))))
    drawn = {key: defect for of_class, _ in fresh for key, defect in of_class.items()}
    by = {"its measures": criteria.MEASURES, "and straightness": (*criteria.MEASURES, OTHER)}
    rows = [_row(name, drawn, _better_half(drawn, fresh, measures)) for name, measures in by.items()]
    print(text_tables.markdown(("other scenes, by", *heads), rows))


def _fresh(label: int) -> tuple[Drawn, dict[str, dict[tuple[int, int], float]]]:
    """New scenes of a class, and of each by measure the share of harmless images that are better."""
    real = dataset.load(None, "train")
    image_ids = real.image_ids[real.labels == label][FRESH]
    sound = np.stack(list(dataset.Scenes(image_ids)))
    variants = np.tile(np.arange(VARIANTS, dtype=np.int32), len(image_ids))
    scene_ids = dataset.Scenes.new(np.repeat(image_ids, VARIANTS), variants)
    defects = dataset.drawn_defects(0, scene_ids, DEFECTS, 0.5)
    keys = list(zip(np.repeat(image_ids, VARIANTS).tolist(), variants.tolist(), strict=True))
    harmless = _measured(np.concatenate([sound, resampled(sound)]))
    own, worse = _measured(dataset.Scenes(scene_ids, defects)), {}
    for name, values in own.items():
        share = (values[:, None] > harmless[name]).mean(axis=1)
        worse[name] = dict(zip(keys, share.tolist(), strict=True))
    return dict(zip(keys, (one or SOUND for one in defects), strict=True)), worse


def _measured(images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Measure -> its values, of which more is worse."""
    found = np.stack([measures.measure(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in images])
    named = dict(zip(measures.names(dataset.Scenes.SIZE_PX), found.T, strict=True))
    return {**{name: named[name] for name in criteria.MEASURES}, OTHER: -named[OTHER]}


def _better_half(drawn: Drawn, fresh: list, names: Sequence[str]) -> set[tuple[int, int]]:
    """As many as hold half of the sound scenes, in the order of their worst measure."""
    worst = {key: max(worse[name][key] for name in names) for of_class, worse in fresh for key in of_class}
    middle = np.median([worst[key] for key, defect in drawn.items() if defect == SOUND])
    return {key for key, value in worst.items() if value <= middle}


def _drawn(study: Path) -> Drawn:
    found = {}
    for path in sorted((study / "samples/candidates").glob("*/*.h5")):
        shard = shards.read(path, "images")
        found |= dict(zip(_keys(shard), (one or SOUND for one in shard.attributes["drawn_defects"]), strict=True))
    return found


def _within(study: Path, quantile: float) -> set[tuple[int, int]]:
    """The candidates that the criterion does not refuse, each class by its own bounds."""
    kept = set()
    for path in sorted((study / "scores/candidates").glob("*/*.h5")):
        scores = shards.read(path, "scores")
        bounds = criteria.bounds(np.array(scores.attributes["controls"]), quantile)
        stays = np.isfinite(criteria.geometry(scores["measures"], bounds))
        kept |= {key for key, stay in zip(_keys(scores), stays, strict=True) if stay}
    return kept


def _chosen(study: Path, source: str) -> set[tuple[int, int]]:
    """The candidates that a selection kept."""
    kept = set()
    for path in sorted((study / "samples" / source).glob("*/*.h5")):
        shard = shards.read(path, "images")
        kept |= {
            (image_id, variant) for (image_id, _), variant in zip(_keys(shard), shard.attributes["kept"], strict=True)
        }
    return kept


def _keys(shard: shards.Shard) -> list[tuple[int, int]]:
    return list(zip(shard["image_ids"].tolist(), shard["variants"].tolist(), strict=True))


def _row(name: str, drawn: Drawn, kept: set[tuple[int, int]]) -> tuple[str, ...]:
    shares = []
    for kind in (SOUND, *DEFECTS):
        own = {key for key, defect in drawn.items() if defect == kind}
        shares.append(_share(len(own & kept), len(own)))
    sound = sum(drawn[key] == SOUND for key in kept)
    return name, str(len(kept)), *shares, _share(sound, len(kept))


def _share(count: int, of: int) -> str:
    """In percent, with Wilson's interval."""
    return spread(statistics.share_interval(count, of), 0, scale=100) if of else "–"


def _words(defect: str) -> str:
    return defect.replace("_", " ")


if __name__ == "__main__":
    main()
