"""Write what a cluster calls its accounts, partitions and GPUs into the site's own file, from SLURM's words."""

import sys
from pathlib import Path

from realgap.cluster import site, slurm
from realgap.run import steps
from realgap.store import files


def main() -> None:
    args, _ = steps.parse(__doc__, out={"type": Path})
    if args.out.exists():
        raise ValueError(f"{args.out}: is there, and may hold what you changed; to have it written anew, delete it")
    text = slurm.when_there(site.written, lambda line: print(line, file=sys.stderr, flush=True))
    files.write(args.out, text.encode())
    print(f"{args.out}:\n\n{text}")


if __name__ == "__main__":
    steps.run(main)
