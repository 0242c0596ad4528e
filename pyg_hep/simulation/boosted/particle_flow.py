"""From final particles to what a detector reconstructs of them: tracks, cells of both calorimeters, kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_hep.simulation.boosted.detectors import Calorimeter, Detector
from pyg_hep.simulation.boosted.particles import Particles
from pyg_hep.simulation.columns import Floats, Ints, Mask, Rows
from pyg_hep.simulation.geometry import group_sums, pt_eta_phi
from pyg_hep.simulation.objects import smearing_factor

CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON = range(5)


@dataclass(frozen=True)
class Constituents(Rows):
    """Reconstructed particles, sorted by event, shape ``[N]`` each; momenta in GeV, impact parameters in mm.

    ``d0`` and ``dz`` with their errors are those of tracks, 0 for all others. ``pile_up`` is the truth of a track, and
    for a cell whether most of its energy is from other collisions.
    """

    event: Ints
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    charge: Ints
    kind: Ints
    d0: Floats
    d0_error: Floats
    dz: Floats
    dz_error: Floats
    pile_up: Mask


def reconstruct(particles: Particles, detector: Detector, rng: np.random.Generator) -> Constituents:
    r"""What a particle-flow reconstruction makes of final particles.

    Charged particles leave a track by the efficiency of the detector; tracks are smeared in pT and direction (electrons
    by the better of tracker and calorimeter). Photons, and electrons without a track, are summed in the cells of the
    electromagnetic calorimeter; neutral hadrons, and charged ones without a track, in those of the hadronic one; the
    energy of a cell is smeared and its direction is uniform within the cell. Muons without a track are lost. The
    energy that tracks leave in cells is taken out perfectly. Impact parameters of tracks are those of a straight line,

    .. math:: d_0 = (x p_y - y p_x) / p_T, \qquad d_z = z - (x p_x + y p_y) p_z / p_T^2,

    with a Gaussian error: within 5 mm of the beam the field bends a track of 1 GeV by 14 micrometres.
    """
    pt, eta, phi = pt_eta_phi(particles.px, particles.py, particles.pz)
    charge, kind = particles.charge, np.abs(particles.pdg_id)
    efficiency = np.where(charge != 0, detector.track_efficiency(pt, eta, particles.pdg_id), 0.0)
    track = rng.random(pt.size) < efficiency
    electromagnetic = np.isin(kind, (11, 22))
    found = [
        _tracks(particles.select(track), pt[track], eta[track], phi[track], detector, rng),
        _cells(particles.select(~track & electromagnetic), detector.ecal, PHOTON, rng),
        _cells(particles.select(~track & ~electromagnetic & (kind != 13)), detector.hcal, NEUTRAL_HADRON, rng),
    ]
    all_kinds = Constituents.concatenate(found)
    return all_kinds.select(np.argsort(all_kinds.event, kind="stable"))


def without_pile_up(found: Constituents, detector: Detector) -> Constituents:
    """Without the tracks of other vertices and the neutral particles below the threshold of the detector."""
    charged = found.charge != 0
    keep = np.where(charged, True, np.hypot(found.px, found.py) > detector.neutral_pt)
    if detector.track_dz:
        keep &= ~charged | (np.abs(found.dz) < detector.track_dz)
    return found.select(keep)


def _tracks(
    of: Particles, pt: Floats, eta: Floats, phi: Floats, detector: Detector, rng: np.random.Generator
) -> Constituents:
    kind = np.abs(of.pdg_id)
    mass2 = np.maximum(of.energy**2 - of.px**2 - of.py**2 - of.pz**2, 0.0)
    resolution = detector.track_resolution(pt, eta)
    by_energy = detector.ecal.resolution(of.energy, eta) / of.energy
    resolution = np.where(kind == 11, np.minimum(resolution, by_energy), resolution)
    x, y, z = of.vertex.T
    d0_error, dz_error = detector.impact_errors(pt, eta)
    d0 = (x * of.py - y * of.px) / pt + d0_error * rng.standard_normal(pt.size)
    dz = z - (x * of.px + y * of.py) * of.pz / pt**2 + dz_error * rng.standard_normal(pt.size)
    width = detector.angular_resolution(pt)
    pt = pt * smearing_factor(resolution, rng)
    eta = eta + width * rng.standard_normal(pt.size)
    phi = phi + width * rng.standard_normal(pt.size)
    return Constituents(
        event=of.event,
        px=pt * np.cos(phi),
        py=pt * np.sin(phi),
        pz=pt * np.sinh(eta),
        energy=np.sqrt((pt * np.cosh(eta)) ** 2 + mass2),
        charge=of.charge,
        kind=np.select([kind == 11, kind == 13], [ELECTRON, MUON], CHARGED_HADRON),
        d0=d0,
        d0_error=d0_error,
        dz=dz,
        dz_error=dz_error,
        pile_up=of.pile_up,
    )


def _cells(of: Particles, calorimeter: Calorimeter, kind: int, rng: np.random.Generator) -> Constituents:
    """Massless sums of the particles in each cell that is above threshold."""
    _, eta, phi = pt_eta_phi(of.px, of.py, of.pz)
    around = round(2 * np.pi / calorimeter.cell)
    step = 2 * np.pi / around
    rows = 1000  # more than there are within abs(eta) < 3
    row = np.floor(eta / calorimeter.cell).astype(np.int64) + rows // 2
    column = np.floor((phi + np.pi) / step).astype(np.int64) % around
    cell, of_cell = np.unique((of.event * rows + row) * around + column, return_inverse=True)
    energy = group_sums(of_cell, of.energy, cell.size)
    from_pile_up = group_sums(of_cell, of.energy * of.pile_up, cell.size) > 0.5 * energy
    event, row, column = cell // (rows * around), cell // around % rows, cell % around
    eta = (row - rows // 2 + rng.random(cell.size)) * calorimeter.cell
    phi = (column + rng.random(cell.size)) * step - np.pi
    width = calorimeter.resolution(energy, eta)
    energy = energy + width * rng.standard_normal(cell.size)
    keep = (energy > calorimeter.threshold) & (energy > calorimeter.resolution(np.maximum(energy, 0.0), eta))
    event, eta, phi, energy = event[keep], eta[keep], phi[keep], energy[keep]
    pt, zero = energy / np.cosh(eta), np.zeros(energy.size)
    return Constituents(
        event=event,
        px=pt * np.cos(phi),
        py=pt * np.sin(phi),
        pz=pt * np.sinh(eta),
        energy=energy,
        charge=np.zeros(energy.size, dtype=np.int64),
        kind=np.full(energy.size, kind),
        d0=zero,
        d0_error=zero,
        dz=zero,
        dz_error=zero,
        pile_up=from_pile_up[keep],
    )
