from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from realgap.analyses.detection.measures import beyond, on_features, on_pixels, out_of_fold_ranks
from realgap.statistics import auc, bootstrap_interval


def detect(real, generated, detector, seed, groups=None, folds=5, resamples=1000):
    """Cross-validated AUC with its interval over images, as `analyses.detection.detections` puts it together."""
    of_real, own = out_of_fold_ranks(real, generated, detector, seed, groups, folds)
    return bootstrap_interval((own, of_real), auc, seed, resamples)


def normal(seed, n, d=6):
    return np.random.default_rng(seed).normal(size=(n, d))


def photographs(seed, n, blur):
    """uint8 (n, 16, 16, 3): textures on random colours, which only their sharpness tells apart."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.normal(size=(n, 16, 16, 3)), (0, blur, blur, 0), mode="wrap")
    texture *= 30 / texture.std()
    return np.clip(rng.uniform(80, 170, (n, 1, 1, 3)) + texture, 0, 255).astype(np.uint8)


def test_a_shift_is_detected_as_well_as_theory_allows():
    shift = 0.5
    area, low, high = detect(normal(0, 1500), normal(1, 1500) + shift, on_features, seed=0, resamples=200)
    optimum = norm.cdf(shift * 6**0.5 / 2**0.5)
    assert low < optimum < high
    assert area == pytest.approx(optimum, abs=0.02)


def test_one_distribution_is_not_told_apart():
    areas = [detect(normal(10 + i, 150), normal(100 + i, 100), on_features, seed=i, resamples=2)[0] for i in range(10)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)


def test_unequal_numbers_are_no_gap():
    area, low, high = detect(normal(2, 100), normal(3, 900), on_features, seed=0, resamples=200)
    assert low < 0.5 < high


def test_variants_of_one_source_are_kept_out_of_its_test():
    d = 120  # enough to learn each source by heart
    real, sources = normal(4, 150, d), normal(5, 30, d)
    generated = np.repeat(sources, 5, axis=0) + 0.01 * normal(6, 150, d)
    groups = np.concatenate([1000 + np.arange(150), np.repeat(np.arange(30), 5)])
    leaking = detect(real, generated, on_features, seed=0, resamples=50)[0]
    honest = detect(real, generated, on_features, seed=0, groups=groups, resamples=50)[0]
    assert leaking > 0.7
    assert honest == pytest.approx(0.5, abs=0.12)


def test_the_pixel_detector_sees_a_blur_and_nothing_where_there_is_none():
    sharp, blurred, others = photographs(0, 200, 0.6), photographs(1, 200, 0.9), photographs(2, 200, 0.6)
    detector = partial(on_pixels, steps=30)
    _, low, _ = detect(sharp, blurred, detector, seed=0, folds=2, resamples=50)
    assert low > 0.9
    unseen, _, _ = detect(sharp, others, detector, seed=0, folds=2, resamples=50)
    assert unseen == pytest.approx(0.5, abs=0.1)


def test_detection_repeats():
    sharp, blurred = photographs(3, 60, 0.6), photographs(4, 60, 0.6)
    detector = partial(on_pixels, steps=4)
    first, again, other = (detect(sharp, blurred, detector, seed, folds=2, resamples=20) for seed in (1, 1, 2))
    assert first == again != other


def test_wrong_groups_are_named():
    with pytest.raises(ValueError, match="groups: must be one per item, 20, got 3"):
        detect(normal(0, 10), normal(1, 10), on_features, 0, groups=np.arange(3))


@pytest.mark.long
def test_sets_alike_are_told_from_each_other_in_a_twentieth_of_the_studies_though_detectors_were_fitted_anew():
    told = 0
    for seed in range(60):
        test, own, control = np.random.default_rng(seed).normal(size=(3, 80, 6))
        ranks = [out_of_fold_ranks(test, one, on_features, 0) for one in (own, control)]
        _, low, high = beyond(*(side for of_test, one in ranks for side in (one, of_test)), folds=5)
        told += not low <= 0 <= high
    assert told <= 5


def test_a_set_that_is_told_better_than_the_control_is_found():
    test, own, control = np.random.default_rng(0).normal(size=(3, 150, 6))
    ranks = [out_of_fold_ranks(test, one, on_features, 0) for one in (own + 1.0, control)]
    difference, low, _ = beyond(*(side for of_test, one in ranks for side in (one, of_test)), folds=5)
    assert difference > low > 0.2
