"""realgap.cost.resources: what jobs ask a cluster for."""

import pytest

from realgap.cost import resources
from realgap.cost.plan import Work

WORK = Work(images=500, flops=1e18, disk_bytes=7_680_000, memory_bytes=20e9)


def test_time_is_twice_what_the_plan_says_and_the_start():
    hour = Work(flops=312e12 * 0.25 * 3600)
    assert resources.minutes(hour, "a100", 0.25) == 5 + 120
    assert resources.minutes(Work(), "a100", 0.25) == 5


@pytest.mark.parametrize("attempt", [2, 3])
def test_another_attempt_asks_for_as_much_again(attempt):
    assert resources.minutes(WORK, "a100", 0.25, attempt) >= attempt * (resources.minutes(WORK, "a100", 0.25) - 1)
    assert resources.memory_mb(WORK, attempt) >= attempt * (resources.memory_mb(WORK) - 500)


def test_memory_covers_the_step_with_a_margin_and_two_snakemakes():
    assert resources.memory_mb(WORK) == pytest.approx(22_000 * 1.25 + 500, abs=500)
    assert resources.memory_mb(WORK) % 500 == 0


def test_on_a_gpu_the_node_holds_what_is_read_beside_python_torch_and_cuda_and_not_the_batch():
    work = Work(memory_bytes=20e9, node_bytes=2e9)
    assert resources.memory_mb(work, on_gpu=True) == pytest.approx(6_000 * 1.25 + 500, abs=500)
    assert resources.memory_mb(Work(), on_gpu=True) == pytest.approx(4_000 * 1.25 + 500, abs=500)
    # what has no batch holds on the node what it would without a GPU
    assert resources.memory_mb(WORK, on_gpu=True) == pytest.approx(24_000 * 1.25 + 500, abs=500)


def test_disk_holds_the_checkpoint_beside_the_output():
    assert resources.disk_mb(WORK) == 24
    assert resources.disk_mb(Work()) == 1


def test_the_table_counts_entries_and_jobs():
    asked = {"slurm_partition": "gpu", "gpu": 1, "gpu_model": "a100", "_cores": 4, "mem_mb": 15_000, "runtime": 95}
    entries = [resources.Entry(("invert_shard",), 2, asked)] * 3 + [resources.Entry(("plot",), 1, {"mem_mb": 500})]
    lines = resources.table(entries).splitlines()
    assert lines[4].split() == ["invert_shard", "6", "3", "gpu", "a100:1", "4", "15", "GB", "1:35"]
    assert lines[5].split() == ["plot", "1", "1", "None", "–", "1", "0.5", "GB", "0:00"]
    assert lines[-1].startswith("4 entries in the queue")
