"""Can the geometry of lines tell sound scenes from those with a defect? `python -m tests.benchmarks.sound_scenes`.

    envs/run snakemake --configfile resources/studies/rooms-feedback.yaml
    envs/run python -m tests.benchmarks.sound_scenes

The study's candidates say which defect each was drawn with. The first table keeps those within bounds of the criterion
`geometry`, one quantile of the controls a row; the second has what the study's selections kept.
"""

import argparse
from pathlib import Path

import numpy as np

from realgap import statistics
from realgap.report import text_tables
from realgap.selection import criteria
from realgap.store import shards
from realgap.study.sources import DEFECTS
from tests.benchmarks.arms import spread

QUANTILES = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
SOUND = "sound"


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


Drawn = dict[tuple[int, int], str]  # (real image, variant) -> the scene's defect, or SOUND


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
