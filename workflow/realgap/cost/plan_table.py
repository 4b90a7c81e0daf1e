"""The plan of a study as a table for people: what each step will do, and what finished jobs of it have taken."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from realgap.cost.peaks import PEAK_TFLOPS
from realgap.cost.plan import Work, total
from realgap.report import text_tables


@dataclass(frozen=True)
class Row:
    """A rule: its jobs, those still to be run, their whole work if it has been counted, seconds of finished ones."""

    rule: str
    jobs: int
    left: int
    work: Work | None
    finished_s: Sequence[float] = ()


def table(rows: Sequence[Row], device: str, utilisation: float) -> str:
    """Lines of text: a row per rule, a total, and what the numbers rest on."""
    hours = f"{device} hours", "core hours"
    header = ("step", "jobs", "to do", "images", "PFLOP", *hours, "disk", "finished", "took, hours")
    lines = text_tables.columns(header, [_cells(row, device, utilisation) for row in [*rows, _total(rows)]])
    peak = PEAK_TFLOPS[device]
    rates = f"{peak.half:g} TFLOP/s in half precision and {peak.fp32:g} in fp32"
    notes = (
        f"{hours[0]} are of one at {utilisation:.0%} of {rates} (plan.device, plan.utilisation in the config).",
        "Core hours are of one core, for what is computed beside the networks. A dash: not counted.",
    )
    return "\n".join([*lines[:-1], lines[1], lines[-1], "", *notes])


def _cells(row: Row, device: str, utilisation: float) -> tuple[str, ...]:
    took = sum(row.finished_s) / 3600
    done = (f"{len(row.finished_s):,}", _number(took)) if row.finished_s else ("–", "–")
    counts = (row.rule, f"{row.jobs:,}", f"{row.left:,}")
    if row.work is None:
        return (*counts, *["–"] * 5, *done)
    work = row.work
    hours = work.device_hours(device, utilisation), work.host_s / 3600
    counted = (_number(value) if value else "–" for value in (work.flops / 1e15, *hours))
    return (*counts, f"{work.images:,}" if work.images else "–", *counted, _bytes(work.disk_bytes), *done)


def _total(rows: Sequence[Row]) -> Row:
    work = dataclasses.replace(total(row.work for row in rows if row.work), images=0)
    finished = [second for row in rows for second in row.finished_s]
    return Row("all", sum(row.jobs for row in rows), sum(row.left for row in rows), work, finished)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if count else "–"
        count /= 1000
    return f"{count:.3g} TB"
