"""How often nominal 95 % intervals hold the truth of made-up studies: `python -m tests.benchmarks.nulls --coverage`.

Both the units and the test images of a study are samples, so the truth is that of all units and all images.
"""

from collections.abc import Callable, Iterator

import numpy as np

from realgap.statistics import areas, differences, shares
from realgap.statistics.crossed import half_width
from realgap.statistics.intervals import auc, mean_interval
from realgap.streams import stream
from tests.benchmarks import before
from tests.benchmarks.made_up import World

HEADER = [
    "interval of",
    "units",
    "studies",
    "Student's t, %",
    "pooled, %",
    "crossed bootstrap, %",
    "realgap, %",
    "its width, to t",
]
EQUAL = (0.1,) * 6
# what is compared -> the world, and which row with row 0
WORLDS = {
    "a difference, six rows alike": (World((0.9,) * 6, EQUAL), 5),
    "a difference of 20 points": (World((0.9,) * 5 + (0.7,), EQUAL), 5),
    "the noisy row (3x) of six": (World((0.9,) * 6, (*EQUAL[:5], 0.3)), 5),
    "a quiet row beside a noisy one (3x)": (World((0.9,) * 6, (*EQUAL[:5], 0.3)), 1),
    "a row to a noisy reference (2x)": (World((0.9,) * 6, (0.2, *EQUAL[1:])), 5),
    "rows of 0.5x to 3x": (World((0.9,) * 6, (0.1, 0.05, 0.07, 0.15, 0.2, 0.3)), 1),
    "three rows alike": (World((0.9,) * 3, EQUAL[:3]), 2),
    "two rows alike": (World((0.9,) * 2, EQUAL[:2]), 1),
    "few test images (150)": (World((0.9,) * 6, EQUAL, images=150), 5),
    "images that differ by row": (World((0.9,) * 6, EQUAL, row_by_image=1.0), 5),
    "accuracies near 1 (99 %)": (World((0.99,) * 6, EQUAL), 5),
}
UNITS = (3, 5, 10)


def table(studies: int, seed: int) -> Iterator[list[str]]:
    """A row for each world and number of units, in percent; the bootstrap, which is slow, on a fifth of the studies."""
    for what, study in {**{what: _difference(*world) for what, world in WORLDS.items()}, **SHARES}.items():
        for n_units in UNITS:
            runs = [study(stream(seed, what, n_units, i), n_units, i % 5 == 0) for i in range(studies)]
            held, (ours, paired) = np.array([run[0] for run in runs]), np.mean([run[1] for run in runs], axis=0)
            shares = ["–" if np.isnan(one).all() else f"{100 * np.nanmean(one):.1f}" for one in held.T]
            yield [what, str(n_units), f"{studies:,}", *shares, f"{ours / paired:.2f}"]


# a study: its own random numbers, units, whether to bootstrap -> which intervals hold the truth (nan: not made), in
# the order of the header; the widths of ours and of Student's
Study = Callable[[np.random.Generator, int, bool], tuple[list[float], tuple[float, float]]]


def _difference(world: World, row: int) -> Study:
    def study(rng: np.random.Generator, n_units: int, bootstrap: bool) -> tuple[list[float], tuple[float, float]]:
        correct = world.correct(rng, n_units)
        accuracy, truth = correct.mean(axis=2), world.accuracies[row] - world.accuracies[0]
        found = differences.difference(accuracy, row, 0, correct)
        t = before.paired_t(accuracy[row : row + 1], accuracy[0])[:, 0]
        drawn = _bootstrap(correct[[0, row]], rng) if bootstrap else (np.nan, np.nan)
        held = [float(low <= truth <= high) for low, high in (t, _pooled(accuracy, row), drawn, found[1:3])]
        held[2] = held[2] if bootstrap else np.nan
        return held, (found.high - found.low, t[1] - t[0])

    return study


def _pooled(accuracy: np.ndarray, row: int) -> tuple[float, float]:
    """The additive model with one variance for all rows, and the test images as given."""
    squares, df = differences.residual(accuracy)
    value, half = (accuracy[row] - accuracy[0]).mean(), half_width(2 * squares / df / accuracy.shape[1], df, 0.0)
    return value - half, value + half


def _bootstrap(correct: np.ndarray, rng: np.random.Generator, resamples: int = 200) -> tuple[float, float]:
    """Percentiles of the difference of two rows (2, units, images), both units and images drawn with replacement."""
    each = correct[1].astype(np.float32) - correct[0]
    weights = [rng.multinomial(n, np.full(n, 1 / n), resamples) / n for n in each.shape]
    low, high = np.quantile(((weights[0] @ each) * weights[1]).sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _accuracy(accuracy: float, images: int = 800, scatter: float = 0.1) -> Study:
    world = World((accuracy,), (scatter,), images=images, unit=0.0)

    def study(rng: np.random.Generator, n_units: int, bootstrap: bool) -> tuple[list[float], tuple[float, float]]:
        correct = world.correct(rng, n_units)[0]
        shown, (_, low, high) = correct.mean(axis=1), shares.mean_share(correct)
        _, t_low, t_high = mean_interval(shown)
        held = [t_low <= accuracy <= t_high, np.nan, np.nan, low <= accuracy <= high]
        return held, (high - low, t_high - t_low)

    return study


def _membership(rng: np.random.Generator, n_units: int, bootstrap: bool) -> tuple[list[float], tuple[float, float]]:
    losses = np.exp(rng.standard_normal(600) + 0.5 * rng.standard_normal((n_units, 600)))
    members, others = losses[:, :100], losses[:, 100:]
    _, low, high = areas.mean_auc(-members, -others)
    _, t_low, t_high = mean_interval([auc(-one, -other) for one, other in zip(members, others, strict=True)])
    return [t_low <= 0.5 <= t_high, np.nan, np.nan, low <= 0.5 <= high], (high - low, t_high - t_low)


SHARES: dict[str, Study] = {
    "an accuracy of 90 %": _accuracy(0.9),
    "an accuracy of 99 %, 150 images": _accuracy(0.99, 150),
    "an accuracy of 60 %, noisy (3x)": _accuracy(0.6, scatter=0.3),
    "a membership AUC, 100 members": _membership,
}
