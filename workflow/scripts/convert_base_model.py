"""Turn a single-file checkpoint of Stable Diffusion into a folder in diffusers' layout."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from realgap import files, provenance, single_file, steps


@dataclass(frozen=True)
class Options:
    file: str
    architecture: str
    folder: str


def main() -> None:
    args, options = steps.parse(__doc__, Options, out={})
    single_file.convert(options.file, options.architecture, options.folder)
    made = {"options": asdict(options), "sha256": files.sha256(options.file)}
    made["versions"] = provenance.versions("diffusers", "transformers")
    files.write(Path(args.out), json.dumps(made, indent=2).encode() + b"\n")


if __name__ == "__main__":
    steps.run(main)
