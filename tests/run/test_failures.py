"""realgap.run.failures: the closing summary of failed jobs."""

import logging
import re
from types import SimpleNamespace

from realgap.run import failures


def job(jobid, rule="invert_shard", output="out/1.h5", **wildcards):
    return SimpleNamespace(
        jobid=jobid, rule=SimpleNamespace(name=rule), wildcards_dict=wildcards, log=[f"{output}.log"], output=[output]
    )


def record(event, **said):
    one = logging.LogRecord("snakemake", logging.ERROR, "", 0, "", (), None)
    one.__dict__.update(event=event, **said)
    return one


def test_a_failed_cluster_job_is_named_with_reason_node_logs_and_command(tmp_path, monkeypatch):
    monkeypatch.setattr(failures, "_ask_slurm", lambda number: ("OUT_OF_MEMORY", "gpu07", "None"))
    cluster_log = tmp_path / "12.log"
    cluster_log.write_text("realgap: SLURM job 12 on gpu03, restart 0\n")
    recorder = failures.Recorder()
    said = {"jobid": 3, "aux": {"external_jobid": "12"}, "log": ["a.log", str(cluster_log)], "rule_msg": "failed"}
    recorder.emit(record("LogEvent.JOB_ERROR", **said))
    command = ["snakemake", "--profile", "slurm"]
    text = failures.summary([job(3, class_name="a b", shard="1", output="out/a b/1.h5")], recorder.attempts, command)
    assert text == (
        "1 job failed after the last attempt:\n\n"
        "invert_shard class_name=a b shard=1\n"
        "    reason  OUT_OF_MEMORY (SLURM job 12 on gpu03)\n"
        "    log     out/a b/1.h5.log\n"
        f"    SLURM   {cluster_log}\n"
        "    repeat  snakemake --profile slurm -- 'out/a b/1.h5'"
    )


def test_the_error_that_a_log_ends_in_is_the_reason_and_stands_below_that_of_slurm(tmp_path):
    one = job(3, output=str(tmp_path / "1.h5"))
    log = tmp_path / "1.h5.log"
    log.write_text("error: of an earlier kind\ninverting: 0%\rinverting: 9%\nerror: a.jpg: must be a picture\n")
    assert "    reason  a.jpg: must be a picture\n    log " in failures.summary([one], {3: failures.Attempt()}, [])
    said = failures.summary([one], {3: failures.Attempt("FAILED", "12", "gpu01")}, [])
    assert "    reason  FAILED (SLURM job 12 on gpu01)\n    error   a.jpg: must be a picture\n    log " in said
    said = failures.summary([one], {3: failures.Attempt("not submitted: no")}, [])
    assert "picture" not in said  # an earlier attempt's log


def test_an_empty_log_is_not_said_to_hold_the_reason(tmp_path):
    """As a step leaves it whose log is on the full disk itself."""
    one = job(3, output=str(tmp_path / "1.h5"))
    log = tmp_path / "1.h5.log"
    log.write_text("Traceback (most recent call last):\nKeyError: 'a'\n")
    assert "    reason  see the log\n" in failures.summary([one], {3: failures.Attempt()}, [])
    log.write_text("")
    said = failures.summary([one], {3: failures.Attempt()}, [])
    assert re.search(r"    reason  the log is empty; [\d,]+\.\d{3} MB are free where it lies\n", said), said


def test_a_job_without_outputs_is_repeated_by_its_rule():
    """Such as verify, which ended in an IndexError."""
    one = job(3, rule="verify")
    one.output = []
    assert failures.summary([one], {3: failures.Attempt()}, ["snakemake"]).endswith("repeat  snakemake -- verify")


def test_the_reason_snakemake_reported_stands_where_slurm_has_forgotten(monkeypatch):
    monkeypatch.setattr(failures, "_ask_slurm", lambda number: ("", "", ""))
    message = "SLURM-job '12' failed, SLURM status is: 'TIMEOUT'. Detailed"
    assert failures._attempt("12", "", message).reason == "TIMEOUT"


def test_of_a_group_only_the_job_is_blamed_that_its_log_blames(tmp_path, monkeypatch):
    monkeypatch.setattr(failures, "_ask_slurm", lambda number: ("FAILED", "gpu01", "NonZeroExitCode"))
    cluster_log = tmp_path / "9.log"
    cluster_log.write_text(
        "Error in rule encode_shard:\n    message: None\n    jobid: 0\n    input: in/2.h5\n    output: out/2.h5\n"
    )
    members = [{"jobid": n, "output": [f"out/{n}.h5"]} for n in (1, 2)]
    recorder = failures.Recorder()
    recorder.emit(
        record("group_error", aux_logs=[str(cluster_log)], job_error_info=members, external_jobid="9", groupid="encode")
    )
    # Snakemake then reports each member, indented
    recorder.emit(record("job_error", jobid=1, aux={}, log=[], rule_msg=None, indent=True))
    assert list(recorder.attempts) == [2]
    assert recorder.attempts[2].reason == "FAILED, NonZeroExitCode"
    cluster_log.write_text("killed before it could say anything\n")
    recorder.emit(
        record("group_error", aux_logs=[str(cluster_log)], job_error_info=members, external_jobid="9", groupid="encode")
    )
    assert sorted(recorder.attempts) == [1, 2]


def test_why_a_job_was_not_submitted_or_is_gone_is_its_reason(monkeypatch):
    """What realgap.cluster.submission says of it, of a group and of a job alone."""
    monkeypatch.setattr(failures, "_ask_slurm", lambda number: ("", "", ""))
    recorder, why = failures.Recorder(), "not submitted: Invalid qos specification"
    recorder.emit(record("group_error", aux_logs=[], job_error_info=[{"jobid": 1, "output": ["a.h5"]}], why=why))
    recorder.emit(record("job_error", jobid=2, aux={"why": why}, log=[], rule_msg=why))
    gone = {"external_jobid": "12", "why": "SLURM no longer knows it"}
    recorder.emit(record("job_error", jobid=3, aux=gone, log=["12.log"], rule_msg=None))
    assert [recorder.attempts[n].reason for n in (1, 2, 3)] == [why, why, "SLURM no longer knows it"]
    assert recorder.attempts[3].cluster_job == "12"


def test_a_run_without_failures_says_nothing():
    assert failures.summary([], {}, ["snakemake"]) == ""


def test_the_command_is_the_runs_own_without_its_targets(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/snakemake"])
    arguments = ["--profile", "slurm", "--configfile", "study.yaml", "--", "results/a.h5"]
    told = failures.command_line(["results/a.h5"], arguments)
    assert told == ["snakemake", "--profile", "slurm", "--configfile", "study.yaml"]
