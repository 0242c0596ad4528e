"""Plots of trained classifiers and of samples side by side, each from arrays to one PNG; no new figures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import as_array, bootstrap, roc_auc, roc_curve

Sample = ArrayLike | tuple[ArrayLike, ArrayLike]

COLOURS = [
    *("#3f90da", "#bd1f01", "#832db6", "#ffa90e", "#a96b59"),
    *("#94a4a2", "#e76300", "#b9ac70", "#717581", "#92dadd"),
]
"""Distinct with common colour-vision deficiencies: the set of ten of Petroff, arXiv:2107.02270, reordered."""

_SETTINGS: dict[str, Any] = {
    "figure.figsize": (7.0, 5.5),
    "font.size": 14,
    "axes.labelsize": 15,
    "xtick.labelsize": 13,
    "ytick.labelsize": 13,
    "legend.fontsize": 12,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.linewidth": 1.2,
    "xtick.major.size": 7,
    "ytick.major.size": 7,
    "xtick.minor.size": 4,
    "ytick.minor.size": 4,
    "lines.linewidth": 1.8,
}


def plot_roc(
    models: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike | None]],
    path: str | Path,
    *,
    replicas: int = 100,
    seed: int = 0,
) -> None:
    """Background rejection against signal efficiency, with one standard deviation of the test sample as a band.

    Args:
        models: name -> (target, score of class 1, weight or None), each ``[N]``. The legend gives the AUC.
        path: of the PNG.
        replicas: resamplings for the bands.
        seed: of the resampling.
    """
    grid = np.linspace(0.05, 1.0, 96)

    def curve(y: np.ndarray, rank: np.ndarray, w: np.ndarray) -> np.ndarray:
        signal, background = roc_curve(y, rank, w)
        # Negative weights bend the curve back in places; its running maximum can be interpolated.
        efficiency = np.interp(grid, np.maximum.accumulate(signal), background)
        return np.append(np.log(np.clip(efficiency, 1.0 / len(y), None)), roc_auc(y, rank, w))

    with png_figure(path) as figure:
        axes = figure.subplots()
        for colour, (name, (target, score, weight)) in _coloured(models):
            y, values = as_array(target), as_array(score)
            w = np.ones(len(y)) if weight is None else as_array(weight).astype(np.float64)
            rank = np.unique(values, return_inverse=True)[1]
            value, error = bootstrap(curve, y, rank, w, replicas=replicas, seed=seed)
            label = f"{name}, AUC = {value[-1]:.4f} $\\pm$ {error[-1]:.4f}"
            axes.plot(grid, np.exp(-value[:-1]), color=colour, label=label)
            low, high = np.exp(-value[:-1] - error[:-1]), np.exp(-value[:-1] + error[:-1])
            axes.fill_between(grid, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(grid, 1.0 / grid, color="grey", linestyle=":", linewidth=1.2, label="random")
        axes.set(xlabel="signal efficiency", ylabel="background rejection", yscale="log", xlim=(0, 1))
        axes.legend()


def plot_scores(
    target: ArrayLike,
    score: ArrayLike,
    class_names: Sequence[str],
    path: str | Path,
    weight: ArrayLike | None = None,
    *,
    bins: int = 40,
) -> None:
    """Distribution of a classifier's score for each true class, each normalised to 1, with statistical errors.

    Args:
        target: class numbers, shape ``[N]``.
        score: probability of class 1, shape ``[N]``, or probabilities ``[N, 2]`` whose column 1 is used.
        class_names: one name per class number.
        path: of the PNG.
        weight: event weights, shape ``[N]``; 1 by default.
        bins: number of bins.

    Raises:
        PygHepError: for scores of more than two classes.
    """
    y, values = as_array(target), as_array(score)
    if values.ndim == 2 and values.shape[1] == 2:
        values = values[:, 1]
    if values.ndim != 1:
        raise PygHepError(f"one score per event is needed, found shape {values.shape}: see plot_confusion")
    w = np.ones(len(y)) if weight is None else as_array(weight)
    edges = np.linspace(min(0.0, values.min()), max(1.0, values.max()), bins + 1)
    with png_figure(path) as figure:
        axes = figure.subplots()
        for colour, (label, name) in _coloured(dict(enumerate(class_names))):
            contents, errors = _histogram(values[y == label], w[y == label], edges)
            _draw(axes, contents, errors, edges, colour, name)
        axes.set(xlabel="score", ylabel=f"fraction of events / {edges[1] - edges[0]:.3g}", xlim=edges[[0, -1]])
        axes.set_ylim(bottom=0)
        axes.legend()


def plot_losses(histories: Mapping[str, Sequence[Mapping[str, float]]], path: str | Path) -> None:
    """Training loss (dashed) and validation loss (solid, its minimum marked) of one or several runs by epoch.

    Args:
        histories: run name -> one entry per epoch with ``epoch``, ``train_loss`` and ``val_loss`` where known.
        path: of the PNG.
    """
    with png_figure(path) as figure:
        axes = figure.subplots()
        for colour, (name, history) in _coloured(histories):
            for key, style, what in (("train_loss", "--", "training"), ("val_loss", "-", "validation")):
                points = np.array([(e["epoch"] + 1, e[key]) for e in history if key in e], dtype=float).reshape(-1, 2)
                if not len(points):
                    continue
                axes.plot(*points.T, style, color=colour, label=f"{name}, {what}")
                if key == "val_loss" and np.isfinite(points[:, 1]).any():
                    axes.plot(*points[np.nanargmin(points[:, 1])], "o", color=colour)
        axes.set(xlabel="epoch", ylabel="loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()


def plot_gains(
    gains: Mapping[str, tuple[float, float]],
    path: str | Path,
    label: str = "gain in accuracy over scratch [percentage points]",
) -> None:
    """Gains with their errors, one row per task, against the line of no gain.

    Args:
        gains: task -> (gain, error) as fractions; the plot shows percentage points.
        path: of the PNG.
        label: of the axis.
    """
    values = 100.0 * np.array(list(gains.values()), dtype=float).reshape(-1, 2)
    rows = np.arange(len(gains))[::-1]
    with png_figure(path, size=(7.0, 1.8 + 0.55 * len(gains))) as figure:
        axes = figure.subplots()
        axes.axvline(0.0, color="grey", linestyle=":", linewidth=1.2)
        axes.errorbar(values[:, 0], rows, xerr=values[:, 1], fmt="o", capsize=4, color=COLOURS[0])
        for row, (value, error) in zip(rows, values, strict=True):
            axes.annotate(
                f"{value:+.2f} $\\pm$ {error:.2f}",
                (value, row),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
                fontsize=11,
            )
        axes.set_yticks(rows, list(gains))
        axes.tick_params(axis="y", which="both", left=False, right=False)
        axes.yaxis.minorticks_off()
        axes.set(xlabel=label, ylim=(-0.7, len(gains) - 0.2))
        # Room for the numbers of points at the edge.
        axes.margins(x=0.2)


def plot_curves(
    curves: Mapping[str, Mapping[int, tuple[float, float]]],
    path: str | Path,
    label: str,
    *,
    horizontal: str = "training events per class",
    reference: float | None = None,
    logarithmic: bool = False,
) -> None:
    """Figures with their errors against a number of events, one line per name.

    Args:
        curves: name -> number of events -> (figure, error).
        path: of the PNG.
        label: of the vertical axis.
        horizontal: label of the horizontal axis, which is logarithmic.
        reference: where a dotted line is drawn, such as 0 for gains and 1 for ratios.
        logarithmic: whether the vertical axis is logarithmic too.
    """
    with png_figure(path) as figure:
        axes = figure.subplots()
        if reference is not None:
            axes.axhline(reference, color="grey", linestyle=":", linewidth=1.2)
        for (name, points), colour in zip(curves.items(), itertools.cycle(COLOURS), strict=False):
            sizes = np.array(list(points), dtype=float)
            values = np.array(list(points.values()), dtype=float)
            axes.errorbar(
                sizes, values[:, 0], yerr=values[:, 1], fmt="o-", capsize=4, color=colour, label=name, alpha=0.85
            )
        axes.set(xscale="log", yscale="log" if logarithmic else "linear", xlabel=horizontal, ylabel=label)
        axes.legend(fontsize=12)


def plot_confusion(
    target: ArrayLike,
    probability: ArrayLike,
    class_names: Sequence[str],
    path: str | Path,
    weight: ArrayLike | None = None,
) -> None:
    """Fractions of each true class (row) that are predicted as each class (column).

    Args:
        target: class numbers, shape ``[N]``.
        probability: shape ``[N, C]``.
        class_names: one name per class number.
        path: of the PNG.
        weight: event weights, shape ``[N]``; 1 by default.

    Raises:
        PygHepError: when names and columns do not fit.
    """
    y, values, count = as_array(target), as_array(probability), len(class_names)
    if values.ndim != 2 or values.shape[1] != count:
        raise PygHepError(f"{count} class names for probabilities of shape {values.shape}")
    w = np.ones(len(y)) if weight is None else as_array(weight)
    sums = np.zeros((count, count))
    np.add.at(sums, (y, values.argmax(axis=1)), w)
    total = sums.sum(axis=1, keepdims=True)
    fractions = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    with png_figure(path, size=(3.2 + 0.75 * count, 2.2 + 0.75 * count)) as figure:
        axes = figure.subplots()
        image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(fractions):
            colour = "white" if value > 0.5 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=11)
        axes.set_xticks(range(count), class_names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), class_names)
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        axes.set(xlabel="predicted class", ylabel="true class")
        figure.colorbar(image, ax=axes, label="fraction of true class", shrink=0.8)


def compare_histograms(
    columns: Mapping[str, Mapping[str, Sample]], path: str | Path, *, bins: int = 30, ratio: str = "ratio"
) -> None:
    """Distributions of several samples in one panel per column, normalised, above their ratio to the first sample.

    The range holds 99 % of the first sample; whole numbers get one bin each, steep distributions
    a logarithmic axis. Entries that are NaN or infinite (undefined for an event) are left out.

    Args:
        columns: axis label with its unit (``"jet $p_T$ [GeV]"``) -> sample name -> values, or (values, weights).
        path: of the PNG.
        bins: bins of continuous columns.
        ratio: label of the lower panels.

    Raises:
        PygHepError: for a sample without finite values.
    """
    if not columns or not all(columns.values()):
        raise PygHepError("compare_histograms needs at least one column with at least one sample")
    across = min(3, len(columns))
    down = math.ceil(len(columns) / across)
    with png_figure(path, size=(5.6 * across, 5.0 * down)) as figure:
        grid = figure.add_gridspec(down, across)
        for i, (label, samples) in enumerate(columns.items()):
            inner = grid[i // across, i % across].subgridspec(2, 1, height_ratios=(3, 1), hspace=0.06)
            upper = figure.add_subplot(inner[0])
            _panel(upper, figure.add_subplot(inner[1], sharex=upper), label, samples, bins, ratio)


def _panel(upper: Axes, lower: Axes, label: str, samples: Mapping[str, Sample], bins: int, ratio: str) -> None:
    arrays = {name: _values_and_weights(sample, f"{name}, {label}") for name, sample in samples.items()}
    edges = _edges(next(iter(arrays.values()))[0], bins)
    reference: tuple[np.ndarray, np.ndarray] | None = None
    for colour, (name, (values, w)) in _coloured(arrays):
        contents, errors = _histogram(values, w, edges)
        _draw(upper, contents, errors, edges, colour, name)
        if reference is None:
            reference = contents, errors
            band = np.divide(errors, contents, out=np.zeros_like(errors), where=contents > 0)
            lower.stairs(1 + band, edges, baseline=1 - band, fill=True, color="grey", alpha=0.3)
            lower.axhline(1.0, color=colour, linewidth=1.2)
            steep = contents.max() > 10 * max(float(np.median(contents)), 1e-12)
        else:
            scale = np.divide(1.0, reference[0], out=np.full_like(contents, np.nan), where=reference[0] > 0)
            middle = 0.5 * (edges[1:] + edges[:-1])
            lower.errorbar(middle, contents * scale, errors * scale, fmt="o", markersize=3.5, color=colour)
    if steep:
        upper.set_yscale("log")
    else:
        # Room for the legend above the highest bin.
        upper.set_ylim(0, 1.35 * upper.get_ylim()[1])
    upper.set(ylabel="fraction / bin", xlim=edges[[0, -1]])
    upper.tick_params(labelbottom=False)
    upper.legend()
    lower.set(xlabel=label, ylabel=ratio, ylim=(0, 2))


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    low, high = np.quantile(values, [0.005, 0.995])
    if (values == np.round(values)).all() and high - low < 50:
        return np.arange(round(low), round(high) + 2) - 0.5
    # A distribution that starts at 0, as all momenta do, is shown from there.
    low = 0.0 if 0 <= low < 0.1 * high else low
    return np.linspace(low, high if high > low else low + 1.0, bins + 1)


def _values_and_weights(sample: Sample, what: str) -> tuple[np.ndarray, np.ndarray]:
    values, weight = sample if isinstance(sample, tuple) else (sample, None)
    values = as_array(values).astype(np.float64).ravel()
    w = np.ones(len(values)) if weight is None else as_array(weight).astype(np.float64).ravel()
    if len(values) != len(w):
        raise PygHepError(f"{what}: {len(values)} values with {len(w)} weights")
    kept = np.isfinite(values)
    if not kept.any():
        raise PygHepError(f"{what}: no finite value to plot")
    return values[kept], w[kept]


def _histogram(values: np.ndarray, w: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of the sum of weights, those outside the range included in the sum, and their errors."""
    contents, _ = np.histogram(values, edges, weights=w)
    squares, _ = np.histogram(values, edges, weights=w * w)
    total = w.sum()
    if total == 0:
        return np.zeros(len(contents)), np.zeros(len(contents))
    return contents / total, np.sqrt(squares) / abs(total)


def _draw(axes: Axes, contents: np.ndarray, errors: np.ndarray, edges: np.ndarray, colour: str, name: str) -> None:
    axes.stairs(contents, edges, color=colour, linewidth=1.8, label=name)
    middle = 0.5 * (edges[1:] + edges[:-1])
    axes.errorbar(middle, contents, errors, fmt="none", ecolor=colour, elinewidth=1.2)


def _coloured(items: Mapping[Any, Any]) -> list[tuple[str, tuple[Any, Any]]]:
    return [(COLOURS[i % len(COLOURS)], item) for i, item in enumerate(items.items())]


@contextmanager
def png_figure(path: str | Path, size: tuple[float, float] | None = None) -> Iterator[Figure]:
    """A figure in the field's style, written to ``path`` at the end; no display and no global state is touched."""
    path = Path(path)
    with mpl.rc_context():
        style: dict[Any, Any] = {**mplhep.style.CMS, **_SETTINGS}
        mpl.rcParams.update(style)
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        # An interrupt while drawing leaves an older plot as it was.
        unfinished = path.with_name(f".{path.name}.part")
        try:
            figure.savefig(unfinished, dpi="figure", format="png")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
