"""A user's own images, from the folder to the training set and the test set: what changes in it, and what that runs."""

import json
import os
import re
import shutil
import subprocess

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from realgap.data import catalog, inventory, own
from realgap.store import naming, shards
from scripts import report_account
from tests import checkout

DIGITS = load_digits()
RESULTS = "results/mine"

# one worker, which makes the study once
pytestmark = pytest.mark.xdist_group("own images")


def picture(row):
    """A real digit as a picture file holds it."""
    return Image.fromarray((DIGITS.images[row] * 15).astype(np.uint8))


TRUTH = {
    np.repeat(np.asarray(picture(row))[..., None], 3, axis=-1).tobytes(): int(DIGITS.target[row])
    for row in range(len(DIGITS.images))
}


def put(folder, digit, start, stop, name="{}.png", first=0):
    """Pictures start..stop of a digit into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(np.flatnonzero(DIGITS.target == digit)[start:stop], start=first):
        picture(row).save(folder / name.format(number))


# --- what the steps make ----------------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path, run_step):
    """40 pictures of zero and one each in photographs/, and the steps on them."""
    for digit, name in enumerate(("zero", "one")):
        put(tmp_path / "photographs" / name, digit, 0, 40)
    return Study(tmp_path, run_step)


class Study:
    """The training set and the test set of a folder, as the rules make them; shards that are there stay."""

    def __init__(self, folder, run_step):
        self.folder, self.photographs, self.run_step = folder, folder / "photographs", run_step

    def extract(self, classes=("zero", "one"), per_class=4, per_shard=2, root=None, **settings):
        root = root or self.photographs
        kind = "hdf5" if root.is_file() else "image_folder"
        labels = {name: catalog.label(kind, name) for name in sorted(classes)}
        common = {"dataset": kind, "validation_images_per_class": 0, "test_share": 0.2, "seed": 0}
        split = own.Split(0, 0.2, 0, per_class)
        parts = own.Parts(inventory.take(kind, root, classes, self.folder / "state").images, split)
        listed = ["--root", root, "--out", self.folder / "inventory.csv"]
        options = {**common, "classes": list(labels), "content": parts.content()}
        self.run_step("scripts.data_inventory", *listed, "--options", json.dumps(options))
        common |= {"test_images_per_class": None, "keep_repeats": False, "near_repeat": 1, "image_size": 8}
        spans = [(start, min(start + per_shard, per_class)) for start in range(0, per_class, per_shard)]
        wanted = [("train", [name], *span) for name in labels for span in spans]
        paths = []
        for part, names, start, stop in [*wanted, ("test", list(labels), 0, per_class)]:
            images = parts.digest(part, names, start, stop)
            options = {**common, "split": part, "classes": {name: labels[name] for name in names}, **settings}
            options |= {"start": start, "stop": stop, "images": images}
            paths.append(self.folder / f"{part}-{'-'.join(names)}-{images}.h5")
            if not paths[-1].exists():
                step = ["--root", root, "--inventory", self.folder / "inventory.csv", "--out", paths[-1]]
                self.run_step("scripts.data_extract_own", *step, "--options", json.dumps(options))
        self.trained, self.tested = self.folder / "real.h5", paths.pop()
        self.run_step("scripts.classifier_assemble", "--shards", *paths, "--training-set=real", "--out", self.trained)

    def sets(self):
        """(images, names of their classes) of the training set and of the test set."""
        for path in (self.trained, self.tested):
            shard = shards.read(path, "images")
            name_of = {label: name for name, label in shard.attributes[naming.KEY].items()}
            yield [image.tobytes() for image in shard["images"]], [name_of[label] for label in shard["labels"].tolist()]

    def assert_right(self, **digits):
        """Each image is under its true class; none is twice in the training set or in both sets. Their numbers."""
        (trained, _), (tested, _) = self.sets()
        for images, names in self.sets():
            assert [TRUTH[image] for image in images] == [digits[name] for name in names]
            assert set(names) == set(digits)
        assert len(set(trained)) == len(trained)
        assert not set(trained) & set(tested)
        return [len(trained), len(tested)]


def test_a_folder_that_is_no_class_of_the_study_changes_no_label(study):
    study.extract()
    put(study.photographs / "aardvark", 7, 0, 5)
    study.extract(per_class=8)
    assert study.assert_right(zero=0, one=1)[0] == 16


def test_a_class_more_is_not_mixed_up_with_those_that_are_there(study):
    study.extract()
    put(study.photographs / "aardvark", 7, 0, 40)
    study.extract(["aardvark", "zero", "one"])
    study.assert_right(zero=0, one=1, aardvark=7)


def test_parts_with_other_folders_beside_the_classes_have_the_same_labels(study):
    shutil.rmtree(study.photographs)
    for digit, name in enumerate(("zero", "one")):
        put(study.photographs / "train" / name, digit, 0, 10)
        put(study.photographs / "test" / name, digit, 20, 30)
    put(study.photographs / "train/__MACOSX", 5, 0, 3)
    put(study.photographs / "test/@eaDir", 5, 0, 3)
    put(study.photographs / "test/aardvark", 7, 0, 3)
    study.extract()
    assert study.assert_right(zero=0, one=1) == [8, 20]


def test_photographs_may_come_and_go_while_more_are_trained_on(study):
    for stop, per_class in ((60, 4), (90, 30), (90, 50)):
        study.extract(per_class=per_class, per_shard=10)
        study.assert_right(zero=0, one=1)
        for digit, name in enumerate(("zero", "one")):
            put(study.photographs / name, digit, 40, stop, first=40)
        (study.photographs / "one/3.png").unlink(missing_ok=True)
    assert study.assert_right(zero=0, one=1)[0] == 100


def test_what_was_tested_on_is_never_trained_on_however_many_are(study):
    study.extract()
    tested = set(list(study.sets())[1][0])
    for digit, name in enumerate(("zero", "one")):
        put(study.photographs / name, digit, 40, 150, first=40)
    study.extract(per_class=100, per_shard=100)
    trained = set(next(study.sets())[0])
    assert len(trained) == 200
    assert not tested & trained


def test_pictures_replaced_under_the_same_names_are_read_again(study):
    study.extract()
    put(study.photographs / "zero", 0, 100, 140)
    before = set(next(study.sets())[0])
    study.extract()
    study.assert_right(zero=0, one=1)
    assert len(before & set(next(study.sets())[0])) == 4


def test_a_picture_that_changes_while_the_study_runs_is_named(study, monkeypatch):
    study.extract()
    first = inventory.read(study.folder / "inventory.csv")
    put(study.photographs / "zero", 0, 100, 140)
    with pytest.raises(ValueError, match=r"zero/0\.png: must be as it was when snakemake began"):
        next(inventory.pictures("image_folder", study.photographs, [i for i in first if i.name == "zero/0.png"]))


def test_pictures_that_are_also_elsewhere_are_kept_out_of_the_test_set_and_counted(study):
    shutil.rmtree(study.photographs)
    for digit, name in enumerate(("zero", "one")):
        put(study.photographs / "train" / name, digit, 0, 4)
        put(study.photographs / "test" / name, digit, 20, 30)
    test = study.photographs / "test"
    put(test / "zero", 0, 0, 2, name="trained-{}.bmp")  # the same pixels in other files
    put(test / "one", 0, 25, 26, name="other-{}.bmp")
    put(test / "one", 1, 20, 23, name="again-{}.bmp")
    found = {"seen": 2, "near": 0, "labels": 2, "class": 3, "trained_labels": 0, "trained_class": 0}
    study.extract()
    assert study.assert_right(zero=0, one=1) == [8, 19]
    assert shards.read(study.tested, "images").attributes["repeats"] == found
    study.tested.unlink()
    study.extract(keep_repeats=True)
    made = shards.read(study.tested, "images")
    assert (len(made), made.attributes["repeats"]) == (26, found)


def test_a_class_whose_every_test_image_repeats_others_is_named_and_not_left_out(study):
    shutil.rmtree(study.photographs)
    for digit, name in enumerate(("zero", "one")):
        put(study.photographs / "train" / name, digit, 0, 4)
        put(study.photographs / "test" / name, digit, 20, 30)
    shutil.rmtree(study.photographs / "test" / "zero")
    put(study.photographs / "test" / "zero", 0, 0, 2, name="trained-{}.bmp")
    said = "class 'zero' must have images to test on; all its test images repeat others, 2 with the pixels of an image"
    with pytest.raises(ValueError, match=said):
        study.extract()


def test_the_report_says_what_nearly_repeats_and_how_images_were_read(study):
    shutil.rmtree(study.photographs)
    for digit, name in enumerate(("zero", "one")):
        put(study.photographs / "train" / name, digit, 0, 4)
        put(study.photographs / "test" / name, digit, 20, 30)
        for row in np.flatnonzero(DIGITS.target == digit)[:2]:
            pixels = np.array(picture(row))
            pixels[0, 0] ^= 3
            Image.fromarray(pixels).save(study.photographs / "test" / name / f"near-{row}.png")
    study.extract(near_repeat=0.999, value_range=[0, 4095], background="white")
    said = report_account._said_of_images(study.tested)
    assert said == [
        "Test images that were left out: 4 that differ little from an image which is trained or validated on.",
        "Of the 20 test images 20 are grey, with three equal channels; the others have colours. A network sees three "
        "channels of each.",
        "In files of more than 8 bits 0 was read as black and 4095 as white.",
        "Transparent pixels were read as on white.",
    ]
    study.tested.unlink()
    study.extract(near_repeat=0.999, keep_repeats=True)
    said = report_account._said_of_images(study.tested)
    assert said[0].startswith("Test images that were kept: 4 that differ little")
    assert len(said) == 2


def test_an_hdf5_file_is_split_by_content_as_well(study):
    path = study.folder / "mine.h5"

    def write(rows):
        with h5py.File(path, "w") as file:
            file.attrs["class_names"] = ["seven", "zero", "one"]
            file["train/images"] = np.stack([np.asarray(picture(row).convert("RGB")) for row in rows])
            file["train/labels"] = np.array([{7: 0, 0: 1, 1: 2}[int(DIGITS.target[row])] for row in rows])

    of = {digit: np.flatnonzero(DIGITS.target == digit) for digit in (0, 1, 7)}
    write([*of[0][:40], *of[1][:40]])
    study.extract(root=path)
    first = set(list(study.sets())[1][0])
    write([*of[7][:9], *of[1][:60], *of[0][:60][::-1]])
    study.extract(root=path, per_class=30, per_shard=10)
    assert study.assert_right(zero=0, one=1)[0] == 60
    assert first <= set(list(study.sets())[1][0])


# --- what a change of the folder runs again ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout in which both sets were made; no step here needs the server that has torch imported."""
    folder = checkout.copy(tmp_path_factory.mktemp("own") / "checkout")
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("        warm.start()\n", "        pass\n"))
    for digit, name in enumerate(("zero", "one")):
        put(folder / "photographs" / name, digit, 0, 40)
    shutil.copytree(folder / "photographs", folder / "kept")
    configure(folder)
    run = snakemake(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture
def checked_out(finished):
    """That checkout, with the folder and the study as they were."""
    for place in ("photographs", "moved"):
        shutil.rmtree(finished / place, ignore_errors=True)
    shutil.copytree(finished / "kept", finished / "photographs")
    configure(finished)
    return finished


def configure(folder, classes=("zero", "one"), analyses=checkout.REDUCED["analyses"], **dataset):
    mine = {
        "name": "image_folder",
        "root": "photographs",
        "classes": classes if isinstance(classes, str) else list(classes),
        "image_size": 8,
    }
    mine = {**checkout.REDUCED["dataset"], **mine, **dataset}
    study = {**checkout.REDUCED, "study": "mine", "dataset": mine, "analyses": list(analyses)}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def snakemake(folder, *arguments):
    dataset = yaml.safe_load((folder / "study.yaml").read_text())["dataset"]
    # by name: Snakemake passes over what is missing while a file that is asked for is there
    real = [
        f"{RESULTS}/real/{name}/{shard}.h5"
        for name in (dataset["classes"] if isinstance(dataset["images_per_class"], int) else ())
        for shard in range(-(-dataset["images_per_class"] // dataset["images_per_shard"]))
    ]
    targets = [*real, *(f"{RESULTS}/{name}" for name in ("training_sets/real.h5", "test.h5", "inventory.csv"))]
    command = ["snakemake", "--configfile", "study.yaml", *arguments, "--", *targets]
    return subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)


def planned(folder):
    """The rules and what of them a run would run for both sets."""
    run = snakemake(folder, "-n", "--printshellcmds")
    assert run.returncode == 0, run.stdout + run.stderr
    return {tuple(log.partition("/")[::2]) for log in re.findall(r"> \S+/logs/(\S+)\.log 2>&1", run.stdout)}


@pytest.mark.long
@pytest.mark.parametrize("change", ["moved", "copied", "a trailing slash", "touched", "renamed files"])
def test_the_same_pictures_elsewhere_run_nothing_again(checked_out, change):
    photographs = checked_out / "photographs"
    match change:
        case "moved":
            photographs.rename(checked_out / "moved")
            configure(checked_out, root=str(checked_out / "moved"))
        case "copied":
            shutil.copytree(photographs, checked_out / "moved")
            configure(checked_out, root="moved")
        case "a trailing slash":
            configure(checked_out, root="photographs/")
        case "touched":
            for path in photographs.rglob("*"):
                os.utime(path)
        case "renamed files":
            for path in list(photographs.rglob("*.png")):
                path.rename(path.with_name(f"b{path.name}"))
    # where each picture lies is written down anew; of that nothing else is made
    assert planned(checked_out) == ({("take_inventory", "")} if change == "renamed files" else set())


@pytest.mark.long
def test_classes_in_another_order_run_nothing_again(checked_out):
    configure(checked_out, ["one", "zero"])
    assert not planned(checked_out)


@pytest.mark.long
def test_replaced_pictures_run_the_shards_of_their_class_and_what_is_made_of_them(checked_out):
    put(checked_out / "photographs/zero", 0, 100, 140)
    shards_of_it = {("extract_shard", "zero-0"), ("extract_shard", "zero-1")}
    others = {("take_inventory", ""), ("extract_test", ""), ("assemble", "real")}
    assert planned(checked_out) == shards_of_it | others


def test_a_class_more_runs_its_own_shards_alone(checked_out):
    put(checked_out / "photographs/aardvark", 7, 0, 40)
    configure(checked_out, ["aardvark", "zero", "one"])
    extracted = {item for rule, item in planned(checked_out) if rule == "extract_shard"}
    assert extracted == {"aardvark-0", "aardvark-1"}


@pytest.mark.long
def test_more_images_run_the_new_shards_alone(checked_out):
    configure(checked_out, images_per_class=6)
    assert {item for rule, item in planned(checked_out) if rule == "extract_shard"} == {"zero-2", "one-2"}


def test_a_picture_that_no_set_holds_runs_nothing_else_again(checked_out):
    listed = inventory.read(checked_out / RESULTS / "inventory.csv")
    parts = own.Parts(listed, own.Split(0, 0.2, 0, 4))
    (checked_out / "photographs" / parts.of("train", "zero")[10].name).unlink()
    assert planned(checked_out) == {("take_inventory", "")}


@pytest.mark.long
def test_what_is_made_stays_where_the_data_set_is_gone(checked_out):
    """As in an archive of the results; verify, report and comparison need no photographs."""
    shutil.rmtree(checked_out / "photographs")
    assert not planned(checked_out)
    run = snakemake(checked_out, "-n")
    assert f"dataset.root: photographs is not there; what is listed in {RESULTS}/inventory.csv counts" in run.stderr
    shard = checked_out / RESULTS / "real/zero/0.h5"
    kept = shard.read_bytes()
    shard.unlink()
    run = snakemake(checked_out, "--cores", "1")
    shard.write_bytes(kept)
    assert run.returncode == 1
    assert "error: " in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.long
def test_a_shared_cache_serves_ones_own_images(checked_out, tmp_path):
    """A folder among the inputs of what is before a cached step would have no checksum, and the step would fail."""
    (tmp_path / "cache").mkdir()
    made = checked_out / RESULTS / "moments/zero/0.h5"
    environment = {**checkout.environment(), "SNAKEMAKE_OUTPUT_CACHE": str(tmp_path / "cache")}
    options = ("--configfile", "study.yaml", "--cache", "encode_shard", "--", f"{RESULTS}/moments/zero/0.h5")
    for is_served in (False, True):
        run = subprocess.run(["snakemake", *options], cwd=checked_out, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        assert made.is_symlink()
        made.unlink()
        log = checked_out / RESULTS / "logs/encode_shard/zero-0.log"
        assert (log.stat().st_size == 0) == is_served


# --- classes of unequal size, and of any name -------------------------------------------------------------------------


@pytest.fixture
def unequal(checked_out):
    """Three classes of 40, 12 and 3 pictures, two with names that are no file's on each system."""
    shutil.rmtree(checked_out / "photographs")
    for digit, (name, count) in enumerate({"zero": 40, "große Eins": 12, "n02130308": 3}.items()):
        put(checked_out / "photographs" / name, digit, 0, count)
    configure(checked_out, "all", analyses=(), images_per_class="all", images_per_shard=10)
    return checked_out


def trained(folder, name):
    """Images of a class that may be trained on, by the inventory's own rule."""
    taken = inventory.take("image_folder", folder / "photographs", None, folder / "state")
    return len(own.Parts(taken.images, own.Split(0, 0.2, 0)).of("train", name))


@pytest.mark.long
def test_each_class_has_as_many_shards_as_its_images_take(unequal):
    shards_of = {"zero": -(-trained(unequal, "zero") // 10), "gro_e_Eins-bbb4337f": 1, "n02130308": 1}
    wanted = {f"{name}-{shard}" for name, count in shards_of.items() for shard in range(count)}
    assert shards_of["zero"] > 1
    for rule in ("extract_shard", "encode_shard", "invert_shard"):
        assert {item for one, item in checkout.plan(unequal) if one == rule} == wanted


def test_an_upper_bound_and_numbers_by_class_make_the_shards_of_these_alone(unequal):
    numbers = {"zero": "up to 15", "große Eins": 5}
    configure(unequal, list(numbers), (), images_per_class=numbers, images_per_shard=5)
    found = {item for rule, item in checkout.plan(unequal) if rule == "extract_shard"}
    assert found == {"zero-0", "zero-1", "zero-2", "gro_e_Eins-bbb4337f-0"}


@pytest.mark.long
def test_the_plan_counts_the_images_that_there_are(unequal):
    run = checkout.snakemake(unequal, target="plan")
    assert run.returncode == 0, run.stdout + run.stderr
    cells = {line.split()[0]: line.split() for line in run.stdout.splitlines() if line.strip()}
    n = sum(trained(unequal, name) for name in ("zero", "große Eins", "n02130308"))
    assert cells["extract_shard"][3] == cells["invert_shard"][3] == str(n)
    assert cells["extract_test"][3] == str(55 - n)
    assert cells["take_inventory"][3] == "55"


def commands(folder):
    """log -> the command of each job that would be run."""
    run = checkout.snakemake(folder, "-n", "--printshellcmds")
    assert run.returncode == 0, run.stdout + run.stderr
    return {log: command for command, log in re.findall(r"(python -m .*) > \S+/logs/(\S+)\.log 2>&1", run.stdout)}


@pytest.mark.long
def test_words_for_a_class_are_said_by_its_prompts_alone(unequal):
    before = commands(unequal)
    study = yaml.safe_load((unequal / "study.yaml").read_text())
    (unequal / "study.yaml").write_text(yaml.safe_dump({**study, "prompts": {"words": {"n02130308": "cheetah"}}}))
    changed = {log for log, command in commands(unequal).items() if command != before[log]}
    assert changed - {"report", "account"} == {"invert_shard/n02130308-0", "sample_shard/stable_diffusion-n02130308-0"}


# --- what is refused beforehand ---------------------------------------------------------------------------------------


def refused(folder):
    run = snakemake(folder, "-n")
    assert run.returncode == 1, run.stdout
    said = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("config: ")]
    assert len(said) == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    return said[0]


def test_a_class_whose_every_image_would_train_is_refused_before_any_job(checked_out):
    configure(checked_out, images_per_class=40)
    said = refused(checked_out)
    assert said.startswith("config: dataset.images_per_class: class 'zero' has 3")
    assert "class 'one' has 3" in said


def test_a_misspelt_class_is_refused_with_the_names_that_it_may_mean(checked_out):
    configure(checked_out, ["zerro", "One"])
    assert refused(checked_out) == (
        "config: dataset.classes: photographs must hold a folder for each; none for 'zerro' (zero?), 'One' (one?)"
    )


def test_a_class_without_a_test_folder_is_refused_before_any_job(checked_out):
    shutil.rmtree(checked_out / "photographs")
    for name in ("zero", "one"):
        put(checked_out / "photographs/train" / name, 0, 0, 10)
    put(checked_out / "photographs/test/zero", 0, 20, 30)
    assert refused(checked_out) == (
        "config: dataset.classes: photographs/test must hold a folder for each; none for 'one'"
    )


def test_a_class_with_nothing_to_test_on_is_refused_before_any_job(checked_out):
    shutil.rmtree(checked_out / "photographs")
    for digit, name in enumerate(("zero", "one")):
        put(checked_out / "photographs/train" / name, digit, 0, 10)
        put(checked_out / "photographs/test" / name, digit, 20, 30)
    for path in (checked_out / "photographs/test/one").iterdir():
        path.rename(path.with_suffix(".xcf"))
    said = refused(checked_out)
    assert said.startswith("config: dataset.test_share: class 'one' must have images to test on, got none")


def test_digits_that_would_all_train_are_refused_before_any_job(checked_out):
    configure(checked_out, name="digits", root=None, images_per_class=178)
    assert refused(checked_out) == (
        "config: dataset.images_per_class: must be at most 177 with validation_images_per_class, for zero has 178 "
        "images, which leaves one to test on; got 178"
    )


def test_a_class_too_small_for_an_analysis_is_refused_before_any_job(unequal):
    configure(unequal, "all", ["errors"], images_per_class="all")
    assert re.fullmatch(
        r"config: errors\.distance_bins: must be at most the test images of each class, or leave errors out of "
        r"analyses; got 4, and fewer of 'große Eins' \(\d\), 'n02130308' \(1\)",
        refused(unequal),
    )


@pytest.mark.long
def test_what_is_not_read_is_said_once(checked_out):
    (checked_out / "photographs/zero/notes.txt").write_text("x")
    run = snakemake(checked_out, "-n")
    said = "dataset.root: not read in photographs: 1 .txt (such as photographs/zero/notes.txt)"
    assert (run.stdout + run.stderr).count(said) == 1
