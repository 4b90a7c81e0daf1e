"""The text encoder of a base model, and the prompts of a class."""

from collections.abc import Sequence
from pathlib import Path

import torch

from realgap.base_model import families


def of_class(templates: str, class_name: str) -> list[str]:
    """The prompts of a class from a file of templates, one a line, with {} for the class name."""
    lines = [line.strip() for line in Path(templates).read_text(encoding="utf-8").splitlines()]
    wrong = [line for line in lines if line and "{}" not in line]
    if wrong or not any(lines):
        raise ValueError(f"{templates}: each line must be a prompt with {{}} for the class name, got {wrong[:1]}")
    return [line.replace("{}", class_name.replace("_", " ")) for line in lines if line]


@torch.inference_mode()
def embed(folder: str | Path, prompts: Sequence[str], device: torch.device) -> torch.Tensor:
    """Last hidden state of the text encoder, float32 (n, tokens, width), padded to the model's full length."""
    families.require(folder, "tokenizer")
    library = families.library_class(families.of(folder).tokenizer)
    try:
        tokenizer = library.from_pretrained(Path(folder) / "tokenizer", local_files_only=True)
        ids = tokenizer(list(prompts), padding="max_length", truncation=True, return_tensors="pt").input_ids
    except Exception as error:  # of the tokenizer's own kinds, which share no class
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder}/tokenizer: could not be loaded as {library.__name__}: {said}") from error
    # whatever it is stored in, as diffusers does with the other two
    encoder = families.load(folder, "text_encoder", dtype=torch.float32).to(device).eval()
    tokens, longest = encoder.config.vocab_size, encoder.config.max_position_embeddings
    if int(ids.max()) >= tokens or ids.shape[1] > longest:
        raise ValueError(
            f"{folder}/tokenizer: must give {longest} tokens below {tokens}, got {ids.shape[1]} up to {int(ids.max())}"
        )
    return encoder(ids.to(device))[0].float()
