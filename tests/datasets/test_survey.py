import gc
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyg_hep.datasets import EventDataset, survey
from pyg_hep.errors import ReaderError
from pyg_hep.readers import formats, root
from pyg_hep.readers import survey as of_readers
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
    monkeypatch.setattr(of_readers, "_SMALL", 19)
    twice = EventDataset(tmp_path / "twice", "cms_nanoaod", files)
    assert opened == files * 2
    opened.clear()
    monkeypatch.setattr(of_readers, "_SMALL", 20)
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """30 small files, a few with the events of others, one without a branch that a card may lack."""
    folder = tmp_path_factory.mktemp("many")
    for k in range(30):
        branches = random_nanoaod(8, seed=k % 27)
        if k == 7:
            del branches["genWeight"]
        write_nanoaod(folder / f"{k:02d}.root", branches)
    return folder


CARD = {"extends": "cms_nanoaod", "name": "many", "duplicates": "drop"}
CARD["weight"] = {"value": "genWeight", "required": False}


@pytest.fixture
def processes(monkeypatch):
    """Files count as many, this process may use two cores; the numbers of processes that were started."""
    numbers = []
    original = survey.run_in_processes

    def run(function, tasks, workers):
        numbers.append(workers)
        return original(function, tasks, workers)

    monkeypatch.setattr(survey, "run_in_processes", run)
    monkeypatch.setattr(survey, "_MANY", 30)
    monkeypatch.setattr(survey, "_FILES_OF_PROCESS", 10)
    monkeypatch.setattr(survey, "_FILES_OF_BATCH", 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    return numbers


def stored(dataset):
    """Every file of a storage; the manifest is all that the conversion says of the files."""
    folder = Path(dataset.processed_dir)
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def damaged_copy(folder, tmp_path, name):
    """The folder with a file that ends early."""
    files = [str(path) for path in sorted(folder.glob("*.root"))]
    bad = tmp_path / name
    bad.write_bytes(Path(files[11]).read_bytes()[:-500])
    files[11] = str(bad)
    return files


def test_many_files_are_looked_into_by_several_processes_with_the_same_result(
    folder, tmp_path, processes, capsys, monkeypatch
):
    files = damaged_copy(folder, tmp_path, "damaged.root")
    there = EventDataset(tmp_path / "there", CARD, {"a": files[:20], "b": files[20:]}, on_error="skip")
    said_there = capsys.readouterr().err
    assert processes == [2]
    monkeypatch.setattr(survey, "_MANY", 31)
    here = EventDataset(tmp_path / "here", CARD, {"a": files[:20], "b": files[20:]}, on_error="skip")
    said_here = capsys.readouterr().err
    assert processes == [2]
    assert stored(there) == stored(here)
    assert there.report.as_dict() == here.report.as_dict()
    assert said_there == said_here
    assert "damaged.root" in said_here
    assert list(there.storage.manifest["skipped"]) == [files[11]]
    assert there.report.duplicates > 0
    assert any("genWeight" in line for line in there.report.lines())


def test_the_first_file_that_cannot_be_read_is_the_same_error(folder, tmp_path, processes, monkeypatch):
    files = damaged_copy(folder, tmp_path, "damaged.root")
    files[12] = str(tmp_path / "text.root")  # the first file of another task, whose error is known sooner
    Path(files[12]).write_bytes(b"no ROOT file")
    before = len(multiprocessing.active_children())
    with pytest.raises(ReaderError) as there:
        EventDataset(tmp_path / "there", "cms_nanoaod", {"a": files})
    assert len(multiprocessing.active_children()) == before
    monkeypatch.setattr(survey, "_MANY", 31)
    with pytest.raises(ReaderError) as here:
        EventDataset(tmp_path / "here", "cms_nanoaod", {"a": files})
    assert str(there.value) == str(here.value)
    assert "damaged.root" in str(here.value)
    assert processes == [2]


def test_what_processes_keep_of_small_files_is_bounded(folder, tmp_path, processes, opened, monkeypatch):
    files = {"a": str(folder)}
    EventDataset(tmp_path / "kept", "cms_nanoaod", files)
    assert opened == []
    monkeypatch.setattr(survey, "_MOST_KEPT", 8)  # one byte for each task
    forgotten = EventDataset(tmp_path / "forgotten", "cms_nanoaod", files)
    assert len(opened) == 30
    assert stored(forgotten) == stored(EventDataset(tmp_path / "kept", "cms_nanoaod", files))


def test_what_only_this_process_can_read_is_read_here(folder, tmp_path, processes, monkeypatch):
    monkeypatch.setitem(formats.FORMATS, "mine", formats.FORMATS["nanoaod"])
    card = {"extends": "cms_nanoaod", "name": "mine", "reader": "mine"}
    with pytest.warns(UserWarning, match="30 files are looked into by one process"):
        mine = EventDataset(tmp_path / "mine", card, {"a": str(folder)})
    assert content(mine) == content(EventDataset(tmp_path / "a", "cms_nanoaod", {"a": str(folder)}))


def test_few_files_one_core_an_executor_and_workers_of_others_start_no_process(
    folder, tmp_path, processes, monkeypatch
):
    files = [survey.SourceFile(str(path), "a", 0) for path in sorted(folder.glob("*.root"))]
    assert survey._processes(files) == 2
    assert survey._processes(files[:29]) == 1
    remote = [survey.SourceFile("root://host//a.root", "a", 0)] * 30
    assert survey._processes(remote) == 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda process: {3})
        assert survey._processes(files) == 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
        assert survey._processes(files) == 3
        assert survey._processes(files * 30) == 8
    with monkeypatch.context() as patch:
        patch.setitem(multiprocessing.current_process()._config, "daemon", True)
        assert survey._processes(files) == 1
    with ThreadPoolExecutor(1) as executor:
        EventDataset(tmp_path / "a", "cms_nanoaod", {"a": str(folder)}, executor=executor)
    assert processes == []
