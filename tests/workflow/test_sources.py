"""Every kind of source in one study on digits, two of one kind among them and a folder of other images."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from realgap.store import shards
from tests import checkout

RESULTS = "results/methods"
FEW = {"num_inference_steps": 2}
MADE = {"one": 9, "zero": 7}  # images in the folder, more of one class than of the other
CRITERIA = {"utility": 1, "attention": 1, "coverage": 0.5, "typicality": 0.5}
STUDY = {
    **checkout.REDUCED,
    "study": "methods",
    "seeds": [0],
    "class_inversion": {"steps": 4, "images_per_step": 2},
    "sources": {
        **checkout.REDUCED["sources"],
        "guided": {"kind": "inversion", "guidance_scale": 3.0, **FEW},
        "textual": {"kind": "class_inversion", **FEW},
        "sdedit": {"kind": "img2img", "strength": 0.5, "num_inference_steps": 4},
        "ddim": {"kind": "ddim_inversion", "inversion_steps": 3, **FEW},
        "da_fusion": {"kind": "img2img", "conditioning": "class_inversion", "num_inference_steps": 4},
        "gan": {"kind": "folder", "root": "gan"},
        "many": {"kind": "prompts", "samples_per_image": 6, **FEW},
        "chosen": {"kind": "selection", "of": "many", "candidates": 3, "criteria": CRITERIA},
        "picked": {"kind": "selection", "of": "many", "candidates": 3, "criteria": {"random": 1}},
        "again": {"kind": "selection", "of": "real", "candidates": 3, "criteria": CRITERIA},
        "by_class": {"kind": "policy", "among": ["sdedit", "ddim", "guided"], "rounds": 2, "classifiers": 2},
    },
    "training_sets": [
        *("real", "diffusion_inversion", "guided", "textual", "sdedit", "ddim", "da_fusion", "gan", "real+gan"),
        *("many", "chosen", "picked", "real+again", "by_class"),
    ],
    "dataset": {**checkout.REDUCED["dataset"], "validation_images_per_class": 3},
    "analyses": [*checkout.REDUCED["analyses"], "selection"],
}

pytestmark = [pytest.mark.xdist_group("sources"), pytest.mark.long]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A checkout with the study, and real digits of 24 px in a folder that stands for another generator's."""
    folder, loaded = checkout.copy(tmp_path_factory.mktemp("sources") / "checkout"), load_digits()
    for label, name in enumerate(("zero", "one")):
        (folder / "gan" / name).mkdir(parents=True)
        digits = (loaded.images[loaded.target == label] * 15).astype(np.uint8)[100 : 100 + MADE[name]]
        for number, image in enumerate(digits):
            Image.fromarray(image).resize((24, 24)).save(folder / "gan" / name / f"{number}.png")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


@pytest.fixture(scope="module")
def counted(prepared):
    """What `snakemake plan` counts before anything was run: rule -> row."""
    found = checkout.counted(prepared)
    assert found["unknown"] == []
    return found["rows"]


@pytest.fixture(scope="module")
def finished(prepared, counted):
    run = checkout.snakemake(prepared)
    assert run.returncode == 0, run.stdout + run.stderr
    return prepared


def test_the_plan_counts_the_images_of_all_of_them(counted):
    assert counted["sample_shard"]["jobs"] == 7 * 4
    assert counted["sample_shard"]["work"]["images"] == 6 * 16 + 48
    assert counted["score_shard"]["work"]["images"] == 48 + 8  # candidates, and real images that are chosen among
    assert counted["select_shard"]["jobs"] == 3 * 4
    assert counted["judge_policy"]["jobs"] == 2
    # three mixtures, then two, of two classifiers each
    assert counted["judge_policy"]["work"]["images"] == (3 + 2) * 2 * 3 * 8
    assert counted["follow_shard"]["work"]["images"] == 16
    assert counted["encode_shard"]["work"]["images"] == counted["invert_shard"]["work"]["images"] == 8
    assert counted["invert_class"]["work"]["images"] == 8
    assert counted["import_shard"]["jobs"] == 4
    nothing = {
        rule for rule, row in counted.items() if row["work"] and not (row["work"]["images"] or row["work"]["host_s"])
    }
    assert not nothing


def test_the_table_has_a_row_for_each_training_set(finished):
    table = pd.read_csv(finished / RESULTS / "table.csv").set_index("training_set")
    assert list(zip(table.index, table.n_real, table.n_generated, strict=True)) == [
        ("real", 8, 0),
        *((name, 0, 16) for name in ("diffusion_inversion", "guided", "textual", "sdedit", "ddim", "da_fusion", "gan")),
        ("real+gan", 8, 16),
        ("many", 0, 48),
        ("chosen", 0, 16),
        ("picked", 0, 16),
        ("real+again", 8, 16),
        ("by_class", 0, 16),
    ]


def test_verify_finds_every_artefact_whole_and_of_this_study(finished):
    run = checkout.snakemake(finished, target="verify")
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    found = re.search(r"methods: (\d+) of (\d+) artefacts are finished, 0 damaged", said)
    assert found[1] == found[2]


def test_a_rerun_does_nothing(finished):
    assert not checkout.plan(finished)


def test_two_sources_of_one_kind_share_the_inversion_and_differ_in_their_images(finished):
    results = finished / RESULTS
    assert len(list((results / "embeddings").rglob("*.h5"))) == 4
    one, other = (
        shards.read(results / f"samples/{name}/one/0.h5", "images") for name in ("diffusion_inversion", "guided")
    )
    assert one.attributes["inputs"] == other.attributes["inputs"]
    np.testing.assert_array_equal(one["image_ids"], other["image_ids"])
    assert (one["images"] != other["images"]).any()


def test_a_folders_images_have_the_studys_labels_and_no_real_images_ids(finished):
    for name, count in MADE.items():
        parts = [shards.read(finished / RESULTS / f"samples/gan/{name}/{n}.h5", "images") for n in (0, 1)]
        assert sum(len(part) for part in parts) == count
        real = shards.read(finished / RESULTS / f"real/{name}/0.h5", "images")
        for part in parts:
            assert set(part["labels"]) == set(real["labels"])
            assert (part["image_ids"] < 0).all()


def test_figures_show_every_source_the_folders_own_images_among_them(finished):
    results = finished / RESULTS
    columns = 1 + 12  # real and twelve sources
    for name in ("strip", "samples", "overview", "gallery/zero", "gallery/one"):
        drawing = (results / f"figures/{name}.svg").read_text()
        assert (results / f"figures/{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert drawing.count("<image") == (1 if name == "strip" else columns), name  # the strip is one picture


def test_every_analysis_has_a_row_for_every_source(finished):
    results, generated = finished / RESULTS, set(STUDY["training_sets"]) - {"real", "real+gan", "real+again"}
    tables = {"fidelity/table.csv", "detection/table.csv", "memorisation/copies.csv", "geometry/measures.csv"}
    for name in tables:
        assert generated <= set(pd.read_csv(results / name).source), name
    page = (results / "report.html").read_text()
    for section in STUDY["analyses"]:
        if section != "reported":
            assert f'id="{section}"' in page, section


def test_what_images_cost_is_divided_by_those_that_were_made(finished):
    stages = pd.read_csv(finished / RESULTS / "cost/stages.csv").set_index("stage")
    assert pd.isna(stages.n_images["import shard: gan"])
    assert sorted(stages.n_images.filter(like="sample")) == [16] * 6 + [48]
    assert stages.n_images.filter(like="select shard").tolist() == [16] * 3


def test_chosen_images_are_candidates_and_the_page_says_what_was_chosen(finished):
    results = finished / RESULTS
    for class_name in ("zero", "one"):
        for number in (0, 1):
            of, kept = (
                shards.read(results / f"samples/{name}/{class_name}/{number}.h5", "images")
                for name in ("many", "chosen")
            )
            at = {key: row for row, key in enumerate(zip(of["image_ids"], of["variants"], strict=True))}
            rows = [at[key] for key in zip(kept["image_ids"], kept.attributes["kept"], strict=True)]
            np.testing.assert_array_equal(kept["images"], of["images"][rows])
            assert sorted(kept["variants"]) == [0, 0, 1, 1]
    gains = pd.read_csv(results / "selection/gains.csv")
    compared = set(zip(gains.training_set, gains.control, gains.compared_with, strict=True))
    assert compared == {("chosen", "picked", "picked"), ("chosen", "all", "many"), ("picked", "all", "many")}
    chosen = pd.read_csv(results / "selection/sources.csv").set_index("source")
    assert list(chosen.index) == ["real", "many", "chosen", "picked", "again"]
    assert chosen.n.tolist() == [8, 48, 16, 16, 16]


def test_real_images_that_judges_choose_are_there_again_and_no_other(finished):
    results = finished / RESULTS
    for class_name in ("zero", "one"):
        parts = {
            name: [shards.read(results / f"{name}/{class_name}/{number}.h5", "images") for number in (0, 1)]
            for name in ("real", "samples/again")
        }
        real = {
            image_id: image
            for one in parts["real"]
            for image_id, image in zip(one["image_ids"], one["images"], strict=True)
        }
        for own, of in zip(parts["samples/again"], parts["real"], strict=True):
            assert len(own) == 2 * len(of)
            for image_id, image in zip(own["image_ids"], own["images"], strict=True):
                np.testing.assert_array_equal(image, real[image_id])
        keys = [key for one in parts["samples/again"] for key in zip(one["image_ids"], one["variants"], strict=True)]
        assert len(set(keys)) == len(keys)


def test_each_class_takes_the_images_of_the_source_that_its_policy_chose(finished):
    results = finished / RESULTS
    first, last = (pd.read_csv(results / f"policies/by_class/round-{number}.csv") for number in (1, 2))
    assert first.groupby("label").size().tolist() == last.groupby("label").size().tolist() == [3, 3]
    assert first["rank"].notna().all()
    assert sorted(last[last["rank"].notna()].n_classifiers) == [4, 4, 4, 4]
    for label, name in enumerate(("zero", "one")):
        own = last[last.label == label].set_index("option")
        assert set(own.class_name) == {name}
        chosen = own.index[own["rank"] == 0][0]
        assert own.loss[chosen] == own.loss[own["rank"].notna()].min()
        for shard in range(2):
            taken, made = (
                shards.read(results / f"samples/{source}/{name}/{shard}.h5", "images")
                for source in ("by_class", chosen)
            )
            np.testing.assert_array_equal(taken["images"], made["images"])
            assert (taken.attributes["took"], taken.attributes["source"]) == (chosen, "by_class")
