"""An amortised inversion through Snakemake: an encoder is taught on all digits and predicts their embeddings."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from realgap.diffusion import encoder
from realgap.store import shards
from tests import checkout

RESULTS = "results/amortised"
STUDY = {
    **checkout.REDUCED,
    "study": "amortised",
    "dataset": {**checkout.REDUCED["dataset"], "images_per_class": 6},
    "inversion": {"encoder_steps": 3, "refining_steps": 2},
    "training_sets": ["real", "stable_diffusion", "diffusion_inversion"],
    "seeds": [0],
    "analyses": [],
}
SAMPLED = {
    "sample_shard": 6,
    "assemble": 1,
    "train": 1,
    "evaluate": 1,
    "tabulate": 1,
    "plot": 1,
    "account": 1,
    "report": 1,
}

pytestmark = [pytest.mark.xdist_group("amortised"), pytest.mark.long]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = checkout.copy(tmp_path_factory.mktemp("amortised") / "checkout")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


@pytest.fixture(scope="module")
def finished(prepared):
    counted = checkout.counted(prepared)
    assert counted["unknown"] == []
    run = checkout.snakemake(prepared)
    assert run.returncode == 0, run.stdout + run.stderr
    return prepared, counted["rows"]


def embeddings(folder, class_name="one", of="embeddings"):
    paths = sorted((folder / RESULTS / of / class_name).glob("*.h5"))
    opened = [shards.read(path, "embeddings") for path in paths]
    return {name: np.concatenate([one[name] for one in opened]) for name in ("embeddings", "visits", "image_ids")}


def after(folder, **sections):
    """Jobs by rule of a study that differs in some sections."""
    changed = {name: {**STUDY.get(name, {}), **section} for name, section in sections.items()}
    (folder / "changed.yaml").write_text(yaml.safe_dump({**STUDY, **changed}))
    return checkout.rules(checkout.plan(folder, "changed.yaml"))


def test_the_plan_counts_the_steps_that_teach_the_encoder_and_those_of_each_image(finished):
    rows = finished[1]
    jobs = {rule: (rows[rule]["jobs"], rows[rule]["work"]["images"]) for rule in ("teach_encoder", "predict_shard")}
    assert jobs == {"teach_encoder": (1, 12), "predict_shard": (6, 12)}
    assert rows["teach_encoder"]["work"]["flops"] == pytest.approx(3 / 2 * rows["predict_shard"]["work"]["flops"])
    assert "invert_shard" not in rows


def test_the_study_reaches_its_table_and_every_file_is_whole_and_of_this_study(finished):
    folder, _ = finished
    table = pd.read_csv(folder / RESULTS / "table.csv")
    assert list(zip(table.training_set, table.n_generated, strict=True)) == [
        *(("real", 0), ("stable_diffusion", 24), ("diffusion_inversion", 24))
    ]
    run = checkout.snakemake(folder, target="verify")
    assert run.returncode == 0, run.stdout + run.stderr
    found = re.search(r"amortised: (\d+) of (\d+) artefacts are finished, 0 damaged", run.stdout + run.stderr)
    assert found[1] == found[2]
    assert not checkout.plan(folder)


def test_each_image_is_refined_from_what_the_encoder_predicts(finished):
    folder, _ = finished
    made = embeddings(folder)
    real = [shards.read(folder / RESULTS / f"real/one/{number}.h5", "images")["image_ids"] for number in range(3)]
    np.testing.assert_array_equal(made["image_ids"], np.concatenate(real))
    np.testing.assert_array_equal(made["visits"], 2)
    taught = shards.read(folder / RESULTS / "encoder.h5", "encoder")
    assert taught.attributes["classes"] == {"zero": 0, "one": 1}
    moments = [shards.read(folder / RESULTS / f"moments/one/{number}.h5", "moments") for number in range(3)]
    mean = np.concatenate([one["mean"] for one in moments])
    network = encoder.unpack(taught["weights"], mean[0].size, tuple(taught.attributes["prompts"]))
    start = encoder.predicted(network, mean, np.ones(len(mean), np.int64))
    moved = np.abs(made["embeddings"] - start)
    assert 0 < moved.mean() < 2 * 0.2  # two steps of Adam at a rate of 0.2


def test_other_shards_give_the_same_embeddings(finished, tmp_path):
    folder, others = finished[0], checkout.copy(tmp_path / "checkout")
    (others / "study.yaml").write_text(
        yaml.safe_dump({**STUDY, "dataset": {**STUDY["dataset"], "images_per_shard": 5}})
    )
    run = checkout.snakemake(others, target=f"{RESULTS}/samples/diffusion_inversion/one/0.h5")
    assert run.returncode == 0, run.stdout + run.stderr
    here, there = embeddings(folder), embeddings(others)
    np.testing.assert_array_equal(here["image_ids"], there["image_ids"])
    np.testing.assert_array_equal(here["visits"], there["visits"])
    np.testing.assert_allclose(here["embeddings"], there["embeddings"], atol=1e-4)


def test_other_refining_steps_leave_the_encoder_as_it_is(finished):
    folder, _ = finished
    assert after(folder, inversion={"refining_steps": 3}) == {"predict_shard": 6, **SAMPLED}


def test_other_steps_of_the_encoder_teach_it_again(finished):
    folder, _ = finished
    assert after(folder, inversion={"encoder_steps": 4}) == {"teach_encoder": 1, "predict_shard": 6, **SAMPLED}


def test_what_only_inversion_one_by_one_knows_changes_nothing(finished):
    folder, _ = finished
    changed = after(folder, inversion={"steps_per_image": 7, "start": "random"})
    assert changed.keys() == {"account", "report"}


def test_without_an_encoder_all_are_inverted_and_the_prompts_samples_stay(finished):
    folder, _ = finished
    assert after(folder, inversion={"encoder_steps": None}) == {"invert_shard": 6, **SAMPLED}


def test_an_edit_of_the_encoder_teaches_it_again(finished):
    folder, _ = finished
    path = folder / "workflow/realgap/diffusion/encoder.py"
    text = path.read_text()
    path.write_text(text.replace("LR = 1e-3", "LR = 2e-3"))
    try:
        jobs = checkout.rules(checkout.plan(folder))
    finally:
        path.write_text(text)
    assert jobs == {"teach_encoder": 1, "predict_shard": 6, **SAMPLED}


def test_a_damaged_encoder_is_named_with_the_rule_that_makes_it_again(finished):
    folder, _ = finished
    path = folder / RESULTS / "encoder.h5"
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        run = checkout.snakemake(folder, target="verify")
    finally:
        path.write_bytes(whole)
        shards.os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run.returncode == 1
    said = run.stdout + run.stderr
    assert re.search(rf"{RESULTS}/encoder.h5: .*just this file is made again \(rule teach_encoder\)", said)
