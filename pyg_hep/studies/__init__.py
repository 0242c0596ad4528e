"""Comparisons of ways to train: tasks, methods, records, statistics, and one folder for each paper."""

from pyg_hep.studies.learning_curve import learning_curve
from pyg_hep.studies.methods import FineTuned, Fitted, FromScratch, Method, Trees
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.records import Records
from pyg_hep.studies.task import Size, Task

__all__ = [
    "FineTuned",
    "Fitted",
    "FromScratch",
    "Method",
    "Records",
    "Run",
    "Size",
    "Task",
    "Trees",
    "learning_curve",
    "plan",
]
