"""From measured images to tables: every generated source and every control, compared with the same real images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from realgap.analyses.geometry.cues import GROUPS, auc_interval, crossfitted_scores, prequalify
from realgap.analyses.geometry.measures import CONTROLS
from realgap.geometry.structure import STATISTICS
from realgap.statistics import auc, bootstrap_interval
from realgap.store.shards import Shard
from realgap.study.limits import CUE_FOLDS

RESAMPLES = 500
FEWEST_IN_GROUP = 10  # images of each side that an AUC within a group needs
HARMLESS = ("real_resampled", "real_blurred", "vae_only")


def role(source: str) -> str:
    """ "real", "control" or "generated"."""
    if source == "real":
        return "real"
    return "control" if source in (*CONTROLS, "vae_only") else "generated"


def columns(shards: Sequence[Shard]) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each source by its name: real images, their controls, then the other sources."""
    found = {}
    for shard in shards:
        for number, name in enumerate(shard.attributes["columns"]):
            own = shard["columns"] == number
            found[name] = {key: array[own] for key, array in shard.arrays.items()}
    return found


def per_image(sources: Mapping[str, Mapping[str, np.ndarray]], names: Sequence[str]) -> pd.DataFrame:
    """A row per image: source, role, label, image_id, variant, and a column per measure."""
    frames = []
    for source, arrays in sources.items():
        keys = {"label": arrays["labels"], "image_id": arrays["image_ids"], "variant": arrays["variants"]}
        measured = pd.DataFrame(arrays["measures"].astype(float), columns=list(names))
        frames.append(pd.concat([pd.DataFrame({"source": source, "role": role(source), **keys}), measured], axis=1))
    return pd.concat(frames, ignore_index=True)


def per_source(images: pd.DataFrame, names: Sequence[str], seed: int) -> pd.DataFrame:
    """A row per source and measure: the median with its interval, and the chance that an image of the source is
    above a real one, 0.5 where it is as often above as below. Intervals: 95 %, bootstrap over real images, each drawn
    together with what was made of it; images made of no real one are drawn by themselves."""
    rows = []
    reals = images[images.source == "real"].set_index("image_id")
    for source, group in images.groupby("source", sort=False):
        paired = group.image_id.isin(reals.index).any()
        for name in names:
            own, real = _sides(group, reals, name, paired)
            median = chance = (np.nan,) * 3
            if min(len(own), len(real)) > 1:
                median = bootstrap_interval(own, np.median, seed, RESAMPLES)
                sides, statistic = ((own, real), auc)
                if paired:
                    sides, statistic = np.stack([own, real], axis=1), lambda p: auc(p[:, 0], p[:, 1])
                chance = bootstrap_interval(sides, statistic, seed, RESAMPLES)
            rows.append(
                (source, role(source), name, len(own), *median, *(chance if source != "real" else [np.nan] * 3))
            )
    heads = ["source", "role", "metric", "n_images", "median", "median_low", "median_high"]
    return pd.DataFrame(rows, columns=[*heads, "chance_above_real", "chance_low", "chance_high"])


def _sides(group: pd.DataFrame, reals: pd.DataFrame, name: str, paired: bool) -> tuple[np.ndarray, np.ndarray]:
    """A finite measure of a source's images and of real ones; paired: row by row of the same images."""
    own = group[name].to_numpy()
    if not paired:
        real = reals[name].to_numpy()
        return own[np.isfinite(own)], real[np.isfinite(real)]
    pairs = np.stack([own, reals.loc[group.image_id, name]], axis=1)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return pairs[:, 0], pairs[:, 1]


def cues(
    sources: Mapping[str, Mapping[str, np.ndarray]],
    names: Sequence[str],
    kinds: Sequence[str],
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """A row per source, cue and group: AUC of telling the source from real images, with its bootstrap interval.

    kinds: of cues.CUES without "pixels", whose classifier sorts images into groups; "all" is every image. Empty
    (nan) where a group has fewer than ten images of a side. ValueError with fewer real images than folds.
    """
    rows = []
    real = _seen(sources["real"], names)
    if len(real["image_ids"]) < CUE_FOLDS:
        raise ValueError(
            f"geometry.images_per_class: must give {CUE_FOLDS} images or more to train classifiers of cues on, "
            f"or leave geometry out of analyses; got {len(real['image_ids'])}"
        )
    for source in [name for name in sources if name != "real"]:
        other = _seen(sources[source], names)
        generated = np.repeat([False, True], [len(real["image_ids"]), len(other["image_ids"])])
        both = {key: np.concatenate([real[key], other[key]]) for key in real}
        scores = _scores(["pixels", *kinds], both, generated, seed)
        groups = prequalify(scores["pixels"], generated, confidence)
        for kind in ("pixels", *kinds):
            for group in ("all", *GROUPS):
                own = np.full(len(groups), True) if group == "all" else groups == group
                counts = int((own & ~generated).sum()), int((own & generated).sum())
                judged = (np.nan,) * 3
                if group == "all" or min(counts) >= FEWEST_IN_GROUP:
                    judged = auc_interval(scores[kind][own], generated[own], seed, RESAMPLES)
                rows.append((source, role(source), kind, group, *counts, *judged))
    heads = ["source", "role", "metric", "group", "n_real", "n_source", "auc", "auc_low", "auc_high"]
    return pd.DataFrame(rows, columns=heads)


def overviews(measures: pd.DataFrame, cues: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables as a reader takes them in: a row per measure and a column per source (chance above real), and
    a row per source and a column per cue (AUC over all images)."""
    others = measures[measures.source != "real"]
    by_measure = others.pivot_table(
        index="metric", columns="source", values="chance_above_real", sort=False, dropna=False
    )
    everyone = cues[cues.group == "all"]
    by_source = everyone.pivot_table(index=["source", "role"], columns="metric", values="auc", sort=False, dropna=False)
    return by_measure.reset_index(), by_source.dropna(how="all").reset_index()


def _seen(arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """What each cue's classifier sees; of the measures the statistics only, which every image has."""
    statistics = arrays["measures"][:, [names.index(name) for name in STATISTICS]]
    return {key: arrays[key] for key in ("image_ids", "segments", "field", "pixels")} | {"structure": statistics}


def _scores(kinds, features, generated, seed) -> dict[str, np.ndarray]:
    return {k: crossfitted_scores(k, features[k], generated, features["image_ids"], seed) for k in kinds}
