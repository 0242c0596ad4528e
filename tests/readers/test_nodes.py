import awkward as ak
import numpy as np
import pytest
import uproot
import vector

from pyg_hep.errors import ReaderError
from pyg_hep.readers import ReadReport, read_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

vector.register_awkward()  # which is strict about the names of a momentum's columns
MET = {"kind": "met", "collection": "MET"}
MUON = {"kind": "muon", "collection": "Muon", "order": "file"}
JET = {"kind": "jet", "collection": "Jet", "order": "file"}


@pytest.fixture
def tracked(tmp_path):
    """Branches, and a file in which muons have an impact parameter and an isolation."""
    branches = random_nanoaod(60, seed=4)
    pt = branches["Muon"]["pt"]
    branches["Muon"]["dxy"] = pt / 100
    branches["Muon"]["pfRelIso04_all"] = ak.values_astype(pt % 1, np.float32)
    return branches, write_nanoaod(tmp_path / "tracked.root", branches)


def of_kind(events, kind):
    return events.objects[events.objects.kind == kind]


def test_kept_columns_follow_their_objects_and_others_have_0_or_the_fill(tracked):
    branches, path = tracked
    keep = {"d0": "abs(dxy) * 10", "isolation": "pfRelIso04_all"}
    card = {"name": "mine", "objects": {"muon": {**MUON, "keep": keep}, "met": MET}, "fill": {"d0": -1}}
    events = read_events(path, card)
    muons = of_kind(events, 2)
    assert np.allclose(ak.flatten(muons.d0), ak.flatten(branches["Muon"]["pt"]) / 10, rtol=1e-6)
    assert ak.flatten(muons.isolation).tolist() == ak.flatten(branches["Muon"]["pfRelIso04_all"]).tolist()
    assert events.objects.d0.type.content.content.primitive == "float32"
    met = of_kind(events, 5)
    assert set(ak.flatten(met.d0).tolist()) == {-1}
    assert set(ak.flatten(met.isolation).tolist()) == {0}


def test_kept_columns_can_read_momenta_definitions_events_and_mothers(tmp_path):
    branches = random_nanoaod(40, seed=5, truth=True)
    branches["GenPart"]["genPartIdxMother"] = ak.local_index(branches["GenPart"]["pt"]) - 1
    path = write_nanoaod(tmp_path / "a.root", branches)
    particle = {
        "kind": "parton",
        "collection": "GenPart",
        "order": "file",
        "mother": "genPartIdxMother",
        "define": {"twice": "2 * pt"},
        "keep": {"share": "twice / missing", "is_top": "species(pdgId) == 1", "above": "mother_pt"},
    }
    card = {
        "name": "mine",
        "columns": {"missing": "MET_pt"},
        "tables": {"species": {6: 1, -6: 1, "default": 0}},
        "objects": {"particle": particle},
    }
    events = read_events(path, card)
    there = events.entry.to_numpy()
    generated = branches["GenPart"][there]
    share = 2 * generated.pt / branches["MET_pt"][there]
    assert np.allclose(ak.flatten(events.objects["share"]), ak.flatten(share), rtol=1e-6)
    assert events.objects["is_top"].tolist() == ak.values_astype(abs(generated.pdgId) == 6, np.float32).tolist()
    expected = [[0.0, *pts[:-1]] for pts in generated.pt.tolist()]
    assert events.objects["above"].tolist() == expected


def test_array_of_fixed_size_per_object_is_kept_as_one(tmp_path):
    counts = np.array([2, 0, 3, 1])
    content = np.arange(18, dtype=np.float32).reshape(6, 3)
    columns = {n: np.full(6, v, np.float32) for n, v in (("pt", 50.0), ("eta", 0.0), ("phi", 1.0))}
    jets = ak.zip(columns | {"tau": ak.from_numpy(content, regulararray=True)}, depth_limit=1)
    met = ak.zip({"pt": np.ones(4, np.float32), "phi": np.ones(4, np.float32)})
    path = tmp_path / "a.parquet"
    ak.to_parquet(ak.zip({"Jet": ak.unflatten(jets, counts), "MET": met}, depth_limit=1), path)
    jet = {**JET, "keep": {"tau": "tau / 2"}}
    card = {"name": "mine", "reader": "parquet", "objects": {"jet": jet, "met": MET}, "fill": {"tau": -3}}
    events = read_events(path, card)
    assert of_kind(events, 0).tau.tolist() == ak.unflatten(content / 2, counts).tolist()
    assert of_kind(events, 5).tau.tolist() == [[[-3, -3, -3]]] * 4
    with pytest.raises(ReaderError, match=r"column 'tau': met keeps the shape \(\), jet the shape \(3,\)"):
        read_events(path, {**card, "objects": {"jet": jet, "met": {**MET, "keep": {"tau": "pt"}}}})
    with pytest.raises(ReaderError, match=r"'Jet.tau': expected one number per object"):
        read_events(path, {**card, "objects": {"jet": {**jet, "cuts": ["tau > 3"]}}})


def test_only_selected_objects_must_have_finite_kept_values(tracked):
    branches, _ = tracked
    pt = branches["Muon"]["pt"]
    branches["Muon"]["dxy"] = ak.where(pt > 30, pt, np.nan)
    path = write_nanoaod(tracked[1].with_name("nan.root"), branches)
    total = len(pt)
    for muon, invalid in (
        ({"keep": {"d0": "dxy"}}, int(ak.sum(ak.any(pt <= 30, axis=1)))),
        ({"keep": {"d0": "dxy"}, "cuts": ["pt > 30"]}, 0),
        ({"keep": {"d0": "where(isfinite(dxy), dxy, 0)"}}, 0),
    ):
        report = ReadReport()
        events = read_events(path, {"name": "mine", "objects": {"muon": {**MUON, **muon}, "met": MET}}, report)
        assert len(events) == total - invalid
        assert dict(report.invalid) == ({"dxy": invalid} if invalid else {})


def test_event_columns_hold_vectors_of_one_length(tmp_path):
    branches = random_nanoaod(30, seed=6)
    weights = np.arange(90, dtype=np.float32).reshape(30, 3)
    with uproot.recreate(tmp_path / "a.root") as file:
        columns = {
            "scales": ak.from_regular(weights),
            "single": ak.from_regular(weights[:, :1]),
            "ragged": ak.unflatten(weights.ravel()[:89], np.array([3] * 29 + [2])),
        }
        types = dict.fromkeys(columns, "var * float32") | {"fixed": "3 * float32", "MET_pt": "float32"}
        file.mktree("Events", types | {"MET_phi": "float32"})
        met = {name: branches[name] for name in ("MET_pt", "MET_phi")}
        file["Events"].extend(columns | met | {"fixed": ak.from_numpy(weights, regulararray=True)})
    card = {"name": "mine", "objects": {"met": MET}}
    keep = {"s": "scales", "f": "fixed * 2", "one": "single", "relative": "scales / MET_pt"}
    events = read_events(tmp_path / "a.root", {**card, "keep": keep})
    assert events.s.tolist() == weights.tolist()
    assert events.f.tolist() == (2 * weights).tolist()
    assert events.one.tolist() == weights[:, 0].tolist()
    assert np.allclose(events.relative.to_numpy(), weights / branches["MET_pt"][:, None])
    with pytest.raises(ReaderError, match=r"'ragged': holds 3 values in one event, 2 in another"):
        read_events(tmp_path / "a.root", {**card, "keep": {"r": "ragged"}})
    with pytest.raises(ReaderError, match=r"'fixed > 3' gives vectors of 3, one number is needed"):
        read_events(tmp_path / "a.root", {**card, "keep": keep, "selection": ["fixed > 3"]})
