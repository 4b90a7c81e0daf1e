"""What a dry run says: how many jobs of each rule, once. Thousands of jobs are no plan that a person can read."""

import logging
from collections.abc import Callable


def in_short() -> Callable[[logging.LogRecord], bool]:
    """A filter for Snakemake's logger: no word on single jobs, and nothing said twice."""
    said: set[str] = set()

    def wanted(record: logging.LogRecord) -> bool:
        event = str(getattr(record, "event", "")).rpartition(".")[2].lower()
        text = str(record.msg or "")
        if event in ("job_info", "shellcmd") or (event == "run_info" and text in said):
            return False
        said.add(text)
        record.msg = record.msg and text.replace(
            "(check individual jobs above for details)", "(snakemake -n -p lists the jobs)"
        )
        return True

    return wanted
