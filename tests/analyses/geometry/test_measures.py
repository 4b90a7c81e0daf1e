import numpy as np
import pytest

from realgap.analyses.geometry import measures
from realgap.geometry import controls
from realgap.geometry.structure import STATISTICS, structure

CHANGES = {"resample": 0.5, "blur_px": 1.0, "warp": 0.02}


def value(gray, name):
    return measures.measure(gray)[measures.names(max(gray.shape)).index(name)]


def test_below_128_px_only_the_statistics_are_measured():
    gray = np.random.default_rng(0).integers(0, 256, (127, 127), np.uint8)
    assert measures.names(127) == STATISTICS
    np.testing.assert_array_equal(measures.measure(gray), structure(gray))
    assert measures.names(128)[: len(measures.LINES)] == measures.LINES


def test_an_image_without_lines_has_no_camera_and_still_its_statistics():
    found = measures.measure(np.full((160, 160), 90, np.uint8))
    assert np.isnan(found[: len(measures.LINES)]).all()
    assert (found[len(measures.LINES) :] == 0).all()


def test_bending_leaves_lines_that_meet_nowhere(rendered):
    share = [
        [value(g, "unexplained_share") for g in (view.gray, controls.warped(view.gray, 4.8, 110, 1))]
        for view in rendered
    ]
    straight, bent = np.array(share).T
    assert (bent > straight).mean() > 0.8
    assert np.median(bent - straight) > 0.1


def test_controls_are_three_changed_images_each_the_same_whenever_it_is_made(rendered):
    image = rendered[0].image
    first, again = (list(measures.controlled(image, 7, 0, CHANGES)) for _ in range(2))
    other = list(measures.controlled(image, 8, 0, CHANGES))
    assert len(first) == len(measures.CONTROLS)
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
        assert one.shape == image.shape
        assert (one != image).any()
    assert (first[2] != other[2]).any(), "two images bend in the same way"


def test_the_rows_of_an_image_fit_the_layout_of_a_shard(rendered):
    from realgap.store.shards import LAYOUT

    for name, array in measures.rows(rendered[0].image).items():
        dtype, rank = LAYOUT["geometry"][name]
        assert (array.dtype, array.ndim + 1) == (dtype, rank), name


@pytest.mark.parametrize("size", [(128, 40), (40, 128), (200, 128)])
def test_images_need_not_be_square(size):
    gray = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    assert len(measures.measure(gray)) == len(measures.names(max(size)))
