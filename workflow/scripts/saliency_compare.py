"""Compare where the classifiers look: tables, the figure, the panels and the report's section."""

import numpy as np

from realgap.analyses.saliency import figures as drawing
from realgap.analyses.saliency import section as analysis
from realgap.analyses.saliency.grad_cam import REFERENCE_METHODS, scaled
from realgap.report import sections, style, tables
from realgap.run import steps
from realgap.store import naming, shards

SHOWN = 2  # images of least, of median and of most different focus


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    args, _ = steps.parse(
        __doc__,
        saliency={"nargs": "+"},
        test={},
        comparison={},
        strata={},
        models={},
        maps={},
        differences=pair,
        panels=pair,
        section={},
    )
    runs = opened = shards.read_all(args.saliency, "saliency")
    observed, references = analysis.observations(runs), tables.references(run.attributes for run in runs)
    compared, state = analysis.comparison(observed, references), analysis.models(observed, references)
    answered = analysis.answer(compared)
    for path, frame in (
        (args.comparison, answered),
        (args.strata, compared),
        (args.models, state),
        (args.maps, observed),
    ):
        tables.save(path, frame)
    style.save(drawing.focus(compared), *args.differences)
    # of one classifier: others look at other layers
    runs = [run for run in runs if references[run.attributes["training_set"]] == "real"]
    shown = analysis.shown_images(observed[observed.training_set.map(references) == "real"], SHOWN)
    classes = naming.names({path: run.attributes for path, run in zip(args.saliency, opened, strict=True)})
    style.save(drawing.panels(*_panels(runs, shards.read(args.test, "images"), shown, classes)), *args.panels)
    made = opened[0].attributes["options"]
    layers = dict.fromkeys(run.attributes.get("layer", made["layer"]) for run in opened)
    about = f"{REFERENCE_METHODS.get(made['method'], 'Grad-CAM')} at {', '.join(layers)}"
    sections.save(args.section, analysis.section(answered, compared, state, about))


def _panels(runs: list, test: shards.Shard, shown: list[tuple[str, int]], classes: list[str]) -> tuple[list, list]:
    """Rows (title, image) and columns (training set, [(map in [0, 1], prediction, correct) per row]), first seed."""
    size = test["images"].shape[1:3]
    where = {int(image_id): row for row, image_id in enumerate(test["image_ids"])}
    first_seed = runs[0].attributes["seed"]
    columns = []
    for run in (run for run in runs if run.attributes["seed"] == first_seed):
        rows = [np.flatnonzero(run["image_ids"] == image_id)[0] for _, image_id in shown]
        predicted = run["logits"][rows].argmax(axis=1)
        maps = scaled(run["true_maps"][rows], size) if rows else []
        cells = list(zip(maps, [classes[p] for p in predicted], run["correct"][rows], strict=True))
        columns.append((run.attributes["training_set"], cells))
    label_of = dict(zip(runs[0]["image_ids"].tolist(), runs[0]["labels"].tolist(), strict=True))
    titles = [(f"{rank}: {classes[label_of[image_id]]}", test["images"][where[image_id]]) for rank, image_id in shown]
    return titles, columns


if __name__ == "__main__":
    steps.run(main)
