"""Do generated images repeat training images, and do classifiers give away what they were trained on?"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from realgap.analyses.memorisation import TITLE, measures
from realgap.report import tables
from realgap.report.figures import name
from realgap.report.sections import COMPARED_WITH_REAL, Figure, Section, Table
from realgap.statistics import bootstrap_interval
from realgap.statistics.areas import mean_auc

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


def membership(runs: Iterable[Mapping], seed: int, resamples: int) -> pd.DataFrame:
    """A row per training set and seed: how well the loss tells real training images from test images.

    runs: training_set, seed, and for members and for others the pair (logits (n, classes), labels (n,)), the same
    images for all runs. mean_low, mean_high: of the mean AUC of the training set's seeds, by areas.mean_auc.
    """
    rows, scores = [], {}
    for run in runs:
        losses = [_losses(*run[side]) for side in ("members", "others")]
        result = measures.membership_inference(*losses, seed, resamples=resamples)
        sizes = {"n_members": len(losses[0]), "n_others": len(losses[1])}
        rows.append({"training_set": run["training_set"], "seed": run["seed"], **result._asdict(), **sizes})
        scores.setdefault(run["training_set"], []).append([-one for one in losses])
    bounds = {key: mean_auc(*map(np.stack, zip(*own, strict=True)))[1:] for key, own in scores.items()}
    low, high = zip(*(bounds[row["training_set"]] for row in rows), strict=True)
    return pd.DataFrame(rows).assign(mean_low=low, mean_high=high)


def over_seeds(members: pd.DataFrame) -> pd.DataFrame:
    """tables.over_seeds of the membership AUC, with a verdict in words.

    The interval of the mean is that of `membership`, which holds the sampling of the images; one seed has none.
    """
    frame = tables.over_seeds(members, "auc")
    bounds = members.drop_duplicates("training_set").set_index("training_set")
    for side in ("low", "high"):
        frame[side] = frame.training_set.map(bounds[f"mean_{side}"]).where(frame.n_seeds > 1)
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
    if np.isnan(row.low):
        return f"undecided: one seed, AUC {row.value:.3f}"
    interval = f"AUC {row.value:.3f}, 95 % interval {row.low:.3f} to {row.high:.3f}"
    if row.low > 0.5:
        return f"its losses give away real training images ({interval})"
    return f"its losses don't tell real training images from others ({interval})"
