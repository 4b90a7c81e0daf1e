"""The report's section on geometry: every sentence follows from the tables."""

from collections.abc import Mapping

import pandas as pd
from scipy import special

from realgap.analyses.geometry import TITLE, TITLE_WITH_SHADOWS
from realgap.analyses.geometry.figures import CUES
from realgap.analyses.geometry.tables import HARMLESS
from realgap.geometry.vanishing import SMALLEST_PX
from realgap.report.figures import name
from realgap.report.sections import Figure, Section, Table

WORDS = {
    "unexplained_share": "the share of lines that meet nowhere",
    "family_residual_deg": "the residual within families of lines",
    "off_square_deg": "how far the camera's axes are off square",
    "focal_ratio": "the disagreement of implied focal lengths",
    "horizon_tilt_deg": "the tilt of the horizon",
    "halves_deg": "the disagreement of the picture's halves",
    "longest_segment_share": "the longest straight segment",
    "axis_aligned_share": "the share of axis-aligned gradients",
    "mirror_symmetry": "mirror symmetry",
    "edge_straightness": "the straightness of edges",
    "spectrum_slope": "the slope of the spectrum",
    "high_frequency_share": "the share of high frequencies",
}


def section(
    measures: pd.DataFrame,
    cues: pd.DataFrame,
    shadows: pd.DataFrame | None,
    paths: Mapping[str, str],
    size_px: int,
    controls: Mapping[str, float],
) -> Section:
    """measures, cues: tables of judging; shadows: of verdicts.by_source, or None; paths: of the tables and figures
    that there are, relative to the study's folder; size_px: longer side of the measured images."""
    generated = list(measures[measures.role == "generated"].source.unique())
    said = [_measured(measures[measures.source == source], measures, source) for source in generated]
    said += [_told_apart(cues, source) for source in generated]
    if shadows is not None:
        said.append(_shadows(shadows))
    tables = [
        Table(
            paths["measures"],
            "Chance that an image of a source is above a real one, by measure (0.5: as often above as below). Medians "
            "and intervals are in geometry/measures.csv.",
            {"metric": "metric", **{source: name(source) for source in measures.source.unique() if source != "real"}},
        ),
        Table(
            paths["cues"],
            "AUC of telling a source from real images by one cue, cross-fitted, over all images; intervals, and the "
            "groups that a classifier of pixels makes, are in geometry/cues.csv.",
            {"source": "source", "role": "role", **{cue: CUES[cue] for cue in cues.metric.unique()}},
        ),
    ]
    if shadows is not None:
        columns = {"source": "source", "n_images": "images", "inconsistent_share": "share inconsistent"}
        columns |= {"share_low": "from", "share_high": "to", "out_deg_median": "median degrees out, where inconsistent"}
        caption = "Images whose annotated shadows no one light explains, with 95 % intervals (Wilson)."
        tables.append(Table(paths["shadows"], caption, columns))
    title = TITLE if shadows is None else TITLE_WITH_SHADOWS
    return Section("geometry", title, said, tables, _figures(paths), _notes(size_px, controls))


def _measured(own: pd.DataFrame, measures: pd.DataFrame, source: str) -> str:
    """Which measures leave real images further behind than every harmless change does, intervals included.

    The source's own intervals are widened to hold for all measures at once (Bonferroni), since the largest are named.
    """
    harmless = measures[measures.source.isin(HARMLESS)]
    wider = special.ndtri(1 - 0.025 / len(own)) / special.ndtri(0.975)
    beyond = []
    for row in own.itertuples():
        same = harmless[harmless.metric == row.metric]
        reach = (same[["chance_low", "chance_high"]] - 0.5).abs().max(axis=None)
        low, high = (
            row.chance_above_real + wider * (bound - row.chance_above_real)
            for bound in (row.chance_low, row.chance_high)
        )
        least = max(low - 0.5, 0.5 - high)
        if least > max(reach, 0):
            beyond.append((least, f"{WORDS[row.metric]} ({_chance(row)})"))
    if not beyond:
        return f"{_capital(source)}: in no measure told apart from real images beyond what harmless changes to them do."
    listed = "; ".join(text for _, text in sorted(beyond, reverse=True)[:3])
    more = f" and {len(beyond) - 3} more" if len(beyond) > 3 else ""
    return f"{_capital(source)}: further from real images than any harmless change: {listed}{more}."


def _chance(row) -> str:
    return f"above real with chance {row.chance_above_real:.2f}, {row.chance_low:.2f} to {row.chance_high:.2f}"


def _told_apart(cues: pd.DataFrame, source: str) -> str:
    everyone = cues[(cues.group == "all") & cues.auc.notna()]
    harmless = everyone[everyone.source.isin(HARMLESS)]
    parts = []
    for row in everyone[(everyone.source == source) & (everyone.metric != "pixels")].itertuples():
        most = harmless[harmless.metric == row.metric].auc.max()
        interval = f"{row.auc_low:.2f} to {row.auc_high:.2f}"
        parts.append(f"{CUES[row.metric]} {row.auc:.2f} ({interval}; harmless changes up to {most:.2f})")
    if not parts:
        return f"{_capital(source)}: too few images to train classifiers of cues."
    return f"{_capital(source)}: AUC of telling it from real images without pixels: {'; '.join(parts)}."


def _shadows(shadows: pd.DataFrame) -> str:
    if not len(shadows):
        return "Shadows: no annotated image has three pairs, and two always agree."
    parts = [
        f"{name(row.source)} {100 * row.inconsistent_share:.0f} % of {row.n_images} images "
        f"({100 * row.share_low:.0f} to {100 * row.share_high:.0f})"
        for row in shadows.itertuples()
    ]
    return f"Annotated shadows that no one light explains: {'; '.join(parts)}."


def _figures(paths: Mapping[str, str]) -> list[Figure]:
    drawn = [
        Figure(
            paths["measures_figure"],
            "What was measured on real images, on harmless and known changes to them (grey), and on every generated "
            "source. A source says something only where it lies beyond the grey rows.",
            "A panel per measure with a row per source; the numbers are in geometry/measures.csv",
        ),
        Figure(
            paths["cues_figure"],
            "How well classifiers that see no pixels tell each source from real images: over all images and within the "
            "groups that a classifier of pixels finds easy, unconfident or misclassifies. Grey: the same for changes "
            "to real images.",
            "A panel per cue with a row per source; the numbers are in geometry/cues.csv",
        ),
    ]
    if "overlays" in paths:
        caption = (
            "Lines and vanishing points of the same scenes: real, under harmless and known changes, and in every "
            "source. Of each class the image whose real version has the median share of lines that meet nowhere."
        )
        alt = "Pictures with coloured segments, vanishing points and horizon"
        drawn.append(Figure(paths["overlays"], caption, alt))
    return drawn


def _notes(size_px: int, controls: Mapping[str, float]) -> list[str]:
    notes = [
        f"Controls: real images made smaller by {controls['resample']:g} and large again, blurred by "
        f"{controls['blur_px']:g} px, passed through the VAE where a study has one, and, as a yardstick that is not "
        f"harmless, bent by {100 * controls['warp']:g} % of their side. An AUC that a harmless change reaches too is "
        "no evidence of broken geometry: a classifier of segments can learn how the detector answers to texture. "
        "Intervals cover the choice of images, not the classifiers' own seeds."
    ]
    if size_px < SMALLEST_PX:
        notes.append(
            f"Vanishing points, horizon and camera are not measured: the images are {size_px} px, and below "
            f"{SMALLEST_PX} px the few short segments of an image fix no direction, so that vanishing points are no "
            "better than chance. What is measured instead answers to blur and texture as well."
        )
    return notes


def _capital(source: str) -> str:
    readable = name(source)
    return readable[0].upper() + readable[1:]
