"""A study's page made of made-up numbers and small figures, for what looks at pages."""

import numpy as np
import pandas as pd
from PIL import Image

from realgap.report import figures, pages, sections, style, tables
from realgap.store import provenance

TEMPLATE = provenance.ROOT / "report" / "report.html.j2"
ACCURACIES = {
    "real": [0.93, 0.92, 0.94],
    "vae_only": [0.93, 0.94, 0.94],
    "stable_diffusion": [0.74, 0.68, 0.73],
    "diffusion_inversion": [0.93, 0.92, 0.94],
    "real+stable_diffusion": [0.94, 0.95, 0.93],
    "real+diffusion_inversion": [0.95, 0.935, 0.96],
}
CONFIG = {
    "study": "digits",
    "dataset": {"image_size": 16, "images_per_class": 10},
    "base_model": {"path": "resources/mini-sd-digits"},
    "sources": {
        "vae_only": {"kind": "vae_only"},
        "stable_diffusion": {"kind": "prompts"},
        "diffusion_inversion": {"kind": "inversion"},
    },
    "classifier": {
        **{"architecture": "resnet18", "steps": 80, "epochs": None, "batch_size": 32, "real_share": 0.5},
        **{"crop_padding": 1, "horizontal_flip": False, "augmentation": [], "weights": None, "stem": "auto"},
    },
    "training_sets": list(ACCURACIES),
    "recipes": {},
    "classifiers": [],
    "margin": 2,
}


N_TEST = 1697


def predictions(by_seed=None):
    """As realgap.report.tables.accuracies takes them: 100 real images, 1,000 generated ones, 1,697 test images.

    Some test images are hard for every classifier, and each classifier has its own mistakes besides.
    """
    rng, found = np.random.default_rng(0), []
    hard, labels = rng.standard_normal(N_TEST), np.arange(N_TEST) % 10
    for training_set, values in (by_seed or ACCURACIES).items():
        parts = [["real", 100]] if "real" in training_set.split("+") else []
        parts += [] if training_set == "real" else [["generated", 1000]]
        for seed, accuracy in enumerate(values):
            order = np.argsort(hard + rng.standard_normal(N_TEST))
            said = (labels + 1) % 10
            said[order[: round(accuracy * N_TEST)]] = labels[order[: round(accuracy * N_TEST)]]
            about = {"training_set": training_set, "seed": seed, "parts": parts}
            found.append({**about, "logits": np.eye(10, dtype=np.float32)[said], "labels": labels})
    return found


def accuracies(by_seed=None):
    """realgap.report.tables.accuracies of these predictions."""
    return tables.accuracies(predictions(by_seed))


def verdicts(by_seed=None, margin=0.02):
    """realgap.report.tables.verdicts of these predictions."""
    return tables.verdicts(predictions(by_seed), margin)


def pairs(by_seed=None, margin=0.02):
    """realgap.report.tables.pairs of these predictions."""
    return tables.pairs(predictions(by_seed), margin)


def sensitivities(*means, n_images=100):
    """The rows of realgap.report.metrics.table that the page reads: of real images, a class each."""
    rows = [("real", "sensitivity", f"class {n}", n_images, mean) for n, mean in enumerate(means)]
    return pd.DataFrame(rows, columns=["training_set", "metric", "class", "n_images", "mean"])


def analysis(folder, name="fidelity", title="Fidelity", text="Farther by 3.1 (2.0 to 4.2)."):
    """A section with a table and a figure, whose files lie in the folder."""
    columns = {
        "source": ["b <i>", "a", "real"],
        "fd": [2.5, 10.25, np.nan],
        "low": [2.0, 9, np.nan],
        "high": [3, 11, 1],
    }
    pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)
    _picture(folder / f"{name}.png")
    table = sections.Table(f"{name}.csv", "Distances", {"source": "Source", "fd": "Distance"}, {"fd": ("low", "high")})
    return sections.Section(name, title, [text], [table], [sections.Figure(f"{name}.png", text, text)], [text])


def render(
    folder, by_seed=None, study="digits", class_names=("zero", "one"), analyses=(), config=None, template=TEMPLATE
):
    """The real template over made-up numbers; pictures are written to the folder."""
    observed, judged = accuracies(by_seed), verdicts(by_seed)
    for name, figure in {
        "accuracy": figures.accuracy(judged, observed),
        "accuracy-narrow": figures.accuracy_narrow(judged, observed),
        "strip": figures.strip({"real": np.zeros((2, 4, 4, 3), np.uint8)}, list(class_names)),
    }.items():
        style.save(figure, folder / f"{name}.png", folder / f"{name}.svg")
    _picture(folder / "class.png")
    return pages.render(
        template,
        verdicts=judged,
        pairs=pairs(by_seed),
        metrics=sensitivities(*[0.9] * 10),
        seeds=observed.seed.unique().tolist(),
        figures={
            **{name: folder / f"{name}.svg" for name in ("accuracy", "accuracy-narrow", "strip")},
            "samples": folder / "strip.svg",
        },
        gallery=dict.fromkeys(class_names, folder / "class.png"),
        analyses=analyses,
        folder=folder,
        config={**CONFIG, "study": study, **(config or {})},
        n_classes=10,
    )


def _picture(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save(path)
