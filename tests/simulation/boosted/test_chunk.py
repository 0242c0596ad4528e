from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.simulation.boosted.chunk import JetChunk, make_jets
from pyg_hep.simulation.boosted.clouds import find_jets
from pyg_hep.simulation.boosted.detectors import FULL
from pyg_hep.simulation.boosted.particle_flow import reconstruct, without_pile_up
from pyg_hep.simulation.boosted.particles import PileUp, final_particles
from pyg_hep.simulation.boosted.processes import CLASSES, JET_PROCESSES
from pyg_hep.simulation.generator import Generator, generator_settings
from pyg_hep.simulation.geometry import group_sums, invariant_mass


def test_seeds_differ_by_process_detector_and_chunk_and_never_change():
    seeds = [
        JetChunk(process, detector, 1, number, 1).generator_seed(k)
        for process in ("Hbb", "Hcc")
        for detector in ("fast", "full")
        for number in (0, 1)
        for k in (0, 1)
    ]
    assert len(set(seeds)) == 16
    assert all(1 <= seed <= 900_000_000 for seed in seeds)
    assert JetChunk("Hbb", "fast", 1, 0, 1).generator_seed(0) == 321269422


@pytest.mark.parametrize("name", JET_PROCESSES)
def test_every_process_makes_jets_in_range_that_are_the_sums_of_their_particles(name: str, jets):
    number = 100 if name in ("QCD", "Hbb", "Wqq", "Zqq", "Tbqq", "Hgg") else 20
    scalars, part, jet, counts = jets(name, number)
    assert scalars["jet_pt"].size == number
    assert ((scalars["jet_pt"] > 500) & (scalars["jet_pt"] < 1000)).all()
    assert (np.abs(scalars["jet_eta"]) < 2).all()
    labels = [label for label in CLASSES if scalars[f"label_{label}"].all()]
    assert labels == [JET_PROCESSES[name].label]
    for values in (*scalars.values(), *part.values()):
        assert np.isfinite(values).all()
    whole = scalars["jet_nparticles"] < 128
    for total, component in (("jet_energy", "energy"), ("jet_pt", None)):
        if component:
            sums = group_sums(jet, part[component], number)
        else:
            sums = np.hypot(group_sums(jet, part["px"], number), group_sums(jet, part["py"], number))
        np.testing.assert_allclose(sums[whole], scalars[total][whole], rtol=1e-4)  # float32 sums
    flags = sum(part[flag] for flag in ("isChargedHadron", "isNeutralHadron", "isPhoton", "isElectron", "isMuon"))
    assert (flags == 1).all()
    assert ((part["charge"] != 0) == (part["d0err"] > 0)).all()
    assert counts.leading_matched <= counts.in_range <= counts.tried
    # All decay products are within the leading jet in 60 to 100 % of the events: no class is an accident.
    assert counts.leading_matched > 0.45 * counts.in_range


@pytest.mark.parametrize(("name", "mass"), [("Wqq", 80.4), ("Zqq", 91.2), ("Hgg", 125.0), ("Tbqq", 172.5)])
def test_masses_peak_at_those_of_the_particles(name: str, mass: float, jets):
    scalars, part, jet, _ = jets(name, 100)
    size = scalars["jet_pt"].size
    found = invariant_mass(*(group_sums(jet, part[c], size) for c in ("px", "py", "pz", "energy")))
    low, median, high = np.percentile(found, [16, 50, 84])
    error = 1.25 * (high - low) / 2 / np.sqrt(size)  # of a median, from the width
    # 4 % for the scale: radiation in and out of the jet, thresholds of the calorimeters.
    assert abs(median - mass) < 3 * error + 0.04 * mass


def test_bottom_jets_have_displaced_tracks_and_tops_more_prongs(jets):
    def displaced(name: str) -> tuple[float, float]:
        scalars, part, jet, _ = jets(name, 100)
        far = (part["charge"] != 0) & (np.abs(part["d0val"]) > 3 * part["d0err"])
        each = group_sums(jet, far, scalars["jet_pt"].size)
        return each.mean(), each.std() / np.sqrt(each.size)

    (bottom, error), (light, other) = displaced("Hbb"), displaced("QCD")
    assert bottom - light > 5 * np.hypot(error, other)
    assert bottom > 3  # two b hadrons of about five charged particles each, and their c hadrons
    ratio = {name: np.median((s := jets(name, 100)[0])["jet_tau3"] / s["jet_tau2"]) for name in ("QCD", "Tbqq")}
    assert ratio["Tbqq"] < ratio["QCD"] - 0.1


def test_the_same_chunk_gives_the_same_jets_and_another_seed_others(jets):
    again, _ = make_jets(JetChunk("Tbl", "fast", 1, 0, 20))
    scalars, part, *_ = jets("Tbl", 20)
    for name, values in again.scalars.items():
        np.testing.assert_array_equal(values, scalars[name])
    np.testing.assert_array_equal(again.collections["part"].fields["px"], part["px"])
    other, _ = make_jets(JetChunk("Tbl", "fast", 2, 0, 20))
    assert not (other.scalars["jet_pt"] == scalars["jet_pt"]).any()


def test_pile_up_raises_mass_and_multiplicity_and_its_removal_brings_them_back():
    lines = generator_settings(JET_PROCESSES["Wqq"].generator_process(), 5, False, None, None)
    events, _ = Generator(lines, vertices=True).batch(100)
    assert events is not None
    hard = final_particles(events)
    both = PileUp(6, FULL.pile_up, 100).overlay(hard, events.count, np.random.default_rng(1))
    raw = replace(FULL, soft_drop=None, track_dz=0.0, neutral_pt=0.0)
    size, mass = {}, {}
    for collisions, particles in ((1, hard), (21, both)):
        for detector in (raw, FULL):
            found = without_pile_up(reconstruct(particles, detector, np.random.default_rng(2)), detector)
            _, p4, members = find_jets(found, events.count, detector)
            assert len(p4) > 40
            size[collisions, detector] = members.event.size / len(p4)
            mass[collisions, detector] = np.median(invariant_mass(*p4.T))
    # Measured with 150 events: 31 to 76 particles and 82 to 138 GeV; with the removal 24 to 26, and 79 to 80 GeV.
    assert size[21, raw] > 2 * size[1, raw]
    assert mass[21, raw] > mass[1, raw] + 30
    # 60 jets give 5 % on the mean of the multiplicity, and about 1.5 GeV on the median of the mass.
    assert size[21, FULL] == pytest.approx(size[1, FULL], rel=0.2)
    assert mass[21, FULL] == pytest.approx(mass[1, FULL], abs=6)


def test_the_other_detector_sees_fewer_tracks_of_the_same_class(jets):
    def tracks(detector: str) -> float:
        scalars, part, *_ = jets("resonance_top", 20, detector)
        return (part["charge"] != 0).sum() / scalars["jet_pt"].size

    assert tracks("full") < tracks("fast")


def test_no_jet_of_the_class_is_an_error():
    # Top quarks without a hadronic decay.
    settings = ("24:onMode = off", "24:onIfAny = 11 13")
    with pytest.raises(PygHepError, match=r"no jet of 'Tbqq' in \d+ events: 24:onMode = off"):
        make_jets(JetChunk("Tbqq", "fast", 1, 0, 1, settings=settings))
