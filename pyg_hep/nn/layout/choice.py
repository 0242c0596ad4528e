"""Which layout an input has, and what is known of its events without waiting for a device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError
from pyg_hep.nn.layout.base import Layout
from pyg_hep.nn.layout.complete import Complete
from pyg_hep.nn.layout.edges import Edges
from pyg_hep.nn.layout.observed import is_observed
from pyg_hep.nn.layout.padded import Padded


def choose(input: Data, layers: Sequence[MessagePassing]) -> Layout:
    """See :meth:`~pyg_hep.nn.layout.Layout.of`."""
    observed = any(is_observed(layer) for layer in layers)
    if "mask" in input:
        if observed:
            raise ConfigError(
                "explainers and message-passing hooks see packed events only: give a batch without a mask"
            )
        return Padded(input.mask)
    counts, device, nodes = event_counts(input), input.x.device, input.x.size(0)
    edge_index = input.edge_index
    if edge_index is not None:
        return Edges(edge_index, counts, nodes)
    complete = Complete(counts, nodes, device)
    return Edges(complete.graphs.edge_index, counts, nodes) if observed else complete


def event_counts(input: Data) -> Tensor:
    """Objects of each event, shape ``[B]``, int64, on the host where they are known there.

    A loader leaves the numbers beside the batch (``_num_nodes``), on the host whatever the device of the columns.
    """
    if "ptr" not in input:
        return torch.tensor([input.x.size(0)])
    counts: Tensor = input.ptr.diff()
    if counts.device.type == "cpu":
        return counts
    kept = input._store.__dict__.get("_num_nodes")
    if kept is not None and len(kept) == counts.numel() and sum(kept) == input.x.size(0):
        return torch.tensor(kept, dtype=torch.int64)
    return counts
