"""From each layout in which a base model is published through the workflow to the table."""

import pandas as pd
import pytest

from tests import checkout
from tests.base_models import ldm, published, studies

LAYOUTS = {
    **{family: (family, lambda folder: folder) for family in published.FAMILIES},
    "half precision beside": ("stable-diffusion-v1-5", lambda folder: published.add_fp16(folder, instead=False)),
    "half precision alone": ("stable-diffusion-v1-5", lambda folder: published.add_fp16(folder, instead=True)),
    "several files": ("stable-diffusion-2-1-base", lambda folder: published.shard(folder, "unet", 3)),
}
# the oldest in every run; the others where there is time
FIRST, *LATER = LAYOUTS
ROWS = studies.STUDY["training_sets"]


@pytest.mark.parametrize("layout", [FIRST, *(pytest.param(name, marks=pytest.mark.long) for name in LATER)])
def test_a_study_ends_in_its_table(copy_of, tmp_path, layout):
    family, change = LAYOUTS[layout]
    folder = studies.prepare(tmp_path / "checkout", change(copy_of(family)))
    table = pd.read_csv(studies.run(folder) / "table.csv").set_index("training_set")
    assert list(table.index) == ROWS
    assert table.n_generated.tolist() == [0, 4, 4, 4, 4]
    assert table.accuracy_mean.between(0, 1).all()


@pytest.mark.long
def test_a_single_file_is_converted_and_its_study_ends_in_its_table(tmp_path):
    file, architecture, _ = ldm.checkpoint("stable-diffusion-v1-5", tmp_path / "original")
    folder = studies.prepare(tmp_path / "checkout", "converted")
    conversion = {"file": str(file), "architecture": str(architecture), "folder": "converted"}
    made = checkout.snakemake(
        folder, target="convert_base_model", study=checkout.changed(folder, conversion=conversion)
    )
    assert made.returncode == 0, made.stdout + made.stderr
    table = pd.read_csv(studies.run(folder) / "table.csv")
    assert table.training_set.tolist() == ROWS


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_stable_diffusion_1_4_at_full_width_ends_in_its_report_within_the_memory_that_is_asked_for(tmp_path):
    """859 M parameters with random weights in float32: 4.3 GB on disk, 6 GB of memory, one job at a time."""
    model = published.save(tmp_path / "model", full_width=True)
    folder = studies.prepare(tmp_path / "checkout", model)
    results = studies.run(folder, "all", "--cores", "2", "--resources", "mem_mb=14000")
    assert (results / "report.html").stat().st_size > 10_000
    memory = studies.memory(folder)
    assert memory.keys() >= {"encode_shard", "invert_shard", "sample_shard", "reconstruct_shard", "train"}
    for step, (held_mb, asked_mb) in memory.items():
        print(f"{step}: {held_mb:.0f} MB of {asked_mb}")
        assert held_mb < asked_mb, step
