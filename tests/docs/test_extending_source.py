"""The example of a source in workflow/docs/extend.md: added in four files as the page says, and run to its table."""

import filecmp
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.ndimage import gaussian_filter

from realgap.store import shards
from tests import checkout

# one worker, which makes the study once
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("extending a source")]

SECTION = (checkout.ROOT / "workflow/docs/extend.md").read_text().split("\n## A source\n")[1].split("\n## ")[0]
RESULTS = "results/digits-blurred"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.M | re.S)


def append(path, text):
    with open(path, "a") as file:
        file.write(f"\n\n{text}")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A checkout with the files of the example; its study is small, its sources and training sets are the page's."""
    folder = checkout.copy(tmp_path_factory.mktemp("extended") / "checkout")
    kind, script = blocks("python")
    append(folder / "workflow/realgap/study/sources.py", kind)
    (folder / "workflow/scripts/sampling_blur.py").write_text(script)
    (rule,) = blocks("snakemake")
    append(folder / "workflow/rules/sampling.smk", rule)
    (study,) = blocks("yaml")
    small = {key: checkout.REDUCED[key] for key in ("dataset", "classifier")}
    (folder / "study.yaml").write_text(yaml.safe_dump({**small, "seeds": [0], **yaml.safe_load(study)}))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def counted(extended):
    """What `snakemake plan` counts, before anything was run."""
    return checkout.counted(extended)


@pytest.fixture(scope="module")
def finished(extended, counted):
    run = checkout.snakemake(extended, target="table")
    assert run.returncode == 0, run.stdout + run.stderr
    return extended / RESULTS


def test_a_source_is_added_in_four_files(extended):
    mine = [path for part in ("Snakefile", "workflow", "config.yaml", "resources") for path in files(extended / part)]
    changed = {path.relative_to(extended) for path in mine if differs(path, extended)}
    assert {str(path) for path in changed} == {
        "workflow/realgap/study/sources.py",
        "workflow/scripts/sampling_blur.py",
        "workflow/rules/sampling.smk",
    }  # and the study's own file


def files(path):
    found = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return [one for one in found if "__pycache__" not in one.parts]


def differs(path, folder):
    shipped = checkout.ROOT / path.relative_to(folder)
    return not shipped.exists() or not filecmp.cmp(path, shipped, shallow=False)


def test_its_images_are_in_the_plan(counted):
    assert counted["unknown"] == []
    row = counted["rows"]["blur_shard"]
    assert (row["jobs"], row["left"], row["work"]["images"]) == (8, 8, 16)  # 8 real images, two sources


def test_its_rows_are_in_the_table(finished):
    table = pd.read_csv(finished / "table.csv").set_index("training_set")
    assert list(zip(table.index, table.n_real, table.n_generated, strict=True)) == [
        ("real", 8, 0),
        ("soft", 0, 8),
        ("softer", 0, 8),
        ("real+soft", 8, 8),
    ]


def test_its_images_are_the_real_ones_blurred(finished):
    real = shards.read(finished / "real/one/0.h5", "images")
    for name, blur_px in (("soft", 0.7), ("softer", 2.0)):
        made = shards.read(finished / f"samples/{name}/one/0.h5", "images")
        expected = gaussian_filter(real["images"].astype(np.float32), (0, blur_px, blur_px, 0))
        np.testing.assert_allclose(made["images"], expected, atol=0.51)
        np.testing.assert_array_equal(made["image_ids"], real["image_ids"])


def test_its_settings_are_checked_like_all_others(extended):
    study = yaml.safe_load((extended / "study.yaml").read_text())
    study["sources"]["soft"]["blur_px"] = 0
    (extended / "wrong.yaml").write_text(yaml.safe_dump(study))
    run = checkout.snakemake(extended, "-n", study="wrong.yaml")
    assert run.returncode == 1
    assert "config: sources.soft.blur_px: must be more than 0; got 0" in run.stdout + run.stderr
