"""One look for every figure and page: the colours and names of sources, and how a figure is saved.

Sources that have no entry here are called by their names, and drawn in one colour, or as lines in a few.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from realgap.store.files import whole
from realgap.study import recipes, sources

plt.rcParams["text.parse_math"] = False  # a dollar sign in a class's name is a dollar sign

# Okabe & Ito, in order of lightness: grey print keeps them apart
COLOURS = {
    "real": "#000000",
    "vae_only": "#7f7f7f",
    "stable_diffusion": "#D55E00",
    "diffusion_inversion": "#0072B2",
    "real+stable_diffusion": "#E69F00",
    "real+diffusion_inversion": "#56B4E9",
    "bent_lines": "#CC79A7",
    "second_light": "#009E73",
    "broken_camera": "#8B5A2B",
    "resampled": "#b0b0b0",
}
OTHER = "#009E73"  # colour of a set that has none of its own
OTHERS = (OTHER, "#CC79A7", "#8B5A2B", "#882255", "#44AA99", "#666633")  # of lines, which cross
MARKS = "oDsv^PX"  # seven and six colours: lines of one colour have another mark
DASHES = ["-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]
NAMES = {
    "real": "real",
    "vae_only": "VAE only",
    "stable_diffusion": "Stable Diffusion",
    "diffusion_inversion": "Diffusion Inversion",
    "bent_lines": "bent lines",
    "second_light": "second light",
    "broken_camera": "broken camera",
    "resampled": "real, resampled",
    "test": "real test images",
    "real_resampled": "real, resampled",
    "real_blurred": "real, blurred",
    "real_warped": "real, warped",
}


def name(training_set: str) -> str:
    """A training set's name for readers: "real + Diffusion Inversion", "real (long)" where it names a recipe.

    What has no title is called by its name.
    """
    said = " + ".join(NAMES.get(part, part.replace("_", " ")) for part in sources.parts_of(training_set))
    recipe = recipes.recipe(training_set).replace("_", " ")
    return f"{said} ({recipe})" if recipe else said


def save(figure: plt.Figure, png: str | Path, svg: str | Path) -> None:
    """Write a figure as PNG and SVG and close it; no dates in them, so equal figures are equal files."""
    with whole(png) as beside:
        figure.savefig(beside, dpi=150, bbox_inches="tight", metadata={"Software": None})
    with whole(svg) as beside, plt.rc_context({"svg.hashsalt": "realgap", "svg.fonttype": "none"}):
        figure.savefig(beside, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def line(key: str, number: int) -> tuple[str, object]:
    """Colour and dashes of a set's line."""
    return COLOURS.get(key, OTHERS[number % len(OTHERS)]), DASHES[number % len(DASHES)]
