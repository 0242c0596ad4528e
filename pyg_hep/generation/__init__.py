"""Generation: noise schedule, parametrisation and sampler, which know nothing of each other's inside, and jets."""

from pyg_hep.generation.denoiser import Denoiser
from pyg_hep.generation.diffused_columns import DiffusedColumns
from pyg_hep.generation.jets import JetGenerator
from pyg_hep.generation.parametrisation import FlowVelocity, NoisePrediction, Parametrisation, VPrediction
from pyg_hep.generation.particles import generate_particles, jet_columns
from pyg_hep.generation.samplers import DDIM, FlowMidpoint, Sampler
from pyg_hep.generation.schedules import CosineSchedule, LinearPath, Schedule

__all__ = [
    "DDIM",
    "CosineSchedule",
    "Denoiser",
    "DiffusedColumns",
    "FlowMidpoint",
    "FlowVelocity",
    "JetGenerator",
    "LinearPath",
    "NoisePrediction",
    "Parametrisation",
    "Sampler",
    "Schedule",
    "VPrediction",
    "generate_particles",
    "jet_columns",
]
