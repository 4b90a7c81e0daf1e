"""realgap.data.loaders: data sets by name, folders of images and HDF5 files, read as they are."""

import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from realgap.data import catalog, counted, folders, imagenet, loaders, splits


@pytest.fixture
def folder(tmp_path):
    """Two classes, three training images and two test images each, of different sizes and kinds."""
    random = np.random.default_rng(0)
    for part, count in (("train", 3), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for n in range(count):
                pixels = random.integers(0, 256, (5 + n, 7, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{n}.png")
    return tmp_path


@pytest.fixture
def file(tmp_path):
    """An HDF5 file of a user's own: 6 training and 4 test images in two classes."""
    path = tmp_path / "mine.h5"
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as f:
        f.attrs["class_names"] = ["cat", "dog"]
        for split, n in (("train", 6), ("test", 4)):
            f[f"{split}/images"] = random.integers(0, 256, (n, 8, 8, 3), np.uint8)
            f[f"{split}/labels"] = np.arange(n) % 2
    return path


def test_archives_and_class_names_are_those_of_torchvision():
    from torchvision import datasets

    for name, kind in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100), ("stl10", datasets.STL10)):
        assert (catalog.ARCHIVES[name].url, catalog.ARCHIVES[name].md5) == (kind.url, kind.tgz_md5)
    known = datasets.Imagenette._ARCHIVES["320px"]
    assert (catalog.ARCHIVES["imagenette"].url, catalog.ARCHIVES["imagenette"].md5) == known
    assert {wnid: names[0] for wnid, names in datasets.Imagenette._WNID_TO_CLASS.items()} == {
        wnid: name.replace("_", " ") for wnid, name in catalog.IMAGENETTE.items()
    }
    assert len(set(catalog.CIFAR100)) == 100


def test_a_folder_of_images_is_read_by_class_and_part(folder):
    train, test = (loaders.image_folder(folder, split) for split in ("train", "test"))
    assert train.class_names == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(train.images[4], np.asarray(Image.open(folder / "train" / "dog" / "1.png")))
    assert len({*train.image_ids, *test.image_ids}) == 10


def test_an_image_keeps_its_id_when_others_are_added_or_the_folder_is_moved(folder, tmp_path):
    before = loaders.image_folder(folder, "train")
    shutil.copytree(folder / "train", tmp_path / "moved" / "train")
    shutil.copy(folder / "train" / "cat" / "0.png", tmp_path / "moved" / "train" / "cat" / "00.png")
    after = loaders.image_folder(tmp_path / "moved", "train")
    assert len(after.labels) == 7
    assert set(before.image_ids) < set(after.image_ids)


def test_a_folder_without_parts_has_no_test_images_of_its_own(folder):
    assert loaders.image_folder(folder / "train", "test") is None
    assert loaders.image_folder(folder / "train", "train").class_names == ("cat", "dog")


def test_an_hdf5_file_is_read_by_part(file):
    train, test = (loaders.hdf5(file, split) for split in ("train", "test"))
    assert train.class_names == ("cat", "dog")
    assert (train.image_ids.tolist(), test.image_ids.tolist()) == (list(range(6)), [6, 7, 8, 9])
    with h5py.File(file, locking=False) as f:
        np.testing.assert_array_equal(test.images, f["test/images"][()])


def _link_out(f):
    del f["train/images"]
    f["train/images"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft_group(f):
    f.move("train", "elsewhere")
    f["train"] = h5py.SoftLink("/elsewhere")


def _relabel(f):
    f["train/labels"][0] = 2


def _retype(f):
    del f["train/images"]
    f["train/images"] = np.zeros((6, 8, 8, 3), np.int64)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_link_out, "train/images is a link to elsewhere"),
        (_soft_group, "is a link to elsewhere"),
        (_relabel, "train/labels must be integers from 0 to 1, got 0 to 2"),
        (_retype, r"train/images must be uint8, .* or \(n, h, w, 3\), got int64 \(6, 8, 8, 3\)"),
        (lambda f: f.pop("train/labels"), "must hold|is a link"),
    ],
)
def test_an_hdf5_file_that_is_not_what_it_should_be_is_named(file, damage, message):
    with h5py.File(file, "r+") as f:
        damage(f)
    with pytest.raises(ValueError, match=message):
        loaders.hdf5(file, "train")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10", "imagenette", "imagenet", "image_folder", "hdf5"])
def test_data_that_is_not_there_is_one_line_that_names_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match=r"dataset\.root: .*nowhere") as caught:
        loaders.LOADERS[name](tmp_path / "nowhere", "train")
    assert "\n" not in str(caught.value)


@pytest.mark.long
def test_cifar10_is_read_from_its_own_files(cifar10_root):
    train, test = (loaders.cifar10(cifar10_root, split) for split in ("train", "test"))
    assert train.class_names == catalog.CIFAR10
    assert (len(train.labels), len(test.labels)) == (50_000, 10_000)
    assert np.bincount(train.labels).tolist() == [5_000] * 10
    assert np.bincount(test.labels).tolist() == [1_000] * 10
    assert not set(train.image_ids) & set(test.image_ids)
    assert train.images[0].shape == (32, 32, 3)


@pytest.mark.long
def test_a_damaged_copy_of_cifar10_is_refused(cifar10_root, tmp_path):
    shutil.copytree(cifar10_root / "cifar-10-batches-py", tmp_path / "cifar-10-batches-py")
    with open(tmp_path / "cifar-10-batches-py" / "data_batch_1", "r+b") as f:
        f.seek(1000)
        f.write(b"\0\0")
    with pytest.raises(ValueError, match="does not hold the data set, or a damaged copy"):
        loaders.cifar10(tmp_path, "train")


@pytest.fixture
def imagenet_root(tmp_path):
    """Two classes of ImageNet-1k's folders, with pictures; the folders of the others are empty."""
    random = np.random.default_rng(0)
    for part, count in (("train", 3), ("val", 2)):
        for wnid in imagenet.CLASSES:
            (tmp_path / part / wnid).mkdir(parents=True)
        for wnid in ("n01440764", "n01443537"):
            for n in range(count + (part == "train" and wnid == "n01443537")):
                pixels = random.integers(0, 256, (5 + n, 7, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / wnid / f"{wnid}_{n}.JPEG")
    return tmp_path


def test_the_classes_of_imagenet_are_torchvisions_and_no_two_are_alike():
    from torchvision.models import _meta

    ours = [name.replace("_", " ") for name in imagenet.CLASSES.values()]
    differ = {theirs: own for own, theirs in zip(ours, _meta._IMAGENET_CATEGORIES, strict=True) if own != theirs}
    assert differ == {"Cardigan": "Cardigan Welsh corgi"}
    assert len({name.lower() for name in ours}) == 1_000
    assert list(imagenet.CLASSES) == sorted(imagenet.CLASSES)
    known = {wnid: imagenet.CLASSES[wnid] for wnid in catalog.IMAGENETTE}
    assert sum(known[wnid] == name for wnid, name in catalog.IMAGENETTE.items()) >= 8


def test_a_shard_of_imagenet_lists_its_own_class_alone(imagenet_root, monkeypatch):
    listed, pictures = [], folders.pictures
    monkeypatch.setattr(folders, "pictures", lambda folder: listed.append(folder.name) or pictures(folder))
    train = loaders.LOADERS["imagenet"](imagenet_root, "train")
    rows = splits.training_rows(train, "goldfish", 1, 4, seed=0, validation=0)
    taken = splits.take(train, rows, 8)
    assert listed == ["n01443537"]
    assert (taken["labels"] == catalog.label("imagenet", "goldfish")).all()
    # the same images under the same ids as where all classes are listed
    eager = loaders._of_folders(imagenet_root / "train", list(imagenet.CLASSES), catalog.CLASS_NAMES["imagenet"])
    usual = splits.take(eager, splits.training_rows(eager, "goldfish", 1, 4, seed=0, validation=0), 8)
    for name, array in usual.items():
        np.testing.assert_array_equal(taken[name], array)


def test_test_images_of_imagenet_are_its_val_folders(imagenet_root):
    test = loaders.read_by(loaders.LOADERS["imagenet"](imagenet_root, "test"), value_range=None, background=None)
    rows = splits.held_out_rows(test, ["goldfish", "tench"], None, seed=0)
    assert sorted(splits.take(test, rows, 8)["labels"].tolist()) == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="dataset.classes"):
        test.rows_of("unicorn")


def test_the_training_images_of_imagenet_are_counted_and_counted_again_where_one_comes_in(imagenet_root, tmp_path):
    state = tmp_path / "state.json"
    every = list(imagenet.CLASSES.values())
    first = counted.training_images("imagenet", imagenet_root, every, state)
    assert (first["tench"], first["goldfish"], sum(first.values())) == (3, 4, 7)
    shutil.copy(imagenet_root / "train/n01440764/n01440764_0.JPEG", imagenet_root / "train/n01440764/another.JPEG")
    assert counted.training_images("imagenet", imagenet_root, ["tench"], state)["tench"] == 4
    (imagenet_root / "train/n01484850").rmdir()
    with pytest.raises(ValueError, match=r"dataset\.root: must hold .*n01484850"):
        counted.training_images("imagenet", imagenet_root, every, state)
