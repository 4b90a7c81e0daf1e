"""A study's page made of made-up numbers and small figures, for what looks at pages."""

import numpy as np
import pandas as pd
from PIL import Image

from realgap.report import figures, pages, sections, tables
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
    "dataset": {"image_size": 16},
    "base_model": {"path": "resources/mini-sd-digits"},
    "sources": {
        "vae_only": {"kind": "vae_only"},
        "stable_diffusion": {"kind": "prompts"},
        "diffusion_inversion": {"kind": "inversion"},
    },
    "classifier": {"architecture": "resnet18", "steps": 80, "real_share": 0.5},
}


def accuracies(by_seed=None):
    """As realgap.report.tables.accuracies gives them: 100 real images, 1,000 generated ones, 1,697 test images."""
    rows = [
        {
            "training_set": training_set,
            "seed": seed,
            "n_real": 100 if "real" in training_set.split("+") else 0,
            "n_generated": 0 if training_set == "real" else 1000,
            "n_test": 1697,
            "accuracy": accuracy,
        }
        for training_set, values in (by_seed or ACCURACIES).items()
        for seed, accuracy in enumerate(values)
    ]
    return pd.DataFrame(rows)


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
    observed = accuracies(by_seed)
    table = tables.table(observed)
    for name, figure in {
        "accuracy": figures.accuracy(table, observed),
        "accuracy-narrow": figures.accuracy_narrow(table, observed),
        "strip": figures.strip({"real": np.zeros((2, 4, 4, 3), np.uint8)}, list(class_names)),
    }.items():
        figures.save(figure, folder / f"{name}.png", folder / f"{name}.svg")
    _picture(folder / "class.png")
    return pages.render(
        template,
        table=table,
        accuracies=observed,
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
