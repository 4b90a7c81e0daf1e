"""Promise: the same study gives the same numbers, whatever runs beside it and however it is cut into shards.

Bit for bit: the same study again, in another folder, with one job at a time or two. To float tolerance: other
shards or batches, because a matrix product adds in another order when its shape is another.
"""

import numpy as np
import pandas as pd
import pytest

from realgap.store import shards
from tests import checkout
from tests.faults.test_killed import artefacts

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def test_the_same_study_with_one_job_at_a_time_is_equal_bit_for_bit(tmp_path, finished_results):
    """The fixture ran with as many jobs at once as there are cores."""
    folder = checkout.copy(tmp_path / "another place")
    run = checkout.snakemake(folder, "--cores", "1")
    assert run.returncode == 0, run.stdout + run.stderr
    same = artefacts(folder)
    assert len(same) > 50
    different = [str(path) for path, content in same.items() if content != (finished_results / path).read_bytes()]
    assert different == []


def test_other_shards_give_embeddings_images_and_a_table_that_are_equal_to_float_tolerance(tmp_path, finished_results):
    folder = checkout.copy(tmp_path / "checkout")
    study = checkout.changed(folder, dataset={"images_per_shard": 4}, inversion={"batch_size": 3})
    run = checkout.snakemake(folder, study=study)
    assert run.returncode == 0, run.stdout + run.stderr
    cut, whole = finished_results, folder / "results/reduced"
    for part, kind in (("real", "images"), ("embeddings", "embeddings"), ("samples/diffusion_inversion", "images")):
        for class_name in ("zero", "one"):
            two = [shards.read(cut / part / class_name / f"{k}.h5", kind) for k in (0, 1)]
            one = shards.read(whole / part / class_name / "0.h5", kind)
            assert one["image_ids"].tolist() == [i for shard in two for i in shard["image_ids"]]
            if kind == "embeddings":
                both = np.concatenate([shard["embeddings"] for shard in two])
                np.testing.assert_allclose(one["embeddings"], both, atol=1e-4)
            else:
                both = np.concatenate([shard["images"] for shard in two]).astype(int)
                assert np.abs(one["images"].astype(int) - both).max() <= (0 if part == "real" else 1)
    tables = [pd.read_csv(results / "accuracies.csv") for results in (cut, whole)]
    assert tables[0].drop(columns="accuracy").equals(tables[1].drop(columns="accuracy"))
    real = tables[0].training_set == "real"
    assert tables[0].accuracy[real].equals(tables[1].accuracy[real])
    np.testing.assert_allclose(tables[0].accuracy, tables[1].accuracy, atol=0.03)
