"""What every step's command line has in common: named files, options as JSON, errors as one line."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from typing import Any


def parse(
    description: str | None, options: type | None = None, **files: Any
) -> tuple[argparse.Namespace, Any]:
    """The command line of a step: `--<name>` for each of `files`, `--options JSON` for a frozen dataclass.

    A file's value is the keyword arguments of argparse's `add_argument`, e.g. `out={}` or
    `shards={"nargs": "+"}`; all are required unless they say otherwise. Options are refused when one is
    missing or unknown, so that a rule and its step cannot drift apart.
    """
    parser = argparse.ArgumentParser(description=description)
    for name, arguments in files.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **{"required": True, **arguments})
    if options is not None:
        parser.add_argument("--options", required=True, help=f"JSON: {', '.join(_names(options))}")
    arguments = parser.parse_args()
    return arguments, _fill(options, arguments.options) if options is not None else None


def run(main: Callable[[], None]) -> None:
    """Run a step; what the user can mend (a wrong value, a missing or damaged file) becomes one line, exit 1."""
    try:
        main()
    except (ValueError, OSError) as error:
        message = " ".join(str(error.strerror if _plain(error) else error).split())
        sys.exit(f"error: {message}")


def _plain(error: Exception) -> bool:
    """An OSError made by realgap.files, whose text is already what the user should read."""
    return isinstance(error, OSError) and error.filename is None and bool(error.strerror)


def _names(options: type) -> list[str]:
    return [field.name for field in dataclasses.fields(options)]


def _fill(options: type, text: str) -> Any:
    values = json.loads(text)
    if set(values) != set(_names(options)):
        odd = ", ".join(sorted(set(values) ^ set(_names(options))))
        raise SystemExit(
            f"error: --options: must hold exactly {', '.join(_names(options))}; missing or unknown: {odd}"
        )
    return options(**values)
