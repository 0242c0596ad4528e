"""What a model is trained for: corruption, heads, loss and figures."""

from pyg_hep.objectives.base import Objective
from pyg_hep.objectives.classification import Classification
from pyg_hep.objectives.multi_label import MultiLabel

__all__ = ["Classification", "MultiLabel", "Objective"]
