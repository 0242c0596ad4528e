import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyg_hep.datasets import EventDataset, survey
from pyg_hep.readers import root
from pyg_hep.testing.files import random_nanoaod, write_nanoaod


@pytest.fixture
def files(tmp_path):
    return [str(write_nanoaod(tmp_path / f"{k}.root", random_nanoaod(20, seed=k))) for k in range(3)]


@pytest.fixture
def opened(monkeypatch):
    """Paths of the ROOT files that were opened, in order."""
    paths = []
    original = root.RootSource.__init__

    def count(self, path, *arguments):
        paths.append(path)
        original(self, path, *arguments)

    monkeypatch.setattr(root.RootSource, "__init__", count)
    return paths


def content(dataset):
    return [dataset.p4.tolist(), dataset.y.tolist(), dataset.event_number.tolist(), dataset.report.as_dict()]


def test_small_files_are_opened_once_and_others_twice_with_the_same_result(tmp_path, files, opened, monkeypatch):
    once = EventDataset(tmp_path / "once", "cms_nanoaod", files)
    assert opened == files
    with ThreadPoolExecutor(1) as executor:
        elsewhere = EventDataset(tmp_path / "elsewhere", "cms_nanoaod", files, executor=executor)
    assert opened == files * 2
    opened.clear()
    monkeypatch.setattr(survey, "_SMALL", 19)
    twice = EventDataset(tmp_path / "twice", "cms_nanoaod", files)
    assert opened == files * 2
    opened.clear()
    monkeypatch.setattr(survey, "_SMALL", 20)
    monkeypatch.setattr(survey, "_MOST_KEPT", 1)
    forgotten = EventDataset(tmp_path / "forgotten", "cms_nanoaod", files)
    assert opened == files * 2
    assert content(once) == content(twice) == content(elsewhere) == content(forgotten)


def test_a_file_that_cannot_be_read_is_left_out_as_before(tmp_path, files):
    branches = random_nanoaod(20, seed=9)
    branches["MET_pt"][3] = float("nan")
    bad = str(write_nanoaod(tmp_path / "bad.root", branches))
    card = {"extends": "cms_nanoaod", "name": "strict", "on_invalid": "error"}
    dataset = EventDataset(tmp_path / "a", card, {"a": [files[0], bad, files[1]]}, on_error="skip")
    assert list(dataset.storage.manifest["skipped"]) == [bad]
    assert "MET_pt" in dataset.storage.manifest["skipped"][bad]


def test_the_garbage_collector_is_left_as_it_was(tmp_path, files):
    before = gc.get_threshold()
    EventDataset(tmp_path / "a", "cms_nanoaod", files)
    assert gc.get_threshold() == before
