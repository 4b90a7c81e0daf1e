"""The table of a pilot, and what it says: each sentence follows from the numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from realgap.analyses.pilot import TITLE, measures
from realgap.base_model.known import trained_on
from realgap.report.sections import Figure, Section, Table
from realgap.report.wording import bare, interval, percent
from realgap.statistics import areas, shares

KEPT = 0.9  # share of variation below which details are lost that a classifier may need
APART = 0.9  # AUC from which on a property tells nearly all prompt images from real ones
SEEN = 10.0  # difference of means, in grey levels, below which nobody sees it
PROPERTIES = {"colourfulness": ("more colourful", "less colourful"), "brightness": ("brighter", "darker")}


def table(real: np.ndarray, passed: np.ndarray, prompted: np.ndarray, labels: np.ndarray, names: Mapping[int, str]):
    """A row per class and one of all ("").

    real, passed (the real ones through the VAE alone), prompted: uint8 (n, h, w, 3), row i of each of the same class,
    labels (n,). names: label -> class. Columns: class, n_images, variation_kept, and of colourfulness and brightness
    the mean of real and of prompt images; in the row of all also the AUC that tells prompt images from real ones by
    it, with its 95 % interval over images.
    """
    kept = measures.variation_kept(passed, real)
    found = {key: [getattr(measures, key)(images) for images in (real, prompted)] for key in PROPERTIES}
    rows = []
    for name, chosen in {"": np.ones(len(labels), bool), **{names[one]: labels == one for one in names}}.items():
        row = {"class": name, "n_images": int(chosen.sum()), "variation_kept": np.nanmean(kept[chosen])}
        for key, (of_real, of_prompts) in found.items():
            row |= {f"{key}_real": of_real[chosen].mean(), f"{key}_prompts": of_prompts[chosen].mean()}
            if not name:
                auc = areas.mean_auc(of_prompts, of_real)
                row |= dict(zip((f"{key}_auc", f"{key}_auc_low", f"{key}_auc_high"), auc, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def sentences(found: pd.DataFrame, right: np.ndarray, sizes: Mapping[str, int], base_model: str) -> list[str]:
    """found: of `table`. right: of measures.told_right. sizes: image_size, resolution in px. base_model: its folder."""
    return [
        _coded(found),
        *(_property(found.iloc[0], key) for key in PROPERTIES),
        _enlarged(sizes),
        _apart(right, len(found) - 1),
        _contaminated(base_model),
    ]


def section(said: Sequence[str]) -> Section:
    columns = {"class": "class (empty: all)", "n_images": "images", "variation_kept": "variation kept by the VAE"}
    for key in PROPERTIES:
        columns |= {f"{key}_real": f"{key}, real", f"{key}_prompts": f"{key}, prompts"}
        columns |= {f"{key}_auc": "AUC"}
    return Section(
        name="pilot",
        title=TITLE,
        sentences=list(said),
        tables=[
            Table(
                "pilot/table.csv",
                "A few real images of each class, the same through the VAE alone, and as many from prompts. "
                "Colourfulness is 0 for grey images and above 80 for very colourful ones. Brightness is the mean grey "
                "level, 0 to 255. AUC: how surely the number tells a prompt image from a real one; 0.5 is not at all.",
                columns,
                {f"{key}_auc": (f"{key}_auc_low", f"{key}_auc_high") for key in PROPERTIES},
                percent=["variation_kept"],
            )
        ],
        figures=[
            Figure(
                "figures/pilot.png",
                "The first images of each class: real, through the VAE alone, and from prompts.",
                "Images of each class in three columns: real, VAE only, prompts",
            )
        ],
        notes=[
            "A pilot sees few images. It can say that a base model does not fit, and hardly that it does. What a bad "
            "fit costs in accuracy is what the study's rows say."
        ],
    )


def _coded(found: pd.DataFrame) -> str:
    """What the image coder of the base model keeps."""
    kept, by_class = found.variation_kept.iloc[0], found.iloc[1:]
    worst = by_class.loc[by_class.variation_kept.idxmin()]
    said = f"The base model's VAE keeps {percent(kept)} of the variation in the real images"
    of_worst = f"; the least of {worst['class']}, {percent(worst.variation_kept)}."
    if kept >= KEPT:
        return said + of_worst
    return (
        f"{said}{of_worst} What it loses no image of this base model shows. The row VAE only says what that costs; "
        "a larger base_model.resolution may keep more."
    )


def _property(row: pd.Series, key: str) -> str:
    """Whether prompt images are of another kind by one number."""
    more, less = PROPERTIES[key]
    auc, low, high = (row[f"{key}_auc{bound}"] for bound in ("", "_low", "_high"))
    difference = row[f"{key}_prompts"] - row[f"{key}_real"]
    of_both = f"{row[f'{key}_prompts']:.0f} against {row[f'{key}_real']:.0f} in the mean"
    by = f"AUC {auc:.2f}, {interval(low, high, '{:.2f}'.format)}"
    if max(auc, 1 - auc) >= APART and not low <= 0.5 <= high and abs(difference) >= SEEN:
        return (
            f"Nearly all images from prompts are {more if auc > 0.5 else less} than real ones ({key} {of_both}; {by}). "
            "For these words the base model makes images of another kind. Templates that say what your images look "
            "like may help (prompts.templates, prompts.words). Sources that start from real images need words less."
        )
    said = "are alike in" if abs(difference) < SEEN else "overlap in"
    return f"Images from prompts and real ones {said} {key} ({of_both})."


def _enlarged(sizes: Mapping[str, int]) -> str:
    size, resolution = sizes["image_size"], sizes["resolution"]
    if resolution < size:
        return (
            f"The base model works at {resolution} px and classifiers see {size} px: generated images are enlarged and "
            "have no finer details."
        )
    return f"The base model works at {resolution} px, classifiers see {size} px."


def _apart(right: np.ndarray, n_classes: int) -> str:
    share, low, high = shares.mean_share(right[None])
    told = (
        f"A simple classifier of small pictures names the class of {percent(share)} of these real images "
        f"({interval(low, high, bare)}; chance is {percent(1 / n_classes)})"
    )
    if low > 1 / n_classes:
        return f"{told}: there is something to learn from few images."
    return (
        f"{told}: not told apart from chance. Where real images teach little, generated ones cannot be seen to teach "
        "less. A network may see more: train on the real images alone first (training_sets: [real])."
    )


def _contaminated(base_model: str) -> str:
    if seen := trained_on(base_model):
        return f"The base model has only seen {seen}: images from elsewhere are new to it."
    return (
        "What the base model was trained on stands in its own card. Stable Diffusion has seen billions of pictures "
        "from the web. It may have seen your images or near copies of them if they are public, and its images may "
        "then be better than they would be for private ones."
    )
