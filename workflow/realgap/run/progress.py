"""How far a run is: a line on its terminal, and a file from which `snakemake status` says the same elsewhere."""

import atexit
import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from realgap.run import benchmarks, takeover
from realgap.store import files

NAME = ".progress.json"  # in a study's folder
LINE_S = 10  # between two lines on a terminal
_WRITE_S = 2  # between two states of the file, while jobs start and end
_BEAT_S = 15  # likewise, while none does
_TELLING_S = 60  # jobs that take less say little of how fast a machine is
_FEWEST = 20  # finished jobs of a rule of which the times are read; more would tell little


@dataclass
class Job:
    """A job of a run that was started, or failed."""

    rule: str
    wildcards: dict[str, str]
    log: list[str]
    since: float  # seconds since 1970
    local: bool  # on this machine, where started is running; a queue may let it wait


@dataclass
class State:
    """Where a run stands; times in seconds since 1970."""

    study: str
    host: str
    process: list[int]  # number and start, as takeover.identity has them
    run: str  # what its jobs are called in a cluster's queue, "" on one machine
    begun: float
    heard: float  # when this was written
    total: dict[str, int]  # rule -> jobs of this run, in the order of the rules
    done: dict[str, int] = field(default_factory=dict)
    started: dict[str, Job] = field(default_factory=dict)  # number within the run -> job
    failed: dict[str, Job] = field(default_factory=dict)  # jobs whose last attempt failed
    seconds: dict[str, float] = field(default_factory=dict)  # rule -> what a job of it takes
    over: bool = False

    def left_s(self, now: float) -> float | None:
        """Seconds until the run should end, or None before any work is done.

        The work that is left, at the rate at which work has been done so far: that holds for any number of jobs side by
        side, and for the time that they wait in a queue.
        """
        takes = self.seconds
        own = [(takes[job.rule], now - job.since) for job in self.started.values() if job.local]
        begun = sum(min(most, age) for most, age in own)
        finished = sum(n * takes[rule] for rule, n in self.done.items()) + begun
        left = sum((n - self.done.get(rule, 0)) * takes[rule] for rule, n in self.total.items()) - begun
        return (now - self.begun) * max(left, 0.0) / finished if finished else None

    def line(self, now: float) -> str:
        """E.g. "142 of 201 jobs done, about 6 min left (until 19:24); now train (3 of 18 done)"."""
        total, done = sum(self.total.values()), sum(self.done.values())
        left = self.left_s(now)
        said = f"{done:,} of {total:,} jobs done"
        if done < total and left is not None:
            said += f", about {duration(left)} left (until {_clock(now + left, now)})"
        rules = sorted({job.rule for job in self.started.values()}, key=list(self.total).index)
        now_at = ", ".join(f"{rule} ({self.done.get(rule, 0):,} of {self.total[rule]:,} done)" for rule in rules)
        return said + (f"; now {now_at}" if now_at else "")


def duration(seconds: float) -> str:
    """E.g. "40 s", "6 min", "3 h 20 min", "2 d 4 h"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(round(minutes / 60), 24)
    return f"{days} d {rest} h" if rest else f"{days} d"


def seconds_of(planned: Mapping[str, float], measured: Mapping[str, float]) -> dict[str, float]:
    """What a job of each rule takes: as finished ones took, else as planned, by the machine that these tell of."""
    known = [rule for rule in planned if planned[rule] and rule in measured]
    # a plan is of a device in the books; this machine may be slower, of which short jobs tell little
    took, expected = (sum(values[rule] for rule in known) + _TELLING_S for values in (measured, planned))
    slower = took / expected
    return {rule: measured.get(rule, planned[rule] * slower) for rule in planned}


class Follower(logging.Handler):
    """Follows what Snakemake reports of its jobs, writes it down, and has it said.

    state: of a run that starts. planned: seconds that a job of each rule takes by the plan; folder: of the study, where
    finished jobs say what they took. say: takes a line.
    """

    def __init__(self, state: State, planned: Mapping[str, float], folder: Path, say: Callable[[str], None]) -> None:
        super().__init__()
        self.state, self.planned, self.folder, self.say, self.out = state, planned, folder, say, folder / NAME
        self.measured: dict[str, float] = {}
        self.said = self.written = 0.0
        self._estimate(state.total)

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", "")).rpartition(".")[2].lower()
        if event == "job_info":
            job = Job(record.rule_name, dict(record.wildcards), list(record.log), time.time(), bool(record.local))
            self.state.failed.pop(str(record.jobid), None)
            self.state.started[str(record.jobid)] = job
        elif event == "job_finished":
            self._finished(str(record.job_id))
        elif event == "job_error" and not getattr(record, "indent", False):
            self._failed([record.jobid])
        elif event == "group_error":
            self._failed(one["jobid"] for one in getattr(record, "job_error_info", []))
        elif event == "progress":
            self._tell()
            return
        else:
            return
        self.write(_WRITE_S)

    def write(self, at_least_s: float = 0.0) -> None:
        """The state, for others to read, not again within so short a time. A full disk does not stop the run."""
        with self.lock, contextlib.suppress(OSError):
            now = time.time()
            if now - self.written >= at_least_s:
                self.written = self.state.heard = now
                files.write(self.out, json.dumps(asdict(self.state)).encode())

    def follow(self, logger: logging.Logger) -> None:
        """Until this process ends."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(_BEAT_S):
                self.write()

        def end() -> None:
            over.set()
            self.state.over = True
            self.write()

        logger.addHandler(self)
        self.write()
        threading.Thread(target=beat, daemon=True).start()
        atexit.register(end)

    def _finished(self, number: str) -> None:
        job = self.state.started.pop(number, None)
        self.state.failed.pop(number, None)
        if job is not None and job.rule in self.state.total:
            self.state.done[job.rule] = self.state.done.get(job.rule, 0) + 1
            self._estimate([job.rule])

    def _failed(self, numbers: Iterable[int]) -> None:
        for number in map(str, numbers):
            if number in self.state.started:
                self.state.failed[number] = self.state.started.pop(number)

    def _estimate(self, rules: Iterable[str]) -> None:
        """Read what jobs of these rules took; the first of a rule tell enough."""
        for rule in rules:
            with contextlib.suppress(ValueError, OSError):  # no more than an estimate depends on it
                took = benchmarks.of_rule(self.folder / "benchmarks", rule, _FEWEST)
                if took and self.state.done.get(rule, 0) <= _FEWEST:
                    self.measured[rule] = sum(took) / len(took)
        self.state.seconds = seconds_of(self.planned, self.measured)

    def _tell(self) -> None:
        now = time.time()
        if now - self.said >= LINE_S:
            self.said = now
            self.say(self.state.line(now))


def new(study: str, total: Mapping[str, int], run: str = "") -> State:
    """Of a run of this process that starts now."""
    now = time.time()
    return State(study, socket.gethostname(), takeover.identity(os.getpid()), run, now, now, dict(total))


def read(folder: str | Path) -> State | None:
    """What the last run in a study's folder wrote down; None where there is none, or it is odd."""
    try:
        said = json.loads((Path(folder) / NAME).read_text(encoding="utf-8"))
        jobs = {key: {number: Job(**job) for number, job in said[key].items()} for key in ("started", "failed")}
        return State(**{**said, **jobs})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def of_living(state: State) -> list[str]:
    """Lines on a run that is going on."""
    now = time.time()
    heard = f"heard of {duration(now - state.heard)} ago"
    lines = [
        f"{state.study}: {state.line(now)}",
        f"runs on {state.host} since {_clock(state.begun, now)}, process {state.process[0]}, {heard}",
    ]
    return [*lines, *_failures(state)]


def of_ended(state: State) -> list[str]:
    """Lines on a run that is over, or dead."""
    now = time.time()
    ended = "ended" if state.over else "was killed, or its machine died,"
    lines = [f"the last run {ended} at {_clock(state.heard, now)} on {state.host}"]
    return [*lines, *_failures(state)]


def of_files(study: str, rules: Mapping[str, tuple[int, int]]) -> list[str]:
    """Lines on a study of which no run is going on; rules: the jobs of each, and those of them that are left."""
    total, left = (sum(counts) for counts in zip(*rules.values(), strict=True))
    rest = [f"    {rule}: {n:,} of {of:,}" for rule, (of, n) in rules.items() if n]
    done = f"{study}: {total - left:,} of {total:,} jobs done, no run is going on"
    return [done, *(["to do:", *rest] if rest else [])]


def queued(lines: Iterable[str]) -> str:
    """Lines of squeue, "STATE|reason" each, in words: "7 run, 30 wait (Priority 28, Resources 2)"."""
    pairs = [line.split("|", 1) for line in lines if "|" in line]
    reasons = Counter(reason for state, reason in pairs if state == "PENDING")
    why = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
    return f"{len(pairs) - reasons.total()} run, {reasons.total()} wait" + (f" ({why})" if why else "")


def _failures(state: State) -> list[str]:
    """A line for each job whose last attempt failed, and where its log lies."""
    found = sorted(state.failed.values(), key=lambda job: (job.rule, sorted(job.wildcards.items())))
    lines = [
        f"    {job.rule}{''.join(f' {name}={value}' for name, value in job.wildcards.items())}: {', '.join(job.log)}"
        for job in found
    ]
    return ["failed, with their logs:", *lines] if lines else []


def _clock(when: float, now: float) -> str:
    """Local time, with the day where that is another."""
    at, today = time.localtime(when), time.localtime(now)
    return time.strftime("%H:%M" if at[:3] == today[:3] else "%Y-%m-%d %H:%M", at)
