"""realgap.rendering.dataset: scenes as a data set."""

import numpy as np

from realgap.rendering import dataset


def test_rendered_scenes_are_drawn_when_asked_for_and_their_ids_name_kind_and_number():
    train, test = (dataset.load(None, split) for split in ("train", "test"))
    assert (len(train.images), len(test.images)) == (3_000, 600)
    assert not set(train.image_ids) & set(test.image_ids)
    kinds = [dataset.Scenes.scene(image_id)[0] for image_id in train.image_ids]
    assert kinds == [train.class_names[label] for label in train.labels]
    assert len(set(train.image_ids)) == 3_000
    np.testing.assert_array_equal(train.images[2_001], train.images[2_001])
    sheared = dataset.Scenes(train.image_ids, "broken_camera")
    assert sheared[2_001].shape == train.images[2_001].shape == (192, 192, 3)
    assert (sheared[2_001] != train.images[2_001]).any()
