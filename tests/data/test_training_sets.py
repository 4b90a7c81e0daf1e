"""realgap.data.training_sets: nested choices of images and of a training set's rows."""

import numpy as np
import pytest

from realgap.data import training_sets
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


def test_a_cut_takes_first_variants_first_and_the_same_of_each_class():
    labels = np.repeat([3, 8], [6, 9])
    variants = np.concatenate([np.tile([0, 1, 2], 2), np.tile([0, 1, 2], 3)])
    ids = np.concatenate([np.repeat([5, 6], 3), np.repeat([7, 8, 9], 3)])
    rows = training_sets.equal_rows(labels, variants, ids, 3, seed=0)
    assert np.bincount(labels[rows])[[3, 8]].tolist() == [3, 3]
    assert sorted(variants[rows[:3]]) == [0, 0, 1]
    assert variants[rows[3:]].tolist() == [0, 0, 0]
    assert set(rows) < set(training_sets.equal_rows(labels, variants, ids, 5, seed=0))
    assert training_sets.smallest_class([labels, labels[:-4]]) == 5
    with pytest.raises(ValueError, match="per_class: must be at most 6, the images of class 3, got 7"):
        training_sets.equal_rows(labels, variants, ids, 7, seed=0)


def test_a_cut_does_not_follow_the_order_of_the_file_but_the_seed_and_the_ids():
    labels, variants, ids = np.zeros(1000, int), np.zeros(1000, int), np.arange(1000)
    rows = training_sets.equal_rows(labels, variants, ids, 100, seed=0)
    assert 400 < rows.mean() < 600
    assert (training_sets.equal_rows(labels, variants, ids, 100, seed=1) != rows).any()
    backwards = training_sets.equal_rows(labels, variants, ids[::-1], 100, seed=0)
    assert set(ids[::-1][backwards]) == set(ids[rows])


def real_shards(per_class=20):
    """Two shards a class of two classes, as they are extracted."""
    return [
        Shard(
            {
                "images": np.zeros((per_class, 1, 1, 3), np.uint8),
                "labels": np.full(per_class, label),
                "image_ids": np.arange(per_class) + 1000 * label + 100 * part,
                "variants": np.zeros(per_class, int),
            },
            {"source": "real", "checksum": f"{label}{part}"},
        )
        for label in (0, 1)
        for part in (0, 1)
    ]


def test_draws_are_nested_in_the_count_and_differ_by_number_and_seed():
    real = real_shards()
    few, many = (training_sets.drawn(real, count, draw=3, seed=0) for count in (4, 9))
    assert len(few) == 8
    assert set(few) < set(many)
    assert (few < 1000).sum() == 4
    others = [set(training_sets.drawn(real, 4, draw, seed)) for draw, seed in ((2, 0), (3, 1))]
    assert all(other != set(few) for other in others)
    # every image is drawn about as often
    often = np.bincount(np.concatenate([training_sets.drawn(real, 4, draw, 0) for draw in range(500)]))
    assert often[often > 0].min() > 25
    assert often.max() < 80
    assert set(training_sets.drawn(real[::-1], 4, 3, 0)) == set(few)


def test_images_made_of_drawn_real_ones_become_a_training_set_and_no_others():
    real = real_shards()
    made = [
        Shard(
            {**{name: np.repeat(values, 2, axis=0) for name, values in part.arrays.items()}},
            {"source": "prompts", "checksum": f"p{n}"},
        )
        for n, part in enumerate(real)
    ]
    ids = training_sets.drawn(real, 3, draw=0, seed=0)
    data = training_sets.of_images([*real, *made], ids, "real+prompts")
    assert data.attributes["parts"] == [["real", 6], ["prompts", 12]]
    assert sorted(data["image_ids"][:6]) == sorted(ids)
    assert sorted(data["image_ids"][6:]) == sorted(np.repeat(ids, 2))
    with pytest.raises(
        ValueError, match=r"real\+prompts: must have images of the drawn real ones; got none of prompts"
    ):
        training_sets.of_images([*real, *[_moved(part) for part in made]], ids, "real+prompts")


def _moved(part):
    return Shard({**part.arrays, "image_ids": part["image_ids"] + 50_000}, part.attributes)
