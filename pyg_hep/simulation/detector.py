"""The parametrised detector: puts objects, jets, tags and missing momentum of generated events together.

Resolutions and rates are in ``response`` and ``tagging``; here is the order in which they act.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyg_hep.schema import DEFAULT_MASS, ObjectType
from pyg_hep.simulation import jets as jet_finding
from pyg_hep.simulation import objects, response
from pyg_hep.simulation.columns import EventColumns, Floats, GeneratedEvents
from pyg_hep.simulation.geometry import group_sums, pt_eta_phi
from pyg_hep.simulation.objects import Objects
from pyg_hep.simulation.tagging import btag_score
from pyg_hep.simulation.truth import INVISIBLE, generator_particles, hadronic_taus, missing_momentum


def simulate_detector(events: GeneratedEvents, rng: np.random.Generator) -> EventColumns:
    r"""Reconstruct generated events.

    Isolated electrons, muons and photons come first; the other visible particles are clustered to jets. Jets are
    smeared and tagged; a few become an electron or photon instead, or a tau as well. The missing transverse
    momentum is minus the sum of what is visible, where every object counts with its reconstructed momentum:

    .. math::
        \vec p_T^\mathrm{miss} = -\sum_\mathrm{visible} \vec p_T
        - \sum_\mathrm{objects} (\vec p_T^\mathrm{reco} - \vec p_T^\mathrm{true}) + \vec n

    with Gaussian noise n for the soft term (6 GeV per component).

    Args:
        events: B generated events.
        rng: source of all random numbers.

    Returns:
        Jet, Electron, Muon, Tau, Photon, GenPart and the event's scalars but its number, in NanoAOD's types.
    """
    count = events.count
    particles = objects.visible_particles(events, INVISIBLE)
    isolated = objects.isolated_objects(particles, count, rng)
    found = isolated.objects

    event, true_p4 = jet_finding.cluster(particles, ~isolated.absorbed, count)
    all_jets = jet_finding.smeared_jets(event, true_p4, rng)
    _, true_eta, true_phi = pt_eta_phi(*true_p4[:, :3].T)
    flavour = jet_finding.hadron_flavour(events, event, true_eta, true_phi)
    kept = (all_jets.pt > jet_finding.MIN_PT) & (np.abs(all_jets.eta) < jet_finding.MAX_ETA)
    found_jets, flavour, true_p4 = all_jets.select(kept), flavour[kept], true_p4[kept]

    sum_x = group_sums(particles.event, particles.px, count)
    sum_y = group_sums(particles.event, particles.py, count)
    sum_x -= isolated.true_px + group_sums(found_jets.event, true_p4[:, 0], count)
    sum_y -= isolated.true_py + group_sums(found_jets.event, true_p4[:, 1], count)
    for measured in (found_jets, *found.values()):
        x, y = _transverse_sum(measured, count)
        sum_x += x
        sum_y += y
    met_x = -sum_x + response.SOFT_TERM * rng.standard_normal(count)
    met_y = -sum_y + response.SOFT_TERM * rng.standard_normal(count)

    # A jet that passes as an electron or photon is no jet any more; the sum above keeps its momentum.
    electron_rate = response.jet_to_electron_rate(found_jets.pt, found_jets.eta)
    photon_rate = response.jet_to_photon_rate(found_jets.pt, found_jets.eta)
    u = rng.random(found_jets.pt.size)
    as_electron = u < electron_rate
    as_photon = ~as_electron & (u < electron_rate + photon_rate)
    electron_mass = DEFAULT_MASS[ObjectType.ELECTRON]
    electrons = found[11].append(_fake(found_jets.select(as_electron), rng, electron_mass))
    photons = found[22].append(_fake(found_jets.select(as_photon), rng, 0.0))
    remaining = ~(as_electron | as_photon)
    found_jets, flavour = found_jets.select(remaining), flavour[remaining]

    true_taus = hadronic_taus(events)
    taus, mode = objects.reconstructed_taus(true_taus, rng)
    _, tau_eta, tau_phi = pt_eta_phi(*true_taus.p4[:, :3].T)
    from_tau = np.zeros(found_jets.pt.size, dtype=bool)
    from_tau[
        jet_finding.nearest(true_taus.event, tau_eta, tau_phi, found_jets.event, found_jets.eta, found_jets.phi, count)
    ] = True
    rate = response.jet_to_tau_rate(found_jets.pt, found_jets.eta)
    as_tau = ~from_tau & (rng.random(rate.size) < rate)
    # Fakes get the commonest mode of jets, three charged hadrons, and a mass of at most that of the a1 resonance.
    fake_taus = found_jets.select(as_tau)
    fake_taus = _fake(fake_taus, rng, np.minimum(fake_taus.mass, 1.26))
    taus = taus.append(fake_taus)
    mode = np.concatenate([mode, np.full(fake_taus.pt.size, 10, dtype=np.int32)])

    score = btag_score(flavour, found_jets.pt, found_jets.eta, rng)
    gen_x, gen_y = missing_momentum(events)
    selected = {name: _hard(o) for name, o in (("Electron", electrons), ("Muon", found[13]), ("Photon", photons))}
    hard_tau = taus.pt > objects.MIN_PT
    return EventColumns(
        scalars={
            "genWeight": events.info["weight"].astype(np.float32),
            "MET_pt": np.hypot(met_x, met_y).astype(np.float32),
            "MET_phi": np.arctan2(met_y, met_x).astype(np.float32),
            "GenMET_pt": np.hypot(gen_x, gen_y).astype(np.float32),
            "GenMET_phi": np.arctan2(gen_y, gen_x).astype(np.float32),
            "Generator_id1": events.info["id1"].astype(np.int32),
            "Generator_id2": events.info["id2"].astype(np.int32),
            "Generator_x1": events.info["x1"].astype(np.float32),
            "Generator_x2": events.info["x2"].astype(np.float32),
            "Generator_scalePDF": events.info["scale"].astype(np.float32),
        },
        collections={
            "Jet": found_jets.collection(
                count,
                charged=False,
                btagDeepFlavB=score.astype(np.float32),
                hadronFlavour=flavour.astype(np.int32),
            ),
            "Electron": selected["Electron"].collection(count),
            "Muon": selected["Muon"].collection(count),
            "Tau": taus.select(hard_tau).collection(count, decayMode=mode[hard_tau]),
            "Photon": selected["Photon"].collection(count, charged=False),
            "GenPart": generator_particles(events),
        },
    )


def _transverse_sum(measured: Objects, count: int) -> tuple[Floats, Floats]:
    x = group_sums(measured.event, measured.pt * np.cos(measured.phi), count)
    return x, group_sums(measured.event, measured.pt * np.sin(measured.phi), count)


def _fake(candidates: Objects, rng: np.random.Generator, mass: float | Floats) -> Objects:
    """Jets taken for something of this mass, with a random charge (which photons don't write)."""
    charge = rng.choice(np.array([-1, 1]), size=candidates.pt.size)
    return replace(candidates, mass=np.broadcast_to(mass, candidates.pt.shape), charge=charge)


def _hard(found: Objects) -> Objects:
    return found.select(found.pt > objects.MIN_PT)
