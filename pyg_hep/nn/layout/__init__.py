"""How the objects of a batch lie in memory and who hears of whom; layers and backbones are written once over it."""

from pyg_hep.nn.layout.base import Layout, PairValues
from pyg_hep.nn.layout.complete import Complete
from pyg_hep.nn.layout.edges import Edges
from pyg_hep.nn.layout.groups import Groups
from pyg_hep.nn.layout.padded import Padded

__all__ = ["Complete", "Edges", "Groups", "Layout", "Padded", "PairValues"]
