"""realgap.data.training_sets: nested choices of a training set's rows."""

import numpy as np
import pytest

from realgap.data.training_sets import first_share, first_variants
from realgap.store.shards import Shard


@pytest.fixture
def mixed():
    """Two classes, three real images of each, then four variants of each of them, class by class."""
    labels = np.concatenate([np.repeat([0, 1], 3), np.repeat([0, 1], 12)])
    variants = np.concatenate([np.zeros(6, int), np.tile(np.arange(4), 6)])
    arrays = {"images": np.arange(30).reshape(30, 1, 1, 1), "labels": labels, "variants": variants}
    return Shard(arrays, {"parts": [["real", 6], ["diffusion_inversion", 24]], "training_set": "both"})


def test_first_variants_keep_real_images_and_are_nested(mixed):
    chosen = {count: first_variants(mixed, count) for count in (1, 2, 4)}
    for count, one in chosen.items():
        assert one.attributes["parts"] == [["real", 6], ["diffusion_inversion", 6 * count]]
        assert len(one) == 6 + 6 * count
        assert one["variants"].max() == count - 1
        np.testing.assert_array_equal(one["images"][:6], mixed["images"][:6])
    assert set(chosen[1]["images"].ravel()) < set(chosen[2]["images"].ravel())
    np.testing.assert_array_equal(chosen[4]["images"], mixed["images"])
    assert chosen[1].attributes["training_set"] == "both"


def test_a_first_share_is_of_each_class_and_nested():
    data = Shard({"images": np.arange(20), "labels": np.repeat([5, 2], 10)}, {"parts": [["real", 20]]})
    half, quarter, tiny = (first_share(data, fraction) for fraction in (0.5, 0.25, 0.001))
    assert half["images"].tolist() == [*range(5), *range(10, 15)]
    assert quarter["images"].tolist() == [0, 1, 10, 11]
    assert tiny["images"].tolist() == [0, 10]
    assert tiny.attributes["parts"] == [["real", 2]]
    np.testing.assert_array_equal(first_share(data, 1)["images"], data["images"])
