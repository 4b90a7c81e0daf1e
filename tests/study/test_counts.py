"""realgap.study.counts: numbers of images by class, settled once it is known how many there are."""

import copy
from pathlib import Path

import pytest
import yaml

from realgap.study import counts

DEFAULT = yaml.safe_load((Path(__file__).resolve().parents[2] / "config.yaml").read_text())
THERE = {"cat": 500, "dog": 40, "lynx": 3}


def mine(images_per_class, classes=counts.ALL, name="image_folder"):
    config = copy.deepcopy(DEFAULT)
    config["dataset"] |= {"name": name, "classes": classes, "images_per_class": images_per_class}
    return config


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("all", THERE),
        ("up to 100", {"cat": 100, "dog": 40, "lynx": 3}),
        ("up to 3", 3),
        (20, 20),
        ({"cat": 30, "dog": "all", "lynx": "up to 2"}, {"cat": 30, "dog": 40, "lynx": 2}),
    ],
)
def test_classes_of_unequal_size_have_each_its_number_and_equal_ones_have_one(wanted, found):
    settled = counts.settled(mine(wanted), THERE)
    assert settled["dataset"]["images_per_class"] == found
    assert settled["dataset"]["classes"] == ["cat", "dog", "lynx"]
    assert list(counts.per_class(settled)) == ["cat", "dog", "lynx"]
    assert counts.smallest(settled) == min(counts.per_class(settled).values())


def test_a_published_data_set_is_known_before_it_is_there():
    config = mine("all", ["church", "tench"], "imagenette")
    assert not counts.is_open(config)
    config["dataset"]["validation_images_per_class"] = 10
    assert counts.per_class(counts.settled(config)) == {"church": 931, "tench": 953}


@pytest.mark.parametrize(
    ("wanted", "classes", "is_open"),
    [
        (5, ["cat", "dog"], False),
        (5, "all", True),
        ("all", ["cat", "dog"], True),
        ({"cat": 5, "dog": "all"}, ["cat", "dog"], True),
    ],
)
def test_what_only_the_images_say_is_open(wanted, classes, is_open):
    assert counts.is_open(mine(wanted, classes)) == is_open


def test_settings_are_not_changed_in_place():
    config = mine("all")
    counts.settled(config, THERE)
    assert config == mine("all")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"cat": 3, "dgo": 3}, r"must be of classes of the study; got 'dgo' \(dog\?\)"),
        ({"cat": 3}, "none for 'dog', 'lynx'"),
    ],
)
def test_numbers_of_other_classes_than_the_studys_are_refused(wanted, said):
    with pytest.raises(ValueError, match=said):
        counts.settled(mine(wanted), THERE)


def drawing(total, count):
    config = counts.settled(mine({"cat": 500, "dog": 40, "lynx": count}), THERE)
    config["sampling"] = {**config["sampling"], "samples_per_class": total}
    return config


@pytest.mark.parametrize("count", [1, 3, 7, 40])
@pytest.mark.parametrize("per_shard", [1, 2, 5, 100])
def test_samples_of_a_class_add_up_to_the_total_whatever_its_shards(count, per_shard):
    config, found = drawing(1000, count), []
    for start in range(0, count, per_shard):
        stop = min(start + per_shard, count)
        each, more = counts.variants(config, "lynx", start, stop)
        found += [each + (place < more) for place in range(stop - start)]
    assert sum(found) == 1000
    assert max(found) - min(found) <= 1
    assert counts.generated(config) == 3000
    assert counts.generated(config, own=1) == 540 + count


def test_without_a_total_each_image_has_its_samples():
    config = drawing(None, 3)
    assert counts.variants(config, "cat", 100, 200) == (10, 0)
    assert counts.generated(config) == 5430


def test_a_data_set_of_one_class_is_refused_where_all_classes_are_asked_for():
    """Every classifier of it would be right about every image."""
    with pytest.raises(ValueError, match=r"^config: dataset\.classes: must be a list of at least 2; got \['cat'\]$"):
        counts.settled(mine("all", "all"), {"cat": 7})
