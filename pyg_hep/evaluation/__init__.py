"""Figures, plots and non-network baselines for trained models."""

from pyg_hep.evaluation import plots
from pyg_hep.evaluation.baseline import SummaryVariables, boosted_trees
from pyg_hep.evaluation.learning_curves import Task, learning_curve
from pyg_hep.evaluation.plots import (
    compare_histograms,
    plot_confusion,
    plot_gains,
    plot_losses,
    plot_roc,
    plot_scores,
)
from pyg_hep.evaluation.report import classification_report, paired_difference

__all__ = [
    "SummaryVariables",
    "Task",
    "boosted_trees",
    "classification_report",
    "compare_histograms",
    "learning_curve",
    "paired_difference",
    "plot_confusion",
    "plot_gains",
    "plot_losses",
    "plot_roc",
    "plot_scores",
    "plots",
]
