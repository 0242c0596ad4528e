"""The generated daughters of dileptonic top pairs, blank ones to be estimated and true ones; a frame of leptons."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.kinematics import reflect_z, rotate_phi, wrap_phi
from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.add_nodes import AddNodes
from pyg_hep.transforms.complete_graph import set_momenta
from pyg_hep.transforms.select_nodes import SelectNodes

DAUGHTERS = ("b", "antib", "antilepton", "lepton", "neutrino", "antineutrino")
"""The generated particles of a dileptonic top pair, in the order in which they are added to an event."""

UNMEASURED = ("b", "antib", "neutrino", "antineutrino")
"""Those of them that a detector measures badly or not at all; charged leptons are known to about a percent."""

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


def unmeasured_daughters(batch: Batch) -> tuple[Tensor, Tensor]:
    """Four-vectors of the generated b quarks and neutrinos, by their ``pdg_id``.

    Args:
        batch: raw events.

    Returns:
        ``p4`` (pt [GeV], eta, phi, mass [GeV]) ``[B, 4, 4]`` in the order of :data:`UNMEASURED`, and ``[B]``: whether
        the event has each of them exactly once; rows of others mean nothing.
    """
    if "pdg_id" not in batch:
        none = batch.p4.new_zeros(batch.num_graphs, len(UNMEASURED), 4)
        return none, torch.zeros(batch.num_graphs, dtype=torch.bool, device=none.device)
    generated, number = batch.level == int(Level.GEN), batch.pdg_id
    neutrino = generated & (batch.kind == int(ObjectType.NEUTRINO))
    parton = generated & (batch.kind == int(ObjectType.PARTON))
    masks = (parton & (number == 5), parton & (number == -5), neutrino & (number > 0), neutrino & (number < 0))
    return once_per_event(batch.p4, masks, batch)


def once_per_event(values: Tensor, masks: Sequence[Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
    """Values of the particles that an event has once each.

    Args:
        values: of all particles, ``[N, D]``.
        masks: of K sorts of particles, ``[N]`` each.
        batch: the events.

    Returns:
        ``[B, K, D]``, and ``[B]``: whether the event has each sort exactly once; rows of others mean nothing.
    """
    events = int(batch.num_graphs)
    result = values.new_zeros(events, len(masks), values.size(1))
    complete = torch.ones(events, dtype=torch.bool, device=values.device)
    for k, mask in enumerate(masks):
        event = batch.batch[mask]
        result[event, k] = values[mask]
        complete &= torch.bincount(event, minlength=events) == 1
    return result, complete


def lepton_momenta(batch: Batch, charge: int) -> Tensor:
    """Sum of the transverse momenta (x, y) [GeV] of the reconstructed leptons of one charge, and of their etas, [B, 3].

    Args:
        batch: raw events.
        charge: its sign.
    """
    lepton = (batch.kind == int(ObjectType.ELECTRON)) | (batch.kind == int(ObjectType.MUON))
    mask = lepton & (batch.level == int(Level.RECO)) & (batch.charge.sign() == charge)
    pt, eta, phi, _ = batch.p4[mask].unbind(1)
    values = torch.stack([pt * phi.cos(), pt * phi.sin(), eta], dim=1)
    return values.new_zeros(batch.num_graphs, 3).index_add(0, batch.batch[mask], values)


class LeptonFrame(NamedTuple):
    """Frame of an event to which rotations about the beam and reflections lead: unpolarised collisions have them.

    In it the positive lepton has the azimuth 0, the negative one a positive azimuth and both together a positive eta.

    Args:
        angle: azimuth of the positive lepton [rad], ``[B]``.
        side: -1 where azimuths change their sign, else 1, ``[B]``.
        end: -1 where the beam axis is reflected, else 1, ``[B]``.
    """

    angle: Tensor
    side: Tensor
    end: Tensor

    @classmethod
    def of(cls, batch: Batch) -> LeptonFrame:
        """Frames of the reconstructed leptons of raw events; the laboratory's where there are none."""
        plus, minus = (lepton_momenta(batch, charge).detach() for charge in (1, -1))
        angle = torch.atan2(plus[:, 1], plus[:, 0])
        opening = wrap_phi(torch.atan2(minus[:, 1], minus[:, 0]) - angle)
        one = torch.ones_like(angle)
        return cls(angle, torch.where(opening < 0, -one, one), torch.where(plus[:, 2] + minus[:, 2] < 0, -one, one))

    def enter(self, batch: Batch) -> Batch:
        """Copies of the events in their frames."""
        angle, side, end = (values[batch.batch] for values in self)
        p4 = rotate_phi(batch.p4, -angle)
        p4 = torch.cat([p4[:, :2], wrap_phi(side * p4[:, 2]).unsqueeze(1), p4[:, 3:]], dim=1)
        return set_momenta(copy.copy(batch), torch.where((end < 0).unsqueeze(1), reflect_z(p4), p4))

    def leave(self, momentum: Tensor) -> Tensor:
        """Momenta (px, py, pz) ``[..., B, K, 3]`` in the laboratory again."""
        angle, side, end = (values.unsqueeze(-1).to(momentum.dtype) for values in self)
        x, y, z = momentum.unbind(-1)
        y = side * y
        return torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos(), end * z], dim=-1)
