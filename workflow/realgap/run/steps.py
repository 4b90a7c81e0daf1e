"""What every step's command line has in common: named files, options as JSON, errors as one line."""

import argparse
import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realgap.run import cards, job_log
from realgap.store.files import whole

# a base model is a folder; rules name the index in it, because that is a file
BASE_MODEL = {"type": lambda index: Path(index).parent, "metavar": "MODEL_INDEX_JSON"}

# where this process's time and memory go when it has done its work; a step is asked for it by its command line
_BENCHMARKS: list[str] = []


def parse(description: str | None, options: type | None = None, **files: Any) -> tuple[argparse.Namespace, Any]:
    """The command line of a step: `--<name>` for each of `files`, `--options JSON` for a frozen dataclass.

    A file's value is the keyword arguments of argparse's `add_argument`, e.g. `out={}` or
    `shards={"nargs": "+"}`; one is required unless it has a default. Options are refused when one is
    missing or unknown, so that a rule and its step cannot drift apart; one with a default may be left out. Where a file
    may stand many times, `@FILE` stands for the lines of FILE.
    """
    parser = argparse.ArgumentParser(description=description)
    for name, arguments in files.items():
        if arguments.get("nargs") in ("+", "*"):
            arguments = {"action": _Listed, **arguments}
        parser.add_argument(f"--{name.replace('_', '-')}", **{"required": "default" not in arguments, **arguments})
    if options is not None:
        parser.add_argument("--options", required=True, help=f"JSON: {', '.join(_names(options))}")
    parser.add_argument("--benchmark", help="write time and memory here, in the format of Snakemake's benchmarks")
    parser.add_argument(
        "--gpus", type=int, help="how many the rule asked for: with one, the step stops where there is none"
    )
    arguments = parser.parse_args()
    _BENCHMARKS[:] = filter(None, [arguments.benchmark])
    if arguments.gpus is not None:
        cards.claim(arguments.gpus)
    if arguments.gpus:
        _require_gpu()
    return arguments, _fill(options, arguments.options) if options is not None else None


def said(options: Any) -> dict[str, Any]:
    """Options as a file says them: those that have a default only where they are other."""
    fields = dataclasses.fields(options)
    return {field.name: value for field in fields if (value := getattr(options, field.name)) != field.default}


def run(main: Callable[[], None]) -> None:
    """Run a step; what the user can mend (a wrong value, a missing or damaged file) becomes one line, exit 1.

    With REALGAP_TRACEBACK=1 the traceback stands above that line.
    """
    beginning = job_log.begin()
    try:
        main()
    except KeyboardInterrupt:  # Ctrl-C; a step with a checkpoint saves its state instead
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):  # torch's word for it
            raise
        sys.exit("error: out of memory: this step needs more than it was given (a limit of the job, or `ulimit -v`)")
    except (ValueError, OSError) as error:
        if os.environ.get("REALGAP_TRACEBACK") == "1":
            traceback.print_exc()
        message = " ".join(str(error.strerror if _plain(error) else error).split())
        sys.exit(f"error: {message}")
    job_log.log(beginning)
    for path in _BENCHMARKS:
        _benchmark(path, beginning)


class _Listed(argparse.Action):
    """Files of which there may be more than a command line holds: @ and a file that lists them."""

    def __call__(self, parser: Any, namespace: Any, values: list[Any], option: str | None = None) -> None:
        if len(values) == 1 and str(values[0]).startswith("@"):
            values = Path(str(values[0])[1:]).read_text(encoding="utf-8").splitlines()
        setattr(namespace, self.dest, values)


def _require_gpu() -> None:
    from realgap import devices  # torch, which most steps do without

    devices.require_gpu()


def _benchmark(path: str, beginning: job_log.Beginning) -> None:
    """What Snakemake's benchmark directive writes of a process that it started: seconds, memory in MB, CPU seconds."""
    wall_s, cpu_s = job_log.wall_s(beginning), job_log.cpu_s(beginning)
    minutes, seconds = divmod(int(wall_s), 60)
    clock = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    columns = {
        "s": f"{wall_s:.4f}",
        "h:m:s": clock,
        "max_rss": f"{job_log.peak_memory_mb():.2f}",
        "cpu_time": f"{cpu_s:.2f}",
    }
    with whole(path) as beside:
        beside.write_text("\t".join(columns) + "\n" + "\t".join(columns.values()) + "\n")


def _plain(error: Exception) -> bool:
    """An OSError made by realgap.store.files, whose text is already what the user should read."""
    return isinstance(error, OSError) and error.filename is None and bool(error.strerror)


def _names(options: type) -> list[str]:
    return [field.name for field in dataclasses.fields(options)]


def _fill(options: type, text: str) -> Any:
    values = json.loads(text)
    usual = {field.name for field in dataclasses.fields(options) if field.default is not dataclasses.MISSING}
    if set(values) | usual != set(_names(options)):
        odd = ", ".join(sorted((set(values) | usual) ^ set(_names(options))))
        raise SystemExit(f"error: --options: must hold exactly {', '.join(_names(options))}; missing or unknown: {odd}")
    return options(**values)


def progress(items: Iterable, total: int, what: str) -> Iterator:
    """A progress bar on a terminal, a line every few seconds in a log."""
    interval = 0.1 if sys.stderr.isatty() else 5
    return tqdm(items, what, total, mininterval=interval, dynamic_ncols=True)
