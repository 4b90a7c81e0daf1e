"""Fetch a base model from the Hugging Face hub at a pinned revision: configuration, tokenizer and safetensors."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from realgap.base_model import check, fingerprints
from realgap.run import steps

# what the workflow loads; the safety checker, pickles and half-precision copies stay where they are
PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
WANTED = ["model_index.json", *(f"{part}/*.{kind}" for part in PARTS for kind in ("json", "txt", "safetensors"))]
HALF_FETCHED = ".cache/huggingface"  # what a fetch that broke off has left in its folder; it goes on from there
UNWANTED = ["*.fp16.safetensors", "*.non_ema.safetensors"]


@dataclass(frozen=True)
class Options:
    path: str
    hub: str | None
    revision: str | None


def main() -> None:
    _, options = steps.parse(__doc__, Options)
    folder = Path(options.path)
    if options.hub is None or (folder / "model_index.json").exists():
        print(f"base_model: nothing to fetch, {folder} is {'there' if options.hub else 'not from the hub'}")
        return
    if folder.is_dir() and any(folder.iterdir()) and not (folder / HALF_FETCHED).exists():
        raise ValueError(f"base_model.path: must be an empty folder or a new one to fetch a model to; got {folder}")
    print(f"base_model: fetching {options.hub} to {folder}", flush=True)
    _fetch(options, folder)
    check.check(folder, None)


def _fetch(options: Options, folder: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    fetch = partial(
        snapshot_download, options.hub, revision=options.revision, local_dir=folder, ignore_patterns=UNWANTED
    )
    try:
        fetch(allow_patterns=WANTED[1:])
        fingerprints.record(folder, options.revision)
        fetch(allow_patterns=WANTED[:1])  # the index is what the workflow looks for, so it comes last
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"base_model.hub: {options.hub} could not be fetched ({str(error).splitlines()[0]}); run this again where "
            f"there is internet, or copy the model's folder to {folder} (workflow/docs/base-models.md)"
        ) from error


if __name__ == "__main__":
    steps.run(main)
