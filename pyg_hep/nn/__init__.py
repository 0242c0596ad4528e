"""Backbones and heads: from a batch of event graphs to a representation of each object and each event."""

from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.deep_sets import DeepSets
from pyg_hep.nn.dense_network import DenseNetwork
from pyg_hep.nn.event_transformer import EventTransformer
from pyg_hep.nn.explainable import Explainable
from pyg_hep.nn.generation_head import GenerationHead
from pyg_hep.nn.graph_network import GraphNetwork
from pyg_hep.nn.heads import LinearHead, reset_head
from pyg_hep.nn.id_tables import IdTables
from pyg_hep.nn.layout import Layout
from pyg_hep.nn.mlp import MLP
from pyg_hep.nn.pair_bias import PairBias
from pyg_hep.nn.particle_net import ParticleNet
from pyg_hep.nn.point_edge_transformer import PointEdgeTransformer
from pyg_hep.nn.representation import Representation
from pyg_hep.nn.transformer_layer import TransformerLayer

__all__ = [
    "MLP",
    "Backbone",
    "DeepSets",
    "DenseNetwork",
    "EventTransformer",
    "Explainable",
    "GenerationHead",
    "GraphNetwork",
    "IdTables",
    "Layout",
    "LinearHead",
    "PairBias",
    "ParticleNet",
    "PointEdgeTransformer",
    "Representation",
    "TransformerLayer",
    "reset_head",
]
