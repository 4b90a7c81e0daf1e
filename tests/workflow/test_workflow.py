"""The reduced digits study end to end, as a user runs it."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from realgap.run import job_log
from realgap.store import shards
from tests import checkout

RESULTS = Path("results/reduced")

# jobs of each analysis in the reduced study: 6 training sets, 2 seeds, 3 sets without real images
OF_ANALYSES = {"map_saliency": 12, "compare_saliency": 1, "extract_features": 6, "measure_fidelity": 1}
OF_ANALYSES |= {
    "measure_pilot": 1,
    "measure_detection": 1,
    "infer_membership": 1,
    "audit_memorisation": 1,
    "diagnose_errors": 1,
    "train_scaling": 8,
    "compare_scaling": 1,
    "tune_transfer": 8,
    "compare_transfer": 1,
    "compare_reported": 1,
}

pytestmark = pytest.mark.xdist_group("study")


def test_the_study_ends_in_its_table_figures_and_report(finished_study):
    results = finished_study / RESULTS
    table = pd.read_csv(results / "table.csv")
    assert list(table.columns) == [
        *(
            "training_set",
            "n_real",
            "n_generated",
            "n_seeds",
            "accuracy_mean",
            "accuracy_low",
            "accuracy_high",
        ),
        *("difference_to_real", "difference_low", "difference_high"),
    ]
    assert dict(zip(table.training_set, zip(table.n_real, table.n_generated, strict=True), strict=True)) == {
        "real": (8, 0),
        "vae_only": (0, 8),
        "stable_diffusion": (0, 16),
        "diffusion_inversion": (0, 16),
        "real+stable_diffusion": (8, 16),
        "real+diffusion_inversion": (8, 16),
    }
    accuracies = pd.read_csv(results / "accuracies.csv")
    assert len(accuracies) == 12
    assert accuracies.accuracy.between(0, 1).all()
    means = accuracies.groupby("training_set").accuracy.mean()
    np.testing.assert_allclose(table.set_index("training_set").accuracy_mean, means[table.training_set], atol=1e-6)
    for name in ("accuracy", "samples", "strip", "cost", "gallery/zero"):
        assert (results / f"figures/{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert b"<svg" in (results / f"figures/{name}.svg").read_bytes()
    page = (results / "report.html").read_text()
    assert "Diffusion Inversion" in page
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page), "the page must hold everything it shows"
    assert len(page) < 10_000_000
    for heading in ("What it cost", "What was run", "Settings that differ"):
        assert heading in page


def test_small_images_get_their_structure_statistics_beside_the_controls_and_no_vanishing_points(finished_study):
    results = finished_study / RESULTS
    table = pd.read_csv(results / "geometry/measures.csv")
    controls = ["real_resampled", "real_blurred", "real_warped", "vae_only"]
    assert list(table.source.unique()) == ["real", *controls, "stable_diffusion", "diffusion_inversion"]
    assert "off_square_deg" not in set(table.metric)
    assert len(table) == 7 * 6
    cues = pd.read_csv(results / "geometry/cues.csv")
    assert set(cues.metric) == {"pixels", "structure"}
    assert "below 128 px the few short segments" in (results / "report.html").read_text()


def test_every_job_leaves_a_log_and_a_benchmark(finished_study):
    results = finished_study / RESULTS
    logs = {path.relative_to(results / "logs").with_suffix("") for path in (results / "logs").rglob("*.log")}
    benchmarks = {
        path.relative_to(results / "benchmarks").with_suffix("") for path in (results / "benchmarks").rglob("*.tsv")
    }
    assert logs == benchmarks
    assert len(logs) == 64 + sum(OF_ANALYSES.values())
    for path in (results / "benchmarks").rglob("*.tsv"):
        header, values = path.read_text().splitlines()[:2]
        assert header.startswith("s\th:m:s\tmax_rss")
        measured = dict(zip(header.split("\t"), values.split("\t"), strict=True))
        # of the step itself, not of the client that waits for the warm interpreter: its log knows
        job = job_log.read(results / "logs" / path.relative_to(results / "benchmarks").with_suffix(".log"))
        assert float(measured["max_rss"]) >= job.peak_memory_mb - 0.1 > 40  # rounded; the client has 15 MB
        assert float(measured["cpu_time"]) >= job.cpu_s - 0.01
        assert float(measured["s"]) > 0


def test_training_never_sees_a_test_image(finished_study):
    results = finished_study / RESULTS
    test = shards.read(results / "test.h5", "images")
    real = shards.read(results / "training_sets/real.h5", "images")
    assert not set(test["image_ids"]) & set(real["image_ids"])
    assert len(test) + len(real) == 178 + 182  # all zeros and ones of the data set


@pytest.mark.long
def test_embeddings_and_samples_do_not_depend_on_the_cut_into_shards(finished_study, tmp_path):
    """The whole class in one shard of 4 and batch instead of two of 2: the same embeddings and samples."""
    study = checkout.changed(finished_study, study="one-shard", dataset={"images_per_shard": 4})
    out = "results/one-shard/samples/diffusion_inversion/zero/0.h5"
    run = checkout.snakemake(finished_study, target=out, study=study)
    assert run.returncode == 0, run.stdout + run.stderr
    whole = shards.read(finished_study / out, "images")
    cut = [shards.read(finished_study / RESULTS / f"samples/diffusion_inversion/zero/{k}.h5", "images") for k in (0, 1)]
    np.testing.assert_array_equal(whole["image_ids"], np.concatenate([one["image_ids"] for one in cut]))
    images = np.concatenate([one["images"] for one in cut]).astype(int)
    # embeddings agree to float tolerance, which may move a pixel across a rounding edge
    assert np.abs(whole["images"].astype(int) - images).max() <= 1


@pytest.mark.long
def test_the_plan_can_be_read(finished_study):
    run = checkout.snakemake(finished_study, "-n", "-p", "--forceall", "--quiet", "reason")
    assert run.returncode == 0
    assert "Invert class zero, shard 1 into embeddings" in run.stdout
    assert "Train a classifier on real+diffusion_inversion, seed 1" in run.stdout


@pytest.mark.long
def test_snakemakes_own_report_holds_tables_and_figures(finished_study, tmp_path):
    run = checkout.snakemake(finished_study, "--report", str(tmp_path / "report.zip"))
    assert run.returncode == 0, run.stdout + run.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    shown, _ = json.JSONDecoder().raw_decode(page, page.index("var results = {") + len("var results = "))
    folder = finished_study / RESULTS
    kept = [path for suffix in ("csv", "svg", "html") for path in folder.rglob(f"*.{suffix}")]
    assert len(kept) > 10
    for path in kept:
        entry = shown.get(str(path.relative_to(finished_study)), {"caption": ""})
        assert entry["caption"], f"{path} has no caption in Snakemake's report"


@pytest.mark.long
def test_a_wrong_config_stops_before_any_job_with_one_line(finished_study):
    study = checkout.changed(finished_study, study="wrong", inversion={"lr": -1})
    for arguments in ((), ("-n",)):
        run = checkout.snakemake(finished_study, *arguments, study=study)
        said = run.stdout + run.stderr
        assert run.returncode != 0
        assert "config: inversion.lr: must be more than 0; got -1" in said
        assert "Traceback" not in said
    assert not (finished_study / "results/wrong").exists()


@pytest.mark.long
def test_costly_results_are_shared_between_checkouts(finished_study, tmp_path, monkeypatch):
    """With a shared cache a second checkout of the same code takes moments and embeddings from the first.

    A third, whose base model has another byte somewhere in its weights, does not.
    """
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    target = "results/reduced/embeddings/one/1.h5"
    made = []
    for name in ("first", "second", "third"):
        folder = checkout.copy(tmp_path / name)
        if name == "third":
            weights = next((folder / "resources/mini-sd-digits/unet").glob("*.safetensors"))
            content = bytearray(weights.read_bytes())
            content[len(content) // 2 & ~3] ^= 1  # the last bit of a float32's or of two bfloat16s
            weights.write_bytes(content)
        run = checkout.snakemake(folder, "--cache", "encode_shard", "invert_shard", target=target)
        assert run.returncode == 0, run.stdout + run.stderr
        made.append((folder / target).read_bytes())
        assert (folder / target).is_symlink()
        log = folder / "results/reduced/logs/invert_shard/one-1.log"
        assert (log.stat().st_size == 0) == (name == "second"), f"the {name} checkout"
    assert made[0] == made[1] == (finished_study / target).read_bytes() != made[2]


@pytest.mark.long
def test_every_job_says_where_it_ran_and_the_report_is_made_of_files_alone(finished_study):
    results = finished_study / RESULTS
    jobs = pd.read_csv(results / "run/jobs.csv")
    assert len(jobs) == 62 + sum(OF_ANALYSES.values())  # all but account and report
    assert jobs.host.notna().all()
    assert (jobs.peak_memory_mb > 100).any()
    settings = pd.read_csv(results / "run/settings.csv").set_index("key")
    assert settings.loc["inversion.steps_per_image", "here"] == "6"
    assert "studies" not in settings.index
    before = (results / "report.html").read_bytes()
    run = checkout.snakemake(finished_study, "--forcerun", "report")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (results / "report.html").read_bytes() == before


def test_a_shard_says_how_it_was_made(finished_study):
    shard = shards.read(finished_study / RESULTS / "samples/diffusion_inversion/one/0.h5", "images")
    assert shard.attributes["options"]["num_inference_steps"] == 2
    assert set(shard.attributes["versions"]) == {"torch", "diffusers"}
