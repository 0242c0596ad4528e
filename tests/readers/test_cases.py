"""Small inputs of many layouts, with what is right in them (``../shared/data/cases/README.md``)."""

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from pyg_hep.readers import ReaderError, ReadReport, read_events

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
JETS = {"jet": {"kind": "jet", "collection": "jet"}}
MOMENTUM = {"px": "momentum.x", "py": "momentum.y", "pz": "momentum.z"}
PARTICLES = {"p": {"kind": "particle", "collection": "ReconstructedParticles.{}", "columns": MOMENTUM}}


def path_of(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"../shared/data/{name} is not there")
    return path


def read(name, card, report=None):
    return read_events(path_of(name), {"name": "case", **card}, report=report)


def number_of_nodes(events):
    return int(ak.sum(ak.num(events.objects.pt)))


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("cases/fixed_tree.root", {"reader": "root", "objects": JETS}),
        ("cases/fixedzero.root", {"reader": "root", "objects": JETS}),
        ("cases/fixedzero.h5", {"reader": "hdf5", "objects": JETS}),
    ],
)
def test_fixed_arrays_are_padded_ones(name, card):
    events = read(name, card)
    assert (len(events), number_of_nodes(events)) == (200, 601)
    assert ak.min(events.objects.pt, axis=None) > 0


def test_one_of_several_weights():
    events = read("cases/fixedzero.root", {"reader": "root", "objects": JETS, "weight": "w[1]"})
    assert np.sum(events.weight) == pytest.approx(202.02, abs=0.01)


def test_positions_and_reductions_of_lists():
    card = {"reader": "root", "objects": {"jet": {"kind": "jet", "collection": "Jet"}}}
    keep = {"pdf": "LHEPdfWeight", "sum_pt": "sum(Jet_pt)"}
    events = read("cases/lhew.root", {**card, "weight": {"value": "LHEPdfWeight[0]"}, "keep": keep})
    assert np.sum(events.weight) == pytest.approx(199.55, abs=0.01)
    assert ak.to_numpy(events.pdf).shape == (len(events), 3)
    assert np.mean(events.sum_pt) == pytest.approx(332.98, abs=0.01)
    assert len(read("cases/lhew.root", {**card, "selection": ["Jet_pt[0] > 40"]})) == 178
    assert len(read("cases/lhew.root", {**card, "selection": ["max(Jet_pt) > 40"]})) == 196
    # The same of the objects that are kept, here all of them, and a threshold that counts.
    assert len(read("cases/lhew.root", {**card, "selection": ["max(jet.pt) > 40"]})) == 196
    second = read("cases/lhew.root", {**card, "keep": {"hard": "count(jet, pt > 60)"}})
    assert ak.to_list(second.hard) == ak.to_list(ak.sum(second.objects.pt > 60, axis=1))


def test_atlas_ntuple_with_a_product_of_weights_and_a_defined_discriminant():
    jet = {"kind": "jet", "collection": "jet", "unit": "MeV", "define": {"d": "2 * MV2c10"}}
    card = {"reader": "root", "objects": {"jet": {**jet, "btag": [{"column": "d", "above": 0.6459}]}}}
    report = ReadReport()
    product = "mcWeight * scaleFactor_PILEUP * scaleFactor_ELE"
    events = read("cases/mini.root", {**card, "weight": {"value": product}}, report)
    assert (report.entries, number_of_nodes(events)) == (200, 386)
    assert report.sum_of_weights == pytest.approx(197.01, abs=0.01)
    assert np.mean(ak.flatten(events.objects.btag)) == pytest.approx(0.329, abs=0.0005)


def test_one_missing_momentum_has_to_be_chosen():
    met = {"kind": "met", "collection": "MET_Core_AnalysisMETAuxDyn.{}"}
    one = {**met, "columns": {"px": "mpx[-1]", "py": "mpy[-1]"}}
    events = read("cases/met_terms.root", {"reader": "root", "objects": {"met": one}})
    assert ak.to_list(ak.num(events.objects.pt)) == [1] * len(events) == [1] * 60
    both = {**met, "columns": {"px": "mpx", "py": "mpy"}}
    with pytest.raises(ReaderError, match="2 missing transverse momenta; choose one"):
        read("cases/met_terms.root", {"reader": "root", "objects": {"met": both}})


@pytest.mark.parametrize(
    ("name", "tree", "events", "nodes"),
    [
        ("cases/edm4hep_rntuple.root", None, 60, 143),
        ("real/coffea__p8_ee_WW_ecm240_edm4hep.root", "events", 10, 620),
    ],
)
def test_nested_records_of_edm4hep(name, tree, events, nodes):
    read_in = read(name, {"reader": "root", "tree": tree, "objects": PARTICLES} if tree else {
        "reader": "root", "objects": PARTICLES,
    })  # fmt: skip
    assert (len(read_in), number_of_nodes(read_in)) == (events, nodes)


def test_physlite_with_a_discriminant_of_another_container():
    jet = {"kind": "jet", "collection": "AnalysisJetsAuxDyn.{}", "columns": {"mass": "m"}, "unit": "MeV"}
    jet["btag"] = [{"column": "BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_pb", "above": 0.5}]
    card = {"reader": "root", "tree": "CollectionTree", "objects": {"jet": jet}}
    events = read("real/coffea__PHYSLITE_example.root", {**card, "weight": "EventInfoAuxDyn.mcEventWeights[0]"})
    assert (len(events), number_of_nodes(events)) == (100, 881)
    assert 0 < np.mean(ak.flatten(events.objects.btag)) < 0.05
    assert np.all(np.isfinite(events.weight))
    assert len(set(ak.to_list(events.weight))) > 50


def test_records_of_lorentz_vectors():
    columns = {name: f"fCoordinates.f{column}" for name, column in
               {"pt": "Pt", "eta": "Eta", "phi": "Phi", "energy": "E"}.items()}  # fmt: skip
    jets = {"jet": {"kind": "jet", "collection": "Jets.{}", "columns": columns}}
    assert number_of_nodes(read("real/coffea__treemaker.root", {"reader": "root", "objects": jets})) == 172
    columns = {"px": "fP.fX", "py": "fP.fY", "pz": "fP.fZ", "energy": "fE"}
    muons = {"muon": {"kind": "muon", "collection": "muonp4.{}", "columns": columns}}
    assert number_of_nodes(read("real/skhep__uproot-HZZ-objects.root", {"reader": "root", "objects": muons})) == 3825


def test_nanoaod_in_parquet_keeps_its_event_numbers():
    card = {"reader": "parquet", "objects": {"jet": {"kind": "jet", "collection": "Jet"}}}
    card["identity"] = {"run_number": "run", "luminosity_block": "luminosityBlock", "event_number": "event"}
    events = read("real/coffea__nano_dy.parquet", card)
    assert number_of_nodes(events) == 188
    assert len(set(ak.to_list(events.event_number))) == len(events)


def test_struct_of_lists_and_lists_of_lists():
    jets = {"jet": {"kind": "jet", "collection": "jets"}}
    events = read("cases/pq_structlists.parquet", {"reader": "parquet", "objects": jets})
    assert (len(events), number_of_nodes(events)) == (200, 627)
    constituents = {"c": {"kind": "particle", "collection": "cst_{}"}}
    with pytest.raises(ReaderError, match="two levels of lists") as error:
        read("cases/pq_doubly.parquet", {"reader": "parquet", "objects": constituents})
    assert "damaged" not in str(error.value)


def test_classes_by_text():
    tau = {"tau": {"kind": "tau", "collection": "PRI_tau"}}
    classes = {"b": "Label == 'b'", "s": "Label == 's'"}
    card = {"reader": "csv", "objects": tau, "weight": "Weight"}
    events = read("cases/higgsml.csv", {**card, "label": {"classes": classes}})
    assert (len(events), int(np.sum(events.y))) == (300, 112)
    with pytest.raises(ReaderError, match="'Label' is text, a number is needed: compare it"):
        read("cases/higgsml.csv", {**card, "label": "Label"})
    classes = {"sig": "cls == 'sig'", "bkg": "cls == 'bkg'"}
    jets = {"jet": {"kind": "jet", "collection": "jets"}}
    card = {"reader": "parquet", "objects": jets, "label": {"classes": classes}}
    report = ReadReport()
    assert set(ak.to_list(read("cases/pq_str.parquet", card, report).y)) == {0, 1}
    assert report.unlabelled == 0


@pytest.mark.parametrize("tree", ["sig_tree", "bkg_tree"])
def test_trees_of_one_file_are_named_by_the_card(tree):
    jets = {"jet": {"kind": "jet", "collection": "Jet"}}
    assert len(read("cases/sigtree.root", {"reader": "root", "tree": tree, "objects": jets})) == 200
    with pytest.raises(ReaderError, match="sig_tree, bkg_tree|bkg_tree, sig_tree"):
        read("cases/sigtree.root", {"reader": "root", "objects": jets})


@pytest.mark.parametrize("name", ["virtual.h5", "link.h5"])
def test_hdf5_links_without_a_target_name_it(name):
    jets = {"jet": {"kind": "jet", "collection": "jets"}}
    with pytest.raises(ReaderError, match=r"lies in the file '.*strlabel\.h5', which is missing"):
        read(f"cases/{name}", {"reader": "hdf5", "objects": jets})
