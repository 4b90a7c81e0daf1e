"""Sizes that decide what can be computed, for those that must know before anything heavy is imported."""

CIFAR_STEM_BELOW = 96  # px; a stem that divides the image by 4 leaves nothing to look at below that
CUE_FOLDS = 5  # of the cross-fitted classifiers of geometric cues: the fewest images of a source that they take
VAE_BATCH_SIZE = 64  # images that the VAE takes at once; halved where they do not fit


def vae_batch(resolution: int) -> int:
    """Images of so many pixels a side that the VAE takes at once: 64 up to 384 px, fewer of larger ones (40 GB)."""
    return max(1, min(VAE_BATCH_SIZE, VAE_BATCH_SIZE * 384 * 384 // (resolution * resolution)))
