"""Dileptonic top pairs of the shared LHE file as arrays, as they are or through the smearing of FACTS_TOP, section B."""

from pathlib import Path

import numpy as np
import pytest

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
