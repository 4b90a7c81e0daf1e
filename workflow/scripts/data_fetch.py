"""Download a data set by name to its folder and unpack it."""

from dataclasses import dataclass
from pathlib import Path

from realgap.data import catalog, fetching
from realgap.run import steps


@dataclass(frozen=True)
class Options:
    dataset: str
    root: str


def main() -> None:
    _, options = steps.parse(__doc__, Options)
    archive = catalog.ARCHIVES[options.dataset]
    file = Path(options.root) / archive.url.rsplit("/", 1)[1]
    fetching.download(archive.url, file, archive.md5)
    fetching.unpack(file, options.root)


if __name__ == "__main__":
    steps.run(main)
