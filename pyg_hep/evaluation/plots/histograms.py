"""Histograms of samples side by side, and of classifier scores; what a range hides is said in the legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.plots.binned import Binned, bin_edges, binned, values_and_weights
from pyg_hep.evaluation.plots.style import integer_ticks, looks, mark_outside, place_legend, place_legends, png_figure
from pyg_hep.metrics import as_array

Sample = ArrayLike | tuple[ArrayLike, ArrayLike]


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
        PygHepError: for scores of more than two classes, and for scores that are NaN or infinite.
    """
    y, values = as_array(target), as_array(score)
    if values.ndim == 2 and values.shape[1] == 2:
        values = values[:, 1]
    if values.ndim != 1:
        raise PygHepError(f"one score per event is needed, found shape {values.shape}: see plot_confusion")
    if not np.isfinite(values).all():
        raise PygHepError(f"{int((~np.isfinite(values)).sum())} scores are NaN or infinite")
    w = np.ones(len(y)) if weight is None else as_array(weight)
    edges = np.linspace(min(0.0, values.min()), max(1.0, values.max()), bins + 1)
    with png_figure(path) as figure:
        axes = figure.subplots()
        histograms = [binned(values[y == label], w[y == label], edges) for label in range(len(class_names))]
        for label, (name, (colour, _, style)) in enumerate(zip(class_names, looks(len(class_names)), strict=True)):
            _draw(axes, histograms[label], colour, style, name if (y == label).any() else f"{name} (no events)")
        _start_at_zero(axes, histograms)
        axes.set(xlabel="score", ylabel=f"fraction of events / {edges[1] - edges[0]:.3g}", xlim=edges[[0, -1]])
        place_legend(axes)


def compare_histograms(
    columns: Mapping[str, Mapping[str, Sample]], path: str | Path, *, bins: int = 30, ratio: str | None = None
) -> None:
    """Distributions of several samples in one panel per column, normalised, above their ratio to the first sample.

    The range holds the central 99 % of every sample, or all; arrows mark the sides where it hides entries, and the
    legend says what share of each sample's weights lies there (or how many entries, where that is less than 0.1 %),
    and how many entries are NaN or infinite (undefined for an event) and left out. Whole numbers get bins of whole
    numbers, steep distributions a logarithmic axis. Ratios outside of [0, 2], and those to an empty bin, are arrows
    at the edge.

    Args:
        columns: axis label with its unit (``"jet $p_T$ [GeV]"``) -> sample name -> values, or (values, weights).
        path: of the PNG.
        bins: bins of continuous columns.
        ratio: label of the lower panels; by default the name of the only other sample over that of the first.

    Raises:
        PygHepError: for a sample without finite values.
    """
    if not columns or not all(columns.values()):
        raise PygHepError("compare_histograms needs at least one column with at least one sample")
    across = min(3, len(columns))
    down = math.ceil(len(columns) / across)
    with png_figure(path, size=(5.6 * across, 5.0 * down)) as figure:
        grid = figure.add_gridspec(down, across)
        panels = []
        for i, (label, samples) in enumerate(columns.items()):
            arrays = {name: values_and_weights(sample, f"{name}, {label}") for name, sample in samples.items()}
            edges = bin_edges([values for values, _, _ in arrays.values()], bins)
            whole = all((values == np.round(values)).all() for values, _, _ in arrays.values())
            histograms = {name: binned(values, w, edges, undefined) for name, (values, w, undefined) in arrays.items()}
            place = grid[i // across, i % across]
            if len(samples) == 1:  # nothing to divide
                upper = figure.add_subplot(place)
                bottom = upper
            else:
                inner = place.subgridspec(2, 1, height_ratios=(3, 1), hspace=0.06)
                upper = figure.add_subplot(inner[0])
                bottom = figure.add_subplot(inner[1], sharex=upper)
                _ratios(bottom, histograms, ratio)
                upper.tick_params(labelbottom=False)
            _distributions(upper, histograms)
            bottom.set_xlabel(label)
            if whole:
                integer_ticks(bottom.xaxis)
            panels.append(upper)
        # Placed when all panels have their size.
        before = [axes.get_ylim() for axes in panels], figure.get_size_inches().tolist()
        place_legends(panels, fontsize=11)
        if ([axes.get_ylim() for axes in panels], figure.get_size_inches().tolist()) == before:
            figure.set_layout_engine("none")  # the panels have their places, and finding them again takes as long


def _distributions(axes: Axes, histograms: Mapping[str, Binned]) -> None:
    first = next(iter(histograms.values()))
    steep = first.contents.max() > 10 * max(float(np.median(first.contents)), 1e-12)
    for (name, histogram), (colour, _, style) in zip(histograms.items(), looks(len(histograms)), strict=True):
        note = histogram.note()
        _draw(axes, histogram, colour, style, f"{name}\n{note}" if note else name)
    edges = first.edges
    axes.set(ylabel="fraction / bin", xlim=edges[[0, -1]])
    if steep:
        axes.set_yscale("log")
        for histogram, (colour, _, _) in zip(histograms.values(), looks(len(histograms)), strict=True):
            negative = np.where(histogram.contents < 0, -np.inf, np.nan)
            mark_outside(axes, histogram.middle, negative, colour)
    else:
        _start_at_zero(axes, histograms.values())
    for side, (marker, place) in {"above": (">", 0.985), "below": ("<", 0.015)}.items():
        if any(getattr(histogram, f"entries_{side}") for histogram in histograms.values()):
            axes.plot(
                [place], [0.03], marker, color="black", markersize=7, transform=axes.transAxes, gid=f"entries {side}"
            )


def _ratios(axes: Axes, histograms: Mapping[str, Binned], label: str | None) -> None:
    (name, reference), *others = histograms.items()
    colours = [colour for colour, _, _ in looks(len(histograms))]
    band = np.divide(
        reference.errors, reference.contents, out=np.zeros_like(reference.errors), where=reference.contents > 0
    )
    axes.stairs(1 + band, reference.edges, baseline=1 - band, fill=True, color="grey", alpha=0.3)
    axes.axhline(1.0, color=colours[0], linewidth=1.2)
    if label is None:
        label = f"{others[0][0]} / {name}" if len(others) == 1 else f"ratio to {name}"
    axes.set_ylim(0, 2)
    for (_, histogram), colour in zip(others, colours[1:], strict=True):
        filled = reference.contents > 0
        # Anything over nothing lies above every range; nothing over nothing is no point.
        empty = np.where(histogram.contents > 0, np.inf, np.where(histogram.contents < 0, -np.inf, np.nan))
        values = np.divide(histogram.contents, reference.contents, out=empty, where=filled)
        errors = np.divide(histogram.errors, reference.contents, out=np.full_like(empty, np.nan), where=filled)
        shown = np.isfinite(values)
        axes.errorbar(histogram.middle[shown], values[shown], errors[shown], fmt="o", markersize=3.5, color=colour)
        mark_outside(axes, histogram.middle, values, colour)
    # A long name does not fit beside the small panel.
    axes.set_ylabel(label if len(label) < 15 else "ratio", fontsize=11, loc="center", labelpad=7)


def _draw(axes: Axes, histogram: Binned, colour: str, style: str, name: str) -> None:
    axes.stairs(histogram.contents, histogram.edges, color=colour, linewidth=1.8, linestyle=style, label=name)
    axes.errorbar(histogram.middle, histogram.contents, histogram.errors, fmt="none", ecolor=colour, elinewidth=1.2)


def _start_at_zero(axes: Axes, histograms: Iterable[Binned]) -> None:
    """The axis starts at 0, or below where negative weights bring a bin there."""
    histograms = list(histograms)
    if min(float(h.contents.min()) for h in histograms) < 0:
        axes.set_ylim(bottom=1.05 * min(float((h.contents - h.errors).min()) for h in histograms))
        axes.axhline(0.0, color="grey", linewidth=0.8)
    else:
        axes.set_ylim(bottom=0)
