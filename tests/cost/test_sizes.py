"""cost.sizes and cost.peaks: what a study leaves open follows from its resolution, steps and precision."""

import pytest
import torch

from realgap import devices
from realgap.cost import peaks, plan, resources, sizes
from realgap.study import sources
from tests.cost.test_plan import study

CARDS = [name for name in peaks.PEAK_TFLOPS if name != "cpu"]


def open_study(resolution, steps=3000, precision="auto", tf32=False, num_tokens=5):
    """A study of Stable Diffusion that leaves all sizes open."""
    return study(
        base_model={"path": "resources/models/none", "hub": "CompVis/stable-diffusion-v1-4", "resolution": resolution},
        dataset={"images_per_class": 5000},
        inversion={"steps_per_image": steps, "num_tokens": num_tokens},
        compute={"precision": precision, "tf32": tf32},
        plan={"device": "a100"},
    )


def jobs(config):
    """The works of one shard of a study."""
    counted = plan.Plan(config)
    n = min(counted.per_shard, counted.smallest)
    sampled = [counted.sample_shard(n, one) for one in sources.used(config).values() if one.rule == "sample_shard"]
    trained = map(counted.train, config["training_sets"])
    return [counted.encode_shard(n), counted.invert_shard(n), counted.reconstruct_shard(n), *trained, *sampled]


def test_the_default_study_has_the_sizes_it_was_run_with():
    config = sizes.settled(study())
    assert config["dataset"]["images_per_shard"] >= config["dataset"]["images_per_class"]
    assert (config["inversion"]["batch_size"], config["sampling"]["batch_size"]) == (50, 50)


@pytest.mark.parametrize("resolution", [64, 128, 256, 512, 768])
@pytest.mark.parametrize(("precision", "tf32"), [("auto", False), ("fp32", False), ("fp32", True)])
def test_no_default_takes_more_than_a_day_or_a_card_of_40_gb(resolution, precision, tf32):
    for work in jobs(open_study(resolution, precision=precision, tf32=tf32)):
        assert work.card_bytes < sizes.CARD_BYTES
        assert resources.minutes(work, "a100", 0.25) <= sizes.ENTRY_MINUTES


@pytest.mark.parametrize("device", CARDS)
def test_on_every_card_of_the_plan_a_shard_in_half_precision_is_at_most_a_day(device):
    for work in jobs(open_study(512))[:3]:
        assert resources.minutes(work, device, 0.25) <= sizes.ENTRY_MINUTES


def test_a_number_that_the_study_gives_stands():
    given = study(dataset={"images_per_shard": 7}, inversion={"batch_size": 300}, sampling={"batch_size": 3})
    config = sizes.settled(given)
    assert config["dataset"]["images_per_shard"] == 7
    assert (config["inversion"]["batch_size"], config["sampling"]["batch_size"]) == (300, 3)
    assert sizes.settled(config) == config


def test_sizes_do_not_follow_from_what_may_change_while_the_study_is_made(base_model):
    """The card of the plan, images more, and a model that is fetched meanwhile."""
    open_ = open_study(256)
    for section, change in (
        ("plan", {"device": "t4", "utilisation": 0.5}),
        ("dataset", {**open_["dataset"], "images_per_class": 9}),
        ("base_model", {**open_["base_model"], "path": str(base_model)}),
    ):
        other = sizes.settled({**open_, section: change})
        assert other["dataset"]["images_per_shard"] == sizes.settled(open_)["dataset"]["images_per_shard"]
        assert other["inversion"]["batch_size"] == sizes.settled(open_)["inversion"]["batch_size"]


def test_groups_are_as_large_as_asked_for_and_at_most_a_day():
    assert [sizes.together(20, minutes) for minutes in (5, 72, 100, 900, 3000)] == [20, 20, 14, 1, 1]


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16", "fp16"])
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("native", [True, False])
def test_the_precision_counted_is_the_one_computed_in(monkeypatch, precision, trained, native):
    """A T4 has no bf16, an A100 has."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    dtype = devices.pick_dtype(precision, torch.device("cuda"), trained)
    counted = peaks.of({"precision": precision, "tf32": False}, "a100" if native else "t4", trained)
    assert counted == ("fp32" if dtype == torch.float32 else "half")


def test_hours_are_those_of_the_precision():
    half, fp32, tf32 = (
        plan.Plan(open_study(128, precision=precision, tf32=tf32)).invert_shard(100).hours("a100", 0.25)
        for precision, tf32 in (("auto", False), ("fp32", False), ("fp32", True))
    )
    assert fp32 / half == pytest.approx(312 / 19.5)
    assert tf32 / half == pytest.approx(2)


def test_work_in_several_precisions_adds_up():
    works = [plan.Work(flops=1e15), plan.Work(flops=1e15, fp32_flops=1e15), plan.Work(host_s=3600.0)]
    alone = sum(work.hours("a100", 0.5) for work in works)
    assert plan.total(works).hours("a100", 0.5) == pytest.approx(alone)
