import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import SummaryVariables
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.studies import FineTuned, FromScratch, Method, Size, Task, Trees
from pyg_hep.studies.plan import Run, plan
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

SETTINGS = TrainingSettings(epochs=2, batch_size=64, progress=False, checkpoints=False, tensorboard=False)


@pytest.fixture
def pretrained(model, tmp_path):
    return model.save_pretrained(tmp_path / "first" / "model")


def run(task, method, **changes):
    arguments = {"task": task, "method": method, "size": 60, "seed": 1, "output": "somewhere", **changes}
    return Run(**arguments)


def key(task, method):
    return run(task, method).key


def test_key_follows_every_argument_and_the_weights(task, model, pretrained, tmp_path):
    one = FineTuned(pretrained, settings=SETTINGS)
    other = EventModel(GraphNetwork.ho(), Classification(2)).save_pretrained(tmp_path / "second" / "model")
    methods = [
        one,
        dataclasses.replace(one, pretrained=other),
        dataclasses.replace(one, settings=dataclasses.replace(SETTINGS, epochs=3)),
        dataclasses.replace(one, optimisation=Optimisation(learning_rate=1e-3)),
        dataclasses.replace(one, probe=True),
        dataclasses.replace(one, augment={"reflect": False}),
        dataclasses.replace(one, reset=("decoder",)),
        dataclasses.replace(one, changes={"dropout": 0.1}),
        dataclasses.replace(one, variant="b"),
        FromScratch(model, settings=SETTINGS),
        FromScratch(EventModel(GraphNetwork.ho(num_steps=2), Classification(2)), settings=SETTINGS),
        Trees(),
        Trees(SummaryVariables(charges=False)),
    ]
    keys = [run(task, method).key for method in methods]
    keys += [run(task, one, seed=2).key, run(task, one, size=70).key]
    assert len(set(keys)) == len(methods) + 2


def test_key_follows_the_events_that_are_there(task, model, pretrained):
    one = FineTuned(pretrained, settings=SETTINGS)
    fewer = dataclasses.replace(task, train=task.train.index_select(np.arange(len(task.train) - 1)))
    other_test = dataclasses.replace(task, test=task.test.index_select(np.arange(len(task.test) - 1)))
    assert len({run(t, one).key for t in (task, fewer, other_test)}) == 3
    again = Task(task.name, task.train.copy(), task.val.copy(), task.test.copy())
    assert run(again, one).key == run(task, one).key


def test_key_follows_the_code(task, monkeypatch):
    before = run(task, Trees()).key
    monkeypatch.setattr("pyg_hep.studies.plan.code_digest", lambda *modules: "changed")
    assert run(task, Trees()).key != before


def test_key_follows_defaults_that_are_not_given(task, model):
    # A changed default is a changed argument: all of them stand in the record, named by the training or not.
    arguments = run(task, FromScratch(model)).columns["arguments"]
    assert arguments["settings"]["epochs"] == TrainingSettings().epochs
    assert arguments["optimisation"]["learning_rate"] == Optimisation().learning_rate
    assert arguments["model"]["backbone"]["class"] == "GraphNetwork"


def test_key_does_not_follow_where_a_training_runs_and_what_it_prints(task, pretrained, model, tmp_path):
    one = run(task, FineTuned(pretrained, settings=SETTINGS))
    elsewhere = model.save_pretrained(tmp_path / "moved")
    settings = dataclasses.replace(SETTINGS, progress=True, seed=7, tensorboard=True, accelerator="cpu")
    assert run(task, FineTuned(elsewhere, settings=settings), output="there", threads=1).key == one.key


def test_a_record_says_its_baseline_and_variant_in_columns(task, model):
    method = FromScratch(model, variant="tuned", baseline="scratch", columns={"unlabelled": 100})
    columns = run(task, method).columns
    assert columns["method"] == "scratch"
    assert columns["variant"] == "tuned"
    assert columns["baseline"] == "scratch"
    assert columns["unlabelled"] == 100
    assert columns["weights"] is None
    assert {"data", "code", "key", "arguments"} <= set(columns)


def test_columns_of_a_method_that_hide_those_of_a_record_are_refused(task):
    with pytest.raises(ConfigError, match="'seed' is a column of every record"):
        key(task, Trees(columns={"seed": 3}))


def test_a_missing_model_is_one_sentence(task, tmp_path):
    with pytest.raises(ConfigError, match="no pretrained model in .*nowhere"):
        key(task, FineTuned(tmp_path / "nowhere"))


@dataclass(frozen=True)
class Guess(Method):
    """A way of one's own."""

    probability: float = 0.5
    rule: object = None
    name: str = field(default="guess", kw_only=True)

    def fit(self, task, seed, output):
        raise AssertionError("not called")


def test_a_method_of_your_own_is_told_by_its_fields(task):
    assert run(task, Guess(0.5)).key != run(task, Guess(0.6)).key
    with pytest.raises(ConfigError, match="Guess.rule is a function, which cannot be part of a record's key"):
        key(task, Guess(rule=lambda: 1))


def test_plan_has_a_run_of_every_task_method_size_and_seed(task, model, tmp_path):
    sizes = [Size(60, 2, epochs=3, batch=16, rate=0.1), Size(0)]
    runs = plan([task], [FromScratch(model, settings=SETTINGS, variant="a"), Trees()], sizes, tmp_path, threads=1)
    assert [(r.method.label, r.size, r.seed) for r in runs] == [
        ("scratch/a", 60, 1), ("trees", 60, 1), ("scratch/a", 60, 2), ("trees", 60, 2),
        ("scratch/a", task.most, 1), ("trees", task.most, 1),
    ]  # fmt: skip
    assert runs[0].output == tmp_path / "met" / "scratch-a-60-1"
    first, last = runs[0].method, runs[4].method
    assert (first.settings.epochs, first.settings.batch_size, first.optimisation.learning_rate) == (3, 16, 0.1)
    assert (last.settings.epochs, last.settings.batch_size, last.optimisation.learning_rate) == (2, 64, 1e-4)
