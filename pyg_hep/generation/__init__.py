"""Generation: noise schedule, parametrisation and sampler, three parts that know nothing of each other's inside."""

from pyg_hep.generation.parametrisation import FlowVelocity, NoisePrediction, Parametrisation, VPrediction
from pyg_hep.generation.samplers import DDIM, FlowMidpoint, Sampler
from pyg_hep.generation.schedules import CosineSchedule, LinearPath, Schedule

__all__ = [
    "DDIM",
    "CosineSchedule",
    "FlowMidpoint",
    "FlowVelocity",
    "LinearPath",
    "NoisePrediction",
    "Parametrisation",
    "Sampler",
    "Schedule",
    "VPrediction",
]
