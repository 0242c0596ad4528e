"""One Lightning module, ``pretrain`` and ``finetune``, schedules, parameter groups, checkpoints, saved models."""

from pyg_hep.training.event_model import EventModel
from pyg_hep.training.fit import FitResult, fit, summary
from pyg_hep.training.optimisation import Optimisation
from pyg_hep.training.predict import Predictions, own_card, predict, represent
from pyg_hep.training.pretrained import LoadReport, shipped_models
from pyg_hep.training.pretraining import finetune, pretrain
from pyg_hep.training.settings import TrainingSettings

__all__ = [
    "EventModel",
    "FitResult",
    "LoadReport",
    "Optimisation",
    "Predictions",
    "TrainingSettings",
    "finetune",
    "fit",
    "own_card",
    "predict",
    "pretrain",
    "represent",
    "shipped_models",
    "summary",
]
