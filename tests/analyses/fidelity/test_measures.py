"""analyses.fidelity.measures: intervals hold the truth, differences to the control find what was planted."""

import numpy as np
import pytest

from realgap.analyses.fidelity.distances import Moments, frechet_distance, kernel_distance
from realgap.analyses.fidelity.measures import Images, measure


def images(seed, n, d=4, shift=0.0, scale=1.0, classes=1):
    features = np.random.default_rng(seed).normal(size=(n, d)) * scale + shift
    return Images(features, np.arange(n) % classes)


def measured(reference, sets, label="all", **options):
    rows = measure(reference, sets, "real", "resnet18", seed=0, **{"resamples": 60, **options})
    return {(row.source, row.metric): row for row in rows if row.label == label}


def test_the_frechet_interval_holds_the_truth_in_spite_of_bias():
    held = 0
    for seed in range(20):
        rows = measured(images(seed, 200), {"real": images(1000 + seed, 150, shift=0.5)})
        row = rows["real", "fd_resnet18"]
        assert row.low < row.value < row.high
        held += row.low < 1.0 + 0.05 < row.high  # bias about 0.05 here
    assert held >= 15


def test_the_frechet_interval_of_few_images_lies_around_its_value_not_above_it():
    """Each resample is biased upwards once more: plain percentiles would miss the value altogether."""
    row = measured(images(0, 60, d=24), {"real": images(9, 60, d=24)})["real", "fd_resnet18"]
    assert row.low < row.value < row.high


def test_the_kernel_interval_holds_the_truth_about_as_often_as_it_says():
    shift = 0.6
    rng = np.random.default_rng(0)
    big = [kernel_distance(rng.normal(size=(3000, 4)), rng.normal(size=(3000, 4)) + shift) for _ in range(4)]
    held = 0
    for seed in range(40):
        rows = measured(images(seed, 150), {"real": images(5000 + seed, 120, shift=shift)}, resamples=200)
        row = rows["real", "kd_resnet18"]
        held += row.low < np.mean(big) < row.high
    assert held >= 33  # 38 expected of a 95 % interval


@pytest.mark.long
def test_a_set_like_the_control_differs_in_nothing_more_often_than_chance():
    claims = {}
    for seed in range(30):
        rows = measured(images(seed, 120), {"real": images(100 + seed, 80), "generated": images(200 + seed, 80)})
        for (source, metric), row in rows.items():
            if source == "generated":
                claims[metric] = claims.get(metric, 0) + (not row.difference_low <= 0 <= row.difference_high)
    assert len(claims) == 7
    assert sum(claims.values()) <= 0.08 * 30 * 7, claims  # 5 % expected at most


@pytest.mark.long
def test_of_the_metrics_of_a_set_and_of_the_classes_of_a_metric_hardly_any_stands_out_by_chance():
    said = {"all": 0, "classes": 0}
    for seed in range(40):
        sets = {"real": images(100 + seed, 80, classes=4), "generated": images(200 + seed, 80, classes=4)}
        rows = measure(images(seed, 120, classes=4), sets, "real", "resnet18", seed=seed, k=3, resamples=20)
        rows = [row for row in rows if row.source == "generated"]
        said["all"] += min(row.family_p for row in rows if row.label == "all") <= 0.05
        said["classes"] += min(row.family_p for row in rows if row.metric == "coverage" and row.label != "all") <= 0.05
    assert max(said.values()) <= 5, said  # 2 of 40 expected


def test_a_class_that_a_set_lacks_stands_out_among_all_and_no_other_does():
    reference, control = images(1, 200, classes=4), images(2, 120, classes=4)
    lacking = images(3, 120, classes=4)
    lacking.features[lacking.labels == 2] += 4
    rows = list(measure(reference, {"real": control, "other": lacking}, "real", "resnet18", seed=0, k=3, resamples=20))
    found = {row.label for row in rows if row.metric == "coverage" and row.label != "all" and row.family_p <= 0.05}
    assert found == {2}


def test_planted_differences_are_found_in_their_metric_and_direction():
    reference, control = images(1, 400), images(2, 200)
    narrow, far = images(3, 200, scale=0.2), images(4, 200, shift=1.5)
    rows = measured(reference, {"real": control, "narrow": narrow, "far": far})
    for metric, sign in (("recall", -1), ("coverage", -1), ("density", 1), ("fd_resnet18", 1)):
        row = rows["narrow", metric]
        assert sign * row.difference > 0, metric
        assert not row.difference_low <= 0 <= row.difference_high, metric
    for metric, sign in (("precision", -1), ("density", -1), ("kd_resnet18", 1), ("nearest_distance", 1)):
        row = rows["far", metric]
        assert sign * row.difference > 0, metric
        assert not row.difference_low <= 0 <= row.difference_high, metric
        difference = row.value - rows["real", metric].value
        assert row.difference == pytest.approx(difference), metric


def test_what_the_reference_does_to_both_sides_cancels_in_the_difference():
    """Two halves of one distribution share the reference's resamples: their difference is surer than its parts."""
    rows = measured(images(5, 30), {"real": images(6, 400), "generated": images(7, 400)}, resamples=300)
    row, control = rows["generated", "kd_resnet18"], rows["real", "kd_resnet18"]
    apart = np.hypot(row.high - row.low, control.high - control.low)
    assert row.difference_high - row.difference_low < 0.8 * apart


def test_there_is_a_row_per_set_metric_and_class():
    reference, own = images(8, 80, classes=2), images(9, 60, classes=2)
    rows = list(measure(reference, {"real": own, "other": own}, "real", "resnet18", seed=0, k=3, resamples=20))
    assert [row.label for row in rows[::14]] == ["all", 0, 1]
    one = next(row for row in rows if (row.source, row.metric, row.label) == ("other", "fd_resnet18", 1))
    first, second = (Moments.of(side.features[side.labels == 1]) for side in (reference, own))
    assert one.value == pytest.approx(frechet_distance(first, second))
    assert (one.n_reference, one.n_images) == (40, 30)
    assert all(np.isnan(row.difference) for row in rows if row.source == "real")


def test_a_set_s_interval_does_not_depend_on_its_neighbours():
    reference, own = images(10, 60), images(11, 40)
    alone = measured(reference, {"real": own})
    beside = measured(reference, {"real": own, "generated": images(12, 50)})
    assert all(beside[key][:6] == row[:6] for key, row in alone.items())
