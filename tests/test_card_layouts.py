"""The cards of public layouts, on real files where there are some, else on written ones with the documented keys."""

from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from pyg_hep.readers import ReadReport, read_events
from pyg_hep.schema import ObjectType

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
RANDOM = np.random.default_rng(5)


def shared(name):
    if not (DATA / name).is_file():
        pytest.skip(f"../shared/data/{name} is not there")
    return DATA / name


def kinds(events):
    return {kind: int(ak.sum(events.objects.kind == kind)) for kind in set(ak.to_list(ak.flatten(events.objects.kind)))}


def test_atlas_physlite():
    report = ReadReport()
    path = shared("real/coffea__PHYSLITE_example.root")
    events = read_events(path, "atlas_physlite", report)
    with uproot.open(path) as file:
        tree = file["CollectionTree"]
        pt = tree["AnalysisMuonsAuxDyn.pt"].array() / 1000
        eta = tree["AnalysisMuonsAuxDyn.eta"].array()
        weights = tree["EventInfoAuxDyn.mcEventWeights"].array()[:, 0]
        numbers = tree["EventInfoAuxDyn.eventNumber"].array()
    assert kinds(events).get(ObjectType.MUON, 0) == ak.sum((pt >= 10) & (abs(eta) <= 2.7))
    assert report.sum_of_weights == pytest.approx(float(ak.sum(weights)), rel=1e-5)
    assert set(ak.to_list(events.event_number)) <= set(ak.to_list(numbers))
    jets = events.objects[events.objects.kind == int(ObjectType.JET)]
    assert 0 < np.mean(ak.flatten(jets.btag)) < 0.5
    assert max(ak.to_list(ak.num(events.objects[events.objects.kind == int(ObjectType.MET)]))) <= 1


def test_atlas_open_data():
    events = read_events(shared("cases/mini.root"), "atlas_open_data_13tev")
    assert np.sum(events.weight) == pytest.approx(197.01, abs=0.01)
    assert kinds(events)[ObjectType.JET] == 386
    assert kinds(events)[ObjectType.MET] == len(events) == 200
    with uproot.open(shared("cases/mini.root")) as file:
        types = ak.flatten(file["mini"]["lep_type"].array())
    assert kinds(events)[ObjectType.ELECTRON] == ak.sum(types == 11)
    assert kinds(events)[ObjectType.MUON] == ak.sum(types == 13)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [("real/coffea__p8_ee_WW_ecm240_edm4hep.root", 620), ("cases/edm4hep_rntuple.root", 143)],
)
def test_edm4hep(name, nodes):
    events = read_events(shared(name), "edm4hep")
    assert sum(kinds(events).values()) == nodes
    charged = events.objects.kind == int(ObjectType.CHARGED_HADRON)
    assert ak.all((events.objects.charge != 0) == charged)


def test_higgsml():
    events = read_events(shared("cases/higgsml.csv"), "higgsml")
    assert (len(events), int(np.sum(events.y))) == (300, 112)
    assert ak.min(events.objects.pt, axis=None) >= 0  # no -999
    assert kinds(events)[ObjectType.TAU] == 300


def test_belle2():
    events = read_events(shared("cases/belle.root"), "belle2")
    assert ak.to_list(ak.num(events.objects.pt)) == [5] * 40


def test_treemaker():
    path = shared("real/coffea__treemaker.root")
    events = read_events(path, "treemaker")
    with uproot.open(path) as file:
        jets = file["PreSelection"].arrays(["Jets.fCoordinates.fPt", "Jets.fCoordinates.fEta"])
    passed = (jets["Jets.fCoordinates.fPt"] >= 30) & (abs(jets["Jets.fCoordinates.fEta"]) <= 5)
    assert kinds(events)[ObjectType.JET] == ak.sum(passed)


def test_jetnet(tmp_path):
    features = RANDOM.uniform(0.01, 0.4, (20, 30, 4)).astype(np.float32)
    features[:, 12:] = 0
    features[:, :12, 3] = 1
    jets = np.stack([RANDOM.uniform(800, 1200, 20), RANDOM.normal(size=20), np.full(20, 90), np.full(20, 12)], axis=1)
    with h5py.File(tmp_path / "t.hdf5", "w") as file:
        file["particle_features"], file["jet_features"] = features, jets
    events = read_events(tmp_path / "t.hdf5", "jetnet")
    assert ak.to_list(ak.num(events.objects.pt)) == [12] * 20
    np.testing.assert_allclose(events.objects.pt, features[:, :12, 2] * jets[:, :1], rtol=1e-5)
    np.testing.assert_allclose(events.objects.eta, features[:, :12, 0] + jets[:, 1:2], rtol=1e-4)
    np.testing.assert_allclose(events.jet_pt, jets[:, 0], rtol=1e-6)


def test_energyflow(tmp_path):
    particles = np.zeros((10, 8, 4))
    particles[:, :3] = [[50, 0.1, 3.0, 211], [20, -0.2, 3.1, 22], [10, 0.0, 2.9, -13]]
    np.savez(tmp_path / "QG_jets.npz", X=particles, y=np.arange(10) % 2)
    events = read_events(tmp_path / "QG_jets.npz", "energyflow_qg")
    expected = [ObjectType.CHARGED_HADRON, ObjectType.PHOTON, ObjectType.MUON]
    assert ak.to_list(events.objects.kind) == [expected] * 10
    assert ak.to_list(events.objects.charge) == [[1, 0, 1]] * 10
    assert events.y.tolist() == [0, 1] * 5


def test_atlas_ftag(tmp_path):
    jet_type = [("pt", "f4"), ("eta", "f4"), ("HadronConeExclTruthLabelID", "i4")]
    jets = np.array([(50_000, 0.5, 5), (30_000, -1.0, 0), (40_000, 0.0, 15)], jet_type)
    names = ("qOverP", "deta", "dphi", "d0", "z0SinTheta")
    tracks = np.zeros((3, 40), [(name, "f4") for name in names] + [("valid", "?")])
    tracks["qOverP"][:, :2] = [1 / 5_000, -1 / 10_000]
    tracks["deta"][:, :2], tracks["d0"][:, :2], tracks["valid"][:, :2] = [0.1, -0.1], [0.02, -0.3], True
    with h5py.File(tmp_path / "ftag.h5", "w") as file:
        file["jets"], file["tracks"] = jets, tracks
    events = read_events(tmp_path / "ftag.h5", "atlas_ftag_h5")
    assert events.y.tolist() == [2, 0, 3]
    assert ak.to_list(ak.num(events.objects.pt)) == [2] * 3
    np.testing.assert_allclose(events.objects.eta[0], [0.6, 0.4], rtol=1e-5)
    np.testing.assert_allclose(events.objects.pt[0] * np.cosh([0.6, 0.4]), [5, 10], rtol=1e-5)
    assert ak.to_list(events.objects.charge[0]) == [1, -1]
    np.testing.assert_allclose(events.objects.d0[0], [0.02, -0.3], rtol=1e-5)
    np.testing.assert_allclose(events.jet_pt, [50, 30, 40])


def test_lhcb(tmp_path):
    columns = {}
    for hadron in ("H1", "H2", "H3"):
        columns |= {f"{hadron}_P{axis}": RANDOM.normal(0, 5000, 25) for axis in "XYZ"}
        columns |= {f"{hadron}_Prob{kind}": RANDOM.uniform(size=25) for kind in ("K", "Pi")}
        columns[f"{hadron}_Charge"] = RANDOM.choice([-1, 1], 25)
    with uproot.recreate(tmp_path / "b.root") as file:
        file.mktree("DecayTree", {name: values.dtype for name, values in columns.items()})
        file["DecayTree"].extend(columns)
    events = read_events(tmp_path / "b.root", "lhcb_decaytree")
    assert ak.to_list(ak.num(events.objects.pt)) == [3] * 25
    pt = np.hypot(columns["H2_PX"], columns["H2_PY"]) / 1000
    np.testing.assert_allclose(events.objects.pt[:, 1], pt, rtol=1e-5)
    np.testing.assert_allclose(events.objects.mass, 0.13957, rtol=1e-4)
    np.testing.assert_allclose(events.objects.prob_k[:, 2], columns["H3_ProbK"], rtol=1e-6)
