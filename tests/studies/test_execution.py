import dataclasses
import json
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from pyg_hep.objectives import Classification
from pyg_hep.studies import FineTuned, Fitted, FromScratch, Method, Records, Size, Task, Trees
from pyg_hep.studies.execution import execute_all, finish, trained
from pyg_hep.studies.plan import plan
from pyg_hep.training import EventModel, Optimisation, TrainingSettings
from pyg_hep.training.predict import Predictions

SETTINGS = TrainingSettings(epochs=1, batch_size=64, progress=False, checkpoints=False, tensorboard=False)


def test_methods_side_by_side_leave_complete_records(task, model, tmp_path):
    folder = model.save_pretrained(tmp_path / "model")
    frozen = Optimisation(frozen=("backbone",))
    methods = [
        FromScratch(model, settings=SETTINGS, augment={}),
        FineTuned(folder, settings=SETTINGS, optimisation=frozen, probe=True, variant="frozen"),
        FineTuned(folder, settings=SETTINGS, optimisation=Optimisation(), reset=("decoder",), variant="decoder"),
    ]
    runs = plan([task], methods, [Size(60)], tmp_path / "runs")
    records = list(execute_all(runs))
    assert [r["variant"] for r in records] == ["", "frozen", "decoder"]
    for record in records:
        assert len(record["val_accuracy"]) == len(record["elapsed"]) == record["epochs"] == 1
        assert record["elapsed"][0] > 0
        assert record["test_events"] == len(task.test)
    # What the linear probe takes is measured and recorded, so that the cost of fine-tuning holds it.
    assert records[1]["probe_seconds"] > 0
    assert records[0]["probe_seconds"] == records[2]["probe_seconds"] == 0
    before = model.backbone.state_dict()
    kept, decoder = (trained(run).backbone.state_dict() for run in runs[1:])
    assert all(torch.equal(kept[k], before[k]) for k in before)
    assert not torch.equal(decoder["decoder.layers.0.weight"], before["decoder.layers.0.weight"])


def test_a_network_of_another_run_in_the_same_folder_is_not_taken(task, model, tmp_path):
    (run,) = plan([task], [FromScratch(model, settings=SETTINGS)], [Size(60)], tmp_path)
    list(execute_all([run]))
    assert isinstance(trained(run), EventModel)
    changed = dataclasses.replace(run, method=dataclasses.replace(run.method, augment={}))
    assert trained(changed) is None


def test_finished_runs_are_not_run_again_until_something_changes(task, tmp_path, capsys):
    records = Records(tmp_path / "runs.jsonl")
    runs = plan([task], [Trees(baseline=None)], [Size(60, 2)], tmp_path)
    finish(runs, records, note={"git": "abc"})
    finish(runs, Records(records.path))
    lines = [json.loads(line) for line in records.path.read_text().splitlines()]
    assert len(lines) == 2
    assert all(line["git"] == "abc" for line in lines)
    printed = capsys.readouterr().out
    assert "2 trainings to do, 0 recorded" in printed
    assert "0 trainings to do, 2 recorded" in printed
    fewer = Task(task.name, task.train.index_select(np.arange(len(task.train) - 1)), task.val, task.test)
    finish(plan([fewer], [Trees(baseline=None)], [Size(60, 2)], tmp_path), Records(records.path))
    assert "2 trainings to do, 0 recorded" in capsys.readouterr().out


@dataclass(frozen=True)
class Guess(Method):
    """A way of one's own, without epochs and model."""

    name: str = field(default="guess", kw_only=True)

    def fit(self, task, seed, output):
        rng = np.random.default_rng(seed)
        score = rng.uniform(size=len(task.test))
        columns = {"background": 1 - score, "signal": score}
        y, weight = (task.test.column(name).numpy() for name in ("y", "weight"))
        return Fitted(Predictions(columns, y, weight, list(columns)))


def share_of_signal(tested):
    return lambda counts: float((counts * tested.y).sum() / counts.sum())


def test_methods_and_figures_of_your_own_stand_beside_the_others(task, tmp_path):
    mine = dataclasses.replace(task, figures={"share": share_of_signal})
    (record,) = execute_all(plan([mine], [Guess()], [Size(60)], tmp_path))
    assert record["figures"] == ["share"]
    assert record["share"] == pytest.approx(task.test.y.double().mean().item())
    assert "epochs" not in record


def test_a_task_says_what_networks_are_trained_for(task, model, tmp_path):
    mine = dataclasses.replace(task, objective=Classification(2, negative_weights="absolute"))
    (run,) = plan([mine], [FromScratch(model, settings=SETTINGS, augment={"reflect": False})], [Size(60)], tmp_path)
    list(execute_all([run]))
    objective = trained(run).objective
    assert objective.negative_weights == "absolute"
    assert objective.config()["augment"]["reflect"] is False
    (other,) = plan([task], [FromScratch(model, settings=SETTINGS, augment={"reflect": False})], [Size(60)], tmp_path)
    assert other.key != run.key


def test_a_run_that_two_groups_share_is_done_once(task, tmp_path, capsys):
    runs = plan([task], [Trees()], [Size(60)], tmp_path / "runs") * 2
    records = Records(tmp_path / "runs.jsonl")
    finish(runs, records)
    assert "1 trainings to do" in capsys.readouterr().out
    assert len(records) == 1
