import numpy as np
import pytest
from scipy import stats

from realgap.statistics.verdicts import Verdict, detectable, equivalent, units_needed, verdict

NAN = float("nan")


@pytest.mark.parametrize(
    ("low", "high", "inner", "expected"),
    [
        (0.01, 0.05, None, "better"),
        (-0.05, -0.01, None, "worse"),
        (-0.015, 0.012, None, "equivalent"),
        (-0.025, 0.012, None, "undecided"),
        (-0.025, 0.012, (-0.019, 0.01), "equivalent"),  # two one-sided tests at 5 %: the 90 % interval
        (-0.03, 0.3, None, "undecided"),
        (0.001, 0.012, (0.002, 0.011), "better"),  # shown, though small
        (0.0, 0.05, None, "undecided"),
        (NAN, NAN, None, "too few to say"),
        (-np.inf, np.inf, None, "too few to say"),
    ],
)
def test_the_interval_decides(low, high, inner, expected):
    assert verdict(low, high, 5, 0.02, inner) == expected


def test_two_units_are_too_few_whatever_they_show():
    assert verdict(0.1, 0.2, 2) is Verdict.TOO_FEW
    assert verdict(0.1, 0.2, 3) is Verdict.BETTER


def test_equality_is_earned_by_a_narrow_interval_never_by_noise():
    assert not equivalent(-0.072, 0.004, 0.02)  # cifar10-mini-500: once called a closed gap
    assert equivalent(-0.012, 0.009, 0.02)
    assert not equivalent(-0.02, 0.0, 0.02)
    assert not equivalent(NAN, NAN)


def test_a_margin_of_nothing_is_refused():
    with pytest.raises(ValueError, match="margin: must be above 0, got 0"):
        verdict(0, 1, 5, margin=0)


def test_equivalence_at_the_margin_itself_is_a_false_alarm_one_time_in_twenty():
    rng = np.random.default_rng(0)
    each = 0.02 + 0.005 * rng.normal(size=(4000, 6))
    half = stats.t.ppf(0.95, 5) * each.std(axis=1, ddof=1) / np.sqrt(6)
    said = [equivalent(m - h, m + h, 0.02) for m, h in zip(each.mean(axis=1), half, strict=True)]
    assert np.mean(said) == pytest.approx(0.05, abs=0.012)


def test_a_detectable_difference_is_found_four_times_in_five():
    rng, n = np.random.default_rng(1), 4
    size = detectable(0.01**2 / n, n - 1)
    p = stats.ttest_1samp(size + 0.01 * rng.normal(size=(5000, n)), 0, axis=1).pvalue
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.02)


def test_detectable_differences_of_tabled_studies():
    # Cohen (1988), table 2.4.1 and G*Power: 34 pairs find d = 0.5, and 10 find d = 1.0 (0.9962), with power 0.80
    assert detectable(1 / 34, 33) == pytest.approx(0.4949, abs=2e-3)
    assert detectable(1 / 10, 9) == pytest.approx(0.9965, abs=5e-3)
    assert detectable(1.0, 1e6) == pytest.approx(1.959964 + 0.841621, abs=2e-3)
    assert detectable(0.0, 5) == 0
    assert np.isnan(detectable(NAN, NAN))


def test_test_images_raise_what_can_be_detected():
    assert detectable(1.0, 4, of_images=3.0) > detectable(1.0, 4)
    assert detectable(0.0, 4, of_images=1.0) == pytest.approx(1.959964 + 0.841621, abs=2e-3)


def test_units_needed_are_the_fewest_whose_interval_is_narrow_enough():
    units = units_needed(0.0223, 0.01)
    width = [stats.t.ppf(0.975, n - 1) * 0.0223 / np.sqrt(n) for n in (units, units - 1)]
    assert width[0] <= 0.01 < width[1]
    assert units_needed(0.0223, 0.01, rows=6) < units
    assert np.isnan(units_needed(NAN))


def test_no_number_of_units_makes_up_for_few_test_images():
    assert units_needed(0.01, 0.01, image_error=0.006) == float("inf")
    assert units_needed(0.01, 0.01, image_error=0.004) > units_needed(0.01, 0.01)
