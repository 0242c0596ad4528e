"""``ReplaceObject``: one object of an event is exchanged for one of the same class from another event."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform

from pyg_hep.errors import ConfigError
from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.complete_graph import node_counts, set_momenta
from pyg_hep.transforms.node_columns import node_columns
from pyg_hep.transforms.random_transform import RandomTransform

OBJECT_CLASSES = ("lepton", "tau", "light_jet", "b_jet", "met")
"""The classes of Kishimoto et al., section 3, in the order of their numbers; a b-jet is a jet with a b-tag."""

NOT_REPLACED = len(OBJECT_CLASSES)
"""Label of an event in which nothing was replaced."""


def object_classes(data: Data) -> Tensor:
    """Number of each object's class in :data:`OBJECT_CLASSES`, -1 for kinds that have none, shape ``[N]``."""
    jet = torch.where(data.btag > 0, 3, 2)
    of_kind = torch.full((max(ObjectType) + 1,), -1, device=data.kind.device)
    for kind, number in {ObjectType.ELECTRON: 0, ObjectType.MUON: 0, ObjectType.TAU: 1, ObjectType.MET: 4}.items():
        of_kind[kind] = number
    return torch.where(data.kind == int(ObjectType.JET), jet, of_kind[data.kind])


@functional_transform("replace_object")
class ReplaceObject(RandomTransform):
    r"""Exchange one object of each event for one of the same class from another event (``replace_object``).

    The class is drawn evenly among those of which the event has an object and another event of the batch has one
    too; then the object, and the one that takes its place, evenly among those of the class. Generated and
    reconstructed objects (the column ``level``) never take each other's place. All node columns of the object change.
    The event column ``replaced`` says the class (a number of :data:`OBJECT_CLASSES`), or :data:`NOT_REPLACED`: with a
    probability of ``none_probability``, and where nothing can be replaced. Whole batches at once, on any device; edge
    features that are there are made again.

    Args:
        none_probability: probability of leaving an event as it is; one sixth makes the six labels of an event
            that has all classes equally likely.

    Raises:
        ConfigError: for a probability outside [0, 1].

    Source: Kishimoto et al., "A study of foundation models for event classification in collider physics", section 5.
    """

    def __init__(self, none_probability: float = 1 / 6):
        if not 0.0 <= none_probability <= 1.0:
            raise ConfigError(f"ReplaceObject: none_probability must lie in [0, 1], found {none_probability}")
        self.none_probability = none_probability

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        return {"none_probability": self.none_probability}

    def forward(self, data: Data, generator: torch.Generator | None = None) -> Data:
        """Return ``data`` with one object of each event exchanged, and the column ``replaced``, shape ``[B]``."""
        number = object_classes(data)
        number = torch.where(number < 0, number, data.level * len(OBJECT_CLASSES) + number)
        counts = node_counts(data)
        events, device = counts.numel(), number.device
        event = torch.repeat_interleave(torch.arange(events, device=device), counts, output_size=number.numel())
        kinds = len(Level) * len(OBJECT_CLASSES)
        # Objects sorted by class, then event; those without a class come last and count nowhere.
        cell = torch.where(number < 0, kinds * events, number * events + event)
        order = cell.argsort(stable=True)
        per_cell = torch.zeros(kinds * events + 1, dtype=torch.int64, device=device)
        per_cell = per_cell.index_add(0, cell, torch.ones_like(cell))[:-1]
        first = (per_cell.cumsum(0) - per_cell).view(kinds, events)
        own = per_cell.view(kinds, events)
        total = own.sum(dim=1, keepdim=True)

        possible = (own > 0) & (own < total)
        drawn = torch.where(possible, torch.rand(kinds, events, device=device, generator=generator), -1.0)
        drawn = drawn.argmax(dim=0)
        leave = ~possible.any(dim=0) | (torch.rand(events, device=device, generator=generator) < self.none_probability)
        here, of_class = (table.gather(0, drawn.unsqueeze(0))[0] for table in (own, total.expand(-1, events)))
        start = first.gather(0, drawn.unsqueeze(0))[0]  # of the event's objects of the class
        start_of_class = first[:, 0][drawn] if events else start
        old = start + _draw(here, generator)
        # Others of the class: those before the event's own, then those after.
        new = start_of_class + _draw(of_class - here, generator)
        new = torch.where(new >= start, new + here, new)
        changes = torch.nonzero(~leave)[:, 0]
        replaced, taken = order[old[changes]], order[new[changes]]
        for name in node_columns(data):
            if name != "batch":
                data[name] = data[name].index_copy(0, replaced, data[name][taken])
        data.replaced = torch.where(leave, NOT_REPLACED, drawn % len(OBJECT_CLASSES))
        set_momenta(data, data.p4)
        if isinstance(data, Batch):
            _like_label(data, "replaced")
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(none_probability={self.none_probability:.3g})"


def _draw(count: Tensor, generator: torch.Generator | None) -> Tensor:
    """An even random number of 0 to count - 1 for each entry (0 where there is none)."""
    number = torch.rand(count.shape, device=count.device, dtype=torch.float64, generator=generator) * count
    return torch.minimum(number.long(), (count - 1).clamp(min=0))


def _like_label(batch: Batch, name: str) -> None:
    """Let ``batch[i]`` cut the new column ``name`` as it cuts the label."""
    for kept in ("_slice_dict", "_inc_dict"):
        for place in (batch.__dict__, batch._store.__dict__):  # EventLoader's batches, and PyG's
            if "y" in place.get(kept, {}):
                place[kept] = {**place[kept], name: place[kept]["y"]}
