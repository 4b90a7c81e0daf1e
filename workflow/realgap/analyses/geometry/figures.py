"""The figures of geometry: what is measured a source, what cues tell apart, and lines drawn over pictures."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from realgap.analyses.geometry.tables import role
from realgap.geometry import camera
from realgap.report import style

TITLES = {
    "unexplained_share": "length of lines that\nmeet nowhere, share",
    "family_residual_deg": "residual within\nfamilies, degrees",
    "off_square_deg": "camera: worst angle\noff square, degrees",
    "focal_ratio": "largest / smallest\nimplied focal length",
    "horizon_tilt_deg": "tilt of the horizon,\ndegrees",
    "halves_deg": "disagreement of the\nhalves, degrees",
    "longest_segment_share": "longest segment /\ndiagonal",
    "axis_aligned_share": "gradient energy along\nthe axes, share",
    "mirror_symmetry": "mirror symmetry,\ncorrelation",
    "edge_straightness": "straightness of edges,\ncoherence",
    "spectrum_slope": "slope of the spectrum,\nlog / log",
    "high_frequency_share": "power above half of\nNyquist, share",
}
CUES = {
    "pixels": "pixels (prequalification)",
    "segments": "line segments",
    "structure": "structure statistics",
    "field": "orientation field",
}
FAMILIES = ("#D55E00", "#0072B2", "#009E73")
OVERLAYS_A_LINE = 4
MARKERS = {"all": "D", "easy": "o", "unconfident": "s", "misclassified": "^"}


def measures(images: pd.DataFrame, names: Sequence[str]) -> plt.Figure:
    """A panel per measure, a row per source: median, middle half and middle 90 % of its images."""
    sns.set_theme(style="whitegrid", context="notebook")
    sources = list(images.source.unique())
    columns = min(len(names), 6 if len(names) > 6 else 3)
    lines = -(-len(names) // columns)
    size = (2.1 * columns + 1.8, lines * (0.3 * len(sources) + 1.0) + 0.4)
    figure, grid = plt.subplots(lines, columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axes, name in zip(grid.flat, names, strict=True):
        for row, source in enumerate(sources):
            values = images.loc[images.source == source, name].dropna()
            if len(values):
                _spread(axes, row, values, _colour(source))
        real = images.loc[images.source == "real", name].median()
        axes.axvline(real, color=style.COLOURS["real"], linestyle=":", linewidth=1)
        axes.set_title(TITLES[name], fontsize=9)
        axes.tick_params(labelsize=8)
    counts = images.groupby("source").size()
    labels = [f"{style.name(s)}\n{counts[s]:,} images" for s in sources]
    grid[0, 0].set_yticks(range(len(sources)), labels, fontsize=8)
    grid[0, 0].set_ylim(len(sources) - 0.5, -0.5)
    figure.supxlabel(
        "dot: median; thick: middle half of the images; thin: middle 90 %; dotted: median of real", fontsize=9
    )
    return figure


def cues(table: pd.DataFrame) -> plt.Figure:
    """A panel per cue, a row per source: AUC against real with its 95 % interval, over all images and by group."""
    sns.set_theme(style="whitegrid", context="notebook")
    kinds, sources = list(table.metric.unique()), list(table.source.unique())
    size = (2.9 * len(kinds) + 1.8, 0.55 * len(sources) + 1.5)
    figure, grid = plt.subplots(1, len(kinds), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axes, kind in zip(grid.flat, kinds, strict=True):
        for entry in table[(table.metric == kind) & table.auc.notna()].itertuples():
            row = sources.index(entry.source) + 0.18 * (list(MARKERS).index(entry.group) - 1.5)
            colour = _colour(entry.source)
            axes.plot([entry.auc_low, entry.auc_high], [row, row], color=colour, linewidth=1.5)
            filled = colour if entry.group == "all" else "white"
            axes.plot([entry.auc], [row], MARKERS[entry.group], color=colour, markersize=5, markerfacecolor=filled)
        axes.axvline(0.5, color="#444444", linestyle=":", linewidth=1)
        axes.set_xlim(0, 1.03)
        axes.set_title(CUES[kind], fontsize=10)
        axes.tick_params(labelsize=8)
    counts = table[table.group == "all"].groupby("source")[["n_real", "n_source"]].first()
    labels = [f"{style.name(s)}\n{counts.n_real[s]:,} real, {counts.n_source[s]:,}" for s in sources]
    grid[0, 0].set_yticks(range(len(sources)), labels, fontsize=8)
    grid[0, 0].set_ylim(len(sources) - 0.5, -0.5)
    shown = [group for group in MARKERS if table[table.group == group].auc.notna().any()]
    handles = [
        plt.Line2D(
            [],
            [],
            color="#444444",
            marker=MARKERS[g],
            linestyle="",
            markerfacecolor="#444444" if g == "all" else "white",
        )
        for g in shown
    ]
    names = {"all": "all images", **{g: f"{g} by pixels" for g in MARKERS if g != "all"}}
    figure.legend(
        handles, [names[g] for g in shown], loc="outside upper center", ncols=len(shown), fontsize=9, frameon=False
    )
    figure.supxlabel("AUC of telling a source from real (bar: 95 % interval; dotted: chance)", fontsize=9)
    return figure


def overlays(scenes: Sequence[Mapping[str, tuple]]) -> plt.Figure:
    """The same scenes of several sources side by side, with what was found in them drawn over.

    scenes: for each, source -> (image (H, W, 3), segments (N, 4) px, points (M, 3), measures of its lines by name).
    """
    sns.set_theme(style="white", context="notebook")
    sources = list(scenes[0])
    lines = -(-len(sources) // OVERLAYS_A_LINE)
    columns = -(-len(sources) // lines)
    figure = plt.figure(figsize=(2.6 * columns, 3.0 * lines * len(scenes) + 0.4), layout="constrained")
    blocks = figure.subfigures(len(scenes), 1, squeeze=False, hspace=0.03)[:, 0]
    for block, scene in zip(blocks, scenes, strict=True):
        grid = block.subplots(lines, columns, squeeze=False)
        for axes in grid.flat[len(sources) :]:
            axes.axis("off")
        for axes, source in zip(grid.flat, sources, strict=False):
            image, segments, points, measured = scene[source]
            _overlay(axes, image, segments, points)
            axes.set_title(style.name(source), fontsize=11)
            axes.set_xlabel(_in_words(measured), fontsize=9)
    figure.supxlabel(
        "segments by the vanishing point they meet in (grey: none); stars and arrows: where it is; dashed: horizon",
        fontsize=9,
    )
    return figure


def _in_words(measured: Mapping[str, float]) -> str:
    if np.isnan(measured["unexplained_share"]):
        return "fewer than three vanishing points"
    return f"{measured['unexplained_share']:.0%} meet nowhere, {measured['off_square_deg']:.0f}° off square"


def _overlay(axes: plt.Axes, image: np.ndarray, segments: np.ndarray, points: np.ndarray) -> None:
    height, width = image.shape[:2]
    axes.imshow(np.uint8(255 - (255 - image.astype(float)) * 0.7))
    points = points[:3]
    # the most vertical point first, so that one colour means much the same in every picture
    points = points[np.argsort(-np.abs(points[:, 1]) / np.maximum(np.hypot(*points[:, :2].T), 1e-12), kind="stable")]
    for (x1, y1, x2, y2), family in zip(segments, camera.families(points, segments), strict=True):
        colour = "#777777" if family < 0 else FAMILIES[family]
        axes.plot([x1, x2], [y1, y2], color=colour, linewidth=0.7 if family < 0 else 1.5, solid_capstyle="butt")
    if len(points) == 3:
        a, b, c = camera.horizon(points, width, height)
        ends = np.array([[-width, 2 * width], [-height, 2 * height]])
        across = abs(b) > abs(a)
        line = (ends[0], -(a * ends[0] + c) / b) if across else (-(b * ends[1] + c) / a, ends[1])
        axes.plot(*line, color="black", linestyle="--", linewidth=1)
    margin, middle = 0.22 * max(width, height), np.array([width - 1, height - 1]) / 2
    for point, colour in zip(points, FAMILIES, strict=False):
        way = point[:2] - point[2] * middle  # towards the point, or away from it: a line either way
        reach = (middle + 0.94 * margin) / np.maximum(np.abs(way), 1e-12)
        if abs(point[2]) > 1e-12 and (np.abs(way / point[2]) < middle + margin).all():
            axes.plot(*(middle + way / point[2]), "*", color=colour, markeredgecolor="black", markersize=11)
        else:
            way = way * (np.sign(point[2]) or 1)
            end = middle + way * reach.min()
            axes.annotate(
                "",
                end,
                end - 0.12 * width * way / np.linalg.norm(way),
                arrowprops={"color": colour, "width": 2, "headwidth": 8, "headlength": 7},
            )
    axes.set_xlim(-margin, width - 1 + margin)
    axes.set_ylim(height - 1 + margin, -margin)
    axes.set_xticks([])
    axes.set_yticks([])


def _spread(axes: plt.Axes, row: int, values: pd.Series, colour: str) -> None:
    low, lower, median, upper, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([low, high], [row, row], color=colour, linewidth=1.2)
    axes.plot([lower, upper], [row, row], color=colour, linewidth=4.5, solid_capstyle="butt")
    axes.plot([median], [row], "o", color="white", markeredgecolor=colour, markersize=5)


def _colour(source: str) -> str:
    return style.COLOURS.get(source, "#9A9A9A" if role(source) == "control" else style.OTHER)
