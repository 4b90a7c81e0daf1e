"""Forms of figures that several analyses share: intervals in small multiples, heat maps, lines, pairs of images."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from realgap.report.style import COLOURS, MARKS, OTHER, line, name


def intervals(
    frame: pd.DataFrame,
    facet: str,
    facets: Mapping[str, str],
    *,
    zero: float | Mapping[str, float] | None,
    n: str,
    columns: int = 5,
) -> plt.Figure:
    """Values with their intervals: a row per training set, a panel per value of the column `facet`.

    frame: training_set, value, low, high, `facet`, and a column `series` if a row has several marks (the first
    open, the last filled). facets: value -> label of the axis with its unit. zero: where the reference is, in all
    panels or in each.
    """
    sns.set_theme(style="whitegrid", context="notebook")
    rows = list(dict.fromkeys(frame.training_set))
    series = list(dict.fromkeys(frame.series)) if "series" in frame else [None]
    columns = min(columns, len(facets))
    lines = -(-len(facets) // columns)
    size = (2.4 * columns + 2, lines * (0.42 * len(rows) * max(1, 0.7 * len(series)) + 1.3) + 0.4)
    figure, grid = plt.subplots(lines, columns, figsize=size, sharey=True, squeeze=False)
    for axes, (key, label) in zip(grid.flat, facets.items(), strict=False):
        for mark, one in enumerate(series):
            chosen = frame[(frame[facet] == key) & ((frame.series == one) if one is not None else True)]
            _draw_intervals(axes, chosen, rows, (mark - (len(series) - 1) / 2) * 0.3, filled=mark == len(series) - 1)
        if zero is not None:
            axes.axvline(zero[key] if isinstance(zero, Mapping) else zero, color="black", linestyle=":", linewidth=1)
        axes.set_xlabel(label, fontsize=9)
        axes.tick_params(axis="x", labelsize=8)
        axes.xaxis.set_major_locator(plt.MaxNLocator(4))
        axes.set_yticks(range(len(rows)), [name(row) for row in rows], fontsize=10)
        axes.set_ylim(len(rows) - 0.5, -0.5)
    for axes in grid.flat[len(facets) :]:
        axes.set_visible(False)
    sns.despine(figure, left=True)
    _legend(figure, series, n)
    figure.tight_layout()
    return figure


def by_class_heat(measured: pd.DataFrame, metrics: Sequence[str], class_names: Sequence[str]) -> plt.Figure:
    """Differences to the control per class: a heat map a metric, of source, class, metric, difference, sure.

    A dot marks cells that are `sure`: they stand out among all classes.
    """
    sns.set_theme(style="white", context="notebook")
    chosen = measured[measured.difference.notna() & (measured["class"] != "all")]
    n_sets = chosen.source.nunique()
    size = (max(6, 0.75 * len(class_names) + 2), (0.5 * n_sets + 1.2) * len(metrics) + 0.3)
    figure, all_axes = plt.subplots(len(metrics), 1, figsize=size, squeeze=False)
    for axes, metric in zip(all_axes[:, 0], metrics, strict=True):
        rows = chosen[chosen.metric == metric]
        order = list(dict.fromkeys(rows.source))
        values, sure = (
            rows.pivot(index="source", columns="class", values=what).loc[order, list(class_names)]
            for what in ("difference", "sure")
        )
        heat(axes, values, sure, f"{metric}:\ndifference to real")
    figure.tight_layout()
    return figure


def heat(axes: plt.Axes, values: pd.DataFrame, sure: pd.DataFrame, label: str) -> None:
    """A heat map of differences, each cell with its number, one that is sure with a dot."""
    texts = values.map(lambda v: f"{v:+.2f}") + sure.map(lambda s: "\n•" if s else "")
    limit = float(np.nanmax(np.abs(values.to_numpy()))) or 1.0
    sns.heatmap(
        values,
        ax=axes,
        annot=texts,
        fmt="",
        cmap="RdGy",
        center=0,
        vmin=-limit,
        vmax=limit,
        annot_kws={"fontsize": 8},
        cbar_kws={"label": label},
    )
    axes.set_yticklabels([name(row) for row in values.index], rotation=0, fontsize=9)
    axes.set_xticklabels(values.columns, rotation=45, ha="right", fontsize=9)
    axes.set(xlabel="", ylabel="")


def lines(shown: pd.DataFrame) -> tuple[plt.Figure, plt.Axes]:
    """A line per training set through x, y, with low and high as bars; marks and dashes differ for grey print."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(7.5, 4))
    _draw_lines(axes, shown, list(dict.fromkeys(shown.training_set)))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    sns.despine(figure)
    return figure, axes


def panels_of_lines(shown: pd.DataFrame, columns: int = 2) -> tuple[plt.Figure, list[plt.Axes]]:
    """As `lines`, a panel for each value of the column `panel`; its column `line` says which lines are of one look."""
    sns.set_theme(style="whitegrid", context="notebook")
    panels, keys = list(dict.fromkeys(shown.panel)), list(dict.fromkeys(shown.line))
    rows = -(-len(panels) // columns)
    size = (4.2 * min(columns, len(panels)) + 1, 3.2 * rows + 0.5)
    figure, grid = plt.subplots(rows, min(columns, len(panels)), figsize=size, sharex=True, sharey=True, squeeze=False)
    used = list(grid.flat)[: len(panels)]
    for axes, panel in zip(used, panels, strict=True):
        _draw_lines(axes, shown[shown.panel == panel].assign(training_set=lambda own: own.line), keys)
        axes.set_title(panel, fontsize=10)
        axes.xaxis.set_tick_params(labelbottom=True)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    handles = {label: handle for axes in used for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    ordered = [name(key) for key in keys]
    figure.legend([handles[one] for one in ordered], ordered, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    sns.despine(figure)
    return figure, used


def _draw_lines(axes: plt.Axes, shown: pd.DataFrame, keys: Sequence[str]) -> None:
    """A line for each of the keys that `shown` has as training_set; each key has a look and a place beside x."""
    between = np.ptp(shown.x) / max(1, shown.x.nunique() - 1)
    step = between * min(0.05, 0.2 / len(keys)) if shown.low.notna().any() else 0
    for number, key in enumerate(keys):
        rows = shown[shown.training_set == key].sort_values("x")
        if rows.empty:
            continue
        x = rows.x + (number - (len(keys) - 1) / 2) * step
        colour, dashes = line(key, number)
        axes.plot(
            x, rows.y, color=colour, linestyle=dashes, marker=MARKS[number % len(MARKS)], markersize=6, label=name(key)
        )
        if rows.low.notna().any():
            axes.vlines(x, rows.low, rows.high, color=colour, linewidth=1.5)


def stay_possible(axes: plt.Axes) -> None:
    """Show percentages only: a t interval of two seeds may reach far beyond."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 102))


def pairs(found: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray, float]]]) -> plt.Figure:
    """A row per generator: generated image beside its nearest training image, with their distance, closest first.

    found: generator -> (generated uint8 (h, w, 3), training image, distance) of each pair.
    """
    sns.set_theme(style="white", context="notebook")
    count = max(len(each) for each in found.values())
    figure, grid = plt.subplots(len(found), count, figsize=(1.5 * count + 1.2, 1.15 * len(found) + 0.4), squeeze=False)
    for row, (source, each) in enumerate(found.items()):
        for axes in grid[row]:
            axes.axis("off")
        for axes, (generated, real, distance) in zip(grid[row], each, strict=False):
            gap = np.full((len(real), max(1, real.shape[1] // 8), 3), 255, np.uint8)
            axes.imshow(np.concatenate([generated, gap, real], axis=1), interpolation="nearest")
            axes.set_title(f"{distance:.3g}", fontsize=9, pad=2)
        grid[row, 0].text(
            -0.08,
            0.5,
            name(source).replace(" ", "\n"),
            transform=grid[row, 0].transAxes,
            fontsize=9,
            ha="right",
            va="center",
        )
    figure.tight_layout(w_pad=0.6)
    return figure


def losses(traces: Mapping[str, Sequence[float]]) -> plt.Figure:
    """The loss of every optimiser step of each part as grey, the mean over each hundredth of training as a line."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, grid = plt.subplots(1, len(traces), figsize=(4.2 * len(traces), 3), squeeze=False)
    for axes, (part, values) in zip(grid[0], traces.items(), strict=True):
        bounds = np.linspace(0, len(values), min(100, len(values)) + 1).astype(int)
        means = [np.mean(values[low:high]) for low, high in zip(bounds, bounds[1:], strict=False)]
        axes.plot(np.arange(1, len(values) + 1), values, color="#b0b0b0", linewidth=0.5)
        axes.plot((bounds[:-1] + bounds[1:] + 1) / 2, means, color=COLOURS["diffusion_inversion"])
        axes.set(title=part, xlabel="optimiser step", ylabel="loss", ylim=(0, 1.5 * means[len(means) // 10]))
        axes.locator_params(axis="x", nbins=5)  # numbers of many steps would touch
        sns.despine(ax=axes, left=True)
    figure.tight_layout()
    return figure


def _draw_intervals(axes: plt.Axes, chosen: pd.DataFrame, rows: Sequence[str], shift: float, filled: bool) -> None:
    for entry in chosen.itertuples():
        place, colour = rows.index(entry.training_set) + shift, COLOURS.get(entry.training_set, OTHER)
        if np.isfinite(entry.low):
            axes.plot([entry.low, entry.high], [place, place], color=colour, linewidth=2 if filled else 1)
        axes.plot(
            [entry.value], [place], "D", color=colour, markersize=6, markerfacecolor=colour if filled else "white"
        )


def _legend(figure: plt.Figure, series: Sequence[str | None], n: str) -> None:
    """What the marks are, in words and in grey."""
    handles = [
        plt.Line2D([], [], marker="D", color="#555555", markerfacecolor="#555555" if last else "white", label=label)
        for label, last in ((label, number == len(series) - 1) for number, label in enumerate(series))
        if label is not None
    ]
    title = f"diamond: estimate; bar: 95 % interval; {n}"
    if handles:
        figure.legend(
            handles=handles,
            title=title,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=len(handles),
            fontsize=9,
            title_fontsize=9,
        )
    else:
        figure.text(0.5, 1.0, title, ha="center", va="bottom", fontsize=9)
