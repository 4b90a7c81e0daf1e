import numpy as np
import pytest

from realgap.statistics.rows import pairs, study_rows
from realgap.statistics.verdicts import Verdict
from tests.benchmarks.made_up import World

# accuracies of the published studies (results/published), seeds in columns
DIGITS = {
    "real": [0.922216, 0.927519, 0.946965],
    "vae_only": [0.931055, 0.935769, 0.936948],
    "stable_diffusion": [0.778433, 0.679434, 0.702416],
    "diffusion_inversion": [0.948733, 0.916912, 0.933412],
    "real+stable_diffusion": [0.942840, 0.948733, 0.928698],
    "real+diffusion_inversion": [0.939305, 0.936358, 0.946376],
}


def rows_of(accuracies, **options):
    found = study_rows(list(accuracies.values()), list(accuracies), 1697, **options)
    return {row.name: row for row in found}


def test_the_rows_of_the_digits_say_what_three_seeds_can_say():
    rows = rows_of(DIGITS)
    assert rows["stable_diffusion"].verdict is Verdict.WORSE
    assert rows["diffusion_inversion"].verdict is Verdict.UNDECIDED
    assert rows["vae_only"].verdict is Verdict.EQUIVALENT
    assert rows["real"].verdict is None
    assert np.isnan(rows["real"].difference)
    assert rows["diffusion_inversion"].detectable == pytest.approx(0.073, abs=0.001)
    assert rows["diffusion_inversion"].units_needed == 22
    assert rows["stable_diffusion"].difference == pytest.approx(-0.212139, abs=1e-6)


def test_bounds_are_shares_however_little_is_known():
    rows = rows_of({"real": [0.456, 0.9], "stable_diffusion": [0.1, 0.99]})
    for row in rows.values():
        assert 0 <= row.low <= row.mean <= row.high <= 1
    assert rows["stable_diffusion"].verdict is Verdict.TOO_FEW
    assert -1 <= rows["stable_diffusion"].difference_low <= rows["stable_diffusion"].difference_high <= 1


def test_one_seed_has_bounds_by_its_test_images_and_no_verdict():
    rows = rows_of({"real": [0.9], "stable_diffusion": [0.5]})
    assert rows["real"].low < 0.9 < rows["real"].high
    assert rows["stable_diffusion"].verdict is Verdict.TOO_FEW
    assert not rows["stable_diffusion"].within_margin
    assert np.isnan([rows["stable_diffusion"].detectable, rows["stable_diffusion"].units_needed]).all()


def test_a_small_difference_that_is_shown_is_worse_and_within_the_margin():
    each = 0.0005 * np.array([[0, 1, -1, 1, -1], [1, 0, -1, -1, 1]])
    rows = rows_of({"real": 0.9 + each[0], "vae_only": 0.895 + each[1]})
    assert rows["vae_only"].verdict is Verdict.WORSE
    assert rows["vae_only"].within_margin
    assert not rows_of({"real": 0.9 + each[0], "vae_only": 0.895 + each[1]}, margin=0.004)["vae_only"].within_margin


def test_with_the_images_of_each_prediction_bounds_are_wider_and_more_units_are_needed():
    correct = World((0.9, 0.9, 0.9), (0.1,) * 3, images=400, row_by_image=2.0).correct(np.random.default_rng(0), 6)
    accuracies = dict(zip(("real", "a", "b"), correct.mean(axis=2), strict=True))
    without, with_images = (rows_of(accuracies, correct=one)["a"] for one in (None, correct))
    assert with_images.difference_high - with_images.difference_low > without.difference_high - without.difference_low
    assert with_images.units_needed > without.units_needed
    assert with_images.difference == pytest.approx(without.difference)


def test_what_has_learned_nothing_is_equivalent_to_nothing():
    chance = {
        "real": [0.334, 0.332, 0.333],
        "vae_only": [0.333, 0.334, 0.332],
        "better": [0.5, 0.501, 0.499],
        "alike": [0.501, 0.502, 0.498],
    }
    assert rows_of(chance)["vae_only"].verdict is Verdict.EQUIVALENT
    rows = rows_of(chance, chance=1 / 3)
    assert rows["vae_only"].verdict is Verdict.UNDECIDED
    assert not rows["vae_only"].within_margin
    assert rows["better"].verdict is Verdict.BETTER
    random = np.random.default_rng(0)
    correct = random.random((4, 3, 20_000)) < np.array([1 / 3, 1 / 3, 0.5, 0.5])[:, None, None]
    found = {(one.name, one.reference): one for one in pairs(correct.mean(axis=2), list(chance), correct, 0.02, 1 / 3)}
    assert found["vae_only", "real"].verdict is Verdict.UNDECIDED
    assert not found["vae_only", "real"].within_margin
    assert found["better", "real"].verdict is Verdict.BETTER
    assert found["alike", "better"].verdict is Verdict.EQUIVALENT


def test_a_study_without_its_reference_is_refused():
    with pytest.raises(ValueError, match=r"names: must name the 1 rows, 'real' among them, got \['x'\]"):
        study_rows([[0.5]], ["x"], 100)
