"""realgap.data.readers: data sets as others write them give the pictures, classes and parts that their writers say."""

import io
import tarfile
import zipfile

import datasets
import h5py
import numpy as np
import pytest
import webdataset

from realgap.data import catalog, inventory
from realgap.data.readers.registry import PICTURES, TAKE
from tests.data_sets import (
    DIGITS,
    NAMES,
    ROWS,
    TRUTH,
    WRITERS,
    encoded,
    folder,
    hdf5,
    hugging_face,
    listing,
    picture,
    tars,
)


def read(kind, root, tmp_path, classes=None, **how):
    """name of a class -> pixels of each of its pictures, and the parts that the data set gives."""
    taken = inventory.take(kind, root, classes, tmp_path / "state")
    pixels = [None] * len(taken.images)
    for place, image in inventory.pictures(kind, root, taken.images, how):
        assert pixels[place] is None
        pixels[place] = image.tobytes()
    return taken, dict(zip(taken.images, pixels, strict=True))


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_reader_gives_each_picture_its_class_and_its_part(tmp_path, write):
    kind, root = write(tmp_path)
    taken, pixels = read(kind, root, tmp_path)
    assert set(taken.classes) == set(NAMES)
    assert len(set(taken.images)) == 120
    assert {image: TRUTH[of] for image, of in pixels.items()} == {image: image.class_name for image in taken.images}
    for part, rows in ROWS.items():
        own = {pixels[image] for image in taken.images if image.given == part}
        assert own == {np.asarray(picture(row)).tobytes() for row in rows}


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_classes_are_chosen_by_name_and_a_misspelt_one_is_told_its_neighbour(tmp_path, write):
    kind, root = write(tmp_path)
    taken = inventory.take(kind, root, ["two", "zero"], tmp_path / "state")
    assert {image.class_name for image in taken.images} == {"two", "zero"}
    with pytest.raises(ValueError, match=r"^dataset\.classes: .* none for 'towo' \(two\?\)$"):
        inventory.take(kind, root, ["towo", "zero"], tmp_path / "state")


@pytest.mark.parametrize("write", [listing, hugging_face, tars, hdf5], ids=lambda write: write.__name__)
def test_pictures_come_whatever_the_order_in_which_they_are_asked_for(tmp_path, write):
    kind, root = write(tmp_path)
    images = inventory.take(kind, root, None, tmp_path / "state").images
    chosen = [images[place] for place in np.random.default_rng(0).permutation(len(images))[:40]]
    found = dict(inventory.pictures(kind, root, chosen))
    assert sorted(found) == list(range(40))
    for place, image in found.items():
        assert TRUTH[image.tobytes()] == chosen[place].class_name
        alone = dict(inventory.pictures(kind, root, [chosen[place]]))
        np.testing.assert_array_equal(alone[0], image)


def test_what_datasets_and_webdataset_read_is_what_is_read_here(tmp_path):
    kind, root = hugging_face(tmp_path / "hub")
    own = datasets.load_dataset(
        "parquet", data_files={"train": str(root / "data/train-*.parquet")}, cache_dir=tmp_path / "c"
    )
    theirs = {(np.asarray(row["image"]).tobytes(), NAMES[row["label"]]) for row in own["train"]}
    taken, pixels = read(kind, root, tmp_path)
    assert {(pixels[image], image.class_name) for image in taken.images if image.given == "train"} == theirs
    (tmp_path / "tar").mkdir()
    kind, root = tars(tmp_path / "tar")
    urls = [str(path) for path in sorted(root.glob("train-*.tar"))]
    samples = webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple("png", "cls")
    theirs = {(image.tobytes(), NAMES[label]) for image, label in samples}
    taken, pixels = read(kind, root, tmp_path)
    assert {(pixels[image], image.class_name) for image in taken.images if image.given == "train"} == theirs


# --- a CSV file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,label\na.png,cat\n", "must be a CSV file with the columns file and label; got name, label"),
        ("", "must be a CSV file with the columns file and label; got nothing"),
        ("file,label\na.png,cat\nb.png,cat\n", "not there: b.png"),
        ("file,label\na.png,\n", r"line 2: must have a file, a label"),
        ("file,label\n../a.png,cat\n", r"line 2: must name a file at or below"),
        ("file,label,split\na.png,cat,holdout\n", r"line 2: split must be one of train, .*; got 'holdout'"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_one_line(tmp_path, text, said):
    picture(0).save(tmp_path / "a.png")
    (tmp_path / "all.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"^dataset\.root: .*{said}"):
        inventory.take("csv", tmp_path / "all.csv", None, tmp_path / "state")


def test_labels_of_a_csv_file_may_hold_anything(tmp_path):
    picture(0).save(tmp_path / "a b.png")
    (tmp_path / "all.csv").write_text('\ufefffile,label\na b.png,"große, ""rote"" Katze/猫"\n', encoding="utf-8")
    taken = inventory.take("csv", tmp_path / "all.csv", None, tmp_path / "state")
    assert taken.classes == ('große, "rote" Katze/猫',)


# --- parts as they are ------------------------------------------------------------------------------------------------


def test_train_val_and_test_are_taken_as_they_are(tmp_path):
    _, root = folder(tmp_path / "set")
    (root / "train/zero").rename(tmp_path / "zero")
    for part, names in {"val": NAMES, "train": ("zero",)}.items():
        for name in names:
            (root / part / name).mkdir(parents=True)
    for number, path in enumerate(sorted((tmp_path / "zero").iterdir())):
        path.rename(root / ("val" if number < 5 else "train") / "zero" / path.name)
    taken = inventory.take("image_folder", root, None, tmp_path / "state")
    assert {image.given for image in taken.images} == {"train", "validation", "test"}
    assert sum(image.given == "validation" for image in taken.images) == 5


def test_a_validation_part_without_a_test_part_is_tested_on(tmp_path):
    _, root = folder(tmp_path / "set")
    (root / "test").rename(root / "valid")
    taken = inventory.take("image_folder", root, None, tmp_path / "state")
    assert {image.given for image in taken.images} == {"train", "test"}


# --- parquet and tar --------------------------------------------------------------------------------------------------


def test_rows_without_a_label_are_passed_over_and_counted(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))})
    content = {"image": [picture(row) for row in range(4)], "label": [0, -1, 2, -1]}
    datasets.Dataset.from_dict(content, features=features).to_parquet(tmp_path / "all.parquet")
    taken = inventory.take("parquet", tmp_path / "all.parquet", None, tmp_path / "state")
    assert len(taken.images) == 2
    assert "2 row without one label" in str(taken.unread)


def test_two_columns_of_labels_are_refused_by_name(tmp_path):
    names = datasets.ClassLabel(names=list(NAMES))
    features = datasets.Features({"img": datasets.Image(), "fine_label": names, "coarse_label": names})
    content = {"img": [picture(0)], "fine_label": [0], "coarse_label": [1]}
    datasets.Dataset.from_dict(content, features=features).to_parquet(tmp_path / "all.parquet")
    with pytest.raises(ValueError, match=r"must have one column of labels; got fine_label, coarse_label"):
        inventory.take("parquet", tmp_path, None, tmp_path / "state")


@pytest.mark.parametrize("suffix", [".parquet", ".tar", ".npz"])
def test_a_damaged_file_and_a_folder_without_one_are_one_line(tmp_path, suffix):
    kind = {".parquet": "parquet", ".tar": "webdataset", ".npz": "pathmnist"}[suffix]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=rf"^dataset\.root: must hold files called \*\{suffix}; got "):
        inventory.take(kind, tmp_path / "empty", None, tmp_path / "state")
    (tmp_path / f"a{suffix}").write_bytes(b"PK\3\4" + bytes(range(256)) * 4)
    with pytest.raises(ValueError, match=rf"^dataset\.root: .*a\{suffix} must be "):
        inventory.take(kind, tmp_path / f"a{suffix}", None, tmp_path / "state")


def test_pictures_that_cannot_be_read_are_named_together_and_the_others_are_read(tmp_path):
    kind, root = folder(tmp_path)
    broken = sorted(root.rglob("*.png"))[:5]
    for path in broken:
        path.write_bytes(path.read_bytes()[:60])
    taken, places = inventory.take(kind, root, None, tmp_path / "state"), []
    read_so_far = (places.append(place) for place, _ in inventory.pictures(kind, root, taken.images))
    with pytest.raises(ValueError, match="; and 2 more files$") as told:
        list(read_so_far)
    assert str(told.value).count("must be a picture that Pillow can read") == 3
    named = [path for path in broken if str(path) in str(told.value)]
    assert len(named) == 3
    assert len(places) == len(taken.images) - len(broken)


def test_a_sample_says_its_label_by_json_or_by_text(tmp_path):
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as file:
        file.write({"__key__": "deep/1", "jpg": encoded(0, "JPEG"), "json": {"label": "cat", "id": 3}})
        file.write({"__key__": "deep/2", "jpg": encoded(1, "JPEG"), "txt": "dog"})
    taken = inventory.take("webdataset", tmp_path, None, tmp_path / "state")
    assert [image.class_name for image in taken.images] == ["cat", "dog"]
    assert len(dict(inventory.pictures("webdataset", tmp_path, taken.images))) == 2


def test_a_sample_without_label_or_picture_is_named(tmp_path):
    for name, ends, said in (
        ("a", ["png"], "sample 7 must have a label"),
        ("b", ["cls"], "sample 7 must have one pic"),
    ):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as file:
            for end in ends:
                content = encoded(0) if end == "png" else b"1"
                member = tarfile.TarInfo(f"7.{end}")
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
        with pytest.raises(ValueError, match=said):
            inventory.take("webdataset", tmp_path / f"{name}.tar", None, tmp_path / "state")


def test_a_row_that_changed_after_it_was_listed_is_named(tmp_path):
    kind, root = tars(tmp_path)
    images = inventory.take(kind, root, None, tmp_path / "state").images
    with webdataset.TarWriter(str(root / "train-0000.tar")) as file:
        for row in ROWS["train"][:45]:
            file.write({"__key__": f"{row:06d}", "png": encoded(ROWS["test"][0]), "cls": 0})
    with pytest.raises(ValueError, match=r"must be as it was when snakemake began, train-0000\.tar/000"):
        list(inventory.pictures(kind, root, images))


# --- MedMNIST ---------------------------------------------------------------------------------------------------------


def medmnist(tmp_path, name, size=28, save=np.savez_compressed):
    """A file as MedMNIST publishes it: three parts, grey (n, s, s) or colours (n, s, s, 3), labels uint8 (n, 1)."""
    stream, classes = np.random.default_rng(0), len(catalog.MEDMNIST[name])
    shape = (size, size) if name not in ("pathmnist", "dermamnist", "retinamnist", "bloodmnist") else (size, size, 3)
    content = {}
    for part, n in (("train", 40), ("val", 12), ("test", 15)):
        content[f"{part}_images"] = stream.integers(0, 256, (n, *shape), np.uint8)
        if name == "chestmnist":
            content[f"{part}_labels"] = (stream.random((n, classes)) < 0.06).astype(np.uint8)
        else:
            content[f"{part}_labels"] = stream.integers(0, classes, (n, 1)).astype(np.uint8)
    save(tmp_path / f"{name}.npz", **content)
    return content


@pytest.mark.parametrize("name", catalog.MEDMNIST)
def test_each_of_medmnists_sets_is_read_by_its_name(tmp_path, name):
    content = medmnist(tmp_path, name)
    taken, pixels = read(name, tmp_path / f"{name}.npz", tmp_path)
    wanted = []
    for part, given in (("train", "train"), ("val", "validation"), ("test", "test")):
        for image, label in zip(content[f"{part}_images"], content[f"{part}_labels"], strict=True):
            if name == "chestmnist":
                found = np.flatnonzero(label)
                if len(found) > 1:
                    continue
                said = catalog.MEDMNIST[name][found[0]] if len(found) else "no finding"
            else:
                said = catalog.MEDMNIST[name][label[0]]
            colours = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
            wanted.append((said, given, colours.tobytes()))
    assert [(image.class_name, image.given, pixels[image]) for image in taken.images] == wanted
    if name == "chestmnist":
        assert len(wanted) < 67
        assert "without one label" in str(taken.unread)


def test_stored_arrays_of_other_sizes_are_read_as_well(tmp_path):
    medmnist(tmp_path, "bloodmnist", 64, np.savez)
    taken, pixels = read("bloodmnist", tmp_path / "bloodmnist.npz", tmp_path)
    assert {len(one) for one in pixels.values()} == {64 * 64 * 3}


def test_the_file_of_another_set_is_told_apart_by_its_labels(tmp_path):
    medmnist(tmp_path, "organamnist")
    with pytest.raises(
        ValueError, match=r"train_labels must be integers \(n, 1\) from 0 to 1; .*another data set of Med"
    ):
        inventory.take("breastmnist", tmp_path / "organamnist.npz", None, tmp_path / "state")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((2, 1 << 20, 1 << 20), r"must have rows of at most 1024 MiB, has shape \(2, 1048576, 1048576\)"),
        ((2, -1, 28), r"must have rows of at most 1024 MiB, has shape \(2, -1, 28\)"),
        ((2, 28, 28), r"must be a \.npz file of MedMNIST with train_images; row 1 is not all there"),
    ],
)
def test_an_array_that_says_more_than_it_holds_is_refused_before_it_is_read(tmp_path, shape, said):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    labels = io.BytesIO()
    np.save(labels, np.zeros((2, 1), np.uint8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("train_labels.npy", labels.getvalue())
        archive.writestr("train_images.npy", header.getvalue() + bytes(1000))
    with pytest.raises(ValueError, match=rf"^dataset\.root: .*a\.npz:? (train_images )?{said}"):
        inventory.take("breastmnist", tmp_path / "a.npz", None, tmp_path / "state")


# --- HDF5 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"labels": lambda rows: DIGITS.target[rows][:, None]}, {}),
        ({"labels": lambda rows: np.array([NAMES[DIGITS.target[row]] for row in rows], dtype="S8")}, {}),
        ({"labels": lambda rows: [NAMES[DIGITS.target[row]] for row in rows]}, {}),
        ({"compression": "lzf"}, {}),
        ({"of": lambda row: np.asarray(picture(row))[..., 0]}, {}),
        ({"of": lambda row: np.asarray(picture(row))[..., :1]}, {}),
        ({"of": lambda row: np.asarray(picture(row)).astype(np.uint16) * 257}, {"value_range": [0, 65535]}),
        ({"of": lambda row: np.asarray(picture(row)).astype(np.float32) / 255}, {"value_range": [0, 1]}),
    ],
    ids=["(n, 1)", "bytes", "texts", "lzf", "grey", "one channel", "uint16", "float"],
)
def test_hdf5_files_of_many_forms_are_read(tmp_path, settings, how):
    kind, root = hdf5(tmp_path, **settings)
    _, pixels = read(kind, root, tmp_path, **how)
    assert {image: TRUTH[of] for image, of in pixels.items()} == {image: image.class_name for image in pixels}


def test_numbers_are_the_names_where_a_file_has_none(tmp_path):
    _, root = hdf5(tmp_path)
    with h5py.File(root, "a") as file:
        del file.attrs["class_names"]
    assert inventory.take("hdf5", root, None, tmp_path / "state").classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"of": lambda row: np.asarray(picture(row)).transpose(2, 0, 1)}, r"got uint8 \(90, 3, 8, 8\), channels first"),
        (
            {"of": lambda row: np.zeros((8, 8, 5), np.uint8)},
            r"train/images must be uint8, .*, got uint8 \(90, 8, 8, 5\)",
        ),
        ({"of": lambda row: np.zeros((8, 8, 3), np.int32)}, r"must be uint8, uint16 or floats, .* got int32"),
        (
            {"labels": lambda rows: DIGITS.target[rows].astype(float)},
            "train/labels must be integers or texts, got float64",
        ),
        ({"labels": lambda rows: DIGITS.target[rows] + 1}, "train/labels must be integers from 0 to 2, got 1 to 3"),
        (
            {"labels": lambda rows: np.eye(3)[DIGITS.target[rows]]},
            r"must be one a row, \(90,\) or \(90, 1\), got \(90, 3\)",
        ),
        ({"labels": lambda rows: ["cat"] * len(rows)}, "train/labels must be among class_names, got cat"),
    ],
)
def test_what_is_wrong_with_an_hdf5_file_is_said_exactly(tmp_path, settings, said):
    kind, root = hdf5(tmp_path, **settings)
    with pytest.raises(ValueError, match=said):
        inventory.take(kind, root, None, tmp_path / "state")


def test_floats_without_a_range_are_told_which_key_to_set(tmp_path):
    kind, root = hdf5(tmp_path, of=lambda row: np.asarray(picture(row)).astype(np.float32) / 255)
    images = inventory.take(kind, root, None, tmp_path / "state").images
    with pytest.raises(ValueError, match=r"images, row \d+: values of 32 .* black and white, such as \[0, 1\]$"):
        list(inventory.pictures(kind, root, images))


def test_every_reader_is_a_name_of_the_configs_and_says_what_its_root_is():
    from realgap.study import config

    names = set(config.schema()["properties"]["dataset"]["properties"]["name"]["enum"])
    assert set(TAKE) == set(PICTURES) == set(catalog.OWN)
    assert names == set(catalog.OWN) | set(catalog.CLASS_NAMES)
