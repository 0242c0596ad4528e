"""PyG's per-event hooks, ``pre_transform`` and ``pre_filter``, on the columns of a chunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from pyg_hep.datasets.storage import NOT_IN_GRAPHS
from pyg_hep.errors import ConfigError
from pyg_hep.readers import EventColumns
from pyg_hep.schema import Column

GraphFunction = Callable[[Data], Any] | None


def preprocess(
    chunk: EventColumns, node_columns: Mapping[str, Column], pre_transform: GraphFunction, pre_filter: GraphFunction
) -> EventColumns:
    """Filter and transform event by event; this is the one slow path, taken only when a hook is given.

    Args:
        chunk: the events.
        node_columns: what is stored of their nodes.
        pre_transform: graph to graph, or None.
        pre_filter: which graphs stay, or None.

    Raises:
        ConfigError: when ``pre_transform`` adds or removes a column: what is stored is fixed by the schema.
    """
    node_names = list(node_columns)
    event_names = [n for n in chunk.events if n not in NOT_IN_GRAPHS]
    graphs, rows = [], []
    ends = np.cumsum(chunk.counts)
    for row, (start, stop) in enumerate(zip(ends - chunk.counts, ends, strict=True)):
        columns = {
            n: torch.as_tensor(chunk.nodes[n][start:stop]).to(getattr(torch, node_columns[n].dtype)) for n in node_names
        }
        columns |= {n: torch.as_tensor(chunk.events[n][row : row + 1]) for n in event_names}
        data = Data(**columns, num_nodes=int(stop - start))
        if pre_filter is not None and not pre_filter(data):
            continue
        if pre_transform is not None:
            data = pre_transform(data)
            changed = set(data.keys()) ^ (set(columns) | {"num_nodes"})
            if changed:
                raise ConfigError(
                    f"pre_transform adds or removes {', '.join(sorted(changed))}: stored columns are fixed, "
                    "use it as transform instead"
                )
        graphs.append(data)
        rows.append(row)
    if not graphs:
        return EventColumns(
            {n: v[:0] for n, v in chunk.nodes.items()}, chunk.counts[:0], {n: v[:0] for n, v in chunk.events.items()}
        )
    nodes = {n: torch.cat([g[n] for g in graphs]).numpy() for n in node_names}
    events = {n: torch.cat([g[n] for g in graphs]).numpy() for n in event_names}
    events |= {n: chunk.events[n][rows] for n in NOT_IN_GRAPHS if n in chunk.events}
    return EventColumns(nodes, np.array([g.p4.size(0) for g in graphs], dtype=np.int64), events)
