import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers import load_card, read_events
from pyg_hep.schema import ObjectType

COUNTS = [2, 0, 3, 1]
PDG_ID = [11, -13, 22, 11, -211, 13]


def columns(**more):
    rng = np.random.default_rng(1)
    size = sum(COUNTS)
    flat = {"pt": rng.uniform(20, 90, size), "eta": rng.normal(0, 1, size), "phi": rng.uniform(-3, 3, size)}
    flat = {f"Lepton_{name}": values.astype(np.float32) for name, values in flat.items()}
    flat |= {"Lepton_pdgId": np.array(PDG_ID), "score": np.array([0.9, 0.1, 0.2, 0.8, 0.3, 0.4], np.float32)}
    return {name: ak.unflatten(values, COUNTS) for name, values in {**flat, **more}.items()}


@pytest.fixture
def file(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as output:
        output["Events"] = {**columns(), "Other_score": ak.unflatten(np.ones(5, np.float32), [2, 0, 3, 0])}
    return tmp_path / "a.root"


def card(reader="root", **lepton):
    lepton = {"kind": "particle", "collection": "Lepton", **lepton}
    return {"name": "a", "reader": reader, "identity": {}, "objects": {"lepton": lepton}}


def flat(events, name):
    return ak.to_list(ak.flatten(events.objects[name]))


def test_discriminant_and_columns_of_other_collections_by_their_full_names(file):
    order = {"order": "file"}
    events = read_events(file, card(btag=[{"column": "score", "above": 0.5}], **order))
    assert flat(events, "btag") == [1, 0, 0, 1, 0, 0]
    events = read_events(file, card(columns={"s": "score"}, keep={"tagged": "s"}, cuts=["s > 0.25"], **order))
    assert flat(events, "tagged") == pytest.approx([0.9, 0.8, 0.3, 0.4])
    with pytest.raises(ReaderError, match="'Lepton_pt' and 'Other_score': they disagree on the number of objects"):
        read_events(file, card(btag=[{"column": "Other_score", "above": 0.5}]))
    # Only names that the card writes are looked for outside of the collection.
    with pytest.raises(ReaderError, match="no branch 'Lepton_score' for the cut"):
        read_events(file, card(cuts=["score > 0.25"]))


def test_a_branch_outside_of_a_collection_does_not_make_it_one(file):
    definition = card(collection=["Missing", "Lepton"], columns={"mass": ["mass", "score"]})
    assert sum(map(len, ak.to_list(read_events(file, definition).objects.pt))) == 6


KINDS = {"11": "electron", "-11": "electron", "13": "muon", "-13": "muon", "22": "photon"}


def test_kind_and_mass_of_each_object_from_a_column(file):
    kind = {"column": "pdgId", "map": {**{int(k): v for k, v in KINDS.items()}, "default": "particle"}}
    events = read_events(file, card(kind=kind))
    kinds = flat(events, "kind")
    assert len(set(kinds)) == 4
    assert kinds[0] == kinds[3] == kind_of("electron")
    assert kinds[1] == kinds[5] == kind_of("muon")
    assert (kinds[2], kinds[4]) == (kind_of("photon"), kind_of("particle"))
    electron, muon = 0.000511, 0.105658  # GeV, PDG 2024
    assert flat(events, "mass") == pytest.approx([electron, muon, 0, electron, 0, muon], abs=1e-6)
    # The order is the file's unless the card says otherwise.
    assert flat(events, "pt") == ak.to_list(ak.flatten(columns()["Lepton_pt"]))
    ordered = read_events(file, card(kind=kind, order="pt")).objects.pt
    assert ak.all(ordered[:, 1:] <= ordered[:, :-1])


def kind_of(name):
    return int(ObjectType[name.upper()])


def test_number_without_a_kind_is_an_error_unless_a_cut_removes_it(file):
    kind = {"column": "pdgId", "map": KINDS}
    with pytest.raises(ReaderError, match=r"column 'pdgId': .* no kind for '-211' \(did you mean"):
        read_events(file, card(kind=kind))
    events = read_events(file, card(kind=kind, cuts=["pdgId != -211"]))
    assert len(flat(events, "kind")) == 5
    defined = {"column": "code", "map": {"1": "muon", "0": "particle"}}
    events = read_events(file, card(kind=defined, define={"code": "abs(pdgId) == 13"}))
    assert flat(events, "kind").count(kind_of("muon")) == 2


def test_kind_from_texts(tmp_path):
    pytest.importorskip("pyarrow")
    names = ak.Array(["e", "mu", "g", "e", "h", "mu"])
    ak.to_parquet(ak.Array({**columns(), "Lepton_type": ak.unflatten(names, COUNTS)}), tmp_path / "a.parquet")
    kind = {"column": "type", "map": {"e": "electron", "mu": "muon", "g": "photon", "default": "particle"}}
    events = read_events(tmp_path / "a.parquet", card("parquet", kind=kind))
    expected = ["electron", "muon", "photon", "electron", "particle", "muon"]
    assert flat(events, "kind") == [kind_of(name) for name in expected]
    with pytest.raises(ReaderError, match="'pdgId': holds numbers, but kind.map has the text 'e'"):
        read_events(tmp_path / "a.parquet", card("parquet", kind={**kind, "column": "pdgId"}))


def test_kinds_of_a_card_survive_being_written_and_have_no_missing_momentum():
    kind = {"column": "pdgId", "map": {**KINDS, "default": "particle"}}
    made = load_card(card(kind=kind))
    assert load_card(made.as_dict()).objects == made.objects
    assert made.as_dict() != load_card(card(kind={**kind, "map": KINDS})).as_dict()
    with pytest.raises(ConfigError, match=r"'objects\.lepton\.kind\.map': met has no place"):
        load_card(card(kind={"column": "pdgId", "map": {"1": "met"}}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"collection": "Leptons"}, r"for the required object 'lepton': .*\(did you mean 'Lepton'\?\)"),
        ({"collection": "Leptn_{}"}, r"for the required object 'lepton': .*\(did you mean 'Lepton_p"),
        ({"columns": {"phi": "fi"}}, r"no branch 'Lepton_fi or fi', needed .*\(did you mean 'phi'\?\)"),
        (
            {"kind": {"column": "pdgid", "map": KINDS}},
            r"no branch Lepton_pdgid, read by the object \(did you mean 'pdgId'",
        ),
    ],
)
def test_missing_collection_or_column_names_the_nearest_of_the_file(file, change, message):
    with pytest.raises(ReaderError, match=message):
        read_events(file, card(**change))


def test_several_missing_momenta_need_a_choice(tmp_path):
    terms = {"px": [[10.0, 30.0], [5.0], []], "py": [[1.0, 2.0], [3.0], []]}
    with uproot.recreate(tmp_path / "a.root") as output:
        output["Events"] = {f"MET_{name}": ak.Array(values) for name, values in terms.items()}

    def read(**met):
        met = {"kind": "met", "collection": "MET", **met}
        return read_events(tmp_path / "a.root", {**card(), "objects": {"met": met}})

    with pytest.raises(ReaderError, match="object 'met': an event has 2 missing transverse momenta; choose one"):
        read()
    last = read(columns={"px": "px[-1]", "py": "py[-1]"})
    assert flat(last, "pt") == pytest.approx(np.hypot([30, 5], [2, 3]))
    assert ak.to_list(last.entry) == [0, 1]  # an event without a term has no object
    assert flat(read(at_most=1), "pt") == pytest.approx(np.hypot([30, 5], [2, 3]))
    assert flat(read(at_most=1, order="file"), "pt") == pytest.approx(np.hypot([10, 5], [1, 3]))
    assert flat(read(cuts=["px < 20"]), "pt") == pytest.approx(np.hypot([10, 5], [1, 3]))
