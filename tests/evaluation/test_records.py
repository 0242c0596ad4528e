import json

import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import RunRecords
from pyg_hep.workers import run_in_processes

KEY = ("task", "method", "size", "seed")


def record(seed, **more):
    return {"task": "a", "method": "scratch", "size": 10, "seed": seed, "accuracy": 0.5, **more}


def test_records_come_back_without_arrays_and_know_their_keys(tmp_path):
    records = RunRecords(tmp_path / "deep" / "runs.jsonl", KEY)
    records.append(record(2, probability=np.zeros(3), history=[{}], auc=np.float32(0.5)))
    records.append(record(1, method="trees"))
    again = RunRecords(records.path, KEY)
    assert ("a", "scratch", 10, 2) in again
    assert ("a", "scratch", 10, 1) not in again
    assert len(again) == 2
    assert again.records[0] == record(2, auc=0.5)
    assert [r["seed"] for r in again.select(task="a")] == [1, 2]
    assert again.select(method=("trees", "x"), seed=1)[0]["method"] == "trees"


def test_records_of_other_settings_are_forgotten_and_stay_in_the_file(tmp_path):
    records = RunRecords(tmp_path / "runs.jsonl", KEY)
    for seed, method in ((1, "scratch"), (2, "scratch"), (1, "trees")):
        records.append(record(seed, method=method))
    records.keep(("method", "seed"), [("scratch", 1), ("trees", 7)])
    assert [(r["method"], r["seed"]) for r in records.records] == [("scratch", 1)]
    assert len(RunRecords(records.path, KEY)) == 3


def test_a_line_cut_short_by_a_kill_is_dropped_and_written_over(tmp_path):
    records = RunRecords(tmp_path / "runs.jsonl", KEY)
    records.append(record(1))
    with records.path.open("ab") as file:
        file.write(b'{"task": "a", "meth')
    again = RunRecords(records.path, KEY)
    assert len(again) == 1
    again.append(record(2))
    assert [json.loads(line)["seed"] for line in records.path.read_text().splitlines()] == [1, 2]


def test_other_damage_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(record(1)) + "\nrubbish\n")
    with pytest.raises(ConfigError, match=r"runs\.jsonl, line 2, is no record"):
        RunRecords(path, KEY)
    path.write_text('{"task": "a"}\n')
    with pytest.raises(ConfigError, match="line 1"):
        RunRecords(path, KEY)


def append(task):
    path, seed = task
    RunRecords(path, KEY).append(record(seed))
    return seed


def test_several_processes_may_append(tmp_path):
    path = tmp_path / "runs.jsonl"
    for _ in run_in_processes(append, [(path, seed) for seed in range(12)], 3, import_main=True):
        pass
    assert sorted(r["seed"] for r in RunRecords(path, KEY).records) == list(range(12))


def test_what_is_no_json_is_refused_and_nothing_is_written(tmp_path):
    records = RunRecords(tmp_path / "runs.jsonl", KEY)
    with pytest.raises(TypeError, match="plain JSON"):
        records.append(record(1, model=object()))
    assert not records.path.exists()
