"""``AddNodes``: the same further nodes in every event, to be estimated or to stand for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_hep.errors import ConfigError
from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.complete_graph import node_counts
from pyg_hep.transforms.node_columns import node_columns
from pyg_hep.transforms.select_nodes import Names, members_of


@functional_transform("add_nodes")
class AddNodes(BaseTransform):
    """Put nodes of some kinds behind those of every event, of one ``Data`` or a whole ``Batch`` (``add_nodes``).

    They have the momentum 0 and 0 in every column that is not named here: what a model is to estimate, such as the
    generated particles of events that have none, is hidden from it anyway.

    Args:
        kinds: ``"parton"``, ``"neutrino"``, ... (or :class:`~pyg_hep.schema.ObjectType`), one per node.
        level: ``"gen"`` or ``"reco"`` (or :class:`~pyg_hep.schema.Level`) of all of them.
        columns: node column -> one number per node: ``{"pdg_id": [5, -5], "charge": [...]}``.

    Raises:
        ConfigError: for an unknown kind or level, no node at all, or as many numbers as there are no nodes.
    """

    def __init__(self, kinds: Names, level: str | int = "gen", columns: dict[str, Sequence[float]] | None = None):
        self.kinds = members_of(ObjectType, kinds, "AddNodes") or ()
        levels = members_of(Level, level, "AddNodes") or ()
        self.columns = {name: tuple(values) for name, values in (columns or {}).items()}
        if not self.kinds or len(levels) != 1:
            raise ConfigError("AddNodes: say which kinds of nodes are added, and one level")
        self.level = levels[0]
        for name, values in self.columns.items():
            if name in ("p4", "kind", "level"):
                raise ConfigError(
                    f"AddNodes: {name!r} is not a column to set: the momenta are 0, kinds and level given"
                )
            if len(values) != len(self.kinds):
                raise ConfigError(f"AddNodes: {len(self.kinds)} nodes need as many {name!r}, found {len(values)}")

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        columns = {name: list(values) for name, values in self.columns.items()}
        return {"kinds": [k.name.lower() for k in self.kinds], "level": self.level.name.lower(), "columns": columns}

    def forward(self, data: Data) -> Data:
        """Return ``data`` with the nodes behind those of each event.

        Raises:
            ConfigError: for events that lack a column to set, or with edges: those of the new nodes are not known.
        """
        if data.edge_index is not None:
            raise ConfigError("AddNodes: the events have an edge_index: add nodes before the edges are made")
        names, counts = node_columns(data), node_counts(data)
        for name in self.columns:
            if name not in names:
                raise ConfigError(f"AddNodes: the events have no node column {name!r}")
        device, nodes, events, added = data.p4.device, data.p4.size(0), counts.numel(), len(self.kinds)
        event = torch.repeat_interleave(torch.arange(events, device=device), counts, output_size=nodes)
        old = torch.arange(nodes, device=device) + added * event
        total = nodes + added * events
        is_old = torch.zeros(total, dtype=torch.bool, device=device)
        is_old[old] = True
        new = torch.nonzero(~is_old)[:, 0]
        for name in names:
            column = data[name]
            grown = column.new_zeros(total, *column.shape[1:])
            grown[old] = column
            values = self._values(name, column, events)
            if values is not None:
                grown[new] = values
            data[name] = grown
        counts = counts + added
        data.num_nodes = total
        if "ptr" in data:
            ptr = torch.zeros(events + 1, dtype=torch.int64, device=device)
            ptr[1:] = counts.cumsum(0)
            data.ptr = ptr
            data._store.__dict__["_num_nodes"] = counts.tolist()
            slices = data.__dict__.get("_slice_dict") or data._store.__dict__.get("_slice_dict")
            if slices is not None:
                on_host = ptr.cpu()
                data.__dict__["_slice_dict"] = {k: on_host if k in names else v for k, v in slices.items()}
        return data

    def _values(self, name: str, column: Tensor, events: int) -> Tensor | None:
        if name == "batch":
            return torch.arange(events, device=column.device).repeat_interleave(len(self.kinds))
        if name == "level":
            return column.new_full((events * len(self.kinds),), int(self.level))
        numbers = [int(kind) for kind in self.kinds] if name == "kind" else self.columns.get(name)
        return (
            None
            if numbers is None
            else torch.as_tensor(numbers, dtype=column.dtype, device=column.device).repeat(events)
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'+'.join(kind.name.lower() for kind in self.kinds)}, {self.level.name.lower()})"
