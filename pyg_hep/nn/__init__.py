"""Backbones and heads: from a batch of event graphs to a representation of each object and each event."""

from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.graph_network import GraphNetwork
from pyg_hep.nn.heads import LinearHead, reset_head
from pyg_hep.nn.mlp import MLP
from pyg_hep.nn.representation import Representation

__all__ = ["MLP", "Backbone", "GraphNetwork", "LinearHead", "Representation", "reset_head"]
