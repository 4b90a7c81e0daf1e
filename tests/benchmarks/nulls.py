"""What the report says of data without any effect: `python -m tests.benchmarks.nulls`.

Each kind of sentence is simulated many times where it would be false, as the report judged it before
(tests.benchmarks.before) and as realgap.statistics does. At most 5 % may be said. --coverage: how often intervals
hold the truth instead. Both tables stand in workflow/docs/statistics.md.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from realgap.analyses.fidelity.contrasts import contrasts
from realgap.report import text_tables
from realgap.statistics import areas, differences, falls, families
from realgap.statistics.crossed import variances
from realgap.statistics.verdicts import Verdict, verdict
from realgap.streams import stream
from tests.benchmarks import before, coverage
from tests.benchmarks.made_up import World, alike, confused

HEADER = ["a sentence that is false here", "units", "studies", "said before, %", "said now, %"]
TOLD = (Verdict.BETTER, Verdict.WORSE)
METRICS = ("coverage", "recall", "precision", "density", "fd_network", "kd_network", "nearest_distance")
Said = dict[str, tuple[float, float]]  # sentence -> how much of it was said before, and now: 0 or 1, or a share


def rows(rng: np.random.Generator, n_units: int, noisy: bool = False) -> Said:
    """Six training sets that are worth the same; the last scatters three times as much if `noisy`."""
    world = World((0.9,) * 6, (0.1,) * 5 + (0.3 if noisy else 0.1,))
    correct = world.correct(rng, n_units)
    accuracy = correct.mean(axis=2)
    found = differences.differences(accuracy, 0, correct)
    what = "the noisy row is better / worse than real" if noisy else "a row is better / worse than real"
    told = before.told(accuracy[1:], accuracy[0]), np.array([_told(one) for one in found[1:]])
    return {what: tuple(float(each[-1] if noisy else each.mean()) for each in told)}


def gap(rng: np.random.Generator, n_units: int) -> Said:
    """A training set that falls short by exactly the margin, so the gap is not closed."""
    correct = World((0.9, 0.9, 0.9, 0.88), (0.1,) * 4).correct(rng, n_units)
    accuracy = correct.mean(axis=2)
    found = differences.difference(accuracy, 3, 0, correct)
    judged = verdict(found.low, found.high, n_units, 0.02, found.inner)
    untold = not before.told(accuracy[3:], accuracy[0])[0]
    return {"closes the gap (2 points remain)": (untold, judged is Verdict.EQUIVALENT)}


def pair(rng: np.random.Generator, n_units: int) -> Said:
    """Two generators equally short of real: is one called worse than real and the other not?"""
    correct = World((0.9, 0.9, 0.87, 0.87), (0.1,) * 4).correct(rng, n_units)
    accuracy = correct.mean(axis=2)
    one, other = before.told(accuracy[2:], accuracy[0])
    said = _told(differences.difference(accuracy, 3, 2, correct))
    return {"one generator is worse than real, the other is not told apart": (one != other, said)}


def cells(rng: np.random.Generator, n_units: int) -> Said:
    """Ten classes and their ninety confusions, the same for both training sets."""
    labels, predicted = confused(rng, n_units)
    said = {}
    for what, hits in (("most is lost on class c", _by_class), ("class a is called b more often", _by_confusion)):
        own, other = (hits(labels, one) for one in predicted)  # each (cells, units, images of the class)
        wrong_way = -1 if hits is _by_class else 1
        each = (own - other).mean(axis=2).T
        found = families.stand_out(each, variances(own - other)[1])
        now = (found.stands_out & (wrong_way * each.mean(axis=0) > 0)).any()
        said[what] = before.any_cell(wrong_way * own.mean(axis=2).T, wrong_way * other.mean(axis=2).T), now
    return said


def best_cell(rng: np.random.Generator, n_units: int) -> Said:
    """Twelve settings of a transfer (stages frozen x real images), none of which helps."""
    correct = alike(13, 0.6).correct(rng, n_units)
    each = correct[1:] - correct[0].astype(int)
    found = families.stand_out(each.mean(axis=2).T, variances(each)[1])
    return {"pre-training helps most with ... (12 cells)": (True, found.stands_out.any())}


def edge(rng: np.random.Generator, n_units: int) -> Said:
    """Both keep three quarters of what is above chance: 90 to 70 % and 50 to 40 % with ten classes."""
    near = World((0.9, 0.5), (0.1, 0.1), images=300).correct(rng, n_units)
    far = World((0.7, 0.4), (0.1, 0.1), images=300).correct(rng, n_units)
    found = falls.kept(near[1], far[1], near[0], far[0], chance=0.1)
    fall = near.mean(axis=2) - far.mean(axis=2)
    return {"falls further / less at the edge": (before.told(fall[1:], fall[0])[0], found.verdict in TOLD)}


def attention(rng: np.random.Generator, n_units: int, images: int = 300) -> Said:
    """A number of each map, on images that both classifiers of a unit get right."""
    common, own = 0.1 * rng.standard_normal(images), 0.05 * rng.standard_normal((2, 1, images))
    maps = 0.5 + common + own + 0.02 * rng.standard_normal((2, n_units, 1))
    maps = maps + 0.1 * rng.standard_normal((2, n_units, images))
    right = alike(2, images=images).correct(rng, n_units).all(axis=0)
    means = np.stack([(np.where(right, one, 0).sum(axis=1) / right.sum(axis=1)) for one in maps])
    return {
        "its classifiers look elsewhere": (
            before.told(means[1:], means[0])[0],
            _told(differences.paired(maps[1], maps[0], right)),
        )
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
    old, new = (
        before.measured(reference, own, control, seed),
        contrasts(reference, own, control, "network", seed),
    )
    return {f"another {metric} than real": (old[metric], new[metric].p_value <= 0.05) for metric in METRICS}


# what is simulated, with how many units, and what part of the studies that it takes
KINDS: list[tuple[Callable[..., Said], tuple[int, ...], float]] = [
    (rows, (3, 10), 1),
    (lambda rng, n: rows(rng, n, noisy=True), (3, 10), 1),
    (gap, (3, 10), 1),
    (pair, (3, 10), 1),
    (cells, (3, 10), 1),
    (best_cell, (3, 10), 1),
    (edge, (3, 10), 1),
    (calibration, (3, 10), 1),
    (attention, (3, 10), 1),
    (membership, (3, 10), 1),
    (sets, (1,), 1),
]


def false_alarms(studies: int, seed: int) -> Iterator[list[str]]:
    """A row for each kind of sentence and number of units: how often it was said, before and now, in percent."""
    for number, (simulate, units, part) in enumerate(KINDS):
        for n_units in units:
            runs = [simulate(stream(seed, "nulls", number, n_units, i), n_units) for i in range(int(part * studies))]
            for what in runs[0]:
                old, new = (100 * np.mean([float(run[what][side]) for run in runs]) for side in (0, 1))
                of = "–" if units == (1,) else str(n_units)
                yield [what, of, f"{len(runs):,}", f"{old:.1f}", f"{new:.1f}"]


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
        header, rows = coverage.HEADER, coverage.table(args.studies, args.seed)
    else:
        header, rows = HEADER, false_alarms(args.studies, args.seed)
    print(text_tables.markdown(header, []))
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
