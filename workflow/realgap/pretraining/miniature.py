"""The parts of a miniature Stable Diffusion: those of Stable Diffusion 1.4, only smaller, untrained."""

import contextlib
import string
from collections.abc import Iterator, Sequence

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from realgap.streams import stream


def make_tokenizer(captions: Sequence[str], max_tokens: int, vocabulary: int = 5000) -> CLIPTokenizer:
    """CLIP's byte-pair encoding learnt on `captions`; a word seen twice or more becomes one token.

    Other words are spelt out; prompts are cut and padded to `max_tokens`, the start and end included.
    """
    texts = [*captions, *string.printable]  # every ASCII character, so that any English prompt can be spelt
    tokenizer = CLIPTokenizer().train_new_from_iterator(texts, vocab_size=vocabulary, show_progress=False)
    tokenizer.model_max_length = max_tokens
    return tokenizer


def make_text_encoder(tokenizer: CLIPTokenizer, width: int, layers: int, seed: int) -> CLIPTextModel:
    """A CLIP text transformer giving (batch, max_tokens, width) for the tokenizer's ids."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with _initial_weights(seed, "text_encoder"):
        return CLIPTextModel(config)


def make_vae(image_size: int, channels: Sequence[int], seed: int, latent_channels: int = 4) -> AutoencoderKL:
    """A VAE; each entry of `channels` after the first halves the side once."""
    with _initial_weights(seed, "vae"):
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(channels),
            up_block_types=("UpDecoderBlock2D",) * len(channels),
            block_out_channels=tuple(channels),
            layers_per_block=1,
            latent_channels=latent_channels,
            norm_num_groups=8,
            sample_size=image_size,
        )


def make_unet(
    latent_size: int, channels: Sequence[int], width: int, seed: int, latent_channels: int = 4
) -> UNet2DConditionModel:
    """A UNet with cross-attention to tokens of `width` at every level, each half the side of the last."""
    with _initial_weights(seed, "unet"):
        return UNet2DConditionModel(
            sample_size=latent_size,
            in_channels=latent_channels,
            out_channels=latent_channels,
            down_block_types=("CrossAttnDownBlock2D",) * len(channels),
            up_block_types=("CrossAttnUpBlock2D",) * len(channels),
            block_out_channels=tuple(channels),
            layers_per_block=1,
            cross_attention_dim=width,
            attention_head_dim=4,  # the number of heads: diffusers keeps the old name of this key
            norm_num_groups=8,
        )


def assemble(
    vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, unet: UNet2DConditionModel
) -> StableDiffusionPipeline:
    """The parts as one pipeline, with the noise schedule of Stable Diffusion 1.4 and no safety checker.

    Source of the schedule: scheduler/scheduler_config.json of CompVis/stable-diffusion-v1-4.
    """
    scheduler = PNDMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
        timestep_spacing="trailing",  # begins at pure noise, as training does: else dark grounds turn grey
    )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@contextlib.contextmanager
def _initial_weights(seed: int, part: str) -> Iterator[None]:
    """torch's layers draw their weights from the global stream: seed it for the block, then put it back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, "initial_weights", part).integers(2**63)))
        yield
