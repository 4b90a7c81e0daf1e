"""Fetch a base model from the Hugging Face hub at a pinned revision: configuration, tokenizer and safetensors only."""

from dataclasses import dataclass
from pathlib import Path

from realgap import base_model_check, steps

# what the workflow loads; the safety checker, pickles and half-precision copies stay where they are
PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
WANTED = ["model_index.json", *(f"{part}/*.{kind}" for part in PARTS for kind in ("json", "txt", "safetensors"))]
UNWANTED = ["*.fp16.safetensors", "*.non_ema.safetensors"]


@dataclass(frozen=True)
class Options:
    path: str
    hub: str
    revision: str


def main() -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    _, options = steps.parse(__doc__, Options)
    folder = Path(options.path)
    # the index is what the workflow looks for, so it comes last
    try:
        for patterns in (WANTED[1:], WANTED[:1]):
            snapshot_download(
                options.hub,
                revision=options.revision,
                local_dir=folder,
                allow_patterns=patterns,
                ignore_patterns=UNWANTED,
            )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"base_model.hub: {options.hub} could not be fetched ({str(error).splitlines()[0]}); run this again where "
            f"there is internet, or copy the model's folder to {folder} (workflow/docs/base-models.md)"
        ) from error
    base_model_check.check(folder, None)


if __name__ == "__main__":
    steps.run(main)
