"""What is raced on: the digits' miniature on a CPU, Stable Diffusion 1.4's shapes with random weights on a GPU."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from realgap.data import catalog, loaders, splits
from tests import checkout

CHOICE_SEED = 1  # settings are chosen on other images than those of the default study (seed 0)


@dataclass(frozen=True)
class Subject:
    """A base model and how a study uses it."""

    folder: Path
    resolution: int  # px of the base model
    image_size: int  # px of the images of a study
    num_tokens: int
    batch_size: int  # of ours; the baselines' is 50
    device: torch.device

    @property
    def unet(self) -> dict:
        return json.loads((self.folder / "unet" / "config.json").read_text())

    @property
    def vae(self) -> dict:
        return json.loads((self.folder / "vae" / "config.json").read_text())

    @property
    def latent_size(self) -> int:
        return self.resolution >> (len(self.vae["block_out_channels"]) - 1)


def subject(device: torch.device, folder: Path) -> Subject:
    """The base model for a device; what has to be made for it lies in `folder`."""
    if device.type == "cpu":
        return Subject(checkout.ROOT / "resources/mini-sd-digits", 16, 16, 5, 50, device)
    return Subject(_full_size(folder / "stable-diffusion-1.4"), 128, 32, 5, 256, device)


def ours_in(dtype: torch.dtype) -> str:
    """What ours is called in a race, with the precision it computes in."""
    return f"ours ({precision(dtype)})"


def precision(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def digits(per_class: int, start: int = 0) -> dict[str, np.ndarray]:
    """Arrays of an "images" shard: `per_class` real digits of each class from number `start` on, 16 px."""
    dataset = loaders.digits(None, "train")
    rows = [
        splits.training_rows(dataset, name, start, start + per_class, CHOICE_SEED, validation=0)
        for name in catalog.DIGITS
    ]
    return splits.take(dataset, np.concatenate(rows), image_size=16)


def _full_size(folder: Path) -> Path:
    """A pipeline of the real sizes in diffusers' layout; its weights are random, good for speed only."""
    if (folder / "model_index.json").exists():
        return folder
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from realgap.cost.plan import ARCHITECTURES
    from realgap.pretraining import miniature

    tokenizer = miniature.make_tokenizer(["a photo of a cat", "a photo of a truck"], max_tokens=77)
    unet, vae = (
        json.loads((ARCHITECTURES / "stable-diffusion-1" / part / "config.json").read_text())
        for part in ("unet", "vae")
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        miniature.assemble(
            AutoencoderKL.from_config(vae),
            miniature.make_text_encoder(tokenizer, width=unet["cross_attention_dim"], layers=1, seed=0),
            tokenizer,
            UNet2DConditionModel.from_config(unet),
        ).save_pretrained(folder, safe_serialization=True)
    return folder
