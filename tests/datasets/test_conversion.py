import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import torch
import uproot

from pyg_hep.datasets import EventDataset, conversion
from pyg_hep.datasets.event_keys import hash_events
from pyg_hep.datasets.storage import MANIFEST
from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.loader import EventLoader
from pyg_hep.readers import FileReader, load_card
from pyg_hep.testing.files import random_nanoaod, write_nanoaod


@pytest.fixture
def truncated(nanoaod, tmp_path):
    path = tmp_path / "truncated.root"
    path.write_bytes(nanoaod.read_bytes()[:20000])
    return path


def columns(dataset):
    storage = dataset.storage
    return {**storage.nodes, **storage.events, "offsets": storage.offsets}


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_executor_gives_the_same_data_set_as_this_process(nanoaod, other_nanoaod, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(conversion, "STEP_SIZE", 60)
    files = [nanoaod, other_nanoaod]
    here = EventDataset(tmp_path / "here", "simulated_events", files)
    with kind(2) as executor:
        there = EventDataset(tmp_path / "there", "simulated_events", files, executor=executor)
    for name, column in columns(here).items():
        assert torch.equal(column, columns(there)[name]), name


def test_unreadable_file_stops_the_conversion_and_leaves_nothing(nanoaod, truncated, tmp_path):
    with pytest.raises(ReaderError, match=r"truncated\.root"):
        EventDataset(tmp_path / "root", "simulated_events", [nanoaod, truncated])
    assert not list((tmp_path / "root").rglob("*.npy"))


def test_unreadable_file_is_skipped_and_recorded_where_asked(nanoaod, truncated, tmp_path):
    files = {"a": [nanoaod, truncated]}
    dataset = EventDataset(tmp_path / "root", "simulated_events", files, on_error="skip")
    assert len(dataset) == 500
    assert any("truncated.root" in note for note in dataset.report.notes)


def test_data_set_without_skipped_files_is_not_served_where_all_are_asked_for(nanoaod, tmp_path, capsys):
    files = {"a": [nanoaod, "https://example.invalid/b.root"]}
    dataset = EventDataset(tmp_path, "simulated_events", files, on_error="skip")
    assert "example.invalid" in capsys.readouterr().err
    assert list(dataset.storage.manifest["skipped"]) == ["https://example.invalid/b.root"]
    assert len(EventDataset(tmp_path, "simulated_events", files, on_error="skip")) == 500
    with pytest.raises(ReaderError, match=r"example\.invalid"):
        EventDataset(tmp_path, "simulated_events", files)


def test_file_that_fails_half_way_is_rolled_back(nanoaod, other_nanoaod, tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "STEP_SIZE", 100)
    read = FileReader.read

    def failing(self, start, stop):
        if self.path == str(nanoaod) and start >= 300:
            raise ReaderError(f"{self.path}: entries {start} to {stop}: damaged")
        return read(self, start, stop)

    monkeypatch.setattr(FileReader, "read", failing)
    files = {"a": [nanoaod, other_nanoaod]}
    dataset = EventDataset(tmp_path / "root", "simulated_events", files, on_error="skip")
    assert len(dataset) == 300
    alone = EventDataset(tmp_path / "alone", "simulated_events", {"a": [other_nanoaod]})
    for name, column in columns(alone).items():
        assert torch.equal(column, columns(dataset)[name]), name


def test_interrupt_leaves_the_older_data_set_untouched_and_the_next_call_goes_on(nanoaod, tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "STEP_SIZE", 100)
    dataset = EventDataset(tmp_path, "simulated_events", [nanoaod])
    expected = columns(dataset)
    before = {p: p.stat().st_mtime_ns for p in sorted(dataset.storage.folder.iterdir())}
    read, asked = FileReader.read, []

    def interrupted(self, start, stop):
        asked.append(start)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return read(self, start, stop)

    monkeypatch.setattr(FileReader, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        EventDataset(tmp_path, "simulated_events", [nanoaod], force_reload=True)
    assert asked == [0, 100, 200]
    assert {p: p.stat().st_mtime_ns for p in before} == before
    for path in before:
        path.unlink()
    again = EventDataset(tmp_path, "simulated_events", [nanoaod])
    assert asked[3:] == [200, 300, 400]
    for name, column in columns(again).items():
        assert torch.equal(column, expected[name]), name
    assert again.report.entries == 500
    assert [p.name for p in (tmp_path / "processed").iterdir() if not p.name.endswith(".lock")] == [
        again.storage.folder.name
    ]


KILLED = """
import os, sys
from pyg_hep.datasets import EventDataset, conversion
from pyg_hep.readers import FileReader, load_card
conversion.STEP_SIZE = 100
read = FileReader.read
def killed(self, start, stop):
    if start == 100 and "other" in self.path:
        os.kill(os.getpid(), 9)
    return read(self, start, stop)
FileReader.read = killed
EventDataset(sys.argv[1], "simulated_events", sys.argv[2:])
"""


def test_killed_conversion_goes_on_with_the_chunks_it_had(nanoaod, other_nanoaod, tmp_path, monkeypatch):
    files = [str(nanoaod), str(other_nanoaod)]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "root"), *files], check=False)
    assert killed.returncode == -9
    assert not list((tmp_path / "root").rglob(MANIFEST))
    monkeypatch.setattr(conversion, "STEP_SIZE", 100)
    read, asked = FileReader.read, []

    def counted(self, start, stop):
        asked.append((self.path, start))
        return read(self, start, stop)

    monkeypatch.setattr(FileReader, "read", counted)
    resumed = EventDataset(tmp_path / "root", "simulated_events", files)
    assert asked == [(files[1], 100), (files[1], 200)]
    whole = EventDataset(tmp_path / "whole", "simulated_events", files)
    for name, column in columns(whole).items():
        assert torch.equal(column, columns(resumed)[name]), name
    assert resumed.report.as_dict() == whole.report.as_dict()
    for key in ("events_per_process", "sum_of_weights_per_process", "num_classes"):
        assert resumed.storage.manifest[key] == whole.storage.manifest[key]


def test_unfinished_conversion_of_another_version_is_not_used(nanoaod, tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "STEP_SIZE", 100)
    dataset = EventDataset(tmp_path / "whole", "simulated_events", [nanoaod])
    partial = tmp_path / "root" / "processed" / f".{dataset.storage.folder.name}.partial"
    partial.mkdir(parents=True)
    line = {"file": 0, "num_events": 100, "num_nodes": 900, "weight": 1.0, "largest_label": 0, "report": {}}
    (partial / "journal.jsonl").write_text(json.dumps({"version": "0"}) + "\n" + json.dumps(line) + "\n")
    assert len(EventDataset(tmp_path / "root", "simulated_events", [nanoaod])) == len(dataset)


def test_two_processes_that_want_the_same_data_set_convert_it_once(nanoaod, tmp_path):
    with ProcessPoolExecutor(2) as executor:
        sizes = list(executor.map(_open, [(str(tmp_path), str(nanoaod))] * 2))
    assert sizes == [500, 500]


def _open(arguments):
    root, path = arguments
    return len(EventDataset(root, "simulated_events", [path]))


def test_events_that_were_there_before_are_counted_dropped_or_refused(nanoaod, tmp_path):
    card = load_card("simulated_events").as_dict()
    twice = {"a": [nanoaod, nanoaod]}
    kept = EventDataset(tmp_path / "kept", card, twice)
    assert (len(kept), kept.report.duplicates) == (1000, 500)
    dropped = EventDataset(tmp_path / "dropped", {**card, "duplicates": "drop"}, twice)
    assert (len(dropped), dropped.report.duplicates) == (500, 500)
    with pytest.raises(ReaderError, match=r"random\.root: 500 events were there before"):
        EventDataset(tmp_path / "refused", {**card, "duplicates": "error"}, twice)


def test_files_without_event_numbers_keep_their_splits_wherever_they_stand(nanoaod, other_nanoaod, tmp_path):
    card = {**load_card("simulated_events").as_dict(), "identity": {}}
    first = EventDataset(tmp_path, card, [nanoaod, other_nanoaod])
    second = EventDataset(tmp_path, card, [other_nanoaod, nanoaod])
    assert np.array_equal(first.storage.split_key[:500], second.storage.split_key[300:])


def test_selection_that_leaves_no_event_of_a_process_is_an_error_with_the_counts(nanoaod, tmp_path):
    card = {
        "name": "none",
        "objects": {"jet": {"kind": "jet", "collection": "Jet"}},
        "selection": ["n_jet >= 1", "n_jet > 1000"],
    }
    with pytest.raises(ReaderError, match=r"no event of random.*0 events after n_jet > 1000"):
        EventDataset(tmp_path, card, [nanoaod])
    assert not list(tmp_path.rglob(MANIFEST))


def test_label_from_a_branch_and_negative_labels(tmp_path):
    branches = random_nanoaod(90)
    branches["label"] = (np.arange(90) % 3).astype(np.int32)
    path = write_nanoaod(tmp_path / "labelled.root", branches)
    card = {"name": "labelled", "label": "label", "objects": {"met": {"kind": "met", "collection": "MET"}}}
    dataset = EventDataset(tmp_path / "root", card, path)
    assert dataset.num_classes == 3
    assert dataset.y.tolist() == [i % 3 for i in range(90)]
    branches["label"][5] = -1
    path = write_nanoaod(tmp_path / "negative.root", branches)
    with pytest.raises(ReaderError, match=r"negative\.root: entries 0 to 90, column 'label': label -1"):
        EventDataset(tmp_path / "root", card, path)


def test_manifest_says_what_was_done(nanoaod, other_nanoaod, tmp_path):
    dataset = EventDataset(tmp_path, "simulated_events", {"WH": nanoaod, "ZH": other_nanoaod})
    manifest = json.loads((dataset.storage.folder / MANIFEST).read_text())
    assert manifest["events_per_process"] == {"WH": 500, "ZH": 300}
    assert manifest["sum_of_weights_per_process"] == {"WH": 500.0, "ZH": 300.0}
    assert manifest["report"]["entries"] == 800


def test_hash_of_event_numbers_is_uniform_and_depends_on_every_column():
    size = 100_000
    run, block, event = np.ones(size, np.int64), np.arange(size) // 1000, np.arange(size)
    key = (hash_events(run, block, event).view(np.uint64) >> np.uint64(11)) / 2.0**53
    counts = np.histogram(key, bins=20, range=(0, 1))[0]
    # chi^2 with 19 degrees of freedom: below 60 at 5 sigma.
    assert (((counts - size / 20) ** 2) / (size / 20)).sum() < 60
    assert len(np.unique(hash_events(run, block, event))) == size
    assert not np.any(hash_events(run, block, event) == hash_events(run + 1, block, event))
    assert not np.any(hash_events(run, block, event) == hash_events(run, block + 1, event))


@pytest.mark.filterwarnings("ignore")
def test_cluster_of_two_workers_gives_the_same_data_set(nanoaod, other_nanoaod, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(conversion, "STEP_SIZE", 100)
    files = [nanoaod, other_nanoaod]
    here = EventDataset(tmp_path / "here", "simulated_events", files)
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, processes=True) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
    ):
        there = EventDataset(tmp_path / "there", "simulated_events", files, executor=executor)
        damaged = tmp_path / "damaged.root"
        damaged.write_bytes(nanoaod.read_bytes()[:20000])
        with pytest.raises(ReaderError, match=r"damaged\.root"):
            EventDataset(tmp_path / "bad", "simulated_events", [damaged], executor=executor)
    for name, column in columns(here).items():
        assert torch.equal(column, columns(there)[name]), name


def test_hundred_files_open_in_under_a_second_and_are_shuffled_from_disk(tmp_path, other_nanoaod):
    files = [shutil.copy(other_nanoaod, tmp_path / f"{number}.root") for number in range(100)]
    EventDataset(tmp_path, "simulated_events", {"all": files})
    start = time.perf_counter()
    dataset = EventDataset(tmp_path, "simulated_events", {"all": files})
    batch = next(iter(EventLoader(dataset, 256, shuffle=True, seed=1)))
    # 100 files are looked at for their identity, none is read: 0.02 s here. A reading of one takes longer than that.
    assert time.perf_counter() - start < 1
    assert len(dataset) == 30_000
    assert len(batch.event_number.unique()) > 150


def test_expected_yields_take_the_generator_weights_before_selection(tmp_path):
    branches = random_nanoaod(200, seed=1)
    path = write_nanoaod(tmp_path / "WH.root", branches)
    card = load_card("simulated_events").as_dict() | {
        "selection": ["n_jet >= 4"],
        "weight": {"branch": "genWeight", "cross_section": {"WH": 1.2}, "luminosity": 10.0},
    }
    dataset = EventDataset(tmp_path, card, {"WH": path})
    # 1.2 pb x 10/fb = 12,000 events, of which the selected share of weights remains.
    assert dataset.expected_yields() == {"WH": pytest.approx(12_000 * len(dataset) / 200)}
    with uproot.update(path) as file:
        file.mktree("Runs", {"genEventSumw": "f8"}).extend({"genEventSumw": [400.0]})
    dataset = EventDataset(tmp_path, card, {"WH": path})
    assert dataset.expected_yields() == {"WH": pytest.approx(12_000 * len(dataset) / 400)}
    with pytest.raises(ConfigError, match=r"'weight\.cross_section\.ZH'"):
        EventDataset(tmp_path, card, {"ZH": path}).expected_yields()


@pytest.mark.parametrize(("policy", "events", "total"), [("keep", 100, 0), ("absolute", 100, 0), ("drop", 50, 50)])
def test_negative_weights_are_stored_as_they_are_unless_dropped(tmp_path, policy, events, total):
    branches = random_nanoaod(100)
    branches["genWeight"] = np.where(np.arange(100) % 2, -1, 1).astype(np.float32)
    path = write_nanoaod(tmp_path / "a.root", branches)
    card = load_card("simulated_events").as_dict() | {"weight": {"branch": "genWeight", "negative": policy}}
    dataset = EventDataset(tmp_path, card, path)
    assert len(dataset) == events
    assert float(dataset.weight.sum()) == total
    assert dataset.report.negative_weights == 100 - events


def test_labels_kept_columns_and_truth_are_stored_with_every_graph(tmp_path, nanoaod):
    card = load_card("simulated_events").as_dict() | {
        "label": {"multilabel": {"n_jet": "n_jet", "has_muon": "n_muon > 0"}},
        "keep": {"met_again": "MET_pt"},
        "keep_pdg_id": True,
        "keep_btag_score": True,
    }
    dataset = EventDataset(tmp_path, card, nanoaod)
    batch = next(iter(EventLoader(dataset, 64)))
    assert dataset[0].y.shape == (1, 2)
    assert batch.y.shape == (64, 2)
    assert batch.y[:, 0].tolist() == [int((d.kind == 0).sum()) for d in dataset[:64]]
    assert torch.equal(batch.met_again, batch.p4[batch.kind == 5][:, 0])
    assert set(batch.pdg_id[batch.kind == 2].abs().tolist()) == {13}
    assert float(batch.btag_score[batch.btag == 1].min()) > 0.2489
    assert dataset.class_names == ["n_jet", "has_muon"]
    assert dataset.num_classes == 2


def test_what_reading_left_out_is_said_once(nanoaod, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("PYG_HEP_QUIET", raising=False)
    objects = {"jet": {"kind": "jet", "collection": "Jet"}, "fat": {"kind": "jet", "collection": "Fat"}}
    objects["fat"]["optional"] = True
    objects["jet"]["cuts"] = ["pt > 30", "tightness > 2 ?"]
    weight = {"value": "genWeigth", "required": False}
    card = {"name": "mine", "objects": objects, "weight": weight, "identity": {"event_number": "event_of_file"}}
    EventDataset(tmp_path / "said", card, nanoaod)
    said = capsys.readouterr().err
    for text in ("no branch genWeigth", "Fat_pt", "tightness > 2", "event_of_file", "mine: 500 events read"):
        assert said.count(text) == 1, text
    assert len(said.strip().splitlines()) == 5
    EventDataset(tmp_path / "said", card, nanoaod)
    EventDataset(tmp_path / "quiet", card, nanoaod, verbose=False)
    del objects["fat"], objects["jet"]["cuts"]
    EventDataset(tmp_path / "complete", {"name": "all", "objects": objects}, nanoaod)
    assert capsys.readouterr().err == ""
