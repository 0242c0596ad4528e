"""What a model is trained for: passes, corruption, heads, loss, figures, predictions."""

from pyg_hep.objectives.base import Loss, NodeColumn, Objective, Step
from pyg_hep.objectives.classification import Classification
from pyg_hep.objectives.diffusion import Diffusion
from pyg_hep.objectives.event_inputs import EventInputs
from pyg_hep.objectives.joint import Joint
from pyg_hep.objectives.masked_four_vectors import MaskedFourVectors
from pyg_hep.objectives.masked_objects import MaskedObjects
from pyg_hep.objectives.meters import Metric
from pyg_hep.objectives.multi_label import MultiLabel
from pyg_hep.objectives.regression import Regression
from pyg_hep.objectives.replaced_object import ReplacedObject
from pyg_hep.objectives.top_flow import TopFlow

__all__ = [
    "Classification",
    "Diffusion",
    "EventInputs",
    "Joint",
    "Loss",
    "MaskedFourVectors",
    "MaskedObjects",
    "Metric",
    "MultiLabel",
    "NodeColumn",
    "Objective",
    "Regression",
    "ReplacedObject",
    "Step",
    "TopFlow",
]
