"""Points and lines: losses by epoch, gains by task, figures against the number of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.plots.style import COLOURS, integer_ticks, looks, mark_outside, place_legend, png_figure

STYLES: dict[str, Any] = {"train_loss": "--", "val_loss": "-"}
"""Line style of each loss."""

Figure = tuple[float, float | None]
"""A figure and its error; None where a single run has none."""


def plot_losses(histories: Mapping[str, Sequence[Mapping[str, float]]], path: str | Path) -> None:
    """Training loss (dashed) and validation loss (solid, its minimum marked) of one or several runs by epoch.

    Args:
        histories: run name -> one entry per epoch with ``epoch``, ``train_loss`` and ``val_loss`` where known.
        path: of the PNG.

    Raises:
        PygHepError: when no entry has a loss.
    """
    if not any(
        key in entry for history in histories.values() for entry in history for key in ("train_loss", "val_loss")
    ):
        raise PygHepError(f"no loss to draw in the histories of {list(histories)}")
    with png_figure(path) as figure:
        axes = figure.subplots()
        handles = []
        for (name, history), (colour, _, _) in zip(histories.items(), looks(len(histories)), strict=True):
            lost = 0
            for key, style in STYLES.items():
                points = np.array([(e["epoch"] + 1, e[key]) for e in history if key in e], dtype=float).reshape(-1, 2)
                finite = np.isfinite(points[:, 1])
                lost = max(lost, int((~finite).sum()))
                if not finite.any():
                    continue
                # A line of one point is invisible.
                marker = "s" if finite.sum() == 1 else None
                axes.plot(points[:, 0], np.where(finite, points[:, 1], np.nan), style, color=colour, marker=marker)
                if key == "val_loss":
                    best = points[np.nanargmin(np.where(finite, points[:, 1], np.nan))]
                    axes.plot(*best, "o", color=colour, markersize=8)
            note = f" ({lost} {'epoch' if lost == 1 else 'epochs'} not finite)" if lost else ""
            handles.append(Line2D([], [], color=colour, label=f"{name}{note}"))
        handles.append(Line2D([], [], color="black", linestyle=STYLES["train_loss"], label="training"))
        handles.append(Line2D([], [], color="black", marker="o", label="validation, lowest marked"))
        axes.set(xlabel="epoch", ylabel="loss")
        integer_ticks(axes.xaxis)
        place_legend(axes, handles=handles)


def plot_gains(
    gains: Mapping[str, Figure],
    path: str | Path,
    label: str = "gain in accuracy over scratch [percentage points]",
) -> None:
    """Gains with their errors, one row per task, against the line of no gain.

    Args:
        gains: task -> (gain, error or None) as fractions; the plot shows percentage points.
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
                f"{round(value, 2) + 0.0:+.2f}" + (f" $\\pm$ {error:.2f}" if np.isfinite(error) else ""),
                (value, row),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
                fontsize=11,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
            )
        axes.set_yticks(rows, list(gains))
        axes.tick_params(axis="y", which="both", left=False, right=False)
        axes.yaxis.minorticks_off()
        axes.set(xlabel=label, ylim=(-0.7, len(gains) - 0.2))
        # Room for the numbers of points at the edge.
        axes.margins(x=0.2)


def plot_methods(
    figures: Mapping[str, Mapping[str, Figure]], path: str | Path, label: str, reference: str | None = None
) -> None:
    """A figure of several methods with its errors, one row per method, one panel per task.

    Args:
        figures: task -> method -> (figure, error or None) as fractions; the plot shows percent. A method that a task
            lacks has no point there.
        path: of the PNG.
        label: of the axis.
        reference: method whose figure and error are drawn as a line and a band, for the others to be seen against.

    Raises:
        PygHepError: without a figure.
    """
    methods = list(dict.fromkeys(name for row in figures.values() for name in row))
    if not methods:
        raise PygHepError("no figure of a method to draw")
    with png_figure(path, size=(1.0 + 4.6 * len(figures), 1.6 + 0.4 * len(methods))) as figure:
        panels = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
        for axes, (task, row) in zip(panels, figures.items(), strict=True):
            if reference is not None and reference in row:
                value, error = row[reference]
                axes.axvline(100.0 * value, color="grey", linestyle=":", linewidth=1.2)
                axes.axvspan(
                    100.0 * (value - (error or 0.0)), 100.0 * (value + (error or 0.0)), color="grey", alpha=0.2
                )
            places = [methods.index(name) for name in row]
            values = 100.0 * np.array(list(row.values()), dtype=float).reshape(-1, 2)
            axes.errorbar(values[:, 0], places, xerr=values[:, 1], fmt="o", capsize=4, color=COLOURS[0])
            axes.tick_params(axis="y", which="both", left=False, right=False)
            axes.yaxis.minorticks_off()
            axes.set(xlabel=label, title=task, ylim=(len(methods) - 0.4, -0.6))
        panels[0].set_yticks(range(len(methods)), methods)


def plot_curves(
    curves: Mapping[str, Mapping[int, Figure]],
    path: str | Path,
    label: str,
    *,
    horizontal: str = "training events per class",
    reference: float | None = None,
    logarithmic: bool = False,
) -> None:
    """Figures with their errors against a number of events, one line per name.

    Args:
        curves: name -> number of events -> (figure, error or None).
        path: of the PNG.
        label: of the vertical axis.
        horizontal: label of the horizontal axis, which is logarithmic.
        reference: where a dotted line is drawn, such as 0 for gains and 1 for ratios.
        logarithmic: whether the vertical axis is logarithmic too; arrows mark figures that are not positive.
    """
    with png_figure(path) as figure:
        axes = figure.subplots()
        if reference is not None:
            axes.axhline(reference, color="grey", linestyle=":", linewidth=1.2)
        drawn = []
        for (name, points), (colour, marker, style) in zip(curves.items(), looks(len(curves)), strict=True):
            sizes = np.array(list(points), dtype=float)
            values = np.array(list(points.values()), dtype=float).reshape(-1, 2)
            drawn.append((sizes, values[:, 0].copy(), colour))
            if logarithmic:
                values[values[:, 0] <= 0, 0] = np.nan
            axes.errorbar(
                sizes, values[:, 0], yerr=values[:, 1], fmt=f"{marker}{style}", capsize=4, color=colour, label=name,
                alpha=0.85,
            )  # fmt: skip
        axes.set(xscale="log", yscale="log" if logarithmic else "linear", xlabel=horizontal, ylabel=label)
        numbers = sorted({number for points in curves.values() for number in points})
        # The labels that matplotlib chooses overlap where numbers span little more than a power of ten.
        if len(numbers) <= 6 and all(b >= 2 * a > 0 for a, b in pairwise(numbers)):
            axes.set_xticks(numbers, [f"{number:,d}" for number in numbers])
            axes.xaxis.set_minor_formatter(NullFormatter())
        for sizes, figures, colour in drawn:
            mark_outside(axes, sizes, figures, colour)
        place_legend(axes)
