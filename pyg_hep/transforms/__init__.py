"""Graph to graph, on one ``Data`` or on a whole ``Batch`` alike; nothing here keeps state between events."""

from pyg_hep.transforms.complete_graph import CompleteGraph
from pyg_hep.transforms.lorentz_augment import LorentzAugment
from pyg_hep.transforms.mask_objects import MaskObjects
from pyg_hep.transforms.node_features import NodeFeatures
from pyg_hep.transforms.replace_object import ReplaceObject

__all__ = ["CompleteGraph", "LorentzAugment", "MaskObjects", "NodeFeatures", "ReplaceObject"]
