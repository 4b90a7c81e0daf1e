"""cost.plan and cost.plan_table: what a study will cost, checked against what was counted and what was run."""

import copy
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from torchvision import models

from realgap.cost import plan, plan_table, sizes
from realgap.diffusion import encoder
from realgap.study import counts, sources
from tests import checkout

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "resources" / "studies").glob("*.yaml"))
OF_REAL = ("encode_shard", "invert_shard", "predict_shard", "reconstruct_shard")


def study(name=None, **sections):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    own = yaml.safe_load((ROOT / f"resources/studies/{name}.yaml").read_text()) if name else {}
    return _merged(_merged(config, own), sections)


def _merged(below, above):
    if not isinstance(below, dict) or not isinstance(above, dict):
        return copy.deepcopy(above)
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}


def of_all(config):
    """The work of all real images of a study, rule by rule, and by source of those that are sampled."""
    counted = plan.Plan(config)
    images = counted.real
    work = {rule: getattr(counted, rule)(images) for rule in OF_REAL}
    sampled = [source for source in sources.used(config).values() if source.rule == "sample_shard"]
    return (
        work
        | {source.name: counted.sample_shard(images, source) for source in sampled}
        | {"train": counted.train("real")}
    )


def test_cifar10_costs_what_the_table_of_exact_work_says():
    """85.0 GFLOP a visit at 128 px, 42.9 a forward, 67.8 and 155 the VAE's halves, 3.33 a training image."""
    work = of_all(study("cifar10"))
    assert work["invert_shard"].flops == pytest.approx(50_000 * 3_000 * 85.0e9, rel=0.01)
    assert work["encode_shard"].flops == pytest.approx(50_000 * 67.8e9, rel=0.01)
    assert work["reconstruct_shard"].flops == pytest.approx(50_000 * 155e9, rel=0.01)
    for source in ("stable_diffusion", "diffusion_inversion"):
        assert work[source].flops == pytest.approx(250_000 * (25 * 2 * 42.9e9 + 155e9), rel=0.01)
        assert work[source].images == 250_000
    assert work["train"].flops == pytest.approx(20_000 * 128 * 3.33e9, rel=0.01)
    assert plan.Plan(study("cifar10")).evaluate().flops == pytest.approx(10_000 * 1.11e9, rel=0.01)
    # at half an H200's 989 TFLOP/s; 4.48 hours at its measured 790
    assert work["invert_shard"].hours("h200", 790 / 989) == pytest.approx(4.48, rel=0.01)
    assert work["invert_shard"].disk_bytes == 50_000 * 15_360


def test_published_settings_cost_more_in_sampling_and_training_alone():
    ours, published = (of_all(study(name)) for name in ("cifar10", "paper"))
    assert published["invert_shard"].flops == ours["invert_shard"].flops
    for source in ("stable_diffusion", "diffusion_inversion"):
        assert published[source].flops / ours[source].flops == pytest.approx(101 / 25, rel=0.06)
    assert published["train"].flops / ours["train"].flops == pytest.approx(2.5)


def test_img2img_costs_the_share_of_the_steps_that_it_makes():
    entry = {"kind": "img2img", "num_inference_steps": 20, "strength": 0.3}
    config = study(
        sources={"half_way": entry, "whole": {**entry, "strength": 1.0}}, training_sets=["half_way", "whole"]
    )
    work, counted = of_all(config), plan.Plan(config)
    decoded = 1_000 * counted.decoder
    assert (work["half_way"].flops - decoded) / (work["whole"].flops - decoded) == pytest.approx(6 / 20)


def test_the_published_study_decays_weights_and_warms_up_as_often_as_published():
    """6,000 updates at 0.03 x 0.01 shrink a weight as much as our steps do; 1,000 of 50,000 steps."""
    paper = study("paper")
    inversion, classifier = paper["inversion"], paper["classifier"]
    shrunk = (1 - inversion["lr"] * inversion["weight_decay"]) ** inversion["steps_per_image"]
    assert shrunk == pytest.approx((1 - 0.03 * 0.01) ** 6_000, rel=1e-3)
    assert classifier["warmup"] * classifier["steps"] == 1_000
    assert paper["sources"]["diffusion_inversion"]["unconditional"] == "dataset"
    assert paper["compute"]["precision"] == "fp32"


def test_one_embedding_a_class_costs_its_own_steps():
    counted = plan.Plan(study(class_inversion={"steps": 7, "images_per_step": 4}))
    visit = counted.denoise + counted.denoise_backward
    assert counted.invert_class(10).flops == pytest.approx(7 * 4 * visit)
    assert counted.invert_class(3).flops == pytest.approx(7 * 3 * visit)


def test_an_encoder_costs_the_steps_that_teach_it_and_each_image_what_it_takes_from_there():
    counted = plan.Plan(study("cifar10", inversion={"encoder_steps": 28, "refining_steps": 2}))
    visit = counted.denoise + counted.denoise_backward
    taught = counted.teach_encoder()
    assert taught.images == 50_000
    assert taught.flops == pytest.approx(50_000 * 28 * visit)
    assert taught.memory_bytes > 2 * 50_000 * counted.latents_bytes
    # two layers of 512: of 4 x 16 x 16 latents and ten classes, and to 5 tokens of 768
    assert taught.disk_bytes == 4 * 512 * (1_024 + 10 + 3_840)
    predicted = counted.predict_shard(500)
    assert predicted.flops == pytest.approx(500 * 2 * visit)
    assert (predicted.images, predicted.disk_bytes) == (500, 500 * 15_360)
    assert (taught.flops + 100 * predicted.flops) / counted.invert_shard(50_000).flops == pytest.approx(30 / 3_000)


def test_the_width_of_the_encoder_is_the_networks_own():
    assert plan.HIDDEN == encoder.HIDDEN


def test_guidance_of_1_halves_the_work_of_the_denoiser():
    guided, plain = (
        of_all(study(sources={"stable_diffusion": {"guidance_scale": scale}}))["stable_diffusion"].flops
        for scale in (2.0, 1.0)
    )
    decoded = 10 * 100 * plan.Plan(study()).decoder
    assert (guided - decoded) / (plain - decoded) == pytest.approx(2)


def test_memory_grows_with_the_batch_and_holds_the_weights():
    small, large = (plan.Plan(study("cifar10", inversion={"batch_size": n})).invert_shard(500) for n in (1, 256))
    assert small.memory_mb > 2 * 3_700  # 0.94 billion parameters, read and kept
    assert large.memory_mb - small.memory_mb > 255 * 46


def test_a_model_that_is_there_is_counted_by_its_own_configuration(base_model):
    own = {"path": str(base_model), "hub": None, "revision": None, "resolution": 16}
    mine = plan.Plan(study("cifar10", base_model=own))
    assert mine.denoise < 1e8 < plan.Plan(study("cifar10")).denoise
    assert mine.weights_bytes < 1e7


def test_a_damaged_configuration_of_a_model_is_one_line(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"unet/config\.json: must be JSON"):
        plan.Plan(study(base_model={"path": str(tmp_path)}))


def counted(path, folder):
    """What the graph of a study says of each rule: (jobs, work), without its data or weights."""
    count = folder / "counted.json"
    command = ["snakemake", "-n", "--quiet", "rules", "--configfile", str(path), "--", "all"]
    environment = checkout.environment() | {"REALGAP_COUNT": str(count)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(count.read_text())
    assert found["unknown"] == []
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", run.stdout, re.MULTILINE)}
    return jobs, {row["rule"]: row for row in found["rows"]}


@pytest.mark.long
@pytest.mark.parametrize("path", [path for path in STUDIES if path.stem != "rooms"], ids=lambda path: path.stem)
def test_the_jobs_counted_are_those_snakemake_plans_and_their_work_is_the_studys(path, tmp_path):
    """A study's own file, planned by the literal command, without its data or weights (rooms has no generator)."""
    jobs, rows = counted(path, tmp_path)
    left = {rule: row["left"] for rule, row in rows.items() if row["left"]}
    assert left == {rule: n for rule, n in jobs.items() if rule not in ("all", "total")}
    config = counts.settled(sizes.settled(study(path.stem)))
    each = config["dataset"]["images_per_shard"]
    shards = sum(-(-number // each) for number in counts.per_class(config).values())
    used = sources.used(config)
    sampled = [name for name, source in used.items() if source.rule == "sample_shard"]
    inverted = {rule for source in used.values() for rule in source.after} & {"encode_shard", "invert_shard"}
    # of an amortised inversion another rule makes what invert_shard makes
    amortised = config["inversion"]["encoder_steps"] is not None and "invert_shard" in inverted
    inverted |= {"predict_shard"} if amortised else set()
    inverted -= {"invert_shard"} if amortised else set()
    assert jobs.get("teach_encoder", 0) == int(amortised)
    for rule, times in {
        **{"encode_shard": 1, "invert_shard": 1, "predict_shard": 1},
        "sample_shard": len(sampled),
    }.items():
        assert jobs.get(rule, 0) == (times * shards if rule in {*inverted, "sample_shard"} else 0), rule
    assert jobs["train"] == jobs["evaluate"] == len(config["training_sets"]) * len(config["seeds"])
    # every shard once, the last of a class being smaller or not
    whole = of_all(config)
    for rule in (*inverted, *(["reconstruct_shard"] if "vae_only" in used else [])):
        assert rows[rule]["work"]["flops"] == pytest.approx(whole[rule].flops), rule
        assert rows[rule]["work"]["images"] == whole[rule].images, rule
    if not sampled:
        return
    of_samples = plan.total([whole[name] for name in sampled])
    assert rows["sample_shard"]["work"]["images"] == of_samples.images
    assert rows["sample_shard"]["work"]["flops"] == pytest.approx(of_samples.flops)


@pytest.mark.long
def test_what_no_training_set_uses_is_not_counted_and_the_last_shard_may_be_smaller(tmp_path):
    given = {"study": "counted", "training_sets": ["real", "stable_diffusion"], "analyses": []}
    given["dataset"] = {"images_per_class": 25, "images_per_shard": 10}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(given))
    jobs, rows = counted(tmp_path / "study.yaml", tmp_path)
    assert not {"encode_shard", "invert_shard", "invert_class", "reconstruct_shard"} & set(rows)
    assert jobs["sample_shard"] == 30
    assert rows["sample_shard"]["work"]["images"] == 10 * 25 * 10
    assert rows["extract_shard"]["work"]["images"] == 250


def test_the_table_has_a_row_for_each_rule_and_says_what_it_rests_on():
    work = plan.Work(images=1000, flops=3.12e20, disk_bytes=2_500_000, host_s=7200)
    rows = [plan_table.Row("invert_shard", 10, 4, work, [1800.0, 1800.0]), plan_table.Row("plot", 1, 1, None)]
    lines = plan_table.table(rows, device="a100", utilisation=0.25).splitlines()
    assert re.split(r"  +", lines[2]) == [
        "invert_shard",
        "10",
        "4",
        "1,000",
        "312,000",
        "1,111",
        "2",
        "2.5 MB",
        "2",
        "1",
    ]
    assert re.split(r"  +", lines[3]) == ["plot", "1", "1", *["–"] * 7]
    assert re.split(r"  +", lines[5])[:7] == ["all", "11", "5", "–", "312,000", "1,111", "2"]
    assert "25% of 312 TFLOP/s" in lines[-2]


@pytest.mark.xdist_group("study")
def test_snakemake_plan_prints_the_bill_and_what_finished_jobs_took(finished_study):
    before = {path for path in (finished_study / "results").rglob("*") if path.is_file()}
    run = checkout.snakemake(finished_study, target="plan")
    assert run.returncode == 0, run.stdout + run.stderr
    rows = {line.split()[0]: re.split(r"  +", line.strip()) for line in run.stdout.splitlines() if "  " in line}
    assert rows["invert_shard"][1:4] == ["4", "0", "8"]
    assert rows["train"][1:3] == ["12", "0"]
    assert rows["sample_shard"][-2] == "8"
    took = sum(
        float(path.read_text().split("\n")[1].split("\t")[0])
        for path in (finished_study / "results/reduced/benchmarks/train").glob("*.tsv")
    )
    assert float(rows["train"][-1]) == pytest.approx(took / 3600, rel=0.01)
    after = {path for path in (finished_study / "results").rglob("*") if path.is_file()}
    assert {path.name for path in after - before} <= {"plan.log"}


@pytest.mark.parametrize("architecture", ["convnext_tiny", "vit_b_16", "swin_t", "mobilenet_v2"])
def test_another_family_costs_what_torchvision_publishes_of_it(architecture):
    """torchvision gives multiply-adds of an image of 224 px in units of a billion, and the parameters."""
    meta = models.get_model_weights(architecture).DEFAULT.meta
    counted = plan.Plan(study("cifar10", classifier={"architecture": architecture, "input_size": 224}))
    forward, parameters, features, size, saved = counted.classifier()
    assert size == 224
    assert forward / 2e9 == pytest.approx(meta["_ops"], rel=0.03)
    assert parameters == meta["num_params"] - 990 * (features + 1)  # of ten classes, not a thousand
    seen = counted.train("real").images
    assert counted.train("real").flops == pytest.approx(3 * seen * forward)
    assert counted.train("real").memory_bytes > 128 * saved > 128 * 40e6


def test_a_linear_probe_costs_a_third_and_each_row_has_its_own_classifier():
    recipes = {"probe": {"backbone_lr": 0}, "large": {"input_size": 64}}
    config = study("cifar10", recipes=recipes, training_sets=["real", "real@probe", "real@large"])
    counted = plan.Plan(config)
    usual = counted.train("real").flops
    assert counted.train("real@probe").flops == pytest.approx(usual / 3)
    assert counted.train("real@large").flops == pytest.approx(4 * usual, rel=1e-3)
    assert counted.evaluate("real@large").flops == pytest.approx(4 * counted.evaluate("real").flops, rel=1e-3)


def test_a_training_set_beyond_what_may_be_held_is_read_batch_by_batch_and_asks_for_less_memory():
    held, read = (plan.Plan(study(classifier={"resident_mb": most})) for most in (16000, 0.05))
    assert not held.on_disk("real")
    assert read.on_disk("real")
    larger = study(dataset={"images_per_class": 100}, sampling={"samples_per_image": 10_000})
    row = "real+stable_diffusion"
    counted = plan.Plan(_merged(larger, {"classifier": {"resident_mb": 100}}))
    assert counted.on_disk(row)
    of_all, streamed = (counted.train(row, on_disk) for on_disk in (False, True))
    assert streamed.memory_bytes < of_all.memory_bytes / 5
    assert streamed.flops == of_all.flops


def test_half_precision_halves_what_embeddings_and_moments_take_on_disk():
    whole, half = (plan.Plan(study(store={"embeddings": form, "moments": form})) for form in ("float32", "float16"))
    for rule in ("encode_shard", "invert_shard", "predict_shard"):
        assert getattr(half, rule)(10).disk_bytes == getattr(whole, rule)(10).disk_bytes / 2
    assert half.teach_encoder().disk_bytes == whole.teach_encoder().disk_bytes
