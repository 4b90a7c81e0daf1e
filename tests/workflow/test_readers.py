"""Data sets of every kind through the workflow: from where they lie to the training set and the test set of a study."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import yaml

from realgap.store import naming, shards
from tests import checkout, data_sets

FIRST, *OTHERS = [*data_sets.WRITERS, data_sets.medmnist]
# all tests of a kind in one worker, which makes its study once
EVERY = [pytest.param(FIRST, marks=pytest.mark.xdist_group(f"set of {FIRST.__name__}"))]
EVERY += [
    pytest.param(write, marks=[pytest.mark.long, pytest.mark.xdist_group(f"set of {write.__name__}")])
    for write in OTHERS
]


@pytest.fixture(scope="module")
def checked_out(tmp_path_factory):
    folder = checkout.copy(tmp_path_factory.mktemp("readers") / "checkout")
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("        warm.start()\n", "        pass\n"))
    return folder


@pytest.fixture(scope="module", params=EVERY, ids=lambda write: write.__name__)
def made(request, checked_out, tmp_path_factory):
    """A study of a data set of each kind, with its training set and its test set."""
    study = Study(checked_out, request.param, tmp_path_factory.mktemp("set"))
    run = study.snakemake()
    assert run.returncode == 0, run.stdout + run.stderr
    return study


class Study:
    """A study of a data set that lies in a folder of its own, and copies of it elsewhere."""

    def __init__(self, checked_out, write, place, **settings):
        self.checked_out, self.write, self.settings, self.place = checked_out, write, settings, place
        (place / "set").mkdir()
        self.kind, self.root = write(place / "set")
        self.name = f"of_{self.kind}"
        self.targets = ["training_sets/real.h5", "test.h5", "inventory.csv"]

    def snakemake(self, *arguments, root=None):
        dataset = {"name": self.kind, "root": str(root or self.root), "classes": "all", "image_size": 8}
        dataset |= {"images_per_class": "up to 25", "images_per_shard": 15}
        study = {"study": self.name, "dataset": dataset, "analyses": [], **self.settings}
        (self.checked_out / "study.yaml").write_text(yaml.safe_dump(study))
        targets = [f"results/{self.name}/{target}" for target in self.targets]
        command = ["snakemake", "--configfile", "study.yaml", *arguments, "--", *targets]
        return subprocess.run(command, cwd=self.checked_out, env=checkout.environment(), capture_output=True, text=True)

    def planned(self, root=None):
        """Rules whose jobs a run would run with the data set at another place."""
        run = self.snakemake("-n", "--printshellcmds", root=root)
        assert run.returncode == 0, run.stdout + run.stderr
        return {log.partition("/")[0] for log in re.findall(r"> \S+/logs/(\S+)\.log 2>&1", run.stdout)}


@pytest.mark.long
def test_a_study_of_any_kind_of_data_set_trains_and_tests_on_the_images_that_are_for_it(made):
    if made.kind == "pneumoniamnist":
        pytest.skip("its classes have other names; tests/data/test_readers.py")
    results = made.checked_out / f"results/{made.name}"
    for name, part in (("training_sets/real.h5", "train"), ("test.h5", "test")):
        made = shards.read(results / name, "images")
        name_of = {label: name for name, label in made.attributes[naming.KEY].items()}
        truth = {np.asarray(data_sets.picture(row)).tobytes() for row in data_sets.ROWS[part]}
        assert {image.tobytes() for image in made["images"]} <= truth
        for image, label in zip(made["images"], made["labels"].tolist(), strict=True):
            assert data_sets.TRUTH[image.tobytes()] == name_of[label]
        counts = np.unique(made["labels"], return_counts=True)[1]
        assert len(counts) == 3
        assert counts.max() == 25 if part == "train" else counts.sum() == len(truth)


def copied(made, place, *command):
    """Where a copy of all that the data set is made of has its root."""
    subprocess.run([*command, made.place / "set", place], check=True)
    return place / "set" / made.root.relative_to(made.place / "set")


def touched(made, place):
    """Moved as well, and moved back by the test."""
    root = copied(made, place, "mv")
    for path in place.rglob("*"):
        os.utime(path)
    return root


def renamed(made, place):
    """Each file that holds pictures has another name, of the same part; a file that is the root as well."""
    root = copied(made, place, "cp", "-r")
    inside = [path for path in (root.parent if root.is_file() else root).rglob("*") if path.is_file()]
    for path in inside:
        if made.kind != "csv" and path.suffix != ".txt":
            path.rename(path.with_stem(f"{path.stem}-b"))
    if made.kind == "csv":
        pictures = (root.parent / "photographs").rename(root.parent / "images")
        root.write_text(root.read_text().replace("photographs/", f"{pictures.name}/"))
    return root.with_stem(f"{root.stem}-b") if not root.exists() else root


ELSEWHERE = {
    "moved and touched": touched,
    "rsync -r": lambda made, place: copied(made, place, "rsync", "-r"),
    "renamed files": renamed,
}


@pytest.mark.long
@pytest.mark.parametrize("change", ELSEWHERE)
def test_the_same_images_of_any_kind_elsewhere_run_nothing_again(made, tmp_path, change):
    if change.startswith("rsync") and shutil.which("rsync") is None:
        pytest.skip("no rsync here")
    root = ELSEWHERE[change](made, tmp_path)
    try:
        # where each image lies is written down anew; of that nothing else is made
        assert made.planned(root) <= ({"take_inventory"} if change == "renamed files" else set())
    finally:
        if change == "moved and touched":
            (tmp_path / "set").rename(made.place / "set")


@pytest.mark.long
def test_another_image_of_any_kind_runs_what_it_is_in_again(made, tmp_path):
    """So the test above does not pass where nothing at all counts."""
    place = tmp_path / "other"
    (place / "set").mkdir(parents=True)
    rows = dict(data_sets.ROWS)
    try:
        data_sets.ROWS["train"] = np.concatenate([rows["train"][1:], np.flatnonzero(data_sets.DIGITS.target < 2)[-9:]])
        _, root = made.write(place / "set")
    finally:
        data_sets.ROWS.update(rows)
    assert {"take_inventory", "extract_shard", "assemble"} <= made.planned(root)


@pytest.mark.long
@pytest.mark.parametrize("write", [data_sets.folder, data_sets.hdf5], ids=lambda write: write.__name__)
def test_another_generators_images_elsewhere_are_not_read_again(checked_out, tmp_path, write):
    (tmp_path / "gan/a").mkdir(parents=True)
    _, gan = write(tmp_path / "gan/a")
    source = {"sources": {"gan": {"kind": "folder", "root": str(gan)}}, "training_sets": ["real", "gan"]}
    study = Study(checked_out, data_sets.listing, tmp_path, **source)
    study.name, study.targets = f"gan_{write.__name__}", [f"samples/gan/{name}/0.h5" for name in data_sets.NAMES]
    run = study.snakemake()
    assert run.returncode == 0, run.stdout + run.stderr
    elsewhere = (tmp_path / "gan/a").rename(tmp_path / "b") / gan.relative_to(tmp_path / "gan/a")
    for path in (tmp_path / "b").rglob("*"):
        os.utime(path)
    study.settings["sources"]["gan"]["root"] = str(elsewhere)
    assert study.planned() == set()
    if elsewhere.is_dir():
        picture = next((elsewhere / "train/zero").iterdir())
        picture.rename(picture.with_stem("renamed"))
        assert study.planned() == set()
        picture.with_stem("renamed").unlink()
        assert study.planned() == {"import_shard"}
