import numpy as np
import pytest

from realgap.analyses.geometry.cues import auc_interval, crossfitted_scores, prequalify
from realgap.geometry.features import SEGMENTS


def made_up(cue, count, shift, seed=0):
    """Features of `count` items, the second half of which differs by `shift`, and who is generated."""
    rng = np.random.default_rng(seed)
    generated = np.arange(count) >= count // 2
    if cue == "segments":
        start = rng.uniform(-1, 1, (count, SEGMENTS, 2))
        angle = rng.normal(0, 0.1, (count, SEGMENTS)) + shift * generated[:, None]
        way = 0.2 * np.stack([np.cos(angle), np.sin(angle)], -1)
        there = np.broadcast_to(np.arange(SEGMENTS) < 30, (count, SEGMENTS))[..., None]
        return np.float32(np.concatenate([start, start + way, there], -1) * there), generated
    shape = {"structure": (6,), "field": (3, 32, 32)}[cue]
    return np.float32(rng.normal(0, 1, (count, *shape)) + shift * generated.reshape(-1, *[1] * len(shape))), generated


@pytest.mark.parametrize(("cue", "count", "shift"), [("segments", 30, 0.3), ("structure", 80, 2.0), ("field", 40, 0.3)])
def test_each_cue_tells_made_up_sources_apart_when_they_differ_and_not_when_they_do_not(cue, count, shift):
    features, generated = made_up(cue, count, shift)
    scores = crossfitted_scores(cue, features, generated, folds=2)
    assert auc_interval(scores, generated, seed=0)[0] > 0.9
    features, generated = made_up(cue, count, 0.0)
    low, high = auc_interval(crossfitted_scores(cue, features, generated, folds=2), generated, seed=0)[1:]
    assert low < 0.6
    assert high > 0.4


def test_the_order_of_a_segments_ends_does_not_matter():
    features, generated = made_up("segments", 24, 0.3)
    swapped = features[:, :, [2, 3, 0, 1, 4]]
    first, second = (crossfitted_scores("segments", f, generated, folds=2) for f in (features, swapped))
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_items_of_one_group_never_train_the_classifier_that_scores_them():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    generated = np.repeat(rng.random(60) < 0.5, 4)  # by chance: only who has seen the group can know its side
    features = np.float32(np.repeat(rng.normal(size=(60, 6)), 4, axis=0))
    fair = crossfitted_scores("structure", features, generated, groups)
    leaking = crossfitted_scores("structure", features, generated)
    assert auc_interval(leaking, generated, 0)[0] > 0.85
    assert auc_interval(fair, generated, 0)[0] < 0.7


def test_the_same_seed_gives_the_same_scores_and_leaves_torchs_own_stream_alone():
    import torch

    features, generated = made_up("field", 12, 0.1)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, second = (crossfitted_scores("field", features, generated, folds=2) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


def test_prequalification_sorts_by_confidence_then_by_truth():
    scores = np.array([0.95, 0.6, 0.1, 0.05])
    generated = np.array([True, True, True, False])
    assert prequalify(scores, generated).tolist() == ["easy", "unconfident", "misclassified", "easy"]
    with pytest.raises(ValueError, match="confidence"):
        prequalify(scores, generated, confidence=0.3)


def test_an_empty_group_has_no_auc_and_too_few_items_or_an_unknown_cue_are_named():
    assert np.isnan(auc_interval(np.array([0.5]), np.array([True]), 0)).all()
    features, generated = made_up("structure", 6, 0)
    with pytest.raises(ValueError, match="5 groups per class, got 3"):
        crossfitted_scores("structure", features, generated)
    with pytest.raises(ValueError, match="'smell'"):
        crossfitted_scores("smell", features, generated, folds=2)
