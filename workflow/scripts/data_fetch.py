"""Download a data set by name to its folder and unpack it, unless it is there."""

from dataclasses import dataclass
from pathlib import Path

from realgap.data import catalog, fetching
from realgap.run import steps


@dataclass(frozen=True)
class Options:
    dataset: str
    root: str | None


def main() -> None:
    _, options = steps.parse(__doc__, Options)
    if options.dataset in catalog.COUNTED and not (Path(options.root) / "train").is_dir():
        raise ValueError(
            f"dataset.root: must hold train/<wnid>/ and val/<wnid>/; {options.dataset} is not downloaded, its owners "
            f"give it to those who ask; nothing in {options.root}"
        )
    archive = catalog.ARCHIVES.get(options.dataset)
    if archive is None or (Path(options.root) / archive.marker).exists():
        print(f"dataset: nothing to fetch, {options.dataset} is {'there' if archive else 'not from the internet'}")
        return
    print(f"dataset: fetching {options.dataset} to {options.root}", flush=True)
    file = Path(options.root) / archive.url.rsplit("/", 1)[1]
    fetching.download(archive.url, file, archive.md5)
    fetching.unpack(file, options.root)


if __name__ == "__main__":
    steps.run(main)
