import numpy as np
import pytest

from realgap.analyses.memorisation.measures import audit, closest_pairs, copying, membership_inference, near_copies

DIMENSIONS = 8


def normal(seed, n):
    return np.random.default_rng(seed).normal(size=(n, DIMENSIONS))


def world(seed, n_train=300, n_held_out=500, n_generated=400, copied=0.0):
    """Generated images drawn like real ones, but for a share that repeats training images."""
    train, held_out, generated = (normal(10 * seed + i, n) for i, n in enumerate((n_train, n_held_out, n_generated)))
    copies = int(copied * n_generated)
    sources = np.random.default_rng(seed).integers(n_train, size=copies)
    generated[:copies] = train[sources] + 0.02 * normal(99, copies)
    return generated, train, held_out, sources


def test_independent_images_are_near_copies_by_chance_only():
    shares, ratios, areas = [], [], []
    for seed in range(20):
        generated, train, held_out, _ = world(seed)
        result = audit(generated, train, held_out, seed=0, near_copy_quantile=0.05)
        shares.append(near_copies(result)[0])
        ratios.append(np.median(result.ratio))
        areas.append(copying(result, seed=0, resamples=2)[0])
    assert np.mean(shares) == pytest.approx(0.05, abs=0.01)
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("sizes", [(100, 1000), (1000, 100)])
def test_pools_of_different_size_do_not_look_like_copying(sizes):
    generated, train, held_out, _ = world(1, *sizes)
    assert np.median(audit(generated, train, held_out, seed=0).ratio) == pytest.approx(1, abs=0.06)


def test_planted_copies_are_counted_and_named():
    generated, train, held_out, sources = world(2, copied=0.3)
    result = audit(generated, train, held_out, seed=0)
    share, low, high = near_copies(result)
    assert low < 0.3 + 0.7 * 0.01 < high
    assert share == pytest.approx(0.3 + 0.7 * 0.01, abs=0.02)
    np.testing.assert_array_equal(result.train_index[: len(sources)], sources)
    assert (result.ratio[: len(sources)] < 0.2).all()
    assert copying(result, seed=0)[1] > 0.55


def test_a_poor_generator_is_not_called_a_copier():
    generated, train, held_out, _ = world(3)
    result = audit(3 * generated, train, held_out, seed=0)
    assert near_copies(result)[0] < 0.01
    assert copying(result, seed=0)[2] < 0.1


def test_an_exact_copy_has_ratio_zero():
    generated, train, held_out, _ = world(4)
    generated[0], generated[1] = train[7], held_out[7]
    result = audit(generated, train, held_out[:300], seed=0)
    assert result.train_distance[0] == 0
    assert result.ratio[0] == 0
    assert np.isinf(result.ratio[1])


def test_closest_pairs_list_each_training_image_once():
    train = np.eye(4)
    generated = np.array([[1, 0.1, 0, 0], [1, 0.2, 0, 0], [0, 0, 1, 0.3], [0.4, 1, 0, 0]])
    result = audit(generated, train, normal(5, 9)[:, :4], seed=0)
    assert closest_pairs(result, 3).tolist() == [[0, 0], [2, 2], [3, 1]]
    assert closest_pairs(result, 1).tolist() == [[0, 0]]


def test_losses_of_one_distribution_tell_nothing():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(20):
        result = membership_inference(rng.exponential(size=200), rng.exponential(size=300))
        held += result.low < 0.5 < result.high
    assert held >= 16


def test_smaller_losses_on_members_are_found():
    rng = np.random.default_rng(1)
    member, other = rng.normal(-1, 1, 4000), rng.normal(0, 1, 4000)
    result = membership_inference(member, other)
    assert result.auc == pytest.approx(0.7602, abs=0.02)  # Phi(1 / sqrt 2)
    assert result.low < 0.7602 < result.high
    assert result.hits_at_low_false_alarms == pytest.approx(0.0924, abs=0.03)  # Phi(1 - 2.3263)


def test_a_few_sure_members_show_at_low_false_alarms_only():
    rng = np.random.default_rng(2)
    member, other = rng.normal(size=2000), rng.normal(size=2000)
    member[:100] = -10
    result = membership_inference(member, other)
    assert result.auc < 0.55
    assert result.hits_at_low_false_alarms > 0.05


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="near_copy_quantile: must be between 0 and 1, got 1"):
        audit(normal(0, 3), normal(1, 3), normal(2, 3), 0, near_copy_quantile=1)
