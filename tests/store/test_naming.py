"""realgap.store.naming: a label belongs to a class, in every file and wherever two meet."""

import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from realgap.data import catalog
from realgap.store import naming, shards


def shard(path, classes, rows):
    """A shard of real digits: classes {name: label}, rows the labels of its images."""
    images = np.repeat(np.round(load_digits().images[: len(rows)] * 15).astype(np.uint8)[..., None], 3, axis=-1)
    arrays = {
        "images": images,
        "labels": np.array(rows, np.int64),
        "image_ids": np.arange(len(rows)),
        "variants": np.zeros(len(rows), np.int32),
    }
    shards.write(path, "images", arrays, {"step": "extract", "source": "real", naming.KEY: classes})
    return path


def test_files_of_different_classes_name_all_of_them_in_the_order_of_labels(tmp_path):
    paths = [shard(tmp_path / "b.h5", {"dog": 7}, [7, 7]), shard(tmp_path / "a.h5", {"cat": 3}, [3])]
    shards.write_union(tmp_path / "all.h5", paths, {"training_set": "real"})
    assert naming.names({"all": shards.read(tmp_path / "all.h5", "images").attributes}) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("classes", "said"),
    [({"aardvark": 0}, "label 0 is aardvark, and cat in "), ({"cat": 1}, "cat is label 1, and 0 elsewhere")],
)
def test_two_files_that_disagree_are_not_put_together(tmp_path, classes, said):
    old = shard(tmp_path / "old.h5", {"cat": 0}, [0])
    new = shard(tmp_path / "new.h5", classes, list(classes.values()))
    with pytest.raises(ValueError, match=rf"new\.h5: must give each class the label .*; {said}"):
        shards.write_union(tmp_path / "all.h5", [old, new], {})
    assert not (tmp_path / "all.h5").exists()


def test_a_label_without_a_name_is_no_complete_shard(tmp_path):
    with pytest.raises(ValueError, match=r"must name the class of each label, label 1 has none"):
        shards.read(shard(tmp_path / "odd.h5", {"cat": 0}, [0, 1]), "images")


def test_a_label_that_a_classifier_does_not_know_has_no_position():
    assert naming.positions(np.array([9, 4, 9]), [4, 9]).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="label 5 is new to it"):
        naming.positions(np.array([4, 5]), [4, 9])


def test_a_class_of_ones_own_has_a_label_that_its_name_alone_decides():
    names = ["aardvark", "cat", "dog", "zebra"]
    own = [catalog.label("image_folder", name) for name in names]
    assert own == sorted(own)
    assert len({catalog.label("hdf5", f"class_{n}") for n in range(10_000)}) == 10_000
    assert all(0 <= label < 2**63 for label in own)


def test_files_of_a_class_are_called_by_its_name_or_by_letters_that_any_file_system_takes():
    assert [naming.folder(name) for name in ("cat", "n02130308", "v1.5_b-c")] == ["cat", "n02130308", "v1.5_b-c"]
    odd = [
        "golden retriever",
        "golden_retriever ",
        "große Katze",
        "猫",
        "貓",
        "a/b",
        "..",
        "-x",
        "'$(x)'",
        "{x}",
        "é",
        "e\u0301",
        "x" * 200,
    ]
    found = [naming.folder(name) for name in odd]
    assert len(set(found)) == len(odd)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) for name in found)


def test_a_published_class_keeps_its_published_number():
    for data_set, classes in catalog.CLASS_NAMES.items():
        assert [catalog.label(data_set, name) for name in classes] == list(range(len(classes)))


def test_every_file_of_a_finished_study_names_the_classes_of_its_rows(finished_results):
    found = {path: shards.read(path, shards.kind(path)) for path in finished_results.rglob("*.h5")}
    assert {one.attributes["step"] for one in found.values()} >= {"extract", "encode", "invert", "sample", "evaluate"}
    of_all = naming.joint({path: one.attributes for path, one in found.items()})
    assert of_all == {"zero": 0, "one": 1}
    for path, one in found.items():
        assert one.attributes.get(naming.KEY), path
