"""An amortised inversion through Snakemake: some digits of each class, an encoder, the others from what it predicts."""

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

from realgap.diffusion import encoder
from realgap.store import shards
from tests import checkout

RESULTS = "results/amortised"
# three of six images are inverted first: shards that hold these alone, both kinds, and the others alone
STUDY = {
    **checkout.REDUCED,
    "study": "amortised",
    "dataset": {**checkout.REDUCED["dataset"], "images_per_class": 6},
    "inversion": {"steps_per_image": 6, "amortise": 0.5, "amortised_steps": 2},
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

pytestmark = pytest.mark.xdist_group("amortised")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = checkout.copy(tmp_path_factory.mktemp("amortised") / "checkout")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


def rows_counted(folder):
    """What `snakemake plan` counts: rule -> row."""
    command = ["snakemake", "-n", "--quiet", "rules", "--configfile", "study.yaml", "--", "all"]
    environment = {**checkout.environment(), "REALGAP_COUNT": str(folder / "counted.json")}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads((folder / "counted.json").read_text())
    assert found["unknown"] == []
    return {row["rule"]: row for row in found["rows"]}


@pytest.fixture(scope="module")
def finished(prepared):
    counted = rows_counted(prepared)
    run = checkout.snakemake(prepared)
    assert run.returncode == 0, run.stdout + run.stderr
    return prepared, counted


def embeddings(folder, class_name="one", of="embeddings"):
    paths = sorted((folder / RESULTS / of / class_name).glob("*.h5"))
    opened = [shards.read(path, "embeddings") for path in paths]
    return {name: np.concatenate([one[name] for one in opened]) for name in ("embeddings", "visits", "image_ids")}


def after(folder, **sections):
    """Jobs by rule of a study that differs in some sections."""
    changed = {name: {**STUDY.get(name, {}), **section} for name, section in sections.items()}
    (folder / "changed.yaml").write_text(yaml.safe_dump({**STUDY, **changed}))
    return checkout.rules(checkout.plan(folder, "changed.yaml"))


def test_the_plan_counts_the_steps_of_the_first_images_of_the_others_and_the_encoder(finished):
    rows = finished[1]
    jobs = {rule: (rows[rule]["jobs"], rows[rule]["work"]["images"]) for rule in ("invert_shard", "invert_rest")}
    assert jobs == {"invert_shard": (4, 6), "invert_rest": (6, 6)}
    assert rows["invert_shard"]["work"]["flops"] == pytest.approx(6 / 2 * rows["invert_rest"]["work"]["flops"])
    assert (rows["fit_encoder"]["jobs"], rows["fit_encoder"]["work"]["images"]) == (1, 6)
    assert 0 < rows["fit_encoder"]["work"]["host_s"] < 1


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


def test_each_image_is_inverted_once_first_or_from_what_the_encoder_predicts(finished):
    folder, _ = finished
    made, first = embeddings(folder), embeddings(folder, of="first_embeddings")
    real = [shards.read(folder / RESULTS / f"real/one/{number}.h5", "images")["image_ids"] for number in range(3)]
    np.testing.assert_array_equal(made["image_ids"], np.concatenate(real))
    np.testing.assert_array_equal(made["visits"], [6, 6, 6, 2, 2, 2])
    np.testing.assert_array_equal(made["embeddings"][:3], first["embeddings"])
    fitted = shards.read(folder / RESULTS / "encoder.h5", "encoder")
    assert fitted.attributes["labels"] == [0, 1]
    assert fitted["weights"].shape[1:] == made["embeddings"].shape[1:]
    moments = [shards.read(folder / RESULTS / f"moments/one/{number}.h5", "moments") for number in range(3)]
    mean, labels = (np.concatenate([one[name] for one in moments])[3:] for name in ("mean", "labels"))
    start = encoder.predict(encoder.Encoder(fitted["weights"], np.array([0, 1])), mean, labels)
    moved = np.abs(made["embeddings"][3:] - start)
    assert 0 < moved.mean() < 2 * 0.2  # two steps of Adam at a rate of 0.2


def test_the_first_images_embeddings_are_those_of_a_study_that_amortises_nothing(finished, finished_results):
    """The bytes of a shard that holds them alone."""
    for name in ("zero", "one"):
        amortised = finished[0] / RESULTS / f"first_embeddings/{name}/0.h5"
        assert amortised.read_bytes() == (finished_results / f"embeddings/{name}/0.h5").read_bytes()


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


def test_other_steps_of_the_rest_invert_the_rest_alone_and_what_follows(finished):
    folder, _ = finished
    assert after(folder, inversion={"amortised_steps": 3}) == {"invert_rest": 6, **SAMPLED}


def test_other_steps_of_the_first_images_invert_all(finished):
    folder, _ = finished
    inverted = {"invert_shard": 4, "fit_encoder": 1, "invert_rest": 6}
    assert after(folder, inversion={"steps_per_image": 7}) == {**inverted, **SAMPLED}


def test_another_share_inverts_the_shards_whose_first_images_are_others(finished):
    folder, _ = finished
    # three of six again
    assert after(folder, inversion={"amortise": 0.42}).keys() == {"account", "report"}
    # four of six: the shards of both kinds become shards of the first ones alone
    jobs = after(folder, inversion={"amortise": 0.6})
    assert jobs == {"invert_shard": 2, "fit_encoder": 1, "invert_rest": 6, **SAMPLED}


def test_amortising_nothing_inverts_all_and_spares_the_prompts_samples(finished):
    folder, _ = finished
    assert after(folder, inversion={"amortise": None}) == {"invert_shard": 6, **SAMPLED}


def test_an_edit_of_the_encoder_fits_it_again_and_inverts_the_rest(finished):
    folder, _ = finished
    path = folder / "workflow/realgap/diffusion/encoder.py"
    text = path.read_text()
    path.write_text(text.replace("CLASS_WEIGHT = 10.0", "CLASS_WEIGHT = 9.0"))
    try:
        jobs = checkout.rules(checkout.plan(folder))
    finally:
        path.write_text(text)
    assert jobs == {"fit_encoder": 1, "invert_rest": 6, **SAMPLED}


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
    assert re.search(rf"{RESULTS}/encoder.h5: .*just this file is made again \(rule fit_encoder\)", said)
