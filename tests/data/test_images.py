"""realgap.data.images: what is done to uint8 images before a model sees them."""

import numpy as np
import pytest

from realgap.data.images import from_unit, pixels_of, resize, resize_one, said


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_the_right_size_is_left_as_it_is():
    images = random_images(3, 8, 8, 3)
    np.testing.assert_array_equal(resize(images, 8), images, strict=True)


def test_a_constant_image_stays_constant_at_any_size():
    for size in (3, 8, 31):
        resized = resize(np.full((2, 8, 8, 3), 137, np.uint8), size)
        np.testing.assert_array_equal(resized, np.full((2, size, size, 3), 137, np.uint8), strict=True)


def test_an_image_is_resized_the_same_alone_or_among_others():
    images = random_images(4, 8, 8, 3)
    np.testing.assert_array_equal(resize(images, 16)[2], resize(images[2:3], 16)[0])


def test_shrinking_averages_instead_of_dropping_pixels():
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # without antialiasing: all black or all white
    assert abs(resize(stripes, 8).astype(int)[0, 2:-2] - 127.5).max() < 4


def test_images_that_are_not_square_are_cropped_to_their_centre():
    images = random_images(2, 8, 12, 3)
    np.testing.assert_array_equal(resize(images, 8), images[:, :, 2:10])
    np.testing.assert_array_equal(resize(images.transpose(0, 2, 1, 3), 8), images.transpose(0, 2, 1, 3)[:, 2:10])


def test_unit_floats_are_rounded_to_the_nearest_and_clipped():
    given = np.array([-1, 0, 0.25, 0.5, 1, 2])
    assert from_unit(given).tolist() == [0, 0, 64, 128, 255, 255]
    np.testing.assert_array_equal(from_unit(np.arange(256) / 255), np.arange(256))


@pytest.mark.parametrize("shape", [(30, 60), (60, 30), (61, 30)])
def test_one_that_is_not_square_is_cropped_padded_or_squashed_by_the_rule(shape):
    height, width = shape
    image = np.zeros((*shape, 3), np.uint8)
    image[...] = np.linspace(40, 240, max(shape)).astype(np.uint8).reshape((-1, 1, 1) if height > width else (1, -1, 1))
    crop, pad, squash = (resize_one(image, 30, fit) for fit in ("crop", "pad", "squash"))
    assert {one.shape for one in (crop, pad, squash)} == {(30, 30, 3)}
    assert crop.min() > 80
    assert crop.max() < 200
    assert squash.min() < 50
    assert squash.max() > 230
    bars = (pad == 0).all(axis=2)
    assert bars.sum() == 30 * 15
    assert bars[:, 0].all() if height > width else bars[0].all()
    assert pad[~bars].min() < 50
    assert pad.max() > 230


def test_a_square_one_is_the_same_by_every_rule():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    crop, *others = (resize_one(image, 30, fit) for fit in ("crop", "pad", "squash"))
    assert all((one == crop).all() for one in others)


def test_the_report_says_how_images_became_square_and_of_three_channels():
    sentences = said({"grey": 12, "oblong": 1200, "enlarged": 3}, 2000, {"fit": "pad"})
    assert sentences[0].startswith("Of the 2,000 test images 12 are grey, with three equal channels; ")
    assert "1,200 test images are not square. They were padded with black bars." in sentences
    assert any(one.startswith("3 test images are smaller") for one in sentences)
    assert said({"grey": 0}, 5, {}) == [
        "Of the 5 test images none is grey; the others have colours. A network sees three channels of each."
    ]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"value_range": [-1000.0, 3000.0]}, "In files of more than 8 bits -1000 was read as black and 3000 as white."),
        ({"value_range": [0, 0.5]}, "In files of more than 8 bits 0 was read as black and 0.5 as white."),
        ({"background": "grey"}, "Transparent pixels were read as on grey."),
    ],
)
def test_the_report_says_by_what_files_were_read_that_leave_it_open(how, sentence):
    assert said({"grey": 0}, 5, how)[1:] == [sentence]


def test_pixels_have_the_same_digest_only_in_the_same_shape():
    image = random_images(8, 8, 3)
    assert pixels_of(image) == pixels_of(image.copy(order="F"))
    assert len({pixels_of(one) for one in (image, image[:, :7], image ^ np.uint8(1), image.reshape(4, 16, 3))}) == 4
