import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.errors import ReaderError
from pyg_hep.readers import FileReader, ReadReport, iterate_events, load_card, read_events
from pyg_hep.schema import ObjectType
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

KINDS = {"Jet": 0, "Electron": 1, "Muon": 2, "Tau": 3, "Photon": 4}


def plain_selection(path, entry):
    """Objects of one entry under the card ``simulated_events``, written out as the paper states the cuts."""
    event = uproot.open(path)["Events"].arrays(entry_start=entry, entry_stop=entry + 1)[0]

    def objects(name, pt, eta, crack):
        rows = zip(event[f"{name}_pt"], event[f"{name}_eta"], event[f"{name}_phi"], strict=True)
        return [(p, e, f) for p, e, f in rows if p >= pt and abs(e) <= eta and not (crack and 1.37 < abs(e) < 1.52)]

    photons, electrons = objects("Photon", 20, 2.37, True), objects("Electron", 10, 2.47, True)
    muons = objects("Muon", 10, 2.7, False)

    def isolated(jet):
        for other in photons + electrons + muons:
            d_phi = abs(np.angle(np.exp(1j * (float(jet[2]) - float(other[2])))))
            if np.hypot(float(jet[1]) - float(other[1]), d_phi) < 0.4:
                return False
        return True

    jets = [j for j in objects("Jet", 25, 2.5, False) if isolated(j)]
    return {0: jets, 1: electrons, 2: muons, 4: photons, 5: [(event["MET_pt"], 0.0, event["MET_phi"])]}


def test_objects_equal_a_plain_loop_over_the_file(nanoaod):
    events = read_events(nanoaod, "simulated_events")
    assert len(events) == 500
    for i in range(0, 500, 7):
        objects = events[i].objects
        for kind, expected in plain_selection(nanoaod, int(events[i].entry)).items():
            mine = objects[objects.kind == kind]
            assert mine.pt.tolist() == [float(p) for p, _, _ in expected]
            assert mine.eta.tolist() == [float(e) for _, e, _ in expected]
            assert mine.phi.tolist() == [float(f) for _, _, f in expected]


def test_chunks_of_any_size_give_the_same_events(nanoaod):
    whole = read_events(nanoaod, "cms_nanoaod")
    pieces = ak.concatenate(list(iterate_events(nanoaod, "cms_nanoaod", step_size=37)))
    assert whole.to_list() == pieces.to_list()


def test_labels_are_positions_and_identity_is_read(nanoaod, other_nanoaod):
    events = read_events([nanoaod, other_nanoaod], "simulated_events")
    assert np.bincount(ak.to_numpy(events.y)).tolist() == [500, 300]
    assert events.event_number[:3].tolist() == [0, 1, 2]
    assert events.run_number[0] == 1


def test_btag_is_the_decision_at_the_working_point(nanoaod):
    card = load_card("simulated_events")
    with FileReader(nanoaod, card) as reader:
        columns, _ = reader.read(0, 500)
    raw = uproot.open(nanoaod)["Events"].arrays(["Jet_pt", "Jet_eta", "Jet_btagDeepFlavB"])
    share = ak.mean(raw.Jet_btagDeepFlavB[(raw.Jet_pt >= 25) & (abs(raw.Jet_eta) <= 2.5)] > 0.2489)
    jets = columns.nodes["kind"] == ObjectType.JET
    assert set(np.unique(columns.nodes["btag"])) == {0.0, 1.0}
    assert columns.nodes["btag"][~jets].max() == 0
    # Uniform scores; overlap removal takes jets away whatever their score: within 4 sigma of 1,000 jets.
    assert columns.nodes["btag"][jets].mean() == pytest.approx(share, abs=4 * 0.5 / np.sqrt(jets.sum()))


def corrupted(tmp_path, change):
    branches = random_nanoaod(100, seed=5)
    change(branches)
    return write_nanoaod(tmp_path / "bad.root", branches)


def spoil_jet(value):
    def change(branches):
        counts = ak.num(branches["Jet"]["pt"])
        pt = ak.to_numpy(ak.flatten(branches["Jet"]["pt"])).copy()
        first = int(ak.sum(counts[:10]))
        assert counts[10] > 0
        pt[first] = value
        branches["Jet"]["pt"] = ak.unflatten(pt, counts)

    return change


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_event_with_an_impossible_four_vector_is_dropped_and_counted(tmp_path, value):
    report = ReadReport()
    path = corrupted(tmp_path, spoil_jet(value))
    events = read_events(path, "simulated_events", report=report)
    assert report.invalid == {"Jet_pt": 1}
    assert report.entries == 100
    assert len(events) == 99
    assert 10 not in events.entry.tolist()


def test_a_number_for_an_absent_object_counts_only_where_no_cut_removes_it(tmp_path):
    path = corrupted(tmp_path, spoil_jet(-999.0))
    jet, met = {"kind": "jet", "collection": "Jet"}, {"kind": "met", "collection": "MET"}
    report = ReadReport()
    objects = {"jet": {**jet, "cuts": ["pt > 0"]}, "met": met}
    events = read_events(path, {"name": "c", "objects": objects}, report=report)
    assert (report.invalid, 10 in events.entry.tolist()) == ({}, True)
    events = read_events(path, {"name": "c", "objects": {"jet": jet, "met": met}}, report=report)
    assert (report.invalid, 10 in events.entry.tolist()) == ({"Jet_pt": 1}, False)


def spoil_with(column, value):
    """Another value of one column of the first jet of event 10."""

    def change(branches):
        jets = branches["Jet"]
        counts = ak.num(jets["pt"])
        assert counts[10] > 0
        values = ak.to_numpy(ak.flatten(jets[column])).copy()
        values[int(ak.sum(counts[:10]))] = value
        jets[column] = ak.unflatten(values, counts)

    return change


@pytest.mark.parametrize(
    ("column", "value", "cut"),
    [
        ("pt", -5.0, "pt >= 0"),
        ("pt", -999.0, "pt >= 0"),
        ("eta", 999.9, "abs(eta) <= 10"),
        ("mass", -999.0, "mass > -10"),
        ("phi", -99.0, "phi > -9"),
    ],
)
def test_stand_in_for_no_value_drops_its_event_only_where_the_object_passes_the_cuts(tmp_path, column, value, cut):
    path = corrupted(tmp_path, spoil_with(column, value))
    jets = {"kind": "jet", "collection": "Jet"}
    removed, passed = ReadReport(), ReadReport()
    with_cut = read_events(path, {"name": "a", "objects": {"jet": {**jets, "cuts": [cut]}}}, report=removed)
    assert removed.invalid == {}
    assert 10 not in with_cut.entry or np.max(np.abs(with_cut.objects.eta[with_cut.entry == 10])) < 10
    everything = read_events(path, {"name": "a", "objects": {"jet": jets}}, report=passed)
    assert passed.invalid == {f"Jet_{column}": 1}
    assert 10 not in everything.entry
    assert removed.selected - passed.selected <= 1
    assert removed.objects["jet"][cut] == passed.objects["jet"]["read"] - 1


def test_mass_from_an_energy_at_no_pseudorapidity_is_judged_after_the_cuts_too(tmp_path):
    def change(branches):
        spoil_with("eta", 999.9)(branches)
        jets = branches["Jet"]
        jets["energy"] = jets["pt"] * np.cosh(ak.where(abs(jets["eta"]) > 10, 0, jets["eta"])) + 5
        del jets["mass"]

    path, report = corrupted(tmp_path, change), ReadReport()
    jets = {"kind": "jet", "collection": "Jet", "cuts": ["abs(eta) < 10"]}
    read_events(path, {"name": "a", "objects": {"jet": jets}}, report=report)
    assert report.invalid == {}
    report = ReadReport()
    read_events(path, {"name": "a", "objects": {"jet": {**jets, "cuts": []}}}, report=report)
    assert report.invalid == {"Jet_eta": 1}


def test_impossible_four_vector_is_an_error_where_the_card_says_so(tmp_path):
    path = corrupted(tmp_path, spoil_jet(np.nan))
    card = {"name": "strict", "on_invalid": "error", "objects": {"jet": {"kind": "jet", "collection": "Jet"}}}
    with pytest.raises(ReaderError, match=r"bad\.root: entries 0 to 100, column 'Jet_pt': 1 events"):
        read_events(path, card)


def test_invalid_weight_drops_the_event(tmp_path):
    def change(branches):
        branches["genWeight"][3] = np.nan

    report = ReadReport()
    assert len(read_events(corrupted(tmp_path, change), "simulated_events", report=report)) == 99
    assert report.invalid == {"genWeight": 1}


def test_selection_and_cutflow(nanoaod):
    card = {
        "name": "two_jets",
        "objects": {"jet": {"kind": "jet", "collection": "Jet"}, "met": {"kind": "met", "collection": "MET"}},
        "selection": ["n_jet >= 4", "MET_pt > 40"],
    }
    report = ReadReport()
    events = read_events(nanoaod, card, report=report)
    raw = uproot.open(nanoaod)["Events"].arrays(["nJet", "MET_pt"])
    four = raw.nJet >= 4
    assert report.cutflow == {"n_jet >= 4": ak.sum(four), "MET_pt > 40": ak.sum(four & (raw.MET_pt > 40))}
    assert len(events) == report.selected == ak.sum(four & (raw.MET_pt > 40))


def test_objects_are_momenta_of_the_vector_package(nanoaod):
    import vector

    vector.register_awkward()
    events = read_events(nanoaod, "simulated_events")
    first = events.objects[0][0]
    assert first.energy == pytest.approx(np.sqrt((first.pt * np.cosh(first.eta)) ** 2 + first.mass**2), rel=1e-5)


def test_cms_2015_file_becomes_events_with_its_own_discriminant(cms_2015):
    report = ReadReport()
    events = read_events(cms_2015, "cms_nanoaod", report=report)
    notes = " ".join(report.notes)
    assert "Jet_btagDeepFlavB is not filled" in notes
    assert "Jet_btagCSVV2 > 0.8" in notes
    assert report.entries == 200
    assert ak.min(ak.num(events.objects)) >= 2
    # 26 of the 200 events have a negative generator weight; the shipped card keeps them.
    raw = uproot.open(cms_2015)["Events"].arrays(["genWeight", "event"])
    assert ak.sum(raw.genWeight < 0) == 26
    assert set(events.event_number[events.weight < 0].tolist()) <= set(raw.event[raw.genWeight < 0].tolist())
    assert ak.any(events.weight < 0)


def test_cms_v12_file_reads_without_taus_and_photons(cms_v12):
    report = ReadReport()
    events = read_events(cms_v12, "cms_nanoaod", report=report)
    notes = " ".join(report.notes)
    assert "Tau_pt" in notes
    assert "Photon_pt" in notes
    kinds = set(np.unique(ak.to_numpy(ak.flatten(events.objects.kind))).tolist())
    assert kinds == {0, 1, 2, 5}
    raw = uproot.open(cms_v12)["Events"].arrays(["Jet_btagPNetB", "Jet_hadronFlavour", "Jet_pt", "Jet_eta"])
    central = (raw.Jet_pt >= 25) & (abs(raw.Jet_eta) <= 2.5)
    true_b = central & (raw.Jet_hadronFlavour == 5)
    # The medium working point of ParticleNet tags most true b-jets of top pairs: 391 jets, 0.8 +- 0.1 is 4 sigma wide.
    assert ak.mean(raw.Jet_btagPNetB[true_b] > 0.245) == pytest.approx(0.8, abs=0.1)


def test_kept_columns_and_labels_that_are_no_numbers_drop_their_event(tmp_path):
    branches = random_nanoaod(20)
    branches["extra"] = np.arange(20.0)
    branches["extra"][[3, 7, 9]] = [np.nan, np.inf, 1e200]
    path = write_nanoaod(tmp_path / "a.root", branches)
    card = {"name": "a", "objects": {"met": {"kind": "met", "collection": "MET"}}}
    for key, value in (("keep", {"extra": "extra"}), ("label", {"multilabel": {"extra": "extra"}})):
        report = ReadReport()
        events = read_events(path, {**card, key: value}, report)
        assert events.entry.tolist() == [i for i in range(20) if i not in (3, 7, 9)]
        assert report.invalid["extra"] == 3
        with pytest.raises(ReaderError, match=r"entries 0 to 20, column 'extra'"):
            read_events(path, {**card, key: value, "on_invalid": "error"})
