"""Figures, plots and non-network baselines for trained models."""

from pyg_hep.evaluation import plots
from pyg_hep.evaluation.baseline import SummaryVariables, boosted_trees
from pyg_hep.evaluation.cost import break_even, cost_ratio
from pyg_hep.evaluation.object_variables import ObjectVariables
from pyg_hep.evaluation.plots import (
    compare_histograms,
    plot_confusion,
    plot_gains,
    plot_losses,
    plot_roc,
    plot_scores,
)
from pyg_hep.evaluation.report import classification_report, paired_difference
from pyg_hep.evaluation.similarity import ensemble_cka, linear_cka

__all__ = [
    "ObjectVariables",
    "SummaryVariables",
    "boosted_trees",
    "break_even",
    "classification_report",
    "compare_histograms",
    "cost_ratio",
    "ensemble_cka",
    "linear_cka",
    "paired_difference",
    "plot_confusion",
    "plot_gains",
    "plot_losses",
    "plot_roc",
    "plot_scores",
    "plots",
]
