"""Fewer visits at equal quality, on the digits study: `python -m tests.benchmarks.visits`.

An arm differs from the published setting (a random start, uniform timesteps, a constant rate of 0.03, 3,000 visits) in
what its name says, or is named by where it starts, its timesteps and the rate from which it falls to zero. An arm that
is finished is kept (--out) and not run again.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from realgap.report import text_tables
from realgap.statistics import mean_interval, paired_difference
from tests.benchmarks import arms

SEEDS = 5


@dataclass(frozen=True)
class Arm:
    """How images are inverted and sampled."""

    name: str
    start: str = "random"
    timesteps: str = "uniform"
    lr: float = 0.03
    lr_schedule: str = "constant"
    visits: int = 300
    patience: int | None = None  # fiftieths of the visits without a new minimum
    scheduler: str = "dpmsolver++"
    num_inference_steps: int = 12


def _begun(start: str, timesteps: str, visits: int, lr: float = 0.1, **changes: object) -> Arm:
    """From a start, with a rate that falls to zero."""
    name = f"{start}, {timesteps}, rate {lr}" + "".join(f", {value}" for value in changes.values())
    return Arm(name, start, timesteps, lr, "cosine", visits, **changes)


REFERENCE = "published"
ARMS = [
    Arm(REFERENCE, visits=3_000),
    Arm("fewer visits alone"),
    Arm("start: class prompt", start="prompt"),
    Arm("start: class mean", start="class mean"),
    Arm("start: encoder", start="encoder"),
    Arm("timesteps: stratified", timesteps="stratified"),
    Arm("timesteps: importance", timesteps="importance"),
    Arm("timesteps: both", timesteps="stratified importance"),
    Arm("rate: cosine", lr_schedule="cosine"),
    Arm("rate: 0.1, cosine", lr=0.1, lr_schedule="cosine"),
    Arm("early stopping", visits=3_000, patience=3),
    *(
        _begun(start, timesteps, visits, lr)
        for start, timesteps, lr, several in (
            ("prompt", "uniform", 0.1, (320,)),
            ("prompt", "stratified", 0.1, (600, 320, 160, 80, 40)),
            ("encoder", "stratified", 0.1, (600, 320, 160, 80, 40)),
            ("prompt", "stratified", 0.2, (600, 320)),
            ("prompt", "stratified", 0.4, (600, 320)),
            ("prompt", "stratified importance", 0.2, (600,)),
        )
        for visits in several
    ),
    _begun("prompt", "stratified", 320, 0.2, scheduler="pndm", num_inference_steps=100),
]


def main() -> None:
    args = arms.parser(__doc__, "results/visits", per_class=10, classifier="resnet18").parse_args()
    out = args.out / f"{args.classifier}-{args.per_class}"
    if not args.table:
        run([arm for arm in ARMS if not args.arms or arm.name in args.arms], out, args.per_class, args.classifier)
    print(table(out))


def run(chosen: list[Arm], out: Path, per_class: int, classifier: str) -> None:
    """Every arm that is not finished yet; the modules imported here take seconds that --table does not need."""
    from tests.benchmarks import study

    digits = study.of_digits(per_class, classifier)
    for arm in chosen:
        path = _path(out, arm)
        if path.exists():
            continue
        begin = time.process_time()
        start = digits.start(arm.start, digits.images)
        prepared = time.process_time()
        keys = ("timesteps", "lr", "lr_schedule", "visits", "patience")
        state = digits.invert(digits.images, start, **{key: getattr(arm, key) for key in keys})
        inverted = time.process_time()
        generated = digits.generate(
            state.result(), scheduler=arm.scheduler, num_inference_steps=arm.num_inference_steps
        )
        found = {
            "visits": state.visits(arm.visits),
            "first_losses": digits.fixed_loss(start, digits.images),
            "losses": digits.fixed_loss(state.result(), digits.images),
            "accuracies": digits.accuracies([generated], range(SEEDS)),
            **digits.distances(generated["images"]),
            "cpu_s": inverted - prepared,
        }
        arms.keep(path, found)
        spent = time.process_time() - begin
        said = f"loss {found['losses'].mean():.4f}, {found['accuracies'].mean():.1f} %"
        print(f"{arm.name}: {said}, {inverted - prepared:.0f} of {spent:.0f} CPU s", flush=True)


def table(out: Path) -> str:
    """Markdown, a row for each finished arm; differences to the published setting, paired by image and by seed."""
    header = ["setting", "visits", "n", "loss on the fixed set", "difference, % of it", "accuracy, %"]
    header += ["difference, points", "covered, %", "CPU s"]
    done = {arm: np.load(_path(out, arm)) for arm in ARMS if _path(out, arm).exists()}
    reference = next((found for arm, found in done.items() if arm.name == REFERENCE), None)
    rows = []
    for arm, found in done.items():
        visits = f"{found['visits'].mean():,.0f}"
        row = [arm.name, visits, str(len(found["losses"])), f"{found['losses'].mean():.4f}"]
        loss = accuracy = "–"
        if reference is not None and arm.name != REFERENCE:
            scale = 100 / reference["losses"].mean()
            loss = arms.spread(paired_difference(found["losses"], reference["losses"]), 2, "+", scale)
            accuracy = arms.spread(paired_difference(found["accuracies"], reference["accuracies"]), 1, "+")
        row += [loss, arms.spread(mean_interval(found["accuracies"])), accuracy]
        row += [f"{float(found['coverage']):.0f}", f"{float(found['cpu_s']):.0f}"]
        rows.append(row)
    return text_tables.markdown(header, rows)


def _path(out: Path, arm: Arm) -> Path:
    settings = asdict(arm)
    settings.pop("name")
    name = "-".join(str(value).replace(" ", "_") for value in settings.values())
    return out / f"{name}.npz"


if __name__ == "__main__":
    main()
