from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.simulation.boosted import runner, simulate_jets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jets")
    for name in ("Wqq", "resonance_top", "QCD"):
        simulate_jets(name, 20, 3, folder / f"{name}.root", workers=1, progress=False)
    return folder


def test_the_card_of_jetclass_reads_the_files_and_the_view_has_its_features(folder: Path, tmp_path: Path):
    files = {name: str(folder / f"{name}.root") for name in ("Wqq", "QCD")}
    dataset = EventDataset(tmp_path, "jetclass", files)
    assert len(dataset) == 40
    assert np.bincount(np.array([int(data.y) for data in dataset]), minlength=10).tolist() == [20, *[0] * 6, 20, 0, 0]
    (batch,) = EventLoader(dataset, 40)
    with uproot.open(files["Wqq"]) as file:
        truth = file["tree"].arrays(["part_d0val", "part_dzerr", "jet_nparticles"])
    per_jet = np.bincount(batch.batch.numpy())
    first = int(np.flatnonzero(batch.y.numpy() == 7)[0])
    assert per_jet[first : first + 20].tolist() == truth.jet_nparticles.to_list()
    assert set(np.round(batch.d0.numpy(), 6)) >= set(np.round(ak.to_numpy(ak.flatten(truth.part_d0val)), 6))
    assert float(batch.dz_error.max()) > 0
    seen = View.omnilearn()(batch)
    assert seen.x.shape == (batch.num_nodes, 13)
    assert bool(seen.x.isfinite().all())
    parts = [EventDataset(tmp_path / "s", "jetclass", files, split=part) for part in ("train", "val", "test")]
    assert sum(map(len, parts)) == 40
    assert min(map(len, parts)) > 0


def test_the_card_of_top_tagging_has_two_classes(folder: Path, tmp_path: Path):
    files = [str(folder / f"{name}.root") for name in ("resonance_top", "QCD", "Wqq")]
    dataset = EventDataset(tmp_path, "jetclass_top_tagging", {"jets": files})
    assert sorted(int(data.y) for data in dataset) == [0] * 20 + [1] * 20  # W bosons are neither
    assert list(dataset.class_names) == ["QCD", "top"]


def test_counts_are_in_the_file(folder: Path):
    with uproot.open(folder / "Wqq.root") as file:
        runs = {key: values[0] for key, values in file["Runs"].arrays(library="np").items()}
        assert "part_isChargedHadron" in file["tree"].keys()  # noqa: SIM118
        assert "jet_tau4" in file["tree"].keys()  # noqa: SIM118
    assert runs["genEventCount"] == 20
    assert runs["genEventTried"] >= runs["jetsInRange"] >= runs["jetsLeadingMatched"] > 0
    assert 0 < runs["genCrossSectionError"] < runs["genCrossSection"]


def test_workers_do_not_change_the_jets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runner, "CHUNK_SIZE", 8)
    one, two = (
        simulate_jets("Hcc", 16, 4, tmp_path / f"{workers}.root", workers=workers, progress=False) for workers in (1, 2)
    )
    with uproot.open(one) as a, uproot.open(two) as b:
        first, second = a["tree"].arrays(), b["tree"].arrays()
    assert first.fields == second.fields
    for name in first.fields:
        assert ak.all(first[name] == second[name]), name
    assert len(set(first.jet_pt.to_list())) == 16  # the chunks differ


def test_bad_arguments_are_one_sentence(tmp_path: Path):
    with pytest.raises(ConfigError, match="did you mean 'Hbb'"):
        simulate_jets("Hbbb", 10, 1, tmp_path / "a.root")
    with pytest.raises(ConfigError, match="unknown detector 'slow'"):
        simulate_jets("Hbb", 10, 1, tmp_path / "a.root", "slow")
    with pytest.raises(ConfigError, match="jets must be an integer of at least 1, not 0"):
        simulate_jets("Hbb", 0, 1, tmp_path / "a.root")
    with pytest.raises(ConfigError, match="output must be a file"):
        simulate_jets("Hbb", 10, 1, tmp_path)
