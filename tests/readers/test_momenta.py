import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers.card import BTag, KindColumn, ObjectDefinition
from pyg_hep.readers.columns import Column, FileColumn
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.momenta import KIND, pdg_ids, read_collection
from pyg_hep.readers.plan import ObjectPlan
from pyg_hep.schema import ObjectType


def jagged(lists, dtype=np.float32):
    return Column(np.concatenate([np.asarray(x, dtype) for x in lists]), np.array([len(x) for x in lists]))


def read(arrays, size, *, events=None, momentum=("pt", "eta", "phi"), cuts=(), counter=None, btag=None, **definition):
    definition = ObjectDefinition(definition.pop("kind", ObjectType.JET), ("X",), **definition)
    columns = {name: FileColumn(name) for name in arrays if name != counter}
    plan = ObjectPlan(definition, columns, tuple(cuts), btag, momentum, counter)
    return read_collection(plan, arrays, events or {}, size, "file.root: entries 0 to 2")


POLAR = {"pt": jagged([[1, 2], []]), "eta": jagged([[0, 1], []]), "phi": jagged([[0, 3], []])}


def test_missing_mass_and_charge_take_the_default_of_the_kind():
    muons = read(POLAR, 2, kind=ObjectType.MUON)
    assert muons.columns["mass"] == pytest.approx([0.105658, 0.105658])  # PDG 2024
    assert muons.columns["charge"].tolist() == [0, 0]
    assert muons.event.tolist() == [0, 0]


def test_columns_of_different_length_are_an_error_naming_both():
    arrays = {**POLAR, "eta": jagged([[0], [1]])}
    with pytest.raises(ReaderError, match=r"file\.root: entries 0 to 2, columns 'pt' and 'eta'.* entry 0"):
        read(arrays, 2)


def test_counter_that_disagrees_with_the_lists_is_an_error():
    arrays = {**POLAR, "nX": Column(np.array([2, 1], np.uint32))}
    with pytest.raises(ReaderError, match="'nX' and 'pt': they disagree .* entry 1"):
        read(arrays, 2, counter="nX")


def test_cartesian_momenta_become_polar_ones():
    rng = np.random.default_rng(0)
    p, mass = rng.normal(0, 50, (3, 500)), rng.uniform(0, 30, 500)
    energy = np.sqrt((p**2).sum(0) + mass**2)
    arrays = {n: Column(v[:, None]) for n, v in zip(("px", "py", "pz", "energy"), (*p, energy), strict=True)}
    columns = read(arrays, 500, momentum=("px", "py", "pz", "energy")).columns
    assert columns["pt"] == pytest.approx(np.hypot(p[0], p[1]), rel=1e-6)
    assert np.sinh(columns["eta"]) * columns["pt"] == pytest.approx(p[2], rel=1e-4, abs=1e-3)
    assert columns["pt"] * np.exp(1j * columns["phi"]) == pytest.approx(p[0] + 1j * p[1], rel=1e-5)
    # float64 input, stored as float32.
    assert columns["mass"] == pytest.approx(mass, rel=1e-5, abs=1e-4)


def test_rounding_of_a_massless_energy_is_no_negative_mass_but_a_tachyon_is():
    px = np.array([1000.0, 1000.0], np.float32)[:, None]
    zero = np.zeros((2, 1), np.float32)
    energy = np.array([np.nextafter(np.float32(1000), np.float32(0)), 990.0], np.float32)[:, None]
    arrays = {"px": Column(px), "py": Column(zero), "pz": Column(zero), "energy": Column(energy)}
    mass = read(arrays, 2, momentum=("px", "py", "pz", "energy")).columns["mass"]
    assert -1e-6 < mass[0] < 0  # clipped to 0 and counted
    assert mass[1] == pytest.approx(-np.sqrt(1000**2 - 990**2))


def test_unit_scales_momenta_and_masses_only():
    arrays = {**POLAR, "mass": jagged([[5, 6], []]), "width": jagged([[7, 8], []])}
    columns = read(arrays, 2, unit="MeV").columns
    assert columns["pt"] == pytest.approx([0.001, 0.002])
    assert columns["mass"] == pytest.approx([0.005, 0.006])
    assert columns["eta"].tolist() == [0, 1]
    assert columns["width"].tolist() == [7, 8]


def test_padding_of_fixed_lengths_is_an_all_zero_momentum_or_what_present_says():
    fixed = {
        "pt": Column(np.array([[3, 0, 0], [5, 4, 0]], np.float32)),
        "eta": Column(np.array([[1, 0, 0], [0, 0, 0]], np.float32)),
        "phi": Column(np.zeros((2, 3), np.float32)),
    }
    assert read(fixed, 2).columns["pt"].tolist() == [3, 5, 4]
    assert read(fixed, 2).event.tolist() == [0, 1, 1]
    mask = Column(np.array([[True, True, False], [False, True, False]]))
    masked = read({**fixed, "MASK": mask}, 2, present=Expression("MASK"))
    assert masked.columns["pt"].tolist() == [3, 0, 4]
    # Lists say themselves how long they are.
    assert read({n: jagged([[0, 1], [2]]) for n in fixed}, 2).columns["pt"].tolist() == [0, 1, 2]


def test_columns_are_defined_from_others_and_from_those_of_the_event():
    arrays = {"scaled": jagged([[1, 2], [3]]), "d_eta": jagged([[0, 0.5], [1]]), "phi": jagged([[0, 0], [0]])}
    define = {"eta": Expression("axis + d_eta"), "pt": Expression("100 * scaled")}
    columns = read(
        arrays, 2, events={"axis": np.array([1.0, -1.0])}, momentum=("scaled", "d_eta", "phi"), define=define
    ).columns
    assert columns["pt"].tolist() == [100, 200, 300]
    assert columns["eta"].tolist() == [1, 1.5, 0]


def test_circular_definition_is_an_error():
    define = {"a": Expression("b + 1"), "b": Expression("a + 1")}
    with pytest.raises(ReaderError, match="a -> b -> a"):
        read(POLAR, 2, define=define)


def test_columns_of_the_mother_are_looked_up_within_the_event():
    arrays = {n: jagged([[1, 2], [3, 4, 5]]) for n in ("pt", "eta", "phi")}
    arrays["pdgId"] = jagged([[6, 5], [23, 11, -11]], np.int32)
    arrays["up"] = jagged([[-1, 0], [-1, 0, 0]], np.int32)
    cut = Expression("mother_pdgId == 23")
    columns = read(arrays, 2, mother="up", cuts=[cut]).columns
    assert columns["mother_pdgId"].tolist() == [0, 6, 0, 23, 23]
    arrays["up"] = jagged([[-1, 2], [-1, 0, 0]], np.int32)
    with pytest.raises(ReaderError, match="'up': a mother lies outside"):
        read(arrays, 2, mother="up", cuts=[cut])


def test_btag_is_a_working_point_or_a_bit():
    arrays = {**POLAR, "score": jagged([[0.3, 0.2489], []]), "BTag": jagged([[2, 5], []], np.uint32)}
    above = read(arrays, 2, btag=BTag("score", above=0.2489))
    assert above.columns["btag"].tolist() == [1, 0]
    assert read(arrays, 2, btag=BTag("BTag", bit=0)).columns["btag"].tolist() == [0, 1]
    assert read(arrays, 2, btag=BTag("BTag", bit=1)).columns["btag"].tolist() == [1, 0]


def test_bits_of_a_fraction_are_an_error_that_names_the_column():
    arrays = {**POLAR, "flags": jagged([[0.5, 1], []])}
    with pytest.raises(ReaderError, match=r"entries 0 to 2: cannot evaluate 'flags & 1'.*flags: float32"):
        read(arrays, 2, present=Expression("flags & 1"))


def test_pdg_numbers_come_from_the_file_or_from_kind_and_charge():
    charged = {**POLAR, "charge": jagged([[1, -1], []])}
    assert pdg_ids(read(charged, 2, kind=ObjectType.ELECTRON)).tolist() == [-11, 11]
    assert pdg_ids(read({**POLAR, "pdg_id": jagged([[5, -5], []])}, 2)).tolist() == [5, -5]
    assert pdg_ids(read(POLAR, 2, kind=ObjectType.PHOTON)).tolist() == [22, 22]


def test_columns_of_the_wrong_kind_are_errors_that_name_them():
    with pytest.raises(ReaderError, match="'pt': expected numbers, found bool"):
        read({**POLAR, "pt": jagged([[True, False], []], bool)}, 2)
    with pytest.raises(ReaderError, match="'BTag': expected integers, found float32"):
        read({**POLAR, "BTag": jagged([[1, 2], []])}, 2, btag=BTag("BTag", bit=0))
    with pytest.raises(ReaderError, match="'up': expected integers, found float32"):
        read({**POLAR, "up": jagged([[-1, 0], []])}, 2, mother="up", cuts=[Expression("mother_pt > 0")])


def test_unit_acts_on_momenta_that_are_defined_from_other_columns():
    raw = {name: jagged([[3000, 6000], []]) for name in ("a", "b")} | {"code": jagged([[1, 2], []], np.int32)}
    polar = {name: POLAR[name] for name in ("eta", "phi")}
    define = {"pt": Expression("sqrt(a ** 2 + b ** 2)"), "mass": Expression("0.1 * code")}
    momentum = ("eta", "phi")
    jets = read(raw | polar, 2, unit="MeV", momentum=momentum, define=define)
    assert jets.columns["pt"] == pytest.approx([4.2426, 8.4853], rel=1e-4)
    # What is worked out from codes and constants is in GeV already.
    assert jets.columns["mass"] == pytest.approx([0.1, 0.2])


def test_unit_acts_once_on_what_is_defined_from_converted_momenta():
    cartesian = {name: jagged([[3000, 4000], []]) for name in ("px", "py", "pz")}
    define = {"pt": Expression("sqrt(px ** 2 + py ** 2)"), "double": Expression("2 * pt"), "mass": Expression("double")}
    jets = read(cartesian | {n: POLAR[n] for n in ("eta", "phi")}, 2, unit="MeV", momentum=("px",), define=define)
    assert jets.columns["pt"] == pytest.approx([4.2426, 5.6569], rel=1e-4)
    assert jets.columns["mass"] == pytest.approx([8.4853, 11.3137], rel=1e-4)


@pytest.mark.parametrize("codes", [[[11, -13], [22]], [["e", "mu"], ["gamma"]]])
def test_kind_from_a_column_of_numbers_or_text(codes):
    text = isinstance(codes[0][0], str)
    values = Column(np.concatenate([np.array(c) for c in codes]), np.array([2, 1]))
    kinds = {"e": ObjectType.ELECTRON, "mu": ObjectType.MUON} if text else {}
    kinds |= {} if text else {"11": ObjectType.ELECTRON, "-13": ObjectType.MUON}
    polar = {name: jagged([[1, 2], [3]]) for name in ("pt", "eta", "phi")}
    without = read(polar | {"code": values}, 2, kind=KindColumn("code", kinds))
    assert without.columns[KIND].tolist() == [ObjectType.ELECTRON, ObjectType.MUON, -1]
    assert without.columns["mass"] == pytest.approx([0.000511, 0.105658, 0], abs=1e-6)
    default = read(polar | {"code": values}, 2, kind=KindColumn("code", kinds, ObjectType.PHOTON))
    assert default.columns[KIND].tolist() == [ObjectType.ELECTRON, ObjectType.MUON, ObjectType.PHOTON]
    assert pdg_ids(default).tolist() == [0, 0, 22]  # there is no charge
