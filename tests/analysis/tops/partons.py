"""Dileptonic top pairs of the shared LHE file as arrays, as they are or through the smearing of FACTS_TOP B."""

from pathlib import Path

import numpy as np
import pytest

from pyg_hep.analysis.tops import DileptonEvents, Resolution
from pyg_hep.analysis.tops.momenta import on_shell, transverse
from pyg_hep.simulation.lhe import events_of

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "lhe" / "ttbar_dilepton.lhe.gz"
NAMES = ("antilepton", "b", "neutrino", "lepton", "antib", "antineutrino")


def read(most=None, taus=True):
    """Four-vectors (px, py, pz, E) of the six daughters by name, shape [N, 4]; neutrinos are massless exactly."""
    if not FILE.exists():
        pytest.skip(f"../shared/data/lhe/{FILE.name} is not there")
    rows, before = [], None
    for event in events_of(FILE):
        if event.incoming == before:
            continue
        before = event.incoming
        particles = [line.split() for line in event.particles]
        final = {}
        for p in particles:
            number, momentum = int(p[0]), [float(x) for x in p[6:10]]
            if number in (-11, -13, -15):
                final["antilepton"], heavy = momentum, number == -15
            elif number in (11, 13, 15):
                final["lepton"], heavy_too = momentum, number == 15
            elif number in (12, 14, 16):
                final["neutrino"] = momentum
            elif number in (-12, -14, -16):
                final["antineutrino"] = momentum
            elif number == 5 and p[1] == b"1" and int(p[2]) > 2:
                final["b"] = momentum
            elif number == -5 and p[1] == b"1" and int(p[2]) > 2:
                final["antib"] = momentum
        if not taus and (heavy or heavy_too):
            continue
        rows.append([final[name] for name in NAMES])
        if len(rows) == most:
            break
    momenta = np.array(rows).swapaxes(0, 1)
    events = dict(zip(NAMES, momenta, strict=True))
    for name in ("neutrino", "antineutrino"):
        events[name][:, 3] = np.sqrt((events[name][:, :3] ** 2).sum(1))
    return events


def mass(p):
    return np.sqrt(np.maximum(p[..., 3] ** 2 - (p[..., :3] ** 2).sum(-1), 0.0))


def truth(events):
    """True masses of top, antitop, W+, W- and of the pair."""
    top = events["antilepton"] + events["b"] + events["neutrino"]
    antitop = events["lepton"] + events["antib"] + events["antineutrino"]
    w_masses = mass(events["antilepton"] + events["neutrino"]), mass(events["lepton"] + events["antineutrino"])
    return mass(top), mass(antitop), *w_masses, mass(top + antitop)


def measured(events, seed=1):
    """The anchor's detector: jets smeared, a soft term in the missing momentum, acceptance; b jets known.

    Returns:
        (DileptonEvents with the b jet first, true m(ttbar)) of the events within acceptance.
    """
    rng = np.random.default_rng(seed)
    size = len(events["b"])
    jets = np.stack([events["b"], events["antib"]], axis=1)
    spread = Resolution().jet(jets)
    smeared = jets * np.maximum(1.0 + spread * rng.normal(size=(size, 2)), 0.05)[..., None]
    met = (events["neutrino"] + events["antineutrino"])[:, :2] - (smeared - jets).sum(1)[:, :2]
    met = met + Resolution().met * rng.normal(size=(size, 2))
    leptons = np.stack([events["antilepton"], events["lepton"]], axis=1)
    accepted = np.ones(size, bool)
    for objects, least in ((smeared, 30.0), (leptons, 20.0)):
        eta = np.arcsinh(objects[..., 2] / transverse(objects))
        accepted &= ((transverse(objects) > least) & (abs(eta) < 2.4)).all(1)
    found = DileptonEvents(leptons[accepted, 0], leptons[accepted, 1], smeared[accepted], met[accepted])
    return found, truth(events)[4][accepted]


def boosted(p, by):
    """``p`` [N, 4], given in the rest frame of ``by``, in the frame where ``by`` is measured."""
    beta = by[:, :3] / by[:, 3:]
    square = (beta**2).sum(1)
    gamma = 1.0 / np.sqrt(1.0 - square)
    along = (beta * p[:, :3]).sum(1)
    factor = (gamma - 1.0) / np.where(square > 0, square, 1.0) * along + gamma * p[:, 3]
    return np.concatenate([p[:, :3] + factor[:, None] * beta, (gamma * (p[:, 3] + along))[:, None]], axis=1)


def decay(mother, m_one, m_two, rng):
    """Two daughters of given masses, isotropic in the rest frame of the mother."""
    m = mass(mother)
    momentum = np.sqrt((m**2 - (m_one + m_two) ** 2) * (m**2 - (m_one - m_two) ** 2)) / (2.0 * m)
    direction = rng.normal(size=(len(m), 3))
    p = direction * (momentum / np.sqrt((direction**2).sum(1)))[:, None]
    return boosted(on_shell(p, m_one), mother), boosted(on_shell(-p, m_two), mother)


def toy_pairs(size, rng):
    """Top pairs of 172.5 GeV tops and 80.4 GeV W bosons with massive b quarks and leptons; daughters by name."""
    top = on_shell(rng.normal(scale=[80.0, 80.0, 200.0], size=(size, 3)), 172.5)
    antitop = on_shell(rng.normal(scale=[80.0, 80.0, 200.0], size=(size, 3)), 172.5)
    events = {}
    for mother, names in ((top, NAMES[:3]), (antitop, NAMES[3:])):
        w, events[names[1]] = decay(mother, 80.4, 4.8, rng)
        events[names[0]], events[names[2]] = decay(w, 0.10566, 0.0, rng)
    return events


def as_events(events):
    """The daughters as perfectly measured dileptonic events, the b quark first."""
    met = (events["neutrino"] + events["antineutrino"])[:, :2]
    jets = np.stack([events["b"], events["antib"]], axis=1)
    return DileptonEvents(events["antilepton"], events["lepton"], jets, met)
