"""Figures, plots and non-network baselines for trained models; each is imported when it is first asked for."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_hep.evaluation import plots
    from pyg_hep.evaluation.baseline import SummaryVariables, boosted_trees
    from pyg_hep.evaluation.cost import break_even, cost_ratio
    from pyg_hep.evaluation.flow_polynomials import energy_flow_polynomials
    from pyg_hep.evaluation.generation import (
        Distance,
        frechet_distance,
        generation_report,
        sample_distance,
        wasserstein_distance,
    )
    from pyg_hep.evaluation.jets import jet_observables
    from pyg_hep.evaluation.object_variables import ObjectVariables
    from pyg_hep.evaluation.plots import (
        compare_histograms,
        plot_confusion,
        plot_gains,
        plot_losses,
        plot_roc,
        plot_scores,
    )
    from pyg_hep.evaluation.regression import boosted_regression
    from pyg_hep.evaluation.report import classification_report, paired_difference
    from pyg_hep.evaluation.similarity import ensemble_cka, linear_cka
    from pyg_hep.evaluation.two_sample import TwoSample, two_sample_auc

__all__ = [
    "Distance",
    "ObjectVariables",
    "SummaryVariables",
    "TwoSample",
    "boosted_regression",
    "boosted_trees",
    "break_even",
    "classification_report",
    "compare_histograms",
    "cost_ratio",
    "energy_flow_polynomials",
    "ensemble_cka",
    "frechet_distance",
    "generation_report",
    "jet_observables",
    "linear_cka",
    "paired_difference",
    "plot_confusion",
    "plot_gains",
    "plot_losses",
    "plot_roc",
    "plot_scores",
    "plots",
    "sample_distance",
    "two_sample_auc",
    "wasserstein_distance",
]

# Looking at a file needs neither torch nor scikit-learn, which take seconds to import.
_MODULES = {
    "baseline": ("SummaryVariables", "boosted_trees"),
    "cost": ("break_even", "cost_ratio"),
    "flow_polynomials": ("energy_flow_polynomials",),
    "generation": ("Distance", "frechet_distance", "generation_report", "sample_distance", "wasserstein_distance"),
    "jets": ("jet_observables",),
    "object_variables": ("ObjectVariables",),
    "plots": ("compare_histograms", "plot_confusion", "plot_gains", "plot_losses", "plot_roc", "plot_scores"),
    "regression": ("boosted_regression",),
    "report": ("classification_report", "paired_difference"),
    "similarity": ("ensemble_cka", "linear_cka"),
    "two_sample": ("TwoSample", "two_sample_auc"),
}


def __getattr__(name: str) -> Any:
    if name == "plots":
        return importlib.import_module("pyg_hep.evaluation.plots")
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"pyg_hep.evaluation.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
