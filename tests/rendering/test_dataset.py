"""realgap.rendering.dataset: scenes as a data set."""

import numpy as np
from scipy import stats

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


def test_new_scenes_are_of_the_class_of_their_real_one_and_none_is_drawn_twice():
    train, test = (dataset.load(None, split) for split in ("train", "test"))
    real = np.repeat(train.image_ids[::50], 4)
    new = dataset.Scenes.new(real, np.tile(np.arange(4, dtype=np.int32), len(real) // 4))
    known = {*train.image_ids.tolist(), *test.image_ids.tolist()}
    assert len({*new.tolist()}) == len(new)
    assert not known & {*new.tolist()}
    assert [dataset.Scenes.scene(one)[0] for one in new] == [dataset.Scenes.scene(one)[0] for one in real]


def test_a_share_of_scenes_has_a_defect_each_as_often_and_whatever_stands_beside_it():
    kinds = ("bent_lines", "second_light", "broken_camera")
    scene_ids = range(110_000, 112_000)
    drawn = dataset.drawn_defects(0, scene_ids, kinds, 0.5)
    assert stats.binomtest(sum(one is not None for one in drawn), len(drawn), 0.5).pvalue > 0.001
    assert stats.chisquare([drawn.count(kind) for kind in kinds]).pvalue > 0.001
    assert drawn[7:9] == dataset.drawn_defects(0, scene_ids[7:9], kinds, 0.5)
    assert set(dataset.drawn_defects(0, scene_ids[:50], kinds, 0)) == {None}
    assert set(dataset.drawn_defects(0, scene_ids[:50], kinds[:1], 1)) == {"bent_lines"}


def test_a_scene_with_a_defect_of_its_own_is_drawn_with_it():
    scene_ids = np.array([110_000, 110_000])
    sound, bent = dataset.Scenes(scene_ids, [None, "bent_lines"])
    np.testing.assert_array_equal(sound, dataset.Scenes(scene_ids)[0])
    np.testing.assert_array_equal(bent, dataset.Scenes(scene_ids, "bent_lines")[1])
    assert (sound != bent).any()
