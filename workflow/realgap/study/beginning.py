"""A study file for images that are there: what was found of them, and a guess at every setting that follows from it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SUFFIXES = {".csv": "csv", ".h5": "hdf5", ".hdf5": "hdf5", ".hdf": "hdf5", ".parquet": "parquet", ".tar": "webdataset"}
SIDES = (16, 24, 32, 48, 64)  # px at which classifiers see images, unless a study says a larger one
UNEQUAL = 2  # the largest class over the smallest, from which classes are balanced
PASSES = 25  # through the real images that a classifier sees, as in the shipped studies
MOST_A_CLASS, MOST_WITHOUT_GPU = 500, 50

DIFFUSION = {
    # resources/studies/imagenette.yaml
    "stable-diffusion-v1-4": {
        "base_model": {
            "path": "resources/models/stable-diffusion-v1-4",
            "hub": "CompVis/stable-diffusion-v1-4",
            "revision": "133a221b8aa7292a167afc5127cb63fb5005638b",
        },
        "inversion": {
            "num_tokens": 5,
            "start": "random",
            "start_scale": 0.1,
            "steps_per_image": 3000,
            "lr": 0.03,
            "lr_schedule": "constant",
        },
        "num_inference_steps": 25,
        "guidance_scale": 2.0,
    },
    # resources/studies/cifar10-mini.yaml
    "mini-sd-natural": {
        "base_model": {"path": "resources/mini-sd-natural"},
        "inversion": {"num_tokens": 77, "start": "looks", "steps_per_image": 400, "lr": 0.05, "lr_schedule": "cosine"},
        "num_inference_steps": 12,
        "guidance_scale": 1.25,
    },
}


@dataclass(frozen=True)
class Found:
    """kind, root: of the data set. trained, tested: class -> images. sides: shorter sides of some images, px.

    grey: share of those images that have no colour. has_parts: whether the data set is split already. gpus: of this
    machine.
    """

    kind: str
    root: str
    trained: Mapping[str, int]
    tested: Mapping[str, int]
    sides: Sequence[int]
    grey: float
    has_parts: bool
    gpus: int


def kind_of(root: Path) -> str:
    """The name of the data set that lies at a path. ValueError where it is none that is read."""
    if root.is_file():
        name = root.stem.partition("_")[0].lower()
        kind = name if root.suffix == ".npz" else SUFFIXES.get(root.suffix.lower(), "")
        if not kind:
            raise ValueError(f"images: must be a folder, or a file of {', '.join(SUFFIXES)} or .npz; got {root}")
        return kind
    if not root.is_dir():
        raise ValueError(f"images: must be where your images are; got {root}, nothing there")
    return next((SUFFIXES[end] for end in (".parquet", ".tar") if next(root.rglob(f"*{end}"), None)), "image_folder")


def settings(name: str, found: Found) -> dict[str, Any]:
    """What a study of these images says that differs from the default one."""
    model = "stable-diffusion-v1-4" if found.gpus else "mini-sd-natural"
    own = DIFFUSION[model]
    trained, tested = list(found.trained.values()), min(found.tested.values())
    cap = MOST_A_CLASS if found.gpus else MOST_WITHOUT_GPU
    most, fewest = min(max(trained), cap), min(trained)
    real = sum(min(count, cap) for count in trained)
    unequal = most >= UNEQUAL * fewest
    side = _side(found.sides)
    batch = 32 if real < 500 else 64
    sampled = {key: own[key] for key in ("num_inference_steps", "guidance_scale")}
    inverted = {**sampled, **({"interpolation_strength": 0.0} if fewest < 2 else {})}
    study = {
        "study": name,
        "dataset": {
            "name": found.kind,
            "root": found.root,
            "classes": "all",
            "images_per_class": f"up to {cap}" if max(trained) > cap else "all",
            "image_size": side,
        },
        "base_model": {**own["base_model"], "resolution": _resolution(model, found.sides)},
        "inversion": own["inversion"],
        "prompts": {"templates": f"resources/prompts/{'grey-pictures' if found.grey > 0.5 else 'pictures'}.txt"},
        "sources": {
            "stable_diffusion": {**sampled, "guidance_scale": 2.0},
            "diffusion_inversion": inverted,
        },
        "sampling": {"samples_per_class": 5 * most} if unequal else {"samples_per_image": 5},
        "classifier": {
            "architecture": "resnet18" if found.gpus else "resnet20",
            "steps": min(5000, max(100, 50 * math.ceil(PASSES * real / batch / 50))),
            "batch_size": batch,
            "lr": 0.05 if real >= 500 or not found.gpus else 0.015,
            "crop_padding": max(1, side // 8),
            "horizontal_flip": True,
            "real_share": 0.8,
            **({"class_balance": "balanced"} if unequal else {}),
        },
        "seeds": [0, 1, 2] if found.gpus else list(range(6)),
        "analyses": _analyses(fewest, tested),
    }
    if not found.gpus and "saliency" in study["analyses"]:
        study["saliency"] = {"layer": "layer2"}  # of a ResNet-20 at 32 px 16 cells a side
    if "errors" in study["analyses"] and tested < 4:
        study["errors"] = {"distance_bins": tested}
    return {**study, "plan": {"device": "rtx4090" if found.gpus else "cpu"}}


def text(name: str, found: Found) -> str:
    """The study file: a comment beside each guess."""
    lines = [f"# {line}" for line in _heading(name, found)]
    said = _comments(found)
    for key, value in settings(name, found).items():
        lines.append("")
        if isinstance(value, Mapping):
            lines.append(f"{key}:")
            for inner, setting in value.items():
                lines += [f"  # {line}" for line in said.get(f"{key}.{inner}", ())]
                lines.append(f"  {_yaml(inner, setting)}")
        else:
            lines += [*(f"# {line}" for line in said.get(key, ())), _yaml(key, value)]
    return "\n".join(lines) + "\n"


def table(found: Found) -> str:
    """The classes and their numbers, for people."""
    width = max(len(name) for name in [*found.trained, "class"])
    rows = [(name, found.trained[name], found.tested[name]) for name in found.trained]
    lines = [f"{'class':{width}}  to train on  to test on"]
    lines += [f"{name:{width}}  {trained:11,}  {tested:10,}" for name, trained, tested in rows[:40]]
    return "\n".join([*lines, *([f"and {len(rows) - 40} more"] if rows[40:] else [])])


def _side(sides: Sequence[int]) -> int:
    return max((side for side in SIDES if side <= statistics.median(sides)), default=SIDES[0])


def _resolution(model: str, sides: Sequence[int]) -> int:
    if model == "mini-sd-natural":
        return 32
    return 256 if statistics.median(sides) >= 192 else 128


def _analyses(fewest: int, tested: int) -> list[str]:
    """Those that have images enough in each class."""
    need = {"saliency": 1, "fidelity": 2, "detection": 2, "memorisation": 2, "errors": 2}
    return [
        *(["pilot"] if fewest > 1 else []),
        *(name for name, count in need.items() if min(fewest, tested) >= count),
    ]


def _heading(name: str, found: Found) -> list[str]:
    sides = sorted(found.sides)
    return [
        f"Written by `snakemake new_study` from {found.root}; every value is yours to change.",
        f"    envs/run snakemake --configfile resources/studies/{name}.yaml",
        f"{sum(found.trained.values()):,} images to train on and {sum(found.tested.values()):,} to test on in "
        f"{len(found.trained)} classes; the smallest has {min(found.trained.values()):,} and "
        f"{min(found.tested.values()):,}. Shorter sides of {len(sides)} of them: {sides[0]} to {sides[-1]} px; "
        f"{found.grey:.0%} are grey.",
    ]


def _comments(found: Found) -> dict[str, list[str]]:
    split = (
        "It has parts of its own, which are taken as they are."
        if found.has_parts
        else "A fifth is kept for testing: test_share."
    )
    gpu = (
        "Stable Diffusion 1.4 is fetched before the first job that needs it: 5 GB."
        if found.gpus
        else "This machine shows no GPU: a shipped miniature that has seen photographs of 32 px says whether all runs."
    )
    more = [] if found.gpus else ["For an answer take Stable Diffusion and a GPU (workflow/docs/base-models.md)."]
    return {
        "dataset.root": [split],
        "dataset.classes": ["Or a list of their names."],
        "dataset.images_per_class": [
            "A number, all, `up to N`, or {class: number}. More cost more: most of it is inverting them."
        ],
        "dataset.image_size": ["Side in px at which classifiers see images. More shows more, and costs more."],
        "base_model.path": [gpu, *more],
        "base_model.resolution": ["Side in px at which the base model works."],
        "inversion.steps_per_image": ["Most of the cost: `snakemake plan` says how much."],
        "prompts.templates": [
            "One prompt a line, {} for the class. Write your own where classes are no everyday things, and say what a",
            "class is called in prompts: words: {class: its words}.",
        ],
        "sampling.samples_per_class": ["Generated images of each class, spread over its real ones."],
        "sampling.samples_per_image": ["Generated images of each real one."],
        "classifier.architecture": [
            "The classifier that is trained on each row (workflow/docs/classifiers.md).",
            *([] if found.gpus else ["Small, because no GPU trains it: a step costs a fourteenth of resnet18's."]),
        ],
        "classifier.steps": [f"About {PASSES} passes through the real images."],
        "classifier.horizontal_flip": [
            "Only where a mirrored image is of the same class: not for letters or sides of a body."
        ],
        "classifier.class_balance": ["Classes are of unequal size: each is drawn as often as another."],
        "seeds": ["Classifiers of each row. More seeds give narrower intervals."],
        "analyses": ["Those that have images enough in the smallest class."],
        "saliency.layer": ["Where Grad-CAM looks: the last layer has maps of 8 cells a side, this one of 16."],
        "errors.distance_bins": ["At most the test images of the smallest class."],
        "plan.device": ["That hours are given for."],
    }


def _yaml(key: str, value: Any) -> str:
    """A line of YAML."""
    is_flat = not isinstance(value, Mapping | list)
    written = yaml.safe_dump(
        {key: value} if is_flat else value,
        default_flow_style=not is_flat,
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )
    return written.strip() if is_flat else f"{key}: {written.strip()}"
