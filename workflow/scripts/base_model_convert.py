"""Turn a single-file checkpoint of Stable Diffusion into a folder in diffusers' layout."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from realgap.base_model import single_file
from realgap.run import steps
from realgap.store import files, provenance


@dataclass(frozen=True)
class Options:
    file: str | None
    architecture: str
    folder: str


def main() -> None:
    _, options = steps.parse(__doc__, Options)
    if options.file is None:
        raise ValueError("config: conversion.file: must be a single-file checkpoint in safetensors; got null")
    made = {"options": asdict(options), "sha256": files.sha256(options.file)}
    record = Path(options.folder) / "conversion.json"
    if record.is_file() and json.loads(record.read_bytes()).items() >= made.items():
        print(f"conversion: nothing to be done, {options.folder} was made from this file")
        return
    single_file.convert(options.file, options.architecture, options.folder)
    made["versions"] = provenance.versions("diffusers", "transformers")
    files.write(record, json.dumps(made, indent=2).encode() + b"\n")


if __name__ == "__main__":
    steps.run(main)
