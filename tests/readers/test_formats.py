import awkward as ak
import numpy as np
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


class TestCSV(ReaderTests):
    @pytest.fixture
    def card(self):
        objects = {name: {"kind": name, "collection": name} for name in ("jet", "muon")}
        return {"name": "c", "reader": "csv", "objects": objects}

    @pytest.fixture
    def path(self, tmp_path):
        names = [f"{kind}_{column}" for kind in ("jet", "muon") for column in ("pt", "eta", "phi")]
        values = np.random.default_rng(4).uniform(0, 3, (50, len(names)))
        np.savetxt(tmp_path / "file.csv", values, "%.7f", ",", header=",".join(names))
        return tmp_path / "file.csv"


def test_every_format_of_a_card_is_tested():
    tested = {"nanoaod", "delphes", "root", "hdf5", "npz", "parquet", "csv"}
    assert set(FORMATS) == tested
