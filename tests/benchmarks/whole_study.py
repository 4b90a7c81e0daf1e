"""The default study against the same study as one script of the field: `python -m tests.benchmarks.whole_study`.

Ours is `snakemake --cores 1` in a copy of the checkout, theirs `tests.benchmarks.field` in one process. Both have one
thread. CPU time is that of all processes: interpreters, imports, Snakemake and loaders' workers count. The script runs
with the visits, steps and samples of `config.yaml` (equal work). As published the inversion takes 3,000 visits and a
sample 100 steps of PNDM; a twentieth of the visits and a tenth of the samples are measured and count for all. What is
finished in the folder is kept.
"""

import argparse
import datetime
import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import yaml

from realgap.cost import accounting
from realgap.report import text_tables
from realgap.statistics import mean_interval
from tests import checkout
from tests.benchmarks.__main__ import _processor
from tests.benchmarks.harness import timed

# stage of the script -> our rules
RULES = {
    "real images": ("extract_shard", "extract_test"),
    "inversion": ("encode_shard", "invert_shard"),
    "sampling": ("sample_shard", "reconstruct_shard"),
    "classifiers": ("assemble", "train", "evaluate"),
    "saliency": ("map_saliency", "compare_saliency"),
    "fidelity": ("extract_features", "measure_fidelity"),
    "detection": ("measure_detection",),
    "memorisation": ("infer_membership", "audit_memorisation"),
    "errors": ("diagnose_errors",),
    "geometry": ("measure_geometry", "judge_geometry"),
    "table and figures": ("tabulate", "plot", "account", "report"),
    "imports, processes, Snakemake": (),
}
REST = "imports, processes, Snakemake"
PUBLISHED_VISITS = 3_000
SHARES = {"inversion": 20, "sampling": 10}  # of so many visits or samples as published one is measured
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/whole-study"), help="folder (default: %(default)s)")
    parser.add_argument("--seeds", type=int, help="the first so many of the classifiers' seeds (default: all)")
    parser.add_argument("--table", action="store_true", help="print the table of what is finished, run nothing")
    args = parser.parse_args()
    out = args.out.resolve()
    if not args.table:
        seeds = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())["seeds"]
        run(out, seeds[: args.seeds])
    print(table(out))


def run(out: Path, seeds: list[int], study: dict | None = None) -> None:
    """Both studies, ours first; study: what differs from config.yaml."""
    out.mkdir(parents=True, exist_ok=True)
    about = {"date": datetime.date.today().isoformat(), "hardware": _processor(), "cores": os.cpu_count()}
    about |= {"load": round(os.getloadavg()[0], 1), "seeds": len(seeds)}
    (out / "about.json").write_text(json.dumps(about) + "\n")
    equal = {**(study or {}), "seeds": seeds}
    published = {**equal, "inversion": {"steps_per_image": PUBLISHED_VISITS // SHARES["inversion"]}}
    published["sampling"] = {"samples_per_image": 10 // SHARES["sampling"]}
    (out / "equal.yaml").write_text(yaml.safe_dump(equal))
    (out / "published.yaml").write_text(yaml.safe_dump(published))
    ours(out)
    for name in ("equal", "published"):
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.field",
            str(out / name),
            "--study",
            str(out / f"{name}.yaml"),
        ]
        timed([*command, *(["--published"] if name == "published" else [])], cwd=checkout.ROOT, env=environment())


def ours(out: Path) -> None:
    """Our study, from the beginning unless it has come to its end, and its CPU seconds."""
    if (out / "ours.json").exists():
        return
    shutil.rmtree(out / "ours", ignore_errors=True)
    checkout.copy(out / "ours")
    command = ["snakemake", "--cores", "1", "--configfile", str(out / "equal.yaml")]
    _, cpu_s, _ = timed(command, cwd=out / "ours", env=environment())
    (out / "ours.json").write_text(json.dumps({"cpu_s": cpu_s}) + "\n")


def environment() -> dict[str, str]:
    return {**checkout.environment(), **ONE_THREAD}


def table(out: Path) -> str:
    """Markdown: CPU seconds by stage of ours and of the script, then the accuracies of both."""
    about = json.loads((out / "about.json").read_text())
    jobs = accounting.read_jobs(_results(out))
    by_rule = jobs.groupby("rule").cpu_s.sum()
    mine = {stage: by_rule.reindex(rules).sum() for stage, rules in RULES.items()}
    if odd := set(by_rule.index) - {rule for rules in RULES.values() for rule in rules}:
        raise ValueError(f"{out}: rules without a stage: {', '.join(sorted(odd))}")
    mine[REST] = json.loads((out / "ours.json").read_text())["cpu_s"] - by_rule.sum()
    equal = _spent(out / "equal")
    published = {**equal, **_as_published(out / "published")}
    rows = [(stage, *_row(mine[stage], equal.get(stage), published.get(stage))) for stage in RULES]
    total = _row(sum(mine.values()), sum(equal.values()), sum(published.values()))
    rows.append(("in all", *total))
    header = ("stage", "ours, CPU s", "equal work, CPU s", "times ours", "as published, CPU s", "times ours")
    said = "{hardware}, {cores} cores, one thread each; {date}; {seeds} seeds; load average {load} at the start."
    return "\n\n".join([text_tables.markdown(header, rows), said.format(**about), _accuracies(out)])


def _results(out: Path) -> Path:
    return next((out / "ours/results").iterdir())


def _spent(folder: Path) -> dict[str, float]:
    """CPU seconds of the script by stage."""
    spent: dict[str, float] = {}
    for path in (folder / "cpu_s").iterdir():
        stage = REST if path.name == "imports" else path.name.partition(":")[0]
        spent[stage] = spent.get(stage, 0) + float(path.read_text())
    return spent


def _as_published(folder: Path) -> dict[str, float]:
    """What was measured of a share of visits and samples, for all of them."""
    spent = _spent(folder)
    return {stage: share * spent[stage] for stage, share in SHARES.items()}


def _row(mine: float, *theirs: float | None) -> list[str]:
    cells = [f"{mine:,.1f}"]
    for seconds in theirs:
        cells.append("–" if seconds is None else f"{seconds:,.1f}")
        cells.append("–" if seconds is None or not mine else f"{seconds / mine:.2f}")
    return cells


def _accuracies(out: Path) -> str:
    """Of each row, %, with its interval over seeds: the two are the same study where these agree."""
    sides = [pd.read_csv(path) for path in (_results(out) / "accuracies.csv", out / "equal/accuracies.csv")]
    mine, theirs = (
        side.groupby(side.columns[0] if "row" not in side else "row", sort=False).accuracy for side in sides
    )
    rows = [(row, *(_interval(100 * side.get_group(row)) for side in (mine, theirs))) for row in mine.groups]
    return text_tables.markdown(("training set", "ours, %", "the script, %"), rows)


def _interval(values: pd.Series) -> str:
    mean, low, high = mean_interval(values.to_numpy())
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
