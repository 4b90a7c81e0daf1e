"""realgap.datasets: real images, and which of them a study trains on."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from realgap import datasets


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def test_digits_are_those_of_scikit_learn(digits):
    source = load_digits()
    np.testing.assert_array_equal(digits.labels, source.target)
    np.testing.assert_array_equal(digits.image_ids, np.arange(1797))
    assert digits.images.shape == (1797, 8, 8, 3)
    assert digits.images.dtype == np.uint8
    for channel in np.moveaxis(digits.images, -1, 0):
        np.testing.assert_allclose(channel, source.images * 255 / 16, atol=0.51)


def test_a_class_holds_its_own_images_and_no_other(digits):
    for label, name in enumerate(datasets.DIGITS):
        rows = datasets.shuffled_class(digits, name, seed=0)
        assert (digits.labels[rows] == label).all()
        assert sorted(rows) == np.flatnonzero(digits.labels == label).tolist()


def test_smaller_subsets_are_inside_larger_ones(digits):
    chosen = [set(datasets.training_rows(digits, "three", 0, n, seed=0).tolist()) for n in (1, 10, 20, 100)]
    assert [len(rows) for rows in chosen] == [1, 10, 20, 100]
    assert all(small < large for small, large in zip(chosen, chosen[1:], strict=False))


def test_shards_cut_a_class_without_gap_or_overlap(digits):
    whole = datasets.training_rows(digits, "three", 0, 25, seed=0)
    cut = [datasets.training_rows(digits, "three", start, stop, 0) for start, stop in ((0, 10), (10, 20), (20, 25))]
    np.testing.assert_array_equal(np.concatenate(cut), whole)


def test_the_seed_chooses_other_images(digits):
    chosen = [set(datasets.training_rows(digits, "three", 0, 20, seed).tolist()) for seed in range(5)]
    assert len(set.union(*chosen)) > 60


def test_the_choice_ignores_which_other_images_there_are(digits):
    rows = datasets.shuffled_class(digits, "three", seed=0)
    half = np.sort(np.random.default_rng(0).choice(1797, 900, replace=False))
    fewer = datasets.Dataset(digits.images[half], digits.labels[half], digits.image_ids[half], datasets.DIGITS)
    chosen = fewer.image_ids[datasets.shuffled_class(fewer, "three", seed=0)]
    assert chosen.tolist() == [i for i in digits.image_ids[rows] if i in set(half.tolist())]


def test_training_and_test_images_are_all_images_and_share_none(digits):
    names = ["two", "seven", "nine"]
    train = np.concatenate([datasets.training_rows(digits, name, 0, 30, seed=1) for name in names])
    test = datasets.remaining_rows(digits, names, 30, seed=1)
    assert not set(train) & set(test)
    assert sorted([*train, *test]) == np.flatnonzero(np.isin(digits.labels, [2, 7, 9])).tolist()
    assert (np.diff(test) > 0).all()


def test_a_shard_of_fewer_classes_keeps_labels_and_ids(digits):
    arrays = datasets.take(digits, datasets.training_rows(digits, "seven", 0, 4, seed=0), image_size=16)
    assert arrays["labels"].tolist() == [7] * 4
    assert arrays["images"].shape == (4, 16, 16, 3)
    assert {name: array.dtype.name for name, array in arrays.items()} == {
        "images": "uint8",
        "labels": "int64",
        "image_ids": "int64",
        "variants": "int32",
    }
    np.testing.assert_array_equal(digits.labels[arrays["image_ids"]], arrays["labels"])


def test_what_is_not_there_is_refused_in_one_line(digits):
    with pytest.raises(ValueError, match=r"dataset\.name: must be one of digits; got 'cats'"):
        datasets.load("cats")
    with pytest.raises(ValueError, match=r"dataset\.classes: must be among zero, .*; got 'eleven'"):
        datasets.shuffled_class(digits, "eleven", seed=0)
    with pytest.raises(ValueError, match=r"dataset\.images_per_class: class 'three' has 183 images, got 184"):
        datasets.training_rows(digits, "three", 180, 184, seed=0)
    with pytest.raises(ValueError, match=r"dataset\.images_per_class: must leave images to test on, got 183"):
        datasets.remaining_rows(digits, ["three", "eight"], 183, seed=0)
