"""Model inputs made of random events, packed and padded, for tests of backbones; no physics in them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_hep.testing.events import random_events, with_features
from pyg_hep.transforms.complete_graph import complete_edges

NODE_INPUTS = ("x", "p4", "ids")
"""Columns of a model's input with one row per object."""

EVENT_INPUTS = ("u", "time")
"""Columns with one row per event."""


def random_inputs(
    counts: Sequence[int] | Tensor,
    in_channels: int = 7,
    event_channels: int = 0,
    id_channels: Sequence[int] = (),
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    time: bool = False,
) -> Batch:
    """A packed model input of random events: ``x``, ``p4``, ``batch``, ``ptr``, and ``u`` and ``ids`` where asked for.

    Args:
        counts: objects of each event.
        in_channels: width of ``x``; the first columns are those of :func:`with_features`.
        event_channels: width of ``u``; 0 for none.
        id_channels: table sizes of ``ids``; none for none.
        seed: of the random numbers.
        dtype: of the floating-point columns.
        time: whether there is a ``time``, uniform from 0 to 1.
    """
    events = with_features(random_events(counts, seed=seed, dtype=dtype))
    generator = torch.Generator().manual_seed(seed)
    nodes, number = events.num_nodes, events.num_graphs
    more = torch.randn(nodes, max(in_channels - events.x.size(1), 0), generator=generator, dtype=torch.float64)
    columns = {"x": torch.cat([events.x[:, :in_channels], more.to(dtype)], dim=1), "p4": events.p4}
    if id_channels:
        ids = [torch.randint(size, (nodes,), generator=generator) for size in id_channels]
        columns["ids"] = torch.stack(ids, dim=1)
    if event_channels:
        columns["u"] = torch.randn(number, event_channels, generator=generator, dtype=torch.float64).to(dtype)
    if time:
        columns["time"] = torch.rand(number, generator=generator, dtype=torch.float64).to(dtype)
    batch = Batch(_base_cls=Data, **columns, batch=events.batch, ptr=events.ptr, num_nodes=nodes)
    batch._store.__dict__["_num_nodes"] = events.ptr.diff().tolist()
    batch.__dict__["_num_graphs"] = number
    return batch


def padded(input: Data, places: int | None = None, fill: float = math.nan) -> Data:
    """The padded form of a packed input: ``mask`` [B, n] and columns [B, n, ...]; gradients pass through.

    Args:
        input: packed, with ``ptr``.
        places: n; two more than the largest event by default.
        fill: what stands in the padding; integers get -1.
    """
    counts = input.ptr.diff()
    places = int(counts.max()) + 2 if places is None else places
    mask = torch.arange(places, device=counts.device) < counts.unsqueeze(1)
    out = Data(mask=mask)
    for name in NODE_INPUTS:
        if name in input:
            column = input[name]
            empty = fill if column.is_floating_point() else -1
            out[name] = column.new_full((*mask.shape, *column.shape[1:]), empty).index_put((mask,), column)
    for name in EVENT_INPUTS:
        if name in input:
            out[name] = input[name]
    return out


def with_edges(input: Batch) -> Batch:
    """A copy of a packed input with the ``edge_index`` of complete graphs and an ``edge_attr`` that nobody may read."""
    out = input.clone()
    out.edge_index, _ = complete_edges(input.ptr.diff())
    out.edge_attr = torch.full((out.edge_index.size(1), 3), math.nan, dtype=input.x.dtype)
    return out
