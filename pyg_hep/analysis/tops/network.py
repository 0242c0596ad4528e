"""Tops of a network that was trained to estimate the generated level of dileptonic events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.analysis.tops.events import DileptonEvents, Reason, graph_batches
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.errors import ConfigError
from pyg_hep.kinematics import to_cartesian
from pyg_hep.objectives import MaskedFourVectors, NodeColumn
from pyg_hep.objectives.masked_four_vectors import COMPONENTS
from pyg_hep.schema import Level
from pyg_hep.training import EventModel
from pyg_hep.training.predict import evaluating
from pyg_hep.transforms.dileptonic import DAUGHTERS, with_generated_level


def graphs_of(events: DileptonEvents, batch_size: int, device: Any) -> Iterator[Batch]:
    """The graphs of events, some at a time, in their order.

    Raises:
        ConfigError: for events that come as arrays.
    """
    if events.source is None:
        raise ConfigError("a network reads event graphs: give reconstruct_tops a data set or a Batch, not arrays")
    yield from graph_batches(events.source, batch_size, device)


class NetworkMethod:
    """Tops as the sums of the daughters that a model estimates from the reconstructed level.

    Args:
        model: trained with :class:`~pyg_hep.objectives.MaskedFourVectors`; also the folder of a saved one, or its
            shipped name.
        batch_size: events at a time.
        device: where to compute; None stays where the model is.

    Raises:
        ConfigError: for a model with another objective.

    Source: Wildridge et al., arXiv:2412.07867, section 5.
    """

    def __init__(self, model: Any, batch_size: int = 4096, device: str | torch.device | None = None):
        self.model = model if isinstance(model, EventModel) else EventModel.from_pretrained(model)
        if not isinstance(self.model.objective, MaskedFourVectors):
            found = type(self.model.objective).__name__
            raise ConfigError(f"tops are sums of four-vectors that MaskedFourVectors estimates; this model has {found}")
        self.batch_size, self.device = batch_size, device

    @torch.no_grad()
    def __call__(self, events: DileptonEvents) -> TopPairs:
        """Top pairs of events that come as graphs.

        Raises:
            ConfigError: for events that come as arrays: a network reads all objects of an event.
        """
        parts: list[Tensor] = []
        with evaluating(self.model, self.device):
            for batch in graphs_of(events, self.batch_size, self.model.device):
                parts.append(self._daughters(with_generated_level(batch)))
        vectors = torch.cat(parts).numpy()
        columns = {name: vectors[:, k] for k, name in enumerate(DAUGHTERS)}
        blank = ~events.usable
        for values in columns.values():
            values[blank] = np.nan
        reason = np.where(blank, events.reason, Reason.NONE)
        return TopPairs.from_daughters(**columns, valid=events.usable, reason=reason)

    def _daughters(self, batch: Batch) -> Tensor:
        """(px, py, pz, E) [GeV] of the daughters, shape ``[B, 6, 4]``."""
        columns = self.model.predict(batch)
        values = [columns[name] for name in COMPONENTS]
        p4 = torch.stack([v.values if isinstance(v, NodeColumn) else v for v in values], dim=-1).double()
        level = self.model.view.selected(batch).level
        return to_cartesian(p4[level == int(Level.GEN)]).view(-1, len(DAUGHTERS), 4).cpu()
