"""realgap.data.splits: real images, and which of them a study trains on."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from realgap.data import catalog, loaders, splits


@pytest.fixture(scope="module")
def digits():
    return loaders.digits(None, "train")


def test_digits_are_those_of_scikit_learn(digits):
    source = load_digits()
    np.testing.assert_array_equal(digits.labels, source.target)
    np.testing.assert_array_equal(digits.image_ids, np.arange(1797))
    assert digits.images.shape == (1797, 8, 8, 3)
    assert digits.images.dtype == np.uint8
    for channel in np.moveaxis(digits.images, -1, 0):
        np.testing.assert_allclose(channel, source.images * 255 / 16, atol=0.51)


def test_a_class_holds_its_own_images_and_no_other(digits):
    for label, name in enumerate(catalog.DIGITS):
        rows = splits.shuffled_class(digits, name, seed=0)
        assert (digits.labels[rows] == label).all()
        assert sorted(rows) == np.flatnonzero(digits.labels == label).tolist()


def test_smaller_subsets_are_inside_larger_ones(digits):
    chosen = [set(splits.training_rows(digits, "three", 0, n, seed=0, validation=0).tolist()) for n in (1, 10, 20, 100)]
    assert [len(rows) for rows in chosen] == [1, 10, 20, 100]
    assert all(small < large for small, large in zip(chosen, chosen[1:], strict=False))


def test_shards_cut_a_class_without_gap_or_overlap(digits):
    whole = splits.training_rows(digits, "three", 0, 25, seed=0, validation=0)
    cut = [
        splits.training_rows(digits, "three", start, stop, seed=0, validation=0)
        for start, stop in ((0, 10), (10, 20), (20, 25))
    ]
    np.testing.assert_array_equal(np.concatenate(cut), whole)


def test_the_seed_chooses_other_images(digits):
    chosen = [set(splits.training_rows(digits, "three", 0, 20, seed, validation=0).tolist()) for seed in range(5)]
    assert len(set.union(*chosen)) > 60


def test_the_choice_ignores_which_other_images_there_are(digits):
    rows = splits.shuffled_class(digits, "three", seed=0)
    half = np.sort(np.random.default_rng(0).choice(1797, 900, replace=False))
    fewer = splits.Dataset(digits.images[half], digits.labels[half], digits.image_ids[half], catalog.DIGITS)
    chosen = fewer.image_ids[splits.shuffled_class(fewer, "three", seed=0)]
    assert chosen.tolist() == [i for i in digits.image_ids[rows] if i in set(half.tolist())]


def test_training_and_test_images_are_all_images_and_share_none(digits):
    names = ["two", "seven", "nine"]
    train = np.concatenate([splits.training_rows(digits, name, 0, 30, seed=1, validation=0) for name in names])
    test = splits.held_out_rows(digits, names, None, seed=1, trained=30)
    assert not set(train) & set(test)
    assert sorted([*train, *test]) == np.flatnonzero(np.isin(digits.labels, [2, 7, 9])).tolist()
    assert (np.diff(test) > 0).all()


def test_a_shard_of_fewer_classes_keeps_labels_and_ids(digits):
    arrays = splits.take(digits, splits.training_rows(digits, "seven", 0, 4, seed=0, validation=0), image_size=16)
    assert arrays["labels"].tolist() == [7] * 4
    assert arrays["images"].shape == (4, 16, 16, 3)
    assert {name: array.dtype.name for name, array in arrays.items()} == {
        "images": "uint8",
        "labels": "int64",
        "image_ids": "int64",
        "variants": "int32",
    }
    np.testing.assert_array_equal(digits.labels[arrays["image_ids"]], arrays["labels"])


def test_validation_images_are_neither_trained_nor_tested_on_and_stay_when_more_are_trained_on(digits):
    names = ["two", "seven"]
    kept = splits.validation_rows(digits, names, 12, seed=1)
    assert [(digits.labels[kept] == label).sum() for label in (2, 7)] == [12, 12]
    for trained in (5, 50):
        train = np.concatenate([splits.training_rows(digits, n, 0, trained, seed=1, validation=12) for n in names])
        test = splits.held_out_rows(digits, names, None, seed=1, trained=trained, validation=12)
        assert sorted([*train, *test, *kept]) == np.flatnonzero(np.isin(digits.labels, [2, 7])).tolist()


def test_fewer_test_images_are_some_of_all_and_as_many_of_each_class(digits):
    everything = splits.held_out_rows(digits, ["two", "seven"], None, seed=0, trained=10)
    few, more = (splits.held_out_rows(digits, ["two", "seven"], n, seed=0, trained=10) for n in (3, 20))
    assert set(few) < set(more) < set(everything)
    assert np.bincount(digits.labels[more]).tolist() == [0, 0, 20, 0, 0, 0, 0, 20]


def test_what_is_not_there_is_refused_in_one_line(digits):
    with pytest.raises(ValueError, match=r"dataset\.classes: must be among zero, .*; got 'eleven'"):
        splits.shuffled_class(digits, "eleven", seed=0)
    with pytest.raises(ValueError, match=r"dataset\.images_per_class: class 'three' has 183 images, got 184"):
        splits.training_rows(digits, "three", 180, 184, seed=0, validation=0)
    with pytest.raises(ValueError, match=r"class 'three' has 183 images, got 180 and 4 for validation"):
        splits.training_rows(digits, "three", 0, 180, seed=0, validation=4)
    with pytest.raises(ValueError, match=r"must leave images of 'three' to test on, got 183 of 183"):
        splits.held_out_rows(digits, ["three", "eight"], None, seed=0, trained=183)
