"""cost.accounting and report.cost_and_run: costs add up to the jobs' benchmarks, and the words follow them."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from realgap import statistics
from realgap.cost import accounting
from realgap.report import cost_and_run
from realgap.run import job_log
from realgap.study.config import differences

JOB = job_log.Job(
    "2026-11-24T22:00:00+00:00",
    "2026-11-24T22:00:09+00:00",
    1.0,
    500.0,
    None,
    "n1",
    "Xeon",
    "cpu",
    1,
    "abc",
    {"torch": "2"},
)


@pytest.fixture
def leave(tmp_path):
    """Leaves the benchmark and the log of a job: leave("train/real-0", 2.5, start=...)."""

    def write(name, wall_s, log=True, **facts):
        for folder in ("benchmarks", "logs"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "benchmarks" / f"{name}.tsv").write_text(
            f"s\th:m:s\tmax_rss\tcpu_time\n{wall_s}\t0:00:02\t500\tNA\n"
        )
        if log:
            line = job_log.MARK + json.dumps({**asdict(JOB), **facts})
            (tmp_path / "logs" / f"{name}.log").write_text(f"progress\n{line}\n")
        return tmp_path

    return write


@pytest.fixture
def folder(leave):
    """A study of 4 real images, 2 variants each, and two seeds."""
    leave("train/real-0", 2.0, start="2026-11-24T22:03:00+00:00")
    leave("train/real-1", 4.0, start="2026-11-24T22:03:00+00:00", host="n2")
    leave("train/real+diffusion_inversion-0", 6.0, start="2026-11-24T22:04:00+00:00", commit="def")
    leave("encode_shard/zero-0", 1.0, start="2026-11-24T22:00:00+00:00")
    leave("invert_shard/zero-0", 30.0, start="2026-11-24T22:01:00+00:00", energy_j=10.0)
    leave("invert_shard/one-0", 50.0, start="2026-11-24T22:01:00+00:00", energy_j=20.0)
    leave("sample_shard/diffusion_inversion-zero-0", 8.0, start="2026-11-24T22:02:00+00:00")
    leave("sample_shard/stable_diffusion-zero-0", 7.0, start="2026-11-24T22:02:30+00:00")
    return leave("tabulate", 0.5, log=False)


IMAGES = {"encode_shard": 4, "invert_shard": 4, "sample_shard diffusion_inversion": 8}
# what the images of a source went through
STAGES = {
    "stable_diffusion": ["sample_shard stable_diffusion"],
    "diffusion_inversion": ["encode_shard", "invert_shard", "sample_shard diffusion_inversion"],
}


def test_every_benchmark_is_a_job_with_what_its_log_says(folder):
    found = accounting.read_jobs(folder, STAGES).set_index("rule")
    assert len(found) == 9
    assert found.wall_s.sum() == pytest.approx(108.5)
    assert found.loc["tabulate", "item"] == ""
    assert pd.isna(found.loc["tabulate", "host"])
    assert found.loc["encode_shard", ["item", "host", "commit", "peak_memory_mb"]].tolist() == [
        "zero-0",
        "n1",
        "abc",
        500,
    ]
    assert len(accounting.read_jobs(folder, STAGES, without=["tabulate", "train"])) == 5


@pytest.mark.parametrize("text", ["", "nonsense", "s\n", "s\tmax_rss\nfast\t3\n"])
def test_what_is_not_a_benchmark_is_named(folder, text):
    (folder / "benchmarks/tabulate.tsv").write_text(text)
    with pytest.raises(ValueError, match="benchmarks/tabulate.tsv: not a benchmark"):
        accounting.read_jobs(folder, STAGES)


def test_a_study_without_benchmarks_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="must hold the benchmarks"):
        accounting.read_jobs(tmp_path)


def test_stages_add_up_and_come_in_the_order_in_which_they_began(folder):
    found = accounting.stages(accounting.read_jobs(folder, STAGES, without=["tabulate"]), IMAGES)
    assert found.stage.tolist() == [
        "encode_shard",
        "invert_shard",
        "sample_shard diffusion_inversion",
        "sample_shard stable_diffusion",
        "train",
    ]
    inversion = found.set_index("stage").loc["invert_shard"]
    assert (inversion.n_jobs, inversion.job_seconds, inversion.longest_s, inversion.s_per_image) == (2, 80, 50, 20)
    _, low, high = statistics.mean_interval([30, 50])
    assert low < 0, "no time is below zero, so the bound is cut there"
    np.testing.assert_allclose([inversion.s_per_image_low, inversion.s_per_image_high], [0, high / 2])
    assert inversion.energy_j == 30
    assert found.energy_j.isna().sum() == 4
    assert found.s_per_image.isna().sum() == 2


def table(**rows):
    columns = [
        "accuracy_mean",
        "accuracy_low",
        "accuracy_high",
        "difference_to_real",
        "difference_low",
        "difference_high",
    ]
    frame = pd.DataFrame([(name.replace("_and_", "+"), *values) for name, values in rows.items()])
    frame = frame.set_axis(["training_set", *columns], axis=1)
    return frame.assign(verdict=np.where(frame.difference_low > 0, "better", "undecided"))


def test_a_point_costs_what_its_images_and_a_classifier_took(folder):
    shown = table(real=(0.6, 0.55, 0.65, 0, 0, 0), real_and_diffusion_inversion=(0.7, 0.6, 0.8, 0.1, 0.05, 0.2))
    found = accounting.accuracy_points(shown, accounting.read_jobs(folder, STAGES), STAGES, chance=0.5).set_index(
        "training_set"
    )
    real, mixed = found.loc["real"], found.loc["real+diffusion_inversion"]
    assert (real.generation_s, real.training_s, real.n_classifiers) == (0, 3, 2)
    assert real.s_per_point == pytest.approx(3 / 10)
    assert mixed.generation_s == 1 + 80 + 8
    np.testing.assert_allclose(
        mixed[["s_per_point", "s_per_point_low", "s_per_point_high"]].astype(float), [95 / 20, 95 / 30, 95 / 10]
    )
    gained = mixed[["s_per_point_gained", "s_per_point_gained_low", "s_per_point_gained_high"]].astype(float)
    np.testing.assert_allclose(gained, [8.9, 89 / 20, 89 / 5])
    assert np.isnan(real.s_per_point_gained)


@pytest.mark.parametrize("low", [-0.01, 0.0, np.nan])
def test_a_gain_that_may_be_none_has_no_price(folder, low):
    shown = table(real_and_diffusion_inversion=(0.7, low, 0.8, 0.1, low, 0.2))
    found = accounting.accuracy_points(shown, accounting.read_jobs(folder, STAGES), STAGES, chance=0.5).iloc[0]
    assert np.isnan(found.s_per_point_gained)
    section = cost_and_run.cost(accounting.stages(accounting.read_jobs(folder, STAGES), IMAGES), found.to_frame().T)
    assert any("no gained point has a price" in sentence for sentence in section.sentences)


def test_the_section_on_cost_says_where_it_went(folder):
    stages = accounting.stages(accounting.read_jobs(folder, STAGES), IMAGES)
    shown = table(real_and_diffusion_inversion=(0.7, 0.6, 0.8, 0.1, 0.05, 0.2))
    section = cost_and_run.cost(
        stages, accounting.accuracy_points(shown, accounting.read_jobs(folder, STAGES), STAGES, chance=0.5)
    )
    assert section.sentences[0] == (
        "All stages took 1 min 48 s of work in 9 jobs. The largest stage is invert shard: 2 jobs, 74 % of the work."
    )
    assert "8.9 s of generating (by the 95 % interval of the gain: 4.45 s to 17.8 s)" in section.sentences[1]
    assert "8.33e-06 kWh" in section.sentences[2]
    assert "energy_j" in section.tables[0].columns
    unknown = cost_and_run.cost(stages.assign(energy_j=np.nan), pd.DataFrame({"s_per_point_gained": []}))
    assert "No device counted its energy." in unknown.sentences
    assert "energy_j" not in unknown.tables[0].columns


def test_the_section_on_the_run_counts_machines_commits_and_jobs_that_left_no_word(folder):
    found = accounting.read_jobs(folder, STAGES)
    section = cost_and_run.run(found, [("inversion.lr", 0.1, 0.2)], seed=0, seeds=[0, 1])
    assert "The first began at 2026-11-24 22:00:00 UTC" in section.sentences[0]
    assert "commits abc (7 jobs), def (1 jobs)" in section.sentences[0]
    assert section.notes == ["The logs of 1 of 9 jobs do not say where they ran."]
    assert [one.path for one in section.tables] == ["run/machines.csv", "run/settings.csv", "run/checksums.csv"]
    assert accounting.machines(found)[["processor", "device", "n_hosts", "n_jobs"]].values.tolist() == [
        ["Xeon", "cpu", 2, 8]
    ]
    silent = cost_and_run.run(found[found.host.isna()], [], seed=0, seeds=[0])
    assert [one.path for one in silent.tables] == ["run/checksums.csv"]
    assert "All settings are those of the default study." in silent.sentences


def test_differences_of_two_configs_are_named_by_their_keys():
    default = {"study": "a", "inversion": {"lr": 0.1, "visits": 3}, "seeds": [0]}
    here = {"study": "a", "inversion": {"lr": 0.2, "visits": 3, "more": None}, "seeds": [0, 1]}
    assert differences(here, default) == [("inversion.lr", 0.1, 0.2), ("seeds", [0], [0, 1])]
    assert differences(default, default) == []
    assert cost_and_run.settings_frame(differences(here, default)).here.tolist() == ["0.2", "[0, 1]"]
