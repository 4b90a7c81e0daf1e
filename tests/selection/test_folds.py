"""realgap.selection.folds: every real image is left out of one judge, equally many of each class."""

import numpy as np

from realgap.selection import folds


def test_each_class_is_cut_evenly_whichever_order_images_come_in():
    labels, ids = np.repeat([0, 1, 2], [9, 10, 2]), np.arange(100, 121)
    found = folds.of(labels, ids, 3, seed=0)
    for label, n in zip(range(3), (9, 10, 2), strict=True):
        counts = np.bincount(found[labels == label], minlength=3)
        assert counts.sum() == n
        assert counts.max() - counts.min() <= 1
    order = np.random.default_rng(0).permutation(21)
    np.testing.assert_array_equal(folds.of(labels[order], ids[order], 3, seed=0), found[order])
    assert (folds.of(labels, ids, 3, seed=1) != found).any()
