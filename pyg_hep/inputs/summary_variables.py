"""Well-known event variables of raw event graphs, as one table; no loop over events, no trees, no files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.errors import PygHepError
from pyg_hep.kinematics import delta_phi, delta_r, from_cartesian, hypot, invariant_mass, to_cartesian
from pyg_hep.schema import Level, ObjectType

HIGGS, TOP, W, Z = 125.2, 172.6, 80.37, 91.19
"""Masses in GeV to which pairs and triplets are compared (PDG 2024)."""

LEPTONS = (ObjectType.ELECTRON, ObjectType.MUON, ObjectType.TAU)
_COUNTED = (*LEPTONS, ObjectType.JET, ObjectType.PHOTON, ObjectType.CHARGED_HADRON, ObjectType.NEUTRAL_HADRON)


def is_in_gev(name: str) -> bool:
    """Whether a variable is a momentum or a mass, so that it has no upper end."""
    return name in ("met", "ht", "st") or name.startswith(("m_", "mt_", "pt_")) or name.endswith(("_pt", "_mass"))


@dataclass(frozen=True)
class _Leading:
    """The objects of one group with the highest pt: four-vectors [B, k, 4], kinds, charges and presence [B, k]."""

    p4: Tensor
    kind: Tensor
    charge: Tensor
    btag: Tensor
    present: Tensor

    def pairs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Places i < j of all pairs and which exist, shapes [P], [P], [B, P]."""
        i, j = torch.triu_indices(self.present.shape[1], self.present.shape[1], 1, device=self.p4.device)
        return i, j, self.present[:, i] & self.present[:, j]


class SummaryVariables:
    """Turns a raw batch of event graphs into a table of event variables, NaN where one is undefined.

    Multiplicities, transverse momenta, angles, masses of jets, b-jets, leptons and photons, missing momentum and
    event shapes: what analyses of Higgs, top and vector bosons put into boosted trees.
    Only reconstructed objects count (level ``RECO``).

    Args:
        jets: the jets with the highest pt that pairs and triplets are made of.
        leptons: the same for electrons, muons and taus together.
        charges: use the charges of the leptons; without them, pairs of one flavour stand for those of opposite
            charge, as for a network whose inputs have no charge.
    """

    def __init__(self, jets: int = 8, leptons: int = 4, charges: bool = True) -> None:
        if jets < 4 or leptons < 2:
            raise PygHepError(f"at least 4 jets and 2 leptons are needed, got jets={jets}, leptons={leptons}")
        self.jets = jets
        self.leptons = leptons
        self.charges = charges

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"jets": self.jets, "leptons": self.leptons, "charges": self.charges}

    def __repr__(self) -> str:
        ending = "" if self.charges else ", charges=False"
        return f"{type(self).__name__}(jets={self.jets}, leptons={self.leptons}{ending})"

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        columns = {name: torch.zeros(1, dtype=torch.long) for name in ("kind", "batch", "charge", "btag")}
        return list(self.table(Batch(p4=torch.zeros(1, 4), ptr=torch.tensor([0, 1]), **columns)))

    def __call__(self, batch: Any) -> np.ndarray:
        """Return the variables of a raw batch as one table of shape ``[B, F]``, float32; see :meth:`table`."""
        return torch.stack(list(self.table(batch).values()), dim=1).cpu().numpy()

    @torch.no_grad()
    def table(self, batch: Any) -> dict[str, Tensor]:
        """Return the variables by name, each of shape ``[B]``, float32.

        Args:
            batch: ``Batch`` with the raw columns p4, kind, charge, btag (and level, where generator objects are
                among them).

        Raises:
            PygHepError: for a batch without these columns.
        """
        missing = [name for name in ("p4", "kind", "charge", "btag", "batch", "ptr") if name not in batch]
        if missing:
            raise PygHepError(f"summary variables need the column {missing[0]!r} of a raw batch")
        event, size = batch.batch, len(batch.ptr) - 1
        used = batch.level == Level.RECO if "level" in batch else torch.ones_like(batch.kind, dtype=torch.bool)
        is_jet = used & (batch.kind == ObjectType.JET)
        is_lepton = used & torch.isin(batch.kind, torch.tensor(LEPTONS, device=event.device))
        is_photon = used & (batch.kind == ObjectType.PHOTON)
        is_met = used & (batch.kind == ObjectType.MET)
        visible = used & ~is_met & (batch.kind != ObjectType.NEUTRINO) & (batch.kind != ObjectType.CLASS)

        jets = _leading(batch, is_jet, self.jets)
        b_jets = _leading(batch, is_jet & (batch.btag > 0), 4)
        light = _leading(batch, is_jet & (batch.btag <= 0), self.jets)
        leptons = _leading(batch, is_lepton, self.leptons)
        photons = _leading(batch, is_photon, 2)
        met = _leading(batch, is_met, 1)

        table: dict[str, Tensor] = {}
        for kind in _COUNTED:
            table[f"n_{kind.name.lower()}"] = _sum((used & (batch.kind == kind)).float(), event, size)
        table["n_b_jet"] = _sum((is_jet & (batch.btag > 0)).float(), event, size)
        table["n_forward_jet"] = _sum((is_jet & (batch.p4[:, 1].abs() > 2.5)).float(), event, size)
        _kinematics(table, "jet", jets, 6)
        _kinematics(table, "b_jet", b_jets, 3)
        _kinematics(table, "lepton", leptons, 3)
        _kinematics(table, "photon", photons, 2)
        _pairs(table, "jj", jets, (W, HIGGS))
        _pairs(table, "bb", b_jets, (HIGGS,))
        _pairs(table, "qq", light, (W,))
        _pairs(table, "ll", leptons, (Z,))
        _pairs(table, "yy", photons, ())
        _between(table, "lj", leptons, jets)
        _between(table, "lb", leptons, b_jets)
        _between(table, "yj", photons, jets)
        _dilepton_flavours(table, leptons, self.charges)
        _tops(table, b_jets, light)
        _missing(table, met, leptons, jets)
        _totals(table, batch, is_jet, is_lepton, visible, visible | is_met, size)
        return {name: values.float() for name, values in table.items()}


def _sum(values: Tensor, event: Tensor, size: int) -> Tensor:
    return values.new_zeros((size, *values.shape[1:])).index_add_(0, event, values)


def _where(condition: Tensor, values: Tensor) -> Tensor:
    return torch.where(condition, values, math.nan)


def _lowest(values: Tensor, present: Tensor) -> Tensor:
    """Smallest present value of each row, NaN where none is."""
    return _where(present.any(1), torch.where(present, values, math.inf).amin(1))


def by_momentum(batch: Any, mask: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, events and places of the ``k`` objects of ``mask`` with the highest pt in each event."""
    size = len(batch.ptr) - 1
    rows = mask.nonzero()[:, 0]
    rows = rows[torch.argsort(batch.p4[rows, 0], descending=True, stable=True)]
    rows = rows[torch.argsort(batch.batch[rows], stable=True)]
    event = batch.batch[rows]
    count = torch.bincount(event, minlength=size)
    place = torch.arange(len(rows), device=rows.device) - (count.cumsum(0) - count)[event]
    kept = place < k
    return rows[kept], event[kept], place[kept]


def _leading(batch: Any, mask: Tensor, k: int) -> _Leading:
    """Objects of ``mask`` padded to ``k`` per event, the highest pt first."""
    size = len(batch.ptr) - 1
    rows, event, place = by_momentum(batch, mask, k)
    padded = {}
    for name in ("p4", "kind", "charge", "btag"):
        column = getattr(batch, name)
        padded[name] = column.new_zeros((size, k, *column.shape[1:]))
        padded[name][event, place] = column[rows]
    present = torch.zeros((size, k), dtype=torch.bool, device=rows.device)
    present[event, place] = True
    return _Leading(present=present, **padded)


def _kinematics(table: dict[str, Tensor], name: str, group: _Leading, k: int) -> None:
    for i in range(min(k, group.present.shape[1])):
        table[f"{name}{i + 1}_pt"] = _where(group.present[:, i], group.p4[:, i, 0])
        table[f"{name}{i + 1}_eta"] = _where(group.present[:, i], group.p4[:, i, 1].abs())
    if name.endswith("jet"):
        table[f"{name}1_mass"] = _where(group.present[:, 0], group.p4[:, 0, 3])


def _pairs(table: dict[str, Tensor], name: str, group: _Leading, masses: tuple[float, ...]) -> None:
    """Masses and distances over all pairs of a group, and those of the two leading objects."""
    i, j, exists = group.pairs()
    a, b = group.p4[:, i], group.p4[:, j]
    mass = invariant_mass(a, b)
    d_eta = (a[..., 1] - b[..., 1]).abs()
    d_r = delta_r(a[..., 1], a[..., 2], b[..., 1], b[..., 2])
    leading = exists[:, 0]  # pair 0 is (0, 1)
    momentum = to_cartesian(a[:, 0]) + to_cartesian(b[:, 0])
    table[f"m_{name}"] = _where(leading, mass[:, 0])
    table[f"pt_{name}"] = _where(leading, hypot(momentum[:, 0], momentum[:, 1]))
    table[f"dr_{name}"] = _where(leading, d_r[:, 0])
    table[f"deta_{name}"] = _where(leading, d_eta[:, 0])
    table[f"dphi_{name}"] = _where(leading, delta_phi(a[:, 0, 2], b[:, 0, 2]).abs())
    if len(i) > 1:
        table[f"m_{name}_min"] = _lowest(mass, exists)
        table[f"m_{name}_max"] = -_lowest(-mass, exists)
        table[f"dr_{name}_min"] = _lowest(d_r, exists)
        table[f"dr_{name}_max"] = -_lowest(-d_r, exists)
        table[f"deta_{name}_max"] = -_lowest(-d_eta, exists)
        table[f"dr_{name}_mean"] = _where(leading, torch.where(exists, d_r, 0.0).sum(1) / exists.sum(1))
    for reference in masses:
        closest = torch.where(exists, (mass - reference).abs(), math.inf).argmin(1, keepdim=True)
        table[f"m_{name}_near_{reference:.0f}"] = _where(leading, mass.gather(1, closest)[:, 0])
        table[f"dr_{name}_near_{reference:.0f}"] = _where(leading, d_r.gather(1, closest)[:, 0])


def _between(table: dict[str, Tensor], name: str, first: _Leading, second: _Leading) -> None:
    """Smallest mass and distance between the objects of two groups."""
    a, b = first.p4[:, :, None], second.p4[:, None]
    exists = (first.present[:, :, None] & second.present[:, None]).flatten(1)
    d_r = delta_r(a[..., 1], a[..., 2], b[..., 1], b[..., 2])
    table[f"m_{name}_min"] = _lowest(invariant_mass(a, b).flatten(1), exists)
    table[f"dr_{name}_min"] = _lowest(d_r.flatten(1), exists)


def _dilepton_flavours(table: dict[str, Tensor], leptons: _Leading, charges: bool) -> None:
    """Charges and flavours of the leptons; mass of the same-flavour, opposite-charge pair closest to the Z."""
    i, j, exists = leptons.pairs()
    candidates = exists & (leptons.kind[:, i] == leptons.kind[:, j])
    if charges:
        opposite = leptons.charge[:, i] * leptons.charge[:, j] < 0
        candidates = candidates & opposite
        charge = torch.where(leptons.present, leptons.charge, 0.0).sum(1)
        table["lepton_charge"] = charge
        table["lepton_charge_abs"] = charge.abs()
    mass = invariant_mass(leptons.p4[:, i], leptons.p4[:, j])
    closest = torch.where(candidates, (mass - Z).abs(), math.inf).argmin(1, keepdim=True)
    name = "n_same_flavour_opposite_charge" if charges else "n_same_flavour"
    table[name] = candidates.float().sum(1)
    if charges:
        table["n_same_charge"] = (exists & ~opposite).float().sum(1)
    table["m_z_candidate"] = _where(candidates.any(1), mass.gather(1, closest)[:, 0])


def _tops(table: dict[str, Tensor], b_jets: _Leading, light: _Leading) -> None:
    """Mass of the b-jet and two other jets closest to the top mass, and of the W candidate in it."""
    k = min(6, light.present.shape[1])
    pairs = list(combinations(range(k), 2))
    i, j = (torch.tensor(places, device=light.p4.device) for places in zip(*pairs, strict=True))
    two = light.present[:, i] & light.present[:, j]
    exists = (b_jets.present[:, :, None] & two[:, None]).flatten(1)
    mass_w = invariant_mass(light.p4[:, i], light.p4[:, j])
    mass = invariant_mass(b_jets.p4[:, :, None], light.p4[:, None, i], light.p4[:, None, j]).flatten(1)
    closest = torch.where(exists, (mass - TOP).abs(), math.inf).argmin(1, keepdim=True)
    table["m_bqq_near_top"] = _where(exists.any(1), mass.gather(1, closest)[:, 0])
    table["m_qq_in_top"] = _where(exists.any(1), mass_w.gather(1, closest % len(pairs))[:, 0])


def _missing(table: dict[str, Tensor], met: _Leading, leptons: _Leading, jets: _Leading) -> None:
    """Missing transverse momentum, its angles, and the transverse mass with the leading lepton."""
    has_met = met.present[:, 0]
    pt, phi = met.p4[:, 0, 0], met.p4[:, 0, 2]
    to_lepton = delta_phi(leptons.p4[:, 0, 2], phi).abs()
    to_jets = delta_phi(jets.p4[:, :4, 2], phi[:, None]).abs()
    square = 2.0 * leptons.p4[:, 0, 0] * pt * (1.0 - torch.cos(to_lepton))
    both = has_met & leptons.present[:, 0]
    table["met"] = _where(has_met, pt)
    table["mt_lepton_met"] = _where(both, square.clamp(min=0).sqrt())
    table["dphi_lepton_met"] = _where(both, to_lepton)
    table["dphi_jet_met"] = _where(has_met & jets.present[:, 0], to_jets[:, 0])
    table["dphi_jet_met_min"] = _lowest(to_jets, jets.present[:, :4] & has_met[:, None])


def _totals(
    table: dict[str, Tensor],
    batch: Any,
    is_jet: Tensor,
    is_lepton: Tensor,
    visible: Tensor,
    everything: Tensor,
    size: int,
) -> None:
    """Sums over all objects and event shapes.

    Sphericity and aplanarity are 3/2 (l2 + l3) and 3/2 l3 of the ordered eigenvalues of the normalised momentum
    tensor, the transverse sphericity 2 l2 / (l1 + l2) of its transverse part; centrality is HT over the energy of
    the jets. Source: Bjorken and Brodsky, Phys. Rev. D 1 (1970) 1416.
    """
    event, p4 = batch.batch, batch.p4.double()
    cartesian = to_cartesian(p4)

    def total(values: Tensor, mask: Tensor) -> Tensor:
        return _sum(values[mask], event[mask], size)

    ht = total(p4[:, 0], is_jet)
    table["ht"] = ht
    table["st"] = total(p4[:, 0], everything)
    table["pt_sum_lepton"] = total(p4[:, 0], is_lepton)
    table["centrality"] = ht / total(cartesian[:, 3], is_jet)
    for name, mask in (("visible", visible), ("all", everything), ("jets", is_jet)):
        sums = from_cartesian(total(cartesian, mask))
        table[f"m_{name}"], table[f"pt_{name}"] = sums[:, 3], sums[:, 0]
        if name != "all":
            table[f"eta_{name}"] = sums[:, 1].abs()
    momentum = cartesian[:, :3]
    tensor = total(momentum[:, :, None] * momentum[:, None], visible)
    trace = torch.diagonal(tensor, dim1=1, dim2=2).sum(1)
    safe = tensor / trace.clamp(min=1e-12)[:, None, None]
    low, middle, _ = torch.linalg.eigvalsh(safe).unbind(1)
    filled = trace > 0
    table["sphericity"] = _where(filled, 1.5 * (low + middle))
    table["aplanarity"] = _where(filled, 1.5 * low)
    transverse = torch.linalg.eigvalsh(safe[:, :2, :2])
    table["transverse_sphericity"] = _where(filled, 2.0 * transverse[:, 0] / transverse.sum(1).clamp(min=1e-12))
