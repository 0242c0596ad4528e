"""Graph to graph, on one ``Data`` or on a whole ``Batch`` alike; nothing here keeps state between events."""

from pyg_hep.transforms.add_nodes import AddNodes
from pyg_hep.transforms.complete_graph import CompleteGraph
from pyg_hep.transforms.lorentz_augment import LorentzAugment
from pyg_hep.transforms.mask_objects import MaskObjects
from pyg_hep.transforms.mask_particles import MaskParticles
from pyg_hep.transforms.random_transform import RandomTransform
from pyg_hep.transforms.replace_object import ReplaceObject
from pyg_hep.transforms.select_nodes import SelectNodes

__all__ = [
    "AddNodes",
    "CompleteGraph",
    "LorentzAugment",
    "MaskObjects",
    "MaskParticles",
    "RandomTransform",
    "ReplaceObject",
    "SelectNodes",
]
