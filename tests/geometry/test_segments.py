import numpy as np
import pytest

from realgap.geometry.segments import lengths_px, line_segments


def edge_image(size, position):
    image = np.full((size, size), 50, np.uint8)
    image[:, position:] = 200
    return image


@pytest.mark.parametrize("size", [640, 128, 32])
def test_an_edge_between_two_pixels_is_found_halfway_between_their_centres(size):
    segments = line_segments(edge_image(size, size // 2))
    np.testing.assert_allclose(segments[0, [0, 2]], size // 2 - 0.5, atol=0.03)
    assert lengths_px(segments)[0] > 0.9 * size


def test_segments_come_longest_first_and_a_flat_image_has_none():
    image = edge_image(300, 100)
    image[100:140, 200:240] = 0
    lengths = lengths_px(line_segments(image))
    assert len(lengths) > 3
    assert (np.diff(lengths) <= 0).all()
    assert line_segments(np.zeros((200, 200), np.uint8)).shape == (0, 4)


@pytest.mark.parametrize("image", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32)])
def test_what_is_not_a_gray_uint8_image_is_named(image):
    with pytest.raises(ValueError, match="gray uint8"):
        line_segments(image)
