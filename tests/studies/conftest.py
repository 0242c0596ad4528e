from __future__ import annotations

import pytest
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.studies import Task
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel


@pytest.fixture(scope="session")
def task(tmp_path_factory) -> Task:
    """Two classes that differ in missing momentum, 1 against 10 times 40 GeV."""
    folder = tmp_path_factory.mktemp("task")
    files = {}
    for i, name in enumerate(("background", "signal")):
        branches = random_nanoaod(700 + 200 * i, seed=i)
        branches["MET_pt"] = branches["MET_pt"] * (1 + 9 * i)
        files[name] = write_nanoaod(folder / f"{name}.root", branches)
    return Task("met", *(EventDataset(folder, "simulated_events", files, split=s) for s in ("train", "val", "test")))


@pytest.fixture(scope="session")
def model() -> EventModel:
    torch.manual_seed(0)
    return EventModel(GraphNetwork.ho(), Classification(2))
