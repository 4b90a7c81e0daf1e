"""Sites and uses that the tutorial does not show: each run ends, says what is odd, and touches nobody else's."""

import os
import pwd
import shutil
import subprocess

import pytest
import yaml

from tests import checkout
from tests.slurm.cluster import ACCOUNT
from tests.slurm.conftest import REAL, SOON_S

STUDY = ("--configfile", "study.yaml", "--", *REAL)
WAITING = {"slurm_extra": "'--begin=now+1hour'"}
OTHER = "nobody"

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm sites"), pytest.mark.timeout(1200)]


def assert_made(folder):
    assert all((folder / path).exists() for path in REAL)


def linger(folder, seconds):
    """Jobs of a checkout last a while, the first time."""
    script = folder / "slurm/job.sh"
    script.write_text(script.read_text() + f"\n[ -e {folder}/seen ] || {{ touch {folder}/seen; sleep {seconds}; }}\n")


def as_other():
    """Runs a command as another user."""
    if os.geteuid():
        pytest.skip("another user's processes need root")
    other = pwd.getpwnam(OTHER)
    return ("setpriv", f"--reuid={other.pw_uid}", f"--regid={other.pw_gid}", "--clear-groups")


@pytest.fixture
def shared(accounted_cluster, light):
    """A checkout that two users may write to, in a folder that both see, and what the other one's shell has."""
    accounted_cluster.run("sacctmgr", "-i", "add", "user", OTHER, f"Account={ACCOUNT}", f"DefaultAccount={ACCOUNT}")
    folder = accounted_cluster.folder / "shared"
    shutil.copytree(light, folder / "checkout")
    (folder / "home").mkdir()
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    yield folder / "checkout", {"HOME": str(folder / "home"), "USER": OTHER, "LOGNAME": OTHER}
    shutil.rmtree(folder)
    accounted_cluster.run("sacctmgr", "-i", "delete", "user", OTHER)


def test_a_preempted_job_that_the_partition_cancels_is_another_attempt(accounted_cluster, light, start, at_site):
    at_site(light, extract_shard={"slurm_partition": "killed"})
    linger(light, 300)
    run = start(accounted_cluster, light, *STUDY)
    accounted_cluster.wait_for((light / "seen").exists, "the job to run", SOON_S)
    node = run.jobs()[0]["node"]
    urgent = ("-A", ACCOUNT, "-p", "gpu", "-w", node, "--exclusive", "-o", "/dev/null", "--wrap=sleep 5")
    accounted_cluster.run("sbatch", *urgent)
    assert run.finish(2 * SOON_S) == 0, run.said
    assert "partition killed: jobs that are preempted there are cancelled (PreemptMode=CANCEL)" in run.said
    assert "preempted, and not put back into the queue" in run.said, run.said
    assert sorted(job["state"] for job in run.jobs()) == ["COMPLETED", "PREEMPTED"]
    assert_made(light)


def test_drained_nodes_are_waited_for_and_said(accounted_cluster, light, start, at_site):
    at_site(light)
    nodes = "nodename=cpu01,cpu02"
    accounted_cluster.run("scontrol", "update", nodes, "state=drain", "reason=test")
    try:
        run = start(accounted_cluster, light, *STUDY)
        accounted_cluster.wait_for(lambda: "may not start by itself" in run.said, "the reason to be told", SOON_S)
    finally:
        accounted_cluster.run("scontrol", "update", nodes, "state=resume")
    assert run.finish(SOON_S) == 0, run.said
    assert "Trying to restart" not in run.said
    assert_made(light)


def test_a_run_inside_an_allocation_submits_as_one_outside(accounted_cluster, light, start, at_site):
    at_site(light)
    within = ("salloc", "-A", ACCOUNT, "-p", "cpu", "-n", "2", "--mem=100", "-t", "30")
    run = start(accounted_cluster, light, *STUDY, within=within)
    assert run.finish(SOON_S) == 0, run.said
    (job,) = run.jobs()
    assert (job["state"], job["cpus"]) == ("COMPLETED", "1")
    assert_made(light)


def test_a_site_without_job_arrays_needs_none(accounted_cluster, light, start, at_site):
    at_site(light)
    conf = accounted_cluster.folder / "slurm.conf"
    text = conf.read_text()
    conf.write_text(text + "MaxArraySize=1\n")
    accounted_cluster.stop_controller()
    accounted_cluster.start_controller()
    try:
        run = start(accounted_cluster, light, *STUDY)
        assert run.finish(SOON_S) == 0, run.said
    finally:
        conf.write_text(text)
        accounted_cluster.stop_controller()
        accounted_cluster.start_controller()
    assert_made(light)


def test_a_full_disk_of_the_drivers_ends_in_a_reason(accounted_cluster, light, start, at_site):
    """The quota of the folder in which Snakemake keeps its own state fills while a job is submitted."""
    if os.geteuid():
        pytest.skip("a small file system needs root")
    at_site(light)
    state = light / ".snakemake"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", state], check=True)
    try:
        gate = accounted_cluster.folder / "bin/sbatch"
        gate.write_text(
            f'#!/bin/sh\ndd if=/dev/zero of={state}/full bs=64k 2>/dev/null\nexec {shutil.which("sbatch")} "$@"\n'
        )
        gate.chmod(0o755)
        run = start(accounted_cluster, light, "--retries", "1", *STUDY)
        assert run.finish(SOON_S) in (0, 1)
        assert all(job["state"] not in ("PENDING", "RUNNING") for job in run.jobs())
        assert "No space left" in run.said
        gate.unlink()
        (state / "full").unlink()
        again = start(accounted_cluster, light, *STUDY)
        assert again.finish(SOON_S) == 0, again.said
    finally:
        gate.unlink(missing_ok=True)
        subprocess.run(["umount", "-l", state], check=True)
    assert_made(light)


def test_two_users_of_one_checkout_do_not_touch_each_others_jobs(accounted_cluster, shared, start, at_site):
    folder, environment = shared
    other = as_other()
    at_site(folder, extract_shard=WAITING)
    mine = start(accounted_cluster, folder, *STUDY)
    accounted_cluster.wait_for(mine.jobs, "a job in the queue", SOON_S)
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)

    theirs = start(accounted_cluster, folder, *STUDY, within=other, environment=environment)
    assert theirs.finish(SOON_S) == 1
    assert "cannot be locked" in theirs.said
    mine.kill()
    theirs = start(accounted_cluster, folder, *STUDY, within=other, environment=environment)
    assert theirs.finish(SOON_S) == 1
    assert "is dead and left 1 jobs in the queue; root must start it again here, or cancel them: scancel" in theirs.said
    assert [job["state"] for job in mine.jobs()] == ["PENDING"]

    at_site(folder)
    again = start(accounted_cluster, folder, *STUDY)
    assert again.finish(SOON_S) == 0, again.said
    assert_made(folder)


def test_two_users_of_one_results_folder_write_one_after_the_other(accounted_cluster, shared, light, start, at_site):
    folder, environment = shared
    other = as_other()
    results = folder.parent / "results"
    shutil.copytree(light, folder.parent / "second")
    for one in (folder, folder.parent / "second"):
        shutil.rmtree(one / "results", ignore_errors=True)
        (one / "results").symlink_to(results)
    results.mkdir()
    at_site(folder, extract_shard=WAITING)
    at_site(folder.parent / "second")
    mine = start(accounted_cluster, folder, *STUDY)
    accounted_cluster.wait_for(mine.jobs, "a job in the queue", SOON_S)
    subprocess.run(["chmod", "-R", "a+rwX", folder.parent], check=True)
    theirs = start(accounted_cluster, folder.parent / "second", *STUDY, within=other, environment=environment)
    assert theirs.finish(SOON_S) == 1
    assert "results/slow: must be written by one run at a time; the run realgap_" in theirs.said
    assert f"of root in {folder} on " in theirs.said
    accounted_cluster.run("scancel", f"--name={mine.name}")
    mine.kill()
    theirs = start(accounted_cluster, folder.parent / "second", *STUDY, within=other, environment=environment)
    # whether that user may run this machine's Python is another matter
    accounted_cluster.wait_for(theirs.jobs, "the other's job", SOON_S)
    assert accounted_cluster.run("squeue", "-h", "-t", "all", "-o", "%u", f"--name={theirs.name}").split()[0] == OTHER


def test_another_users_account_and_limits_are_his_own(accounted_cluster, shared, start, at_site):
    folder, environment = shared
    at_site(folder, account="root")
    theirs = start(accounted_cluster, folder, *STUDY, within=as_other(), environment=environment)
    assert theirs.finish(SOON_S) == 1
    assert f"slurm_account: must be one of {ACCOUNT} (" in theirs.said


def test_what_the_profile_ships_is_yaml_that_a_site_may_copy(tmp_path):
    """Another profile's folder is a site's own as well."""
    folder = checkout.copy(tmp_path / "checkout")
    profile = yaml.safe_load((folder / "slurm/config.yaml").read_text())
    profile["default-resources"]["slurm_partition"] = "elsewhere"
    (folder / "profiles/second").mkdir()
    (folder / "profiles/second/config.yaml").write_text(yaml.safe_dump(profile))
    run = checkout.snakemake(folder, "--profile", "profiles/second", "-n")
    assert " elsewhere " in run.stdout
