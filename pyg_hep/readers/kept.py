"""Names of columns that a card or a user adds to those of the schema: which are possible, and why others are not."""

from __future__ import annotations

from collections.abc import Iterable

from pyg_hep.schema import EVENT_COLUMNS, NODE_COLUMNS, OPTIONAL_EVENT_COLUMNS, OPTIONAL_NODE_COLUMNS

# Attributes and methods of PyG's Data and Batch: a column of that name would hide one, or be taken for it.
# fmt: off
_OF_PYG = frozenset(
    (
        "apply", "apply_", "batch_size", "clone", "coalesce", "concat", "connected_components",
        "contains_isolated_nodes", "contains_self_loops", "contiguous", "coo", "cpu", "csc", "csr", "cuda",
        "debug", "detach", "detach_", "from_data_list", "from_dict", "generate_ids", "get_all_edge_attrs",
        "get_all_tensor_attrs", "get_example", "get_tensor", "get_tensor_size", "has_isolated_nodes",
        "has_self_loops", "is_coalesced", "is_cuda", "is_directed", "is_edge_attr", "is_node_attr", "is_sorted",
        "is_sorted_by_time", "is_undirected", "keys", "multi_get_tensor", "node_attrs", "node_offsets",
        "node_stores", "num_edge_features", "num_edge_types", "num_edges", "num_faces", "num_features",
        "num_graphs", "num_node_features", "num_node_types", "num_nodes", "pin_memory", "pos", "put_tensor",
        "record_stream", "remove_tensor", "requires_grad_", "share_memory_", "size", "snapshot", "sort",
        "sort_by_time", "stores", "stores_as", "subgraph", "time", "to", "to_data_list", "to_dict",
        "to_heterogeneous", "to_namedtuple", "up_to", "update", "update_tensor", "validate", "view", "x",
    )
)
# fmt: on
_OF_SCHEMA = frozenset((*NODE_COLUMNS, *OPTIONAL_NODE_COLUMNS, *EVENT_COLUMNS, *OPTIONAL_EVENT_COLUMNS))
_BESIDE_GRAPHS = frozenset(("split_key", "entry", "offsets", "objects"))


def check_column_name(name: str, taken: Iterable[str] = ()) -> None:
    """Raise where a node or event column cannot be called ``name``.

    PyG adds the number of nodes to attributes with ``index`` in their name when it batches graphs, and the number
    of graphs to those with ``batch``; it concatenates adjacency matrices (``adj``) along their diagonal, looks for
    triangles in ``face``, and keeps the places of graphs in ``ptr``.

    Args:
        name: of the column.
        taken: names of other columns.

    Raises:
        ValueError: says what is wrong with the name.
    """
    words = name.split("_")
    if not name.isidentifier() or name.startswith("_"):
        raise ValueError(f"{name!r:.60} cannot name a column: letters, digits and _ only, not _ or a digit first")
    if "index" in name or "batch" in name or {"face", "ptr", "adj"} & set(words):
        raise ValueError(
            f"{name!r} cannot name a column: PyG changes what has index, batch, face, ptr or adj in its name when it "
            "batches graphs"
        )
    if name in _OF_PYG or words[0] == "edge":
        raise ValueError(f"{name!r} cannot name a column: PyG gives that name a meaning of its own")
    if name in _OF_SCHEMA or name in _BESIDE_GRAPHS:
        raise ValueError(f"{name!r} cannot name a column: every data set has or may have one of its own")
    if name in taken:
        raise ValueError(f"{name!r} cannot name a column: another one has this name")
