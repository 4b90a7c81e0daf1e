"""What a site does not allow is said before the first job or as a job's reason; what time heals is waited for."""

import re
import shutil
import signal
import time

import pytest
import yaml

from tests.slurm.cluster import ACCOUNT
from tests.slurm.conftest import REAL, SOON_S

STUDY = ("--configfile", "study.yaml", "--", *REAL)


pytestmark = [pytest.mark.long, pytest.mark.xdist_group("slurm sites"), pytest.mark.timeout(1200)]


@pytest.fixture
def limit(accounted_cluster):
    """Sets a limit of the accounting by sacctmgr's words: limit("user", name, "maxsubmit"); lifted at the end."""
    set_ones = []

    def put(kind: str, name: str, key: str, value: int) -> None:
        set_ones.append((kind, name, key))
        accounted_cluster.run("sacctmgr", "-i", "modify", kind, name, "set", f"{key}={value}")

    yield put
    for kind, name, key in set_ones:
        accounted_cluster.run("sacctmgr", "-i", "modify", kind, name, "set", f"{key}=-1")


@pytest.fixture
def hold(accounted_cluster):
    """An sbatch that waits, when asked to, just before it submits: hold.begin(); hold.reached(); hold.end()."""

    class Hold:
        shim, gate, mark = (accounted_cluster.folder / name for name in ("bin/sbatch", "gate", "reached"))

        def begin(self) -> None:
            self.gate.touch()
            self.shim.write_text(
                f"#!/bin/sh\n[ ! -e {self.gate} ] || : > {self.mark}\nwhile [ -e {self.gate} ]; do sleep 0.2; done\n"
                f'exec {shutil.which("sbatch")} "$@"\n'
            )
            self.shim.chmod(0o755)

        def reached(self) -> None:
            accounted_cluster.wait_for(self.mark.exists, "a job to be submitted", SOON_S)

        def end(self) -> None:
            self.gate.unlink(missing_ok=True)

    one = Hold()
    yield one
    one.end()
    one.shim.unlink(missing_ok=True)
    one.mark.unlink(missing_ok=True)


def assert_made(folder):
    assert all((folder / path).exists() for path in REAL)


def test_what_the_site_does_not_allow_is_said_in_a_line_each_before_the_first_job(
    accounted_cluster, light, start, at_site
):
    at_site(light, account="nobodys", extract_shard={"runtime": 3000, "mem_mb": 900_000})
    run = start(accounted_cluster, light, *STUDY)
    assert run.finish(SOON_S) == 1
    listing = "sacctmgr show assoc user=$USER format=account,partition,qos"
    assert f"slurm_account: must be one of {ACCOUNT}, root ({listing}); got nobodys" in run.said
    assert "runtime of extract_shard: must be at most 1440 in partition cpu (sinfo -o '%P %l'); got 6000" in run.said
    assert "mem_mb of extract_shard: must be at most 64000 in partition cpu (sinfo -o '%P %m'); got 900000" in run.said
    assert run.jobs() == []
    assert "Traceback" not in run.said
    assert not (light / ".snakemake/locks").exists()
    at_site(light, default_partition="nowhere")
    again = start(accounted_cluster, light, *STUDY)
    assert again.finish(SOON_S) == 1
    said = r"slurm_partition of extract_shard: must be one of cpu, gpu, [a-z, ]+ \(sinfo -s\); got nowhere"
    assert re.search(said, again.said), again.said


def test_a_failing_sacctmgr_and_sshare_stop_nothing(accounted_cluster, light, start, at_site):
    at_site(light)
    shims = [accounted_cluster.folder / "bin" / name for name in ("sacctmgr", "sshare")]
    for shim in shims:
        shim.write_text("#!/bin/sh\necho 'sacctmgr: error: access denied' >&2\nexit 1\n")
        shim.chmod(0o755)
    try:
        run = start(accounted_cluster, light, *STUDY)
        assert run.finish(SOON_S) == 0, run.said
    finally:
        for shim in shims:
            shim.unlink()
    assert "accounts are not checked, accounting does not answer: sacctmgr: access denied" in run.said
    assert_made(light)


def test_an_accounting_that_is_away_stops_nothing(accounted_cluster, light, start, at_site):
    at_site(light)
    accounted_cluster.stop_accounting()
    try:
        run = start(accounted_cluster, light, *STUDY)
        assert run.finish(SOON_S) == 0, run.said
    finally:
        accounted_cluster.start_accounting()
    assert "accounts are not checked, accounting does not answer: sacctmgr: " in run.said
    assert_made(light)


def test_a_controller_that_is_away_at_the_start_and_at_the_submission_is_waited_for(
    accounted_cluster, light, start, at_site, hold
):
    at_site(light)
    accounted_cluster.stop_controller()
    try:
        run = start(accounted_cluster, light, *STUDY)
        accounted_cluster.wait_for(lambda: "SLURM is away, asking again" in run.said, "the outage to be seen", SOON_S)
        hold.begin()
    finally:
        accounted_cluster.start_controller()
    hold.reached()
    accounted_cluster.stop_controller()
    try:
        hold.end()
        accounted_cluster.wait_for(lambda: "SLURM takes no jobs now, asking again" in run.said, "a refusal", SOON_S)
    finally:
        accounted_cluster.start_controller()
    assert run.finish(SOON_S) == 0, run.said
    assert "Trying to restart" not in run.said
    assert_made(light)


def test_a_job_that_a_busy_controller_takes_too_late_runs_once(accounted_cluster, light, start, at_site, hold):
    """sbatch gives up after MessageTimeout; the controller, busy until then, takes the job all the same."""
    at_site(light, extract_shard={"slurm_extra": "'--begin=now+20'"})
    hold.begin()
    run = start(accounted_cluster, light, *STUDY)
    hold.reached()
    controller = accounted_cluster.daemons["slurmctld"]
    controller.send_signal(signal.SIGSTOP)
    try:
        hold.end()
        accounted_cluster.wait_for(lambda: "SLURM takes no jobs now, asking again" in run.said, "a refusal", SOON_S)
    finally:
        controller.send_signal(signal.SIGCONT)
    assert run.finish(2 * SOON_S) == 0, run.said
    assert sorted(job["state"] for job in run.jobs()) == ["CANCELLED", "COMPLETED"]
    assert_made(light)


def test_an_outage_longer_than_patience_is_the_jobs_failed_attempt_with_its_reason(
    accounted_cluster, light, start, at_site, hold
):
    at_site(light)
    hold.begin()
    run = start(accounted_cluster, light, "--retries", "1", *STUDY, environment={"REALGAP_SLURM_PATIENCE": "0.001"})
    hold.reached()
    accounted_cluster.stop_controller()
    try:
        hold.end()
        assert run.finish(SOON_S) == 1
    finally:
        accounted_cluster.start_controller()
    summary = run.said.partition("failed after the last attempt:")[2]
    assert "reason  not submitted: Unable to contact slurm controller (connect failure)" in summary
    assert run.said.count("Trying to restart") == 1
    assert not (light / ".snakemake/locks").exists()


def test_sbatchs_own_words_are_the_reason_also_of_a_group(accounted_cluster, light, start, at_site):
    at_site(light, extract_shard={"constraint": "'no_such_feature'"})
    run = start(accounted_cluster, light, "--retries", "1", *STUDY)
    assert run.finish(SOON_S) == 1
    line = (
        "not submitted: group extract of 2 jobs: Invalid feature specification; set constraint; those there are: sinfo"
    )
    assert run.said.count(line) == 2, run.said
    summary = run.said.partition("failed after the last attempt:")[2]
    assert summary.count("reason  not submitted: Invalid feature specification; set constraint") == 2


@pytest.mark.parametrize(
    ("kind", "key", "word"),
    [
        ("account", "grpsubmitjobs", "AssocGrpSubmitJobsLimit"),
        ("qos", "maxsubmitjobsperaccount", "MaxSubmitJobsPerAccount"),
    ],
)
def test_a_full_queue_is_waited_for_and_uses_up_no_attempt(
    accounted_cluster, light, start, at_site, limit, kind, key, word
):
    at_site(light)
    limit(kind, ACCOUNT if kind == "account" else "normal", key, 1)
    other = accounted_cluster.run("sbatch", "--parsable", "-A", ACCOUNT, "-o", "/dev/null", "--wrap=sleep 600").strip()
    try:
        run = start(accounted_cluster, light, "--retries", "0", *STUDY)
        accounted_cluster.wait_for(lambda: f"asking again: {word}" in run.said, "the refusal", SOON_S)
        time.sleep(10)
        assert run.jobs() == []
    finally:
        accounted_cluster.run("scancel", other)
    assert run.finish(SOON_S) == 0, run.said
    assert len(run.jobs()) == 1
    assert_made(light)


def test_a_controller_that_remembers_as_many_jobs_as_it_may_is_waited_for(accounted_cluster, light, start, at_site):
    """MaxJobCount: sbatch itself asks again for a while, in silence."""
    at_site(light)
    accounted_cluster.run("sbatch", "--parsable", "-A", ACCOUNT, "-o", "/dev/null", "--wrap=true")
    # no job that ended is forgotten meanwhile, which would make room for one more (MinJobAge=0 means 2 s)
    with accounted_cluster.configured(f"MaxJobCount={len(accounted_cluster.jobs())}\nMinJobAge=86400"):
        run = start(accounted_cluster, light, "--retries", "0", *STUDY)
        accounted_cluster.wait_for(lambda: "SLURM takes no jobs now, asking again" in run.said, "a refusal", SOON_S)
        time.sleep(10)
        assert run.process.poll() is None
        assert run.jobs() == []
    assert run.finish(SOON_S) == 0, run.said
    assert len(run.jobs()) == 1
    assert_made(light)


def test_no_more_jobs_are_sent_than_the_queue_takes(accounted_cluster, light, start, at_site, limit):
    profile = yaml.safe_load((light / "slurm/config.yaml").read_text())
    del profile["groups"]["extract_shard"]
    (light / "slurm/config.yaml").write_text(yaml.safe_dump(profile))
    at_site(light)
    limit("qos", "normal", "maxsubmitjobsperuser", 1)
    run = start(accounted_cluster, light, "--retries", "0", *STUDY)
    assert run.finish(SOON_S) == 0, run.said
    assert "jobs: 1 at once instead of 200" in run.said
    assert "takes no jobs now" not in run.said
    assert len(run.jobs()) == 2


def test_a_job_that_waits_for_what_never_comes_is_named(accounted_cluster, light, start, at_site, limit):
    """A QOS may forbid the time only when the job stands in the queue."""
    at_site(light)
    limit("qos", "normal", "maxwall", 1)
    run = start(accounted_cluster, light, *STUDY)
    said = accounted_cluster.wait_for(
        lambda: re.search(r"SLURM job (\d+) \(group extract of 2 jobs\) may not start by itself, QOSMaxWall", run.said),
        "the warning",
        SOON_S,
    )
    assert said.group(1) == run.jobs()[0]["id"]
