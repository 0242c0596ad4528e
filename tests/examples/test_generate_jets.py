from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from pyg_hep.nn import PointEdgeTransformer
from pyg_hep.objectives import Joint
from pyg_hep.testing.formats import write_jetclass
from pyg_hep.training import EventModel

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "generate_jets.py"


def test_jets_are_made_and_judged(tmp_path, monkeypatch):
    pytest.importorskip("fastjet")
    pytest.importorskip("torchdiffeq")
    backbone = PointEdgeTransformer.omnilearn(hidden_channels=8, num_layers=1, neighbours=2)
    model = EventModel(backbone, Joint.omnilearn(10, parametrisation="flow"))
    model.save_pretrained(tmp_path / "model")
    write_jetclass(tmp_path / "jets.root", 60)
    spec = importlib.util.spec_from_file_location("generate_jets", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)
    arguments = ["--model", "model", "--data", "jets.root"]
    arguments += ["--jets", "12", "--calls", "2", "--steps", "5", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["generate_jets.py", *arguments])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of packages, as in a script
        script.main()
    results = json.loads((tmp_path / "runs/generate/results.json").read_text())
    assert results["two_sample"]["jets"] == 12
    assert {"pt", "mass", "multiplicity", "tau21"} < set(results["distances"])
    assert (tmp_path / "runs/generate/generation.png").stat().st_size > 10_000
    with np.load(tmp_path / "runs/generate/jets.npz") as jets:
        assert jets["y"].tolist() == [*range(10), 0, 1]
        assert len(jets["p4"]) == jets["first"][-1]
        assert (jets["p4"][:, 0] >= 0).all()
