"""examples/pyg_models.py end to end: PyG's own layers learn to tell two random samples apart."""

import json
from functools import partial
from pathlib import Path

import awkward as ak
import pytest

from pyg_hep.testing.files import random_nanoaod, write_nanoaod

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "pyg_models.py"
MODELS = ("transformer_conv", "gps")


@pytest.fixture(scope="module")
def call(run_example):
    return partial(run_example, "pyg_models.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two random classes that differ by the momentum of their jets only: 15 GeV + 40 GeV on average, and twice that."""
    folder = tmp_path_factory.mktemp("pyg_models")
    for seed, name in enumerate(("soft", "hard")):
        branches = random_nanoaod(1500, seed=seed)
        branches["Jet"] = ak.with_field(branches["Jet"], branches["Jet"].pt * (1 + seed), "pt")
        write_nanoaod(folder / f"{name}.root", branches)
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_model_of_pyg_separates_classes_that_differ_in_jet_momentum(call, folder, model):
    done = call(
        *("--data", "soft.root", "hard.root", "--card", "simulated_events", "--model", model),
        *("--epochs", 4, "--batch_size", 64, "--output", f"runs/{model}"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{model}: best epoch" in done.stdout
    run = folder / "runs" / model
    names = {path.name for path in run.iterdir()}
    expected = {"results.json", "config.yaml", "environment.json", "loss.png", "confusion.png", "model.safetensors"}
    assert expected | {"tensorboard"} <= names
    results = json.loads((run / "results.json").read_text())
    # 3,000 events, 15 % of them for the test. A model that learnt nothing has an accuracy of 0.5 with a standard
    # deviation of sqrt(0.25 / 450) = 0.024 and an AUC of 0.5 with one of sqrt(1 / (12 * 225) * 2) = 0.027: the bounds
    # are six of them away, in samples whose own error is printed beside the figures.
    assert results["events"]["test"] == pytest.approx(450, abs=80)
    report = results["test"]
    assert report["accuracy"] > 0.65
    assert report["auc"] > 0.67
    assert 0.01 < report["accuracy_error"] < 0.04
    losses = [entry["train_loss"] for entry in results["training"]["history"]]
    assert losses[-1] < losses[0]
    assert results["events"]["train"] + results["events"]["val"] + results["events"]["test"] == 3000


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--data", "nothing.root"], 1, "nothing.root"),
        (["--data", "soft.root", "--card", "simulated_event"], 1, "did you mean 'simulated_events'"),
        (["--data", "soft.root", "--views", "ho"], 2, "did you mean 'view'"),
        (["--data", "soft.root", "--view", "hoo"], 1, "no published view 'hoo'"),
        (["--data", "soft.root", "--model", "gcn"], 2, "model"),
        (["--data", "soft.root", "--epochs", "0"], 2, "epochs"),
    ],
)
def test_bad_input_is_one_sentence_and_a_status(call, folder, arguments, status, message):
    done = call(*arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
