"""Where classifiers fail: by class, by confusion, by confidence, and far from the real training data."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from realgap.analyses.errors import TITLE, measures
from realgap.report import tables
from realgap.report.sections import COMPARED_WITH_REAL, Figure, Section, Table
from realgap.report.style import name
from realgap.report.wording import UNTOLD, interval, points, within
from realgap.statistics.differences import mean_of, paired
from realgap.statistics.falls import kept
from realgap.statistics.shares import mean_share
from realgap.statistics.verdicts import Verdict, verdict
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


def answer(observed: pd.DataFrame, runs: Sequence[Shard], bins: int, margin: float) -> pd.DataFrame:
    """A row per training set and metric: mean over seeds, difference to `real`, intervals, a verdict.

    margin: of accuracy. `accuracy`, `nearest` and `edge` are judged as the study's table is. The metric `edge_kept` is
    statistics.falls.kept: the share of the accuracy above chance that is left at the edge.
    """
    correct, (bin_of, class_of) = _correct(observed), _of_images(observed)
    last = bin_of.max()
    parts = {
        "accuracy": _judged(correct, class_of, slice(None), margin),
        "nearest": _judged(correct, class_of, bin_of == 0, margin),
        "edge": _judged(correct, class_of, bin_of == last, margin),
        "calibration_error": calibration(runs, bins, margin),
        "edge_kept": _edge_kept(correct, bin_of, 1 / observed["class"].nunique(), margin),
    }
    for metric, frame in parts.items():
        frame.insert(1, "metric", metric)
    found = pd.concat(parts.values(), ignore_index=True).drop(columns="within_margin")
    return found.assign(verdict=found.verdict.fillna("reference"))


def calibration(runs: Sequence[Shard], bins: int, margin: float, reference: str = "real") -> pd.DataFrame:
    """Expected calibration error of every training set in the columns of `answer`; less is better."""
    order = dict.fromkeys(run.attributes["training_set"] for run in runs)
    by_seed = sorted(runs, key=lambda run: run.attributes["seed"])
    parts = {
        key: np.stack(
            [
                measures.calibration_parts(run["logits"], run["labels"], bins)
                for run in by_seed
                if run.attributes["training_set"] == key
            ]
        )
        for key in order
    }
    rows = []
    for key, own in parts.items():
        mean, low, high = mean_of(own)
        row = {"training_set": key, "n_seeds": len(own), "mean": mean, "low": max(low, 0.0), "high": min(high, 1.0)}
        if key != reference:
            found = paired(own, parts[reference])
            inner = -found.inner[1], -found.inner[0]
            row |= {"difference": found.value, "difference_low": found.low, "difference_high": found.high}
            row |= {"verdict": verdict(-found.high, -found.low, found.n_units, margin, inner)}
        rows.append(row)
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


def by_distance(observed: pd.DataFrame, margin: float) -> pd.DataFrame:
    """tables.judged of the test images at each distance, with `distance_bin`."""
    correct, (bin_of, class_of) = _correct(observed), _of_images(observed)
    frames = []
    for number in range(bin_of.max() + 1):
        frame = _judged(correct, class_of, bin_of == number, margin)
        frame.insert(1, "distance_bin", number)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def by_class(observed: pd.DataFrame, class_names: Sequence[str], reference: str = "real") -> pd.DataFrame:
    """Accuracy of each class and its difference to the reference, with `family_p`: its p among all classes."""
    rows, compared = [], _cells(observed, class_names, reference)
    for training_set, (labels, predicted) in _predictions(observed, class_names).items():
        for number, class_name in enumerate(class_names):
            right = predicted[:, labels == number] == number
            mean = mean_share(right) if right.size else (np.nan,) * 3
            own = [part[number, number] for part in compared[training_set]]
            rows.append((training_set, class_name, len(predicted), *mean, *own))
    heads = ["training_set", "class", "n_seeds", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=[*heads, "difference", "difference_low", "difference_high", "family_p"])


def confusions(observed: pd.DataFrame, class_names: Sequence[str], reference: str = "real") -> pd.DataFrame:
    """A row per training set, true and predicted class: share over seeds, and its difference to the reference.

    family_p: p of the difference among all confusions of the training set; nan for a class that is called by its name.
    """
    frames, compared, count = [], _cells(observed, class_names, reference), len(class_names)
    for training_set, (labels, predicted) in _predictions(observed, class_names).items():
        own = compared[training_set]
        grid = {"share": measures.confusion(labels, predicted, count).mean(axis=0), **own._asdict()}
        grid["family_p"] = np.where(np.eye(count, dtype=bool), np.nan, own.family_p)
        frame = pd.DataFrame({column: values.ravel() for column, values in grid.items()})
        frame.insert(0, "training_set", training_set)
        frame.insert(1, "class", np.repeat(class_names, count))
        frame.insert(2, "predicted", np.tile(class_names, count))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def section(answered: pd.DataFrame, classes: pd.DataFrame, confused: pd.DataFrame, bins: int, margin: float) -> Section:
    """The report's section, with the class and the confusion in which each training set differs most."""
    kept_by_real = answered[(answered.metric == "edge_kept") & (answered.training_set == "real")]["mean"].item()
    sentences = []
    for training_set in answered.training_set.unique():
        if training_set != "real":
            rows = answered[answered.training_set == training_set].set_index("metric")
            sentences.append(
                f"{name(training_set)}: {_kept(rows.loc['edge_kept'], kept_by_real, margin)}; "
                f"{_calibrated(rows.loc['calibration_error'], margin)}. {_most(training_set, classes, confused)}"
            )
    return Section(
        name="errors",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "errors/table.csv",
                "Accuracy overall, on the test images nearest to the real training data and farthest from it (edge); "
                "calibration error; fractions. edge_kept: share of the accuracy above chance that is left at the edge. "
                f"95 % intervals over seeds and test images. Undecided: {UNTOLD} real.",
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
                "Accuracy of each class as difference to training on real images; a dot marks one that stands "
                "out among all.",
                "A heat map of differences in accuracy per class; errors/classes.csv holds them",
            ),
            Figure(
                "figures/errors_edge.svg",
                "Accuracy on test images by distance to the real training data, with 95 % intervals over seeds and "
                "images.",
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
            "A class or a confusion is named only where it stands out among all of its kind, for a training set "
            "(family_p at most 0.05: if none differs, any is named in 5 % of studies). With fewer than six seeds "
            "little can be named.",
            "The calibration error is biased upwards for few images, for all training sets alike.",
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


def _cells(observed: pd.DataFrame, class_names: Sequence[str], reference: str) -> dict[str, measures.Cells]:
    """training set -> measures.cells against the reference, whose own are nan."""
    predictions, count = _predictions(observed, class_names), len(class_names)
    nothing = measures.Cells(*np.full((4, count, count), np.nan))
    return {
        key: nothing if key == reference else measures.cells(labels, own, predictions[reference][1], count)
        for key, (labels, own) in predictions.items()
    }


def _correct(observed: pd.DataFrame) -> dict[str, np.ndarray]:
    """training set -> hits (seeds, images) bool, seeds in rising order."""
    return {
        training_set: np.stack([group.correct.to_numpy(dtype=bool) for _, group in rows.groupby("seed")])
        for training_set, rows in observed.groupby("training_set", sort=False)
    }


def _of_images(observed: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The distance bin, and the number of the class, of each test image, (images,) int64 each."""
    first = observed[observed.groupby(["training_set", "seed"], sort=False).ngroup() == 0]
    return first.distance_bin.to_numpy(), pd.factorize(first["class"])[0]


def _judged(
    correct: Mapping[str, np.ndarray], class_of: np.ndarray, chosen: np.ndarray | slice, margin: float
) -> pd.DataFrame:
    """tables.judged of the chosen test images, (images,) bool or a slice; class_of: (images,)."""
    own = {key: hits[:, chosen] for key, hits in correct.items()}
    return tables.judged(own, margin, tables.guessing(class_of[chosen]))


def _edge_kept(correct: dict[str, np.ndarray], bin_of: np.ndarray, chance: float, margin: float) -> pd.DataFrame:
    rows, real = [], [correct["real"][:, bin_of == end] for end in (0, bin_of.max())]
    for training_set, own in correct.items():
        found = kept(*(own[:, bin_of == end] for end in (0, bin_of.max())), *real, chance=chance, margin=margin)
        row = {"training_set": training_set, "n_seeds": len(own), "mean": found.kept}
        if training_set != "real":
            row |= {"difference": found.difference, "difference_low": found.low, "difference_high": found.high}
            row |= {"verdict": found.verdict}
        rows.append(row)
    return pd.DataFrame(rows)


def _kept(row: pd.Series, kept_by_real: float, margin: float) -> str:
    """The share of its accuracy above chance that a training set keeps at the edge, against real, in words."""
    what = "of its accuracy above chance at the edge of the real training data"
    if np.isnan(row.difference_low):
        return f"{Verdict.TOO_FEW} what it keeps {what}"
    numbers = f"{100 * row['mean']:.0f} %, real {100 * kept_by_real:.0f} %"
    said = {
        Verdict.BETTER: f"keeps more than real {what}",
        Verdict.WORSE: f"keeps less than real {what}",
        Verdict.EQUIVALENT: f"keeps as much as real {what}, within {within(margin)}",
        Verdict.UNDECIDED: f"what it keeps {what} is {UNTOLD} real",
        Verdict.TOO_FEW: f"{Verdict.TOO_FEW} what it keeps {what}",
    }
    return f"{said[row.verdict]}: {numbers} ({_difference(row)})"


def _calibrated(row: pd.Series, margin: float) -> str:
    said = {
        Verdict.BETTER: "better calibrated than real",
        Verdict.WORSE: "worse calibrated than real",
        Verdict.EQUIVALENT: f"as well calibrated as real, within {within(margin)}",
        Verdict.UNDECIDED: f"calibration {UNTOLD} real",
        Verdict.TOO_FEW: f"calibration: {Verdict.TOO_FEW}",
    }
    return f"{said[row.verdict]} ({_difference(row)})"


def _difference(row: pd.Series) -> str:
    return f"{points(row.difference)} points, {interval(row.difference_low, row.difference_high, points)}"


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
