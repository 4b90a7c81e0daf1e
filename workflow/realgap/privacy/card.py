"""What may be said of what leaves: the guarantee in a sentence, its numbers, and what it does not cover."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

WHO = {
    "replace_one": "had any one image been another",
    "add_remove": "had any one image been left out",
}


def guarantee(epsilon: float, delta: float, neighbours: str) -> str:
    """The one sentence, in plain words.

    Source: Dwork and Roth 2014, definition 2.4.
    """
    return (
        f"Whatever anybody learns from these files, it would have been nearly as likely {WHO[neighbours]}: its chance "
        f"differs by a factor of at most {math.exp(epsilon):.3g} (epsilon {epsilon:.3g}), but for {delta:g} (delta)."
    )


def text(releases: Mapping[str, Mapping[str, Any]], together: float, spent: float, about: Mapping[str, Any]) -> str:
    """The card as Markdown.

    releases: source -> the guarantee that its file carries; together: the epsilon of these releases; spent: that of all
    that was ever released of the data set, these included; about: study, dataset, base_model, base_model_saw,
    classifier_weights, images, delta, neighbours.
    """
    rows = [
        f"| {name} | {one['epsilon']:g} | {one['noise_multiplier']:.4g} | {one['clip']:g} | {one['count']} |"
        for name, one in releases.items()
    ]
    lines = [
        f"# What may leave of the study {about['study']}",
        "",
        guarantee(together, about["delta"], about["neighbours"]),
        "",
        f"The images are {about['images']} of the data set {about['dataset']}. All releases of it so far, in all "
        f"studies, have epsilon {spent:.3g} together at delta {about['delta']:g}.",
        "",
        "| release | epsilon | noise over sensitivity | clip | divided by |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"The neighbouring relation is {about['neighbours']}. Samples and classifiers are made of the releases alone.",
        "",
        *_limits(about["base_model_saw"], about["classifier_weights"]),
    ]
    return "\n".join(lines) + "\n"


def of_samples(kind: str, settings: Mapping[str, Any], delta: float, neighbours: str) -> str:
    """What may be claimed of the images of a source, in a sentence; kind, settings: as study.sources declares them."""
    if kind == "dp_inversion" and settings["epsilon"] is not None:
        return guarantee(settings["epsilon"], delta, neighbours)
    if kind == "prompts":
        return "No real image of the study went into them. What the base model has seen by itself is another matter."
    return "No guarantee: they are real images of the study, were made of them, or were chosen by what has seen them."


def _limits(saw: Sequence[str], weights: Sequence[str]) -> list[str]:
    begun = f"- what the weights have seen that classifiers began at ({', '.join(weights)});"
    return [
        "Not covered:",
        "",
        f"- what the base model has seen by itself ({', '.join(saw) or 'nothing was named'});",
        *([begun] if weights else []),
        "- what is said elsewhere: the study's own tables, pages and shards, and settings chosen by the images;",
        "- a person or thing with several images: for k of them epsilon is k times as large, and delta larger still;",
        "- rounding: images that share a batch agree to some 1e-5 only, and noise is drawn with 52 bits.",
    ]
