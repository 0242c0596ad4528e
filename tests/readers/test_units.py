import numpy as np
import pytest

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers import load_card, read_events
from pyg_hep.readers.card import ObjectDefinition
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.units import Units
from pyg_hep.schema import ObjectType

DIRECTIONS = {"jet_eta": np.array([0.5, -1.0]), "jet_phi": np.array([0.1, 2.0])}


@pytest.fixture
def in_mev(tmp_path):
    """Two events of one jet, momenta in MeV."""
    momenta = {"jet_pt": [50e3, 80e3], "jet_mass": [5e3, 8e3], "jet_my_px": [30e3, 40e3], "jet_my_py": [40e3, 30e3]}
    columns = {name: np.array(values, np.float32) for name, values in momenta.items()}
    np.savez(tmp_path / "a.npz", **columns, **DIRECTIONS, jet_code=np.array([1, 2]), jet_fcode=np.array([1.0, 2.0]))
    return tmp_path / "a.npz"


def read(path, **jet):
    tables = {"mass_of": {1: 0.5, 2: 1.5}}
    jet = {"kind": "jet", "collection": "jet", "order": "file", **jet}
    card = {"name": "a", "reader": "npz", "identity": {}, "tables": tables, "objects": {"jet": jet}}
    objects = read_events(path, card).objects
    return {name: np.asarray(objects[name]).ravel() for name in ("pt", "mass")}


@pytest.mark.parametrize(
    ("define", "pt", "mass"),
    [
        # Momenta under other names are still in MeV, also through a further definition ...
        ({"pt": "hypot(my_px, my_py)"}, [50, 50], [5, 8]),
        ({"square": "my_px ** 2 + my_py ** 2", "pt": "sqrt(square)"}, [50, 50], [5, 8]),
        # ... what is worked out from converted columns is in GeV, and so are constants, codes and tables.
        ({"mass": "0.1 * pt"}, [50, 80], [5, 8]),
        ({"half": "pt / 2", "mass": "0.1 * half"}, [50, 80], [2.5, 4]),
        ({"mass": "0.5 + 0 * code"}, [50, 80], [0.5, 0.5]),
        ({"mass": "mass_of(code)"}, [50, 80], [0.5, 1.5]),
        ({"mass": "mass_of(fcode)"}, [50, 80], [0.5, 1.5]),
        ({"constant": "mass_of(fcode)", "mass": "2 * constant"}, [50, 80], [1, 3]),
        ({"mass": "0.5 + 0 * abs(eta)"}, [50, 80], [0.5, 0.5]),
    ],
)
def test_one_unit_converts_defined_momenta_once(in_mev, define, pt, mass):
    columns = read(in_mev, unit="MeV", define=define)
    assert columns["pt"] == pytest.approx(pt, rel=1e-6)  # float32
    assert columns["mass"] == pytest.approx(mass, rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "define", "pt", "mass"),
    [
        ({"MeV": ["pt", "mass"]}, {}, [50, 80], [5, 8]),
        ({"MeV": ["pt"]}, {}, [50, 80], [5e3, 8e3]),
        ({"MeV": ["pt"], "GeV": ["mass"]}, {"mass": "0.1 * pt"}, [50, 80], [5, 8]),
        ({"MeV": ["my_px", "mass"]}, {"pt": "hypot(my_px, 0.001 * my_py)"}, [50, 50], [5, 8]),
        ({"MeV": "pt", "TeV": ["mass"]}, {"pt": "hypot(my_px, my_py)", "mass": "0.001 + 0 * code"}, [50, 50], [1, 1]),
    ],
)
def test_columns_that_the_card_names_have_their_unit_and_no_others(in_mev, unit, define, pt, mass):
    columns = read(in_mev, unit=unit, define=define)
    assert columns["pt"] == pytest.approx(pt, rel=1e-6)
    assert columns["mass"] == pytest.approx(mass, rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ({"MeV": ["ptt"]}, r"'objects\.jet\.unit': nothing reads 'ptt', did you mean 'pt'"),
        ({"MEV": ["pt"]}, "did you mean 'MeV'"),
        ({"MeV": ["pt"], "TeV": ["pt"]}, "'pt' has two units"),
        ({"MeV": ["pt", "mass"]}, "'mass' is worked out from 'pt', which is in GeV by then"),
    ],
)
def test_units_that_cannot_be_meant_are_errors(unit, message):
    jet = {"kind": "jet", "collection": "jet", "unit": unit, "define": {"half": "pt / 2", "mass": "0.1 * half"}}
    with pytest.raises(ConfigError, match=message):
        load_card({"name": "a", "objects": {"jet": jet}})


def test_card_with_units_of_columns_survives_being_written():
    jet = {"kind": "jet", "collection": "jet", "unit": {"MeV": ["pt", "mass"], "GeV": ["energy"]}}
    card = load_card({"name": "a", "objects": {"jet": jet}})
    assert load_card(card.as_dict()).objects == card.objects
    assert card.as_dict() != load_card({"name": "a", "objects": {"jet": {**jet, "unit": "MeV"}}}).as_dict()


def test_texts_have_no_unit():
    units = Units(ObjectDefinition(ObjectType.JET, ("jet",), unit={"MeV": ("name",)}))
    with pytest.raises(ReaderError, match=r"a\.root, column 'name': has a unit, but holds <U1"):
        units.of_file({"name": np.array(["e"])}, "a.root")
    assert Expression("pt + 1").names_outside_tables == {"pt"}
