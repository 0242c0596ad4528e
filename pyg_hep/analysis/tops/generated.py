"""True top pairs of simulated dileptonic events: what every reconstruction is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.analysis.tops.events import graph_batches
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.errors import PygHepError
from pyg_hep.kinematics import to_cartesian
from pyg_hep.schema import Level
from pyg_hep.transforms.dileptonic import once_per_event

DAUGHTER_IDS = {
    "b": (5,), "antib": (-5,), "antilepton": (-11, -13), "lepton": (11, 13),
    "neutrino": (12, 14), "antineutrino": (-12, -14),
}  # fmt: skip
"""Daughter of a dileptonic top pair -> its PDG numbers; those of taus are not among them."""

_BATCH = 16_384


def generated_tops(events: Any) -> TopPairs:
    """Top pairs as the sums of their generated daughters.

    Args:
        events: event graphs with a generated level, such as those of the card ``dileptonic_ttbar``: an
            ``EventDataset``, a ``Subset`` or ``ConcatDataset`` of such, a PyG ``Batch`` or one ``Data``.

    Returns:
        One pair per event, in their order; not valid for events that lack one of the six daughters, or have it twice.

    Raises:
        PygHepError: for events that do not keep ``pdg_id``, which tells a quark from its antiquark.
    """
    parts = [_daughters(batch) for batch in graph_batches(events, _BATCH)]
    vectors, valid = (torch.cat(columns).cpu().numpy() for columns in zip(*parts, strict=True))
    columns = {name: vectors[:, k] for k, name in enumerate(DAUGHTER_IDS)}
    return TopPairs.from_daughters(**columns, valid=valid.astype(np.bool_))


def _daughters(batch: Batch) -> tuple[Tensor, Tensor]:
    """(px, py, pz, E) [GeV] of the daughters, ``[B, 6, 4]``, and which events have each of them once, ``[B]``."""
    if "pdg_id" not in batch:
        raise PygHepError("true tops need the PDG numbers of generated particles: set keep_pdg_id in the card")
    generated = batch.level == int(Level.GEN)
    numbers = (torch.tensor(values, device=batch.pdg_id.device) for values in DAUGHTER_IDS.values())
    masks = [generated & torch.isin(batch.pdg_id, mine) for mine in numbers]
    return once_per_event(to_cartesian(batch.p4.detach().double()), masks, batch)
