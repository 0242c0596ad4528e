"""``Backbone``: what every model of this room provides to objectives and training."""

from __future__ import annotations

import abc
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.nn.heads import LinearHead
from pyg_hep.nn.representation import Representation
from pyg_hep.transforms.complete_graph import node_counts


class Backbone(nn.Module, abc.ABC):
    """A model that represents events; tasks, heads and losses are none of its business.

    Attributes:
        out_channels: width of the representation.
        preset: name of the :class:`~pyg_hep.inputs.View` that it reads, or None.
    """

    out_channels: int
    preset: str | None = None

    @abc.abstractmethod
    def forward(self, batch: Data) -> Representation:
        """Represent a batch with ``x``, ``p4``, ``batch`` and ``ptr``; no ``edge_index`` means complete graphs."""

    def make_head(self, level: str, width: int) -> nn.Module:
        """A head."""
        return LinearHead(self.out_channels, width, level)

    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""


def model_columns(model: nn.Module, batch: Data, in_channels: int) -> tuple[Tensor, Tensor]:
    """Node features ``x`` and four-vectors ``p4`` of a batch.

    Raises:
        ConfigError: when the batch lacks one of them, or has it with another width.
    """
    for name, width in (("x", in_channels), ("p4", 4)):
        if name not in batch:
            raise ConfigError(
                f"{type(model).__name__}: the batch has no column {name!r}; "
                + ("apply a View first" if name == "x" else "edges are made from it")
            )
        column = batch[name]
        if column.dim() != 2 or column.size(1) != width:
            shape = tuple(column.shape)
            raise ConfigError(f"{type(model).__name__}: {name!r} has shape {shape}, expected (objects, {width})")
    return batch.x, batch.p4


def host_counts(batch: Data) -> Tensor:
    """Objects of each event on the host, shape ``[B]``, int64, without waiting for a device where possible.

    A loader leaves the numbers beside the batch (``_num_nodes``), on the host whatever the device of the columns.
    """
    counts = node_counts(batch)
    if counts.device.type == "cpu":
        return counts
    kept = batch._store.__dict__.get("_num_nodes")
    if kept is not None and len(kept) == counts.numel() and sum(kept) == batch.num_nodes:
        return torch.tensor(kept, dtype=torch.int64)
    return counts.cpu()
