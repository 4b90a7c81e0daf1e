"""tests.benchmarks without a clock: what a race counts, and what is said of it."""

import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from realgap.cost.plan import ARCHITECTURES
from realgap.data.images import resampled
from realgap.run.job_log import MARK, Job
from tests import checkout
from tests.benchmarks import (
    amortised,
    calls,
    encoders,
    field,
    harness,
    photographs,
    report,
    samples,
    visits,
    whole_study,
)
from tests.benchmarks.study import warped

TINY = {
    "dataset": {"classes": ["zero", "one"], "images_per_class": 8},
    "inversion": {"steps_per_image": 2},
    "sampling": {"samples_per_image": 2},
    "training_sets": ["real", "real@strong", "real+diffusion_inversion"],
    "classifier": {"steps": 5},
    "seeds": [0, 1],
    "saliency": {"images_per_class": 4},
    "fidelity": {"subsets": 2},
    "detection": {"steps": 2},
}
PUBLISHED = checkout.ROOT / "results/published/benchmarks"


class Clock:
    """Time that passes only when a contestant says so; the machine may be slow in some rounds."""

    def __init__(self):
        self.time_s, self.order = 0.0, []

    def __call__(self):
        return self.time_s, self.time_s / 2

    def contestant(self, name, seconds, first_s=0.0):
        def call():
            turn = len([one for one in self.order if one == name])
            self.order.append(name)
            self.time_s += first_s if turn == 0 else seconds * (100 if turn % 3 == 0 else 1)

        return call


def raced(rounds=9, **seconds):
    clock = Clock()
    first_s = 1_000.0
    contestants = {name: clock.contestant(name, each, first_s) for name, each in seconds.items()}
    return clock, harness.race(contestants, rounds, clock=clock)


def test_a_ratio_is_that_of_one_round_whatever_the_machine_does_in_others():
    _, times = raced(ours=2.0, theirs=5.0)
    assert max(times.wall_s["ours"]) == 100 * min(times.wall_s["ours"])
    assert harness.ratio(times.wall_s["ours"], times.wall_s["theirs"]) == (2.5, 2.5, 2.5)


def test_the_first_call_is_reported_and_not_counted():
    _, times = raced(ours=2.0, theirs=5.0)
    assert times.first_s == {"ours": 1_000.0, "theirs": 1_000.0}
    assert max(times.wall_s["theirs"]) == 500.0


def test_every_round_calls_each_contestant_once_in_an_order_that_changes():
    clock, times = raced(rounds=30, a=1.0, b=1.0, c=1.0)
    turns = [tuple(clock.order[first : first + 3]) for first in range(3, 93, 3)]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert len(set(turns)) == 6
    assert max(Counter(turns).values()) < 15
    assert {len(values) for values in times.cpu_s.values()} == {30}


def test_the_device_has_settled_before_each_reading_of_the_clock():
    clock, waiting = Clock(), []

    def launch():  # returns at once; the work is done by the time one has waited
        waiting.append(3.0)

    def settle():
        clock.time_s += sum(waiting)
        waiting.clear()

    times = harness.race({"ours": launch, "theirs": launch}, 4, clock=clock, settle=settle)
    assert times.wall_s == {"ours": [3.0] * 4, "theirs": [3.0] * 4}


def test_the_interval_of_a_ratio_holds_the_truth_as_often_as_it_says():
    random, covered = np.random.default_rng(0), 0
    for trial in range(200):
        ours, theirs = random.lognormal(0, 0.2, 15), 2 * random.lognormal(0, 0.2, 15)
        _, low, high = harness.ratio(ours, theirs, seed=trial)
        covered += low <= 2 <= high
    assert 0.88 <= covered / 200 <= 0.99


def contest(**changes):
    given = {"name": "stage", "work": "10 images", "items": 10, "targets": {"theirs": 2.0}, "flop": 40.0, **changes}
    return harness.Contest(contestants={"ours": None, "theirs": None}, **given)


def test_the_share_of_a_matmul_is_the_ratio_of_rates_within_a_round():
    times = harness.Times(
        {"ours": 1.0, "theirs": 1.0, harness.MATMUL: 1.0},
        {"ours": [2.0, 4.0], "theirs": [6.0, 12.0], harness.MATMUL: [1.0, 2.0]},
        {"ours": [1.0, 1.0], "theirs": [3.0, 3.0], harness.MATMUL: [1.0, 1.0]},
    )
    (row,) = harness.judge(contest(), times, matmul_flop=100.0)
    assert row["share_of_matmul"] == pytest.approx(0.2)  # 20 a second, where the matmul does 100
    assert row["ratio"] == 3.0
    assert row["target"] == 2.0
    assert row["ours_per_s"] == pytest.approx(10 / 3)
    (plain,) = harness.judge(contest(flop=0.0), times, matmul_flop=100.0)
    assert plain["share_of_matmul"] is None


def test_the_table_has_a_row_for_each_baseline_and_says_what_was_not_run(tmp_path):
    _, times = raced(rounds=12, ours=2.0, theirs=5.0)
    rows = harness.judge(contest(), times, matmul_flop=1.0)
    about = {"hardware": "a processor", "cores": 2, "threads": 1, "date": "2026-01-02", "load": 0.5}
    results = {"cpu": {"stage": {**about, "rows": rows}}}
    text = report.table(results)
    assert "| stage | theirs | 2.50 (2.50 to 2.50) | 2.50 (2.50 to 2.50) | 2 | – |  |" in text
    assert "a processor, 2 cores, 1 thread(s); 2026-01-02; 12 rounds" in text
    assert f"one GPU: not run; {report.GPU_COMMAND}" in text
    report.write(results, tmp_path / "benchmarks.json")
    assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".png", ".svg"}


def test_the_page_on_speed_shows_the_published_results_as_the_command_wrote_them():
    results = json.loads((PUBLISHED / "benchmarks.json").read_text())
    text = report.table(results)
    assert (PUBLISHED / "benchmarks.md").read_text() == text
    races = text.split("\n\n")[0]
    assert races in (checkout.ROOT / "workflow/docs/speed.md").read_text()
    assert min(row["rounds"] for row in report.races(results, "cpu")) >= 10


def test_draws_by_importance_are_as_frequent_as_asked_and_the_gradient_keeps_its_mean():
    """With every draw taken once, the mean gradient is that of uniform timesteps, and values are unchanged."""
    count = 50
    size, alphas_cumprod = np.linspace(1, 9, count), torch.linspace(0.99, 0.01, count)
    by_time = torch.linspace(-1, 2, count)

    def predict(latents, t, conditioning):
        return (by_time[t] * conditioning[:, 0, 0]).view(-1, 1, 1, 1) * latents

    predict_warped, alphas_warped = warped(predict, alphas_cumprod, size, fine=200)
    drawn = torch.arange(len(alphas_warped))
    t = torch.bucketize(-alphas_warped, -alphas_cumprod)
    frequency = torch.bincount(t, minlength=count) / len(t)
    np.testing.assert_allclose(frequency, 0.9 * size / size.sum() + 0.1 / count, atol=2e-4)

    conditioning = torch.ones(1, 1, 1, requires_grad=True)
    latents = torch.ones(len(drawn), 1, 1, 1)
    values = predict_warped(latents, drawn, conditioning.expand(len(drawn), 1, 1))
    torch.testing.assert_close(values.flatten(), by_time[t])
    (gradient,) = torch.autograd.grad(values.mean(), conditioning)
    assert float(gradient) == pytest.approx(float(by_time.mean()), abs=1e-5)


def test_arms_are_told_apart_by_their_files(tmp_path):
    paths = [visits._path(tmp_path, arm) for arm in visits.ARMS]
    assert len(set(paths)) == len(paths)
    assert visits.ARMS[0].name == visits.REFERENCE


def test_the_ablation_pairs_images_and_seeds(tmp_path):
    for arm, shift in ((visits.ARMS[0], 0.0), (visits.ARMS[1], 0.01)):
        losses = np.linspace(0.1, 0.3, 100) + shift
        found = {"losses": losses, "accuracies": np.array([90.0, 92.0, 94.0]) - 100 * shift}
        found |= {"visits": np.full(100, arm.visits), "coverage": 50.0, "cpu_s": 7.0}
        np.savez(visits._path(tmp_path, arm), **found)
    lines = visits.table(tmp_path).splitlines()
    assert len(lines) == 4
    assert "| 3,000 | 100 | 0.2000 | – | 92.0 (87.0 to 97.0) | – |" in lines[2]
    assert "| 300 | 100 | 0.2100 | +5.00 (+5.00 to +5.00) | 91.0 (86.0 to 96.0) | -1.0 (-1.0 to -1.0) |" in lines[3]


def test_an_amortised_arm_costs_the_steps_of_all_that_precedes_it(tmp_path):
    assert amortised.Arm("fitted", 16, first=10, first_steps=320).cost(100) == pytest.approx(0.1 * 320 + 0.9 * 16)
    assert amortised.Arm("fitted", 16, first=10, first_steps=320).cost(500) == pytest.approx(0.02 * 320 + 0.98 * 16)
    assert amortised.Arm("taught", 16, taught=14).cost(100) == 30
    for of in amortised.ARMS.values():
        paths = [amortised._path(tmp_path, arm) for arm in of]
        assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(
    ("kind", "with_guidance", "before"), [("inversion", 6, 0), ("img2img", 5, 0), ("ddim_inversion", 6, 20)]
)
def test_the_calls_of_an_arm_are_counted_as_the_unet_is_asked(kind, with_guidance, before):
    digits = encoders.of_digits(2, 3, "small")
    changes = {"kind": kind, "num_inference_steps": 4, "guidance_interval": [0.25, 0.75], "guidance_scale": 2.0}
    changes |= {"img2img": {"strength": 0.75}, "ddim_inversion": {"inversion_steps": 20}}.get(kind, {})
    embeddings, source = digits.start("prompt", digits.images), calls.Arm("", changes).source
    drawn = samples.draw(digits, embeddings, source, calls.SOLVERS["dpmsolver++"], variants=2)
    assert (drawn.calls, drawn.calls_before) == (with_guidance, before)
    assert drawn.images["images"].shape == (40, 16, 16, 3)
    assert drawn.images["sources"].tolist() == np.repeat(np.arange(20), 2).tolist()


def test_arms_of_fewer_calls_are_told_apart_by_their_files(tmp_path):
    names = [arm.name for arm in calls.ARMS] + [f"solver {name}" for name in calls.SOLVERS]
    assert len({calls._path(tmp_path, name) for name in names}) == len(names)
    assert calls.ARMS[0] == calls.REFERENCE


def test_fewer_calls_are_paired_by_unit_and_test_image(tmp_path):
    random = np.random.default_rng(0)
    reference = random.random((10, 600)) < 0.96
    kept = {"coverage": np.linspace(60, 70, 10), "cpu_s": 7.0}
    np.savez(calls._path(tmp_path, calls.REFERENCE.name), correct=reference, calls=24.0, **kept)
    for arm, share in ((calls.ARMS[1], 0.0), (calls.ARMS[2], 0.02)):
        correct = reference & (random.random(reference.shape) >= share)
        np.savez(
            calls._path(tmp_path, arm.name), correct=correct, calls=6.0, **{**kept, "coverage": kept["coverage"] - 1}
        )
    same, worse = (line.split("|") for line in calls.table(tmp_path).splitlines()[3:])
    assert same[2:6] == [" 6 ", same[3], " +0.0 (-0.3 to +0.3) ", " shown "]
    assert worse[4].startswith(" -1.9 (-2.")
    assert worse[5] == " not shown "
    assert worse[7] == " -1.0 (-1.0 to -1.0) "


def test_a_solver_that_cannot_take_so_many_calls_has_no_error(tmp_path):
    errors = np.full((len(calls.CALLS), 100), 2.0)
    errors[1] = np.nan
    np.savez(calls._path(tmp_path, "solver heun"), errors=errors)
    assert calls.table_of_solvers(tmp_path).splitlines()[2].startswith("| heun | 2.0 (2.0 to 2.0) | – | 2.0 (")


def test_a_whole_study_is_compared_by_stage_and_what_is_no_job_is_snakemakes(tmp_path):
    results = tmp_path / "ours/results/digits"
    for rule, cpu_s in {"invert_shard": 20.0, "train": 5.0}.items():
        for folder in ("benchmarks", "logs"):
            (results / folder / rule).mkdir(parents=True)
        (results / f"benchmarks/{rule}/one.tsv").write_text("s\th:m:s\tmax_rss\n9\t0:00:09\t1\n")
        job = dict.fromkeys(Job.__dataclass_fields__) | {"cpu_s": cpu_s, "start": "2026-01-02"}
        (results / f"logs/{rule}/one.log").write_text(MARK + json.dumps(job) + "\n")
    for folder, spent in (
        ("equal", {"imports": 2, "inversion": 30, "classifiers: real": 3, "classifiers: real@strong": 7}),
        ("published", {"imports": 2, "inversion": 15, "sampling: stable_diffusion": 4}),
    ):
        (tmp_path / folder / "cpu_s").mkdir(parents=True)
        for part, cpu_s in spent.items():
            (tmp_path / folder / "cpu_s" / part).write_text(f"{cpu_s}\n")
    (tmp_path / "ours.json").write_text('{"cpu_s": 29.0}')
    (tmp_path / "about.json").write_text(json.dumps(dict.fromkeys(("hardware", "cores", "date", "seeds", "load"), 1)))
    names = ("training_set", "row")
    for path, name in zip((results, tmp_path / "equal"), names, strict=True):
        (path / "accuracies.csv").write_text(f"{name},seed,accuracy\nreal,0,0.8\nreal,1,0.9\n")
    text = whole_study.table(tmp_path)
    assert "| inversion | 20.0 | 30.0 | 1.50 | 300.0 | 15.00 |" in text
    assert "| classifiers | 5.0 | 10.0 | 2.00 | 10.0 | 2.00 |" in text
    assert f"| {whole_study.REST} | 4.0 | 2.0 | 0.50 | 2.0 | 0.50 |" in text
    assert "| in all | 29.0 | 42.0 | 1.45 | 352.0 | 12.14 |" in text
    assert "| real | 85.0 (21.5 to 148.5) | 85.0 (21.5 to 148.5) |" in text
    (results / "benchmarks/train").rename(results / "benchmarks/another")
    with pytest.raises(ValueError, match="rules without a stage: another"):
        whole_study.table(tmp_path)


@pytest.mark.long
def test_the_script_of_the_field_makes_a_study_and_keeps_its_parts(tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.field",
        str(tmp_path / "made"),
        "--study",
        str(tmp_path / "tiny.yaml"),
    ]
    run = {"cwd": checkout.ROOT, "env": whole_study.environment(), "capture_output": True, "text": True}
    done = subprocess.run([*command, "--parts", "real images", "inversion", "sampling"], **run)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(command, **run)
    assert done.returncode == 0, done.stderr
    ran = [line.rpartition(": ")[0] for line in done.stdout.splitlines()]
    assert not {"real images", "inversion", "sampling: vae_only"} & set(ran)
    assert {"classifiers: real@strong", "geometry", "table and figures"} <= set(ran)
    made = {name: len(list((tmp_path / "made/images" / name).rglob("*.png"))) for name in field.GENERATED}
    assert made == {"vae_only": 16, "stable_diffusion": 32, "diffusion_inversion": 32}
    table = pd.read_csv(tmp_path / "made/table.csv")
    assert table.row.tolist() == TINY["training_sets"]
    assert table.accuracy.between(0, 1).all()
    learned = np.load(tmp_path / "made/embeddings.npy")
    assert learned.shape[:2] == (16, 5)
    assert np.isfinite(learned).all()


def test_every_stage_has_a_module():
    from tests.benchmarks.__main__ import STAGES

    for stage in STAGES:
        assert (checkout.ROOT / "tests" / "benchmarks" / f"{stage}.py").exists()
    assert (ARCHITECTURES / "stable-diffusion-1" / "unet" / "config.json").exists()


def test_what_limits_photographs_is_paired_by_seed_with_real_images_alone(tmp_path):
    def finished(name, alone, with_real):
        arm = next(arm for arm in photographs.ARMS if arm.name == name)
        found = {"n": 20, "losses": np.full(20, np.nan), "psnr": np.full(20, 25.0)}
        np.savez(photographs.kept_in(tmp_path, arm), alone=alone, with_real=with_real, **found)

    finished("VAE only", [49.0, 51.0, 53.0], [51.0, 54.0, 54.0])
    assert "| VAE only | 20 | – | 25.0 | 51.0 (46.0 to 56.0) | – | – |" in photographs.table(tmp_path)
    finished("real", [50.0, 52.0, 54.0], [50.0, 52.0, 54.0])
    assert "| -1.0 (-1.0 to -1.0) | 0.981 | 53.0 (48.7 to 57.3) | +1.0 (" in photographs.table(tmp_path)
    assert "| real | 20 | – | – | 52.0 (47.0 to 57.0) | – | – |" in photographs.table(tmp_path)


def test_a_linear_code_of_all_numbers_and_a_blur_of_flat_images_change_nothing():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(photographs.linear_code(images, numbers=48), images)
    errors = [np.square(photographs.linear_code(images, n).astype(float) - images).mean() for n in (24, 12, 1)]
    assert 0 < errors[0] < errors[1] < errors[2]
    flat = np.broadcast_to(images[:, :1, :1], images.shape)
    np.testing.assert_array_equal(resampled(flat, 4), flat)
    halves = np.zeros((1, 8, 8, 3), np.uint8)
    halves[:, :, 4:] = 200
    assert resampled(halves, 8).std() == 0
