"""Figures made of images: maps over test images, and pairs of generated and real images."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from realgap.report.figures import name


def attention(
    images: Sequence[tuple[str, np.ndarray]], columns: Sequence[tuple[str, Sequence[tuple[np.ndarray, str, bool]]]]
) -> plt.Figure:
    """Test images in rows, training sets in columns: the map over the image, and the prediction.

    images: (title, uint8 (h, w, 3)). columns: (training set, per image (map (h, w) in [0, 1], predicted class,
    whether it is right)).
    """
    sns.set_theme(style="white", context="notebook")
    if not images:
        figure, axes = plt.subplots(figsize=(5, 1))
        axes.axis("off")
        axes.text(0, 0.5, "Fewer than three test images have maps in every training set: nothing to show.")
        return figure
    size = (1.35 * (len(columns) + 1) + 0.6, 1.45 * len(images) + 0.7)
    figure, grid = plt.subplots(len(images), len(columns) + 1, figsize=size, squeeze=False)
    for row, (title, image) in enumerate(images):
        grid[row, 0].imshow(image, interpolation="nearest")
        grid[row, 0].set_ylabel(title.replace(": ", "\n"), fontsize=9, rotation=0, ha="right", va="center")
        for column, (_, cells) in enumerate(columns, start=1):
            heat, predicted, right = cells[row]
            axes = grid[row, column]
            axes.imshow(image.mean(axis=2), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.55)
            axes.set_xlabel(predicted if right else f"{predicted} (wrong)", fontsize=8, labelpad=2)
    for axes, title in zip(grid[0], ["test image", *(name(training_set) for training_set, _ in columns)], strict=True):
        axes.set_title(
            title.replace(" + ", " +\n").replace("Stable ", "Stable\n").replace("Diffusion I", "Diffusion\nI"),
            fontsize=9,
        )
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        sns.despine(ax=axes, left=True, bottom=True)
    figure.tight_layout(h_pad=0.3, w_pad=0.2)
    return figure


def pairs(found: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray, float]]]) -> plt.Figure:
    """A row per generator: generated image beside its nearest training image, with their distance, closest first.

    found: generator -> (generated uint8 (h, w, 3), training image, distance) of each pair.
    """
    sns.set_theme(style="white", context="notebook")
    count = max(len(each) for each in found.values())
    figure, grid = plt.subplots(len(found), count, figsize=(1.5 * count + 1.2, 1.15 * len(found) + 0.4), squeeze=False)
    for row, (source, each) in enumerate(found.items()):
        for axes in grid[row]:
            axes.axis("off")
        for axes, (generated, real, distance) in zip(grid[row], each, strict=False):
            gap = np.full((len(real), max(1, real.shape[1] // 8), 3), 255, np.uint8)
            axes.imshow(np.concatenate([generated, gap, real], axis=1), interpolation="nearest")
            axes.set_title(f"{distance:.3g}", fontsize=9, pad=2)
        grid[row, 0].text(
            -0.08,
            0.5,
            name(source).replace(" ", "\n"),
            transform=grid[row, 0].transAxes,
            fontsize=9,
            ha="right",
            va="center",
        )
    figure.tight_layout(w_pad=0.6)
    return figure
