"""The default study as the field would write it: one script of published libraries: `python -m tests.benchmarks.field`.

It has the images, rows, seeds and settings of `config.yaml`, in float32. diffusers inverts and samples, torchvision
trains from folders of PNG files, pytorch-grad-cam maps, torch-fidelity, prdc and scikit-learn measure, pandas and
matplotlib show. Loops are those of the other benchmarks. What no library has comes from this project: the choice of
images, the measures of geometry and their classifiers. There are no bootstraps, no p-values and no page.

A part that is finished is not run again: FOLDER holds what it made, and its CPU seconds. Processes may share the parts.
"""

import argparse
import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image
from prdc import compute_prdc
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from snakemake.utils import update_config
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset, WeightedRandomSampler
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchvision import transforms
from torchvision.datasets import ImageFolder

from realgap.analyses.detection import measures as detectors
from realgap.analyses.geometry import cues
from realgap.analyses.geometry import measures as geometry_measures
from realgap.classifier import networks
from realgap.data import loaders, splits
from realgap.data.images import resampled
from tests import checkout
from tests.benchmarks import classifier, geometry, harness, inversion, saliency, sampling
from tests.benchmarks.subjects import Subject

CPU = torch.device("cpu")
SIZE, TOKENS = 16, 5
GENERATED = ("vae_only", "stable_diffusion", "diffusion_inversion")
CONTROLLED = ("resampled", *GENERATED)
STRONG = "@strong"
BATCH = 50  # samples of the pipeline, which guidance doubles: the fastest on a CPU


@dataclass(frozen=True)
class Study:
    """What a stage needs, and where it lies."""

    folder: Path
    config: dict
    published: bool  # how much the inversion and the samples take

    @property
    def classes(self) -> list[str]:
        return self.config["dataset"]["classes"]

    @property
    def seeds(self) -> list[int]:
        return self.config["seeds"]

    @property
    def rows(self) -> list[str]:
        return self.config["training_sets"]

    @property
    def learned(self) -> Path:
        return self.folder / "embeddings.npy"

    @property
    def subject(self) -> Subject:
        return Subject(checkout.ROOT / self.config["base_model"]["path"], SIZE, SIZE, TOKENS, BATCH, CPU)

    @cached_property
    def templates(self) -> list[str]:
        return (checkout.ROOT / self.config["prompts"]["templates"]).read_text().splitlines()

    def images(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Of a folder: uint8 (n, h, w, 3), and labels (n,)."""
        data = ImageFolder(str(self.folder / "images" / name))
        return np.stack([np.asarray(image) for image, _ in data]), np.array(data.targets)

    def paths(self, name: str, labels: np.ndarray) -> list[Path]:
        """Where images of these labels go. Folders are called by number: ImageFolder sorts them."""
        for label in np.unique(labels):
            (self.folder / "images" / name / str(label)).mkdir(parents=True, exist_ok=True)
        return [self.folder / "images" / name / str(label) / f"{number:05d}.png" for number, label in enumerate(labels)]

    def classifiers(self) -> Iterator[tuple[str, int, nn.Module]]:
        for row in self.rows:
            for seed in self.seeds:
                yield row, seed, self.classifier(row, seed)

    def classifier(self, row: str, seed: int) -> nn.Module:
        model = networks.build(self.config["classifier"]["architecture"], len(self.classes), SIZE)
        model.load_state_dict(torch.load(self.folder / "classifiers" / f"{row}-{seed}.pt"))
        return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", type=Path, help="what differs from config.yaml")
    parser.add_argument("--published", action="store_true", help="invert and sample as published, and no more")
    parser.add_argument("--parts", nargs="+", help="names of parts or of stages (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    if args.study:
        update_config(config, yaml.safe_load(args.study.read_text()))
    study, spent = Study(args.folder, config, args.published), args.folder / "cpu_s"
    spent.mkdir(parents=True, exist_ok=True)
    if not (spent / "imports").exists():
        (spent / "imports").write_text(f"{harness.now()[1]}\n")
    for name, part in parts(study).items():
        if (spent / name).exists() or args.parts and not {name, name.partition(":")[0]} & set(args.parts):
            continue
        before = harness.now()[1]
        torch.manual_seed(config["seed"])
        part(study)
        took = harness.now()[1] - before
        (spent / name).write_text(f"{took}\n")
        print(f"{name}: {took:.1f} CPU s", flush=True)


def parts(study: Study) -> dict[str, Callable[[Study], None]]:
    """In their order; what stands before a colon is the stage."""
    first = {"real images": extract, "inversion": invert, **{f"sampling: {name}": one for name, one in SAMPLED.items()}}
    if study.published:
        return {name: part for name, part in first.items() if part is not reconstruct}
    trained = {f"classifiers: {row}": partial(train, row=row) for row in study.rows}
    looked = {f"saliency: {row}": partial(look, row=row) for row in study.rows}
    return {
        **first,
        **trained,
        **looked,
        "fidelity": measure,
        "detection": detect,
        "memorisation": copied,
        "errors": err,
        "geometry": judge_geometry,
        "table and figures": show,
    }


def extract(study: Study) -> None:
    """Real images, as a folder of PNG files for training and one for the test."""
    dataset, seed = loaders.digits(None, "train"), study.config["seed"]
    count = study.config["dataset"]["images_per_class"]
    train = [splits.training_rows(dataset, name, 0, count, seed, 0) for name in study.classes]
    test = splits.held_out_rows(dataset, study.classes, None, seed, count)
    for name, rows in (("real", np.concatenate(train)), ("test", test)):
        found = splits.take(dataset, rows, SIZE)
        for path, image in zip(study.paths(name, found["labels"]), found["images"], strict=True):
            Image.fromarray(image).save(path)


def invert(study: Study) -> None:
    """An embedding of each real image: as published, or from the class prompt as config.yaml has it."""
    images, labels = study.images("real")
    settings = study.config["inversion"]
    if study.published:
        call = inversion.published(study.subject, images, settings["steps_per_image"])
    else:
        pipe = sampling.library(study.subject, torch.float32, "dpmsolver++")
        prompts = [study.templates[0].format(name) for name in study.classes]
        start = pipe.encode_prompt(prompts, CPU, 1, False)[0][labels, :TOKENS].detach()
        given = {"start": start, "lr": settings["lr"], "falls": True}
        call = inversion.careful(study.subject, images, settings["steps_per_image"], torch.float32, **given)
    np.save(study.learned, call())


def reconstruct(study: Study) -> None:
    """What the VAE alone makes of the real images."""
    images, labels = study.images("real")
    pipe = sampling.library(study.subject, torch.float32, "dpmsolver++")
    with torch.no_grad():
        decoded = pipe.vae.decode(pipe.vae.encode(_pixel_values(images)).latent_dist.mean).sample
    for path, image in zip(study.paths("vae_only", labels), pipe.image_processor.postprocess(decoded), strict=True):
        image.save(path)


def sample_prompts(study: Study) -> None:
    labels, random = study.images("real")[1], np.random.default_rng(study.config["seed"])
    many = np.repeat(labels, study.config["sampling"]["samples_per_image"])
    prompts = [random.choice(study.templates).format(study.classes[label]) for label in many]
    _sample(study, "stable_diffusion", many, {"prompt": prompts})


def sample_embeddings(study: Study) -> None:
    """Of each embedding, with noise and with a share of another one of its class."""
    labels, random = study.images("real")[1], np.random.default_rng(study.config["seed"])
    settings, learned = study.config["sources"]["diffusion_inversion"], torch.from_numpy(np.load(study.learned))
    many = np.repeat(np.arange(len(labels)), study.config["sampling"]["samples_per_image"])
    partners = [random.choice(np.flatnonzero((labels == labels[i]) & (np.arange(len(labels)) != i))) for i in many]
    mixed = learned[many] + settings["interpolation_strength"] * (learned[partners] - learned[many])
    mixed = mixed + settings["embedding_noise"] * torch.randn(mixed.shape)
    means = torch.stack([learned[labels == label].mean(dim=0) for label in range(len(study.classes))])
    given = {"prompt_embeds": mixed, "negative_prompt_embeds": means[labels[many]]}
    _sample(study, "diffusion_inversion", labels[many], given)


def _sample(study: Study, source: str, labels: np.ndarray, given: Mapping[str, Sequence]) -> None:
    settings = dict(study.config["sources"][source])
    if study.published:
        settings |= {"scheduler": "pndm", "num_inference_steps": 100, "guidance_scale": 2.0}
    pipe = sampling.library(study.subject, torch.float32, settings["scheduler"])
    numbers = settings["num_inference_steps"], settings["guidance_scale"]
    sampling.to_png(pipe, study.subject, study.paths(source, labels), given, *numbers, BATCH)


SAMPLED = {
    "vae_only": reconstruct,
    "stable_diffusion": sample_prompts,
    "diffusion_inversion": sample_embeddings,
}


def train(study: Study, row: str) -> None:
    """A classifier of a row with each seed, and what it says of the test images."""
    settings = study.config["classifier"]
    (study.folder / "classifiers").mkdir(exist_ok=True)
    test = classifier.loaded(_folder(study, "test"), CPU, batch_size=128)
    folders = [_folder(study, name, row.endswith(STRONG)) for name in row.removesuffix(STRONG).split("+")]
    images = settings["steps"] * settings["batch_size"]
    for seed in study.seeds:
        generator = torch.Generator().manual_seed(seed)
        weights = np.concatenate([np.full(len(folder), 1 / len(folder)) for folder in folders])
        sampler = WeightedRandomSampler(weights, images, generator=generator)
        if len(folders) == 1:
            sampler = _Passes(len(folders[0]), images, generator)
        batches = classifier.loaded(
            ConcatDataset(folders), CPU, seed, batch_size=settings["batch_size"], sampler=sampler
        )
        model = networks.initialise(networks.build(settings["architecture"], len(study.classes), SIZE), seed).train()
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=settings["lr"],
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
            nesterov=True,
        )
        classifier.fitted(model, batches, optimizer, CPU, _rises_and_falls(optimizer, settings))
        torch.save(model.state_dict(), study.folder / "classifiers" / f"{row}-{seed}.pt")
        with torch.no_grad():
            logits = torch.cat([model.eval()(pixels) for pixels, _ in test])
        np.save(study.folder / "classifiers" / f"{row}-{seed}.npy", logits.numpy())


def _rises_and_falls(optimizer: torch.optim.Optimizer, settings: Mapping) -> torch.optim.lr_scheduler.LRScheduler:
    rising = max(1, round(settings["steps"] * settings["warmup"]))
    rises = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / rising, total_iters=rising)
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings["steps"] - rising)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [rises, falls], [rising])


class _Passes:
    """Passes over a data set, each in a new order, until so many are drawn."""

    def __init__(self, n: int, total: int, generator: torch.Generator) -> None:
        self.n, self.total, self.generator = n, total, generator

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[int]:
        passes = [torch.randperm(self.n, generator=self.generator) for _ in range(-(-self.total // self.n))]
        return iter(torch.cat(passes)[: self.total].tolist())


def _folder(study: Study, name: str, strong: bool = False) -> ImageFolder:
    changes = [transforms.RandAugment()] if strong else []
    seen = classifier.seen(changes)
    if strong:
        seen = transforms.Compose([seen, transforms.RandomErasing()])
    return ImageFolder(str(study.folder / "images" / name), seen)


def look(study: Study, row: str) -> None:
    """Grad-CAM of a row's classifiers on the same test images, ROAD on some of them, and how wide the maps are."""
    settings, (images, labels) = study.config["saliency"], study.images("test")
    rows = np.concatenate([np.flatnonzero(labels == label)[: settings["images_per_class"]] for label in set(labels)])
    pixels, targets = _pixel_values(images[rows]), torch.from_numpy(labels[rows])
    some, road, found = range(0, len(rows), settings["images_per_class"]), ROADCombined([20, 40, 60, 80]), []
    for seed in study.seeds:
        model = study.classifier(row, seed)
        true, predicted = saliency.library(model, settings["layer"], pixels, targets, CPU)()
        scores = [
            road(pixels[i : i + 1], true[i : i + 1], [ClassifierOutputSoftmaxTarget(int(targets[i]))], model)[0]
            for i in some
        ]
        share = true.reshape(len(true), -1) + 1e-12
        share = share / share.sum(axis=1, keepdims=True)
        area = np.exp(-(share * np.log(share)).sum(axis=1)) / share.shape[1]
        found.append({"row": row, "seed": seed, "area": area.mean(), "road": np.mean(scores)})
        if seed == study.seeds[0]:
            np.save(study.folder / "classifiers" / f"{row}-maps.npy", true[some])
    _table(study, f"saliency-{row}", found)


def measure(study: Study) -> None:
    """Features by one classifier, Fréchet and kernel distance, precision, recall, density and coverage."""
    model = study.classifier(f"real{STRONG}", study.seeds[0])
    taken: list[Tensor] = []
    model.fc.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0]))
    for name in ("test", "real", *CONTROLLED):
        if name == "resampled":
            images, labels = study.images("real")
            images = resampled(images)
        else:
            images, labels = study.images(name)
        taken.clear()
        with torch.no_grad():
            for some in _pixel_values(images).split(256):
                model(some)
        np.savez(study.folder / f"features-{name}.npz", features=torch.cat(taken).numpy(), labels=labels, images=images)
    per_class, settings, found = study.config["dataset"]["images_per_class"], study.config["fidelity"], []
    sets = {name: _cut(study, name, per_class)[0] for name in ("real", "test", *CONTROLLED)}
    fewest = int(np.bincount(study.images("test")[1]).min())
    for reference, features in (("test", _cut(study, "test", fewest)[0]), ("train", sets["real"])):
        for name in ("real" if reference == "test" else "test", *CONTROLLED):
            sides = torch.from_numpy(features), torch.from_numpy(sets[name])
            size = min(settings["subset_size"], *map(len, sides))
            fid = fid_statistics_to_metric(*map(fid_features_to_statistics, sides), verbose=False)
            kid = kid_features_to_metric(*sides, kid_subsets=settings["subsets"], kid_subset_size=size, verbose=False)
            with contextlib.redirect_stdout(io.StringIO()):
                covered = compute_prdc(features, sets[name], nearest_k=settings["neighbours"])
            found.append({"reference": reference, "set": name, **fid, **kid, **covered})
    _table(study, "fidelity", found)


def detect(study: Study) -> None:
    """Logistic regression on features and a small network on pixels, cross-validated: AUC against real test images."""
    settings, found = study.config["detection"], []
    folds = StratifiedKFold(settings["folds"], shuffle=True, random_state=0)
    test = _cut(study, "test", study.config["dataset"]["images_per_class"])
    for name in ("real", *CONTROLLED):
        own = _cut(study, name, study.config["dataset"]["images_per_class"])
        made = np.repeat([0, 1], [len(test[0]), len(own[0])])
        features = np.concatenate([test[0], own[0]])
        regression = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
        by_features = cross_val_predict(regression, features, made, cv=folds, method="decision_function")
        pixels, by_pixels = _pixel_values(np.concatenate([test[1], own[1]])), np.empty(len(made))
        for fit, held_out in folds.split(features, made):
            model = _detector(pixels[fit], torch.from_numpy(made[fit]), settings["steps"])
            with torch.no_grad():
                by_pixels[held_out] = model(pixels[held_out]).diff(dim=1)[:, 0].numpy()
        aucs = {"features": roc_auc_score(made, by_features), "pixels": roc_auc_score(made, by_pixels)}
        found.append({"set": name, **aucs})
    _table(study, "detection", found)


def _detector(pixels: Tensor, made: Tensor, steps: int) -> nn.Module:
    model = detectors._network().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps)
    sampler = _Passes(len(pixels), 64 * steps, torch.Generator().manual_seed(0))
    batches = DataLoader(TensorDataset(pixels, made), batch_size=64, sampler=sampler)
    classifier.fitted(model, batches, optimizer, CPU, schedule)
    return model.eval()


def copied(study: Study) -> None:
    """Nearest real images of generated ones by features and by pixels, and membership by each classifier's loss."""
    found, members = [], study.images("real")
    for space in ("features", "images"):
        points = {name: _features(study, name)[space] for name in ("real", "test", *CONTROLLED)}
        points = {name: one.reshape(len(one), -1).astype(np.float64) for name, one in points.items()}
        near = {side: NearestNeighbors(n_neighbors=1).fit(points[side]) for side in ("real", "test")}
        held_out = near["real"].kneighbors(points["test"])[0]
        reach = np.quantile(held_out, study.config["memorisation"]["near_copy_quantile"])
        for name in CONTROLLED:
            to_real, to_test = (near[side].kneighbors(points[name])[0] for side in near)
            sides = np.repeat([1, 0], [len(to_real), len(held_out)])
            copying = roc_auc_score(sides, -np.concatenate([to_real, held_out]))
            ratio = np.median(to_real / np.maximum(to_test, 1e-12))
            near_copies = (to_real < reach).mean()
            found.append({"set": name, "space": space, "near_copies": near_copies, "ratio": ratio, "copying": copying})
    _table(study, "memorisation", found)
    found, labels = [], study.images("test")[1]
    for row, seed, model in study.classifiers():
        with torch.no_grad():
            own = nn.functional.cross_entropy(
                model(_pixel_values(members[0])), torch.from_numpy(members[1]), reduction="none"
            )
        logits = torch.from_numpy(np.load(study.folder / "classifiers" / f"{row}-{seed}.npy"))
        others = nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="none")
        sides = np.repeat([1, 0], [len(own), len(others)])
        found.append({"row": row, "seed": seed, "auc": roc_auc_score(sides, -torch.cat([own, others]).numpy())})
    _table(study, "membership", found)


def err(study: Study) -> None:
    """Accuracy by class, confusions, calibration error, and accuracy by distance to the real training images."""
    (test, train), settings = (_features(study, name) for name in ("test", "real")), study.config["errors"]
    labels, found, confused = test["labels"], [], 0
    far = NearestNeighbors(n_neighbors=1).fit(train["features"]).kneighbors(test["features"])[0][:, 0]
    bins = pd.qcut(far, settings["distance_bins"], labels=False)
    for row in study.rows:
        for seed in study.seeds:
            logits = np.load(study.folder / "classifiers" / f"{row}-{seed}.npy")
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            sure, right = shares.max(axis=1), logits.argmax(axis=1) == labels
            confused = confused + confusion_matrix(labels, logits.argmax(axis=1))
            at = np.minimum((sure * settings["confidence_bins"]).astype(int), settings["confidence_bins"] - 1)
            gaps = [abs(sure[at == one].mean() - right[at == one].mean()) * (at == one).mean() for one in np.unique(at)]
            by_class = {name: right[labels == label].mean() for label, name in enumerate(study.classes)}
            by_distance = {f"bin {one}": right[bins == one].mean() for one in range(settings["distance_bins"])}
            found.append({"row": row, "seed": seed, "calibration": sum(gaps), **by_class, **by_distance})
    _table(study, "errors", found)
    np.savetxt(study.folder / "confusion.csv", confused, "%d", ",")


def judge_geometry(study: Study) -> None:
    """Structure of real images, of controls and of generated ones, and classifiers of cues, image by image."""
    settings, per_class, measured = study.config["geometry"], study.config["dataset"]["images_per_class"], {}
    for name in ("real", "stable_diffusion", "diffusion_inversion"):
        images = _cut(study, name, per_class)[1]
        measured[name] = geometry.measured(list(images))
        if name == "real":
            changed = [
                geometry_measures.controlled(image, i, 0, settings["controls"]) for i, image in enumerate(images)
            ]
            for control, pictures in zip(geometry_measures.CONTROLS, zip(*changed, strict=True), strict=True):
                measured[control] = geometry.measured(list(pictures))
    found = []
    for name in [name for name in measured if name != "real"]:
        both, made = (
            measured["real"] + measured[name],
            np.repeat([False, True], [len(measured["real"]), len(measured[name])]),
        )
        seen = {"pixels": [row["pixels"] for row in both], "structure": [row["measures"] for row in both]}
        scores = {cue: cues.crossfitted_scores(cue, np.stack(rows), made) for cue, rows in seen.items()}
        groups = pd.Series(cues.prequalify(scores["pixels"], made, settings["confidence"])).value_counts()
        found.append({"set": name, **{cue: roc_auc_score(made, own) for cue, own in scores.items()}, **groups})
    _table(study, "geometry", found)


def show(study: Study) -> None:
    """The table of accuracies with Student's intervals, and figures."""
    labels, found = study.images("test")[1], []
    for row in study.rows:
        for seed in study.seeds:
            logits = np.load(study.folder / "classifiers" / f"{row}-{seed}.npy")
            found.append({"row": row, "seed": seed, "accuracy": (logits.argmax(axis=1) == labels).mean()})
    _table(study, "accuracies", found)
    by_row = pd.DataFrame(found).groupby("row", sort=False).accuracy
    half = by_row.sem() * stats.t.ppf(0.975, by_row.count() - 1)
    table = pd.DataFrame({"accuracy": by_row.mean(), "low": by_row.mean() - half, "high": by_row.mean() + half})
    table.to_csv(study.folder / "table.csv")
    figure, axes = plt.subplots()
    axes.barh(table.index, table.accuracy, xerr=half)
    _figure(study, figure, "accuracy")
    figure, cells = plt.subplots(4, len(study.classes))
    for line, name in zip(cells, ("real", *GENERATED), strict=True):
        images, whose = study.images(name)
        for label, cell in enumerate(line):
            cell.imshow(images[whose == label][0])
            cell.axis("off")
    _figure(study, figure, "samples")
    figure, cells = plt.subplots(len(study.rows), len(study.classes))
    for line, row in zip(cells, study.rows, strict=True):
        for cell, one in zip(line, np.load(study.folder / "classifiers" / f"{row}-maps.npy"), strict=True):
            cell.imshow(one)
            cell.axis("off")
    _figure(study, figure, "saliency")
    for name, columns in (
        ("fidelity", ["precision", "recall", "density", "coverage"]),
        ("detection", ["features", "pixels"]),
    ):
        figure, axes = plt.subplots()
        pd.read_csv(study.folder / f"{name}.csv").groupby("set")[columns].mean().plot.bar(ax=axes)
        _figure(study, figure, name)
    figure, axes = plt.subplots()
    axes.imshow(np.loadtxt(study.folder / "confusion.csv", delimiter=","))
    _figure(study, figure, "confusion")


def _figure(study: Study, figure: plt.Figure, name: str) -> None:
    for ending in ("png", "svg"):
        figure.savefig(study.folder / f"{name}.{ending}", dpi=150)
    plt.close(figure)


def _table(study: Study, name: str, rows: list[Mapping]) -> None:
    pd.DataFrame(rows).to_csv(study.folder / f"{name}.csv", index=False)


def _pixel_values(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _features(study: Study, name: str) -> Mapping[str, np.ndarray]:
    return np.load(study.folder / f"features-{name}.npz")


def _cut(study: Study, name: str, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and images of so many of each class, of as many real ones as there are."""
    held = _features(study, name)
    labels, random = held["labels"], np.random.default_rng(0)
    rows = [random.permutation(np.flatnonzero(labels == label))[:per_class] for label in np.unique(labels)]
    return held["features"][np.concatenate(rows)], held["images"][np.concatenate(rows)]


if __name__ == "__main__":
    main()
