"""``RawColumns``: the stored columns of a batch, packed or padded, as the definitions of model columns read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs.summary_variables import SummaryVariables
from pyg_hep.kinematics import from_cartesian, to_cartesian


class RawColumns:
    """Columns of objects and events by name; a definition written on it works on packed and padded events alike.

    Objects are ``[N, ...]`` where packed and ``[B, n, ...]`` where padded; events are ``[B, ...]`` in both.

    Args:
        columns: a PyG ``Batch`` or a mapping of stored names to tensors.
        dtype: of everything with a fraction.
        event: event of each object, shape ``[N]``; None for padded events.
        counts: objects of each event, shape ``[B]``.
        mask: True where there is an object, shape ``[B, n]``; None for packed events.
        hidden: objects whose momentum a model must not see; sums over an event leave them out.
        partly_hidden: objects of which a model must not see anything, be it the momentum or what they are; event
            variables leave them out.
    """

    def __init__(
        self,
        columns: Mapping[str, Tensor] | Any,
        dtype: torch.dtype,
        event: Tensor | None,
        counts: Tensor,
        mask: Tensor | None = None,
        hidden: Tensor | None = None,
        partly_hidden: Tensor | None = None,
    ):
        self.columns, self.dtype, self.event, self.counts, self.mask = columns, dtype, event, counts, mask
        self.hidden, self.partly_hidden = hidden, partly_hidden
        self._cartesian: Tensor | None = None
        self._total: Tensor | None = None
        self._summary: dict[str, Tensor] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    @property
    def names(self) -> list[str]:
        """Names of the stored columns."""
        return [str(name) for name in self.columns.keys()]  # noqa: SIM118 (a graph is no mapping)

    def __getitem__(self, name: str) -> Tensor:
        """A stored column of objects; numbers with a fraction in the view's type.

        Raises:
            ConfigError: when the events have no such column.
        """
        column = self._stored(name)
        if self.mask is not None:  # what stands in the padding must not matter, NaN included
            empty = ~self.mask
            column = column.masked_fill(empty.view(*empty.shape, *[1] * (column.dim() - 2)), 0)
        return column

    def of_event(self, name: str) -> Tensor:
        """A stored column of events, shape ``[B]`` or ``[B, k]``.

        Raises:
            ConfigError: when the events have no such column.
        """
        return self._stored(name)

    def _stored(self, name: str) -> Tensor:
        if name not in self.columns:
            raise ConfigError(f"the events have no column {name!r}: {nearest(name, self.names)}")
        column: Tensor = self.columns[name]
        return column.to(self.dtype) if column.is_floating_point() else column

    @property
    def p4(self) -> Tensor:
        """(pt [GeV], eta, phi [rad], mass [GeV]) of the objects."""
        return self["p4"]

    @property
    def cartesian(self) -> Tensor:
        """(px, py, pz, E) of the objects in GeV."""
        if self._cartesian is None:
            self._cartesian = to_cartesian(self.p4)
        return self._cartesian

    @property
    def total(self) -> Tensor:
        """Sum of the four-vectors that the model sees of an event: (pt, eta, phi, mass), shape ``[B, 4]``."""
        if self._total is None:
            momentum = self.cartesian
            if self.hidden is not None:
                momentum = momentum.masked_fill(self.hidden.unsqueeze(-1), 0.0)
            self._total = from_cartesian(self.sum(momentum))
        return self._total

    @property
    def summary(self) -> dict[str, Tensor]:
        """The :class:`~pyg_hep.inputs.SummaryVariables` of what the model sees of an event, each ``[B]``.

        Raises:
            ConfigError: when the network is exported: which objects there are shapes the operations.
            PygHepError: when the events lack a column that the variables are made of.
        """
        if self._summary is None:
            if torch.compiler.is_exporting():
                raise ConfigError("a view with event variables (summary_...) cannot be exported, its network can")
            self._summary = SummaryVariables().table(self._packed())
        return self._summary

    def _packed(self) -> Data:
        """Objects of which nothing is hidden, one after the other."""
        names = [name for name in ("p4", "kind", "charge", "btag", "level") if name in self]
        event, size = self.event, self.counts.numel()
        if event is None:
            assert self.mask is not None
            event = torch.arange(size, device=self.mask.device).unsqueeze(1).expand(self.mask.shape)
        keep = self.mask if self.partly_hidden is None else ~self.partly_hidden
        if keep is not None and self.mask is not None:
            keep = keep & self.mask
        columns = {name: self[name] if keep is None else self[name][keep] for name in names}
        event = event if keep is None else event[keep]
        ends = torch.bincount(event, minlength=size).cumsum(0)
        return Data(**columns, batch=event, ptr=torch.cat([ends.new_zeros(1), ends]))

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the objects of each event: ``[N, k]`` or ``[B, n, k]`` to ``[B, k]``."""
        if self.event is None:
            return values.sum(dim=1)
        return values.new_zeros(self.counts.numel(), values.size(-1)).index_add(0, self.event, values)

    def spread(self, values: Tensor) -> Tensor:
        """A number of each event at each of its objects: ``[B]`` to ``[N]``, or ``[B, 1]`` where padded."""
        return values.unsqueeze(1) if self.event is None else values[self.event]
