"""Tops of a network that was trained to estimate the generated level of dileptonic events."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_hep.analysis.tops.events import DileptonEvents, Reason
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.errors import ConfigError
from pyg_hep.kinematics import to_cartesian
from pyg_hep.loader import EventLoader
from pyg_hep.objectives import MaskedFourVectors, NodeColumn
from pyg_hep.objectives.masked_four_vectors import COMPONENTS
from pyg_hep.schema import Level, ObjectType
from pyg_hep.training import EventModel
from pyg_hep.training.predict import evaluating
from pyg_hep.transforms import AddNodes, SelectNodes

DAUGHTERS = ("b", "antib", "antilepton", "lepton", "neutrino", "antineutrino")
"""The generated particles of a dileptonic top pair, in the order in which they are added to an event."""

_ADD = AddNodes(
    ["parton", "parton", "electron", "electron", "neutrino", "neutrino"],
    "gen",
    {"pdg_id": [5, -5, -11, 11, 12, -12], "btag": [1, 1, 0, 0, 0, 0], "charge": [0, 0, 1, -1, 0, 0]},
)


def with_generated_level(batch: Batch) -> Batch:
    """Events with the six generated daughters of a dileptonic top pair to be estimated; those that were there go.

    Generated leptons are of the flavour of the measured ones, and neutrinos of that of their leptons; of an event
    without such a lepton they are electrons, and it is not to be used.

    Args:
        batch: raw events, without edges.
    """
    reconstructed = SelectNodes(level="reco")(batch)
    if "pdg_id" not in reconstructed:
        reconstructed.pdg_id = torch.zeros_like(reconstructed.kind)
    is_muon = reconstructed.kind == int(ObjectType.MUON)
    events, of = reconstructed.num_graphs, reconstructed.batch
    flavours = []
    for charge in (1, -1):
        has_one = is_muon & (reconstructed.charge.sign() == charge)
        flavours.append(torch.zeros(events, dtype=torch.bool, device=of.device).index_fill(0, of[has_one], True))
    made: Batch = _ADD(reconstructed)
    first = made.ptr[1:] - len(DAUGHTERS)
    pdg_id, kind = made.pdg_id.clone(), made.kind.clone()
    for muon, lepton, neutrino, sign in zip(flavours, (2, 3), (4, 5), (-1, 1), strict=True):
        kind[first + lepton] = torch.where(muon, int(ObjectType.MUON), int(ObjectType.ELECTRON))
        pdg_id[first + lepton] = sign * torch.where(muon, 13, 11)
        pdg_id[first + neutrino] = -sign * torch.where(muon, 14, 12)
    made.pdg_id, made.kind = pdg_id, kind
    return made


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
        if events.source is None:
            raise ConfigError("a network reads event graphs: give reconstruct_tops a data set or a Batch, not arrays")
        parts: list[Tensor] = []
        with evaluating(self.model, self.device):
            for batch in self._batches(events.source):
                parts.append(self._daughters(with_generated_level(batch)))
        vectors = torch.cat(parts).numpy()
        columns = {name: vectors[:, k] for k, name in enumerate(DAUGHTERS)}
        blank = ~events.usable
        for values in columns.values():
            values[blank] = np.nan
        reason = np.where(blank, events.reason, Reason.NONE)
        return TopPairs.from_daughters(**columns, valid=events.usable, reason=reason)

    def _batches(self, source: Any) -> Any:
        if isinstance(source, Data):
            whole = source if isinstance(source, Batch) else Batch.from_data_list([source])
            return [whole.to(self.model.device)]
        return EventLoader(source, self.batch_size, device=self.model.device)

    def _daughters(self, batch: Batch) -> Tensor:
        """(px, py, pz, E) [GeV] of the daughters, shape ``[B, 6, 4]``."""
        columns = self.model.predict(batch)
        values = [columns[name] for name in COMPONENTS]
        p4 = torch.stack([v.values if isinstance(v, NodeColumn) else v for v in values], dim=-1).double()
        level = self.model.view.selected(batch).level
        return to_cartesian(p4[level == int(Level.GEN)]).view(-1, len(DAUGHTERS), 4).cpu()
