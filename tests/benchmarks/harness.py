"""Races: ours and the baselines of a stage in turn, judged by ratios within a round.

In each round every contestant is called once, in an order drawn anew, so that whatever slows the machine for
a while slows all of them alike. The first call of each is not counted: it compiles, fills caches, starts workers.
"""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import psutil

from realgap.statistics import bootstrap_interval
from realgap.streams import stream

MATMUL = "bf16 matmul"


def timed(command: Sequence[str], **options: object) -> tuple[float, float, str]:
    """Wall clock and CPU seconds of a command, its children included, and what it said; it must succeed."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, **options)
    wall_s, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, cpu_s, done.stdout + done.stderr


@dataclass(frozen=True)
class Contest:
    """Ours against baselines at the same work; one call of a contestant does all of it."""

    name: str
    work: str  # of one call, in words
    items: int  # of one call: images, files
    contestants: Mapping[str, Callable[[], object]]  # ours first
    targets: Mapping[str, float] = field(default_factory=dict)  # baseline -> ratio to reach on this device
    flop: float = 0.0  # of one call of ours, where the share of a matmul's rate means something


@dataclass(frozen=True)
class Times:
    """Seconds of each contestant: of its first call, and by round."""

    first_s: dict[str, float]
    wall_s: dict[str, list[float]]
    cpu_s: dict[str, list[float]]  # of this process and its children


def now() -> tuple[float, float]:
    """Wall clock and CPU time of this process and its children, those at work included, in seconds."""
    ended = os.times()
    spent = time.process_time() + ended.children_user + ended.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            used = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += used.user + used.system + used.children_user + used.children_system
    return time.perf_counter(), spent


def race(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    seed: int = 0,
    clock: Callable[[], tuple[float, float]] = now,
    settle: Callable[[], object] = lambda: None,
) -> Times:
    """Times of `rounds` calls of each contestant; `settle` waits for a device that works on by itself."""

    def timed(contestant: Callable[[], object]) -> tuple[float, float]:
        settle()
        wall_s, cpu_s = clock()
        contestant()
        settle()
        after = clock()
        return after[0] - wall_s, after[1] - cpu_s

    first_s = {name: timed(contestant)[0] for name, contestant in contestants.items()}
    times = Times(first_s, {name: [] for name in contestants}, {name: [] for name in contestants})
    names = list(contestants)
    for turn in range(rounds):
        for at in stream(seed, "order of a round", turn).permutation(len(names)):
            wall_s, cpu_s = timed(contestants[names[at]])
            times.wall_s[names[at]].append(wall_s)
            times.cpu_s[names[at]].append(cpu_s)
    return times


def ratio(ours_s: Sequence[float], theirs_s: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """How many times faster ours is: the median over rounds of theirs / ours, with its bootstrap 95 % interval."""
    ratios = np.asarray(theirs_s, dtype=np.float64) / np.asarray(ours_s, dtype=np.float64)
    return bootstrap_interval(ratios, lambda drawn: float(np.median(drawn)), seed)


def judge(contest: Contest, times: Times, matmul_flop: float) -> list[dict]:
    """A row for each baseline; `matmul_flop`: of one call of MATMUL, if that ran in the same rounds."""
    ours = next(iter(contest.contestants))
    share = None
    if contest.flop and MATMUL in times.wall_s:
        of_matmul = np.array(times.wall_s[MATMUL]) / matmul_flop * contest.flop / np.array(times.wall_s[ours])
        share = float(np.median(of_matmul))
    rows = []
    for baseline in contest.contestants:
        if baseline == ours:
            continue
        median, low, high = ratio(times.wall_s[ours], times.wall_s[baseline])
        cpu = ratio(times.cpu_s[ours], times.cpu_s[baseline]) if min(times.cpu_s[ours]) > 0 else (None,) * 3
        rows.append(
            {
                "contest": contest.name,
                "work": contest.work,
                "ours": ours,
                "baseline": baseline,
                "target": contest.targets.get(baseline),
                **dict(zip(("ratio", "low", "high"), (median, low, high), strict=True)),
                **dict(zip(("cpu_ratio", "cpu_low", "cpu_high"), cpu, strict=True)),
                "ours_per_s": contest.items / float(np.median(times.wall_s[ours])),
                "baseline_per_s": contest.items / float(np.median(times.wall_s[baseline])),
                "first_s": {name: times.first_s[name] for name in (ours, baseline)},
                "share_of_matmul": share,
                "rounds": len(times.wall_s[ours]),
                "wall_s": {name: times.wall_s[name] for name in (ours, baseline)},
                "cpu_s": {name: times.cpu_s[name] for name in (ours, baseline)},
            }
        )
    return rows
