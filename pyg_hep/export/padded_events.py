"""``PaddedEvents``: stored columns as an exported model takes them, and the way from and to packed batches."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_dense_batch

from pyg_hep.datasets import as_events
from pyg_hep.errors import ConfigError
from pyg_hep.loader import EventLoader
from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.complete_graph import node_counts
from pyg_hep.transforms.node_columns import node_columns

_BESIDE = ("batch", "ptr", "num_nodes", "edge_index", "edge_attr", "y", "weight")


class PaddedEvents(NamedTuple):
    """Events of up to n objects.

    Args:
        nodes: columns of objects by stored name, ``[B, n]`` or ``[B, n, k]``; p4 is (pt [GeV], eta, phi, mass [GeV]).
        events: columns of events, ``[B]`` or ``[B, k]``.
        mask: True where there is an object, shape ``[B, n]``.
    """

    nodes: dict[str, Tensor]
    events: dict[str, Tensor]
    mask: Tensor

    @property
    def columns(self) -> dict[str, Tensor]:
        """All columns, those of objects first."""
        return {**self.nodes, **self.events}

    @classmethod
    def of(cls, events: Any, limit: int = 1000) -> PaddedEvents:
        """Events of a data set (its first ``limit``), of a packed batch, or one event.

        Raises:
            ConfigError: for something else, or no event.
        """
        if not isinstance(events, Data):
            dataset = as_events(events)
            if not len(dataset):
                raise ConfigError("the example has no event")
            events = next(iter(EventLoader(dataset, min(limit, len(dataset)))))
        counts = node_counts(events)
        event = torch.repeat_interleave(torch.arange(counts.numel()), counts.cpu())
        of_objects = [name for name in node_columns(events) if name not in _BESIDE]
        nodes, mask = {}, torch.arange(int(counts.max())) < counts.cpu().unsqueeze(1)
        for name in of_objects:
            nodes[name], _ = to_dense_batch(events[name].cpu(), event, batch_size=counts.numel())
        names = [str(name) for name in events.keys()]  # noqa: SIM118 (a graph is no mapping)
        rest = [name for name in names if name not in of_objects and name not in _BESIDE]
        of_events = {name: events[name].cpu() for name in rest if isinstance(events[name], Tensor)}
        return cls(nodes, {name: v for name, v in of_events.items() if v.shape[:1] == counts.shape}, mask)

    @classmethod
    def random(cls, num_events: int, largest: int, seed: int = 0) -> PaddedEvents:
        """Random events of 1 to ``largest`` objects, with the columns of the schema; no physics in them.

        The first event has one object, the last has ``largest``; the padding holds NaN and -1.
        """
        generator = torch.Generator().manual_seed(seed)
        shape = (num_events, largest)

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(shape, generator=generator)

        counts = torch.randint(1, largest + 1, (num_events,), generator=generator)
        counts[0], counts[-1] = 1, largest
        pt = 20.0 - 40.0 * torch.rand(shape, generator=generator).clamp(max=1 - 1e-6).neg().log1p()
        p4 = torch.stack([pt, uniform(-2.5, 2.5), uniform(-math.pi, math.pi - 1e-6), uniform(0.0, 10.0)], dim=-1)
        kind = torch.randint(int(ObjectType.MET) + 1, shape, generator=generator)
        nodes = {
            "p4": p4,
            "kind": kind,
            "charge": torch.randint(-1, 2, shape, generator=generator).float(),
            "btag": ((kind == int(ObjectType.JET)) & (uniform(0.0, 1.0) < 0.3)).float(),
            "level": torch.randint(len(Level), shape, generator=generator),
            "pdg_id": torch.randint(-25, 26, shape, generator=generator),
        }
        return cls(nodes, {}, torch.arange(largest) < counts.unsqueeze(1)).spoiled()

    def spoiled(self) -> PaddedEvents:
        """The same events with NaN and -1 in the padding, where nothing may look."""

        def spoil(values: Tensor) -> Tensor:
            empty = ~self.mask.view(*self.mask.shape, *[1] * (values.dim() - 2))
            return values.masked_fill(empty, math.nan if values.is_floating_point() else -1)

        return self._replace(nodes={name: spoil(values) for name, values in self.nodes.items()})

    def first(self, number: int) -> PaddedEvents:
        """The first ``number`` objects of each event."""
        nodes = {name: values[:, :number] for name, values in self.nodes.items()}
        return PaddedEvents(nodes, self.events, self.mask[:, :number])

    def widened(self, places: int) -> PaddedEvents:
        """With at least ``places`` places."""
        more = places - self.mask.size(1)
        if more <= 0:
            return self

        def widen(values: Tensor) -> Tensor:
            return torch.cat([values, values.new_zeros(values.size(0), more, *values.shape[2:])], dim=1)

        return PaddedEvents({k: widen(v) for k, v in self.nodes.items()}, self.events, widen(self.mask))

    def packed(self) -> Batch:
        """The events as a loader gives them."""
        counts = self.mask.sum(dim=1)
        ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        event = torch.repeat_interleave(torch.arange(counts.numel()), counts)
        columns = {**{name: values[self.mask] for name, values in self.nodes.items()}, **self.events}
        batch = Batch(_base_cls=Data, **columns, batch=event, ptr=ptr, num_nodes=int(ptr[-1]))
        batch._store.__dict__["_num_nodes"] = counts.tolist()
        batch.__dict__["_num_graphs"] = counts.numel()
        return batch
