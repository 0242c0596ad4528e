import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers import ReadReport, load_card, read_events

COUNTS = np.array([2, 0, 1, 3])
JETS = {"pt": [50.0, 30.0, 90.0, 70.0, 65.0, 20.0], "eta": [0.0] * 6, "phi": [0.0] * 6, "d0": [1.0, 2, 3, 4, 5, 6]}
WEIGHTS = {"mc": [1.0, 2.0, 3.0, 4.0], "sf": [0.5, 1.0, 2.0, 0.25]}


@pytest.fixture
def path(tmp_path):
    jets = {f"Jet_{name}": ak.unflatten(np.float32(values), COUNTS) for name, values in JETS.items()}
    pdf = ak.unflatten(np.float32(np.arange(8)), np.full(4, 2))
    met = {"MET_pt": np.float32([10, 20, 30, 40]), "MET_phi": np.zeros(4, np.float32)}
    with uproot.recreate(tmp_path / "a.root") as file:
        file["t"] = {**jets, "pdf": pdf, **{name: np.array(values) for name, values in WEIGHTS.items()}, **met}
    return tmp_path / "a.root"


def card(**content):
    met = {"kind": "met", "collection": "MET"}
    jet = {"kind": "jet", "collection": "Jet", "cuts": ["pt > 25"]}
    return {"name": "c", "reader": "root", "objects": {"jet": jet, "met": met}, **content}


def test_weights_are_expressions_and_the_first_choice_that_is_there(path):
    report = ReadReport()
    assert read_events(path, card(weight={"value": "mc * sf"}), report).weight.tolist() == [0.5, 2, 6, 1]
    assert not report.notes.keys() & {"weights"}
    assert read_events(path, card(weight="pdf[1]")).weight.tolist() == [1, 3, 5, 7]
    events = read_events(path, card(weight=["nominal * sf2", "mc * sf", "mc"]), report)
    assert events.weight.tolist() == [0.5, 2, 6, 1]
    assert any("weights: mc * sf, the first of" in note for note in report.notes)
    columns = {"total": "mc * factor", "factor": "2 * sf"}
    assert read_events(path, card(weight="total", columns=columns)).weight.tolist() == [1, 4, 12, 2]
    # What this key was called.
    assert read_events(path, card(weight={"branch": "mc"})).weight.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("required", [True, False])
def test_half_a_product_is_an_error_with_the_nearest_name(path, required):
    with pytest.raises(ReaderError, match=r"'weight.value'.*'sff' in 'mc \* sff'.*did you mean 'sf'"):
        read_events(path, card(weight={"value": "mc * sff", "required": required}))


def test_a_weight_that_is_not_there(path):
    with pytest.raises(ReaderError, match=r"no branch nominal.*'weight.value'"):
        read_events(path, card(weight="nominal"))
    report = ReadReport()
    events = read_events(path, card(weight={"value": "nominal", "required": False}), report)
    assert events.weight.tolist() == [1] * 4
    assert any("every event has weight 1" in line for line in report.left_out())


@pytest.mark.parametrize("weight", ["mc *", "mc sf", "mc * sf(2)", {"value": "mc", "branch": "sf"}])
def test_text_that_is_neither_name_nor_expression(weight):
    with pytest.raises(ConfigError, match="weight"):
        load_card(card(weight=weight))


def test_weights_are_those_of_all_events(path):
    with pytest.raises(ReaderError, match="reads objects in 'mc \\* n_jet'"):
        read_events(path, card(weight="mc * n_jet"))


def test_columns_of_selected_objects(path):
    keep = {"ht": "sum(jet.pt)", "hard": "count(jet, pt > 60)", "far": "max(jet.d0)", "n": "count(Jet_pt)"}
    events = read_events(path, card(keep=keep, fill={}, selection=["n_jet > 0"]))
    assert events.ht.tolist() == [80, 90, 135]
    assert events.hard.tolist() == [0, 1, 2]
    assert events.far.tolist() == [2, 3, 5]
    assert events.n.tolist() == [2, 1, 3]  # of the file, before the cut
    columns = {"ht": "sum(jet.pt)", "relative": "ht / MET_pt"}
    events = read_events(path, card(columns=columns, selection=["relative > 3.2"]))
    assert events.entry.tolist() == [0, 3]


def test_absent_values_pass_no_comparison_and_are_counted_where_they_are_needed(path):
    assert read_events(path, card(selection=["jet.pt[1] > 25"])).entry.tolist() == [0, 3]
    assert read_events(path, card(selection=["n_jet == 0 or Jet_pt[0] > 60"])).entry.tolist() == [1, 2, 3]
    report = ReadReport()
    events = read_events(path, card(keep={"leading": "jet.pt[0]"}), report)
    assert events.leading.tolist() == [50, 90, 70]
    assert report.invalid == {"jet.pt[0]": 1}
    keep = {"leading": "where(isfinite(jet.pt[0]), jet.pt[0], -1)"}
    assert read_events(path, card(keep=keep)).leading.tolist() == [50, -1, 90, 70]


def test_unknown_columns_of_objects_and_circles(path):
    with pytest.raises(ReaderError, match=r"reads 'jet\.d00'.*did you mean 'd0'"):
        read_events(path, card(selection=["max(jet.d00) > 1"]))
    with pytest.raises(ReaderError, match="go in a circle: a -> b -> a"):
        read_events(path, card(columns={"a": "b + mc", "b": "a + mc"}, selection=["a > 1"]))
    jet = {"kind": "jet", "collection": "Jet", "keep": {"share": "pt / ht"}}
    with pytest.raises(ReaderError, match="reads 'ht', which is worked out from objects"):
        read_events(path, card(objects={"jet": jet}, columns={"ht": "sum(jet.pt)"}))


def test_lists_are_no_numbers(path):
    with pytest.raises(ReaderError, match=r"'Jet_pt > 20': holds lists, not one value per event"):
        read_events(path, card(selection=["Jet_pt > 20"]))
    with pytest.raises(ReaderError, match=r"lists of different lengths"):
        read_events(path, card(selection=["sum(Jet_pt * pdf) > 20"]))
    with pytest.raises(ReaderError, match="a text is compared with a number"):
        read_events(path, card(selection=["mc == 'one'"]))
