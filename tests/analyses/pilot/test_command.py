"""`snakemake pilot` looks at a few images before a study is paid for, whether the study lists it or not."""

import pandas as pd
import pytest

from realgap.store import shards
from tests import checkout


@pytest.mark.long
def test_a_study_that_does_not_list_the_pilot_has_one_when_asked(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    study = checkout.changed(folder, analyses=["saliency"])
    assert "measure_pilot" not in checkout.rules(checkout.plan(folder, study=study))
    run = checkout.snakemake(folder, target="pilot", study=study)
    assert run.returncode == 0, run.stdout + run.stderr
    said = (folder / "results/reduced/pilot/said.txt").read_text()
    assert said in run.stdout + run.stderr
    assert "The base model has only seen typeset digits" in said
    table = pd.read_csv(folder / "results/reduced/pilot/table.csv")
    assert table["class"].fillna("").tolist() == ["", "zero", "one"]
    assert table.n_images.tolist() == [4, 2, 2]
    # nothing but the first real images was made for it
    made = sorted(path.parent.name for path in (folder / "results/reduced").rglob("*.h5"))
    assert made == ["one", "zero"]
    assert len(shards.read(folder / "results/reduced/real/one/0.h5", "images")) == 2
