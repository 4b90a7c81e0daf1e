"""Shadows of many images: annotated pairs in, a verdict an image and a row a source out."""

from pathlib import Path

import numpy as np
import pandas as pd

from realgap.data import reading
from realgap.geometry.shadows import judge_shadows, wedges_from_masks, wedges_from_pairs
from realgap.statistics import share_interval

ITEM = ["source", "image_id", "variant"]
POINTS = ["shadow_x", "shadow_y", "object_x", "object_y"]
MASKS = ["shadow_mask", "object_mask"]
FEWEST_PAIRS = 3  # two wedges always agree


def judged(path: str | Path, tolerance_deg: float) -> pd.DataFrame:
    """A row per image of a CSV file of pairs: source, image_id, variant, n_pairs, consistent, out_deg.

    The file has the columns source, image_id, variant and either shadow_x, shadow_y, object_x, object_y in px
    (a wedge of tolerance_deg each side) or shadow_mask, object_mask: picture files beside it, white where the
    shadow or its object is. Images of fewer than three pairs are not judged: consistent is empty, out_deg nan.
    ValueError naming file and columns when they are missing or not numbers.
    """
    table = _read(Path(path))
    rows = []
    for item, group in table.groupby(ITEM, sort=False):
        enough = len(group) >= FEWEST_PAIRS
        verdict = judge_shadows(_wedges(Path(path), group, tolerance_deg)) if enough else None
        rows.append((*item, len(group), verdict.consistent if enough else None, verdict.out_deg if enough else np.nan))
    return pd.DataFrame(rows, columns=[*ITEM, "n_pairs", "consistent", "out_deg"])


def by_source(verdicts: pd.DataFrame) -> pd.DataFrame:
    """A row per source: images judged, share whose shadows no one light explains with its 95 % interval (Wilson),
    and how far out those are in the median, degrees."""
    rows = []
    for source, group in verdicts.dropna(subset="out_deg").groupby("source", sort=False):
        wrong = ~group.consistent.astype(bool)
        share = share_interval(int(wrong.sum()), len(group))
        rows.append((source, len(group), *share, group.out_deg[wrong].median()))
    columns = ["source", "n_images", "inconsistent_share", "share_low", "share_high", "out_deg_median"]
    return pd.DataFrame(rows, columns=columns)


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: must be a CSV file of shadow pairs ({error})") from error
    columns = MASKS if set(MASKS) <= set(table.columns) else POINTS
    if missing := [name for name in [*ITEM, *columns] if name not in table.columns]:
        raise ValueError(f"{path}: must have the columns {', '.join(ITEM + POINTS)}; {missing[0]} is missing")
    if columns == POINTS and not np.isfinite(table[POINTS].apply(pd.to_numeric, errors="coerce").to_numpy()).all():
        raise ValueError(f"{path}: {', '.join(POINTS)} must be numbers in every row")
    return table


def _wedges(path: Path, group: pd.DataFrame, tolerance_deg: float) -> np.ndarray:
    if set(MASKS) <= set(group.columns):
        shadows, objects = (
            [reading.read(path.parent / name)[..., 0] > 127 for name in group[column]] for column in MASKS
        )
        return wedges_from_masks(shadows, objects, tolerance_deg)
    return wedges_from_pairs(group[POINTS].to_numpy(float), tolerance_deg)
