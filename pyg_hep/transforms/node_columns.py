"""Which columns of a graph have one row per node."""

from __future__ import annotations

from torch_geometric.data import Data

from pyg_hep.schema import EVENT_COLUMNS, NODE_COLUMNS, OPTIONAL_EVENT_COLUMNS, OPTIONAL_NODE_COLUMNS

_OF_EVENTS = frozenset(EVENT_COLUMNS) | frozenset(OPTIONAL_EVENT_COLUMNS) | {"ptr", "num_nodes", "time"}
_OF_NODES = frozenset(NODE_COLUMNS) | frozenset(OPTIONAL_NODE_COLUMNS) | {"x", "batch"}


def node_columns(data: Data) -> list[str]:
    """Names of the columns with one row per node, ``batch`` included; PyG decides where the schema does not."""
    names = [name for name in data.keys() if name not in _OF_EVENTS]  # noqa: SIM118 (a graph is no mapping)
    return [name for name in names if name in _OF_NODES or data.is_node_attr(name)]
