from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyg_hep.simulation.boosted.detectors import FAST, Calorimeter
from pyg_hep.simulation.boosted.particle_flow import (
    CHARGED_HADRON,
    ELECTRON,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    Constituents,
    reconstruct,
    without_pile_up,
)
from pyg_hep.simulation.boosted.particles import Particles


def particles(pdg_id: int, number: int, pt: float, eta: float = 0.3, phi: float = 0.5) -> Particles:
    """The same particle once in each event."""
    one = np.ones(number)
    px, py, pz = pt * np.cos(phi) * one, pt * np.sin(phi) * one, pt * np.sinh(eta) * one
    energy = np.sqrt(px**2 + py**2 + pz**2 + (0.1396**2 if pdg_id != 22 else 0.0))
    return Particles(
        np.arange(number), np.full(number, pdg_id), px, py, pz, energy,
        np.tile([0.3, 0.1, 2.0], (number, 1)), np.zeros(number, dtype=bool),
    )  # fmt: skip


def seen(pdg_id: int, number: int = 4000, pt: float = 20.0, **place: float) -> Constituents:
    return reconstruct(particles(pdg_id, number, pt, **place), FAST, np.random.default_rng(3))


def test_kinds_charges_and_efficiencies():
    for pdg_id, kind, charge in ((211, CHARGED_HADRON, 1), (-11, ELECTRON, 1), (13, MUON, -1)):
        found = seen(pdg_id)
        tracks = found.select(found.charge != 0)
        assert set(tracks.kind) == {kind}
        assert set(tracks.charge) == {charge}
        share = tracks.event.size / 4000
        expected = 0.99 if kind == MUON else 0.95
        assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 4000))
        without = found.select(found.charge == 0)
        # What has no track is in a calorimeter, but for muons.
        assert set(without.kind) == {CHARGED_HADRON: {NEUTRAL_HADRON}, ELECTRON: {PHOTON}, MUON: set()}[kind]
    assert set(seen(22).kind) == {PHOTON}
    assert set(seen(130).kind) == {NEUTRAL_HADRON}
    assert set(seen(211, eta=2.7).kind) == {NEUTRAL_HADRON}  # beyond the tracker


def test_momenta_are_smeared_by_their_resolution():
    tracks = seen(211).select(seen(211).charge != 0)
    pt = np.hypot(tracks.px, tracks.py)
    # 4000 values measure a width to 1.1 %, a mean to 1.6 % of the width.
    assert pt.mean() == pytest.approx(20.0, abs=4 * 0.2 / np.sqrt(4000))
    assert pt.std() == pytest.approx(20 * np.hypot(0.010, 20 * 1.5e-4), rel=0.045)
    photons = seen(22)
    energy = 20 * np.cosh(0.3)
    assert photons.energy.mean() == pytest.approx(energy, rel=0.005)
    assert photons.energy.std() == pytest.approx(FAST.ecal.resolution(np.array([energy]), np.array([0.3]))[0], rel=0.05)
    assert photons.energy == pytest.approx(np.sqrt(photons.px**2 + photons.py**2 + photons.pz**2))


def test_impact_parameters_are_those_of_the_vertex_and_neutral_ones_have_none():
    found = seen(211)
    tracks, cells = found.select(found.charge != 0), found.select(found.charge == 0)
    x, y, z = 0.3, 0.1, 2.0
    d0 = x * np.sin(0.5) - y * np.cos(0.5)
    dz = z - (x * np.cos(0.5) + y * np.sin(0.5)) * np.sinh(0.3)
    for value, error, true in ((tracks.d0, tracks.d0_error, d0), (tracks.dz, tracks.dz_error, dz)):
        pull = (value - true) / error
        assert pull.mean() == pytest.approx(0.0, abs=4 / np.sqrt(pull.size))
        assert pull.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * pull.size))
    for name in ("d0", "d0_error", "dz", "dz_error"):
        assert (getattr(cells, name) == 0).all()


def test_photons_of_one_cell_become_one_and_others_stay_apart():
    pair = particles(22, 1, 30.0)
    both = Particles(*(np.concatenate([getattr(pair, n)] * 2) for n in Particles.__dataclass_fields__))
    (energy,) = reconstruct(both, FAST, np.random.default_rng(1)).energy
    assert energy == pytest.approx(60 * np.cosh(0.3), rel=0.1)
    far = particles(22, 1, 30.0, eta=0.3 + 2 * 0.0174)
    apart = Particles(*(np.concatenate([getattr(pair, n), getattr(far, n)]) for n in Particles.__dataclass_fields__))
    found = reconstruct(apart, FAST, np.random.default_rng(1))
    assert found.event.tolist() == [0, 0]
    eta = np.arcsinh(found.pz / np.hypot(found.px, found.py))
    assert (np.abs(np.sort(eta) - [0.3, 0.3 + 2 * 0.0174]) < 0.0174).all()


def test_cells_below_threshold_or_noise_are_not_there():
    low = Calorimeter(cell=0.1, noise=0.0, stochastic=0.0, constant=0.0, threshold=25.0)
    assert reconstruct(particles(22, 5, 20.0), replace(FAST, ecal=low), np.random.default_rng(1)).event.size == 0
    noisy = replace(low, threshold=0.0, noise=1000.0)
    found = reconstruct(particles(22, 500, 20.0), replace(FAST, ecal=noisy), np.random.default_rng(1))
    assert (found.energy > 1000.0).all()


def test_cleaning_drops_tracks_of_other_vertices_and_soft_neutral_particles():
    found = Constituents(
        event=np.zeros(4, dtype=np.int64), px=np.array([5.0, 5.0, 0.5, 5.0]), py=np.zeros(4), pz=np.zeros(4),
        energy=np.array([5.0, 5.0, 0.5, 5.0]), charge=np.array([1, 1, 0, 0]), kind=np.array([0, 0, 2, 2]),
        d0=np.zeros(4), d0_error=np.ones(4), dz=np.array([0.1, -9.0, 0.0, 0.0]), dz_error=np.ones(4),
        pile_up=np.zeros(4, dtype=bool),
    )  # fmt: skip
    detector = replace(FAST, track_dz=2.0, neutral_pt=1.0)
    assert without_pile_up(found, detector).dz.tolist() == [0.1, 0.0]
    assert without_pile_up(found, FAST).event.size == 4
