"""What clusters do to jobs and to who follows them: each run ends with the results of an unbroken one."""

import re
import shutil

import pytest

from tests.slurm.conftest import EMBEDDINGS

STUDY = ("--configfile", "study.yaml", "--", *EMBEDDINGS)

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(2400)]


def assert_equal_to(unbroken, folder):
    for path in EMBEDDINGS:
        assert (folder / path).read_bytes() == (unbroken / path).read_bytes(), path
    assert not list((folder / "results").rglob("*.checkpoint.*")), "a finished step left its checkpoint"
    assert not list((folder / "results").rglob("*.partial*")), "something half-written is left"


def log(folder, shard):
    path = folder / f"results/slow/logs/invert_shard/zero-{shard}.log"
    return path.read_text() if path.exists() else ""


def of_shard(run, shard):
    """The jobs that inverted a shard, first attempt first."""
    mine = [job for job in run.jobs("invert_shard") if job["comment"].endswith(f"zero_{shard}")]
    return sorted(mine, key=lambda job: int(job["id"]))


def test_a_preempted_job_goes_back_to_the_queue_and_on_from_its_checkpoint(
    cluster, unbroken, prepared, start, edit_profile
):
    """Shard 0 is killed after KillWait, shard 1 warned during the partition's grace time; neither is a failure."""
    edit_profile(
        prepared,
        invert_shard={
            "slurm_partition": "'preempt' if wildcards.shard == '0' else 'grace'",
            "slurm_extra": "'--requeue --signal=TERM@120'",
        },
    )
    run = start(cluster, prepared, *STUDY)
    run.wait_for_inversions()
    urgent = [
        cluster.run(
            "sbatch", "--parsable", "-p", "gpu", "-w", node, "--exclusive", "-o", "/dev/null", "--wrap=sleep 20"
        )
        for node in sorted({job["node"] for job in run.jobs("invert_shard")})
    ]
    cluster.wait_for(
        lambda: all(cluster.restarts(of_shard(run, k)[0]["id"]) for k in (0, 1)), "both to be requeued", 300
    )
    assert run.finish() == 0, run.said
    for shard in (0, 1):
        assert [job["state"] for job in of_shard(run, shard)] == ["COMPLETED"], "Snakemake submitted it again"
        assert "goes on from" in log(prepared, shard)
        assert "restart 1" in log(prepared, shard)
    assert "Trying to restart" not in run.said
    assert urgent
    assert_equal_to(unbroken, prepared)


def test_a_dead_node_and_a_job_cancelled_by_hand_are_repeated(cluster, unbroken, prepared, start, edit_profile):
    edit_profile(prepared, invert_shard={"gpu_model": "'a100' if wildcards.shard == '0' and attempt == 1 else 'h200'"})
    run = start(cluster, prepared, *STUDY)
    run.wait_for_inversions()
    assert of_shard(run, 0)[0]["node"] == "gpu01"
    cluster.run("scancel", of_shard(run, 1)[0]["id"])
    cluster.kill_node("gpu01")
    try:
        assert run.finish() == 0, run.said
    finally:
        cluster.start_node("gpu01")
    assert [job["state"] for job in of_shard(run, 0)] == ["NODE_FAIL", "COMPLETED"]
    assert [job["state"] for job in of_shard(run, 1)] == ["CANCELLED", "COMPLETED"]
    assert of_shard(run, 0)[1]["node"] == "gpu02"
    assert "goes on from" in log(prepared, 1), "cancelled: SIGTERM came first"
    assert_equal_to(unbroken, prepared)
    cluster.wait_for(lambda: "gpu01" in cluster.idle(), "the node to be back")


def test_a_time_limit_too_short_ends_in_a_checkpoint_and_another_attempt(
    cluster, unbroken, prepared, start, edit_profile
):
    edit_profile(
        prepared,
        retries=8,
        invert_shard={
            "slurm_extra": "'--signal=TERM@20' if wildcards.shard == '0' else '--signal=USR1@20'",
        },
    )
    run = start(cluster, prepared, *STUDY)
    # only now, so that on a busy machine too the limit falls into the optimisation
    run.wait_for_inversions()
    for shard in (0, 1):
        cluster.run("scontrol", "update", f"JobId={of_shard(run, shard)[0]['id']}", "TimeLimit=1")
    assert run.finish() == 0, run.said
    for shard in (0, 1):
        attempts = of_shard(run, shard)
        assert len(attempts) > 1
        assert attempts[-1]["state"] == "COMPLETED"
        assert "goes on from" in log(prepared, shard)
    assert_equal_to(unbroken, prepared)


def test_memory_grows_and_a_failed_shard_stops_no_other(cluster, unbroken, prepared, start, edit_profile):
    """Shard 0 has too little memory at first; shard 1 has a damaged input, and the closing summary says all of it."""
    edit_profile(prepared, retries=1, invert_shard={"mem_mb": "500 if attempt == 1 else 4000"})
    moments = prepared / "results/slow/moments/zero/1.h5"
    status = moments.stat()
    damaged = bytearray(moments.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    moments.write_bytes(damaged)
    cluster_log = prepared / "logs/slurm/rule_invert_shard"
    run = start(cluster, prepared, "--rerun-triggers", "params", *STUDY)
    assert run.finish() == 1, run.said
    assert [job["memory"] for job in of_shard(run, 0)] == ["500M", "4000M"]
    assert [job["state"] for job in of_shard(run, 0)][1] == "COMPLETED"
    assert (prepared / EMBEDDINGS[0]).read_bytes() == (unbroken / EMBEDDINGS[0]).read_bytes()
    assert not (prepared / EMBEDDINGS[1]).exists()

    summary = run.said.partition("failed after the last attempt:")[2]
    last = of_shard(run, 1)[-1]
    assert "1 job failed after the last attempt:" in run.said
    assert "invert_shard class_name=zero shard=1" in summary
    assert re.search(rf"reason  FAILED.* \(SLURM job {last['id']} on gpu0[12]\)", summary)
    assert "log     results/slow/logs/invert_shard/zero-1.log" in summary
    assert str(cluster_log) in summary
    repeat = re.search(r"repeat  (.*)", summary).group(1)
    assert repeat.endswith(f"--configfile study.yaml -- {EMBEDDINGS[1]}")

    # what the summary tells is enough to repeat just that job, once its input is mended
    shutil.copy2(unbroken / "results/slow/moments/zero/1.h5", moments)
    assert moments.stat().st_size == status.st_size
    again = start(cluster, prepared, "--rerun-triggers", "params", "--configfile", "study.yaml", "--", EMBEDDINGS[1])
    assert again.finish() == 0, again.said
    assert_equal_to(unbroken, prepared)


def test_a_restarted_controller_and_a_dead_driver_lose_nothing(cluster, unbroken, prepared, start, edit_profile):
    edit_profile(prepared)
    first = start(cluster, prepared, *STUDY)
    first.wait_for_inversions()
    name, left = first.name, {job["id"] for job in first.jobs("invert_shard")}
    first.kill()

    run = start(cluster, prepared, *STUDY)
    cluster.wait_for(lambda: "is dead: cancelled the 2 jobs" in run.said, "the second run to take over", 300)
    # not earlier: an srun whose step the controller forgets asks again only after two minutes
    cluster.wait_for(lambda: all("goes on from" in log(prepared, k) for k in (0, 1)), "both to go on", 300)
    cluster.stop_controller()
    cluster.start_controller()
    assert run.finish() == 0, run.said
    states = {job["id"]: job["state"] for job in cluster.jobs() if job["name"] in (name, run.name)}
    assert {states[number] for number in left} == {"CANCELLED"}
    assert len(of_shard(run, 0)) == len(of_shard(run, 1)) == 1
    assert_equal_to(unbroken, prepared)
