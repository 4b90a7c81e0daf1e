"""The table and the plot of what was measured: a row for each contest and baseline, a column for each device."""

from pathlib import Path

import matplotlib.pyplot as plt

from realgap.report import text_tables

DEVICES = {"cpu": "CPU", "cuda": "one GPU"}
APART = ("levers", "options", "draws", "accuracy", "workflow", "steps")  # stages with a table of their own
GPU_COMMAND = "`envs/run python -m tests.benchmarks --device cuda`"


def write(results: dict, out: Path) -> None:
    """`out` with the endings .md, .png and .svg."""
    out.with_suffix(".md").write_text(table(results), encoding="utf-8")
    if any(races(results, device) for device in DEVICES):
        figure = plot(results)
        figure.savefig(out.with_suffix(".png"), dpi=150)
        figure.savefig(out.with_suffix(".svg"), metadata={"Date": None})
        plt.close(figure)


def races(results: dict, device: str) -> list[dict]:
    """The rows of all stages beside baselines, in the order they were measured."""
    return [row for stage in _raced(results.get(device, {})) for row in stage["rows"]]


def _raced(stages: dict) -> list[dict]:
    """The stages beside baselines, in the order they were measured."""
    return [stage for name, stage in stages.items() if name not in APART]


def table(results: dict) -> str:
    """Markdown: how many times faster ours is, by device, and under it where and when that was measured."""
    by_device = {device: {(r["contest"], r["baseline"]): r for r in races(results, device)} for device in DEVICES}
    keys = list(dict.fromkeys(key for rows in by_device.values() for key in rows))
    header = ["stage", "against", "CPU, times faster", "in CPU time", "to reach", "share of a matmul", "one GPU"]
    rows = []
    for contest, baseline in keys:
        cpu, gpu = (by_device[device].get((contest, baseline)) for device in DEVICES)
        rows.append([contest, baseline, *_cells(cpu), _interval(gpu)])
    text = text_tables.markdown(header, rows) + "\n"
    for device, name in DEVICES.items():
        text += "\n" + (_said(results[device], name) if device in results else f"{name}: not run; {GPU_COMMAND}") + "\n"
    alone = [(name, results.get(device, {}).get(name)) for name in ("levers", "options") for device in DEVICES]
    apart = results.get("cpu", {})
    return (
        text
        + "".join(_levers(name, stage) for name, stage in alone)
        + _draws(apart.get("draws"))
        + _accuracy(apart.get("accuracy"))
        + _workflow(apart.get("workflow"))
        + _steps(apart.get("steps"))
    )


def plot(results: dict) -> plt.Figure:
    """Ratios with their intervals on a logarithmic axis, 1 marked; a ring where there is something to reach."""
    rows = [(DEVICES[device], row) for device in DEVICES for row in races(results, device)]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.36 * len(rows)), layout="constrained")
    for at, (_, row) in enumerate(rows):
        error = [[row["ratio"] - row["low"]], [row["high"] - row["ratio"]]]
        axes.errorbar(row["ratio"], at, xerr=error, fmt="o", color="#1f5f8b", markersize=5, capsize=3)
        if row["target"]:
            axes.plot(row["target"], at, "|", color="#c0392b", markersize=14, markeredgewidth=2)
    several = len({name for name, _ in rows}) > 1
    axes.set_yticks(range(len(rows)), [_label(name if several else "", row) for name, row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(1, color="0.6", linewidth=1, zorder=0)
    axes.grid(axis="x", color="0.9", zorder=0)
    axes.set_xlabel("times faster than the baseline (red: to reach)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label(device: str, row: dict) -> str:
    return ", ".join(part for part in (device, f"{row['contest']} / {row['baseline']}") if part)


def _cells(row: dict | None) -> tuple[str, str, str, str]:
    if row is None:
        return "", "", "", ""
    cpu = _interval({"ratio": row["cpu_ratio"], "low": row["cpu_low"], "high": row["cpu_high"]})
    share = f"{100 * row['share_of_matmul']:.0f} %" if row["share_of_matmul"] else "–"
    return _interval(row), cpu, f"{row['target']:g}" if row["target"] else "–", share


def _interval(row: dict | None) -> str:
    if row is None or row["ratio"] is None:
        return ""
    digits = 1 if row["ratio"] >= 10 else 2
    return f"{row['ratio']:.{digits}f} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


def _said(stages: dict, name: str) -> str:
    """Hardware, dates and rounds of the races on a device."""
    of = _raced(stages) or list(stages.values())
    hardware = ", ".join(sorted({f"{s['hardware']}, {s['cores']} cores, {s['threads']} thread(s)" for s in of}))
    dates = sorted({s["date"] for s in of})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    rounds = sorted({row["rounds"] for s in of for row in s["rows"] if "rounds" in row})
    busiest = max(s["load"] for s in of)
    text = (
        f"{name}: {hardware}; {when}; {'/'.join(map(str, rounds))} rounds; median of ratios within a round, bootstrap"
    )
    return f"{text} 95 % interval; load average before a stage up to {busiest:g}."


def _levers(name: str, stage: dict | None) -> str:
    if not stage:
        return ""
    rows = []
    for row in stage["rows"]:
        ratio, cpu, _, share = _cells(row)
        rows.append([row["contest"], row["baseline"], ratio, cpu, share])
    return _below([name.removesuffix("s"), "against", "times faster", "in CPU time", "share of a matmul"], rows)


def _draws(stage: dict | None) -> str:
    if not stage:
        return ""
    rows = [
        [row["batch"], row["timesteps"], "{cpu_ms:.1f} ({low:.1f} to {high:.1f})".format(**row)]
        for row in stage["rows"]
    ]
    return _below(["images of a batch", "timesteps", "a step's draws, CPU ms (range)"], rows)


def _accuracy(stage: dict | None) -> str:
    if not stage:
        return ""
    rows = []
    for row in stage["rows"]:
        mean, low, high = row["accuracy"]
        difference = "–"
        if "difference" in row:
            difference = "{:+.1f} ({:+.1f} to {:+.1f})".format(*row["difference"])
        rows.append([row["training"], len(row["accuracies"]), f"{mean:.1f} ({low:.1f} to {high:.1f})", difference])
    return _below(["classifier, equal steps", "seeds", "accuracy, %", "difference, points"], rows)


def _workflow(stage: dict | None) -> str:
    if not stage:
        return ""
    rows = []
    for row in stage["rows"]:
        times = (f"{row[f'{key}_{unit}']:.1f}" for key in ("dry_run", "rerun") for unit in ("s", "cpu_s"))
        rows.append([f"{row['shards']:,}", *times])
    return _below(["shards", "`snakemake -n`, s", "in CPU s", "nothing to do, s", "in CPU s"], rows)


def _steps(stage: dict | None) -> str:
    if not stage:
        return ""
    imports = [[f"`{row['import']}`", f"{row['cpu_s']:.1f}"] for row in stage["rows"] if "import" in row]
    steps = [
        [row["step"], f"{row['cpu_s']:.1f}", f"{row['few_mb']:,.0f}", f"{row['many_mb']:,.0f}"]
        for row in stage["rows"]
        if "step" in row
    ]
    header = ["step", "CPU s, few images", "peak memory, MB", "with ten times as many images, MB"]
    return _below(["interpreter", "CPU s"], imports) + _below(header, steps)


def _below(header: list[str], rows: list[list[str]]) -> str:
    """A table that follows another text."""
    return "\n" + text_tables.markdown(header, rows) + "\n"
