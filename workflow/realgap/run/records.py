"""How each file of a study was made, kept among its results: a copy of them without .snakemake is known for what it is.

Snakemake keeps its records in .snakemake/. Here they stand once more, with the SHA-256 of each file that they are of.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realgap.store import digests, files

NAME = "records.json"  # in a study's folder
# of a record: what differs from copy to copy, or is said by the rest of it
_LEFT_OUT = ("shellcmd", "external_jobid", "conda_env")
# of a study's folder: what is no result of a rule
_NO_RESULTS = ("logs", "benchmarks")

Record = Mapping[str, Any]  # as Snakemake writes it: rule, params, code, input, input_checksums, ...


@dataclass(frozen=True)
class Found:
    """What `compare` says of the files of a study, paths as Snakemake has them."""

    records: Mapping[str, Record]  # of files that are whole and made of the inputs that are there now
    others: Mapping[str, str]  # why of any other file


def keep(study: str | Path, jobs: Iterable[tuple[Sequence[str], Record]]) -> None:
    """Write down the records of finished jobs, (outputs, record) each; what has one already is not read again."""
    known = _load(study)
    before = dict(known)
    with contextlib.suppress(OSError):  # the next run writes it
        for outputs, record in jobs:
            own = {key: value for key, value in record.items() if key not in _LEFT_OUT}
            if known.get(outputs[0], {}).get("record") != own:
                known[outputs[0]] = {"record": own, "outputs": {output: files.sha256(output) for output in outputs}}
        if known != before:
            content = {"checksum": _checksum(known), "jobs": known}
            files.write(Path(study) / NAME, json.dumps(content).encode())


def compare(study: str | Path, has_record: Callable[[str], bool]) -> Found:
    """Which files without a record of Snakemake's are what a kept record says, and made of what is there now.

    has_record: whether Snakemake has one of a path. Paths are relative to the working directory, as they were.
    """
    of: dict[str, str] = {}  # path -> its SHA-256 now

    def sha256(path: str) -> str:
        if path not in of:
            of[path] = files.sha256(path) if Path(path).is_file() else ""
        return of[path]

    records: dict[str, Record] = {}
    others = {path: "nothing says how it was made" for path in _results(study) if not has_record(path)}
    for job in _load(study).values():
        odd = _difference(job, sha256)
        for output in set(job["outputs"]) & set(others):
            if odd:
                others[output] = odd
            else:
                records[output] = job["record"]
    return Found(records, {path: why for path, why in sorted(others.items()) if path not in records})


def _difference(job: Mapping[str, Any], sha256: Callable[[str], str]) -> str:
    """What is not as the record of a job says; "" where all is."""
    for path, said in job["outputs"].items():
        if sha256(path) != said:
            return f"{path} is not what was made"
    known = job["record"]["input_checksums"]
    for path in job["record"]["input"]:
        if known.get(path) != f"sha256:{sha256(path)}":
            return f"{path}, of which it was made, is another now"
    return ""


def _results(study: str | Path) -> list[str]:
    found = (path for path in Path(study).rglob("*") if path.is_file() and not path.name.startswith("."))
    inside = ((path, path.relative_to(study).parts) for path in found)
    return [str(path) for path, parts in inside if parts[0] not in (*_NO_RESULTS, NAME) and path.suffix != ".log"]


def _load(study: str | Path) -> dict[str, Any]:
    """Nothing where there is no such file or it is odd: then nothing is known."""
    said = digests.load(Path(study) / NAME)
    try:
        return dict(said["jobs"]) if said["checksum"] == _checksum(said["jobs"]) else {}
    except (KeyError, TypeError, ValueError):
        return {}


def _checksum(jobs: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(jobs, sort_keys=True).encode()).hexdigest()
