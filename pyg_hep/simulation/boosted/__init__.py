"""Boosted jets as particle clouds, in the format of JetClass: ten classes, two detectors, one jet per entry."""

from pyg_hep.simulation.boosted.detectors import DETECTORS, Detector
from pyg_hep.simulation.boosted.processes import JET_PROCESSES, JetProcess
from pyg_hep.simulation.boosted.runner import simulate_jets

__all__ = ["DETECTORS", "JET_PROCESSES", "Detector", "JetProcess", "simulate_jets"]
