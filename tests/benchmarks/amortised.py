"""Amortised inversion at its cost in steps: `python -m tests.benchmarks.amortised`.

Of digits a hundred images are judged, ninety more of each class are there beside them; the reference is the published
setting. With `--of photographs --per-class 100` all images of `resources/studies/cifar10-mini.yaml` are judged, on
others of the training split; the reference is what that study does. An image costs the steps of all that precedes it
too, as in a study of so many images of each class (--images). A finished arm is kept (--out) and not run again.

"taught" is the workflow's encoder: it takes gradient steps on the loss of inversion itself, each image in turn.
"fitted" is a ridge regression to the embeddings of images that were inverted before.
"""

import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realgap.report import text_tables
from realgap.statistics import paired_difference
from tests.benchmarks import arms

SEEDS = 10
SAMPLES = 3  # of an image
THERE = 100  # images of each class
TESTED = 300  # photographs of each class


@dataclass(frozen=True)
class Arm:
    """Where images start, and how they are inverted from there."""

    name: str
    steps: int
    lr: float = 0.1
    first: int = 0  # images of each class to which a ridge regression is fitted
    first_steps: int = 0
    first_lr: float = 0.2
    taught: int = 0  # gradient steps of each image on the encoder
    taught_on: int = THERE  # images of each class, the judged ones among them
    published: bool = False  # from a random start, at a constant rate and uniform timesteps
    # else where there is no encoder: from the study's own start

    def cost(self, of: int) -> float:
        """Steps an image, where each class has `of` images."""
        return self.taught + (self.first * self.first_steps + (of - self.first) * self.steps) / of


# of each study; the first is the reference
DIGITS = [
    Arm("published, 3,000 steps", 3_000, 0.03, published=True),
    Arm("all images, 320 steps", 320, 0.2),
    Arm("taught 14 steps; 16 more", 16, taught=14),
    # the encoder and the lever that paid alone (few_steps)
    *(Arm(f"taught 14 steps; 16 more at {lr}", 16, lr, taught=14) for lr in (0.05, 0.2, 0.4)),
    Arm("fitted to 10 of 320 steps at 0.1; 16 more", 16, first=10, first_steps=320, first_lr=0.1),
    Arm("no encoder, 30 steps", 30, 0.2),
    Arm("taught 14 steps, no more", 0, taught=14),
    Arm("taught 28 steps, no more", 0, taught=28),
    Arm("fitted to 10 of 320 steps at 0.1, no more", 0, first=10, first_steps=320, first_lr=0.1),
    Arm("fitted to 10 of 320 steps at 0.2; 16 more", 16, first=10, first_steps=320),
    *(Arm(f"taught {n} steps by 10 of each class, no more", 0, taught=n, taught_on=10) for n in (28, 100, 320)),
]
PHOTOGRAPHS = [
    Arm("all images, 400 steps", 400, 0.05),
    Arm("taught 28 steps, no more", 0, taught=28),
    Arm("taught 14 steps; 16 more", 16, taught=14),
    Arm("no encoder, 30 steps", 30),
    Arm("no encoder, no steps", 0),
    Arm("taught 100 steps, no more", 0, taught=100),
]
ARMS = {"digits": DIGITS, "photographs": PHOTOGRAPHS}


def main() -> None:
    parser = arms.parser(__doc__, "results/amortised", per_class=10, classifier="small")
    parser.add_argument("--of", choices=ARMS, default="digits", help="default: %(default)s")
    parser.add_argument("--root", type=Path, default=Path("resources/cifar10"), help="default: %(default)s")
    parser.add_argument("--images", type=int, default=100, help="of each class, for the cost (default: %(default)s)")
    args = parser.parse_args()
    out = args.out / f"{args.of}-{args.classifier}-{args.per_class}"
    if not args.table:
        run([arm for arm in ARMS[args.of] if not args.arms or arm.name in args.arms], args, out)
    print(table(ARMS[args.of], out, args.images))


def run(chosen: list[Arm], args: Namespace, out: Path) -> None:
    """Every arm that is not finished yet; the modules imported here take seconds that --table does not need."""
    from tests.benchmarks import encoders, study

    if args.of == "digits":
        of = encoders.of_digits(args.per_class, THERE, args.classifier)
    else:
        of = study.of_cifar10(args.root, args.per_class, TESTED, args.classifier)
    for arm in chosen:
        path = _path(out, arm)
        if path.exists():
            continue
        begun = time.process_time()
        found = encoders.invert(of, of.images, encoders.start(of, arm), arm)
        generated = of.generate(found, samples_per_image=SAMPLES)
        kept = {
            "losses": of.fixed_loss(found, of.images),
            "correct": np.stack([of.correct([generated], seed) for seed in range(SEEDS)]),
            **of.distances(generated["images"]),
        }
        arms.keep(path, kept)
        said = f"loss {kept['losses'].mean():.4f}, {100 * kept['correct'].mean():.1f} %"
        print(f"{arm.name}: {said}, {time.process_time() - begun:.0f} CPU s", flush=True)


def table(of: list[Arm], out: Path, images: int) -> str:
    """Markdown, a row for each finished arm; differences to the first, paired by image, seed and test image."""
    header = ["setting", "steps an image", "loss on the fixed set", "difference, % of it", "accuracy, %"]
    header += ["difference, points", f"within {100 * arms.MARGIN:g} point", "covered, %"]
    done = {arm: np.load(_path(out, arm)) for arm in of if _path(out, arm).exists()}
    reference = done.get(of[0])
    rows = []
    for arm, found in sorted(done.items(), key=lambda one: -one[0].cost(images)):
        loss, against = "–", None
        if reference is not None and arm != of[0]:
            scale, against = 100 / reference["losses"].mean(), reference["correct"]
            loss = arms.spread(paired_difference(found["losses"], reference["losses"]), 0, "+", scale)
        row = [arm.name, f"{arm.cost(images):,.0f}", f"{found['losses'].mean():.4f}", loss]
        rows.append([*row, *arms.accuracies(found["correct"], against), f"{float(found['coverage']):.0f}"])
    return text_tables.markdown(header, rows)


def _path(out: Path, arm: Arm) -> Path:
    name = "-".join(str(value) for key, value in vars(arm).items() if key != "name")
    return out / f"{name}.npz"


if __name__ == "__main__":
    main()
