"""The numbers in which the density of a dileptonic top pair's daughters is learned, and the way back to momenta."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.dileptonic import lepton_momenta

ETAS = slice(2, None, 3)
"""Places of the pseudorapidities among the twelve numbers."""

_TYPICAL = 50.0  # GeV: where momenta that a network reads turn from linear to logarithmic


def measured_anchors(batch: Batch) -> Tensor:
    """What the numbers are relative to: (px, py, eta) of both charged leptons, (px, py) of the missing momentum.

    Args:
        batch: raw events.

    Returns:
        ``[B, 8]``; 0 for what an event lacks.
    """
    mask = (batch.kind == int(ObjectType.MET)) & (batch.level == int(Level.RECO))
    pt, phi = batch.p4[mask, 0], batch.p4[mask, 2]
    missing = batch.p4.new_zeros(batch.num_graphs, 2)
    missing = missing.index_add(0, batch.batch[mask], torch.stack([pt * phi.cos(), pt * phi.sin()], dim=1))
    return torch.cat([lepton_momenta(batch, 1), lepton_momenta(batch, -1), missing], dim=1)


def readable(anchors: Tensor) -> Tensor:
    """The same for a network to read, of order one, ``[B, 8]``."""
    is_eta = torch.tensor([False, False, True] * 2 + [False] * 2, device=anchors.device)
    return torch.where(is_eta, anchors, (anchors / _TYPICAL).asinh())


def momenta(p4: Tensor) -> Tensor:
    """(px, py, eta) of the four (pt, eta, phi, mass), ``[..., 12]`` of ``[..., 4, 4]``."""
    pt, eta, phi, _ = p4.unbind(-1)
    return torch.stack([pt * phi.cos(), pt * phi.sin(), eta], dim=-1).flatten(-2)


def relative(momenta: Tensor, anchors: Tensor) -> Tensor:
    r"""Numbers that are small where an event is measured well.

    .. math:: \eta - \eta_\ell, \quad \vec p_\nu + \vec p_{\bar\nu} - \vec p_\text{miss}, \quad
        (\vec p_\nu - \vec p_{\bar\nu}) / 2

    each particle's lepton being that of its top; momenta of b quarks as they are. Volumes stay.

    Args:
        momenta: (px, py, eta) of b, anti-b, neutrino and antineutrino, ``[..., 12]``.
        anchors: of :func:`measured_anchors`, ``[..., 8]``.

    Returns:
        ``[..., 12]``: b, anti-b, the sum with the neutrino's eta, the difference with the antineutrino's.
    """
    quarks, one, two = momenta[..., :6], momenta[..., 6:8], momenta[..., 9:11]
    etas = _lepton_etas(anchors)
    result = torch.cat(
        [quarks, one + two - anchors[..., 6:], momenta[..., 8:9], 0.5 * (one - two), momenta[..., 11:]], dim=-1
    )
    return result - etas


def absolute(numbers: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of :func:`relative`."""
    moved = numbers + _lepton_etas(anchors)
    half, difference = 0.5 * (moved[..., 6:8] + anchors[..., 6:]), moved[..., 9:11]
    parts = [moved[..., :6], half + difference, moved[..., 8:9], half - difference, moved[..., 11:]]
    return torch.cat(parts, dim=-1)


def _lepton_etas(anchors: Tensor) -> Tensor:
    """The eta of each particle's lepton at the place of its own eta, else 0, ``[..., 12]``."""
    zero = torch.zeros_like(anchors[..., 2])
    one, two = anchors[..., 2], anchors[..., 5]
    return torch.stack([zero, zero, one, zero, zero, two] * 2, dim=-1)
