"""Where classifiers look: one observation per map, the comparison with `real`, its sentences, its panels."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from realgap.analyses.saliency import TITLE, focus
from realgap.report import tables
from realgap.report.sections import Figure, Section, Table
from realgap.report.style import name
from realgap.report.wording import seeds, told
from realgap.statistics import holm
from realgap.store.shards import Shard

TARGETS = {"true": "true_maps", "predicted": "predicted_maps"}
HEADLINE = "effective_area"  # the metric that sentences and panels are about
RESTS_ON = "both_right"  # the stratum that they rest on


def observations(runs: Sequence[Shard]) -> pd.DataFrame:
    """A row per training set, seed, image and target of the map; `runs` are shards of kind saliency.

    Columns: training_set, seed, image_id, label, predicted, correct, target, empty, the metrics of
    focus.METRICS (nan for an empty map), faithfulness (of maps for the true label on its subset).
    """
    frames = []
    for run in runs:
        common = {
            "training_set": run.attributes["training_set"],
            "seed": run.attributes["seed"],
            "image_id": run["image_ids"],
            "label": run["labels"],
            "predicted": run["logits"].argmax(axis=1),
            "correct": run["correct"],
        }
        for target, array in TARGETS.items():
            empty = run[array].max(axis=(1, 2)) <= 0
            faithfulness = run["faithfulness"] if target == "true" else np.nan
            numbers = focus.focus(run[array])
            frames.append(
                pd.DataFrame({**common, "target": target, "empty": empty, **numbers, "faithfulness": faithfulness})
            )
    return pd.concat(frames, ignore_index=True)


def comparison(observed: pd.DataFrame, compared_with: Mapping[str, str] | None = None) -> pd.DataFrame:
    """focus.compare for every target and metric: a row per training set, target, metric and stratum.

    compared_with: training set -> the row that it is compared with (tables.references), else `real`: maps of another
    classifier are of another layer.

    family_p: p of the difference among the metrics of the same maps (Holm); the verdict needs it.
    """
    rows = []
    known = {key: (compared_with or {}).get(key, "real") for key in observed.training_set.unique()}
    for target, reference in itertools.product(observed.target.unique(), dict.fromkeys(known.values())):
        maps = observed[(observed.target == target) & (observed.training_set.map(known) == reference)]
        correct = _per_image(maps, "correct")
        for metric in focus.METRICS:
            compared = focus.compare(metric, _per_image(maps, metric), correct, reference)
            rows += [{"target": target, **row._asdict()} for row in compared]
    columns = ["training_set", "target", "metric", "stratum"]
    frame = pd.DataFrame(rows, columns=["target", *focus.Comparison._fields])
    frame = frame[columns + [column for column in frame if column not in columns]]
    frame["family_p"] = frame.groupby(["training_set", "target", "stratum"]).p_value.transform(_holm)
    return frame.assign(verdict=[_verdict(row) for row in frame.itertuples()])


def answer(compared: pd.DataFrame) -> pd.DataFrame:
    """The rows that the verdict rests on: maps for the true label of images that both classifiers get right."""
    chosen = (compared.target == "true") & (compared.stratum == RESTS_ON)
    return compared[chosen].drop(columns=["target", "stratum"]).reset_index(drop=True)


def models(observed: pd.DataFrame, compared_with: Mapping[str, str] | None = None) -> pd.DataFrame:
    """What must be known of the maps themselves: accuracy on these images, share of empty maps, faithfulness.

    tables.over_seeds of each, with the column `metric`; compared_with: as `comparison` takes it.
    """
    true, predicted = (observed[observed.target == target] for target in TARGETS)
    # on a subset, of which empty maps have none: images differ by seed, so a seed counts once
    faithful = true.groupby(["training_set", "seed"], sort=False).faithfulness.mean().reset_index()
    measured = {
        "accuracy": (true, "correct"),
        "empty_true_maps": (true, "empty"),
        "empty_predicted_maps": (predicted, "empty"),
        "faithfulness": (faithful, "faithfulness"),
    }
    measured = {metric: (rows, column) for metric, (rows, column) in measured.items() if rows[column].notna().any()}
    frames = [
        tables.over_seeds(rows.astype({column: float}), column, (), compared_with) for rows, column in measured.values()
    ]
    for metric, frame in zip(measured, frames, strict=True):
        frame.insert(1, "metric", metric)
    return pd.concat(frames, ignore_index=True)


def shown_images(observed: pd.DataFrame, count: int, reference: str = "real") -> list[tuple[str, int]]:
    """(least | median | most, image_id) of the images to show, at most `count` of each, by focus.pick_images.

    An image's difference is the root mean square over training sets of the difference to the reference in
    effective area of the map for the true label, averaged over seeds.
    """
    maps = observed[observed.target == "true"]
    areas = {key: values.mean(axis=0) for key, values in _per_image(maps, HEADLINE).items()}
    others = [area - areas[reference] for key, area in areas.items() if key != reference]
    difference = np.sqrt(np.mean(np.square(others), axis=0))
    count = min(count, int(np.isfinite(difference).sum()) // 3)
    if not count:
        return []
    image_ids = maps.image_id.unique()
    picked = focus.pick_images(difference, count)
    return [(rank, int(image_ids[row])) for rank, rows in picked.items() for row in rows]


def section(answered: pd.DataFrame, compared: pd.DataFrame, state: pd.DataFrame, about: str) -> Section:
    """The report's section; `about`: how the maps were made, e.g. "Grad-CAM at layer3"."""
    of_area = compared[(compared.target == "true") & (compared.metric == HEADLINE)]
    headline, overall = (of_area[of_area.stratum == stratum] for stratum in (RESTS_ON, "all"))
    sentences = [
        f"{name(row.training_set)}: in effective area, {row.verdict} {focus.STRATA[row.stratum]}; {whole.verdict} "
        f"{focus.STRATA[whole.stratum]}."
        for row, whole in zip(headline.itertuples(), overall.itertuples(), strict=True)
    ]
    n_seeds = int(compared.n_seeds.max())
    empty = state[state.metric == "empty_true_maps"]["mean"]
    notes = [
        f"{about}: maps for the true label, on the same real test images for every classifier. Effective area is "
        "exp(entropy) over the number of cells: 1 for a flat map. Wrongly classified images have other maps whatever "
        "a classifier was trained on, so the verdict compares only images that both classifiers of a seed get right.",
        f"Intervals are over {seeds(n_seeds)} and the test images, 95 % for each row by itself. A training set is "
        "called different in a metric only where that stands out among all metrics of the same maps (Holm, p at most "
        "0.05).",
        f"Empty maps, on which nothing speaks for the label: {100 * empty.min():.1f} to {100 * empty.max():.1f} % of a "
        "training set's; they have no focus and are left out.",
        *_faithfulness(state),
    ]
    return Section(
        name="saliency",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "saliency/comparison.csv",
                "Focus on real test images that both classifiers get right, against training on real images.",
                {
                    "training_set": "training set",
                    "metric": "metric of the map",
                    "mean": "mean",
                    "reference_mean": "mean of real",
                    "difference": "difference",
                    "low": "95 % interval from",
                    "high": "to",
                    "family_p": "p among the metrics",
                    "verdict": "verdict",
                },
            )
        ],
        figures=[
            Figure(
                "figures/saliency.svg",
                "Differences in focus to training on real images, with 95 % intervals over seeds and images: on all "
                "images (open) and on the images that both classifiers get right (filled).",
                "Intervals of the difference in each metric of the maps; the table above holds the filled ones",
            ),
            Figure(
                "figures/saliency_panels.png",
                "Real test images in rows, training sets in columns, with the prediction: the images whose focus "
                "differs least, in the median and most between training sets. Chosen by that rule, first seed shown.",
                "Overlays of the maps on test images, a column per training set",
            ),
        ],
        notes=notes,
    )


def _per_image(maps: pd.DataFrame, column: str) -> dict[str, np.ndarray]:
    """training set -> (seeds, images) of a column, in the order of seeds and of the file."""
    return {
        key: np.stack([rows[column].to_numpy() for _, rows in group.groupby("seed")])
        for key, group in maps.groupby("training_set", sort=False)
    }


def _faithfulness(state: pd.DataFrame) -> list[str]:
    rows = state[state.metric == "faithfulness"]
    if rows.empty:
        return []
    values = ", ".join(f"{name(key)} {mean:.3f}" for key, mean in zip(rows.training_set, rows["mean"], strict=True))
    return [f"Faithfulness by ROAD on a subset, in probability (0: no better than chance): {values}."]


def _holm(p_values: pd.Series) -> np.ndarray:
    adjusted = np.full(len(p_values), np.nan)
    known = p_values.notna().to_numpy()
    if known.any():
        adjusted[known] = holm(p_values[known])
    return adjusted


def _verdict(row) -> str:
    if np.isnan(row.difference):
        return "too few to say"
    words, sure = focus.METRICS[row.metric], row.family_p <= 0.05
    return told(row.difference, row.low, row.high, row.n_seeds, words, stands_out=sure)
