"""Fewer UNet calls a sample, on the digits study: `python -m tests.benchmarks.calls`.

A hundred digits are inverted once, by the default. First, how far the samples of each solver are from where many steps
lead. Then arms, each an entry of a study's section `sources`: a unit draws three samples an image with random numbers
of its own and trains a classifier on them with a seed of its own. The same units of all arms begin at the same noise.
What is finished is kept (--out) and not run again.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realgap.base_model.samplers import SAMPLERS, Sampler
from realgap.report import text_tables
from realgap.statistics import mean_interval, paired_difference
from tests.benchmarks import arms

if TYPE_CHECKING:
    from tests.benchmarks.study import Study

UNITS = 10
SAMPLES = 3  # of an image, in a unit
IN_A_STUDY = 10  # samples of an image, which share the calls that lead to its noise
CALLS = (3, 4, 5, 6, 8, 12)
MANY = 100  # steps of the default's solver, to which others are compared
MULTISTEP = "DPMSolverMultistepScheduler"
SOLVERS = {
    **{name: SAMPLERS[name] for name in ("dpmsolver++", "unipc", "ddim", "pndm")},
    "dpmsolver++, order 3": Sampler(MULTISTEP, {"algorithm_type": "dpmsolver++", "solver_order": 3}),
    "dpmsolver++, Karras' noise levels": Sampler(MULTISTEP, {"use_karras_sigmas": True}),
    "dpmsolver++, noise levels even in log SNR": Sampler(MULTISTEP, {"use_lu_lambdas": True}),
    "deis": Sampler("DEISMultistepScheduler"),
    "heun": Sampler("HeunDiscreteScheduler", calls_per_step=2, more_calls=-1),
}


@dataclass(frozen=True)
class Arm:
    """Where samples come from: what differs from inverted embeddings, 12 steps with guidance in all of them."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    against: str | None = None  # the arm that differences are to; None: it is one itself

    @property
    def source(self) -> dict[str, Any]:
        usual = {"kind": "inversion", "scheduler": "dpmsolver++", "num_inference_steps": 12, "guidance_scale": 1.25}
        return {**usual, **self.changes}


MOST = "dpmsolver++, 12 steps, guidance in 0 to 1"
REFERENCE = Arm(f"inversion, {MOST}")


def _few(
    steps: int, guided: tuple[float, float] | None, scheduler: str = "dpmsolver++", kind: str = "inversion"
) -> Arm:
    """An arm of so many steps with guidance between two shares of them, or in none."""
    where = "no guidance" if guided is None else "guidance in {:g} to {:g}".format(*guided)
    changes = {"kind": kind, "scheduler": scheduler, "num_inference_steps": steps}
    changes |= {"guidance_scale": 2.0} if kind == "prompts" else {}
    changes |= {"guidance_scale": 1.0} if guided is None else {"guidance_interval": list(guided)}
    return Arm(f"{kind}, {scheduler}, {steps} steps, {where}", changes, f"{kind}, {MOST}")


def _other(kind: str, steps: int, said: str, **changes: Any) -> Arm:
    changes = {"kind": kind, "num_inference_steps": steps, "guidance_scale": 1.0, **changes}
    return Arm(f"{kind}, dpmsolver++, {steps} steps, {said}", changes, REFERENCE.name)


ALL = (0.0, 1.0)
ARMS = [
    REFERENCE,
    *(_few(steps, None) for steps in (12, 6, 4, 3)),
    *(_few(steps, ALL) for steps in (6, 3)),
    *(_few(4, half) for half in ((0.0, 0.5), (0.5, 1.0))),
    *(_few(3, last) for last in ((0.5, 1.0), (0.7, 1.0))),
    _few(5, (0.8, 1.0)),
    _few(4, (0.5, 1.0), "unipc"),
    *(_few(steps, None, "unipc") for steps in (6, 4)),
    _few(6, None, "ddim"),
    _other("img2img", 12, "strength 0.5, no guidance", strength=0.5),
    _other("img2img", 6, "strength 0.5, guidance 2 in all", strength=0.5, guidance_scale=2.0),
    _other("img2img", 12, "strength 0.5, of embeddings", strength=0.5, conditioning="inversion", embedding_noise=0.1),
    _other("ddim_inversion", 4, "20 to the noise, 0.2 of it fresh", inversion_steps=20),
    _other("ddim_inversion", 4, "20 to the noise, 0.5 of it fresh", inversion_steps=20, fresh_noise=0.5),
    _few(5, None),
    _few(8, None),
    Arm(f"prompts, {MOST}", {"kind": "prompts", "guidance_scale": 2.0}),
    _few(4, (0.5, 1.0), kind="prompts"),
    _few(4, ALL, kind="prompts"),
    *(_few(steps, ALL, kind="prompts") for steps in (6, 3)),
]


def main() -> None:
    args = arms.parser(__doc__, "results/calls", per_class=10, classifier="small").parse_args()
    out = args.out / f"{args.classifier}-{args.per_class}"
    if not args.table:
        run([arm for arm in ARMS if not args.arms or arm.name in args.arms], out, args.per_class, args.classifier)
    print(table_of_solvers(out), table(out), sep="\n\n")


def run(chosen: list[Arm], out: Path, per_class: int, classifier: str) -> None:
    """What is not finished yet; the modules imported here take seconds that --table does not need."""
    from tests.benchmarks import encoders

    digits = encoders.of_digits(per_class, 100, classifier)
    embeddings = _kept(out / "embeddings.npz", lambda: {"embeddings": digits.as_default(digits.images)})["embeddings"]
    converged = _kept(
        out / "converged.npz", lambda: {"images": drawn(digits, embeddings, SAMPLERS["dpmsolver++"], MANY)}
    )
    for name, solver in SOLVERS.items():
        of = digits, embeddings, solver, converged["images"]
        _kept(_path(out, f"solver {name}"), lambda of=of: {"errors": errors(*of)})
    for arm in chosen:
        _kept(_path(out, arm.name), lambda arm=arm: judged(digits, embeddings, arm))


def drawn(digits: "Study", embeddings: np.ndarray, solver: Sampler, steps: int) -> np.ndarray:
    """A sample of each image without guidance, uint8 (images, h, w, 3)."""
    from tests.benchmarks import samples

    source = {**REFERENCE.source, "num_inference_steps": steps, "guidance_scale": 1.0}
    return samples.draw(digits, embeddings, source, solver, 1).images["images"]


def errors(digits: "Study", embeddings: np.ndarray, solver: Sampler, converged: np.ndarray) -> np.ndarray:
    """Distance of samples to those of many steps, RMS in grey levels, (CALLS, images); nan: none take so many."""
    found = np.full((len(CALLS), len(converged)), np.nan)
    for row, calls in enumerate(CALLS):
        steps, over = divmod(calls - solver.more_calls, solver.calls_per_step)
        if steps and not over:
            difference = drawn(digits, embeddings, solver, steps) - converged.astype(np.float64)
            found[row] = np.sqrt(np.square(difference).mean(axis=(1, 2, 3)))
    return found


def judged(digits: "Study", embeddings: np.ndarray, arm: Arm) -> dict[str, Any]:
    """Of each unit: which test images its classifier is right about, and the share that its samples cover, %."""
    from tests.benchmarks import samples

    begun = time.process_time()
    drawn = samples.draw(digits, embeddings, arm.source, SAMPLERS[arm.source["scheduler"]], UNITS * SAMPLES)
    sampled = time.process_time()
    correct, covered = [], []
    for unit in range(UNITS):
        own = np.arange(len(drawn.images["labels"])) % (UNITS * SAMPLES) // SAMPLES == unit
        images = {name: array[own] for name, array in drawn.images.items()}
        correct.append(digits.correct([images], unit))
        covered.append(digits.distances(images["images"])["coverage"])
    calls = drawn.calls + drawn.calls_before / IN_A_STUDY
    found = {"correct": np.stack(correct), "coverage": np.array(covered), "calls": calls, "cpu_s": sampled - begun}
    said = f"{calls:.1f} calls, {100 * found['correct'].mean():.1f} %, covered {found['coverage'].mean():.0f} %"
    print(f"{arm.name}: {said}, {time.process_time() - begun:.0f} CPU s", flush=True)
    return found


def table_of_solvers(out: Path) -> str:
    """Markdown, a row for each finished solver; means over images with 95 % intervals."""
    header = ["solver", *(f"{calls} calls" for calls in CALLS)]
    rows = []
    for name in SOLVERS:
        if (path := _path(out, f"solver {name}")).exists():
            found = np.load(path)["errors"]
            said = ["–" if np.isnan(row).any() else arms.spread(mean_interval(row)) for row in found]
            rows.append([name, *said])
    return text_tables.markdown(header, rows)


def table(out: Path) -> str:
    """Markdown, a row for each finished arm; differences to 12 guided steps, paired by unit and by test image."""
    header = [
        "samples",
        "UNet calls a sample",
        "accuracy, %",
        "difference, points",
        f"within {100 * arms.MARGIN:g} point",
    ]
    header += ["covered, %", "difference, points", "CPU s"]
    done = {arm.name: np.load(_path(out, arm.name)) for arm in ARMS if _path(out, arm.name).exists()}
    against = {arm.name: done.get(arm.against) for arm in ARMS}
    rows = []
    for name, found in done.items():
        covered = "–"
        if (reference := against[name]) is not None:
            covered = arms.spread(paired_difference(found["coverage"], reference["coverage"]), 1, "+")
        accuracies = arms.accuracies(found["correct"], None if reference is None else reference["correct"])
        row = [name, f"{float(found['calls']):g}", *accuracies]
        rows.append([*row, arms.spread(mean_interval(found["coverage"])), covered, f"{float(found['cpu_s']):.0f}"])
    return text_tables.markdown(header, rows)


def _kept(path: Path, find: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
    """What a file holds, found first where it is not there."""
    if not path.exists():
        arms.keep(path, find())
    return np.load(path)


def _path(out: Path, name: str) -> Path:
    return out / f"{name.replace(' ', '_').replace(',', '')}.npz"


if __name__ == "__main__":
    main()
