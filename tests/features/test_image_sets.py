"""realgap.features.image_sets: images and features row by row, and cuts of equal size."""

import numpy as np
import pytest

from realgap.data.images import resampled
from realgap.features import image_sets
from realgap.store import shards


@pytest.fixture
def described(tmp_path, images_shard):
    """Two shards of images and the features "extracted" of them: each image's own mean."""
    paths = [images_shard("a.h5", n=3, label=4, first_id=0), images_shard("b.h5", n=2, label=7, first_id=10)]
    parts = [shards.read(path, "images") for path in paths]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in ("labels", "image_ids", "variants")}
    images = np.concatenate([part["images"] for part in parts])
    features = images.reshape(5, -1).mean(axis=1, keepdims=True).astype(np.float32)
    shards.write(tmp_path / "features.h5", "features", {"features": features, **arrays}, {"step": "test"})
    return tmp_path / "features.h5", paths


def test_rows_of_images_and_features_belong_together(described):
    features, paths = described
    one = image_sets.load(features, paths)
    np.testing.assert_allclose(one.features[:, 0], one.images.reshape(5, -1).mean(axis=1), rtol=1e-6)
    some = one.rows(np.array([4, 0]))
    assert some.image_ids.tolist() == [11, 0]
    assert some.labels.tolist() == [7, 4]
    np.testing.assert_array_equal(some.images[0], one.images[4])


def test_features_of_other_images_are_refused(described):
    features, paths = described
    with pytest.raises(ValueError, match=r"features\.h5: must be of the images in .*b\.h5"):
        image_sets.load(features, paths[::-1])


def test_sources_get_their_own_shards_and_the_control_is_resampled(described):
    features, paths = described
    sets = image_sets.load_each(["real", "resampled"], [features, features], [*paths, *paths])
    assert list(sets) == ["real", "resampled"]
    np.testing.assert_array_equal(sets["resampled"].images, resampled(sets["real"].images))
    assert (sets["resampled"].images != sets["real"].images).any()
