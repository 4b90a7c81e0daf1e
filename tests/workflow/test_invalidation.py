"""Which jobs a change runs again: the table of README, line by line, by dry runs on a finished study."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import checkout

# what compares measurements: one job each
COMPARED = dict.fromkeys(("compare_attention", "measure_fidelity", "detect", "audit", "diagnose"), 1)
COMPARED |= {"infer_membership": 1}
COMPARED |= {"compare_scaling": 1, "compare_transfer": 1}
OF_CLASSIFIERS = {"train": 12, "evaluate": 12, "tabulate": 1, "plot": 1, "account": 1, "report": 1}
OF_CLASSIFIERS |= {"attend": 12, "extract_features": 6, "scale": 8, "tune": 8, **COMPARED}
# training sets with diffusion_inversion in them are 2 of 6, so 4 of 12 classifiers
AFTER_EMBEDDINGS = {"assemble": 2, "train": 4, "evaluate": 4, "tabulate": 1, "plot": 1, "account": 1, "report": 1}
AFTER_EMBEDDINGS |= {"attend": 4, "extract_features": 1, "scale": 4, "tune": 2, **COMPARED}
AFTER_EMBEDDINGS |= {"measure_geometry": 1, "judge_geometry": 1}

pytestmark = pytest.mark.xdist_group("study")


@pytest.fixture
def study(finished_study: Path) -> Path:
    """The finished study; whatever a test changes in its code or resources is put back, times included."""
    kept = {path: path.stat() for path in finished_study.rglob("*") if path.is_file() and "results" not in path.parts}
    contents = {path: path.read_bytes() for path in kept if path.stat().st_size < 1_000_000}
    yield finished_study
    for path, content in contents.items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
        os.utime(path, ns=(kept[path].st_atime_ns, kept[path].st_mtime_ns))


def after(folder: Path, **sections: object) -> dict[str, int]:
    return checkout.rules(checkout.plan(folder, checkout.changed(folder, **sections)))


def test_a_rerun_after_success_does_nothing(study):
    run = checkout.snakemake(study)
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout + run.stderr


def test_changing_guidance_resamples_that_source_and_what_follows(study):
    jobs = after(study, sources={"diffusion_inversion": {"guidance_scale": 3.5}})
    assert jobs == {"sample_shard": 4, **AFTER_EMBEDDINGS}
    plan = checkout.plan(study, checkout.changed(study, sources={"stable_diffusion": {"guidance_scale": 3.5}}))
    sampled = [item for rule, item in plan if rule == "sample_shard"]
    assert len(sampled) == 4
    assert all(item.startswith("stable_diffusion-") for item in sampled)
    assert checkout.rules(plan)["train"] == 4


def test_changing_the_inversions_learning_rate_spares_the_prompts_samples(study):
    plan = checkout.plan(study, checkout.changed(study, inversion={"lr": 0.02}))
    assert checkout.rules(plan) == {"invert_shard": 4, "sample_shard": 4, **AFTER_EMBEDDINGS}
    assert not any("stable_diffusion-" in item for rule, item in plan if rule == "sample_shard")


def test_changing_a_control_of_geometry_measures_real_images_again(study):
    plan = checkout.plan(study, checkout.changed(study, geometry={"controls": {"resample": 0.25}}))
    assert checkout.rules(plan) == {"measure_geometry": 1, "judge_geometry": 1, "account": 1, "report": 1}
    assert ("measure_geometry", "real") in plan


def test_changing_the_classifiers_steps_trains_only(study):
    # tuning has steps of its own: what starts from scratch, with 2 seeds, stays
    assert after(study, classifier={"steps": 4}) == {**OF_CLASSIFIERS, "tune": 6}


def test_changing_the_share_of_real_images_trains_mixed_sets_only(study):
    assert after(study, classifier={"real_share": 0.25})["train"] == 4


def test_adding_a_seed_trains_only_its_classifiers(study):
    plan = checkout.plan(study, checkout.changed(study, seeds=[0, 1, 2]))
    of_seeds = {"train": 6, "evaluate": 6, "attend": 6, "scale": 4, "tune": 4}
    # features are those of the first seed's classifier, so distances stay
    compared = {rule: 1 for rule in COMPARED if rule not in ("measure_fidelity", "detect")}
    assert checkout.rules(plan) == {**of_seeds, **compared, "tabulate": 1, "plot": 1, "account": 1, "report": 1}
    assert all(item.endswith("-2") for rule, item in plan if rule in of_seeds)


def test_adding_a_class_makes_only_its_shards_and_what_aggregates_them(study):
    # in front of the others, where a position in the list would have been a label of theirs
    jobs = checkout.plan(study, checkout.changed(study, dataset={"classes": ["two", "zero", "one"]}))
    of_shards = {key for key in jobs if key[0].endswith("_shard")}
    assert {"extract_shard", "encode_shard", "invert_shard", "sample_shard", "reconstruct_shard"} == {
        rule for rule, _ in of_shards
    }
    assert all(re.search(r"\btwo-\d$", item) for _, item in of_shards), of_shards
    assert checkout.rules(jobs)["invert_shard"] == 2
    assert checkout.rules(jobs)["assemble"] == 6


def test_adding_images_makes_only_new_shards_and_what_aggregates_them(study):
    plan = checkout.plan(study, checkout.changed(study, dataset={"images_per_class": 6}))
    for rule in ("extract_shard", "encode_shard", "invert_shard", "reconstruct_shard"):
        assert {item for r, item in plan if r == rule} == {"zero-2", "one-2"}, rule
    sampled = {item for rule, item in plan if rule == "sample_shard"}
    prompts = {item for item in sampled if item.startswith("stable_diffusion-")}
    assert prompts == {"stable_diffusion-zero-2", "stable_diffusion-one-2"}
    # partners and the mean come from the whole class, so samples of its old embeddings change as well
    assert len(sampled - prompts) == 6


TABLES = {"tabulate", "plot", "account", "report"}
LEARNING = {"assemble", "train", "evaluate", "attend", "extract_features", "scale", "tune", *COMPARED} | TABLES
GEOMETRY = {"measure_geometry", "judge_geometry"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("realgap/diffusion/inversion.py", {"invert_shard", "sample_shard"} | LEARNING | GEOMETRY),
        ("realgap/diffusion/sampling.py", {"sample_shard"} | LEARNING | GEOMETRY),
        (
            "realgap/diffusion/base_models.py",
            {"encode_shard", "invert_shard", "sample_shard", "reconstruct_shard"} | LEARNING | GEOMETRY,
        ),
        ("realgap/store/checkpoints.py", {"invert_shard", "sample_shard"} | LEARNING | GEOMETRY),
        (
            "scripts/sampling_reconstruct.py",
            {"reconstruct_shard"} | (LEARNING | GEOMETRY) - {"scale", "compare_scaling"},
        ),
        ("scripts/classifier_assemble.py", LEARNING),
        ("realgap/classifier/training.py", LEARNING - {"assemble"}),
        (
            "scripts/classifier_evaluate.py",
            {"evaluate", "infer_membership", "audit", "diagnose", "compare_scaling"} | TABLES,
        ),
        ("realgap/statistics.py", {*COMPARED, "judge_geometry"} | TABLES),
        ("realgap/cost/accounting.py", {"account", "report"}),
        ("realgap/geometry/vanishing.py", GEOMETRY | {"account", "report"}),
        ("realgap/analyses/geometry/section.py", {"judge_geometry", "account", "report"}),
        ("realgap/report/pages.py", {"report"}),
        ("realgap/report/summary.py", {"report", "account", "compare_scaling", "compare_transfer"}),
        ("realgap/analyses/saliency/focus.py", {"attend", "compare_attention", "account", "report"}),
        ("realgap/analyses/errors/section.py", {"diagnose", "account", "report"}),
        ("realgap/pretraining/typeset.py", set()),
        ("realgap/rendering/scenes.py", set()),
    ],
)
def test_editing_a_module_runs_the_rules_whose_step_imports_it_and_what_follows(study, module, expected):
    path = study / "workflow" / module
    before = path.read_bytes()
    path.write_bytes(before + b"\n_EDITED = True\n")
    assert set(checkout.rules(checkout.plan(study))) == expected
    path.write_bytes(before)
    assert not checkout.plan(study), "restored, but still run again"


def test_touching_or_restoring_files_runs_nothing(study):
    later = time.time() + 60
    for folder in ("workflow", "resources", "envs"):
        for path in (study / folder).rglob("*"):
            os.utime(path, (later, later))
    os.utime(study / "config.yaml", (later, later))
    assert not checkout.plan(study)


def test_key_order_and_comments_of_the_config_run_nothing(study):
    config = study / "config.yaml"
    config.write_text("# another comment\n" + config.read_text())
    section = dict(reversed(checkout.REDUCED["dataset"].items()))
    assert after(study, dataset=section) == {}


@contextmanager
def deleted(path: Path) -> Iterator[None]:
    """While the block runs."""
    kept = path.rename(path.parents[1] / "kept")
    try:
        yield
    finally:
        kept.rename(path)


def test_deleting_a_shard_makes_that_shard_and_what_follows(study):
    with deleted(study / "results/reduced/samples/stable_diffusion/zero/1.h5"):
        plan = checkout.plan(study)
    assert {item for rule, item in plan if rule == "sample_shard"} == {"stable_diffusion-zero-1"}
    jobs = checkout.rules(plan)
    assert jobs.pop("plot", 0) <= 1
    del jobs["sample_shard"]
    assert jobs == {rule: count for rule, count in AFTER_EMBEDDINGS.items() if rule != "plot"}


def test_every_file_is_asked_for_by_name(study):
    """Else one that was deleted would not be made again while all that was made of it is there."""
    results = study / "results/reduced"
    with deleted(results / "report.html"):
        said = checkout.snakemake(study, "-n").stdout
    asked = set(re.search(r"rule all:\n    input: (.*)", said)[1].split(", "))
    made = {path for path in results.rglob("*") if path.is_file()}
    made -= {path for folder in ("logs", "benchmarks") for path in (results / folder).rglob("*")}
    made -= set(results.glob("*.log"))  # of targets that make no file: plan, verify
    assert asked == {str(path.relative_to(study)) for path in made}


def test_a_training_that_was_stopped_after_a_change_is_not_passed_over(study):
    """Its old output is gone then, and the old predictions are there."""
    name = "classifiers/real/seed-0.safetensors"
    with deleted(study / "results/reduced" / name):
        alone = checkout.snakemake(study, target="results/reduced/table.csv")
        plan = checkout.plan(study, target="table")
    assert f"warning: results/reduced/{name}: missing and not made again" in alone.stderr
    assert checkout.rules(plan) == {"train": 1, "evaluate": 1, "tabulate": 1}
    assert "warning" not in checkout.snakemake(study, target="table").stderr
