import importlib.util
import json
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from pyg_hep.analysis import reconstruct_tops
from pyg_hep.datasets import EventDataset
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import MaskedFourVectors, TopFlow
from pyg_hep.simulation import simulate
from pyg_hep.testing.dilepton import dilepton_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "reconstruct_tops.py"
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"


@pytest.fixture(scope="module")
def call(run_example):
    return partial(run_example, "reconstruct_tops.py")


@pytest.fixture(scope="module")
def dilepton_file(tmp_path_factory):
    """200 random events, of which those with an odd number have a positron and a muon; every fifth is NaN."""
    branches = random_nanoaod(200, seed=6)
    kept = np.arange(200) % 2
    for name, sign in (("Electron", 1), ("Muon", -1)):
        one = {"pt": 60.0, "eta": 0.3 * sign, "phi": 1.0 * sign, "mass": 0.0}
        columns = {k: np.full(kept.sum(), v, np.float32) for k, v in one.items()}
        columns["charge"] = np.full(kept.sum(), sign, np.int32)
        branches[name] = ak.zip({k: ak.unflatten(v, kept) for k, v in columns.items()})
    branches["MET_pt"][::5] = np.nan
    return write_nanoaod(tmp_path_factory.mktemp("dileptons") / "pairs.root", branches)


def test_writes_the_tops_of_every_entry_in_order(call, tmp_path, dilepton_file):
    done = call(dilepton_file, "--method", "ellipse", "--fallback", "visible_mass", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    folder = tmp_path / "runs/reconstruct_tops"
    tree = uproot.open(folder / "pairs.root")["Events"].arrays(library="np")
    assert list(tree["event"]) == list(range(200))
    assert set(tree["run"]) == {1}
    number = np.arange(200)
    usable = (number % 2 == 1) & (number % 5 != 0) & (tree["top_reason"] != 2)
    np.testing.assert_array_equal(tree["top_valid"], usable)
    np.testing.assert_array_equal(np.isfinite(tree["m_ttbar"]), usable)
    assert (tree["m_ttbar"][usable & ~tree["top_fallback"]] > 340).all()
    np.testing.assert_allclose(tree["top_mass"][usable & ~tree["top_fallback"]], 172.5, rtol=1e-3)
    results = json.loads((folder / "results.json").read_text())
    counts = results["files"][str(dilepton_file)]["counts"]
    assert sum(counts.values()) == 200
    assert counts["impossible values"] == 40
    assert counts["other than two leptons of opposite charge"] == 80
    assert counts["reconstructed by the fallback"] == tree["top_fallback"].sum() > 0
    assert f"{counts['other than two leptons of opposite charge']}   40.0%  other than two leptons" in done.stdout
    assert (folder / "m_ttbar.png").is_file()
    # The same as from Python, joined by entry.
    dataset = EventDataset(tmp_path / "cache", "dileptonic", dilepton_file)
    pairs = reconstruct_tops(dataset, "ellipse")
    rows = dataset.storage.entry.numpy()[pairs.valid]
    for name in ("m_ttbar", "c_hel", "c_han"):
        np.testing.assert_allclose(tree[name][rows], getattr(pairs, name)[pairs.valid], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["coffea__nano_dy", "coffea__nano_dimuon"])
def test_published_drell_yan_and_data_files_are_counted(call, tmp_path, name):
    """Drell-Yan simulation, and dimuon data without generator weights: 40 events each, none with two jets."""
    path = PUBLISHED / f"{name}.root"
    if not path.is_file():
        pytest.skip(f"published collider file {name}.root is not beside this checkout")
    done = call(path, cwd=tmp_path)
    assert done.returncode == 1
    assert "error: no event of any file has tops: the counts above say what the events lack" in done.stderr
    assert "Traceback" not in done.stderr
    counts = json.loads((tmp_path / "runs/reconstruct_tops/results.json").read_text())["files"][str(path)]["counts"]
    assert counts["fewer than two jets"] > 0
    assert sum(counts.values()) == 40
    assert (
        not uproot.open(tmp_path / f"runs/reconstruct_tops/{name}.root")["Events"]["top_valid"].array().to_numpy().any()
    )


def test_a_network_reconstructs_events_without_a_generated_level(call, tmp_path, dilepton_file):
    torch.manual_seed(0)
    sizes = {"hidden_channels": 16, "num_layers": 1, "heads": 2, "feed_forward": 32}
    model = EventModel(EventTransformer.bumblebee(**sizes), MaskedFourVectors())
    model.view.measure(dilepton_events(300))
    model.save_pretrained(tmp_path / "model")
    done = call(dilepton_file, "--method", "network", "--model", tmp_path / "model", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    tree = uproot.open(tmp_path / "runs/reconstruct_tops/pairs.root")["Events"].arrays(library="np")
    dataset = EventDataset(tmp_path / "cache", "dileptonic", dilepton_file)
    pairs = reconstruct_tops(dataset, "network", model=model)
    rows = dataset.storage.entry.numpy()[pairs.valid]
    np.testing.assert_allclose(tree["m_ttbar"][rows], pairs.m_ttbar[pairs.valid], rtol=1e-4)
    done = call(dilepton_file, "--method", "network", cwd=tmp_path)
    assert "error: --method network and --model go together" in done.stderr


def test_a_model_of_the_distribution_has_intervals_among_the_branches():
    torch.manual_seed(0)
    sizes = {"hidden_channels": 16, "num_layers": 1, "heads": 2, "feed_forward": 32}
    flow = TopFlow(context_channels=4, transforms=2, hidden_channels=[16])
    model = EventModel(EventTransformer.bumblebee(**sizes), flow)
    dataset = dilepton_events(60)
    model.view.measure(dataset)
    flow.measure(dataset)
    specification = importlib.util.spec_from_file_location("reconstruct_tops_example", SCRIPT)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    pairs = reconstruct_tops(dataset, script.METHODS["network"](model))
    columns = script.columns_of(pairs)
    assert set(columns) - set(script.columns_of(reconstruct_tops(dataset, "visible_mass"))) == {
        "m_ttbar_low", "m_ttbar_high",
    }  # fmt: skip
    assert (columns["m_ttbar_low"] < columns["m_ttbar"]).all()
    np.testing.assert_allclose(columns["m_ttbar_high"], pairs.m_ttbar_68[:, 1], rtol=1e-6)


def test_single_top_events_are_reconstructed_as_far_as_they_have_leptons_and_jets(call, tmp_path):
    path = simulate("singletop_t", 300, 5, tmp_path / "single.root", workers=1, progress=False)
    done = call(path, "--method", "visible_mass", cwd=tmp_path)
    counts = json.loads((tmp_path / "runs/reconstruct_tops/results.json").read_text())["files"][str(path)]["counts"]
    assert sum(counts.values()) == 300
    assert counts["other than two leptons of opposite charge"] > 200
    assert done.returncode == (0 if counts["reconstructed"] else 1)


def test_wrong_input_is_one_sentence(call, tmp_path, dilepton_file):
    for arguments, message in (
        ((dilepton_file, "--method", "elipse"), "'elipse' is not possible: did you mean 'ellipse'"),
        ((tmp_path / "no.root",), "no.root: No such file"),
        ((dilepton_file, dilepton_file), "two input files have the same name"),
        ((dilepton_file, "--output", dilepton_file.parent), "would overwrite the input file"),
    ):
        done = call(*arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
