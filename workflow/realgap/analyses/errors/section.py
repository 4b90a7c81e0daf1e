"""Where classifiers fail: by class, by confusion, by confidence, and far from the real training data."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from realgap.analyses.errors import TITLE, measures
from realgap.report import tables
from realgap.report.figures import name
from realgap.report.sections import COMPARED_WITH_REAL, Figure, Section, Table
from realgap.statistics.falls import Kept, kept
from realgap.statistics.verdicts import Verdict
from realgap.store.shards import Shard


def observations(
    runs: Sequence[Shard], class_names: Sequence[str], distances: np.ndarray, bin_of: np.ndarray
) -> pd.DataFrame:
    """A row per training set, seed and test image; runs: predictions of the same images in the same order.

    distances: (n,) of each test image to the nearest real training image of its class. bin_of: (n,) of
    measures.distance_bins.
    """
    frames = []
    for run in runs:
        logits = run["logits"].astype(np.float64)
        predicted = logits.argmax(axis=1)
        confidence = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
        frames.append(
            pd.DataFrame(
                {
                    "training_set": run.attributes["training_set"],
                    "seed": run.attributes["seed"],
                    "image_id": run["image_ids"],
                    "class": np.array(class_names)[run["labels"]],
                    "predicted": np.array(class_names)[predicted],
                    "correct": predicted == run["labels"],
                    "confidence": confidence,
                    "distance": distances,
                    "distance_bin": bin_of,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def answer(observed: pd.DataFrame, runs: Sequence[Shard], bins: int) -> pd.DataFrame:
    """A row per training set and metric: mean over seeds, difference to `real`, intervals, a verdict.

    The metric `edge_loss` is measures.edge_loss: how many points further behind `real` at the edge than near the data;
    `edge_kept` is statistics.falls.kept: the share of the accuracy above chance that is left at the edge.
    """
    last = observed.distance_bin.max()
    parts = {
        "accuracy": tables.over_seeds(observed, "correct"),
        "nearest": tables.over_seeds(observed[observed.distance_bin == 0], "correct"),
        "edge": tables.over_seeds(observed[observed.distance_bin == last], "correct"),
        "calibration_error": tables.over_seeds(calibration(runs, bins), "calibration_error"),
    }
    for metric, frame in parts.items():
        frame.insert(1, "metric", metric)
        frame["verdict"] = [_verdict(metric, row) for row in frame.itertuples()]
    return pd.concat([*parts.values(), _edge_losses(observed)], ignore_index=True)


def calibration(runs: Sequence[Shard], bins: int) -> pd.DataFrame:
    """Expected calibration error of every classifier: training_set, seed, calibration_error."""
    rows = [
        {
            "training_set": run.attributes["training_set"],
            "seed": run.attributes["seed"],
            "calibration_error": measures.calibration_error(run["logits"], run["labels"], bins),
        }
        for run in runs
    ]
    return pd.DataFrame(rows)


def reliability(runs: Sequence[Shard], bins: int) -> pd.DataFrame:
    """A row per training set, seed and bin of confidence that holds images: n_images, confidence, accuracy."""
    frames = []
    for run in runs:
        found = measures.reliability(run["logits"], run["labels"], bins)
        frame = pd.DataFrame({"bin_from": found.edges[:-1], "bin_to": found.edges[1:], "n_images": found.count})
        frame["confidence"], frame["accuracy"] = found.confidence, found.accuracy
        frame.insert(0, "training_set", run.attributes["training_set"])
        frame.insert(1, "seed", run.attributes["seed"])
        frames.append(frame[frame.n_images > 0])
    return pd.concat(frames, ignore_index=True)


def by_class(observed: pd.DataFrame, class_names: Sequence[str], reference: str = "real") -> pd.DataFrame:
    """tables.over_seeds of the accuracy of each class, with `family_p`: p of the difference among all classes."""
    table = tables.over_seeds(observed, "correct", ["class"], reference)
    found = {key: one[0] for key, one in _family_p(observed, class_names, reference).items()}
    index = {key: number for number, key in enumerate(class_names)}
    table["family_p"] = [
        found[row.training_set][index[row.cls]] for row in table.rename(columns={"class": "cls"}).itertuples()
    ]
    return table


def confusions(observed: pd.DataFrame, class_names: Sequence[str], reference: str = "real") -> pd.DataFrame:
    """A row per training set, true and predicted class: share over seeds, and its difference to the reference.

    family_p: p of the difference among all confusions of the training set.
    """
    found = _family_p(observed, class_names, reference)
    matrices = {
        training_set: measures.confusion(labels, predicted, len(class_names))
        for training_set, (labels, predicted) in _predictions(observed, class_names).items()
    }
    frames = []
    for training_set, matrix in matrices.items():
        difference = measures.paired_differences(matrix, matrices[reference])
        own = [np.full(matrix.shape[1:], np.nan)] * 3 if training_set == reference else difference
        grid = {"share": matrix.mean(axis=0), **dict(zip(("difference", "low", "high"), own, strict=True))}
        grid["family_p"] = found[training_set][1]
        frame = pd.DataFrame({column: values.ravel() for column, values in grid.items()})
        frame.insert(0, "training_set", training_set)
        frame.insert(1, "class", np.repeat(class_names, len(class_names)))
        frame.insert(2, "predicted", np.tile(class_names, len(class_names)))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def section(answered: pd.DataFrame, classes: pd.DataFrame, confused: pd.DataFrame, bins: int) -> Section:
    """The report's section, with the class and the confusion in which each training set differs most."""
    sentences = []
    for training_set in answered.training_set.unique():
        if training_set != "real":
            rows = answered[answered.training_set == training_set].set_index("metric").verdict
            sentences.append(
                f"{name(training_set)}: {rows['edge_kept']}; calibration: {rows['calibration_error']}. "
                f"{_most(training_set, classes, confused)}"
            )
    n_classes = classes["class"].nunique()
    return Section(
        name="errors",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "errors/table.csv",
                "Accuracy overall, near the real training data and far from it, and calibration; differences to real "
                "paired by seed, 95 % Student t intervals over seeds.",
                {
                    "training_set": "training set",
                    "metric": "metric",
                    "mean": "mean",
                    **COMPARED_WITH_REAL,
                },
            )
        ],
        figures=[
            Figure(
                "figures/errors_classes.svg",
                "Accuracy of each class as difference to training on real images; a dot marks intervals without zero.",
                "A heat map of differences in accuracy per class; errors/classes.csv holds them",
            ),
            Figure(
                "figures/errors_edge.svg",
                "Accuracy on test images by their distance to the real training data, with 95 % intervals over seeds.",
                "Lines of accuracy against distance; errors/edge.csv holds them",
            ),
            Figure(
                "figures/errors_confusion.svg",
                "Confusion matrices as differences to training on real images, in points of the true class: red is "
                "more often than real, grey less often.",
                "Heat maps of confusion differences; errors/confusion.csv holds them",
            ),
            Figure(
                "figures/errors_calibration.svg",
                "Accuracy against confidence: on the dotted line a classifier is right as often as it says.",
                "Reliability curves; errors/reliability.csv holds them",
            ),
        ],
        notes=[
            f"Test images are cut into {bins} equal parts of each class by their distance to the nearest real training "
            "image, in features of one network: the last part are the edge cases. Where that network is the classifier "
            "trained on real images, `real` is judged by its own measure.",
            f"Each class and each cell of a confusion matrix has its own interval: of {n_classes} classes "
            f"{0.05 * n_classes:.1f}, of {n_classes**2} cells {0.05 * n_classes**2:.0f} exclude zero by chance. One is "
            "named only where it stands out among all of its kind (family_p at most 0.05). The calibration error is "
            "biased upwards for few images, for all training sets alike.",
        ],
    )


def _predictions(observed: pd.DataFrame, class_names: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """training set -> labels (n,) and predictions (seeds, n), as numbers of classes."""
    index, found = {key: number for number, key in enumerate(class_names)}, {}
    for training_set, rows in observed.groupby("training_set", sort=False):
        seeds = [group for _, group in rows.groupby("seed")]
        labels = seeds[0]["class"].map(index).to_numpy()
        found[training_set] = labels, np.stack([group.predicted.map(index).to_numpy() for group in seeds])
    return found


def _family_p(
    observed: pd.DataFrame, class_names: Sequence[str], reference: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """training set -> measures.family_p against the reference, whose own is nan."""
    predictions, count = _predictions(observed, class_names), len(class_names)
    nothing = np.full(count, np.nan), np.full((count, count), np.nan)
    return {
        key: nothing if key == reference else measures.family_p(labels, own, predictions[reference][1], count)
        for key, (labels, own) in predictions.items()
    }


def _edge_losses(observed: pd.DataFrame, reference: str = "real") -> pd.DataFrame:
    correct = {
        training_set: np.stack([group.correct.to_numpy() for _, group in rows.groupby("seed")])
        for training_set, rows in observed.groupby("training_set", sort=False)
    }
    bin_of = observed.distance_bin.to_numpy()[: correct[reference].shape[1]]
    rows = []
    for training_set, own in correct.items():
        if training_set != reference:
            loss, low, high = measures.edge_loss(own, correct[reference], bin_of)
            row = {"training_set": training_set, "metric": "edge_loss", "n_seeds": len(own)}
            row |= {"difference": loss, "difference_low": low, "difference_high": high}
            rows.append({**row, "verdict": measures.edge_verdict(loss, low, high)})
            ends = [one[:, bin_of == end] for one in (own, correct[reference]) for end in (0, bin_of.max())]
            found = kept(*ends, chance=1 / observed["class"].nunique())
            row |= {"metric": "edge_kept", "mean": found.kept, "difference": found.difference}
            row |= {"difference_low": found.low, "difference_high": found.high}
            rows.append({**row, "verdict": _kept(found)})
    return pd.DataFrame(rows)


def _kept(found: Kept) -> str:
    """The share of its accuracy above chance that a training set keeps at the edge, against real, in words."""
    what = "of its accuracy above chance at the edge of the real training data"
    if np.isnan(found.low):
        return f"{found.verdict} what it keeps {what}"
    numbers = f"{100 * found.kept:.0f} %, real {100 * found.reference_kept:.0f} %"
    interval = f"{100 * found.difference:+.0f} points, {100 * found.low:+.0f} to {100 * found.high:+.0f}"
    said = {
        Verdict.BETTER: f"keeps more than real {what}",
        Verdict.WORSE: f"keeps less than real {what}",
        Verdict.EQUIVALENT: f"keeps as much as real {what}",
    }
    return f"{said.get(found.verdict, f'{found.verdict} whether it keeps less {what}')}: {numbers} ({interval})"


def _verdict(metric: str, row) -> str:
    if np.isnan(row.difference):
        return "reference" if row.training_set == "real" else "undecided"
    if np.isnan(row.difference_low):
        return f"undecided: one seed, {row.difference:+.3f}"
    half = (row.difference_high - row.difference_low) / 2
    if row.difference_low <= 0 <= row.difference_high:
        return f"no difference to real: {row.difference:+.3f} ± {half:.3f}"
    better = (row.difference > 0) != (metric == "calibration_error")
    return f"{'better' if better else 'worse'} than real by {abs(row.difference):.3f} ± {half:.3f}"


def _most(training_set: str, classes: pd.DataFrame, confused: pd.DataFrame) -> str:
    """The class that loses most and the confusion that grows most, of those that stand out in their family."""
    own = classes[classes.training_set == training_set]
    cells = confused[(confused.training_set == training_set) & (confused["class"] != confused.predicted)]
    said = []
    lost = own[(own.family_p <= 0.05) & (own.difference < 0)]
    grown = cells[(cells.family_p <= 0.05) & (cells.difference > 0)]
    if len(lost):
        row = lost.loc[lost.difference.idxmin()]
        said.append(f"most is lost on {row['class']} ({100 * row.difference:+.1f} points)")
    if len(grown):
        row = grown.loc[grown.difference.idxmax()]
        said.append(f"{row['class']} is called {row.predicted} more often by {100 * row.difference:.1f} points")
    return f"{' and '.join(said).capitalize()}." if said else "No class and no confusion stands out."
