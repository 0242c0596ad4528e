"""Layers that move information between the objects of an event, each a PyG ``MessagePassing``."""

from pyg_hep.nn.conv.attention import MultiHeadAttention
from pyg_hep.nn.conv.class_attention import ClassAttention
from pyg_hep.nn.conv.edge_block import EdgeConvolutionBlock
from pyg_hep.nn.conv.edge_convolution import EdgeConvolution
from pyg_hep.nn.conv.graph_network import GraphNetworkBlock

__all__ = ["ClassAttention", "EdgeConvolution", "EdgeConvolutionBlock", "GraphNetworkBlock", "MultiHeadAttention"]
