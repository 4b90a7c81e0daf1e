"""realgap.data.grouping: which group an image is of, and that no group stands in two parts of a study."""

import hashlib

import pytest

from realgap.data import grouping, inventory, own
from realgap.data.records import Image
from tests import data_sets


def made_up(groups, each, class_name="cat", given=""):
    return [
        Image(
            f"{class_name}/{group}_{n}.png",
            class_name,
            given,
            9,
            hashlib.sha256(f"{group} {n}".encode()).hexdigest(),
            group,
        )
        for group in groups
        for n in range(each)
    ]


PATIENTS = [f"p{n}" for n in range(60)]


@pytest.mark.parametrize(
    ("groups", "name", "group"),
    [
        ("**/{group}_*", "cat/p12_3.png", "p12"),
        ("**/{group}_*", "train/cat/p12_3_left.png", "p12"),
        ("*/{group}/*", "cat/site 4/a.png", "site 4"),
        ("*/*-{group}.png", "cat/a-b-7.png", "b-7"),
        ("{group}/**", "north/cat/deep/a.png", "north"),
        ("*/{group}.*", "cat/(a+b).png", "(a+b)"),
    ],
)
def test_a_pattern_finds_the_group_in_a_name(groups, name, group):
    assert grouping.of(groups, [name]) == {name: group}


def test_an_image_without_a_group_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"gives none to cat/a\.png and 1 more"):
        grouping.of("*/{group}_*", ["cat/a.png", "cat/p_1.png", "cat/b.png"])
    (tmp_path / "g.csv").write_text("file,group\ncat/a.png,p1\ncat/b.png,\n")
    with pytest.raises(ValueError, match=r"gives none to cat/b\.png$"):
        grouping.of(str(tmp_path / "g.csv"), ["cat/a.png", "cat/b.png"])
    (tmp_path / "g.csv").write_text("name,group\ncat/a.png,p1\n")
    with pytest.raises(ValueError, match=r"must have the columns file and group; got name, group"):
        grouping.of(str(tmp_path / "g.csv"), ["cat/a.png"])


@pytest.mark.parametrize("validation", [0, 5])
def test_no_group_stands_in_two_parts(validation):
    images = made_up(PATIENTS, 7) + made_up(PATIENTS, 3, "dog")
    parts = own.Parts(images, own.Split(0, 0.2, validation, 5))
    of_group = {}
    for image in images:
        of_group.setdefault(image.group, set()).add(parts.part_of(image))
    assert all(len(one) == 1 for one in of_group.values())
    assert {part for one in of_group.values() for part in one} == {"train", "test"} | (
        {"validation"} if validation else set()
    )


def test_without_groups_images_of_one_patient_do_stand_in_two_parts():
    images = [Image(*vars(image).values()) for image in made_up(PATIENTS, 7)]
    alone = [Image(i.name, i.class_name, i.given, i.bytes, i.sha256) for i in images]
    parts = own.Parts(alone, own.Split(0, 0.2, 0, 5))
    of_group = {}
    for image in alone:
        of_group.setdefault(image.name.partition("_")[0], set()).add(parts.part_of(image))
    assert any(len(one) > 1 for one in of_group.values())


def test_a_class_of_few_groups_has_one_to_test_on_and_the_others_to_train_on():
    for seed in range(20):
        images = made_up(PATIENTS, 5) + made_up(["a", "b"], 6, "lynx")
        parts = own.Parts(images, own.Split(seed, 0.2, 0, 2))
        assert len(parts.of("test", "lynx")) == len(parts.of("train", "lynx")) == 6


def test_more_images_of_a_patient_stand_where_the_others_do():
    few, more = (own.Parts(made_up(PATIENTS, n), own.Split(0, 0.2, 0, 5)) for n in (3, 9))
    assert {i.group for i in few.of("test", "cat")} == {i.group for i in more.of("test", "cat")}


def test_groups_that_the_data_set_puts_into_two_parts_are_named():
    images = made_up(["a", "b"], 2, given="train") + made_up(["b", "c"], 2, "dog", "test")
    with pytest.raises(ValueError, match=r"^dataset\.groups: must stand in one part .*; in more than one: b$"):
        grouping.check(images)


def test_the_inventory_takes_groups_and_writes_them_down(tmp_path):
    kind, root = data_sets.folder(tmp_path / "set")
    taken = inventory.take(kind, root, None, tmp_path / "state", "{group}/**")
    assert {image.group for image in taken.images} == {"train", "test"}
    parts = own.Parts(taken.images, own.Split(0, 0.2, 0))
    (tmp_path / "inventory.csv").write_text(parts.as_csv())
    assert inventory.read(tmp_path / "inventory.csv") == list(taken.images)
