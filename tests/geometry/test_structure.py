import numpy as np
import pytest

from realgap.geometry.controls import warped
from realgap.geometry.structure import STATISTICS, structure


def named(gray):
    return dict(zip(STATISTICS, structure(gray), strict=True))


def square(size=32):
    image = np.full((size, size), 60, np.uint8)
    image[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 200
    return image


def test_an_upright_square_is_aligned_symmetric_and_as_long_as_its_side():
    found = named(square())
    assert found["axis_aligned_share"] > 0.9
    assert found["mirror_symmetry"] == pytest.approx(1)
    assert found["longest_segment_share"] == pytest.approx(0.5 / np.sqrt(2), abs=0.06)


def test_directions_without_preference_are_aligned_as_often_as_chance():
    noise = np.random.default_rng(0).integers(0, 256, (256, 256)).astype(np.uint8)
    found = named(noise)
    assert found["axis_aligned_share"] == pytest.approx(40 / 180, abs=0.03)
    assert found["spectrum_slope"] == pytest.approx(0, abs=0.15)
    assert found["mirror_symmetry"] == pytest.approx(0, abs=0.05)


def test_bending_shortens_the_longest_segment_and_blurs_no_spectrum():
    image = square(64)
    bent = named(warped(image, 2.5, 20, seed=1))
    assert bent["longest_segment_share"] < 0.8 * named(image)["longest_segment_share"]
    assert bent["edge_straightness"] < named(image)["edge_straightness"]


def test_one_over_f_noise_has_its_slope():
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    frequency[0, 0] = 1
    picture = np.fft.ifft2(np.fft.fft2(rng.normal(size=(128, 128))) / frequency).real
    gray = np.uint8(np.clip(128 + 40 * picture / picture.std(), 0, 255))
    assert named(gray)["spectrum_slope"] == pytest.approx(-2, abs=0.25)


def test_a_flat_image_gives_zeros():
    np.testing.assert_array_equal(structure(np.full((32, 32), 7, np.uint8)), 0)
