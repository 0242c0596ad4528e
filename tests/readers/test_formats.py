import awkward as ak
import pytest

from pyg_hep.readers.formats import FORMATS
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.testing.formats import WRITERS
from pyg_hep.testing.readers import ReaderTests


class _Written(ReaderTests):
    name = ""

    @pytest.fixture
    def card(self):
        return self.name

    @pytest.fixture
    def path(self, tmp_path):
        write, suffix = WRITERS[self.name]
        return write(tmp_path / f"file{suffix}", 50, 4)


class TestDelphes(_Written):
    name = "ho_delphes"


class TestJetClass(_Written):
    name = "jetclass"


class TestTopTagging(_Written):
    name = "top_tagging"


class TestATLASTopTagging(_Written):
    name = "atlas_top_tagging"


class TestLHCOlympics(_Written):
    name = "lhc_olympics"


class TestZJets(_Written):
    name = "z_jets"


class TestSPANet(_Written):
    name = "spanet_ttbar"


class TestNanoAOD(ReaderTests):
    @pytest.fixture
    def card(self):
        return "simulated_events"

    @pytest.fixture
    def path(self, tmp_path):
        return write_nanoaod(tmp_path / "file.root", 50, seed=4)


class TestParquet(ReaderTests):
    @pytest.fixture
    def card(self):
        jet = {"kind": "jet", "collection": "Jet", "cuts": ["pt > 20"]}
        return {"name": "p", "reader": "parquet", "objects": {"jet": jet, "met": {"kind": "met", "collection": "MET"}}}

    @pytest.fixture
    def path(self, tmp_path):
        branches = random_nanoaod(50, seed=4)
        columns = {name: branches[name] for name in ("Jet", "MET_pt", "MET_phi")}
        ak.to_parquet(ak.zip(columns, depth_limit=1), tmp_path / "file.parquet", row_group_size=13)
        return tmp_path / "file.parquet"


def test_every_format_of_a_card_is_tested():
    tested = {"nanoaod", "delphes", "root", "hdf5", "npz", "parquet"}
    assert set(FORMATS) == tested
