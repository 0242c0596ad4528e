"""Collision events from Pythia 8 or Les Houches files through a parametrised detector, written as ROOT files.

An optional extra (``pip install pyg_hep[simulation]``): no other room imports it, and it reads no data sets.
"""

from pyg_hep.simulation.processes import PROCESSES, Process
from pyg_hep.simulation.runner import simulate

__all__ = ["PROCESSES", "Process", "simulate"]
