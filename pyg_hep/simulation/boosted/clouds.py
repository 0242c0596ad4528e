"""Jets out of reconstructed particles, and their columns in the format of JetClass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyg_hep.simulation.boosted.detectors import Detector
from pyg_hep.simulation.boosted.particle_flow import (
    CHARGED_HADRON,
    ELECTRON,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    Constituents,
)
from pyg_hep.simulation.boosted.processes import CLASSES, MAX_ETA, MAX_PT, MIN_PT, RADIUS
from pyg_hep.simulation.boosted.substructure import soft_drop, subjettiness
from pyg_hep.simulation.columns import Array, Collection, EventColumns, Floats, Ints
from pyg_hep.simulation.geometry import group_sums, pt_eta_phi
from pyg_hep.simulation.jets import cluster_members

MOST = 128
"""Particles of a jet that are written, by falling pT."""

_KINDS = {
    "isChargedHadron": CHARGED_HADRON, "isNeutralHadron": NEUTRAL_HADRON, "isPhoton": PHOTON,
    "isElectron": ELECTRON, "isMuon": MUON,
}  # fmt: skip


def find_jets(found: Constituents, count: int, detector: Detector) -> tuple[Ints, Floats, Constituents]:
    """Anti-kt jets of radius 0.8, groomed if the detector does, from 500 to 1000 GeV within abs(eta) < 2.

    Returns:
        Event of every jet, sorted, shape ``[J]``, (px, py, pz, E) in GeV, shape ``[J, 4]``, and their particles, whose
        ``event`` is the position of their jet. The four-vector of a jet is the sum of its particles.
    """
    event, _, jet = cluster_members(found, count, RADIUS, MIN_PT)
    inside = np.flatnonzero(jet >= 0)
    inside = inside[np.argsort(jet[inside], kind="stable")]
    members = replace(found.select(inside), event=jet[inside])
    if detector.soft_drop is not None and event.size:
        _, stays = soft_drop(members, event.size, *detector.soft_drop)
        members = members.select(stays)
    p4 = _sums(members, event.size)
    pt, eta, _ = pt_eta_phi(*p4[:, :3].T)
    return select_jets((pt > MIN_PT) & (pt < MAX_PT) & (np.abs(eta) < MAX_ETA), event, p4, members)


def select_jets(
    keep: Array, event: Ints, p4: Floats, members: Constituents
) -> tuple[Ints, Floats, Constituents]:  # fmt: skip
    """The jets where the mask ``keep`` says so, as :func:`find_jets` gives them."""
    position = np.cumsum(keep) - 1
    members = members.select(keep[members.event])
    return event[keep], p4[keep], replace(members, event=position[members.event])


def jet_columns(label: str, p4: Floats, members: Constituents) -> EventColumns:
    """The branches of JetClass, one jet per entry: ``part_*``, ``jet_*`` and ``label_*``, all float32.

    ``part_deta`` has the sign of the jet's eta and grows with abs(eta), ``part_dphi`` is the difference in azimuth.
    ``jet_nparticles`` counts the particles that are written, at most 128. The four-vector, the soft-drop mass
    (z_cut 0.1, beta 0) and ``jet_tau1`` to ``jet_tau4`` are those of all particles.
    """
    count = len(p4)
    pt, eta, phi = pt_eta_phi(*p4[:, :3].T)
    mass, _ = soft_drop(members, count, 0.1, 0.0)
    tau = subjettiness(members, count)

    particle_pt, particle_eta, particle_phi = pt_eta_phi(members.px, members.py, members.pz)
    order = np.lexsort((-particle_pt, members.event))
    sizes = np.bincount(members.event, minlength=count)
    rank = np.arange(order.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = order[rank < MOST]
    members, particle_eta, particle_phi = members.select(order), particle_eta[order], particle_phi[order]
    jet = members.event
    fields = {
        "px": members.px,
        "py": members.py,
        "pz": members.pz,
        "energy": members.energy,
        "deta": (particle_eta - eta[jet]) * np.where(eta[jet] > 0, 1.0, -1.0),
        "dphi": np.mod(particle_phi - phi[jet] + np.pi, 2 * np.pi) - np.pi,
        "d0val": members.d0,
        "d0err": members.d0_error,
        "dzval": members.dz,
        "dzerr": members.dz_error,
        "charge": members.charge,
        **{name: members.kind == kind for name, kind in _KINDS.items()},
    }
    scalars = {f"label_{name}": np.full(count, float(name == label)) for name in CLASSES}
    scalars |= {
        "jet_pt": pt, "jet_eta": eta, "jet_phi": phi, "jet_energy": p4[:, 3],
        "jet_nparticles": np.minimum(sizes, MOST), "jet_sdmass": mass,
        **{f"jet_tau{n + 1}": tau[:, n] for n in range(4)},
    }  # fmt: skip
    return EventColumns(
        {name: values.astype(np.float32) for name, values in scalars.items()},
        {
            "part": Collection(
                np.minimum(sizes, MOST), {name: values.astype(np.float32) for name, values in fields.items()}
            )
        },
    )


def _sums(members: Constituents, count: int) -> Floats:
    return np.column_stack(
        [group_sums(members.event, x, count) for x in (members.px, members.py, members.pz, members.energy)]
    )
