"""The example of workflow/docs/examples/analysis: an analysis is added in six files, and its section is on the page."""

import filecmp
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from realgap.store import shards
from tests import checkout

EXAMPLE = checkout.ROOT / "workflow/docs/examples/analysis"
LISTED = [*checkout.REDUCED["analyses"], "brightness"]

pytestmark = [pytest.mark.xdist_group("study"), pytest.mark.long]


def add(folder: Path) -> None:
    """What the example says: its folder, its script, its section of the config, its name in the order of the page."""
    shutil.copytree(EXAMPLE / "brightness", folder / "workflow/realgap/analyses/brightness")
    shutil.copy(EXAMPLE / "brightness_measure.py", folder / "workflow/scripts")
    with open(folder / "config.yaml", "a") as config:
        config.write((EXAMPLE / "config.yaml").read_text())
    order = folder / "workflow/realgap/analyses/__init__.py"
    order.write_text(order.read_text().replace('    "fidelity",\n', '    "fidelity",\n    "brightness",\n'))


def touched(folder: Path) -> set[str]:
    """Files of the checkout `folder` that this one has not, or has otherwise."""
    mine = {path.relative_to(folder) for part in checkout.PARTS for path in _files(folder / part)}
    return {
        str(path)
        for path in mine
        if not (checkout.ROOT / path).exists() or not filecmp.cmp(folder / path, checkout.ROOT / path, shallow=False)
    }


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return [one for one in found if "__pycache__" not in one.parts]


@pytest.fixture(scope="module")
def extended(finished_study, tmp_path_factory):
    """A copy of the finished study, with one analysis more, run again; code alone runs nothing again here."""
    folder = tmp_path_factory.mktemp("extended") / "checkout"
    shutil.copytree(finished_study, folder)
    add(folder)
    study = checkout.changed(folder, analyses=LISTED, brightness={"resamples": 50})
    run = checkout.snakemake(folder, "--rerun-triggers", "mtime", study=study)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder, run.stdout + run.stderr


def test_an_analysis_is_added_in_six_files(extended):
    folder, _ = extended
    own = "workflow/realgap/analyses/brightness"
    assert touched(folder) == {
        f"{own}/__init__.py",
        f"{own}/section.py",
        f"{own}/rules.smk",
        "workflow/scripts/brightness_measure.py",
        "workflow/realgap/analyses/__init__.py",
        "config.yaml",
    }


def test_its_section_stands_on_the_page_at_its_place_and_nothing_else_was_measured_again(extended):
    folder, said = extended
    counted = said.split("Job stats:")[1].split("\n\n")[0]
    ran = set(re.findall(r"^(\w+) +\d+$", counted, re.M))
    assert ran == {"measure_brightness", "account", "report", "all", "total"}
    page = (folder / "results/reduced/report.html").read_text()
    headings = re.findall(r'<h2 id="(\w+)">', page)
    assert headings[headings.index("fidelity") + 1] == "brightness"
    assert "Are generated images as bright as real ones?" in page


def test_its_table_says_what_the_images_are(extended):
    folder, _ = extended
    results = folder / "results/reduced"
    table = pd.read_csv(results / "brightness/table.csv").set_index("source")
    paths = sorted((results / "samples/stable_diffusion").glob("*/*.h5"))
    images = np.concatenate([shards.read(path, "images")["images"] for path in paths])
    assert table["mean"].stable_diffusion == pytest.approx(images.mean(), abs=1e-3)
    assert table.difference.real == 0


def test_its_settings_are_checked_like_all_others(extended):
    folder, _ = extended
    run = checkout.snakemake(folder, "-n", study=checkout.changed(folder, analyses=LISTED, brightness={"resamples": 5}))
    assert run.returncode == 1
    assert "config: brightness.resamples: must be at least 20; got 5" in run.stdout + run.stderr


def test_it_is_left_out_where_it_is_not_listed(extended):
    folder, _ = extended
    assert not [rule for rule, _ in checkout.plan(folder) if rule == "measure_brightness"]
