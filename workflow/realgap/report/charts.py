"""The figures of the analyses: intervals in small multiples, heat maps, panels. One look with `figures`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from realgap.report.figures import COLOURS, name

OTHER = "#009E73"  # colour of a set that has none of its own
MARKS = "oDsv^P"
DASHES = ["-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]
NUMBERS = {
    "effective_area": "effective area,\nshare of the map",
    "gini": "Gini coefficient",
    "half_maximum_area": "area above half\nthe maximum, share",
    "spread": "spread,\nimage sides",
    "centre_weight": "weight in the\ncentral quarter, share",
}

METRICS = {
    "precision": "precision, share",
    "density": "density\n(1: as real images)",
    "recall": "recall, share",
    "coverage": "coverage, share",
}


def focus(compared: pd.DataFrame, reference: str = "real") -> plt.Figure:
    """Differences in each number of the maps (rows of analyses.attention.comparison, maps for the true label)."""
    compared = compared[compared.target == "true"]
    series = {"all": "all images, error rate included", "both_right": "images both get right"}
    parts = [compared[compared.stratum == stratum].assign(series=label) for stratum, label in series.items()]
    shown = pd.concat(parts).rename(columns={"difference": "value"})
    facets = {number: f"{label}\nminus {name(reference)}" for number, label in NUMBERS.items()}
    return intervals(shown, "number", facets, zero=0.0, n=f"{int(compared.n_seeds.max())} seeds")


def fidelity(answered: pd.DataFrame, control: str = "real") -> plt.Figure:
    """Every metric of every set (rows of analyses.fidelity.answer); the dotted line is the control's."""
    units = {"nearest_distance": "distance to the nearest\nreal image, median"}
    facets = {
        metric: units.get(
            metric, METRICS.get(metric, f"{metric},\nsquared feature units" if "fd" in metric else metric)
        )
        for metric in answered.metric.unique()
    }
    own = answered[answered.source == control].set_index("metric").value
    shown = answered.rename(columns={"source": "training_set"})
    return intervals(shown, "metric", facets, zero=own.to_dict(), n="bootstrap over images; dotted: real", columns=4)


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


def by_class_heat(measured: pd.DataFrame, metrics: Sequence[str], class_names: Sequence[str]) -> plt.Figure:
    """Differences to the control per class (rows of analyses.fidelity.measurements): a heat map a metric.

    A dot marks cells whose interval excludes zero.
    """
    sns.set_theme(style="white", context="notebook")
    chosen = measured[measured.difference.notna() & (measured["class"] != "all")]
    n_sets = chosen.source.nunique()
    size = (max(6, 0.75 * len(class_names) + 2), (0.5 * n_sets + 1.2) * len(metrics) + 0.3)
    figure, all_axes = plt.subplots(len(metrics), 1, figsize=size, squeeze=False)
    for axes, metric in zip(all_axes[:, 0], metrics, strict=True):
        rows = chosen[chosen.metric == metric].assign(sure=lambda x: (x.difference_low > 0) | (x.difference_high < 0))
        order = list(dict.fromkeys(rows.source))
        values, sure = (
            rows.pivot(index="source", columns="class", values=what).loc[order, list(class_names)]
            for what in ("difference", "sure")
        )
        heat(axes, values, sure, f"{metric}:\ndifference to real")
    figure.tight_layout()
    return figure


def heat(axes: plt.Axes, values: pd.DataFrame, sure: pd.DataFrame, label: str) -> None:
    """A heat map of differences, each cell with its number, one whose interval excludes zero with a dot."""
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
    open, the last filled). facets: value -> label of the axis with its unit. zero: where "no difference" is, in
    all panels or in each.
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


def detection(found: pd.DataFrame) -> plt.Figure:
    """AUC of each detector for each set (rows of analyses.detection.detections)."""
    shown = found.rename(columns={"source": "training_set", "auc": "value"})
    facets = {
        seen: f"AUC of a classifier on\n{seen if seen == 'pixels' else f'features of {seen}'}"
        for seen in found.sees.unique()
    }
    n = f"{int(found.n_images.iloc[0])} images of each side; dotted: not told apart"
    return intervals(shown, "sees", facets, zero=0.5, n=n)


def ratios(by_image: pd.DataFrame) -> plt.Figure:
    """Cumulative distributions of the ratio of distances (rows of analyses.memorisation.ratios), a panel per space."""
    sns.set_theme(style="whitegrid", context="notebook")
    spaces = list(by_image.space.unique())
    figure, grid = plt.subplots(1, len(spaces), figsize=(4.6 * len(spaces) + 1.8, 3.8), sharey=True, squeeze=False)
    for axes, space in zip(grid[0], spaces, strict=True):
        for number, (source, rows) in enumerate(by_image[by_image.space == space].groupby("source", sort=False)):
            colour, dashes = _style(source, number)
            sns.ecdfplot(
                rows.ratio.clip(0.02, 50), ax=axes, color=colour, linestyle=dashes, linewidth=2, label=name(source)
            )
        axes.axvline(1, color="black", linestyle=":", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlim(0.02, 5)
        axes.set_xticks([0.02, 0.1, 0.5, 1, 2, 5], ["0.02", "0.1", "0.5", "1", "2", "5"])
        axes.set_xlabel(f"distance to the nearest training image\nover nearest held-out image ({space})", fontsize=10)
        axes.set_ylabel("share of images below", fontsize=10)
    n = by_image.groupby(["space", "source"], sort=False).size()
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(),
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        fontsize=9,
        title=f"n = {n.min()} to {n.max()} images a set",
        title_fontsize=9,
    )
    sns.despine(figure)
    figure.tight_layout()
    return figure


def class_accuracy(by_class: pd.DataFrame, class_names: Sequence[str]) -> plt.Figure:
    """Accuracy of each class minus that of real (tables.over_seeds within class)."""
    shown = by_class.assign(source=by_class.training_set, metric="accuracy")
    return by_class_heat(shown, ["accuracy"], class_names)


def confusion(confused: pd.DataFrame, class_names: Sequence[str]) -> plt.Figure:
    """Confusion matrices minus that of real (rows of analyses.mistakes.confusions), in percentage points."""
    sns.set_theme(style="white", context="notebook")
    shown = [
        key for key in confused.training_set.unique() if confused[confused.training_set == key].difference.notna().any()
    ]
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    side = max(2.6, 0.3 * len(class_names) + 1.2)
    figure, grid = plt.subplots(
        lines, columns, figsize=(side * columns + 1, side * lines + 0.3), squeeze=False, layout="constrained"
    )
    limit = 100 * float(np.nanmax(np.abs(confused.difference)))
    for axes, key in zip(grid.flat, shown, strict=False):
        rows = confused[confused.training_set == key]
        values = (
            100
            * rows.pivot(index="class", columns="predicted", values="difference").loc[
                list(class_names), list(class_names)
            ]
        )
        sns.heatmap(
            values,
            ax=axes,
            cmap="RdGy_r",
            center=0,
            vmin=-limit,
            vmax=limit,
            cbar=False,
            square=True,
            linewidths=0.3,
            linecolor="#dddddd",
        )
        axes.set_title(name(key), fontsize=10)
        axes.set(xlabel="predicted", ylabel="true")
        axes.tick_params(labelsize=8)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    bar = figure.colorbar(grid[0, 0].collections[0], ax=grid, shrink=0.6)
    bar.set_label("difference to real,\npercentage points of the true class", fontsize=9)
    return figure


def edge(by_distance: pd.DataFrame) -> plt.Figure:
    """Accuracy by distance to the real training data, 95 % intervals over seeds (tables.over_seeds within edge_bin)."""
    bins = int(by_distance.edge_bin.max()) + 1
    shown = by_distance.assign(
        x=by_distance.edge_bin, y=100 * by_distance["mean"], low=100 * by_distance.low, high=100 * by_distance.high
    )
    figure, axes = _lines(shown)
    axes.set_xticks(range(bins), ["nearest", *map(str, range(2, bins)), "farthest"][:bins])
    axes.set_xlabel(
        "test images in equal parts of each class,\nby distance to the nearest real training image", fontsize=10
    )
    axes.set_ylabel("accuracy, %\n(95 % interval over seeds)", fontsize=10)
    _stay_possible(axes)
    return figure


def reliability(bins: pd.DataFrame) -> plt.Figure:
    """Accuracy against confidence (rows of analyses.mistakes.reliability), seeds pooled."""
    weighted = bins.assign(x=bins.confidence * bins.n_images, y=bins.accuracy * bins.n_images)
    pooled = weighted.groupby(["training_set", "bin_from"], sort=False)[["x", "y", "n_images"]].sum().reset_index()
    pooled = pooled[pooled.n_images >= 10].sort_values("bin_from")
    shown = pooled.assign(x=pooled.x / pooled.n_images, y=pooled.y / pooled.n_images, low=np.nan, high=np.nan)
    order = {key: number for number, key in enumerate(bins.training_set.unique())}
    figure, axes = _lines(shown.sort_values("training_set", key=lambda keys: keys.map(order), kind="stable"))
    axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1)
    axes.set_xlabel("confidence (probability of the predicted class)", fontsize=10)
    axes.set_ylabel("accuracy\n(bins of at least 10 images)", fontsize=10)
    return figure


def scaling(table: pd.DataFrame) -> plt.Figure:
    """Accuracy against generated images per real one (tables.over_seeds within multiple)."""
    shown = table.assign(x=np.log2(table.multiple), y=100 * table["mean"], low=100 * table.low, high=100 * table.high)
    figure, axes = _lines(shown)
    multiples = sorted(table.multiple.unique())
    axes.set_xticks(np.log2(multiples), [f"{multiple}" for multiple in multiples])
    axes.set_xlabel("generated images per real one", fontsize=10)
    axes.set_ylabel(f"accuracy, %\n(95 % interval over {int(table.n_seeds.max())} seeds)", fontsize=10)
    _stay_possible(axes)
    return figure


def transfer(table: pd.DataFrame) -> plt.Figure:
    """Accuracy by frozen stages and real images (rows of analyses.transfer.compare), a heat map per training set."""
    sns.set_theme(style="white", context="notebook")
    scratch = table[table.training_set == "scratch"].drop_duplicates("fraction").assign(frozen_stages="scratch")
    shown = [key for key in table.training_set.unique() if key != "scratch"]
    figure, grid = plt.subplots(1, len(shown), figsize=(3.9 * len(shown) + 1, 3.9), squeeze=False, layout="constrained")
    low, high = 100 * table["mean"].min(), 100 * table["mean"].max()
    for axes, key in zip(grid[0], shown, strict=True):
        rows = pd.concat([table[table.training_set == key], scratch])
        rows = rows.assign(
            text=[
                f"{100 * mean:.0f}{'•' if least > 0 or most < 0 else ''}"
                for mean, least, most in zip(rows["mean"], rows.difference_low, rows.difference_high, strict=True)
            ]
        )
        order = list(dict.fromkeys(rows.frozen_stages))
        values, texts = (
            rows.pivot(index="frozen_stages", columns="n_real", values=what).loc[order] for what in ("mean", "text")
        )
        sns.heatmap(
            100 * values,
            ax=axes,
            annot=texts,
            fmt="",
            cmap="viridis",
            vmin=low,
            vmax=high,
            cbar=False,
            annot_kws={"fontsize": 9},
        )
        axes.set_title(name(key), fontsize=11)
        axes.set(xlabel="real images tuned on", ylabel="frozen stages")
        axes.set_yticklabels(order, rotation=0)
    bar = figure.colorbar(grid[0, 0].collections[0], ax=grid)
    bar.set_label("accuracy, %", fontsize=10)
    return figure


def _lines(shown: pd.DataFrame) -> tuple[plt.Figure, plt.Axes]:
    """A line per training set through x, y, with low and high as bars; marks and dashes differ for grey print."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(7.5, 4))
    keys = list(dict.fromkeys(shown.training_set))
    step = 0.05 * np.ptp(shown.x) / max(1, shown.x.nunique() - 1) if shown.low.notna().any() else 0
    for number, key in enumerate(keys):
        rows = shown[shown.training_set == key].sort_values("x")
        x = rows.x + (number - (len(keys) - 1) / 2) * step
        colour, dashes = _style(key, number)
        axes.plot(
            x, rows.y, color=colour, linestyle=dashes, marker=MARKS[number % len(MARKS)], markersize=6, label=name(key)
        )
        if rows.low.notna().any():
            axes.vlines(x, rows.low, rows.high, color=colour, linewidth=1.5)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    sns.despine(figure)
    return figure, axes


def _stay_possible(axes: plt.Axes) -> None:
    """Show percentages only: a t interval of two seeds may reach far beyond."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 102))


def _style(key: str, number: int) -> tuple[str, object]:
    """Colour and dashes of a set."""
    return COLOURS.get(key, OTHER), DASHES[number % len(DASHES)]


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
