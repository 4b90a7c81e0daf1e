"""Levers of an inversion with few steps, each alone, on the digits study: `python -m tests.benchmarks.few_steps`.

A hundred images start at their class prompts. Each gets 30 or 80 visits, with one thing changed; a visit is one pass
forth and back, so three noises a step are a third of the steps. The rate, which falls by a half cosine, is doubled or
halved as long as the loss on a hundred other images falls, from which the levers learn too. The reference is the
default. An arm that is finished is kept (--out) and not run again.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from realgap.base_model import denoiser
from realgap.diffusion import inversion
from realgap.report import text_tables
from realgap.statistics import mean_interval, paired_difference
from tests.benchmarks import arms

if TYPE_CHECKING:
    from tests.benchmarks.study import Images, Study

UNITS, SAMPLES, THERE = 10, 3, 100
FIRST = 10  # images of each class from which levers learn, a tenth of those that are there
CPU = torch.device("cpu")
BETAS, EPS = (0.9, 0.999), 1e-8  # Adam's, as of the default
PROBES = 16  # draws of an image by which curvature is measured
DAMPING = 0.1  # of the mean curvature, added to each direction's
FIRST_RATE = 0.4
KNOTS = 4  # of learned rates over the steps


@dataclass(frozen=True)
class Arm:
    """What is changed."""

    name: str
    visits: int
    noises: int = 1  # a step
    timesteps: str = "stratified"  # or by the size of their gradients, "stratified importance"
    rule: str = "adam"  # or "token": one size for the numbers of a token; "newton": by curvature
    directions: int | None = None  # of the embeddings found before, the first so many principal ones
    turned: bool = False  # Adam's directions are those of the curvature
    learned: bool = False  # rates are learned, one after another


REFERENCE = "default"
LEVERS = {
    "AdamW alone": {},
    "three noises a step": {"noises": 3},
    "timesteps by gradient, one noise": {"timesteps": "stratified importance"},
    "timesteps by gradient, three noises": {"timesteps": "stratified importance", "noises": 3},
    "one size a token": {"rule": "token"},
    "Gauss-Newton": {"rule": "newton"},
    "Adam in directions of curvature": {"turned": True},
    "16 directions of found embeddings": {"directions": 16},
    "64 directions of found embeddings": {"directions": 64},
    "learned rates": {"learned": True},
}
ARMS = [Arm(name, 30, **changes) for name, changes in LEVERS.items()]
ARMS += [Arm(name, 80, **LEVERS[name]) for name in ("AdamW alone", "learned rates")]  # no worse than others with 30


class Space(NamedTuple):
    """Coordinates in which steps are taken: an embedding is its start and a sum of directions."""

    directions: torch.Tensor  # (directions, tokens * width)
    inverse: torch.Tensor | None  # of the curvature in these coordinates, for Gauss-Newton


def main() -> None:
    args = arms.parser(__doc__, "results/few-steps", per_class=10, classifier="small").parse_args()
    out = args.out / f"{args.classifier}-{args.per_class}"
    if not args.table:
        run([arm for arm in ARMS if not args.arms or arm.name in args.arms], out, args.per_class, args.classifier)
    print(table(out))


def run(chosen: list[Arm], out: Path, per_class: int, classifier: str) -> None:
    """What is not finished yet; the modules imported here take seconds that --table does not need."""
    from tests.benchmarks import encoders

    digits = encoders.of_digits(per_class, THERE, classifier)
    if not (out / f"{REFERENCE}.npz").exists():
        begun = time.process_time()
        found = digits.as_default(digits.images)
        spent = time.process_time() - begun
        kept = {**judged(digits, found), "rate": digits.config["inversion"]["lr"], "cpu_s": spent}
        arms.keep(out / f"{REFERENCE}.npz", kept)
    first = first_of(digits)
    for arm in chosen:
        if (path := _path(out, arm)).exists():
            continue
        space = space_of(digits, first, arm)
        rates = chosen_rates(digits, first, arm, space)
        begun = time.process_time()
        found = invert(digits, digits.images, arm, space, rates)
        spent = time.process_time() - begun
        kept = {**judged(digits, found), "rate": rates.max(), "cpu_s": spent}
        arms.keep(path, kept)
        said = f"loss {kept['losses'].mean():.4f}, {100 * kept['correct'].mean():.1f} %, rate {rates.max():.2f}"
        print(f"{arm.visits} visits, {arm.name}: {said}", flush=True)


def first_of(digits: "Study") -> "Images":
    """The images from which levers learn."""
    from tests.benchmarks import encoders

    own = encoders.first(digits.others["labels"], FIRST)
    return {name: array[own] for name, array in digits.others.items()}


@cache
def found_before(digits: "Study") -> np.ndarray:
    """Their embeddings as the default finds them."""
    return digits.as_default(first_of(digits))


def judged(digits: "Study", embeddings: np.ndarray) -> dict[str, np.ndarray]:
    """Loss of each image, which test images the classifier of each unit is right about, and what samples cover, %."""
    generated = digits.generate(embeddings, samples_per_image=SAMPLES)
    correct = np.stack([digits.correct([generated], unit) for unit in range(UNITS)])
    coverage = digits.distances(generated["images"])["coverage"]
    return {"losses": digits.fixed_loss(embeddings, digits.images), "correct": correct, "coverage": coverage}


def chosen_rates(digits: "Study", first: "Images", arm: Arm, space: Space) -> np.ndarray:
    """The rate of each step, (steps,), that leaves the lowest loss on the images that levers learn from."""
    steps = arm.visits // arm.noises
    falling = np.cos(np.pi * np.arange(steps) / steps) / 2 + 0.5

    def loss(rates: np.ndarray) -> float:
        found = digits.fixed_loss(invert(digits, first, arm, space, rates), first).mean()
        return float(found) if np.isfinite(found) else np.inf

    rate = _lowest(lambda rate: loss(rate * falling), FIRST_RATE)
    if not arm.learned:
        return rate * falling
    knots = rate * np.cos(np.pi * np.arange(KNOTS) / KNOTS) / 2 + rate / 2
    lowest = loss(_between(knots, steps))
    for knot in range(KNOTS):
        for factor in (0.5, 2.0):
            other = knots.copy()
            other[knot] *= factor
            if (found := loss(_between(other, steps))) < lowest:
                knots, lowest = other, found
    return _between(knots, steps)


def invert(digits: "Study", images: "Images", arm: Arm, space: Space, rates: np.ndarray) -> np.ndarray:
    """Embeddings after a step of each rate, float32 (n, tokens, width)."""
    from tests.benchmarks import study

    predict, alphas_cumprod = denoiser.predictor(digits.unet), digits.alphas_cumprod
    if "importance" in arm.timesteps:
        predict, alphas_cumprod = study.warped(predict, alphas_cumprod, digits.importance)
    of = alphas_cumprod, digits.scaling_factor, digits.prediction_type, 0, CPU
    batch = inversion.Batch(*digits.moments(images), images["image_ids"], *of)
    start = torch.from_numpy(digits.start("prompt", images).copy())
    at = torch.zeros(len(start), len(space.directions), requires_grad=True)
    mean, size = torch.zeros_like(at), torch.zeros_like(at)
    for step, rate in enumerate(rates):
        embeddings = start + (at @ space.directions).view_as(start)
        loss = torch.zeros(())
        for number in range(arm.noises):
            latents, target, t = batch.noised(*batch.draw(step * arm.noises + number, "stratified"))
            loss = loss + (predict(latents, t, embeddings) - target).square().flatten(1).mean(1).sum() / arm.noises
        gradient = torch.autograd.grad(inversion.GRADIENT_SCALE * loss, at)[0] / inversion.GRADIENT_SCALE
        mean.lerp_(gradient, 1 - BETAS[0])
        size.lerp_(_square(gradient, arm.rule, start.shape), 1 - BETAS[1])
        moved = mean / (1 - BETAS[0] ** (step + 1))
        if arm.rule == "newton":
            moved = moved @ space.inverse
        else:
            moved = moved / ((size / (1 - BETAS[1] ** (step + 1))).sqrt() + EPS)
        with torch.no_grad():
            at -= float(rate) * moved
    return (start + (at.detach() @ space.directions).view_as(start)).numpy()


def space_of(digits: "Study", first: "Images", arm: Arm) -> Space:
    """The directions of an arm's steps; each number of an embedding is one, unless the arm says otherwise."""
    start = digits.start("prompt", first)
    whole = torch.eye(start[0].size)
    if arm.directions is not None:
        found = found_before(digits) - start
        _, sizes, directions = np.linalg.svd(found.reshape(len(found), -1), full_matrices=False)
        # as far as what was found spreads; a rate moves the numbers of an embedding as far as without directions
        scaled = sizes[: arm.directions, None] * directions[: arm.directions]
        return Space(torch.from_numpy(scaled / np.sqrt(np.square(scaled).sum(axis=0).mean())).float(), None)
    if arm.turned or arm.rule == "newton":
        values, directions = torch.linalg.eigh(curvature(digits))
        if arm.turned:
            return Space(directions.T.contiguous(), None)
        damped = values.clamp(min=0) + DAMPING * values.mean()
        return Space(whole, (directions / damped) @ directions.T)
    return Space(whole, None)


@cache
def curvature(digits: "Study") -> torch.Tensor:
    """Gauss-Newton's matrix of the loss at the class prompts, the mean over images and draws, (numbers, numbers).

    A random vector times the Jacobian of the predicted noise has the outer product J'J as its mean.
    """
    images, of = first_of(digits), (digits.alphas_cumprod, digits.scaling_factor, digits.prediction_type, 0, CPU)
    batch = inversion.Batch(*digits.moments(images), images["image_ids"], *of, purpose="curvature")
    embeddings = torch.from_numpy(digits.start("prompt", images).copy()).requires_grad_()
    total, generator = torch.zeros(embeddings[0].numel(), embeddings[0].numel()), torch.Generator().manual_seed(0)
    for probe in range(PROBES):
        latents, _, t = batch.noised(*batch.draw(probe, "stratified"))
        predicted = digits.exact(latents, t, embeddings)
        vector = torch.randn(predicted.shape, generator=generator)
        gradient = torch.autograd.grad((predicted * vector).sum(), embeddings)[0].flatten(1)
        total += gradient.T @ gradient / predicted[0].numel()
    return 2 * total / (PROBES * len(embeddings))


def table(out: Path) -> str:
    """Markdown, a row for each finished arm; differences to the default, paired by image, unit and test image."""
    header = ["lever", "visits", "highest rate", "loss on the fixed set", "difference, % of it", "accuracy, %"]
    header += ["difference, points", f"within {100 * arms.MARGIN:g} point", "covered, %", "CPU s"]
    reference = np.load(out / f"{REFERENCE}.npz")
    rows = []
    for name, visits, found in [(REFERENCE, 320, reference), *_done(out)]:
        loss, against = "–", None
        if found is not reference:
            scale, against = 100 / reference["losses"].mean(), reference["correct"]
            loss = arms.spread(paired_difference(found["losses"], reference["losses"]), 0, "+", scale)
        row = [name, str(visits), f"{float(found['rate']):.2g}", arms.spread(mean_interval(found["losses"]), 4), loss]
        rows.append(
            [
                *row,
                *arms.accuracies(found["correct"], against),
                f"{float(found['coverage']):.0f}",
                f"{float(found['cpu_s']):.0f}",
            ]
        )
    return text_tables.markdown(header, rows)


def _lowest(loss: Callable[[float], float], begun: float) -> float:
    """Where doubling or halving leads from a beginning, as long as the loss falls."""
    found, best = loss(begun), begun
    beside = {factor: loss(begun * factor) for factor in (2.0, 0.5)}
    factor = min(beside, key=beside.get)
    other = beside[factor]
    while other < found:
        found, best = other, best * factor
        other = loss(best * factor)
    return best


def _done(out: Path) -> Iterator[tuple]:
    for arm in ARMS:
        if (path := _path(out, arm)).exists():
            yield arm.name, arm.visits, np.load(path)


def _square(gradient: torch.Tensor, rule: str, shape: torch.Size) -> torch.Tensor:
    """Squares by which a step is made of size 1; with "token" their mean over the numbers of a token."""
    squared = gradient.square()
    if rule != "token":
        return squared
    return squared.view(shape).mean(dim=2, keepdim=True).expand(shape).reshape(squared.shape)


def _between(knots: np.ndarray, steps: int) -> np.ndarray:
    """Rates of so many steps, geometrically between those of knots that are spread over them."""
    at = np.arange(steps) / steps * KNOTS
    return np.exp(np.interp(at, np.arange(KNOTS), np.log(np.maximum(knots, 1e-3))))


def _path(out: Path, arm: Arm) -> Path:
    return out / f"{'-'.join(str(value).replace(' ', '_') for key, value in asdict(arm).items() if key != 'name')}.npz"


if __name__ == "__main__":
    main()
