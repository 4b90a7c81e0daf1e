"""A user's own images, from the folder to the training set and the test set: what changes in it, and what that runs."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from realgap.store import naming, shards
from tests import checkout

DIGITS = load_digits()
RESULTS = "results/mine"
TRAINED, TESTED = f"{RESULTS}/training_sets/real.h5", f"{RESULTS}/test.h5"


def picture(row):
    """A real digit as a picture file holds it."""
    return Image.fromarray((DIGITS.images[row] * 15).astype(np.uint8))


def put(folder, digit, start, stop, name="{}.png", first=0):
    """Pictures start..stop of a digit into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(np.flatnonzero(DIGITS.target == digit)[start:stop], start=first):
        picture(row).save(folder / name.format(number))


@pytest.fixture(scope="module")
def checked_out(tmp_path_factory):
    """Without the server that has torch imported: no step here needs it."""
    folder = checkout.copy(tmp_path_factory.mktemp("own") / "checkout")
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("        warm.start()\n", "        pass\n"))
    return folder


@pytest.fixture
def study(checked_out):
    """A checkout with 40 pictures of zero and one each in photographs/, and nothing made."""
    for place in ("photographs", "moved", RESULTS, ".snakemake"):
        shutil.rmtree(checked_out / place, ignore_errors=True)
    for digit, name in enumerate(("zero", "one")):
        put(checked_out / "photographs" / name, digit, 0, 40)
    configure(checked_out)
    return checked_out


def configure(folder, classes=("zero", "one"), **dataset):
    own = {"name": "image_folder", "root": "photographs", "classes": list(classes), "image_size": 8}
    own = {**checkout.REDUCED["dataset"], **own, **dataset}
    (folder / "study.yaml").write_text(yaml.safe_dump({**checkout.REDUCED, "study": "mine", "dataset": own}))


def extract(folder):
    """Run Snakemake to both sets; the lines of its output."""
    dataset = yaml.safe_load((folder / "study.yaml").read_text())["dataset"]
    count = -(-dataset["images_per_class"] // dataset["images_per_shard"])
    # by name: Snakemake passes over what is missing while a file that is asked for is there
    real = [f"{RESULTS}/real/{name}/{shard}.h5" for name in dataset["classes"] for shard in range(count)]
    command = ["snakemake", "--configfile", "study.yaml", "--cores", "2", "--", *real, TRAINED, TESTED]
    run = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def sets(folder):
    """(images, names of their classes) of the training set and of the test set."""
    for path in (TRAINED, TESTED):
        shard = shards.read(folder / path, "images")
        name_of = {label: name for name, label in shard.attributes[naming.KEY].items()}
        yield shard["images"], [name_of[label] for label in shard["labels"].tolist()]


def assert_right(folder, digits):
    """Each image is under its true class; none is twice in the training set or in both sets. Returns their numbers."""
    truth = {
        np.repeat(np.asarray(picture(row))[..., None], 3, axis=-1).tobytes(): int(DIGITS.target[row])
        for row in range(len(DIGITS.images))
    }
    seen = []
    for images, names in sets(folder):
        assert [truth[image.tobytes()] for image in images] == [digits[name] for name in names]
        assert set(names) == set(digits)
        seen.append([image.tobytes() for image in images])
    assert len(set(seen[0])) == len(seen[0])
    assert not set(seen[0]) & set(seen[1])
    return [len(one) for one in seen]


def planned(folder):
    """The rules and what of them a dry run would run for both sets."""
    return set(checkout.plan(folder, target=TRAINED)) | set(checkout.plan(folder, target=TESTED))


# --- labels -----------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_class_of_the_study_changes_no_label(study):
    extract(study)
    put(study / "photographs/aardvark", 7, 0, 5)
    configure(study, images_per_class=8)
    extract(study)
    assert assert_right(study, {"zero": 0, "one": 1})[0] == 16


def test_a_class_more_is_not_mixed_up_with_those_that_are_there(study):
    extract(study)
    put(study / "photographs/aardvark", 7, 0, 40)
    configure(study, ["aardvark", "zero", "one"])
    made = {item for rule, item in planned(study) if rule == "extract_shard"}
    assert made == {"aardvark-0", "aardvark-1"}
    extract(study)
    assert_right(study, {"zero": 0, "one": 1, "aardvark": 7})


def test_parts_with_other_folders_beside_the_classes_have_the_same_labels(study):
    shutil.rmtree(study / "photographs")
    for digit, name in enumerate(("zero", "one")):
        put(study / "photographs/train" / name, digit, 0, 10)
        put(study / "photographs/test" / name, digit, 20, 30)
    put(study / "photographs/train/__MACOSX", 5, 0, 3)
    put(study / "photographs/test/@eaDir", 5, 0, 3)
    put(study / "photographs/test/aardvark", 7, 0, 3)
    extract(study)
    assert assert_right(study, {"zero": 0, "one": 1}) == [8, 20]


# --- the split --------------------------------------------------------------------------------------------------------


def test_photographs_may_come_and_go_while_more_are_trained_on(study):
    for stop, per_class in ((60, 8), (90, 30), (90, 50)):
        extract(study)
        for digit, name in enumerate(("zero", "one")):
            put(study / "photographs" / name, digit, 40, stop, first=40)
        (study / "photographs/one/3.png").unlink(missing_ok=True)
        configure(study, images_per_class=per_class, images_per_shard=10)
    extract(study)
    assert assert_right(study, {"zero": 0, "one": 1})[0] == 100


def test_what_is_tested_on_is_never_trained_on_however_many_are(study):
    extract(study)
    tested = {image.tobytes() for image in list(sets(study))[1][0]}
    for digit, name in enumerate(("zero", "one")):
        put(study / "photographs" / name, digit, 40, 150, first=40)
    configure(study, images_per_class=100, images_per_shard=100)
    extract(study)
    trained = {image.tobytes() for image in next(sets(study))[0]}
    assert not tested & trained


def test_pictures_replaced_under_the_same_names_are_read_again_and_only_they(study):
    extract(study)
    put(study / "photographs/zero", 0, 100, 140)
    assert {item for rule, item in planned(study) if rule == "extract_shard"} == {"zero-0", "zero-1"}
    extract(study)
    assert not planned(study)
    assert_right(study, {"zero": 0, "one": 1})


def test_a_picture_that_no_shard_holds_runs_no_shard_again(study):
    extract(study)
    inventory = (study / RESULTS / "inventory.csv").read_text().splitlines()
    in_shards = set(shards.read(study / TRAINED, "images")["image_ids"].tolist())
    spare = [row.split(",") for row in inventory if row.endswith(",train")]
    spare = [row[0] for row in spare if int(row[4][:16], 16) >> 1 not in in_shards]
    (study / "photographs" / spare[0]).unlink()
    assert {rule for rule, _ in planned(study)} <= {"take_inventory"}


@pytest.mark.parametrize("change", ["moved", "copied", "a trailing slash", "touched", "renamed files", "absolute"])
def test_the_same_pictures_elsewhere_run_nothing_again(study, change):
    extract(study)
    photographs = study / "photographs"
    match change:
        case "moved":
            photographs.rename(study / "moved")
            configure(study, root="moved")
        case "copied":
            shutil.copytree(photographs, study / "moved")
            configure(study, root="moved")
        case "a trailing slash":
            configure(study, root="photographs/")
        case "absolute":
            configure(study, root=str(photographs))
        case "touched":
            for path in photographs.rglob("*"):
                os.utime(path)
        case "renamed files":
            for path in list(photographs.rglob("*.png")):
                path.rename(path.with_name(f"b{path.name}"))
    # where each picture lies is written down anew; of that nothing else is made
    assert {rule for rule, _ in planned(study)} <= ({"take_inventory"} if change == "renamed files" else set())
    if change == "renamed files":
        extract(study)
        assert not planned(study)


def test_a_second_run_reads_no_picture(study):
    extract(study)
    os.utime(study / "photographs/zero/0.png", (1, 1))
    for path in list((study / "photographs").rglob("*.png"))[1:]:
        path.chmod(0o000)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads whatever there is")
    assert not planned(study)


# --- refused beforehand -----------------------------------------------------------------------------------------------


def refused(folder, *arguments):
    run = checkout.snakemake(folder, "-n", *arguments)
    assert run.returncode == 1, run.stdout
    said = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("config: ")]
    assert len(said) == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert not (folder / RESULTS).exists()
    return said[0]


def test_a_class_whose_every_image_would_train_is_refused_before_any_job(study):
    configure(study, images_per_class=40)
    assert refused(study).startswith("config: dataset.images_per_class: class 'zero' has 3")


def test_a_class_without_a_test_folder_is_refused_before_any_job(study):
    shutil.rmtree(study / "photographs")
    for name in ("zero", "one"):
        put(study / "photographs/train" / name, 0, 0, 10)
    put(study / "photographs/test/zero", 0, 20, 30)
    assert refused(study) == "config: dataset.classes: photographs/test must hold the folder one; it does not"


def test_a_class_with_an_empty_test_folder_is_refused_before_any_job(study):
    shutil.rmtree(study / "photographs")
    for digit, name in enumerate(("zero", "one")):
        put(study / "photographs/train" / name, digit, 0, 10)
        put(study / "photographs/test" / name, digit, 20, 30)
    for path in (study / "photographs/test/one").iterdir():
        path.rename(path.with_suffix(".xcf"))
    assert refused(study).startswith("config: dataset.test_share: class 'one' must have images to test on, got none")


def test_digits_that_would_all_train_are_refused_before_any_job(study):
    configure(study, name="digits", root=None, images_per_class=178)
    assert refused(study) == (
        "config: dataset.images_per_class: must be at most 177 with validation_images_per_class, for zero has 178 "
        "images, which leaves one to test on; got 178"
    )


# --- repeats ----------------------------------------------------------------------------------------------------------


def test_pictures_that_are_also_elsewhere_are_kept_out_of_the_test_set_and_counted(study):
    shutil.rmtree(study / "photographs")
    for digit, name in enumerate(("zero", "one")):
        put(study / "photographs/train" / name, digit, 0, 4)
        put(study / "photographs/test" / name, digit, 20, 30)
    test = study / "photographs/test"
    put(test / "zero", 0, 0, 2, name="trained-{}.bmp")  # the same pixels in other files
    put(test / "one", 0, 25, 26, name="other-{}.bmp")
    put(test / "one", 1, 20, 23, name="again-{}.bmp")
    extract(study)
    assert assert_right(study, {"zero": 0, "one": 1}) == [8, 19]
    made = shards.read(study / TESTED, "images").attributes
    assert made["repeats"] == {"seen": 2, "labels": 2, "class": 3}
    configure(study, keep_repeats=True)
    extract(study)
    made = shards.read(study / TESTED, "images")
    assert (len(made), made.attributes["repeats"]) == (26, {"seen": 2, "labels": 2, "class": 3})


def test_what_is_not_read_is_said_once(study):
    (study / "photographs/zero/notes.txt").write_text("x")
    said = extract(study)
    assert said.count("dataset.root: not read in photographs: 1 .txt (such as photographs/zero/notes.txt)") == 1


def test_an_hdf5_file_is_split_by_content_as_well(study):
    import h5py

    def write(rows):
        with h5py.File(study / "photographs/mine.h5", "w") as file:
            file.attrs["class_names"] = ["seven", "zero", "one"]
            file["train/images"] = np.stack([np.asarray(picture(row).convert("RGB")) for row in rows])
            file["train/labels"] = np.array([{7: 0, 0: 1, 1: 2}[int(DIGITS.target[row])] for row in rows])

    of = {digit: np.flatnonzero(DIGITS.target == digit) for digit in (0, 1, 7)}
    configure(study, name="hdf5", root="photographs/mine.h5")
    write([*of[0][:40], *of[1][:40]])
    extract(study)
    first = {image.tobytes() for image in list(sets(study))[1][0]}
    write([*of[7][:9], *of[1][:60], *of[0][:60][::-1]])
    configure(study, name="hdf5", root="photographs/mine.h5", images_per_class=30, images_per_shard=10)
    extract(study)
    assert assert_right(study, {"zero": 0, "one": 1})[0] == 60
    assert first <= {image.tobytes() for image in list(sets(study))[1][0]}
