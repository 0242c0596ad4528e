"""The particles of many jets, padded or packed, as the observables of jets need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyg_hep.errors import PygHepError
from pyg_hep.kinematics import hypot, to_cartesian

_PAIRS = 2_000_000  # of one chunk: 16 MB in float64, which stays near the core


@dataclass(frozen=True)
class Constituents:
    """Particles of jets, packed, in float64.

    Args:
        p4: (pt [GeV], eta, phi, mass [GeV]), shape ``[N, 4]``.
        count: number of particles of each jet, shape ``[J]``.
    """

    p4: Tensor
    count: Tensor

    @classmethod
    def of(cls, p4: Any, mask: Any = None, ptr: Any = None) -> Constituents:
        """From padded or packed particles.

        Args:
            p4: (pt [GeV], eta, phi, mass [GeV]): ``[J, n, 4]`` with ``mask``, or ``[N, 4]`` with ``ptr``.
            mask: True where there is a particle, ``[J, n]``.
            ptr: where each jet begins, and N at the end, ``[J + 1]``: a batch's ``ptr``.

        Raises:
            PygHepError: for shapes that do not fit, and for momenta that are not finite or negative.
        """
        values = torch.as_tensor(p4).detach().cpu().double()
        if (mask is None) == (ptr is None):
            raise PygHepError("particles need either the mask of padded jets or the ptr of packed ones")
        if mask is not None:
            present = torch.as_tensor(mask).cpu()
            if present.dtype != torch.bool or values.dim() != 3 or values.shape != (*present.shape, 4):
                raise PygHepError(
                    f"padded jets have p4 [J, n, 4] and a mask [J, n] of booleans, got {list(values.shape)} and "
                    f"{present.dtype} {list(present.shape)}"
                )
            values, count = values[present], present.sum(1)
        else:
            bounds = torch.as_tensor(ptr).cpu()
            if bounds.is_floating_point() or bounds.dim() != 1 or not len(bounds) or values.dim() != 2:
                raise PygHepError(
                    f"packed jets have p4 [N, 4] and a ptr [J + 1] of integers, got {list(values.shape)} and "
                    f"{bounds.dtype} {list(bounds.shape)}"
                )
            count = bounds.diff()
            if values.size(1) != 4 or bounds[0] != 0 or bounds[-1] != len(values) or (count < 0).any():
                raise PygHepError(f"the ptr does not rise from 0 to the end of p4 {list(values.shape)}")
        if not torch.isfinite(values).all() or (values[:, 0] < 0).any() or (values[:, 3] < 0).any():
            raise PygHepError("the momenta of some particles are NaN, infinite, or have a negative pt or mass")
        return cls(values, count)

    @property
    def jet(self) -> Tensor:
        """Jet of each particle, shape ``[N]``."""
        return torch.repeat_interleave(torch.arange(len(self.count)), self.count)

    def rapidity(self) -> Tensor:
        """Shape ``[N]``; 0 for particles without a transverse momentum, which carry no weight in any observable."""
        pt, eta, _, mass = self.p4.unbind(-1)
        mt = hypot(pt, mass)
        return torch.asinh(pt * torch.sinh(eta) / torch.where(mt == 0, 1.0, mt))

    def total(self) -> Tensor:
        """(p_x, p_y, p_z, E) of each jet in GeV, shape ``[J, 4]``."""
        zero = torch.zeros(len(self.count), 4, dtype=torch.float64)
        return zero.index_add_(0, self.jet, to_cartesian(self.p4))

    def select(self, keep: Tensor) -> Constituents:
        """The particles where ``keep`` ``[N]`` is set."""
        count = torch.zeros_like(self.count).index_add_(
            0, self.jet[keep], torch.ones(int(keep.sum()), dtype=torch.long)
        )
        return Constituents(self.p4[keep], count)

    def padded(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Jets of similar size at a time, so that neither memory nor time is spent on padding.

        Yields:
            Numbers of the jets ``[K]``; (pt, rapidity, phi) ``[K, n, 3]``, 0 where there is no particle; mask
            ``[K, n]``. Jets without particles are left out.
        """
        columns = torch.stack([self.p4[:, 0], self.rapidity(), self.p4[:, 2]], dim=-1)
        first = self.count.cumsum(0) - self.count
        order = torch.argsort(self.count, descending=True, stable=True)
        order = order[self.count[order] > 0]
        start = 0
        while start < len(order):
            width = int(self.count[order[start]])
            jets = order[start : start + max(1, _PAIRS // width**2)]
            start += len(jets)
            slots = torch.arange(width)
            mask = slots < self.count[jets, None]
            rows = torch.where(mask, first[jets, None] + slots, 0)
            yield jets, torch.where(mask[..., None], columns[rows], 0.0), mask
