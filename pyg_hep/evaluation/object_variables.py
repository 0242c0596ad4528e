"""The objects of an event side by side as one row: for trees what a network is given, in the order of the momenta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.inputs.summary_variables import LEPTONS, by_momentum
from pyg_hep.schema import ObjectType

GROUPS = {"b_jet": 4, "light_jet": 8, "lepton": 4, "photon": 2, "met": 1}
"""How many objects of each group have columns; for those of Abasov et al. and Kishimoto et al. that is all."""


class ObjectVariables:
    """Turns a raw batch of event graphs into a table with the features of every object, NaN where there is none.

    The objects stand group by group, b-jets, other jets, leptons, photons and missing momentum, in each by falling
    transverse momentum. No variable is made from two objects.

    Args:
        columns: columns of an object, see :class:`~pyg_hep.inputs.View`.
        at_most: objects of each group, in place of :data:`GROUPS`.

    Raises:
        ConfigError: for an unknown feature or group.
    """

    def __init__(self, columns: str | Sequence[str], at_most: Mapping[str, int] | None = None) -> None:
        self.view = View(columns)
        for name in at_most or {}:
            if name not in GROUPS:
                raise ConfigError(f"no group of objects {name!r}: {nearest(name, GROUPS)}")
        self.at_most = {**GROUPS, **(at_most or {})}

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"columns": list(self.view.columns), "at_most": dict(self.at_most)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.view.columns)}; {self.at_most})"

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [
            f"{group}{place + 1}_{column}"
            for group, number in self.at_most.items()
            for place in range(number)
            for column in self.view.columns
        ]

    @torch.no_grad()
    def __call__(self, batch: Any) -> np.ndarray:
        """Return the table, shape ``[B, F]``, float32."""
        raw = self.view.values(batch).float()
        is_jet = batch.kind == ObjectType.JET
        groups = {
            "b_jet": is_jet & (batch.btag > 0),
            "light_jet": is_jet & (batch.btag <= 0),
            "lepton": torch.isin(batch.kind, torch.tensor(LEPTONS, device=raw.device)),
            "photon": batch.kind == ObjectType.PHOTON,
            "met": batch.kind == ObjectType.MET,
        }
        parts = [_side_by_side(raw, groups[name], batch, number) for name, number in self.at_most.items()]
        return torch.cat(parts, dim=1).cpu().numpy()


def _side_by_side(raw: Tensor, mask: Tensor, batch: Any, number: int) -> Tensor:
    """Features of the ``number`` objects of a group with the highest pt, shape ``[B, number * columns]``."""
    rows, event, place = by_momentum(batch, mask, number)
    table = raw.new_full((len(batch.ptr) - 1, number, raw.size(1)), torch.nan)
    table[event, place] = raw[rows]
    return table.flatten(1)
