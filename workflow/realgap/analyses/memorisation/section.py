"""Do generated images repeat training images, and do classifiers give away what they were trained on?"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from realgap.analyses.memorisation import TITLE, measures
from realgap.report.figures import name
from realgap.report.sections import COMPARED_WITH_REAL, Figure, Section, Table
from realgap.report.wording import told
from realgap.statistics import areas, bootstrap_interval

HELD_OUT = "test"  # held-out real images audited as if they were generated: what chance gives


class Pools(NamedTuple):
    """Real images as points of one space: features of a network, or pixels."""

    train: np.ndarray  # (n, d)
    test: np.ndarray  # (m, d)


def audits(
    pools: Pools, sets: Mapping[str, np.ndarray], seed: int, near_copy_quantile: float
) -> dict[str, measures.Audit]:
    """measures.audit of each set of points, and of one half of the test images against the other as control.

    sets: one image for each real one, so that rows are as independent as the real images.
    """
    half = np.arange(len(pools.test)) % 2 == 0
    found = {HELD_OUT: measures.audit(pools.test[half], pools.train, pools.test[~half], seed, near_copy_quantile)}
    for source, points in sets.items():
        found[source] = measures.audit(points, pools.train, pools.test, seed, near_copy_quantile)
    return found


def copies(audited: Mapping[str, measures.Audit], space: str, seed: int, resamples: int) -> pd.DataFrame:
    """A row per set: share of near copies, chance to be nearer than a held-out image, median ratio; intervals."""
    rows = []
    for source, audit in audited.items():
        finite = np.minimum(audit.ratio, 1e6)  # copies of a held-out image are infinitely farther
        columns = {
            "near_copies": measures.near_copies(audit),
            "copying": measures.copying(audit, seed, resamples),
            "median_ratio": bootstrap_interval(finite, np.median, seed, resamples),
        }
        row = {"source": source, "space": space}
        for column, interval in columns.items():
            row |= dict(zip((column, f"{column}_low", f"{column}_high"), interval, strict=True))
        rows.append({**row, "n_images": len(audit.ratio), "threshold": audit.threshold})
    return pd.DataFrame(rows)


def ratios(audited: Mapping[str, measures.Audit], ids: Mapping[str, np.ndarray], space: str) -> pd.DataFrame:
    """A row per image: its distance to the nearest training image, and that over to the nearest held-out one."""
    frames = [
        pd.DataFrame(
            {
                "source": source,
                "space": space,
                "image_id": ids[source],
                "train_distance": audit.train_distance,
                "ratio": audit.ratio,
                "near_copy": audit.near_copy,
            }
        )
        for source, audit in audited.items()
    ]
    return pd.concat(frames, ignore_index=True)


def membership(runs: Iterable[Mapping], reference: str = "real") -> pd.DataFrame:
    """A row per training set and seed: how well the loss tells real training images from test images.

    runs: training_set, seed, and for members and for others the pair (logits (n, classes), labels (n,)), the same
    images for all runs. mean, mean_low, mean_high: the mean AUC of the training set's seeds, by areas.mean_auc;
    difference, difference_low, difference_high: that minus the reference's, by areas.difference.
    """
    rows, scores = [], {}
    for run in runs:
        losses = [_losses(*run[side]) for side in ("members", "others")]
        result = measures.membership_inference(*losses)
        sizes = {"n_members": len(losses[0]), "n_others": len(losses[1])}
        rows.append({"training_set": run["training_set"], "seed": run["seed"], **result._asdict(), **sizes})
        scores.setdefault(run["training_set"], {})[run["seed"]] = [-one for one in losses]
    sides = {
        key: [np.stack(side) for side in zip(*(own[seed] for seed in sorted(own)), strict=True)]
        for key, own in scores.items()
    }
    judged = {}
    for key, own in sides.items():
        difference = (np.nan,) * 3 if key == reference else areas.difference(*own, *sides[reference])[:3]
        judged[key] = (*areas.mean_auc(*own), *difference)
    of_seeds = pd.DataFrame([judged[row["training_set"]] for row in rows], columns=_OF_SEEDS)
    return pd.concat([pd.DataFrame(rows), of_seeds], axis=1)


_OF_SEEDS = ["mean", "mean_low", "mean_high", "difference", "difference_low", "difference_high"]


def over_seeds(members: pd.DataFrame) -> pd.DataFrame:
    """A row per training set of `membership`: mean AUC over seeds, its difference to real, a verdict in words."""
    frame = members.drop_duplicates("training_set")[["training_set", *_OF_SEEDS]].reset_index(drop=True)
    frame = frame.rename(columns={"mean_low": "low", "mean_high": "high"})
    frame.insert(1, "n_seeds", frame.training_set.map(members.groupby("training_set").size()))
    few = frame.n_seeds < 2
    frame.loc[few, ["low", "high", "difference_low", "difference_high"]] = np.nan
    frame["verdict"] = [_verdict(row) for row in frame.rename(columns={"mean": "value"}).itertuples()]
    return frame


def section(copied: pd.DataFrame, members: pd.DataFrame, near_copy_quantile: float, shown: str) -> Section:
    """The report's section; `shown`: the space whose pairs and sentences are shown."""
    rows = copied[copied.space == shown].set_index("source")
    control = rows.loc[HELD_OUT]
    sentences = [
        f"{name(source)}: {100 * row.near_copies:.0f} % of the images lie nearer to a real training image than "
        f"{100 * (1 - near_copy_quantile):.0f} % of held-out real images do (95 % interval "
        f"{100 * row.near_copies_low:.0f} to {100 * row.near_copies_high:.0f} %; held-out images themselves "
        f"{100 * control.near_copies:.0f} %)."
        for source, row in rows.iterrows()
        if source != HELD_OUT
    ]
    sentences += [f"A classifier trained on {name(row.training_set)}: {row.verdict}." for row in members.itertuples()]
    sees = "pixels" if shown == "pixels" else f"features of {shown}"
    return Section(
        name="memorisation",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "memorisation/copies.csv",
                "One image for each real one: near copies, the chance to be nearer to the training images than a "
                "held-out image is (0.5: no copying), and the median ratio of the distance to the nearest training "
                "image over that to the nearest held-out one (1: no copying). 95 % intervals over images.",
                {
                    "source": "set",
                    "space": "distances of",
                    "near_copies": "near copies, share",
                    "near_copies_low": "from",
                    "near_copies_high": "to",
                    "copying": "chance to be nearer",
                    "copying_low": "from",
                    "copying_high": "to",
                    "median_ratio": "median ratio",
                    "median_ratio_low": "from",
                    "median_ratio_high": "to",
                },
            ),
            Table(
                "memorisation/membership.csv",
                "Membership inference by loss on the real training images: AUC (0.5: not at all), mean over seeds. "
                "Its interval holds the sampling of seeds and of images.",
                {
                    "training_set": "training set",
                    "mean": "AUC",
                    **COMPARED_WITH_REAL,
                },
            ),
        ],
        figures=[
            Figure(
                "figures/memorisation.svg",
                "Share of images whose ratio of distances, nearest training image over nearest held-out image, lies "
                "below a value. A curve left of the held-out images' own means copying.",
                "Cumulative distributions of the ratio of distances, a curve per set",
            ),
            Figure(
                "figures/memorisation_pairs.png",
                f"The closest pairs of each generator, by {sees}: generated image left, real training image right, "
                "with their distance; the closest variant of each training image.",
                "Pairs of generated and training images",
            ),
        ],
        notes=[
            "The VAE-only row is made of the training images themselves: it shows what the audit calls a copy. An "
            "inverted embedding describes one training image, so nearness is expected of Diffusion Inversion; images "
            "made so carry no promise of privacy for the images they were made from.",
            f"Distances are of {sees}; near copies are counted against held-out images. Membership inference by loss "
            "is a bound from below: stronger attacks exist, and an AUC near 0.5 proves no privacy.",
        ],
    )


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy of each image, float64."""
    logits = logits.astype(np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]


def _verdict(row) -> str:
    return told(
        row.value - 0.5,
        row.low - 0.5,
        row.high - 0.5,
        row.n_seeds,
        ("its losses give away real training images", "its losses are lower for other images"),
        reference="chance by its losses",
        shown=lambda value: f"{value + 0.5:.3f}",
    ).replace("(", "(AUC ", 1)
