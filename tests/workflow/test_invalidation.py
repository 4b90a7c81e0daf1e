"""Which jobs a change runs again: the table of README, line by line, by dry runs on a finished study."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from realgap.run import progress
from tests import checkout

# what compares measurements: one job each
COMPARED = dict.fromkeys(
    ("compare_saliency", "measure_fidelity", "measure_detection", "audit_memorisation", "diagnose_errors"), 1
)
COMPARED |= {"infer_membership": 1}
COMPARED |= {"compare_scaling": 1, "compare_transfer": 1, "compare_reported": 1}
OF_CLASSIFIERS = {"train": 12, "evaluate": 12, "tabulate": 1, "plot": 1, "account": 1, "report": 1}
OF_CLASSIFIERS |= {"map_saliency": 12, "extract_features": 6, "train_scaling": 8, "tune_transfer": 8, **COMPARED}
# training sets with diffusion_inversion in them are 2 of 6, so 4 of 12 classifiers
AFTER_EMBEDDINGS = {"assemble": 2, "train": 4, "evaluate": 4, "tabulate": 1, "plot": 1, "account": 1, "report": 1}
AFTER_EMBEDDINGS |= {"map_saliency": 4, "extract_features": 1, "train_scaling": 4, "tune_transfer": 2, **COMPARED}
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


@pytest.mark.long
def test_a_rerun_after_success_does_nothing(study):
    run = checkout.snakemake(study)
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout + run.stderr


@pytest.mark.long
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


def test_an_encoder_is_taught_predicts_all_embeddings_and_spares_the_prompts_samples(study):
    plan = checkout.plan(study, checkout.changed(study, inversion={"encoder_steps": 2}))
    assert checkout.rules(plan) == {"teach_encoder": 1, "predict_shard": 4, "sample_shard": 4, **AFTER_EMBEDDINGS}
    assert not any("stable_diffusion-" in item for rule, item in plan if rule == "sample_shard")


def test_refining_steps_are_none_of_a_study_without_an_encoder(study):
    assert after(study, inversion={"refining_steps": 3}).keys() == {"account", "report"}


def test_changing_a_control_of_geometry_measures_real_images_again(study):
    plan = checkout.plan(study, checkout.changed(study, geometry={"controls": {"resample": 0.25}}))
    assert checkout.rules(plan) == {"measure_geometry": 1, "judge_geometry": 1, "account": 1, "report": 1}
    assert ("measure_geometry", "real") in plan


@pytest.mark.long
def test_changing_the_classifiers_steps_trains_only(study):
    # tuning has steps of its own: what starts from scratch, with 2 seeds, stays
    assert after(study, classifier={"steps": 4}) == {**OF_CLASSIFIERS, "tune_transfer": 6}


def test_changing_the_margin_judges_again_and_trains_nothing(study):
    judging = ("tabulate", "diagnose_errors", "compare_scaling", "compare_reported", "plot", "account", "report")
    assert after(study, margin=3) == dict.fromkeys(judging, 1)


@pytest.mark.long
def test_another_form_of_files_only_tells_the_page_of_it(study):
    jobs = after(study, store={"images": "webp", "embeddings": "float16", "moments": "float16"})
    assert jobs == {"account": 1, "report": 1}


def test_changing_the_share_of_real_images_trains_mixed_sets_only(study):
    assert after(study, classifier={"real_share": 0.25})["train"] == 4


@pytest.mark.long
def test_adding_a_seed_trains_only_its_classifiers(study):
    plan = checkout.plan(study, checkout.changed(study, seeds=[0, 1, 2]))
    of_seeds = {"train": 6, "evaluate": 6, "map_saliency": 6, "train_scaling": 4, "tune_transfer": 4}
    # features are those of the first seed's classifier, so distances stay
    compared = {rule: 1 for rule in COMPARED if rule not in ("measure_fidelity", "measure_detection")}
    assert checkout.rules(plan) == {**of_seeds, **compared, "tabulate": 1, "plot": 1, "account": 1, "report": 1}
    assert all(item.endswith("-2") for rule, item in plan if rule in of_seeds)


@pytest.mark.long
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


@pytest.mark.long
def test_adding_images_makes_only_new_shards_and_what_aggregates_them(study):
    plan = checkout.plan(study, checkout.changed(study, dataset={"images_per_class": 6}))
    for rule in ("extract_shard", "encode_shard", "invert_shard", "reconstruct_shard"):
        made = {item.removeprefix("vae_only-") for r, item in plan if r == rule}
        assert made == {"zero-2", "one-2"}, rule
    sampled = {item for rule, item in plan if rule == "sample_shard"}
    prompts = {item for item in sampled if item.startswith("stable_diffusion-")}
    assert prompts == {"stable_diffusion-zero-2", "stable_diffusion-one-2"}
    # partners and the mean come from the whole class, so samples of its old embeddings change as well
    assert len(sampled - prompts) == 6


TABLES = {"tabulate", "plot", "account", "report"}
LEARNING = {
    "assemble",
    "train",
    "evaluate",
    "map_saliency",
    "extract_features",
    "train_scaling",
    "tune_transfer",
    *COMPARED,
} | TABLES
GEOMETRY = {"measure_geometry", "judge_geometry"}


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """While the block runs."""
    before = path.read_text()
    assert before.count(old) == 1, (path, old)
    path.write_text(before.replace(old, new))
    try:
        yield
    finally:
        path.write_text(before)


EDITS = {
    "diffusion/inversion.py": ("0.5 * (1 + math.cos(", "0.5 * (1.0 + math.cos(", {"invert_shard", "sample_shard"}),
    "diffusion/conditioning.py": (
        'stream = streams.stream(seed, "mix", image_id',
        'stream = streams.stream(seed, "blend", image_id',
        {"sample_shard"},
    ),
    "base_model/samplers.py": ('"solver_order": 2', '"solver_order": 3', {"sample_shard", "measure_pilot"}),
    "store/checkpoints.py": ("EVERY_S = 60.0", "EVERY_S = 30.0", {"invert_shard", "sample_shard"}),
}
OTHER_EDITS = {
    "realgap/base_model/autoencoder.py": (
        " / 127.5 - 1",
        " / 127.5 - 1.0",
        {"encode_shard", "invert_shard", "sample_shard", "reconstruct_shard", "measure_pilot"} | LEARNING | GEOMETRY,
    ),
    "scripts/sampling_reconstruct.py": (
        "slice(options.images)",
        "slice(0, options.images)",
        {"reconstruct_shard"} | (LEARNING | GEOMETRY) - {"train_scaling", "compare_scaling"},
    ),
    "scripts/classifier_assemble.py": ('"step": "assemble"', '"step": "join"', LEARNING),
    "realgap/classifier/training.py": (
        "def _lr_factor(step: int",
        "def _lr_factor(step: float",
        LEARNING - {"assemble"},
    ),
    "scripts/classifier_evaluate.py": (
        "batch_size=128",
        "batch_size=64",
        {"evaluate", "infer_membership", "audit_memorisation", "diagnose_errors"}
        | {"compare_scaling", "compare_reported"}
        | TABLES,
    ),
    "realgap/cost/accounting.py": ("without: Iterable[str] = ()", "without: Iterable[str] = []", {"account", "report"}),
    "realgap/geometry/vanishing.py": ("HYPOTHESES = 1000", "HYPOTHESES = 900", GEOMETRY | {"account", "report"}),
    "realgap/report/pages.py": ("LOSSLESS_BYTES = 150_000", "LOSSLESS_BYTES = 1", {"report"}),
}
EDITS = {f"realgap/{name}": (old, new, rules | LEARNING | GEOMETRY) for name, (old, new, rules) in EDITS.items()}


@pytest.mark.parametrize(
    ("module", "old", "new", "expected"),
    [
        pytest.param(module, *edit, marks=() if number < 4 else pytest.mark.long)
        for number, (module, edit) in enumerate([*EDITS.items(), *OTHER_EDITS.items()])
    ],
)
def test_editing_a_definition_runs_the_rules_whose_step_reaches_it_and_what_follows(study, module, old, new, expected):
    with edited(study / "workflow" / module, old, new):
        assert set(checkout.rules(checkout.plan(study))) == expected
    assert not checkout.plan(study), "restored, but still run again"


@pytest.mark.long
def test_what_no_step_of_the_study_reaches_runs_nothing(study):
    """A kind of shard, a package in the job log, a colour word, a loader, a remark."""
    edits = {
        "store/shards.py": ('    "predictions": {', '    "depth": {"maps": ("float32", 3)},\n    "predictions": {'),
        "run/job_log.py": ('PACKAGES = ("diffusers",', 'PACKAGES = ("diffusers", "scipy",'),
        "pretraining/captions.py": ('    "purple": (', '    "violet": (130, 60, 200),\n    "purple": ('),
        "data/loaders.py": ('    "hdf5": hdf5,', '    "hdf5": hdf5,\n    "mnist": hdf5,'),
        "diffusion/inversion.py": ("PARTS = 50", "# a remark\nPARTS = 50"),
        "diffusion/encoder.py": ("HIDDEN = 512", "HIDDEN = 256"),
        "pretraining/typeset.py": ("FONTS =", "_NEW = True\nFONTS ="),
    }
    with ExitStack() as stack:
        for name, (old, new) in edits.items():
            stack.enter_context(edited(study / "workflow/realgap" / name, old, new))
        assert not checkout.plan(study)


@pytest.mark.long
def test_a_dry_run_says_which_definition_changed(study):
    old, new, _ = EDITS["realgap/diffusion/inversion.py"]
    with edited(study / "workflow/realgap/diffusion/inversion.py", old, new):
        said = checkout.snakemake(study, "-n").stdout
    assert [line for line in said.splitlines() if " again: " in line] == [
        "invert_shard runs again: realgap.diffusion.inversion._lr_factor changed"
    ]
    assert " again: " not in checkout.snakemake(study, "-n").stdout


def test_a_dry_run_says_what_it_can_where_nothing_was_kept(study):
    kept = study / ".snakemake/realgap/code"
    kept.rename(kept.with_name("away"))
    old, new, _ = EDITS["realgap/diffusion/inversion.py"]
    try:
        with edited(study / "workflow/realgap/diffusion/inversion.py", old, new):
            said = checkout.snakemake(study, "-n").stdout
    finally:
        kept.with_name("away").rename(kept)
    assert "\ninvert_shard runs again: its code is not that of the last run\n" in said


@pytest.mark.long
def test_touching_or_restoring_files_runs_nothing(study):
    later = time.time() + 60
    for folder in ("workflow", "resources", "envs"):
        for path in (study / folder).rglob("*"):
            os.utime(path, (later, later))
    os.utime(study / "config.yaml", (later, later))
    assert not checkout.plan(study)


@pytest.mark.long
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


@pytest.mark.long
def test_deleting_a_shard_makes_that_shard_and_what_follows(study):
    with deleted(study / "results/reduced/samples/stable_diffusion/zero/1.h5"):
        plan = checkout.plan(study)
    assert {item for rule, item in plan if rule == "sample_shard"} == {"stable_diffusion-zero-1"}
    jobs = checkout.rules(plan)
    assert jobs.pop("plot", 0) <= 1
    del jobs["sample_shard"]
    assert jobs == {rule: count for rule, count in AFTER_EMBEDDINGS.items() if rule != "plot"}


@pytest.mark.long
def test_every_file_is_asked_for_by_name(study):
    """Else one that was deleted would not be made again while all that was made of it is there."""
    results = study / "results/reduced"
    with deleted(results / "report.html"):
        said = checkout.snakemake(study, "-n", "-p").stdout
    asked = set(re.search(r"rule all:\n    input: (.*)", said)[1].split(", "))
    made = {path for path in results.rglob("*") if path.is_file()}
    made -= {path for folder in ("logs", "benchmarks") for path in (results / folder).rglob("*")}
    # of targets that make no file, such as plan and verify; and of runs
    made -= {*results.glob("*.log"), results / "records.json", results / progress.NAME}
    assert asked == {str(path.relative_to(study)) for path in made}


@pytest.mark.long
def test_a_training_that_was_stopped_after_a_change_is_not_passed_over(study):
    """Its old output is gone then, and the old predictions are there."""
    name = "classifiers/real/seed-0.safetensors"
    with deleted(study / "results/reduced" / name):
        alone = checkout.snakemake(study, target="results/reduced/table.csv")
        plan = checkout.plan(study, target="table")
    assert f"warning: results/reduced/{name}: missing and not made again" in alone.stderr
    assert checkout.rules(plan) == {"train": 1, "evaluate": 1, "tabulate": 1}
    assert "warning" not in checkout.snakemake(study, target="table").stderr
