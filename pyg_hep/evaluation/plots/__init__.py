"""Plots of trained classifiers and of samples side by side, each from arrays to one PNG; no new figures."""

from pyg_hep.evaluation.plots.confusion import plot_confusion
from pyg_hep.evaluation.plots.histograms import Sample, compare_histograms, plot_scores
from pyg_hep.evaluation.plots.points import plot_curves, plot_gains, plot_losses, plot_methods
from pyg_hep.evaluation.plots.roc import Run, plot_roc
from pyg_hep.evaluation.plots.style import COLOURS, integer_ticks, mark_outside, place_legend, png_figure

__all__ = [
    "COLOURS",
    "Run",
    "Sample",
    "compare_histograms",
    "integer_ticks",
    "mark_outside",
    "place_legend",
    "plot_confusion",
    "plot_curves",
    "plot_gains",
    "plot_losses",
    "plot_methods",
    "plot_roc",
    "plot_scores",
    "png_figure",
]
