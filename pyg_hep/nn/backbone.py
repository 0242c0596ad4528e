"""``Backbone``: what every model of this room provides to objectives and training."""

from __future__ import annotations

import abc
from typing import Any

from torch import nn
from torch_geometric.data import Data

from pyg_hep.nn.representation import Representation


class Backbone(nn.Module, abc.ABC):
    """A model that represents events; tasks, heads and losses are none of its business.

    Attributes:
        out_channels: width of the representation.
        preset: name of the :class:`~pyg_hep.transforms.NodeFeatures` view that it reads, or None.
    """

    out_channels: int
    preset: str | None = None

    @abc.abstractmethod
    def forward(self, batch: Data) -> Representation:
        """Represent a batch with ``x``, ``p4``, ``batch`` and ``ptr``; no ``edge_index`` means complete graphs."""

    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
