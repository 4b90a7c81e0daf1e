"""realgap.data.repeats: test images that show pixels of other images of the study are found and counted."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from realgap.data import repeats
from tests import checkout


def digits(*rows):
    return [np.repeat((load_digits().images[row] * 15).astype(np.uint8)[..., None], 3, axis=-1) for row in rows]


def screen(test, seen):
    pairs = [
        [(name, *repeats.look_at(image)) for name, rows in of.items() for image in digits(*rows)] for of in (test, seen)
    ]
    keep, counts = repeats.screen(*pairs, near=0.99)
    return keep.tolist(), {reason: count for reason, count in counts.items() if count}


def test_images_that_repeat_none_are_kept():
    assert screen({"cat": [0, 1], "dog": [2]}, {"cat": [3], "dog": [4]}) == (
        [True] * 3,
        {},
    )


def test_an_image_that_is_trained_on_is_left_out_whatever_its_class():
    assert screen({"cat": [0, 1], "dog": [2]}, {"cat": [1], "dog": [2, 5]}) == (
        [True, False, False],
        {"seen": 2},
    )


def altered(image, how):
    """A photograph as it comes back from elsewhere."""
    picture = Image.fromarray(image)
    if how == "compressed":
        held = io.BytesIO()
        picture.save(held, "JPEG", quality=70)
        return np.asarray(Image.open(held))
    if how == "smaller":
        return np.asarray(picture.resize((picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.BICUBIC))
    if how == "mirrored":
        return image[:, ::-1]
    return (image * 0.8 + 20).astype(np.uint8)


@pytest.mark.parametrize("how", ["compressed", "smaller", "mirrored", "brighter"])
def test_a_photograph_that_is_altered_a_little_is_left_out_unless_only_equal_pixels_count(how):
    photographs = [
        image[y : y + 200, x : x + 200] for image in load_sample_images().images for y in (0, 200) for x in (0, 300)
    ]
    copies = [("b", *repeats.look_at(altered(image, how))) for image in photographs[:3]]
    first, others = ([("a", *repeats.look_at(image)) for image in some] for some in (photographs[:3], photographs[3:]))
    test, seen = [*copies, *others], first
    keep, counts = repeats.screen(test, seen, near=0.99)
    assert (keep.tolist(), counts["near"], counts["seen"]) == ([False] * 3 + [True] * 5, 3, 0)
    assert repeats.screen(test, seen, near=1.0)[0].all()


@pytest.mark.long
def test_scanned_digits_are_as_alike_as_the_page_on_data_sets_says():
    pairs = [[("a", *repeats.look_at(image)) for image in digits(*rows)] for rows in (range(200), range(200, 1200))]
    left_out = [repeats.screen(*pairs, near)[1]["near"] / 200 for near in (0.99, 0.98, 0.95)]
    assert left_out == pytest.approx([0, 0.02, 0.49], abs=0.005)
    page = (checkout.ROOT / "workflow/docs/datasets.md").read_text()
    assert (
        "of 200 scanned digits\n  none reaches 0.99 with another of 1,000 digits, 2 % reach 0.98 and 49 % reach 0.95"
        in page
    )


def test_an_image_under_two_labels_is_left_out_under_both():
    assert screen({"cat": [0, 1], "dog": [1]}, {}) == ([True, False, False], {"labels": 2})


def test_an_image_twice_in_a_class_stays_once():
    assert screen({"cat": [0, 1, 0, 0]}, {}) == ([True, True, False, False], {"class": 2})


def test_repeats_among_the_images_that_are_trained_on_are_counted():
    assert screen({"cat": [9]}, {"cat": [0, 1, 1], "dog": [0, 5]}) == (
        [True],
        {"trained_labels": 2, "trained_class": 1},
    )


def test_the_report_says_what_was_found():
    nothing = dict.fromkeys([*repeats.MEANING, *repeats.TRAINED], 0)
    assert repeats.sentence(nothing, False) == "No test image has the pixels of another image of the study."
    found = {**nothing, "seen": 2, "class": 1000, "trained_labels": 4}
    assert repeats.sentence(found, False) == (
        "Test images that were left out: 2 with the pixels of an image that is trained or validated on, 1,000 with the "
        "pixels of another of their class. Among the images that are trained or validated on are 4 with the pixels "
        "of an image of another class."
    )
    assert repeats.sentence(found, True).startswith("Test images that were kept: 2 with ")
