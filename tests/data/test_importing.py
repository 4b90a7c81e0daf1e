"""scripts.sampling_import: images of any generator, in a folder or an HDF5 file, as shards of the study's classes."""

import json

import h5py
import numpy as np
import pytest
from PIL import Image

from realgap.data import inventory
from realgap.data.images import resize
from realgap.store import shards

# class -> images that the generator made of it; its order of classes is another than the study's
MADE = {"dog": 7, "bird": 3, "cat": 5}
STUDY = {"cat": 3, "dog": 8}  # class -> its number in the study


def pictures(name, count, size=20):
    random = np.random.default_rng(len(name) + count)
    return random.integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name, count in MADE.items():
        (tmp_path / "gan" / name).mkdir(parents=True)
        for number, image in enumerate(pictures(name, count)):
            Image.fromarray(image).save(tmp_path / "gan" / name / f"{number}.png")
    return tmp_path / "gan"


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "gan.h5", "w") as made:
        made["train/images"] = np.concatenate([pictures(name, count) for name, count in MADE.items()])
        made["train/labels"] = np.repeat(np.arange(len(MADE)), list(MADE.values()))
        made.attrs["class_names"] = list(MADE)
    return tmp_path / "gan.h5"


@pytest.fixture
def imported(tmp_path, run_step, images_shard):
    """The shard of a class: imported(root, "cat", shard=0, shards_=1); the study has 2 real images in each shard."""

    def run(root, class_name, shard=0, of=1, size=8, **more):
        real = images_shard("real.h5", n=2, label=STUDY.get(class_name, 0), first_id=40)
        kind = "hdf5" if root.is_file() else "image_folder"
        try:
            content = inventory.digest(inventory.imported(kind, root, class_name, tmp_path))
        except ValueError:  # what the step says of it is looked at
            content = ""
        options = {"source": "gan", "content": content, "class_name": class_name, "shard": shard}
        options = json.dumps({**options, "shards": of, "image_size": size})
        out = tmp_path / f"{class_name}-{shard}-{of}.h5"
        line = ["--images", real, "--root", root, "--options", options, "--out", out]
        run_step("scripts.sampling_import", *line, *more.values())
        return shards.read(out, "images")

    return run


@pytest.mark.parametrize("of_kind", ["folder", "file"])
def test_labels_are_the_studys_and_images_are_of_its_size(of_kind, request, imported):
    root = request.getfixturevalue(of_kind)
    for name, label in STUDY.items():
        found = imported(root, name)
        assert found["images"].shape == (MADE[name], 8, 8, 3)
        assert (found["labels"] == label).all()
        expected = resize(pictures(name, MADE[name]), 8)
        by_content = {image.tobytes() for image in expected}
        assert {image.tobytes() for image in found["images"]} == by_content
        assert found.attributes["source"] == "gan"


@pytest.mark.parametrize("of_kind", ["folder", "file"])
def test_no_image_is_any_real_ones_and_each_has_an_id_of_its_own(of_kind, request, imported):
    root = request.getfixturevalue(of_kind)
    ids = np.concatenate([imported(root, name)["image_ids"] for name in STUDY])
    assert (ids < 0).all()
    assert len(set(ids.tolist())) == sum(MADE[name] for name in STUDY)


def test_shards_hold_every_image_once_in_parts_as_equal_as_they_can_be(folder, imported):
    whole = imported(folder, "dog")
    parts = [imported(folder, "dog", shard, 3) for shard in range(3)]
    assert [len(part["labels"]) for part in parts] == [3, 2, 2]
    for name in ("images", "image_ids"):
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])


def test_the_first_variants_are_as_many_as_real_images(folder, imported):
    """A cut to the first variants of each image, as analyses make it, takes as many imported images as real ones."""
    variants = imported(folder, "dog")["variants"]
    assert variants.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert [int((variants == number).sum()) for number in (0, 1)] == [2, 2]


def test_a_class_that_is_missing_and_too_few_images_are_one_line(folder, imported):
    with pytest.raises(
        ValueError, match=r"^sources\.gan\.classes: .*gan must hold a folder for each; none for 'frog'$"
    ):
        imported(folder, "frog")
    with pytest.raises(ValueError, match=r"sources\.gan\.root: must hold at least 6 images of cat, one a shard; got 5"):
        imported(folder, "cat", 5, 6)


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_root_that_holds_nothing_is_one_line(tmp_path, imported, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=rf"^sources\.gan\.root: .*{name}"):
        imported(tmp_path / name, "cat")


def test_a_picture_that_is_none_is_named(folder, imported):
    (folder / "cat" / "odd.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"odd\.png: must be a picture"):
        imported(folder, "cat")
