"""Learning curves in the reduced study: draws share what does not depend on them, and nothing from outside comes in."""

import shutil

import numpy as np
import pandas as pd
import pytest

from realgap.classifier import storage
from realgap.data import training_sets
from realgap.store import shards
from tests import checkout

COUNTS, DRAWS = (2, 3), 3
ROWS = ["real", "stable_diffusion", "real+diffusion_inversion", "real@passes"]
RECIPES = {"passes": {"epochs": 4, "augmentation": ["rand_augment", "mixup"]}}

pytestmark = [pytest.mark.xdist_group("study"), pytest.mark.long]


def study(folder, **sections):
    # without checks of code: a copy is as good as the original
    own = {"analyses": ["learning_curves"], "training_sets": ROWS, "recipes": RECIPES}
    return checkout.changed(folder, **{**own, **sections})


@pytest.fixture(scope="module")
def curves(finished_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("curves") / "checkout"
    shutil.copytree(finished_study, folder)
    run = checkout.snakemake(folder, study=study(folder))
    assert run.returncode == 0, run.stdout + run.stderr
    return folder, run.stdout


def drawn(folder, per_class, draw):
    real = [shards.read(path, "images") for path in sorted((folder / "results/reduced/real").rglob("*.h5"))]
    return training_sets.drawn(real, per_class, draw, seed=0)


def test_samples_of_a_draw_are_of_its_images_alone(curves):
    folder, _ = curves
    for per_class in COUNTS:
        for draw in range(DRAWS):
            made = shards.read(
                folder / f"results/reduced/learning_curves/samples/diffusion_inversion/{per_class}-{draw}.h5", "images"
            )
            assert sorted(set(made["image_ids"])) == sorted(drawn(folder, per_class, draw))
            assert len(made) == 2 * per_class * 2
    # with another partner, and led away from another mean, an image of the same noise is another
    same = shards.read(folder / "results/reduced/learning_curves/samples/diffusion_inversion/2-0.h5", "images")
    whole = [
        shards.read(path, "images")
        for path in sorted((folder / "results/reduced/samples/diffusion_inversion").rglob("*.h5"))
    ]
    ids, variants, images = (np.concatenate([one[key] for one in whole]) for key in ("image_ids", "variants", "images"))
    row = np.flatnonzero((ids == same["image_ids"][0]) & (variants == same["variants"][0]))[0]
    assert (images[row] != same["images"][0]).any()


def test_every_row_count_and_draw_is_in_the_tables_and_the_section_on_the_page(curves):
    folder, _ = curves
    results = folder / "results/reduced/learning_curves"
    accuracies = pd.read_csv(results / "accuracies.csv")
    assert len(accuracies) == len(ROWS) * len(COUNTS) * DRAWS
    mixed = accuracies[accuracies.training_set == "real+diffusion_inversion"]
    assert (mixed.n_real == 2 * mixed.per_class).all()
    assert (mixed.n_generated == 4 * mixed.per_class).all()
    table = pd.read_csv(results / "table.csv")
    means = accuracies.groupby(["training_set", "per_class"]).accuracy.mean()
    for row in table.itertuples():
        assert row.mean == pytest.approx(means[row.training_set, row.per_class], abs=1e-5)
    assert len(pd.read_csv(results / "worth.csv")) == (len(ROWS) - 2) * len(COUNTS)
    assert "How many real images are the generated ones worth?" in (folder / "results/reduced/report.html").read_text()


def test_a_recipe_is_a_row_of_the_studys_table_with_steps_of_its_own(curves):
    folder, _ = curves
    trained = storage.load(folder / "results/reduced/classifiers/real@passes/seed-0.safetensors")[1]
    images, batch = dict(trained["parts"])["real"], trained["options"]["batch_size"]
    assert len(trained["losses"]) == -(-4 * images // batch)
    assert len(trained["losses"]) != trained["options"]["steps"]
    assert "real@passes" in set(pd.read_csv(folder / "results/reduced/table.csv").training_set)
    assert "real (passes)" in (folder / "results/reduced/report.html").read_text()


def test_an_edit_of_a_recipe_spares_the_rows_of_others(curves):
    folder, _ = curves
    jobs = checkout.plan(folder, study(folder, recipes={"passes": {"epochs": 5}}))
    trained = {item.rpartition("-")[0] for rule, item in jobs if rule in ("train", "train_on_draw")}
    assert {name.partition("-")[0] for name in trained} == {"real@passes"}
    assert not {"sample_shard", "sample_draw", "invert_shard", "assemble"} & set(checkout.rules(jobs))


def test_one_more_draw_runs_that_draw_alone(curves):
    folder, _ = curves
    jobs = checkout.plan(folder, study(folder, learning_curves={"draws": DRAWS + 1}))
    more = {"sample_draw": 2, "train_on_draw": 8, "compare_learning_curves": 1, "account": 1, "report": 1}
    assert checkout.rules(jobs) == more
    assert all(item.endswith(f"-{DRAWS}") for rule, item in jobs if rule in ("sample_draw", "train_on_draw"))


def test_guidance_of_one_source_spares_the_rows_of_others(curves):
    folder, _ = curves
    jobs = checkout.plan(folder, study(folder, sources={"diffusion_inversion": {"guidance_scale": 3.5}}))
    assert checkout.rules(jobs)["sample_draw"] == 6
    trained = {item.rpartition("-")[0].rpartition("-")[0] for rule, item in jobs if rule == "train_on_draw"}
    assert trained == {"real+diffusion_inversion"}


def test_the_finished_study_is_verified(curves):
    folder, _ = curves
    run = checkout.snakemake(folder, target="verify", study=study(folder))
    assert run.returncode == 0, run.stdout + run.stderr
