"""What a model is trained for: corruption, heads, loss and figures."""

from pyg_hep.objectives.base import Objective
from pyg_hep.objectives.classification import Classification
from pyg_hep.objectives.masked_objects import MaskedObjects
from pyg_hep.objectives.multi_label import MultiLabel
from pyg_hep.objectives.replaced_object import ReplacedObject

__all__ = ["Classification", "MaskedObjects", "MultiLabel", "Objective", "ReplacedObject"]
