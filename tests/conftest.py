"""Fixtures that several rooms share: a small random NanoAOD file and the folder of published files."""

from pathlib import Path

import pytest
import torch

from pyg_hep.testing.files import random_nanoaod, write_nanoaod

# Results do not depend on it; two test processes on two cores would only be in each other's way.
torch.set_num_threads(1)

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"


@pytest.fixture(scope="session")
def nanoaod(tmp_path_factory) -> Path:
    """500 random events in NanoAOD's layout."""
    return write_nanoaod(tmp_path_factory.mktemp("files") / "random.root", 500, seed=1)


@pytest.fixture(scope="session")
def nanoaod_with_truth(tmp_path_factory) -> Path:
    """500 random events with generated particles."""
    branches = random_nanoaod(500, seed=3, truth=True)
    return write_nanoaod(tmp_path_factory.mktemp("files") / "truth.root", branches)


@pytest.fixture(scope="session")
def other_nanoaod(tmp_path_factory) -> Path:
    """300 other random events."""
    return write_nanoaod(tmp_path_factory.mktemp("files") / "other.root", 300, seed=2)


def _published(name: str) -> Path:
    path = PUBLISHED / name
    if not path.is_file():
        pytest.skip(f"published collider file {name} is not beside this checkout")
    return path


@pytest.fixture
def cms_2015() -> Path:
    """CMS 2015 Open Data simulation, NanoAOD, 200 events."""
    return _published("skhep__nanoAOD_2015_CMS_Open_Data_ttbar.root")


@pytest.fixture
def cms_v12() -> Path:
    """CMS ttbar simulation, NanoAOD v12, 200 events."""
    return _published("coffea__nano_tt_v12.root")
