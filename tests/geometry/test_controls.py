import numpy as np
import pytest

from realgap.geometry.controls import blurred, resampled, warped

COLOUR = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize("change", [resampled, blurred, lambda image: warped(image, 1.0, 20.0, 0)])
def test_controls_keep_shape_and_type_and_change_the_picture(change):
    for image in (COLOUR, COLOUR[..., 0]):
        changed = change(image)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert (changed != image).any()


def test_no_amplitude_warps_nothing_and_the_seed_chooses_the_bend():
    np.testing.assert_array_equal(warped(COLOUR, 0.0, 20.0, 1), COLOUR)
    np.testing.assert_array_equal(warped(COLOUR, 2.0, 20.0, 1), warped(COLOUR, 2.0, 20.0, 1))
    assert (warped(COLOUR, 2.0, 20.0, 1) != warped(COLOUR, 2.0, 20.0, 2)).any()


def test_a_warp_moves_points_by_its_amplitude():
    columns = np.tile(np.arange(256, dtype=np.float32), (256, 1))
    moved = warped(columns, 3.0, 60.0, 0)[20:-20, 20:-20] - columns[20:-20, 20:-20]
    assert moved.std() == pytest.approx(3.0, rel=0.15)
