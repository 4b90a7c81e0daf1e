"""Look at a few images of each class: real, through the base model's VAE alone, and from prompts."""

from dataclasses import dataclass

import numpy as np
import torch

from realgap.analyses.pilot import measures, section
from realgap.base_model import autoencoder, prompting
from realgap.diffusion import sampling
from realgap.report import figures, sections, style, tables
from realgap.report.style import name
from realgap.run import steps
from realgap.store import files, naming, shards
from scripts import sampling_sample as sample

SHOWN = 6  # images of each class in the figure


@dataclass(frozen=True, kw_only=True)
class Options(sample.Options):
    images_per_class: int
    words: dict[str, str]  # class -> what prompts call it, where that is another name


def main() -> None:
    args, options = steps.parse(
        __doc__,
        Options,
        images={"nargs": "+"},
        base_model=steps.BASE_MODEL,
        templates={},
        table={},
        figure={"nargs": 2, "metavar": ("PNG", "SVG")},
        section={},
        said={},
    )
    opened = shards.read_all(args.images, "images")
    label_of = naming.joint({path: one.attributes for path, one in zip(args.images, opened, strict=True)})
    rows = slice(options.images_per_class)
    real, labels, ids = (
        np.concatenate([one[key][rows] for one in opened]) for key in ("images", "labels", "image_ids")
    )
    model = sample.load(args.base_model, options)
    passed = _coded(model, real, options)
    prompted = np.empty_like(real)
    for class_name, label in steps.progress(label_of.items(), len(label_of), "sampling classes"):
        own = labels == label
        prompts = prompting.of_class(args.templates, options.words.get(class_name, class_name))
        items = sampling.items(ids[own], 1)
        conditioned = sample.of_prompts(args.base_model, prompts, items, options, model.device)
        prompted[own] = np.concatenate(list(sample.draw(model, options, items, *conditioned)))
    names = {label: class_name for class_name, label in label_of.items()}
    found = section.table(real, passed, prompted, labels, names)
    right = measures.told_right(real, labels, options.seed)
    sizes = {"image_size": options.image_size, "resolution": options.resolution}
    said = section.sentences(found, right, sizes, args.base_model)
    tables.save(args.table, found)
    columns = {"real": real, name("vae_only"): passed, "prompts": prompted}
    shown = {title: _first(images, labels, list(names)) for title, images in columns.items()}
    style.save(figures.samples(shown, list(names.values())), *args.figure)
    files.write(args.said, "".join(f"- {sentence}\n" for sentence in said).encode())
    sections.save(args.section, section.section(said))


def _coded(model: sample.Model, images: np.ndarray, options: Options) -> np.ndarray:
    """Images through the VAE alone."""
    mean, _ = autoencoder.encode(model.vae, images, options.resolution)
    latents = torch.from_numpy(mean).to(model.device) * model.vae.config.scaling_factor
    return autoencoder.decoder(model.vae, options.image_size)(latents)


def _first(images: np.ndarray, labels: np.ndarray, classes: list[int]) -> np.ndarray:
    """The first images of each class, equally many: uint8 (classes, k, h, w, 3)."""
    most = min(SHOWN, *(int((labels == one).sum()) for one in classes))
    return np.stack([images[labels == one][:most] for one in classes])


if __name__ == "__main__":
    steps.run(main)
