"""``SelectNodes``: only the nodes of some levels or kinds stay in a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.complete_graph import node_counts
from pyg_hep.transforms.node_columns import node_columns

Names = str | int | Sequence[str | int]


def members_of(kind: type[IntEnum], values: Names | None, who: str) -> tuple[IntEnum, ...] | None:
    """Members of an enumeration by name (in any case) or number; ``who`` asks.

    Raises:
        ConfigError: for what is none of them; names the nearest.
    """
    if values is None:
        return None
    members = []
    for value in [values] if isinstance(values, str | int) else values:
        names = {member.name.lower(): member for member in kind}
        if isinstance(value, str):
            if value.lower() not in names:
                raise ConfigError(f"{who}: no {kind.__name__} {value!r}: {nearest(value.lower(), names)}")
            members.append(names[value.lower()])
        elif value in list(kind):
            members.append(kind(value))
        else:
            raise ConfigError(f"{who}: no {kind.__name__} has the number {value}")
    return tuple(members)


@functional_transform("select_nodes")
class SelectNodes(BaseTransform):
    """Drop all nodes but those of some levels and kinds, of one ``Data`` or a whole ``Batch`` (``select_nodes``).

    Edges between nodes that stay are kept. An event may end up without nodes; it stays in its batch.

    Args:
        level: ``"reco"`` or ``"gen"`` (or :class:`~pyg_hep.schema.Level`), or several; None for any.
        kind: ``"jet"``, ``"electron"``, ... (or :class:`~pyg_hep.schema.ObjectType`), or several; None for any.

    Raises:
        ConfigError: for an unknown level or kind, or neither.
    """

    def __init__(self, level: Names | None = None, kind: Names | None = None):
        self.level, self.kind = (
            members_of(Level, level, "SelectNodes"),
            members_of(ObjectType, kind, "SelectNodes"),
        )
        if not self.level and not self.kind:
            raise ConfigError("SelectNodes: say which level or kind stays")

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        values = {"level": self.level, "kind": self.kind}
        return {k: [member.name.lower() for member in v] for k, v in values.items() if v is not None}

    def keep(self, columns: Mapping[str, Tensor] | Data) -> Tensor:
        """True for the nodes that stay, the shape of the column ``level`` or ``kind``."""
        keep: Tensor | None = None
        for name, members in (("level", self.level), ("kind", self.kind)):
            if members is None:
                continue
            column = columns[name]
            here = torch.zeros_like(column, dtype=torch.bool)
            for member in members:
                here = here | (column == int(member))
            keep = here if keep is None else keep & here
        if keep is None:
            raise ConfigError("SelectNodes: say which level or kind stays")
        return keep

    def forward(self, data: Data) -> Data:
        """Return ``data`` with the nodes that stay."""
        keep, names = self.keep(data), node_columns(data)
        counts = node_counts(data)
        events = torch.arange(counts.numel(), device=keep.device)
        event = torch.repeat_interleave(events, counts, output_size=keep.numel())
        ptr = torch.zeros(counts.numel() + 1, dtype=torch.int64, device=keep.device)
        ptr[1:] = torch.zeros_like(counts).index_add(0, event, keep.long()).cumsum(0)
        if data.edge_index is not None:
            inside = keep[data.edge_index].all(dim=0)
            place = keep.long().cumsum(0) - 1
            if data.edge_attr is not None:
                data.edge_attr = data.edge_attr[inside]
            data.edge_index = place[data.edge_index[:, inside]]
        for name in names:
            data[name] = data[name][keep]
        data.num_nodes = int(ptr[-1])
        if "ptr" in data:
            data.ptr = ptr
            data._store.__dict__["_num_nodes"] = ptr.diff().tolist()
            slices = data.__dict__.get("_slice_dict") or data._store.__dict__.get("_slice_dict")
            if slices is not None:
                on_host = ptr.cpu()
                new = {
                    k: on_host if k in names else v for k, v in slices.items() if k not in ("edge_index", "edge_attr")
                }
                data.__dict__["_slice_dict"] = new
        return data

    def __repr__(self) -> str:
        parts = [f"{k}={'+'.join(v)}" for k, v in self.config().items()]
        return f"{type(self).__name__}({', '.join(parts)})"
