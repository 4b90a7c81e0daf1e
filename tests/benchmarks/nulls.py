"""What the report says of data without any effect: `python -m tests.benchmarks.nulls`.

Each kind of sentence is simulated many times where it would be false, as the report judged it before
(tests.benchmarks.before) and as realgap.statistics does. At most 5 % may be said. --coverage: how often intervals
hold the truth instead. Both tables stand in workflow/docs/statistics.md.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from realgap.analyses.detection import measures as detecting
from realgap.analyses.errors import measures as errors
from realgap.analyses.fidelity.contrasts import exchanged
from realgap.analyses.geometry import section as geometry
from realgap.analyses.geometry import tables as judging
from realgap.report import text_tables
from realgap.statistics import areas, differences, falls, families, holm, rows
from realgap.statistics.crossed import variances
from realgap.statistics.exchange import family_p
from realgap.statistics.verdicts import Verdict, verdict
from realgap.streams import stream
from tests.benchmarks import before, coverage
from tests.benchmarks.made_up import World, alike, confused

HEADER = ["a sentence that is false here", "units", "studies", "said before, %", "said now, %"]
TOLD = (Verdict.BETTER, Verdict.WORSE)
METRICS = ("coverage", "recall", "precision", "density", "fd_network", "kd_network", "nearest_distance")
Said = dict[str, tuple[float, float]]  # sentence -> how much of it was said before, and now: 0 or 1, or a share
UNKNOWN = float("nan")  # what was said before where nothing was said


def table_rows(rng: np.random.Generator, n_units: int, noisy: bool = False) -> Said:
    """Six training sets that are worth the same; the last scatters three times as much if `noisy`."""
    world = World((0.9,) * 6, (0.1,) * 5 + (0.3 if noisy else 0.1,))
    correct = world.correct(rng, n_units)
    accuracy = correct.mean(axis=2)
    names = ["real", *"abcde"]
    found = rows.study_rows(accuracy, names, correct.shape[2], "real", correct)[1:]
    what = "the noisy row is better / worse than real" if noisy else "a row is better / worse than real"
    told = before.told(accuracy[1:], accuracy[0]), np.array([one.verdict in TOLD for one in found])
    return {what: tuple(float(each[-1] if noisy else each.mean()) for each in told)}


def gap(rng: np.random.Generator, n_units: int) -> Said:
    """A training set that falls short by exactly the margin, so the gap is not closed."""
    correct = World((0.9, 0.9, 0.9, 0.88), (0.1,) * 4).correct(rng, n_units)
    accuracy = correct.mean(axis=2)
    found = rows.study_rows(accuracy, ["real", *"abc"], correct.shape[2], "real", correct)[3]
    untold = not before.told(accuracy[3:], accuracy[0])[0]
    return {"closes the gap (2 points remain)": (untold, found.within_margin)}


def pair(rng: np.random.Generator, n_units: int) -> Said:
    """Two generators equally short of real: is one called worse than real and the other not?"""
    correct = World((0.9, 0.9, 0.87, 0.87), (0.1,) * 4).correct(rng, n_units)
    accuracy = correct.mean(axis=2)
    one, other = before.told(accuracy[2:], accuracy[0])
    (said,) = (one.verdict in TOLD for one in rows.pairs(accuracy, list("abcd"), correct) if one[:2] == ("d", "c"))
    return {"one generator is worse than real, the other is not told apart": (one != other, said)}


def cells(rng: np.random.Generator, n_units: int) -> Said:
    """Ten classes and their ninety confusions, the same for both training sets."""
    labels, predicted = confused(rng, n_units)
    found, said = errors.cells(labels, *predicted, 10), {}
    own_class = np.eye(10, dtype=bool)
    for what, hits in (("most is lost on class c", _by_class), ("class a is called b more often", _by_confusion)):
        own, other = (hits(labels, one) for one in predicted)  # each (cells, units, images of the class)
        wrong_way = -1 if hits is _by_class else 1
        family = own_class if hits is _by_class else ~own_class
        now = ((found.family_p <= 0.05) & family & (wrong_way * found.difference > 0)).any()
        said[what] = before.any_cell(wrong_way * own.mean(axis=2).T, wrong_way * other.mean(axis=2).T), now
    return said


def best_cell(rng: np.random.Generator, n_units: int) -> Said:
    """Twelve settings of a transfer (stages frozen x real images), none of which helps."""
    correct = alike(13, 0.6).correct(rng, n_units)
    each = correct[1:] - correct[0].astype(int)
    found = families.stand_out(each.mean(axis=2).T, variances(each)[1])
    return {"pre-training helps / hurts most with ... (12 cells)": (True, found.stands_out.any())}


def growing(rng: np.random.Generator, n_units: int) -> Said:
    """Training sets of one, two and ten images for each real one, all worth the same."""
    correct = World((0.9, *(0.88,) * 6), (0.1,) * 7).correct(rng, n_units)
    accuracy = correct.mean(axis=2)
    found = differences.difference(accuracy, 3, 1, correct)
    return {"more generated images gain / lose": (before.told(accuracy[3:4], accuracy[1])[0], _told(found))}


def edge(rng: np.random.Generator, n_units: int) -> Said:
    """Both keep three quarters of what is above chance: 90 to 70 % and 50 to 40 % with ten classes."""
    near = World((0.9, 0.5), (0.1, 0.1), images=300).correct(rng, n_units)
    far = World((0.7, 0.4), (0.1, 0.1), images=300).correct(rng, n_units)
    found = falls.kept(near[1], far[1], near[0], far[0], chance=0.1)
    fall = near.mean(axis=2) - far.mean(axis=2)
    return {"falls further / less at the edge": (before.told(fall[1:], fall[0])[0], found.verdict in TOLD)}


def attention(rng: np.random.Generator, n_units: int, images: int = 300) -> Said:
    """Five numbers of each map, on images that both classifiers of a unit get right; the first is the sentence's."""
    common, own = 0.1 * rng.standard_normal(images), 0.05 * rng.standard_normal((2, 1, images))
    maps = 0.5 + common + own + 0.02 * rng.standard_normal((2, n_units, 1))
    maps = maps + 0.1 * rng.standard_normal((2, n_units, images))
    right = alike(2, images=images).correct(rng, n_units).all(axis=0)
    # metrics of the same maps have half of their scatter in common
    metrics = [(maps + 0.1 * rng.standard_normal((2, n_units, images))) for _ in range(5)]
    means = [np.stack([np.where(right, one, 0).sum(axis=1) / right.sum(axis=1) for one in each]) for each in metrics]
    old = [before.told(one[1:], one[0])[0] for one in means]
    new = holm([differences.p_of(differences.paired(one[1], one[0], right)) for one in metrics]) <= 0.05
    return {
        "its classifiers look elsewhere": (old[0], new[0]),
        "its classifiers look elsewhere in any of five metrics": (any(old), new.any()),
    }


def calibration(rng: np.random.Generator, n_units: int, images: int = 500) -> Said:
    """Confidence of two training sets that are equally overconfident; a unit's error is a mean over images."""
    confidence = rng.uniform(0.5, 1, images) + 0.02 * rng.standard_normal((2, n_units, 1))
    shared, own = rng.random(images), rng.random((2, n_units, images))
    drawn = np.where(rng.random((2, n_units, images)) < 0.5, shared, own)
    gaps = np.clip(confidence, 0, 1) - (drawn < confidence - 0.08)
    bins = np.digitize(confidence, np.linspace(0.5, 1, 8))
    added = np.stack(
        [[before.calibration(*one) for one in zip(*row, strict=True)] for row in zip(gaps, bins, strict=True)]
    )
    errors = added.mean(axis=2)
    return {
        "calibration is better / worse": (
            before.told(errors[1:], errors[0])[0],
            _told(differences.paired(added[1], added[0])),
        )
    }


def membership(rng: np.random.Generator, n_units: int) -> Said:
    """Losses of 100 members that a classifier has not learned from: some images are harder than others."""
    losses = np.exp(rng.standard_normal(600) + 0.5 * rng.standard_normal((n_units, 600)))
    members, others = losses[:, :100], losses[:, 100:]
    _, low, high = areas.mean_auc(-members, -others)
    return {"its losses give away training images": (before.gives_away(members, others), low > 0.5 or high < 0.5)}


def sets(rng: np.random.Generator, n_units: int) -> Said:
    """Images of one distribution in three sets: the reference, the control, and the one that is judged."""
    mix = rng.standard_normal((16, 16)) / 4
    reference, own, control = (np.maximum(rng.standard_normal((100, 16)) @ mix, 0) for _ in range(3))
    seed = int(rng.integers(2**31))
    old = before.measured(reference, own, control, seed)
    drawn = exchanged(reference, own, control, "network", seed, permutations=100)
    new = dict(zip(drawn, family_p(np.stack(list(drawn.values()), axis=1)) <= 0.05, strict=True))
    by_class = [
        exchanged(*(each[i::4] for each in (reference, own, control)), "network", seed, 3, 100) for i in range(4)
    ]
    classes = family_p(np.stack([one["coverage"] for one in by_class], axis=1)) <= 0.05
    return {
        **{f"another {metric} than real": (old[metric], new[metric]) for metric in METRICS},
        "any of seven metrics is another than real": (any(old.values()), any(new.values())),
        "another coverage of a class (any of four)": (UNKNOWN, classes.any()),
    }


def detectors(rng: np.random.Generator, n_units: int) -> Said:
    """A generated set and the control of one distribution: does a classifier tell one of them better?"""
    test, own, control = rng.standard_normal((3, 100, 8))
    ranks = [detecting.out_of_fold_ranks(test, one, detecting.on_features, 0) for one in (own, control)]
    sides = [side for of_test, generated in ranks for side in (generated, of_test)]
    _, low, high = detecting.beyond(*sides, folds=5)
    return {"told better / worse than real images": (UNKNOWN, low > 0 or high < 0)}


def lines(rng: np.random.Generator, n_units: int, images: int = 60) -> Said:
    """Six measures of images of the same distribution as real ones, beside three harmless changes to these."""
    names, real = list(geometry.WORDS)[:6], rng.standard_normal((images, 6))
    sources = {"real": real, **{one: real + 0.1 * rng.standard_normal(real.shape) for one in judging.HARMLESS}}
    sources["generated"] = 0.5 * real + 0.75**0.5 * rng.standard_normal(real.shape)
    frames = [pd.DataFrame(values, columns=names).assign(source=key) for key, values in sources.items()]
    measured = pd.concat([frame.assign(image_id=range(images)) for frame in frames])
    table = judging.per_source(measured, names, int(rng.integers(2**31)))
    said = geometry._measured(table[table.source == "generated"], table, "generated")
    return {"further from real images than harmless changes (six measures)": (UNKNOWN, "in no measure" not in said)}


# what is simulated, with how many units, and what part of the studies that it takes
KINDS: list[tuple[Callable[..., Said], tuple[int, ...], float]] = [
    (table_rows, (3, 10), 1),
    (lambda rng, n: table_rows(rng, n, noisy=True), (3, 10), 1),
    (gap, (3, 10), 1),
    (pair, (3, 10), 1),
    (cells, (3, 10), 1),
    (best_cell, (3, 10), 1),
    (growing, (3, 10), 1),
    (edge, (3, 10), 1),
    (calibration, (3, 10), 1),
    (attention, (3, 10), 1),
    (membership, (3, 10), 1),
    (sets, (1,), 0.5),
    (detectors, (1,), 0.5),
    (lines, (1,), 0.2),
]


def false_alarms(studies: int, seed: int) -> Iterator[list[str]]:
    """A row for each kind of sentence and number of units: how often it was said, before and now, in percent."""
    for number, (simulate, units, part) in enumerate(KINDS):
        for n_units in units:
            count = max(1, round(part * studies))
            runs = [simulate(stream(seed, "nulls", number, n_units, i), n_units) for i in range(count)]
            for what in runs[0]:
                old, new = (100 * np.mean([float(run[what][side]) for run in runs]) for side in (0, 1))
                of = "–" if units == (1,) else str(n_units)
                yield [what, of, f"{len(runs):,}", "–" if np.isnan(old) else f"{old:.1f}", f"{new:.1f}"]


def _told(found: differences.Difference) -> bool:
    return verdict(found.low, found.high, found.n_units) in TOLD


def _by_class(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return np.stack([(predicted == labels)[:, labels == c] for c in np.unique(labels)]).astype(float)


def _by_confusion(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    classes = np.unique(labels)
    return np.stack([predicted[:, labels == a] == b for a in classes for b in classes if a != b]).astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000, help="made-up studies of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", action="store_true", help="how often intervals hold the truth instead")
    args = parser.parse_args()
    if args.coverage:
        header, shown = coverage.HEADER, coverage.table(args.studies, args.seed)
    else:
        header, shown = HEADER, false_alarms(args.studies, args.seed)
    print(text_tables.markdown(header, []))
    for row in shown:
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
