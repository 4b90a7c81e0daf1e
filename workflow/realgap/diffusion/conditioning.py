"""What a denoiser is conditioned on: prompts, and learned embeddings with noise and a share of a partner.

Each (image, variant) has one random stream for its prompt, its partner and its noise, so a conditioning is the same
whichever shard or batch it is made in.
"""

from collections.abc import Sequence

import numpy as np

from realgap import streams


def mix(
    items: Sequence[tuple[int, int]],
    class_embeddings: np.ndarray,
    class_image_ids: np.ndarray,
    *,
    embedding_noise: float,
    interpolation_strength: float,
    seed: int,
) -> np.ndarray:
    """The conditioning of each item: c_i + interpolation_strength (c_j - c_i) + embedding_noise N(0, 1).

    class_embeddings is float32 (m, tokens, width), of every image of the class whatever its shard; the
    partner j is another image of that class. Returns float32 (n, tokens, width). Raises ValueError when
    the class has no second image to mix with, or an item's image has no embedding.
    """
    order = np.argsort(class_image_ids)
    ids, embeddings = class_image_ids[order], class_embeddings[order]
    if interpolation_strength and len(ids) < 2:
        raise ValueError(
            "interpolation_strength: needs a partner of the same class, so at least 2 images "
            f"a class, got {len(ids)}; set it to 0 for a class of one image"
        )
    mixed = []
    for image_id, variant in items:
        stream = streams.stream(seed, "mix", image_id, variant)
        own = int(np.searchsorted(ids, image_id))
        if own == len(ids) or ids[own] != image_id:
            raise ValueError(f"no embedding of image {image_id} among those of its class")
        partner = (own + int(stream.integers(1, len(ids)))) % len(ids) if len(ids) > 1 else own
        noise = stream.standard_normal(embeddings.shape[1:], dtype=np.float32)
        mixed.append(
            embeddings[own] + interpolation_strength * (embeddings[partner] - embeddings[own]) + embedding_noise * noise
        )
    return np.stack(mixed).astype(np.float32)


def choose_prompts(items: Sequence[tuple[int, int]], num_prompts: int, seed: int) -> np.ndarray:
    """Which of a class's prompts each item uses, int (n,)."""
    return np.array([streams.stream(seed, "prompt", i, v).integers(num_prompts) for i, v in items])


def around(
    items: Sequence[tuple[int, int]],
    embedding: np.ndarray,
    embedding_noise: float,
    seed: int,
    spread: np.ndarray | None = None,
) -> np.ndarray:
    """One embedding (tokens, width) shared by all items, each with noise of its own: float32 (n, tokens, width).

    spread: (k, tokens, width), what a standard normal number each is multiplied with and added.
    """
    noise = streams.normal((streams.stream(seed, "mix", i, v) for i, v in items), embedding.shape)
    moved = embedding + embedding_noise * noise
    if spread is not None:
        drawn = streams.normal((streams.stream(seed, "spread", i, v) for i, v in items), spread.shape[:1])
        moved = moved + np.stack([np.tensordot(row, spread, 1) for row in drawn])  # one by one: no batch shows
    return moved.astype(np.float32)
