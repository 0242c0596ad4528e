"""Physics uses of trained models, and the classical methods that they compete with."""

from pyg_hep.analysis.entropy import prediction_entropy
from pyg_hep.analysis.tops import reconstruct_tops

__all__ = ["prediction_entropy", "reconstruct_tops"]
