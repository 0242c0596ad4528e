"""``DiffusedColumns``: noise on what a model sees of its objects, whose geometry follows the noised four-vectors."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.inputs.inverses import derivation
from pyg_hep.inputs.view import HIDDEN

_ASSUMED = ((), ("total_phi",), ("mass",), ("total_phi", "mass"))
"""What may be taken as 0: nothing that is relative depends on where a jet points; a particle without mass."""


class DiffusedColumns:
    r"""Columns of a view that are noised: from them, and the columns of the event, follow the noised four-vectors.

    Every other column of the objects, and every id, is hidden: it would tell what the noise hides. Columns of the
    event stay as they are.

    Args:
        view: what the model sees.
        names: of the columns that are noised; None for all of them.

    Raises:
        ConfigError: for a name that the view does not have, or columns that do not determine a momentum.

    Source: Mikuni and Nachman, arXiv:2502.14652 (the first three of the 13 columns: d eta, d phi, ln(1 - pT/pT_jet)).
    """

    def __init__(self, view: View, names: Sequence[str] | None = None):
        self.names = view.columns if names is None else tuple(names)
        for name in self.names:
            if name not in view.columns:
                raise ConfigError(f"cannot noise {name!r}: {nearest(name, view.columns)}")
        if not self.names or len(set(self.names)) < len(self.names):
            raise ConfigError(f"different columns to noise are needed, found {', '.join(self.names)}")
        self.places = [view.columns.index(name) for name in self.names]
        self.assumed, self._pt_from = self._derived({*self.names, *view.events})

    def _derived(self, known: set[str]) -> tuple[tuple[str, ...], str]:
        """What is taken as 0, and the quantity that the transverse momentum comes from."""
        for assumed in _ASSUMED:
            try:
                steps = derivation(known | set(assumed))
            except ConfigError:
                continue
            return assumed, next((step.needs[0] for step in steps if step.gives == "pt"), "pt")
        raise ConfigError(f"the noised columns {', '.join(self.names)} do not determine a momentum")

    def data(self, made: Data) -> Tensor:
        """What a sampler must find: the standardised columns of a model input, ``[N, K]``."""
        x: Tensor = made.x[:, self.places]
        return x

    def noised(self, view: View, made: Batch, z: Tensor, time: Tensor) -> Batch:
        """A model input with noised columns, the time, and the four-vectors that follow from them.

        Args:
            view: what the model sees.
            made: the model input of the events without noise, or of none (:meth:`empty`).
            z: noised columns, ``[N, K]``.
            time: of each event, from 0 (not noised) to 1, ``[B]``.
        """
        out = copy.copy(made)
        out.x = self._x(view, z)
        out.p4 = self.momenta(view, made, z)
        out.time = time
        if view.ids:  # the last row of a table is that of a hidden id
            rows = [1 if name == HIDDEN else size for name, size in view.ids.items()]
            out.ids = torch.tensor(rows, device=z.device).expand(z.size(0), -1)
        return out

    def _x(self, view: View, z: Tensor) -> Tensor:
        x = z.new_zeros(z.size(0), len(view.columns))
        x[:, self.places] = z
        return x

    def momenta(self, view: View, made: Data, z: Tensor, known: Mapping[str, Tensor] | None = None) -> Tensor:
        """Four-vectors (pt [GeV], eta, phi, mass [GeV]) of noised columns, ``[N, 4]``; see :meth:`negative`.

        Args:
            view: what the model sees.
            made: with ``u`` and ``batch``.
            z: ``[N, K]``.
            known: further quantities of objects, ``total_phi`` and ``mass`` in place of 0, each ``[N]``.
        """
        input = Data(x=self._x(view, z), batch=made.batch)
        if view.events:
            input.u = made.u
        zero = z.new_zeros(z.size(0))
        assumed = {name: (known or {}).get(name, zero) for name in self.assumed}
        return view.to_p4(input, assumed, self.names)

    def negative(self, view: View, z: Tensor) -> Tensor:
        """Objects whose transverse momentum would be negative, and is 0 in :meth:`momenta`, ``[N]``."""
        if self._pt_from not in ("pt", "log_rest_pt") or self._pt_from not in self.names:
            return torch.zeros_like(z[:, 0], dtype=torch.bool)
        values = view.physical(self._x(view, z))[:, view.columns.index(self._pt_from)]
        return values < 0 if self._pt_from == "pt" else values > 0

    @staticmethod
    def empty(view: View, counts: Tensor, u: Tensor | None) -> Batch:
        """A model input of events of which only the columns of the event are known.

        Args:
            view: what the model sees.
            counts: objects of each event, ``[B]``.
            u: standardised columns of the events, ``[B, G]``; None where the view has none.
        """
        mean, nodes = view.mean, int(counts.sum())
        counts = counts.to(mean.device)
        made = Batch(_base_cls=Data)
        made.x, made.p4 = mean.new_zeros(nodes, len(view.columns)), mean.new_zeros(nodes, 4)
        if u is not None:
            made.u = u
        made.batch = torch.repeat_interleave(torch.arange(counts.numel(), device=mean.device), counts)
        made.ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        made.num_nodes = nodes
        made.__dict__["_num_graphs"] = counts.numel()
        return made
