"""Comparisons of ways to train: tasks, methods, records, statistics, and one folder for each paper."""

from pyg_hep.studies.curves import learning_curve
from pyg_hep.studies.methods import FineTuned, Fitted, FromScratch, Method, Trees
from pyg_hep.studies.records import Records
from pyg_hep.studies.task import Size, Task
from pyg_hep.studies.tuned import Tuned

__all__ = [
    "FineTuned",
    "Fitted",
    "FromScratch",
    "Method",
    "Records",
    "Size",
    "Task",
    "Trees",
    "Tuned",
    "learning_curve",
]
