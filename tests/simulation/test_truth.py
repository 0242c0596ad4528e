"""Generator truth in the written files. Masses: PDG 2024 (m_W = 80.369), settings (m_t = 172.5, m_H = 125)."""

from __future__ import annotations

from collections.abc import Callable

import awkward as ak
import numpy as np
import pytest

Sample = Callable[[str, int], ak.Array]


def flat_truth(events: ak.Array) -> dict[str, np.ndarray]:
    """GenPart in flat arrays: four-vector, pdgId, mother (position in these arrays or -1), event."""
    counts = ak.to_numpy(events.nGenPart)
    raw = {key: ak.to_numpy(ak.flatten(events[f"GenPart_{key}"])) for key in ("pdgId", "status", "genPartIdxMother")}
    pt, eta, phi, mass = (
        ak.to_numpy(ak.flatten(events[f"GenPart_{key}"])).astype(np.float64) for key in ("pt", "eta", "phi", "mass")
    )
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    event = np.repeat(np.arange(counts.size), counts)
    offset = (np.cumsum(counts) - counts)[event]
    mother = np.where(raw["genPartIdxMother"] < 0, -1, raw["genPartIdxMother"] + offset)
    p4 = np.column_stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy])
    return {"p4": p4, "mass": mass, "mother": mother, "event": event, **raw}


@pytest.mark.parametrize(("process", "events"), [("ttbar", 4000), ("fcnc", 400), ("stop", 200), ("Hplus_HW", 200)])
def test_daughters_sum_to_their_mother(sample: Sample, process: str, events: int):
    truth = flat_truth(sample(process, events))
    has_mother = truth["mother"] >= 0
    mothers = np.unique(truth["mother"][has_mother])
    assert mothers.size >= 4 * events  # two tops and two W bosons or more in each
    total = np.zeros_like(truth["p4"])
    np.add.at(total, truth["mother"][has_mother], truth["p4"][has_mother])
    # float32 stores eta to 2e-7 and so pz = pt sinh(eta) to 1e-6 of the energy of the largest daughter
    energy = truth["p4"][mothers, 3:]
    assert np.abs(total[mothers] - truth["p4"][mothers]).max() < 0.05
    assert (np.abs(total[mothers] - truth["p4"][mothers]) / energy).max() < 5e-6


def test_mothers_are_of_the_right_kind_and_come_first(ttbar: ak.Array):
    truth = flat_truth(ttbar)
    pdg_id, mother = truth["pdgId"], truth["mother"]
    with_mother = mother >= 0
    assert np.all(mother[with_mother] < np.flatnonzero(with_mother))
    assert np.all(truth["event"][mother[with_mother]] == truth["event"][with_mother])
    for kind, parent, least in ((24, 6, 1.0), (5, 6, 0.99)):  # 0.2 % of the tops decay to s or d
        of_top = with_mother & (np.abs(pdg_id) == kind) & (np.abs(pdg_id[mother]) == parent)
        assert 2 * len(ttbar) * least <= of_top.sum() <= 2 * len(ttbar)
        assert np.all(np.sign(pdg_id[of_top]) == np.sign(pdg_id[mother[of_top]]))
    assert np.all(mother[np.abs(pdg_id) == 6] == -1)


def test_truth_masses_are_those_of_the_generator(ttbar: ak.Array, sample: Sample):
    truth = flat_truth(ttbar)
    for kind, expected, width in ((6, 172.5, 1.4), (24, 80.4, 2.1)):
        mass = truth["mass"][np.abs(truth["pdgId"]) == kind]
        # median of a Breit-Wigner: error pi / 4 * width / sqrt(n); 0.1 GeV for its skew by the parton densities
        assert abs(np.median(mass) - expected) < 4 * np.pi / 4 * width / np.sqrt(mass.size) + 0.1
    higgs = flat_truth(sample("fcnc", 400))
    mass = higgs["mass"][higgs["pdgId"] == 25]
    assert mass.size == 400
    assert np.abs(mass - 125.0).max() < 1.0  # width 4 MeV


def test_both_halves_of_fcnc_are_in_every_part_of_the_file(sample: Sample):
    truth = flat_truth(sample("fcnc", 400))
    higgs = truth["pdgId"] == 25
    of_top = truth["pdgId"][truth["mother"][higgs]] == 6
    assert of_top.sum() == 200
    assert of_top[:200].sum() == 100


def test_w_bosons_decay_to_leptons_with_the_branching_fraction_of_the_generator(ttbar: ak.Array):
    # PDG 2024: 3 x 10.86 % = 0.326 to leptons
    truth = flat_truth(ttbar)
    w = np.abs(truth["pdgId"]) == 24
    leptons = np.isin(np.abs(truth["pdgId"]), (11, 13, 15)) & (truth["mother"] >= 0)
    leptonic = w[truth["mother"][leptons]].sum()
    n = w.sum()
    assert abs(leptonic / n - 0.326) < 4 * np.sqrt(0.326 * 0.674 / n)


def test_generated_missing_momentum_is_that_of_the_neutrinos(ttbar: ak.Array):
    truth = flat_truth(ttbar)
    neutrinos = np.isin(np.abs(truth["pdgId"]), (12, 14, 16))
    taus = np.bincount(truth["event"][np.abs(truth["pdgId"]) == 15], minlength=len(ttbar))
    n = np.bincount(truth["event"][neutrinos], minlength=len(ttbar))
    x = np.bincount(truth["event"][neutrinos], weights=truth["p4"][neutrinos, 0], minlength=len(ttbar))
    y = np.bincount(truth["event"][neutrinos], weights=truth["p4"][neutrinos, 1], minlength=len(ttbar))
    simple = (n > 0) & (taus == 0)
    residual = np.hypot(x, y)[simple] - ak.to_numpy(ttbar.GenMET_pt)[simple]
    # the rest is neutrinos of b and c hadrons, and the recoil of the shower: a few GeV
    assert simple.sum() > 1000
    assert abs(np.median(residual)) < 1.0
    assert np.percentile(np.abs(residual), 68) < 12.0


def test_incoming_partons_are_recorded(ttbar: ak.Array):
    # gluon fusion makes 80 to 90 % of top pairs at 13 TeV (86.3 % in a leading-order sample with another PDF)
    gluons = (ttbar.Generator_id1 == 21) & (ttbar.Generator_id2 == 21)
    assert 0.80 < ak.mean(gluons) < 0.92
    assert ak.all((ttbar.Generator_x1 > 0) & (ttbar.Generator_x1 < 1))
    # a top lies 15 widths below its mass in 1 % of the cases at most (Breit-Wigner), so a pair does below that
    pair_mass = np.sqrt(ttbar.Generator_x1 * ttbar.Generator_x2) * 13000
    assert ak.mean(pair_mass < 2 * (172.5 - 15 * 1.4)) < 0.01
