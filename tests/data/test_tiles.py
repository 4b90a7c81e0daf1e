"""realgap.data.tiles: tiles of pictures that ship with a package; training and test are apart."""

import numpy as np
import pytest
from skimage import color, data

from realgap.data import catalog, loaders

NAMES = ("textures", "histology", "typeset")


@pytest.mark.parametrize("name", NAMES)
def test_parts_share_no_tile_and_are_as_many_as_the_catalog_says(name):
    train, test = (loaders.LOADERS[name](None, split) for split in ("train", "test"))
    assert not set(train.image_ids) & set(test.image_ids)
    shown = {image.tobytes() for image in train.images}
    assert len(shown) == len(train.images)
    assert not shown & {image.tobytes() for image in test.images}
    assert tuple(np.bincount(train.labels)) == catalog.TRAINING_IMAGES[name]
    assert len(test.labels) == catalog.TEST_IMAGES[name]
    assert train.class_names == test.class_names == catalog.CLASS_NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_loader_gives_the_same_again(name):
    one, other = (loaders.LOADERS[name](None, "train") for _ in range(2))
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_a_texture_is_a_square_of_its_picture():
    train = loaders.LOADERS["textures"](None, "train")
    of_grass = train.images[train.labels == 1]
    np.testing.assert_array_equal(of_grass[16 * 3 + 5, ..., 0], data.grass()[96:128, 160:192])


def test_a_tile_of_tissue_is_named_by_its_stain():
    """Brown is where blue light is lost: a tile of more stain lets less of it through."""
    parts = [loaders.LOADERS["histology"](None, split) for split in ("train", "test")]
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    blue = [np.median(images[labels == label][..., 2]) for label in range(3)]
    assert blue[0] > blue[1] > blue[2]
    stain = color.rgb2hed(data.immunohistochemistry())[..., 2]
    assert (labels == 2).sum() == 147
    each = [stain[y : y + 24, x : x + 24].mean() for y in range(0, 504, 24) for x in range(0, 504, 24)]
    np.testing.assert_array_equal(labels, np.searchsorted(np.sort(each)[[146, 293]], each))
