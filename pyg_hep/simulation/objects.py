"""Electrons, muons, photons and hadronic taus of the detector; jets and missing momentum are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_hep.schema import DEFAULT_MASS, ObjectType
from pyg_hep.simulation import response
from pyg_hep.simulation.columns import Array, Collection, Floats, GeneratedEvents, Ints, Mask, Rows
from pyg_hep.simulation.geometry import delta_r, group_sums, invariant_mass, pairs, pt_eta_phi
from pyg_hep.simulation.truth import HadronicTaus, is_hadron

MIN_PT = 7.0
"""GeV; leptons, photons and taus below are not written."""

_CANDIDATE_PT = 5.0  # of true particles: those that can be smeared above MIN_PT
_DRESSING_CONE = 0.1  # photons radiated this close to an electron share its calorimeter cluster


@dataclass(frozen=True)
class Visible:
    """Final visible particles within abs(eta) < 4.9, sorted by event, shape ``[V]`` each; GeV."""

    event: Ints
    pdg_id: Ints
    mother_is_hadron: Mask
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    pt: Floats
    eta: Floats
    phi: Floats


@dataclass(frozen=True)
class Objects(Rows):
    """Reconstructed objects of one kind, shape ``[N]`` each, in GeV; ``charge`` in units of e."""

    event: Ints
    pt: Floats
    eta: Floats
    phi: Floats
    mass: Floats
    charge: Ints

    def append(self, other: Objects) -> Objects:
        """These and the ``other`` objects."""
        return Objects.concatenate([self, other])

    def collection(self, count: int, charged: bool = True, **extra: Array) -> Collection:
        """Ordered by falling pT within each of ``count`` events, in the types of NanoAOD."""
        names = ("pt", "eta", "phi", "mass")
        fields: dict[str, Array] = {name: getattr(self, name).astype(np.float32) for name in names}
        if charged:
            fields["charge"] = self.charge.astype(np.int32)
        return Collection.from_unsorted(self.event, count, -self.pt, {**fields, **extra})


def visible_particles(events: GeneratedEvents, invisible: tuple[int, ...]) -> Visible:
    """What the calorimeters and the muon spectrometer can see, to abs(eta) < 4.9."""
    final = np.flatnonzero((events.status > 0) & ~np.isin(np.abs(events.pdg_id), invisible))
    pt, eta, phi = pt_eta_phi(events.px[final], events.py[final], events.pz[final])
    inside = np.abs(eta) < 4.9
    final, pt, eta, phi = final[inside], pt[inside], eta[inside], phi[inside]
    return Visible(
        event=events.event[final],
        pdg_id=events.pdg_id[final],
        mother_is_hadron=is_hadron(events.pdg_id[events.mother[final]]),
        px=events.px[final],
        py=events.py[final],
        pz=events.pz[final],
        energy=events.energy[final],
        pt=pt,
        eta=eta,
        phi=phi,
    )


@dataclass(frozen=True)
class Isolated:
    """Outcome for electrons, muons and photons.

    Attributes:
        objects: reconstructed ones by PDG number (11, 13, 22).
        absorbed: particles that belong to them or are lost with them, and must not enter jets, ``[V]``.
        true_px: transverse momentum (x) that the particles in ``absorbed`` had, per event, ``[B]``.
        true_py: as ``true_px``, for y.
    """

    objects: dict[int, Objects]
    absorbed: Mask
    true_px: Floats
    true_py: Floats


def isolated_objects(particles: Visible, count: int, rng: np.random.Generator) -> Isolated:
    """Reconstruct isolated electrons, muons and photons.

    Candidates are final electrons, muons and photons of more than 5 GeV; photons of hadron decays are none (they
    reach the photons only as jets taken for one). An electron takes in the photons within Delta R < 0.1 that it
    radiated. A candidate is isolated if the scalar pT sum of the other particles above 0.5 GeV within
    Delta R < 0.4 is below a fraction of its own (``response.ISOLATION``).
    Isolated candidates pass the efficiency or not; those that pass are taken out of the input of the jets, so
    nothing is counted twice. Isolated muons that do not pass leave no energy and are lost; electrons and
    photons that do not pass stay in the jets, as does everything not isolated.
    """
    kind = np.abs(particles.pdg_id)
    prompt_photon = (kind == 22) & ~particles.mother_is_hadron
    electron = np.flatnonzero((kind == 11) & (particles.pt > _CANDIDATE_PT))
    p4 = np.column_stack([particles.px, particles.py, particles.pz, particles.energy])
    owner = np.full(kind.size, -1)  # the electron that a photon belongs to
    photons = np.flatnonzero(prompt_photon)
    i, j = pairs(particles.event[electron], particles.event[photons], count)
    near = _distance(particles, electron[i], particles, photons[j]) < _DRESSING_CONE
    owner[photons[j[near]]] = electron[i[near]]
    dressing = np.flatnonzero(owner >= 0)
    np.add.at(p4, owner[dressing], p4[dressing])

    wanted = (particles.pt > _CANDIDATE_PT) & ((kind == 11) | (kind == 13) | (prompt_photon & (owner < 0)))
    wanted &= np.abs(particles.eta) < response.MUON_ETA
    candidate = np.flatnonzero(wanted)
    pt, eta, phi = pt_eta_phi(*p4[candidate, :3].T)
    energy = p4[candidate, 3]
    what = kind[candidate]

    counted = np.flatnonzero(particles.pt > 0.5)
    i, j = pairs(particles.event[candidate], particles.event[counted], count)
    other = (counted[j] != candidate[i]) & (owner[counted[j]] != candidate[i])
    i, j = i[other], counted[j[other]]
    near = _distance(particles, candidate[i], particles, j) < response.ISOLATION_CONE
    cone = group_sums(i[near], particles.pt[j[near]], candidate.size)
    limit = np.select([what == code for code in (11, 13)], [response.ISOLATION[c] for c in (11, 13)], 0.0)
    limit = np.where(what == 22, response.ISOLATION[22], limit)
    isolated = cone < limit * pt

    efficiency = np.select(
        [what == 11, what == 13],
        [response.electron_efficiency(pt, eta), response.muon_efficiency(pt, eta)],
        response.photon_efficiency(pt, eta),
    )
    found = isolated & (rng.random(pt.size) < efficiency)
    resolution = np.where(what == 13, response.muon_resolution(pt, eta), response.calorimeter_resolution(energy, eta))
    smeared = pt * smearing_factor(resolution, rng)
    charge = -np.sign(particles.pdg_id[candidate])
    flip = (what == 11) & (rng.random(pt.size) < response.charge_flip_rate(eta))
    charge = np.where(flip, -charge, charge)
    mass = np.select([what == 11, what == 13], [DEFAULT_MASS[ObjectType.ELECTRON], DEFAULT_MASS[ObjectType.MUON]], 0.0)
    everything = Objects(particles.event[candidate], smeared, eta, phi, mass, charge)

    absorbed = np.zeros(kind.size, dtype=bool)
    absorbed[candidate[found | (isolated & (what == 13))]] = True
    absorbed[dressing] = absorbed[owner[dressing]]
    of = particles.event[absorbed]
    return Isolated(
        objects={code: everything.select(found & (what == code)) for code in (11, 13, 22)},
        absorbed=absorbed,
        true_px=group_sums(of, particles.px[absorbed], count),
        true_py=group_sums(of, particles.py[absorbed], count),
    )


def reconstructed_taus(taus: HadronicTaus, rng: np.random.Generator) -> tuple[Objects, Array]:
    """Hadronic taus that are found, smeared, and their decay modes (5 (prongs - 1) + neutral pions, as NanoAOD).

    Their energy stays in the jets as well, as in NanoAOD: a selection with taus removes the jets near them.
    """
    pt, eta, phi = pt_eta_phi(*taus.p4[:, :3].T)
    found = rng.random(pt.size) < response.tau_efficiency(pt, eta, taus.prongs)
    smeared = pt * smearing_factor(response.tau_resolution(np.maximum(pt, 1.0)), rng)
    everything = Objects(taus.event, smeared, eta, phi, invariant_mass(*taus.p4.T), taus.charge)
    mode = 5 * (taus.prongs - 1) + np.minimum(taus.neutral_pions, 2)
    return everything.select(found), mode[found].astype(np.int32)


def smearing_factor(resolution: Floats, rng: np.random.Generator) -> Floats:
    """Gaussian factors around 1 with relative width ``resolution``, bounded below at 0.05; shape ``[N]``."""
    return np.maximum(1.0 + resolution * rng.standard_normal(resolution.size), 0.05)


def _distance(a: Visible, i: Ints, b: Visible, j: Ints) -> Floats:
    return delta_r(a.eta[i], a.phi[i], b.eta[j], b.phi[j])
