"""Comparisons of ways to train: tasks, methods, records, statistics, and one folder for each paper."""

from pyg_hep.studies.curves import learning_curve
from pyg_hep.studies.methods import FineTuned, Fitted, FromScratch, Method, Trees, Tunable
from pyg_hep.studies.records import Records
from pyg_hep.studies.task import Size, Task
from pyg_hep.studies.tuned import Tuned
from pyg_hep.studies.ways import LinearProbe, Mean, StackedTrees, cross_validate

__all__ = [
    "FineTuned",
    "Fitted",
    "FromScratch",
    "LinearProbe",
    "Mean",
    "Method",
    "Records",
    "Size",
    "StackedTrees",
    "Task",
    "Trees",
    "Tunable",
    "Tuned",
    "cross_validate",
    "learning_curve",
]
