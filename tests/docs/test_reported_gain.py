"""The page on what may stand behind the reported numbers says what the published tables say."""

import pandas as pd
import pytest

from realgap.statistics import paired_difference
from tests import checkout

PAGE = (checkout.ROOT / "workflow/docs/reported-gain.md").read_text()
PUBLISHED = checkout.ROOT / "results/published"
TABLE = pd.read_csv(PUBLISHED / "cifar10-reported/learning_curves/table.csv").sort_values("per_class", kind="stable")
TRAININGS = {
    "real": "10 epochs, no augmentation",
    "real@augmented": "10 epochs, crop and flip",
    "real@long": "20 epochs, no augmentation",
    "real@augmented_long": "20 epochs, crop and flip",
}
ACCURACIES = pd.read_csv(PUBLISHED / "cifar10-reported/learning_curves/accuracies.csv").sort_values("draw")
BRIEF, LONG = (
    pd.read_csv(PUBLISHED / study / "accuracies.csv").sort_values("seed").groupby("training_set").accuracy
    for study in ("cifar10-mini-500", "cifar10-mini-500-2000-steps")
)
SUMS = ("real+diffusion_inversion", "real+stable_diffusion")


def points(value, low, high):
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


@pytest.mark.parametrize("training_set", dict.fromkeys(TABLE.training_set))
def test_each_training_reaches_what_the_table_says(training_set):
    own = TABLE[TABLE.training_set == training_set]
    cells = [f"{100 * row.mean:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})" for row in _named(own, "mean")]
    assert f"| {TRAININGS[training_set]} | {' | '.join(cells)} |" in PAGE


@pytest.mark.parametrize(
    ("part", "training_set"),
    [("augmentation", "real@augmented"), ("length", "real@long"), ("both", "real@augmented_long")],
)
def test_each_part_of_a_gain_is_the_tables(part, training_set):
    own = TABLE[TABLE.training_set == training_set]
    cells = [points(row.mean, row.low, row.high) for row in _named(own, "difference")]
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {part}: ")]
    assert line.endswith(f" | {' | '.join(cells)} |")


def test_length_beside_augmentation_is_the_tables():
    own = ACCURACIES.groupby(["per_class", "training_set"]).accuracy
    found = {
        (count, less): paired_difference(own.get_group((count, "real@augmented_long")), own.get_group((count, less)))
        for count in (1000, 5000)
        for less in ("real@augmented", "real@long")
    }
    cells = " | ".join(points(*found[count, "real@augmented"]) for count in (1000, 5000))
    assert f"| *of both:* length beside crop and flip | {cells} |" in PAGE
    words, length = " ".join(PAGE.split()), 100 * found[5000, "real@augmented"][0]
    assert f"add {length:.1f} points, to {100 * TABLE['mean'].max():.1f} %" in words
    assert f"are worth 0.7 points at 5,000, beside it {length:.1f}." in words
    assert f"in ten epochs, and {100 * found[1000, 'real@long'][0]:.1f} points in twenty" in words
    assert f"twice the steps are worth {length:.1f} points" in words
    assert f"twice as long adds {length:.1f} points" in " ".join((checkout.ROOT / "README.md").read_text().split())


def test_length_and_images_are_the_published_studies():
    real, brief = LONG.get_group("real"), BRIEF.get_group("real")
    both = [points(*paired_difference(LONG.get_group(key), brief)) for key in SUMS]
    assert f"| the larger set at 2,000 steps, real images at 400 | {' | '.join(both)} |" in PAGE
    length = points(*paired_difference(real, brief))
    assert f"| of it length: real images at 2,000 steps and at 400 | {length} | {length} |" in PAGE
    images = [points(*paired_difference(LONG.get_group(key), real)) for key in SUMS]
    assert f"| of it images: both at 2,000 steps | {' | '.join(images)} |" in PAGE


def test_what_gives_the_reported_accuracy_is_told_from_what_does_not():
    reported = pd.read_csv(checkout.ROOT / "resources/reported/cifar10.csv").set_index("training_set").accuracy["real"]
    holds = TABLE[(TABLE.low < reported) & (reported < TABLE.high)]
    assert [tuple(row) for row in holds[["per_class", "training_set"]].to_numpy()] == [(5000, "real@augmented")]


def test_what_stands_and_what_could_have_been_seen_is_the_tables():
    words, found = " ".join(PAGE.split()), TABLE.set_index(["per_class", "training_set"])
    p = found.family_p.dropna()
    assert p[p < 0.05].index.tolist() == [
        (1000, "real@long"),
        (1000, "real@augmented_long"),
        (5000, "real@augmented"),
        (5000, "real@augmented_long"),
    ]
    assert f"length at 1,000 (p {p[1000, 'real@long']:.2f})" in words
    assert f"Augmentation at 1,000 (p {p[1000, 'real@augmented']:.1f})" in words
    assert f"length at 5,000 (p {p[5000, 'real@long']:.1f}) do not" in words
    seen = [100 * found.detectable[count, key] for count in (5000, 1000) for key in ("real@augmented", "real@long")]
    assert (
        "difference of {:.1f} and {:.1f} points would have been seen at 5,000, of {:.1f} and {:.1f} at".format(*seen)
        in words
    )


def _named(own, column):
    """Its rows with the mean and the bounds of a column."""
    names = [column, *(("low", "high") if column == "mean" else (f"{column}_low", f"{column}_high"))]
    return own[names].set_axis(["mean", "low", "high"], axis=1).itertuples()
