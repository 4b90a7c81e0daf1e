"""Where classifiers look: one observation per map, the comparison with `real`, its sentences, its panels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from realgap.analyses.saliency import TITLE, focus
from realgap.report import tables
from realgap.report.figures import name
from realgap.report.sections import Figure, Section, Table
from realgap.store.shards import Shard

TARGETS = {"true": "true_maps", "predicted": "predicted_maps"}
HEADLINE = "effective_area"  # the metric that sentences and panels are about


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


def comparison(observed: pd.DataFrame, reference: str = "real") -> pd.DataFrame:
    """focus.compare for every target and metric: a row per training set, target, metric and stratum."""
    rows = []
    for target, maps in observed.groupby("target", sort=False):
        correct = _per_image(maps, "correct")
        for metric in focus.METRICS:
            compared = focus.compare(metric, _per_image(maps, metric), correct, reference)
            rows += [{"target": target, **row._asdict()} for row in compared]
    columns = ["training_set", "target", "metric", "stratum"]
    frame = pd.DataFrame(rows, columns=["target", *focus.Comparison._fields])
    return frame[columns + [column for column in frame if column not in columns]]


def answer(compared: pd.DataFrame) -> pd.DataFrame:
    """The rows that the verdict rests on: maps for the true label of images that both classifiers get right."""
    chosen = (compared.target == "true") & (compared.stratum == "both_right")
    return compared[chosen].drop(columns=["target", "stratum"]).reset_index(drop=True)


def models(observed: pd.DataFrame) -> pd.DataFrame:
    """What must be known of the maps themselves: accuracy on these images, share of empty maps, faithfulness.

    tables.over_seeds of each, with the column `metric`.
    """
    true, predicted = (observed[observed.target == target] for target in TARGETS)
    measured = {
        "accuracy": (true, "correct"),
        "empty_true_maps": (true, "empty"),
        "empty_predicted_maps": (predicted, "empty"),
        "faithfulness": (true[true.faithfulness.notna()], "faithfulness"),
    }
    measured = {metric: (rows, column) for metric, (rows, column) in measured.items() if len(rows)}
    frames = [tables.over_seeds(rows.astype({column: float}), column) for rows, column in measured.values()]
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
    headline = answered[answered.metric == HEADLINE]
    overall = compared[(compared.target == "true") & (compared.stratum == "all") & (compared.metric == HEADLINE)]
    sentences = [
        f"{name(row.training_set)}: {row.verdict}; in effective area, {whole.difference:+.3f}{_interval(whole)} "
        "on all images, error rate included."
        for row, whole in zip(headline.itertuples(), overall.itertuples(), strict=True)
    ]
    n_seeds = int(compared.n_seeds.max())
    empty = state[state.metric == "empty_true_maps"]["mean"]
    notes = [
        f"{about}: maps for the true label, on the same real test images for every classifier. Effective area is "
        "exp(entropy) over the number of cells: 1 for a flat map. Wrongly classified images have other maps whatever "
        "a classifier was trained on, so the verdict compares only images that both classifiers of a seed get right.",
        f"Seeds are the unit ({n_seeds}); intervals are 95 % Student t of differences paired by seed. With {n_seeds} "
        f"seeds the exact permutation test can't give a p below {2 / 2**n_seeds:.2g}. Each row has its own interval: "
        f"of {len(answered)} rows without any difference, about {0.05 * len(answered):.1f} exclude zero by chance.",
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
                    "p_value": "permutation p",
                    "verdict": "verdict",
                },
            )
        ],
        figures=[
            Figure(
                "figures/saliency.svg",
                "Differences in focus to training on real images, with 95 % intervals over seeds: on all images (open) "
                "and on the images that both classifiers get right (filled).",
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


def _interval(row) -> str:
    return "" if np.isnan(row.low) else f" (95 % interval {row.low:+.3f} to {row.high:+.3f})"
