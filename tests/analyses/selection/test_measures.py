"""Diversity and sharpness on sets whose truth is known."""

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images

from realgap.analyses.selection import measures


def test_a_set_amounts_to_as_many_images_as_are_different():
    assert measures.vendi_score(np.tile([1.0, 2.0, 3.0], (7, 1))) == pytest.approx(1)
    assert measures.vendi_score(np.eye(5)) == pytest.approx(5)
    assert measures.vendi_score(np.repeat(np.eye(3), 4, axis=0)) == pytest.approx(3)


@pytest.mark.parametrize("shape", [(6, 20), (40, 4)])
def test_it_is_the_exponential_of_the_entropy_of_the_kernels_eigenvalues(shape):
    features = np.random.default_rng(0).normal(size=shape)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvals(unit @ unit.T / len(unit)).real.clip(0)
    assert measures.vendi_score(features) == pytest.approx(np.exp(stats.entropy(eigenvalues)), rel=1e-6)


def test_sets_of_other_sizes_are_compared_at_the_same_number_of_each_class():
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(60, 8)), np.repeat([0, 1], 30)
    small = np.concatenate([np.arange(10), 30 + np.arange(10)])
    whole, part = (measures.vendi_by_class(features[rows], labels[rows], 10) for rows in (slice(None), small))
    assert whole == part


def test_a_collapsed_set_is_less_diverse_than_the_one_it_was_picked_from():
    rng = np.random.default_rng(2)
    of, labels = rng.normal(size=(200, 16)), np.zeros(200, int)
    unit = of / np.linalg.norm(of, axis=1, keepdims=True)
    near = of[np.argsort(-unit @ unit[0])[:20]]
    assert measures.vendi_by_class(near, labels[:20], 20) < 0.9 * measures.vendi_by_class(of, labels, 20)


def test_blur_is_seen():
    images = np.stack([image[:96, :96] for image in load_sample_images().images])
    blurred = np.stack([gaussian_filter(image, (1.5, 1.5, 0)) for image in images])
    assert (measures.sharpness(blurred) < 0.5 * measures.sharpness(images)).all()
