"""realgap.pretraining.typeset: printed digits that live in the world of scikit-learn's handwritten ones."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from realgap.pretraining import typeset


@pytest.fixture(scope="module")
def printed():
    return typeset.render(600, 16, seed=3)


@pytest.fixture(scope="module")
def written():
    """scikit-learn's digits as the study sees them: uint8 (1797, 16, 16), and labels."""
    digits = load_digits()
    scans = (digits.images * 255 / 16).round().astype(np.uint8)
    return np.stack([Image.fromarray(s).resize((16, 16), Image.BICUBIC) for s in scans]), digits.target


def test_images_are_grey_uint8_and_classes_come_in_turn(printed):
    images, labels = printed
    assert images.shape == (600, 16, 16, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, images[..., :1].repeat(3, axis=-1))
    np.testing.assert_array_equal(labels, np.arange(600) % 10)
    assert labels.dtype == np.int64


def test_an_item_depends_on_seed_and_index_only(printed):
    images, _ = printed
    np.testing.assert_array_equal(typeset.render(25, 16, seed=3)[0], images[:25])
    assert not np.array_equal(typeset.render(25, 16, seed=4)[0], images[:25])


def test_every_font_draws_every_digit_in_its_own_way():
    for digit in range(10):
        shapes = {typeset._glyph(font, digit, 0).resize((16, 16)).tobytes() for font in typeset.FONTS}
        assert len(shapes) == len(typeset.FONTS)


def test_no_font_draws_two_digits_alike():
    """A font without digits would draw its placeholder for all of them."""
    for font in typeset.FONTS:
        assert len({typeset._glyph(font, digit, 0).tobytes() for digit in range(10)}) == 10


def test_brightness_and_framing_are_those_of_handwritten_scans(printed, written):
    print_grey, hand_grey = printed[0][..., 0].astype(float), written[0].astype(float)
    assert abs(print_grey.mean() - hand_grey.mean()) < 15
    for axis in (1, 2):  # the profile of ink along columns, then along rows
        profiles = [grey.mean(axis=(0, axis)) for grey in (print_grey, hand_grey)]
        np.testing.assert_allclose(*profiles, atol=40)


def test_a_gap_to_handwriting_remains(printed, written):
    """Printed digits teach much about handwriting, but far from all."""
    flat = printed[0][..., 0].reshape(600, -1)
    accuracy = KNeighborsClassifier(3).fit(flat, printed[1]).score(written[0].reshape(len(written[0]), -1), written[1])
    assert 0.5 < accuracy < 0.8


def test_captions_name_the_class_in_every_template(printed):
    labels = printed[1]
    captions = typeset.captions(labels, seed=3)
    assert all(typeset.CLASS_NAMES[label] in caption.split() for label, caption in zip(labels, captions, strict=True))
    assert {caption.split(" in ")[0] for caption in captions} == {
        t.format(name) for t in typeset.TEMPLATES for name in typeset.CLASS_NAMES
    }
    assert typeset.captions(labels[:7], seed=3) == captions[:7]


def test_too_small_a_size_is_refused():
    with pytest.raises(ValueError, match="size: must be at least 8 px, got 4"):
        typeset.render(1, 4, seed=0)
