"""Physics uses of trained models."""

from pyg_hep.analysis.entropy import prediction_entropy

__all__ = ["prediction_entropy"]
