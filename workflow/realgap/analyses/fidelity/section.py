"""How far generated images are from real ones, what they cover, and what of it real images show as well."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from realgap.analyses.fidelity import TITLE, distances, measures
from realgap.analyses.fidelity.measures import Images
from realgap.data.training_sets import equal_rows
from realgap.report.figures import name
from realgap.report.sections import COMPARED_WITH_REAL, Figure, Section, Table
from realgap.report.wording import told
from realgap.statistics.verdicts import FEWEST_UNITS
from realgap.store.shards import Shard

# metric -> (words when it is higher than the control's, when it is lower, what it is)
WORDS = {
    "distance": ("farther from real images", "nearer to real images"),
    "precision": ("more often among real images", "less often among real images"),
    "density": ("denser around real images", "thinner around real images"),
    "recall": ("reaching more of the real images", "reaching fewer of the real images"),
    "coverage": ("covering more of the real images", "covering fewer of the real images"),
    "nearest_distance": ("farther from the nearest real image", "nearer to the nearest real image"),
}
REFERENCES = {"test": "real test images", "train": "real training images"}


def cut(shard: Shard, per_class: int, seed: int) -> Images:
    """A set of features cut to `per_class` images of each class, by training_sets.equal_rows."""
    rows = equal_rows(shard["labels"], shard["variants"], shard["image_ids"], per_class, seed)
    return Images(shard["features"][rows], shard["labels"][rows])


def measurements(
    references: Mapping[str, tuple[Images, Mapping[str, Images]]], class_names: list[str], **options
) -> pd.DataFrame:
    """measures.measure against each reference: a row per reference, set, metric and class (by name, or all).

    references: reference -> (its images, the sets to measure, "real" the control among them).
    """
    frames = []
    for reference, (images, sets) in references.items():
        named = {label: class_names[i] for i, label in enumerate(np.unique(images.labels).tolist())}
        frame = pd.DataFrame(measures.measure(images, sets, "real", **options), columns=measures.Measurement._fields)
        frame["label"] = frame.label.map(lambda label, named=named: named.get(label, label))
        frame.insert(0, "reference", reference)
        frames.append(frame.rename(columns={"label": "class"}))
    return pd.concat(frames, ignore_index=True)


def subsets(
    references: Mapping[str, tuple[Images, Mapping[str, Images]]], extractor: str, seed: int, count: int, size: int
) -> pd.DataFrame:
    """The kernel distance as it is published: mean and standard deviation over random subsets."""
    rows = []
    for reference, (images, sets) in references.items():
        for source, own in sets.items():
            used = min(size, len(images.features), len(own.features))
            mean, deviation = distances.kernel_distance_subsets(images.features, own.features, seed, count, size)
            metric = f"{distances.distance_names(extractor)[1]}_subsets"
            rows.append((reference, source, metric, mean, deviation, count, used))
    columns = ["reference", "source", "metric", "mean", "standard_deviation", "n_subsets", "subset_size"]
    return pd.DataFrame(rows, columns=columns)


def answer(measured: pd.DataFrame) -> pd.DataFrame:
    """Rows over all classes against the test images, with a verdict in words on the difference to real images."""
    rows = measured[(measured["class"] == "all") & (measured.reference == "test")].copy()
    rows["verdict"] = [verdict(row) for row in rows.itertuples()]
    return rows.drop(columns=["class", "reference"]).reset_index(drop=True)


def verdict(row) -> str:
    """The difference to the control in plain words: its p among all metrics of the set decides, not its size."""
    if np.isnan(row.difference):
        return "control"
    bounds = row.difference, row.difference_low, row.difference_high, FEWEST_UNITS
    words = WORDS.get(row.metric, WORDS["distance"])
    return told(*bounds, words, reference="real images", stands_out=row.family_p <= 0.05)


def section(answered: pd.DataFrame, extractor: str, per_class: int, k: int) -> Section:
    """The report's section; `extractor` names the network, `per_class` the size of the cut, `k` the neighbours."""
    frechet, kernel = distances.distance_names(extractor)
    told = [kernel, "precision", "recall", "coverage"]
    sentences = []
    for source, rows in answered.groupby("source", sort=False):
        if source != "real":
            by_metric = rows.set_index("metric")
            parts = [f"{metric} {by_metric.value[metric]:.3g}: {by_metric.verdict[metric]}" for metric in told]
            sentences.append(f"{name(source)}: {'; '.join(parts)}.")
    own = "" if frechet == "fid" else f" They are not FID and KID: features are those of {extractor}, hence the names."
    return Section(
        name="fidelity",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "fidelity/table.csv",
                f"Each set, cut to {per_class} images a class, against the real test images; differences are to as "
                "many real training images. 95 % intervals: bootstrap over images for values, exchange of a set's "
                "images with the control's for differences, each by itself. A verdict needs the p among all metrics.",
                {
                    "source": "set",
                    "metric": "metric",
                    "value": "value",
                    **{key: heading for key, heading in COMPARED_WITH_REAL.items() if key != "verdict"},
                    "family_p": "p among the metrics",
                    "verdict": "verdict",
                },
            )
        ],
        figures=[
            Figure(
                "figures/fidelity.svg",
                "Every metric of every set against the real test images, with 95 % bootstrap intervals; the dotted "
                "line is what as many real training images have.",
                "Values and intervals of the metrics, a row per set; the table above holds them",
            ),
            Figure(
                "figures/fidelity_classes.svg",
                "Density and coverage of every set for each class: difference to real training images of it; a "
                "dot marks one that stands out among all classes.",
                "A heat map of differences per class and set; fidelity/measurements.csv holds them",
            ),
        ],
        notes=[
            f"{frechet} is a squared Fréchet distance, {kernel} a kernel distance (full U-statistic).{own} Numbers of "
            "other networks or other set sizes don't compare; the Fréchet distance of few images is mostly bias. "
            f"Precision, recall, density and coverage use balls that reach to neighbour {k}.",
            "Real training images are a control with a catch where the network was trained on them: it places images "
            "that it has seen more surely than others. The resampled and VAE-only rows share that catch.",
        ],
    )
