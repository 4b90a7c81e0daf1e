"""Drivers that end or die: what is theirs goes, what is another's stays."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import time

import pytest

from tests import checkout
from tests.slurm.conftest import QUICK, REAL, SOON_S

STUDY = ("--configfile", "study.yaml", "--", *REAL)
# a job that stays in the queue
WAITING = {"slurm_extra": "'--begin=now+1hour'"}

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(1200)]


@pytest.fixture
def left(cluster, light, start, at_site):
    """The run of a driver that died on another login node just now and left a job in the queue."""
    at_site(light, extract_shard=WAITING)
    run = start(cluster, light, *STUDY)
    cluster.wait_for(run.jobs, "a job in the queue", SOON_S)
    run.kill()
    (card,) = (light / ".snakemake/realgap-drivers").glob("*.json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "host": "login9"}))
    at_site(light)
    return run


def pass_time(folder):
    """Ten minutes of silence and more of every driver."""
    long_ago = time.time() - 3600
    for card in (folder / ".snakemake/realgap-drivers").glob("*.json"):
        os.utime(card, (long_ago, long_ago))


def on_login_node(cluster):
    own, others = cluster.environment["PATH"], checkout.environment()["PATH"]
    return {**cluster.environment, "PATH": f"{own}:{others}"}


def unlocked(folder):
    return not list((folder / ".snakemake/locks").glob("*")) and not list(
        (folder / ".snakemake/realgap-drivers").glob("*")
    )


def test_a_dead_drivers_own_locks_go_and_its_job_is_cancelled(cluster, light, start, left):
    (light / ".snakemake/realgap-drivers/odd.json").write_text("")
    waits = start(cluster, light, *STUDY)
    assert waits.finish(SOON_S) == 1
    assert "cannot be locked" in waits.said, "it may live"
    pass_time(light)
    run = start(cluster, light, *STUDY)
    assert run.finish(SOON_S) == 0, run.said
    assert "odd.json: not the card of a run; passed over, delete it" in run.said
    assert f"the run {left.name} on login9 is dead: cancelled the 1 jobs it left" in run.said
    assert {job["state"] for job in left.jobs()} == {"CANCELLED"}


def test_a_dead_drivers_card_does_not_unlock_a_living_run_on_this_machine(cluster, light, start, left):
    here = {"cwd": light, "env": on_login_node(cluster)}
    unlocking = ["snakemake", "--configfile", "study.yaml", "--unlock"]
    subprocess.run(unlocking, **here, check=True, capture_output=True)
    with open(light / "here.log", "w") as log:
        local = subprocess.Popen(["snakemake", *STUDY], **here, stdout=log, stderr=log, start_new_session=True)
    try:
        cluster.wait_for(lambda: "Execute" in (light / "here.log").read_text(), "the run here to begin", SOON_S)
        os.killpg(local.pid, signal.SIGSTOP)
        locks = sorted((light / ".snakemake/locks").iterdir())
        assert locks
        pass_time(light)
        run = start(cluster, light, *STUDY)
        assert run.finish(SOON_S) == 1
        assert "cannot be locked" in run.said
        assert f"the run {left.name} on login9 is dead" in run.said
        assert sorted((light / ".snakemake/locks").iterdir()) == locks
    finally:
        os.killpg(local.pid, signal.SIGCONT)
    assert local.wait(SOON_S) == 0


def test_a_terminal_that_closes_ends_a_run_in_order(cluster, light, start, at_site):
    """What runs is waited for, nothing new is submitted, and the next run needs no --unlock."""
    at_site(light)
    script = light / "slurm/job.sh"
    script.write_text(script.read_text() + "\n[ -e go ] || sleep 15\n")
    environment = on_login_node(cluster)
    command = ["snakemake", "--profile", "slurm", *QUICK, "--configfile", "study.yaml", "--", "results/slow/test.h5"]
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(light)
        os.execvpe(command[0], command, environment)
    said = b""
    try:
        with contextlib.suppress(OSError):
            while b"has been submitted with SLURM jobid" not in said:
                said += os.read(terminal, 65536)
    finally:
        os.close(terminal)
    assert b"has been submitted" in said, said.decode(errors="replace")
    ended = cluster.wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0], "the driver to end", SOON_S)
    assert ended == pid
    assert unlocked(light)
    assert (light / "results/slow/test.h5").exists(), "what ran was waited for"
    (light / "go").touch()
    run = start(cluster, light, *STUDY)
    assert run.finish(SOON_S) == 0, run.said
    assert "cannot be locked" not in run.said


def test_an_interrupted_run_leaves_nothing_in_the_queue_not_even_what_it_was_submitting(cluster, light, start, at_site):
    at_site(light, extract_shard=WAITING)
    run = start(cluster, light, *STUDY)
    cluster.wait_for(run.jobs, "a job in the queue", SOON_S)
    run.process.send_signal(signal.SIGINT)
    assert run.finish(SOON_S) == 1
    assert {job["state"] for job in run.jobs()} == {"CANCELLED"}
    assert unlocked(light)


def test_a_run_interrupted_while_slurm_is_away_leaves_its_jobs_to_the_next(cluster, light, start, at_site):
    at_site(light, extract_shard=WAITING)
    run = start(cluster, light, *STUDY)
    name, _ = run.name, cluster.wait_for(run.jobs, "a job in the queue", SOON_S)
    cluster.stop_controller()
    try:
        run.process.send_signal(signal.SIGINT)
        assert run.finish(SOON_S) == 1
    finally:
        cluster.start_controller()
    assert f"scancel --name={name}" in run.said
    at_site(light)
    again = start(cluster, light, *STUDY)
    assert again.finish(SOON_S) == 0, again.said
    assert "is dead: cancelled the 1 jobs it left" in again.said


def test_a_driver_whose_patience_ends_leaves_its_jobs_to_the_next(cluster, light, start, at_site):
    at_site(light, extract_shard=WAITING)
    run = start(cluster, light, *STUDY, environment={"REALGAP_SLURM_PATIENCE": "0.001"})
    cluster.wait_for(run.jobs, "a job in the queue", SOON_S)
    cluster.stop_controller()
    try:
        assert run.finish(SOON_S) == 1
    finally:
        cluster.start_controller()
    assert "SLURM did not answer for 0.001 h (REALGAP_SLURM_PATIENCE): jobs may still stand in the queue" in run.said
    assert "Traceback" not in run.said
    assert [job["state"] for job in run.jobs()] == ["PENDING"]
    at_site(light)
    again = start(cluster, light, *STUDY)
    assert again.finish(SOON_S) == 0, again.said
    assert f"the run {run.name} on" in again.said


def test_a_job_that_slurm_has_forgotten_is_made_again(cluster, light, start, at_site):
    """As where the driver's machine slept, or SLURM was away, for longer than SLURM remembers."""
    at_site(light)
    # the first job ends, with nothing done, when nobody looks
    script = light / "slurm/job.sh"
    waits = "[ -e seen ] || { until [ -e asleep ]; do sleep 0.2; done; touch seen; exit 0; }"
    script.write_text(f"{script.read_text()}\n{waits}\n")
    conf = cluster.folder / "slurm.conf"
    text = conf.read_text()

    def restart(remembers_s: int) -> None:
        conf.write_text(text.replace("MinJobAge=900", f"MinJobAge={remembers_s}"))
        cluster.stop_controller()
        cluster.start_controller()

    restart(10)
    try:
        run = start(cluster, light, *STUDY)
        (job,) = cluster.wait_for(run.jobs, "a job in the queue", SOON_S)
        run.process.send_signal(signal.SIGSTOP)
        (light / "asleep").touch()
        cluster.wait_for(lambda: not run.jobs(), "the job to be forgotten", SOON_S)
        restart(900)  # the next one is remembered
        run.process.send_signal(signal.SIGCONT)
        assert run.finish(2 * SOON_S) == 0, run.said
    finally:
        restart(900)
    assert f"SLURM job {job['id']} (group extract of 2 jobs): SLURM no longer knows it" in run.said
    assert run.said.count("Trying to restart") == 1
