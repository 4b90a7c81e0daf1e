"""What limits generated photographs as training data: `python -m tests.benchmarks.photographs`.

The study of `resources/studies/cifar10-mini.yaml` on its own real images, or the first of them, with a small classifier
that is tested on other images of the training split: none of CIFAR-10's test images is looked at. An arm differs from
that study in what its name says; unless it says otherwise it draws three images for each real one, and half of a batch
is real where both are trained on. An arm that is finished is kept (--out) and not run again.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA

from realgap.data.images import resampled
from realgap.report import text_tables
from realgap.statistics import mean_interval, paired_difference
from tests.benchmarks import arms

if TYPE_CHECKING:
    from tests.benchmarks.study import Images, Study

SEEDS = 3
VARIANTS = 3


@dataclass(frozen=True)
class Arm:
    """Where images come from and, of inverted ones, what differs from the study."""

    name: str  # its file's too
    source: str = "inverted"  # or what is done to the real images: see `_altered`
    amount: int = 0  # of that
    inversion: dict[str, Any] = field(default_factory=dict)  # settings instead of the study's; no steps: not inverted
    sampling: dict[str, Any] = field(default_factory=dict)  # likewise
    real_share: float = 0.5  # of a batch, together with the real images


REFERENCE = "real"
ARMS = [
    Arm(REFERENCE, "real"),
    Arm("VAE only", "VAE"),
    Arm("12 numbers for 4 x 4 px, the best linear code", "linear code", 12),
    *(Arm(f"real, blurred to {side} px", "blurred", side) for side in (16, 8, 4)),
    Arm("as in the study"),
    Arm("start: class prompt", inversion={"start": "prompt"}),
    Arm("prompts of looks, not inverted", inversion={"steps_per_image": 0}),
    Arm("16 tokens", inversion={"num_tokens": 16}),
    Arm("5 tokens", inversion={"num_tokens": 5}),
    Arm("100 visits", inversion={"steps_per_image": 100}),
    Arm("1,200 visits", inversion={"steps_per_image": 1_200}),
    *(Arm(f"embedding noise {noise}", sampling={"embedding_noise": noise}) for noise in (0.0, 0.3)),
    *(Arm(f"mixing weight {weight}", sampling={"interpolation_strength": weight}) for weight in (0.0, 0.3)),
    *(Arm(f"guidance {scale}", sampling={"guidance_scale": scale}) for scale in (1.0, 2.0)),
    Arm(
        "no noise, no mixing, no guidance",
        sampling={"embedding_noise": 0, "interpolation_strength": 0, "guidance_scale": 1},
    ),
    Arm("1 image for each", sampling={"samples_per_image": 1}),
    Arm("10 images for each", sampling={"samples_per_image": 10}),
    Arm("50 sampling steps", sampling={"num_inference_steps": 50}),
    *(Arm(f"real images are {share:.0%} of a batch", real_share=share) for share in (0.75, 0.9)),
]


def main() -> None:
    parser = arms.parser(__doc__, "results/photographs", per_class=100, classifier="small")
    parser.add_argument("--root", type=Path, default=Path("resources/cifar10"), help="default: %(default)s")
    parser.add_argument("--tested", type=int, default=300, help="images of each class (default: %(default)s)")
    args = parser.parse_args()
    out = args.out / f"{args.classifier}-{args.per_class}"
    if not args.table:
        from tests.benchmarks import study  # takes seconds that --table does not need

        photographs = study.of_cifar10(args.root, args.per_class, args.tested, args.classifier)
        run([arm for arm in ARMS if not args.arms or arm.name in args.arms], photographs, out)
    print(table(out))


def run(chosen: list[Arm], study: "Study", out: Path) -> None:
    """Every arm that is not finished yet."""
    for arm in chosen:
        path = kept_in(out, arm)
        if path.exists():
            continue
        begin = time.process_time()
        losses, generated = _generated(arm, study, out)
        errors = generated["images"].astype(np.float32) - study.images["images"][generated["sources"]]
        found = {
            "n": len(study.images["labels"]),
            "losses": losses,
            "psnr": -10 * np.log10(np.square(errors / 255).mean(axis=(1, 2, 3)) + 1e-9),
            "alone": study.accuracies([generated], range(SEEDS)),
            "with_real": study.accuracies([study.images, generated], range(SEEDS), arm.real_share),
            "cpu_s": time.process_time() - begin,
        }
        arms.keep(path, found)
        print(f"{arm.name}: {found['alone'].mean():.1f} %, {found['cpu_s']:.0f} CPU s", flush=True)


def _generated(arm: Arm, study: "Study", out: Path) -> tuple[np.ndarray, "Images"]:
    """The loss over the last visits of each image, and what is trained on in the real images' place."""
    if arm.source == "inverted":
        losses, embeddings = _inverted(arm, study, out)
        return losses, study.generate(embeddings, **{"samples_per_image": VARIANTS, **arm.sampling})
    labels, rows = study.images["labels"], np.arange(len(study.images["labels"]))
    return np.full(len(rows), np.nan), {"images": _altered(arm, study), "labels": labels, "sources": rows}


def _altered(arm: Arm, study: "Study") -> np.ndarray:
    """The study's real images after what the arm does to them, uint8 (n, h, w, 3)."""
    images = study.images["images"]
    if arm.source == "VAE":
        return study.reconstruct(study.moments(study.images)[0])
    if arm.source == "blurred":
        return resampled(images, images.shape[1] // arm.amount)
    if arm.source == "linear code":
        return linear_code(images, arm.amount)
    assert arm.source == "real", arm.source
    return images


def linear_code(images: np.ndarray, numbers: int, side: int = 4) -> np.ndarray:
    """Principal components of patches of side x side px."""
    n, size = len(images), images.shape[1] // side
    cut = images.reshape(n, size, side, size, side, 3).transpose(0, 1, 3, 2, 4, 5)
    patches = cut.reshape(-1, 3 * side**2).astype(np.float32)
    code = PCA(numbers).fit(patches)
    decoded = code.inverse_transform(code.transform(patches)).clip(0, 255).round().astype(np.uint8)
    return decoded.reshape(n, size, size, side, side, 3).transpose(0, 1, 3, 2, 4, 5).reshape(images.shape)


def _inverted(arm: Arm, study: "Study", out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Losses (n,) and embeddings (n, tokens, width), kept for the arms that sample from the same ones."""
    settings = {**study.config["inversion"], **arm.inversion}
    path = out / f"inverted-{settings['start']}-{settings['num_tokens']}-{settings['steps_per_image']}.npz"
    if not path.exists():
        start = study.start(settings["start"], study.images)[:, : settings["num_tokens"]]
        found = {"losses": np.full(len(start), np.nan), "embeddings": start}
        if settings["steps_per_image"]:
            given = {key: settings[key] for key in ("timesteps", "lr", "lr_schedule")}
            given["visits"] = settings["steps_per_image"]
            state = study.invert(study.images, start, patience=None, **given)
            found = {"losses": state.losses[:, -1], "embeddings": state.result()}
        arms.keep(path, found)
    kept = np.load(path)
    return kept["losses"], kept["embeddings"]


def table(out: Path) -> str:
    """Markdown, a row for each finished arm; differences to real images alone, paired by seed."""
    header = ["training images", "n", "last loss", "dB to its real image", "alone, %", "to real, points", "ratio"]
    header += ["with the real ones, %", "to real, points"]
    done = {arm.name: np.load(kept_in(out, arm)) for arm in ARMS if kept_in(out, arm).exists()}
    reference = done.get(REFERENCE)
    rows = []
    for name, found in done.items():
        loss = "–" if np.isnan(found["losses"]).all() else f"{found['losses'].mean():.3f}"
        closeness = "–" if name == REFERENCE else f"{found['psnr'].mean():.1f}"
        row = [name, f"{int(found['n']):,}", loss, closeness]
        for key in ("alone", "with_real"):
            to_real, ratio = "–", "–"
            if reference is not None and (name, key) != (REFERENCE, "alone"):
                to_real = arms.spread(paired_difference(found[key], reference["alone"]), sign="+")
                ratio = f"{(found[key] / reference['alone']).mean():.3f}"
            row += [arms.spread(mean_interval(found[key])), to_real]
            row += [ratio] if key == "alone" else []
        rows.append(row)
    return text_tables.markdown(header, rows)


def kept_in(out: Path, arm: Arm) -> Path:
    return out / f"{arm.name.replace(' ', '-').replace(',', '')}.npz"


if __name__ == "__main__":
    main()
