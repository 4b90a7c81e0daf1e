"""What finished jobs took: files of Snakemake's benchmark format, one for each job, which steps write at their end."""

from pathlib import Path


def of_rule(folder: str | Path, rule: str, most: int | None = None) -> list[float]:
    """Wall seconds of finished jobs of a rule, from `folder`/rule/**.tsv or `folder`/rule.tsv; of `most` at most.

    Raises ValueError naming a file that is no benchmark.
    """
    own = Path(folder) / rule
    found = sorted(own.rglob("*.tsv")) if own.is_dir() else [own.with_name(f"{rule}.tsv")]
    return [wall_s(path) for path in found[:most] if path.is_file()]


def wall_s(path: str | Path) -> float:
    """Seconds that a job took. Raises ValueError naming the file when it is no benchmark."""
    try:
        header, row = (line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines()[:2])
        return float(row[header.index("s")])
    except ValueError as error:
        raise ValueError(f"{path}: not a benchmark of Snakemake's; delete it and run its job again") from error
