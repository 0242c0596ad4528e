import pytest
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, pretrain


@pytest.fixture(scope="session")
def splits(tmp_path_factory):
    """Two classes that differ in missing momentum: a network that learns anything tells them apart."""
    folder = tmp_path_factory.mktemp("splits")
    files = []
    for i, factor in enumerate((1.0, 20.0)):
        branches = random_nanoaod(600, seed=i)
        branches["MET_pt"] = branches["MET_pt"] * factor
        files.append(write_nanoaod(folder / f"{i}.root", branches))
    return [EventDataset(folder, "simulated_events", files, split=s) for s in ("train", "val", "test")]


@pytest.fixture(scope="session")
def make_model():
    """A new model for these events."""

    def make(seed=0, classes=2):
        torch.manual_seed(seed)
        return EventModel(GraphNetwork.ho(), Classification(classes), optimisation=Optimisation(learning_rate=3e-4))

    return make


@pytest.fixture(scope="session")
def pretrained(splits, make_model, tmp_path_factory):
    """A training of three epochs."""
    settings = TrainingSettings(epochs=3, batch_size=32, accelerator="cpu", progress=False, seed=3)
    return pretrain(make_model(), *splits[:2], output=tmp_path_factory.mktemp("pretrained"), settings=settings)
