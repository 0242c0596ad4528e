import json
import sys

import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.studies import Records
from pyg_hep.studies.records import _has_influence, code_digest, key_of, weights_digest
from pyg_hep.workers import run_in_processes


def record(seed, **more):
    columns = {"task": "a", "method": "scratch", "size": 10, "seed": seed, "accuracy": 0.5, **more}
    return {"key": key_of({"seed": seed, "method": columns["method"]}), **columns}


def test_records_come_back_without_arrays_and_know_their_keys(tmp_path):
    records = Records(tmp_path / "deep" / "runs.jsonl")
    records.append(record(2, probability=np.zeros(3), history=[{}], auc=np.float32(0.5)))
    records.append(record(1, method="trees"))
    again = Records(records.path)
    assert record(2)["key"] in again
    assert record(1)["key"] not in again
    assert len(again) == 2
    assert again.records[0] == record(2, auc=0.5)
    assert [r["seed"] for r in again.select(task="a")] == [1, 2]
    assert again.select(method=("trees", "x"), seed=1)[0]["method"] == "trees"


def test_records_of_other_runs_are_forgotten_and_stay_in_the_file(tmp_path):
    records = Records(tmp_path / "runs.jsonl")
    for seed, method in ((1, "scratch"), (2, "scratch"), (1, "trees")):
        records.append(record(seed, method=method))
    records.keep([record(1, method="trees")["key"], record(1)["key"], record(7)["key"]])
    assert [(r["method"], r["seed"]) for r in records.records] == [("trees", 1), ("scratch", 1)]
    assert len(Records(records.path)) == 3


def test_a_line_cut_short_by_a_kill_is_dropped_and_written_over(tmp_path):
    records = Records(tmp_path / "runs.jsonl")
    records.append(record(1))
    with records.path.open("ab") as file:
        file.write(b'{"task": "a", "meth')
    again = Records(records.path)
    assert len(again) == 1
    again.append(record(2))
    assert [json.loads(line)["seed"] for line in records.path.read_text().splitlines()] == [1, 2]


def test_other_damage_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(record(1)) + "\nrubbish\n")
    with pytest.raises(ConfigError, match=r"runs\.jsonl, line 2, is no record"):
        Records(path)


def test_a_line_published_earlier_is_refused(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"task": "a", "method": "scratch", "size": 10, "seed": 1, "recipe": "5c7c3a7d"}\n')
    with pytest.raises(ConfigError, match="line 1, was published earlier and has no key .* new records need a file"):
        Records(path)


def append(task):
    path, seed = task
    Records(path).append(record(seed))
    return seed


def test_several_processes_may_append(tmp_path):
    path = tmp_path / "runs.jsonl"
    for _ in run_in_processes(append, [(path, seed) for seed in range(6)], 2, import_main=True):
        pass
    assert sorted(r["seed"] for r in Records(path).records) == list(range(6))


def test_what_is_no_json_is_refused_and_nothing_is_written(tmp_path):
    records = Records(tmp_path / "runs.jsonl")
    with pytest.raises(TypeError, match="plain JSON"):
        records.append(record(1, model=object()))
    assert not records.path.exists()


def test_digest_of_weights_is_theirs_and_not_that_of_their_place(model, tmp_path):
    first, second = (model.save_pretrained(tmp_path / name) for name in ("first", "second"))
    assert weights_digest(first) == weights_digest(second)
    model.metadata["name"] = "another"
    assert weights_digest(model.save_pretrained(tmp_path / "second")) == weights_digest(first)
    del model.metadata["name"]
    weights = second / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert weights_digest(second) != weights_digest(first)


def test_code_of_every_room_that_enters_a_training_counts():
    has = {name: _has_influence(name.replace("/", ".")) for name in (
        "metrics", "loader", "inputs/view", "nn/mlp", "objectives/base", "training/fit", "transforms/mask_objects",
        "evaluation/baseline", "inputs/summary_variables", "studies/methods", "studies/statistics", "new_room/module",
        "evaluation/plots/curves", "studies/ho/report", "simulation/detector", "readers/card",
    )}  # fmt: skip
    assert [name for name, counts in has.items() if not counts] == list(has)[-4:]


def test_digest_of_code_follows_code_and_no_docstrings(tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    monkeypatch.syspath_prepend(tmp_path)

    def digest(text):
        path.write_text(text)
        code_digest.cache_clear()
        sys.modules.pop("mine", None)
        __import__("mine")
        return code_digest("mine")

    first = digest('"""One."""\n\n\ndef f(x):\n    """Two."""\n    return x + 1\n')
    assert digest('"""Other."""\n\n\ndef f(x):\n    # why\n    """Words."""\n    return x + 1\n') == first
    assert digest('"""One."""\n\n\ndef f(x):\n    """Two."""\n    return x + 2\n') != first
    code_digest.cache_clear()
