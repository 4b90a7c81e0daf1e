"""How often nominal 95 % intervals hold the truth of made-up studies: `python -m tests.benchmarks.nulls --coverage`.

Both the units and the test images of a study are samples, so the truth is that of all units and all images.
"""

import numpy as np

from realgap.statistics import areas, differences, shares
from realgap.statistics.crossed import half_width
from realgap.streams import stream
from tests.benchmarks import before
from tests.benchmarks.made_up import World

HEADER = [
    "interval of",
    "units",
    "paired t, %",
    "pooled, %",
    "crossed bootstrap, %",
    "realgap, %",
    "its width to paired t",
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


def table(studies: int, seed: int) -> list[list[str]]:
    """A row for each world and number of units, in percent."""
    rows = []
    for number, (what, (world, row)) in enumerate(WORLDS.items()):
        for n_units in UNITS:
            runs = [
                _difference(world, row, stream(seed, "coverage", number, n_units, i), n_units) for i in range(studies)
            ]
            held, widths = np.array([run[0] for run in runs]), np.array([run[1] for run in runs])
            rows.append(
                [what, str(n_units), *(f"{100 * share:.1f}" for share in held.mean(axis=0)), f"{np.median(widths):.2f}"]
            )
    for number, (what, held_by) in enumerate(SHARES.items()):
        for n_units in UNITS:
            held = np.mean([held_by(stream(seed, what, number, n_units, i), n_units) for i in range(studies)], axis=0)
            rows.append([what, str(n_units), *(f"{100 * share:.1f}" if share >= 0 else "–" for share in held), ""])
    return rows


def _difference(world: World, row: int, rng: np.random.Generator, n_units: int) -> tuple[list[bool], float]:
    correct = world.correct(rng, n_units)
    accuracy, truth = correct.mean(axis=2), world.accuracies[row] - world.accuracies[0]
    found = differences.difference(accuracy, row, 0, correct)
    t_low, t_high = before.paired_t(accuracy[row : row + 1], accuracy[0])[:, 0]
    bounds = [(t_low, t_high), _pooled(accuracy, row), _bootstrap(correct[[0, row]], rng), (found.low, found.high)]
    width = (found.high - found.low) / max(t_high - t_low, 1e-9)
    return [low <= truth <= high for low, high in bounds], width


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


def _accuracy(accuracy: float, images: int = 800, scatter: float = 0.1) -> callable:
    world = World((accuracy,), (scatter,), images=images, unit=0.0)

    def held(rng: np.random.Generator, n_units: int) -> list[float]:
        correct = world.correct(rng, n_units)[0]
        _, low, high = shares.mean_share(correct)
        shown = correct.mean(axis=1)
        half = half_width(shown.var(ddof=1) / n_units, n_units - 1) if n_units > 1 else np.nan
        by_t = abs(shown.mean() - accuracy) <= half if n_units > 1 else -1
        return [by_t, -1, -1, low <= accuracy <= high]

    return held


def _membership(rng: np.random.Generator, n_units: int) -> list[float]:
    losses = np.exp(rng.standard_normal(600) + 0.5 * rng.standard_normal((n_units, 600)))
    _, low, high = areas.mean_auc(-losses[:, :100], -losses[:, 100:])
    return [not before.gives_away(losses[:, :100], losses[:, 100:]) if n_units > 1 else -1, -1, -1, low <= 0.5 <= high]


SHARES = {
    "an accuracy of 90 %": _accuracy(0.9),
    "an accuracy of 99 %, 150 images": _accuracy(0.99, 150),
    "an accuracy of 60 %, noisy (3x)": _accuracy(0.6, scatter=0.3),
    "a membership AUC, 100 members": _membership,
}
