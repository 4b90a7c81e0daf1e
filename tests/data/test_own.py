"""realgap.data.own: an image's part of a study is a property of its content and the seed, never of the list."""

import hashlib

import pytest

from realgap.data import own
from realgap.data.inventory import Image

SPLIT = own.Split(seed=0, test_share=0.2, validation=10, stop=20)


def made_up(count, class_name="cat", given="", start=0, prefix=""):
    return [
        Image(
            f"{prefix}{class_name}/{n}.png",
            class_name,
            given,
            100,
            hashlib.sha256(f"{class_name}{n}".encode()).hexdigest(),
        )
        for n in range(start, start + count)
    ]


def by_content(parts, images):
    return {image.sha256: parts.part_of(image) for image in images}


def test_no_image_changes_its_part_when_others_come_or_go_or_more_are_trained_on():
    many = made_up(400)
    whole = by_content(own.Parts(many, SPLIT), many)
    for fewer in (many[:40], many[::3], many[::-1]):
        for stop in (1, 200):
            parts = own.Parts(fewer, own.Split(0, 0.2, 10, stop))
            assert by_content(parts, fewer).items() <= whole.items()


def test_moving_and_renaming_changes_neither_part_nor_id_nor_order():
    images = made_up(100)
    moved = [Image(f"elsewhere/{n}.jpg", i.class_name, "", i.bytes, i.sha256) for n, i in enumerate(reversed(images))]
    before, after = own.Parts(images, SPLIT), own.Parts(moved, SPLIT)
    for part in ("train", "validation", "test"):
        assert [i.image_id for i in before.of(part, "cat")] == [i.image_id for i in after.of(part, "cat")]
    assert before.digest("train", ["cat"], 0, 20) == after.digest("train", ["cat"], 0, 20)


def test_parts_are_as_large_as_they_should_be_and_share_none():
    images = made_up(5_000)
    parts = own.Parts(images, SPLIT)
    sizes = {part: len(parts.of(part, "cat")) for part in ("train", "validation", "test")}
    assert sum(sizes.values()) == 5_000
    for part, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert abs(sizes[part] / 5_000 - share) < 0.02, sizes
    assert not own.Parts(images, own.Split(0, 0.2, 0, 20)).of("validation", "cat")


def test_the_seed_chooses_other_test_images():
    images = made_up(200)
    one, other = (
        {i.sha256 for i in own.Parts(images, own.Split(seed, 0.2, 0, 1)).of("test", "cat")} for seed in (0, 1)
    )
    assert len(one & other) < 20 < len(one)


def test_smaller_numbers_of_images_are_inside_larger_ones_and_shards_of_them_stay():
    parts = own.Parts(made_up(200), SPLIT)
    few, more = parts.chosen("train", ["cat"], 0, 10), parts.chosen("train", ["cat"], 0, 50)
    assert few == more[:10]
    assert parts.chosen("train", ["cat"], 10, 50) == more[10:]


def test_images_of_one_content_count_once():
    images = made_up(100) + made_up(100, prefix="copy/")
    parts = own.Parts(images, SPLIT)
    assert sum(len(parts.of(part, "cat")) for part in ("train", "validation", "test")) == 100


def test_a_test_part_of_its_own_is_the_test_set_and_no_training_image_is_lost_to_another():
    images = made_up(100, given="train") + made_up(30, given="test", start=100)
    parts = own.Parts(images, own.Split(0, 0.2, 0, 100))
    assert len(parts.of("train", "cat")) == 100
    assert {i.given for i in parts.of("test", "cat")} == {"test"}
    parts.check(["cat"])


def test_the_digest_of_a_shard_changes_with_its_own_images_only():
    images = made_up(200) + made_up(200, "dog")
    parts = own.Parts(images, SPLIT)
    before = {
        (name, start): parts.digest("train", [name], start, start + 10) for name in ("cat", "dog") for start in (0, 10)
    }
    gone = parts.chosen("train", ["cat"], 15, 16)
    after = own.Parts([i for i in images if i not in gone], SPLIT)
    changed = {key for key, was in before.items() if after.digest("train", [key[0]], key[1], key[1] + 10) != was}
    assert changed == {("cat", 10)}


@pytest.mark.parametrize(
    ("count", "split", "said"),
    [
        (
            24,
            (0, 0.2, 0, 24),
            r"dataset\.images_per_class: class 'cat' has \d+ images to train on \(of 24 different ones; ",
        ),
        (24, (0, 0.2, 20, 4), r"dataset\.validation_images_per_class: class 'cat' has \d+ images to validate on "),
        (
            1,
            (0, 0.01, 0, 1),
            r"dataset\.test_share: class 'cat' must have images to test on, got none \(of 1 different",
        ),
        (0, (0, 0.2, 0, 1), r"dataset\.images_per_class: class 'cat' has 0 images to train on \(of 0 different ones; "),
    ],
)
def test_too_few_images_of_a_class_are_one_line(count, split, said):
    with pytest.raises(ValueError, match=said):
        own.Parts(made_up(count) + made_up(500, "dog"), own.Split(*split)).check(["cat", "dog"])


def test_all_classes_with_too_few_images_are_named_at_once():
    images = [image for n in range(3, 10) for image in made_up(n, f"class {n}")]
    with pytest.raises(ValueError, match="class 'class 3' has . images to train on") as said:
        own.Parts(images, own.Split(0, 0.2, 0, {f"class {n}": n + (n < 8) for n in range(3, 10)})).check(
            [f"class {n}" for n in range(3, 10)]
        )
    assert all(f"'class {n}'" in str(said.value) for n in range(3, 10))


@pytest.mark.parametrize("count", range(2, 12))
def test_a_class_of_few_images_has_one_to_test_on_and_one_to_train_on(count):
    for class_name in map(str, range(40)):
        parts = own.Parts(made_up(count, class_name) + made_up(90), own.Split(0, 0.2, 0, 1))
        assert parts.of("test", class_name)
        assert len(parts.of("train", class_name)) >= min(2, count - 1)
        assert len(parts.of("train", class_name)) + len(parts.of("test", class_name)) == count
        parts.check([class_name])


def test_classes_of_unequal_size_train_on_what_each_has():
    images = made_up(100, "cat") + made_up(10, "lynx")
    parts = own.Parts(images, own.Split(0, 0.2, 0, {"cat": 50, "lynx": 7}))
    parts.check(["cat", "lynx"])
    assert len(parts.seen(["cat", "lynx"])) == 57
    assert parts.digest("test", ["cat", "lynx"], 0, 0) != parts.trained_on(7).digest("test", ["cat", "lynx"], 0, 0)


def test_one_file_under_two_labels_is_in_one_part_and_two_images():
    cats = made_up(50)
    dogs = [Image(f"dog/{n}.png", "dog", "", 100, cat.sha256) for n, cat in enumerate(cats)]
    parts = own.Parts([*cats, *dogs], SPLIT)
    assert [parts.part_of(cat) for cat in cats] == [parts.part_of(dog) for dog in dogs]
    assert len({image.image_id for image in [*cats, *dogs]}) == 100


def test_the_part_of_a_small_classs_image_that_two_classes_hold_does_not_follow_from_the_order_of_the_list():
    for draw in range(60):
        cats, dogs = (made_up(4, f"{draw}"), made_up(3, f"{draw}", start=1))
        images = [*cats, *(Image(f"dog/{n}.png", "dog", "", 100, one.sha256) for n, one in enumerate(dogs))]
        one, other = (own.Parts(listed, own.Split(0, 0.3, 1)) for listed in (images, images[::-1]))
        assert [one.part_of(image) for image in images] == [other.part_of(image) for image in images]


@pytest.mark.parametrize("validation", [0, 1])
def test_a_tiny_class_that_grows_gives_each_image_the_part_that_is_drawn_for_it_and_then_keeps_it(validation):
    """Where chance leaves nothing to test on, one image is tested on until one is drawn for it; of three or more."""
    split = own.Split(0, 0.2, validation, 1)
    for name in map(str, range(25)):
        images = made_up(400, name)
        drawn, right = own.Parts(images, split), set()
        for count in range(3, 40):
            parts = own.Parts(images[:count], split)
            now = {image for image in images[:count] if parts.part_of(image) == drawn.part_of(image)}
            assert right <= now
            assert len(now) >= count - 2
            right = now
