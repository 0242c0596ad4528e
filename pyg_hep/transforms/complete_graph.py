"""Complete graphs over the objects of each event, and the angular edge features all models share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_hep.kinematics import delta_phi, hypot


def complete_edges(counts: Tensor, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Edges of the disjoint union of complete graphs without self-loops, sorted by target, then source.

    Args:
        counts: nodes of each event, shape ``[B]``, int64; on the host where nothing shall wait for a device.
        device: where the edges are made; that of ``counts`` by default.

    Returns:
        ``edge_index`` of shape ``[2, E]`` (row 0 source j, row 1 target i) and the number of edges of each
        event, shape ``[B]``; E is the sum of n (n - 1).
    """
    num_nodes, per_event = int(counts.sum()), counts * (counts - 1)
    num_edges = int(per_event.sum())
    device = counts.device if device is None else device
    counts = counts.to(device, non_blocking=True)
    first_node = counts.cumsum(0) - counts
    # Incoming edges of every node: n - 1.
    degree = torch.repeat_interleave(counts - 1, counts, output_size=num_nodes)
    nodes = torch.arange(num_nodes, device=device)
    target = torch.repeat_interleave(nodes, degree, output_size=num_edges)
    first_edge = degree.cumsum(0) - degree
    position = torch.arange(num_edges, device=device) - first_edge[target]
    # Local sources run over 0..n-1 without the target's own place.
    start = torch.repeat_interleave(first_node, counts, output_size=num_nodes)
    local_target = (nodes - start)[target]
    source = start[target] + position + (position >= local_target).long()
    return torch.stack([source, target]), per_event.to(device, non_blocking=True)


def edge_features(p4: Tensor, edge_index: Tensor) -> Tensor:
    r"""Angular distances :math:`(\eta_j - \eta_i, \phi_j - \phi_i, \Delta R_{ij})` from target i to source j.

    Args:
        p4: (pt, eta, phi, mass), shape ``[N, 4]``.
        edge_index: shape ``[2, E]``; row 0 is the source j, row 1 the target i.

    Returns:
        Shape ``[E, 3]``; the azimuthal difference is wrapped into [-pi, pi).

    Source: Ho et al., arXiv:2412.10665, section III B.
    """
    eta, phi = p4[:, 1], p4[:, 2]
    source, target = edge_index[0], edge_index[1]
    d_eta = eta[source] - eta[target]
    d_phi = delta_phi(phi[source], phi[target])
    return torch.stack([d_eta, d_phi, hypot(d_eta, d_phi)], dim=-1)


def node_counts(data: Data) -> Tensor:
    """Nodes of each event of a ``Data`` (one event) or a ``Batch``, shape ``[B]``, int64."""
    if isinstance(data, Batch) or "ptr" in data:
        return data.ptr.diff()
    return torch.tensor([data.num_nodes], device=data.p4.device)


def set_momenta(data: Data, p4: Tensor) -> Data:
    """Give the objects new four-vectors, shape ``[N, 4]``; edge features that are there are made again."""
    data.p4 = p4
    if data.edge_index is not None and data.edge_attr is not None:
        data.edge_attr = edge_features(p4, data.edge_index)
    return data


@functional_transform("complete_graph")
class CompleteGraph(BaseTransform):
    r"""Connect every object of an event with every other one (functional name: ``complete_graph``).

    Adds ``edge_index`` (n (n - 1) edges per event, no self-loops, sorted by target, then source) and
    ``edge_attr`` :math:`(\Delta\eta, \Delta\phi, \Delta R)`. Works on one ``Data`` and on a ``Batch`` alike.
    """

    def forward(self, data: Data) -> Data:
        """Return ``data`` with ``edge_index`` and ``edge_attr``."""
        data.edge_index, _ = complete_edges(node_counts(data))
        data.edge_attr = edge_features(data.p4, data.edge_index)
        return data
