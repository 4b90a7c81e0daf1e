"""`snakemake new_study`: from a folder of photographs to a study file and its plan by one command."""

import subprocess

import pytest
import yaml

from tests import checkout
from tests.workflow.test_own_images import put


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout, and a folder of three classes of 40, 12 and 5 pictures."""
    made = checkout.copy(tmp_path_factory.mktemp("new") / "checkout")
    for digit, (name, count) in enumerate({"zero": 40, "große Eins": 12, "two": 5}.items()):
        put(made / "photographs" / name, digit, 0, count)
    return made


def new_study(folder, *given):
    command = ["snakemake", "new_study", *(["--config", *given] if given else [])]
    return subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)


@pytest.mark.long
def test_a_folder_becomes_a_study_whose_plan_is_printed_and_which_can_be_run(folder):
    run = new_study(folder, "images=photographs", "name=mine")
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    path = folder / "resources/studies/mine.yaml"
    study = yaml.safe_load(path.read_text())
    assert study["dataset"]["root"] == "photographs"
    assert "next: look at resources/studies/mine.yaml" in said
    cells = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert int(cells["extract_shard"][3]) + int(cells["extract_test"][3]) == 57
    dry = checkout.snakemake(folder, "-n", "--quiet", "all", study="resources/studies/mine.yaml")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    again = new_study(folder, "images=photographs", "name=mine")
    assert again.returncode == 1
    assert (
        "error: config: name: must be a new one, resources/studies/mine.yaml is there;" in again.stdout + again.stderr
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "error: config: images: must be given: snakemake new_study --config images=FOLDER name=NAME"),
        (("images=nowhere", "name=a"), "error: images: must be where your images are; got nowhere, nothing there"),
        (("images=photographs/two", "name=a"), "error: images: must hold a folder a class; photographs/two has none"),
    ],
)
def test_what_is_missing_is_one_line_and_leaves_no_file(folder, given, said):
    run = new_study(folder, *given)
    assert run.returncode == 1
    lines = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("error: ")]
    assert set(lines) == {said}
    assert not (folder / "resources/studies/a.yaml").exists()
