"""Networks that jet physics compares with, trained end to end: data, view, backbone, objective, saved model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import DeepSets, DenseNetwork, ParticleNet
from pyg_hep.objectives import Classification
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, predict, pretrain

BUILD = {
    "particle_net": lambda: (ParticleNet.lite(channels=((8, 8), (8, 8)), neighbours=3, hidden_channels=16), None),
    "particle_flow": lambda: (DeepSets.pfn(phi_channels=(16, 16), f_channels=(16,)), None),
    "energy_flow": lambda: (DeepSets.efn(phi_channels=(16, 16), f_channels=(16,)), None),
    "constituents": lambda: (DenseNetwork(7, objects=6, widths=(16, 16)), View("ho")),
    "event_columns": lambda: (
        DenseNetwork(1, event_channels=3, widths=(16, 16)),
        View(["pt"], events=["total_pt", "total_mass", "num_nodes"]),
    ),
}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Two kinds of events: of one the missing momentum is twenty times as large."""
    folder, files = tmp_path_factory.mktemp("baselines"), []
    for seed, factor in enumerate((1.0, 20.0)):
        branches = random_nanoaod(300, seed=seed)
        branches["MET_pt"] = branches["MET_pt"] * factor
        files.append(write_nanoaod(folder / f"{seed}.root", branches))
    return tuple(EventDataset(folder, "simulated_events", files, split=s) for s in ("train", "val", "test"))


@pytest.mark.parametrize("name", BUILD)
def test_learns_and_is_the_same_once_saved(name, splits, tmp_path):
    torch.manual_seed(0)
    train, val, test = splits
    backbone, view = BUILD[name]()
    model = EventModel(backbone, Classification(2), view, optimisation=Optimisation(learning_rate=3e-3))
    settings = TrainingSettings(epochs=4, batch_size=32, accelerator="cpu", progress=False)
    result = pretrain(model, train, val, output=tmp_path, settings=settings)
    losses = [row["val_loss"] for row in result.history]
    assert min(losses) < losses[0]
    expected = predict(result.model, test).probability
    again = EventModel.from_pretrained(result.model.save_pretrained(tmp_path / "model"))
    assert np.array_equal(predict(again, test).probability, expected)
    assert again.backbone.config() == backbone.config()


def test_widths_that_do_not_fit_the_view_are_said():
    with pytest.raises(ConfigError, match="ParticleNet has in_channels=6, the view gives 7"):
        EventModel(ParticleNet.lite(in_channels=6), Classification(2))
