"""What a run says at its end of the jobs that failed: which, where, why, and how to repeat just that one."""

import contextlib
import logging
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Attempt:
    """What was said of the last failed attempt of a job."""

    reason: str = ""
    cluster_job: str = ""  # SLURM's number
    node: str = ""
    cluster_log: str = ""


class Recorder(logging.Handler):
    """Remembers what Snakemake reports of failed jobs when it does: later SLURM forgets them.

    `attempts` maps a job's id in this run to its last failed attempt. A job of a group that failed is only
    blamed when the group's log does, or blames none. `any` says whether there was any error at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attempts: dict[int, Attempt] = {}
        self.any = False

    def emit(self, record: logging.LogRecord) -> None:
        self.any = self.any or record.levelno >= logging.ERROR
        event = str(getattr(record, "event", "")).rpartition(".")[2].lower()
        if event == "group_error":
            logs = getattr(record, "aux_logs", None) or []
            number = str(getattr(record, "external_jobid", "") or "")
            attempt = _attempt(number, logs[0] if logs else "", "") if number else Attempt("not submitted")
            attempt.reason = getattr(record, "why", attempt.reason)
            members = getattr(record, "job_error_info", [])
            guilty = [one for one in members if set(one["output"]) & _blamed(attempt.cluster_log)]
            for one in guilty or members:
                self.attempts[one["jobid"]] = attempt
        elif event == "job_error" and not getattr(record, "indent", False):
            aux = getattr(record, "aux", {})
            number = str(aux.get("external_jobid", ""))
            cluster_log = record.log[-1] if number and record.log else ""
            attempt = self.attempts[record.jobid] = _attempt(number, cluster_log, str(record.rule_msg or ""))
            attempt.reason = aux.get("why", attempt.reason)


def summary(jobs: Iterable[Any], attempts: Mapping[int, Attempt], command: list[str]) -> str:
    """The closing lines for failed jobs (Snakemake's); command: as this run was started, without targets."""
    failed = [(job, attempts[job.jobid]) for job in jobs if job.jobid in attempts]
    if not failed:
        return ""
    lines = [f"{len(failed)} {'job' if len(failed) == 1 else 'jobs'} failed after the last attempt:"]
    for job, attempt in sorted(failed, key=lambda pair: (pair[0].rule.name, str(pair[0].output))):
        wildcards = "".join(f" {name}={value}" for name, value in job.wildcards_dict.items())
        where = f" (SLURM job {attempt.cluster_job} on {attempt.node or 'no node'})" if attempt.cluster_job else ""
        error = _error(job.log)
        lines += ["", f"{job.rule.name}{wildcards}", f"    reason  {attempt.reason or error or _where(job.log)}{where}"]
        if attempt.cluster_job and error:
            lines.append(f"    error   {error}")
        lines += [f"    log     {log}" for log in job.log]
        if attempt.cluster_log:
            lines.append(f"    SLURM   {attempt.cluster_log}")
        target = str(job.output[0]) if job.output else job.rule.name
        lines.append(f"    repeat  {shlex.join([*command, '--', target])}")
    return "\n".join(lines)


def command_line(targets: Iterable[str], arguments: list[str]) -> list[str]:
    """How this run was started, without its targets."""
    targets = {str(target) for target in targets}
    return [Path(sys.argv[0]).name, *(one for one in arguments if one not in targets and one != "--")]


def _error(logs: Iterable[Any]) -> str:
    """What a step said of a mistake of the user's, as realgap.run.steps ends it; empty where it said nothing."""
    for path in map(Path, logs):
        with contextlib.suppress(OSError):
            said = re.findall(r"^error: (.+)$", path.read_text(errors="replace"), re.MULTILINE)
            if said:
                return said[-1]
    return ""


def _where(logs: Iterable[Any]) -> str:
    """Where the reason stands: a log that is on the full disk itself, or whose step was killed, has none."""
    empty = [path for path in map(Path, logs) if path.exists() and not path.stat().st_size]
    if not empty:
        return "see the log"
    free = shutil.disk_usage(empty[0].parent).free / 1e6
    return f"the log is empty; {free:,.3f} MB are free where it lies"


def _attempt(number: str, cluster_log: str, said: str) -> Attempt:
    state, node, why = _ask_slurm(number)
    with contextlib.suppress(OSError):
        started = re.findall(r"realgap: SLURM job \d+ on (\S+), restart", Path(cluster_log).read_text(errors="replace"))
        node = started[-1] if started else node
    reported = re.search(r"SLURM status is: '(\w+)'", said)
    state = state or (reported.group(1) if reported else "")
    return Attempt(f"{state}, {why}" if why not in ("", "None", state) else state, number, node, cluster_log)


def _ask_slurm(number: str) -> tuple[str, str, str]:
    """State, node and reason of a job that SLURM still remembers."""
    if not number.isdigit() or not shutil.which("squeue"):
        return "", "", ""
    command = ["squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T|%N|%r"]
    with contextlib.suppress(subprocess.SubprocessError, ValueError):
        said = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
        state, node, why = said.strip().split("|")
        return state, node, why
    return "", "", ""


def _blamed(cluster_log: str) -> set[str]:
    """Outputs of the rules that the log of a group's job calls failed."""
    with contextlib.suppress(OSError):
        text = Path(cluster_log).read_text(errors="replace")
        named = re.findall(r"Error in rule \w+:\n(?:    .*\n)*?    output: (.*)\n", text)
        return {path for paths in named for path in paths.split(", ")}
    return set()
