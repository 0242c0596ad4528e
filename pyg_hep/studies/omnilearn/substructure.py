"""Substructure of jets as event columns: worked out once and kept, read by trees and networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import jet_observables
from pyg_hep.loader import EventLoader
from pyg_hep.studies.records import key_of

OBSERVABLES = ("pt", "mass", "multiplicity", "tau1", "tau21", "tau32", "e2", "d2")
COLUMNS = (*(f"jet_{name}" for name in OBSERVABLES[:-1]), "jet_log_d2")
"""Event columns of jets: pT and mass in GeV, N-subjettiness, energy correlations; D2 has a long tail: ln(1 + D2)."""

_JETS = 2_048


def observables(dataset: EventDataset, cache: Path, names: Sequence[str] = OBSERVABLES) -> np.ndarray:
    """Observables of all jets, ``[N, F]``; those that were worked out before are read from the cache.

    Args:
        dataset: the jets.
        cache: folder in which they are kept, under a name that the jets and the observables decide.
        names: of :data:`~pyg_hep.evaluation.jets.OBSERVABLES`; D2 as ln(1 + D2).
    """
    path = cache / "substructure" / f"{key_of({'data': dataset.digest, 'names': list(names)})}.npy"
    if path.is_file():
        kept: np.ndarray = np.load(path, allow_pickle=False)
        return kept
    parts = []
    for batch in tqdm(EventLoader(dataset, _JETS), desc="Substructure", unit="batch", disable=None):
        found = jet_observables(batch.p4, ptr=batch.ptr, names=names)
        found |= {"d2": np.log1p(found["d2"])} if "d2" in found else {}
        parts.append(np.stack([found[name] for name in names], axis=1))
    table = np.concatenate(parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.npy")
    np.save(partial, table, allow_pickle=False)
    partial.replace(path)
    return table


class EventTable:
    """Turns a raw batch into a table of some of its event columns, as boosted trees want it.

    Args:
        columns: names of stored event columns of one number each.
    """

    def __init__(self, columns: Sequence[str] = COLUMNS):
        self.columns = tuple(columns)

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        return {"columns": list(self.columns)}

    def __call__(self, batch: Any) -> np.ndarray:
        """The table, ``[B, F]``."""
        return torch.stack([batch[name].reshape(-1) for name in self.columns], dim=1).cpu().numpy()
