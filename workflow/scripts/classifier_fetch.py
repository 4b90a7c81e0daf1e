"""Download torchvision's weights of classifiers by name, unless they are there."""

from dataclasses import dataclass

from realgap.data import fetching
from realgap.run import steps


@dataclass(frozen=True)
class Options:
    weights: list[tuple[str, str, str]]  # address, path, and first digits of the SHA-256


def main() -> None:
    _, options = steps.parse(__doc__, Options)
    for url, path, sha256 in options.weights:
        print(f"classifier.weights: fetching {url} to {path}", flush=True)
        fetching.download(url, path, sha256, "sha256")
    if not options.weights:
        print("classifier.weights: nothing to fetch, no row begins at weights that torchvision has by name")


if __name__ == "__main__":
    steps.run(main)
