"""Cards of events with two leptons, on simulated files and on published ones of CMS: top pairs, Drell-Yan, data."""

from __future__ import annotations

import importlib.util

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ReaderError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.readers import ReadReport, load_card, read_events
from pyg_hep.schema import Level, ObjectType

from .conftest import _published

LEPTONIC = ("24:onMode = off", "24:onIfAny = 11 13")
PARTON, ELECTRON, MUON = (int(kind) for kind in (ObjectType.PARTON, ObjectType.ELECTRON, ObjectType.MUON))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """600 events of ttbar and of toponium with two electrons or muons, and 100 of single top quarks."""
    for package in ("pythia8mc", "fastjet"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    from pyg_hep.simulation import simulate

    folder = tmp_path_factory.mktemp("dileptons")
    sizes = {"ttbar": 600, "toponium": 600, "singletop_t": 100}
    return {
        name: simulate(name, size, 3, folder / f"{name}.root", 1, progress=False, settings=LEPTONIC)
        for name, size in sizes.items()
    }


@pytest.fixture(scope="module")
def resampled(tmp_path_factory):
    """200 undecayed top pairs of an LHE file, showered seven times each."""
    for package in ("pythia8mc", "fastjet"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    from pyg_hep.simulation import simulate

    folder = tmp_path_factory.mktemp("lhe")
    rng = np.random.default_rng(1)
    lines = ['<LesHouchesEvents version="1.0">', "<init>", "2212 2212 6500.0 6500.0 0 0 93300 93300 3 1", "10 0.1 10 1"]
    lines.append("</init>")
    for _ in range(200):
        energy = rng.uniform(250.0, 500.0)
        x, y, z = (float(v) for v in np.sqrt(energy**2 - 172.5**2) * rng.dirichlet([1, 1, 1]) ** 0.5)
        lines += ["<event>", "4 1 1.0 172.5 -1 0.11"]
        lines += [f"2 -1 0 0 501 0 0 0 {energy} {energy} 0 0 9", f"-2 -1 0 0 0 502 0 0 {-energy} {energy} 0 0 9"]
        lines += [f"6 1 1 2 501 0 {x} {y} {z} {energy} 172.5 0 9"]
        lines += [f"-6 1 1 2 0 502 {-x} {-y} {-z} {energy} 172.5 0 9", "</event>"]
    lhe = folder / "hard.lhe"
    lhe.write_text("\n".join([*lines, "</LesHouchesEvents>"]) + "\n")
    return simulate("ttbar", 1400, 1, folder / "tt.root", 1, lhe=lhe, progress=False, settings=LEPTONIC)


def of_level(events, level):
    return events.objects[events.objects.level == int(level)]


def branches(path, *names):
    with uproot.open(path) as file:
        return {name: file["Events"][name].array(library="np") for name in names}


def test_generated_level_is_two_b_quarks_with_a_tag_two_leptons_and_two_neutrinos(simulated):
    for process in ("ttbar", "toponium"):
        events = read_events(simulated[process], "dileptonic_ttbar")
        assert len(events) > 60  # 27 % of ttbar are selected, 21 % of toponium
        generated = of_level(events, Level.GEN)
        assert ak.all(ak.num(generated) == 6)
        assert ak.all(ak.sum(generated.pdg_id, axis=1) == 0)
        b = abs(generated.pdg_id) == 5
        assert ak.all(ak.sum(b, axis=1) == 2)
        assert generated.btag.tolist() == ak.values_astype(b, np.int64).tolist()
        assert ak.all(generated.kind[b] == PARTON)
        reconstructed = of_level(events, Level.RECO)
        assert set(ak.flatten(reconstructed.btag).tolist()) == {0, 1}
        assert ak.all(reconstructed.btag[reconstructed.kind != int(ObjectType.JET)] == 0)
        # Generated tags do not help an event into the selection.
        assert ak.all(ak.sum(reconstructed.btag, axis=1) >= 1)


def test_weights_have_the_spins_where_the_file_has_them(simulated):
    path = simulated["toponium"]
    there = branches(path, "event", "genWeight", "spinWeight")
    assert there["spinWeight"].std() > 0.4
    for card in ("dileptonic_ttbar", "dileptonic"):
        events = read_events(path, card)
        rows = np.searchsorted(there["event"], events.event_number.to_numpy())
        np.testing.assert_allclose(events.weight, there["genWeight"][rows] * there["spinWeight"][rows], rtol=1e-6)
        np.testing.assert_allclose(events.spin_weight, there["spinWeight"][rows], rtol=1e-6)


def test_initial_state_is_kept_and_labels_events(simulated):
    path = simulated["ttbar"]
    there = branches(path, "event", "Generator_id1")
    events = read_events(path, "dileptonic_ttbar")
    rows = np.searchsorted(there["event"], events.event_number.to_numpy())
    gluons = there["Generator_id1"][rows] == 21
    assert 0.6 < gluons.mean() < 1.0
    assert events.gluon_fusion.tolist() == gluons.astype(float).tolist()
    labelled = read_events(path, "dileptonic_ttbar_initial_state")
    assert labelled.y.tolist() == events.gluon_fusion.tolist()
    assert labelled.weight.tolist() == events.weight.tolist()


def test_reconstructed_levels_of_both_cards_are_the_same(simulated):
    both, one = (read_events(simulated["ttbar"], card) for card in ("dileptonic_ttbar", "dileptonic"))
    chosen = np.isin(one.event_number, both.event_number)
    # Without the truth's selection a few more: tops to s or d quarks.
    assert 0.95 * len(one) <= len(both) <= len(one)
    expected, found = of_level(both, Level.RECO), one.objects[chosen]
    for column in ("pt", "eta", "phi", "mass", "kind", "charge", "btag", "pdg_id"):
        assert found[column].tolist() == expected[column].tolist()
    assert ak.all(one.objects.level == int(Level.RECO))


def test_toponium_against_ttbar_needs_no_card_of_its_own(simulated, tmp_path):
    files = {name: simulated[name] for name in ("ttbar", "toponium")}
    dataset = EventDataset(tmp_path, "dileptonic_ttbar", files)
    assert set(dataset.y.tolist()) == {0, 1}
    batch = next(iter(EventLoader(dataset, len(dataset))))
    assert torch.unique(batch.level).tolist() == [int(Level.RECO), int(Level.GEN)]
    view = View(["log_pt", "eta", "phi", "btag"], select={"level": Level.RECO})
    assert view(batch).num_nodes == int((batch.level == int(Level.RECO)).sum())


def test_single_top_has_no_pair_and_is_read_at_the_reconstructed_level(simulated):
    report = ReadReport()
    assert len(read_events(simulated["singletop_t"], "dileptonic_ttbar", report)) == 0
    events = read_events(simulated["singletop_t"], "dileptonic", report := ReadReport())
    assert report.entries == 100
    assert len(events) == report.selected < 10  # one lepton, unless a second one is fake or of a b hadron


@pytest.mark.parametrize(
    ("name", "entries", "leptons", "selected"),
    [
        ("coffea__nano_tt_v12.root", 200, 1, 1),  # semileptonic
        ("skhep__nanoAOD_2015_CMS_Open_Data_ttbar.root", 200, 0, 0),
        ("coffea__nano_dy.root", 40, 5, 0),
        ("coffea__nano_dimuon.root", 40, 4, 0),
    ],
)
def test_published_files_are_read_at_the_reconstructed_level(name, entries, leptons, selected):
    path = _published(name)
    report = ReadReport()
    events = read_events(path, "dileptonic", report)
    assert report.entries == entries
    flow = list(report.cutflow.values())
    assert flow[0] == leptons
    assert len(events) == report.selected == selected
    # Two leptons alone: what the file was made of comes through, with the weights and marks of a file without spins.
    card = load_card("dileptonic").as_dict()
    card["selection"] = card["selection"][:1]
    pairs = read_events(path, card)
    assert len(pairs) == leptons
    assert ak.all(pairs.spin_weight == 1)
    if "dimuon" in name:
        assert ak.all(pairs.weight == 1)
        assert ak.all(pairs.gluon_fusion == -1)
    charged = pairs.objects[(pairs.objects.kind == ELECTRON) | (pairs.objects.kind == MUON)]
    assert ak.all(ak.num(charged) == 2)
    assert ak.all(ak.sum(charged.charge, axis=1) == 0)


def test_data_have_no_generated_level_and_the_card_says_so():
    with pytest.raises(ReaderError, match="no branch GenPart_pt .* for the required object 'gen_b'"):
        read_events(_published("coffea__nano_dimuon.root"), "dileptonic_ttbar")


def test_splits_are_70_15_15_and_no_hard_event_is_in_two(resampled, tmp_path):
    shares = load_card("dileptonic_ttbar").splits
    assert shares == load_card("dileptonic").splits == {"train": 0.7, "val": 0.15, "test": 0.15}
    card = load_card("dileptonic_ttbar").as_dict()
    card["selection"] = ["n_gen_b == 2"]  # more events for the same simulation
    parts = {split: EventDataset(tmp_path, card, resampled, split=split) for split in shares}
    everything = EventDataset(tmp_path, card, resampled)
    names = {split: set(part.event_number.tolist()) for split, part in parts.items()}
    assert sum(len(part) for part in parts.values()) == len(everything) > 1380
    distinct = set(everything.event_number.tolist())
    assert len(distinct) == 200
    # Each hard event is in one part with all of its showers.
    assert sum(map(len, names.values())) == len(set.union(*names.values())) == 200
    for split, share in shares.items():
        # 4 standard deviations of a binomial of 200
        assert abs(len(names[split]) / 200 - share) < 4 * np.sqrt(share * (1 - share) / 200)
        per_event = np.unique(parts[split].event_number.numpy(), return_counts=True)[1]
        assert per_event.mean() > 6.8
