import numpy as np
import pytest
import torch
from cleanfid.fid import frechet_distance as cleanfid_frechet_distance
from cleanfid.fid import kernel_distance as cleanfid_kernel_distance
from prdc import compute_prdc
from sklearn.metrics import pairwise_distances_chunked
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from realgap.analyses.fidelity import distances as fidelity
from realgap.analyses.fidelity.distances import (
    Moments,
    coverage,
    distance_names,
    frechet_distance,
    kernel_distance,
    kernel_distance_subsets,
    nearest,
    weighted_frechet_distances,
    weighted_kernel_distances,
)


def normal(seed, n, d, scale=1.0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) * scale + shift


def skewed(seed, n, d):
    """Features as a network makes them: not negative, correlated."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, d)) @ np.random.default_rng(99).normal(size=(d, d)) / d**0.5 + 0.3, 0)


def fd(real, generated):
    return frechet_distance(Moments.of(real), Moments.of(generated))


def test_frechet_distance_of_a_set_to_itself_is_zero():
    for n in (20, 300):  # fewer and more images than features
        x = skewed(0, n, 64)
        assert fd(x, x) == pytest.approx(0, abs=1e-6 * np.trace(Moments.of(x).covariance))


def test_frechet_distance_of_a_shift_is_its_square():
    x = normal(0, 200, 8)
    shift = np.arange(8) / 4
    assert fd(x, x + shift) == pytest.approx((shift**2).sum())


def test_frechet_distance_of_a_scaling_is_that_of_the_deviations():
    x = normal(1, 500, 6)
    x -= x.mean(axis=0)
    assert fd(x, 3 * x) == pytest.approx((3 - 1) ** 2 * np.trace(np.cov(x, rowvar=False)))


def test_frechet_distance_of_known_normals():
    mean, deviation = np.array([1.0, 0, 2, 0]), np.array([1.0, 2, 0.5, 1])
    exact = (mean**2).sum() + ((deviation - 1) ** 2).sum()
    assert fd(normal(2, 200_000, 4), normal(3, 200_000, 4) * deviation + mean) == pytest.approx(exact, rel=0.01)


def test_frechet_distance_equals_torch_fidelity_and_clean_fid():
    x, y = skewed(4, 400, 32), skewed(5, 300, 32) + 0.2
    statistics = [fid_features_to_statistics(torch.from_numpy(z)) for z in (x, y)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    clean = cleanfid_frechet_distance(*(s[key] for s in statistics for key in ("mu", "sigma")))
    assert fd(x, y) == pytest.approx(theirs, rel=1e-8)
    assert fd(x, y) == pytest.approx(clean, rel=1e-8)


def test_frechet_distance_with_fewer_images_than_features_is_the_nuclear_norm():
    x, y = skewed(6, 30, 64), skewed(7, 40, 64)
    a, b = ((z - z.mean(axis=0)) / (len(z) - 1) ** 0.5 for z in (x, y))
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * overlap
    assert fd(x, y) == pytest.approx(expected, rel=1e-5)


def test_moments_of_shards_add_up_to_those_of_the_whole():
    x = skewed(8, 101, 16).astype(np.float32)
    shards = [Moments.of(part) for part in np.array_split(x, 7)]
    whole = sum(shards[1:], shards[0])
    assert whole.n == 101
    np.testing.assert_allclose(whole.mean, x.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(whole.covariance, np.cov(x.astype(np.float64), rowvar=False), atol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(12, 15), (200, 9), (9, 200), (150, 120)])
def test_a_weighted_frechet_distance_is_that_of_the_images_counted_so_often(n, m):
    """Few images go through singular values, many through covariances: both as if the rows were repeated."""
    x, y = skewed(9, n, 64), skewed(10, m, 64)
    rng = np.random.default_rng(0)
    weights = [np.vstack([np.ones(k), rng.multinomial(k, np.full(k, 1 / k))]) for k in (n, m)]
    plain, resampled = weighted_frechet_distances(x, y, *weights)
    assert plain == pytest.approx(fd(x, y), rel=1e-5)
    repeated = [np.repeat(z, w[1].astype(int), axis=0) for z, w in zip((x, y), weights, strict=True)]
    assert resampled == pytest.approx(fd(*repeated), rel=1e-5)


def test_kernel_distance_equals_torch_fidelity_and_clean_fid():
    x, y = skewed(11, 150, 32), skewed(12, 150, 32) + 0.1
    options = {"kid_subsets": 1, "kid_subset_size": 150, "verbose": False, "rng_seed": 0}
    theirs = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    assert kernel_distance(x, y) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert kernel_distance(x, y) == pytest.approx(cleanfid_kernel_distance(x, y, 1), rel=1e-9)


def test_kernel_distance_of_unequal_sets_is_the_mean_over_pairs():
    x, y = skewed(13, 7, 4), skewed(14, 11, 4)

    def kernel(a, b):
        return (a @ b.T / 4 + 1) ** 3

    def off_diagonal(k):
        return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))

    expected = off_diagonal(kernel(x, x)) + off_diagonal(kernel(y, y)) - 2 * kernel(x, y).mean()
    assert kernel_distance(x, y) == pytest.approx(expected)
    assert kernel_distance(x, y, block=3) == pytest.approx(expected)


def test_kernel_distance_is_zero_in_the_mean_for_one_distribution():
    distances = [kernel_distance(normal(i, 60, 8), normal(1000 + i, 40, 8)) for i in range(300)]
    assert abs(np.mean(distances)) < 3 * np.std(distances) / 300**0.5
    assert min(distances) < 0


def test_a_resample_s_kernel_distance_counts_no_pair_of_copies():
    x, y = skewed(13, 30, 4), skewed(14, 20, 4)
    weights = np.ones((1, 30)), np.ones((1, 20))
    assert weighted_kernel_distances(x, y, *weights)[0] == pytest.approx(kernel_distance(x, y))
    twice = 2 * np.ones((1, 30)), np.ones((1, 20))  # every image twice is the same sample
    assert weighted_kernel_distances(x, y, *twice)[0] == pytest.approx(kernel_distance(x, y))
    half = np.where(np.arange(30) < 15, 1.0, 0.0)[None], np.ones((1, 20))
    assert weighted_kernel_distances(x, y, *half)[0] == pytest.approx(kernel_distance(x[:15], y))


def test_kernel_distance_of_subsets_scatters_around_the_full_one():
    x, y = skewed(15, 300, 16), skewed(16, 400, 16) + 0.1
    mean, deviation = kernel_distance_subsets(x, y, seed=0, subsets=50, size=100)
    assert mean == pytest.approx(kernel_distance(x, y), abs=4 * deviation / 50**0.5)
    assert deviation > 0
    assert kernel_distance_subsets(x, y[:300], 0, 2, 10_000) == pytest.approx((kernel_distance(x, y[:300]), 0))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_coverage_equals_prdc(k, capsys):
    x, y = skewed(17, 120, 8), skewed(18, 90, 8) * 0.8 + 0.1
    ours = {name: values.mean() for name, values in coverage(x, y, k)._asdict().items()}
    assert ours == pytest.approx(compute_prdc(x, y, k))
    theirs = prc_features_to_metric(torch.from_numpy(y), torch.from_numpy(x), prc_neighborhood=k, verbose=False)
    assert ours["precision"] == pytest.approx(theirs["precision"])
    assert ours["recall"] == pytest.approx(theirs["recall"])


def test_one_distribution_is_covered_and_precise():
    both = coverage(normal(19, 400, 4), normal(20, 400, 4))
    assert both.density.mean() == pytest.approx(1, abs=0.15)  # its expectation, Naeem et al. 2020
    assert both.coverage.mean() == pytest.approx(1 - 0.5**5, abs=0.04)  # for equal numbers, the same
    assert min(both.precision.mean(), both.recall.mean()) > 0.8


def test_a_collapsed_set_is_precise_but_covers_nothing():
    real = normal(21, 300, 4)
    collapsed = coverage(real, 0.05 * normal(22, 300, 4))
    assert collapsed.precision.mean() == 1
    assert collapsed.density.mean() > 1
    assert collapsed.recall.mean() < 0.05
    assert collapsed.coverage.mean() < 0.2


def test_blocks_of_distances_change_nothing(monkeypatch):
    x, y = normal(23, 500, 4), normal(24, 3000, 4)
    whole = coverage(x, y)
    monkeypatch.setattr(
        fidelity,
        "pairwise_distances_chunked",
        lambda a, b, working_memory: pairwise_distances_chunked(a, b, working_memory=1),  # 12 blocks
    )
    for first, second in zip(whole, coverage(x, y), strict=True):
        np.testing.assert_array_equal(first, second)


def test_nearest_of_a_copy_is_itself_at_zero():
    references = skewed(25, 50, 512).astype(np.float32)
    distance, index = nearest(references[[7, 3]], references)
    assert distance.tolist() == [0, 0]
    assert index.tolist() == [7, 3]
    moved = references[[7]].copy()
    moved[0, 0] += 0.25
    assert nearest(moved, references)[0] == pytest.approx(0.25, rel=1e-6)


def test_only_inception_features_make_a_fid():
    assert distance_names("inception") == ("fid", "kid")
    assert distance_names("resnet18") == ("fd_resnet18", "kd_resnet18")


def test_wrong_arguments_are_named():
    x = normal(0, 5, 3)
    with pytest.raises(ValueError, match="k: must be at least 1 and below the number of generated images, 3, got 4"):
        coverage(x, x[:3], 4)
    with pytest.raises(ValueError, match="real: must be finite features"):
        coverage(x * np.nan, x, 2)
    with pytest.raises(ValueError, match="features: must be of at least 2 images"):
        fd(x[:1], x)
