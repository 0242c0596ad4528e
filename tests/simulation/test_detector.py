"""The detector on generated events: MET, tagging and mass peaks; 4 standard deviations, fixed seed."""

from __future__ import annotations

from collections.abc import Callable

import awkward as ak
import numpy as np
import pytest
import vector

from pyg_hep.simulation.geometry import delta_r, invariant_mass, pairs, pt_eta_phi
from pyg_hep.simulation.tagging import WORKING_POINT, btag_efficiency

vector.register_awkward()


def flat_truth(events: ak.Array) -> dict[str, np.ndarray]:
    """GenPart in flat arrays; ``mother`` is a position in them, or -1."""
    counts = ak.to_numpy(events.nGenPart)
    event = np.repeat(np.arange(counts.size), counts)
    index = ak.to_numpy(ak.flatten(events.GenPart_genPartIdxMother))
    mother = np.where(index < 0, -1, index + (np.cumsum(counts) - counts)[event])
    particles = ak.flatten(momenta(events, "GenPart"))
    p4 = np.column_stack([ak.to_numpy(x) for x in (particles.px, particles.py, particles.pz, particles.E)])
    return {"p4": p4, "mother": mother, "event": event, "pdgId": ak.to_numpy(ak.flatten(events.GenPart_pdgId))}


def momenta(events: ak.Array, name: str) -> ak.Array:
    fields = {key: events[f"{name}_{key}"] for key in ("pt", "eta", "phi", "mass")}
    return ak.zip(fields, with_name="Momentum4D")


def hadronic_tops(events: ak.Array) -> tuple[np.ndarray, np.ndarray]:
    """Dijet and trijet masses of the jets within Delta R 0.3 of the quarks of hadronic W bosons and tops."""
    truth = flat_truth(events)
    jets = ak.flatten(momenta(events, "Jet"))
    jet_p4 = np.column_stack([ak.to_numpy(x) for x in (jets.px, jets.py, jets.pz, jets.E)])
    jet_event = np.repeat(np.arange(len(events)), ak.to_numpy(events.nJet))
    quark = np.flatnonzero(np.isin(np.abs(truth["pdgId"]), (1, 2, 3, 4, 5)) & (truth["mother"] >= 0))
    _, eta, phi = pt_eta_phi(*truth["p4"][quark, :3].T)
    i, j = pairs(truth["event"][quark], jet_event, len(events))
    distance = delta_r(eta[i], phi[i], ak.to_numpy(jets.eta)[j], ak.to_numpy(jets.phi)[j])
    order = np.argsort(-distance)
    jet_of = np.full(truth["mother"].size, -1)
    near = order[distance[order] < 0.3]
    jet_of[quark[i[near]]] = j[near]  # the nearest comes last and stays

    w_masses, top_masses = [], []
    for w in np.unique(truth["mother"][quark]):
        if abs(truth["pdgId"][w]) != 24:
            continue
        light = jet_of[quark[truth["mother"][quark] == w]]
        if light.min() < 0 or len(set(light)) != 2:
            continue
        total = jet_p4[light].sum(axis=0)
        w_masses.append(invariant_mass(*total))
        b = jet_of[quark[truth["mother"][quark] == truth["mother"][w]]]
        if b.size == 1 and b[0] >= 0 and b[0] not in light:
            top_masses.append(invariant_mass(*(total + jet_p4[b[0]])))
    return np.array(w_masses), np.array(top_masses)


def test_w_and_top_mass_peaks_are_reconstructed(ttbar: ak.Array):
    w, top = hadronic_tops(ttbar[:2000])
    assert w.size > 800
    assert top.size > 700
    # Jets are not corrected for what leaves their cone (4 to 6 %) or, in b jets, for neutrinos (3 % more): the
    # peaks of 80.4 and 172.5 GeV come out low by about that. Statistical error of the medians: 0.6 and 1.1 GeV.
    assert 0.92 * 80.4 < np.median(w) < 1.0 * 80.4
    assert 0.88 * 172.5 < np.median(top) < 0.98 * 172.5
    # two jets of about 13 % each: 10 to 20 % on the mass
    assert 0.10 < (np.percentile(w, 84) - np.percentile(w, 16)) / 2 / 80.4 < 0.20


def test_z_mass_peak_is_reconstructed(sample: Callable[[str, int], ak.Array]):
    events = sample("Zjet", 2500)
    for kind, resolution in (("Electron", 0.025), ("Muon", 0.02)):
        leptons = momenta(events, kind)
        pair = leptons[ak.num(leptons) == 2]
        mass = ak.to_numpy((pair[:, 0] + pair[:, 1]).mass)
        mass = mass[np.abs(mass - 91.19) < 15]
        assert mass.size > 35
        # PDG 2024: 91.19 GeV, width 2.5; with the resolution sigma is 2 to 2.5 GeV; 0.5 GeV for radiated photons
        sigma = np.hypot(1.2, resolution * 91.19)
        assert abs(np.median(mass) - 91.19) < 4 * 1.25 * sigma / np.sqrt(mass.size) + 0.5
    assert ak.all(ak.sum(events.Muon_charge, axis=1)[ak.num(events.Muon_pt) == 2] == 0)


def test_missing_momentum_follows_the_invisible_one(ttbar: ak.Array):
    met_x, met_y = (ttbar.MET_pt * f(ttbar.MET_phi) for f in (np.cos, np.sin))
    gen_x, gen_y = (ttbar.GenMET_pt * f(ttbar.GenMET_phi) for f in (np.cos, np.sin))
    for residual in (ak.to_numpy(met_x - gen_x), ak.to_numpy(met_y - gen_y)):
        # jets of resolution 0.8 sqrt(pT) and 4 GeV noise: five of 60 GeV give 16 GeV, with the soft term 17
        assert 13 < residual.std() < 21
        assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(residual.size)
    large = ttbar.GenMET_pt > 60
    projection = ak.to_numpy((met_x * gen_x + met_y * gen_y)[large] / ttbar.GenMET_pt[large] ** 2)
    assert projection.size > 500
    assert abs(projection.mean() - 1) < 4 * projection.std() / np.sqrt(projection.size)


@pytest.mark.parametrize(("flavour", "average"), [(5, 0.77), (4, 0.17), (0, 0.01)])
def test_btag_efficiency_by_flavour_is_the_stated_one(ttbar: ak.Array, flavour: int, average: float):
    chosen = (ttbar.Jet_pt > 25) & (abs(ttbar.Jet_eta) < 2.5) & (ttbar.Jet_hadronFlavour == flavour)
    tagged = ak.to_numpy(ak.flatten(ttbar.Jet_btagDeepFlavB[chosen])) > WORKING_POINT
    pt = ak.to_numpy(ak.flatten(ttbar.Jet_pt[chosen])).astype(float)
    expected = btag_efficiency(np.full(pt.size, flavour), pt)
    error = np.sqrt((expected * (1 - expected)).sum()) / pt.size
    assert abs(tagged.mean() - expected.mean()) < 4 * error
    assert expected.mean() == pytest.approx(average, rel=0.05)


def test_objects_are_loose_and_ordered(ttbar: ak.Array):
    limits = {"Jet": (15, 4.7), "Electron": (7, 2.5), "Muon": (7, 2.7), "Tau": (7, 2.5), "Photon": (7, 2.5)}
    for name, (pt, eta) in limits.items():
        values = ttbar[f"{name}_pt"]
        assert ak.min(values) > pt
        assert ak.all(values[:, 1:] <= values[:, :-1])
        assert ak.max(abs(ttbar[f"{name}_eta"])) < eta
        assert ak.all(ttbar[f"n{name}"] == ak.num(values))
    assert ak.min(ttbar.Jet_pt) < 17  # nothing harder than what is stated
    assert ak.all((ttbar.Jet_btagDeepFlavB >= 0) & (ttbar.Jet_btagDeepFlavB <= 1))
    assert set(ak.flatten(ttbar.Tau_decayMode).to_list()) <= {0, 1, 2, 10, 11, 12}


def test_prompt_leptons_are_found_with_an_efficiency_near_the_published_ones(ttbar: ak.Array):
    # 0.85 and 0.95 for identification, times isolation in top events (0.85 to 0.95): 0.7 to 0.85 and 0.8 to 0.95
    for name, kind, low, high in (("Electron", 11, 0.68, 0.86), ("Muon", 13, 0.80, 0.96)):
        truth = (abs(ttbar.GenPart_pdgId) == kind) & (ttbar.GenPart_pt > 25) & (abs(ttbar.GenPart_eta) < 2.4)
        generated = ak.zip({"eta": ttbar.GenPart_eta[truth], "phi": ttbar.GenPart_phi[truth]})
        found = ak.zip({"eta": ttbar[f"{name}_eta"], "phi": ttbar[f"{name}_phi"]})
        g, f = ak.unzip(ak.cartesian([generated, found], nested=True))
        d_phi = (g.phi - f.phi + np.pi) % (2 * np.pi) - np.pi
        near = ak.any(np.hypot(g.eta - f.eta, d_phi) < 0.1, axis=-1)
        assert low < ak.mean(near) < high


def test_hadronic_taus_and_their_fakes(sample: Callable[[str, int], ak.Array], ttbar: ak.Array):
    # H+ -> H W with H -> tau tau: 2 taus per event, 64.8 % hadronic (PDG), about 60 % found inside the tracker
    signal = sample("Hplus_HW", 200)
    assert 0.6 < ak.mean(signal.nTau) < 1.2
    one_pion = ak.flatten(signal.Tau_mass[signal.Tau_decayMode == 0])
    assert np.median(ak.to_numpy(one_pion)) == pytest.approx(0.1396, abs=1e-3)  # m(pi+), PDG; some have neutral kaons
    assert set(ak.flatten(ttbar.Tau_charge).to_list()) == {-1, 1}
