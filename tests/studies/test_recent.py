from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pyg_hep.studies import LinearProbe, Mean, Size, Trees, recent
from pyg_hep.studies.execution import execute, execute_all
from pyg_hep.studies.methods import Fitted, Method
from pyg_hep.studies.plan import plan
from pyg_hep.studies.recent import probability, with_their_parts


@pytest.fixture(autouse=True)
def nothing_trained_before(monkeypatch):
    monkeypatch.setattr(recent, "_RECENT", {})


@dataclass(frozen=True)
class Counted(Method):
    """Says the same of every event, and counts its trainings."""

    said: float = 0.25
    calls: list = field(default_factory=list, kw_only=True, metadata={"argument": False})
    name: str = field(default="counted", kw_only=True)

    def fit(self, task, seed, output):
        self.calls.append(seed)
        columns = np.full(len(task.test), self.said)
        return Fitted.of_probability(np.stack([columns, 1 - columns], axis=1), task.test)


def test_a_mean_trains_what_was_not_trained_a_moment_ago(task, tmp_path):
    first, second = Counted(0.2), Counted(0.6, name="other")
    runs = plan([task], [first, Mean((first, second), trainings=2)], [Size(40)], tmp_path)
    records = [execute(run) for run in runs]
    assert len(first.calls) == len(second.calls) == 2
    assert first.calls[0] == second.calls[0] == 1
    np.testing.assert_allclose(records[1]["probability"][:, 0], 0.4)


@pytest.mark.parametrize("change", ["seed", "arguments", "train", "test"])
def test_another_seed_argument_or_event_is_another_training(task, tmp_path, change):
    drawn, calls = task.draw(40, 1), []
    probability(Counted(calls=calls), drawn, 1, tmp_path)
    probability(Counted(calls=calls), drawn, 1, tmp_path)
    assert len(calls) == 1
    method = Counted(0.3 if change == "arguments" else 0.25, calls=calls)
    other = replace(drawn, **{change: drawn.val}) if change in ("train", "test") else drawn
    assert len(probability(method, other, 2 if change == "seed" else 1, tmp_path)) == len(other.test)
    assert len(calls) == 2


def test_a_mean_comes_after_its_parts_and_every_other_run_alone(task, tmp_path):
    a, b, c, d = (Counted(k / 10, variant=name) for k, name in enumerate("abcd"))
    methods = [Mean((a, b), variant="ab"), a, d, b, Mean((b, c), variant="bc"), c]
    runs = plan([task], methods, [Size(40, 2)], tmp_path)
    groups = [[(run.seed, run.method.variant) for run in group] for group in with_their_parts(runs)]
    one = [["a", "b", "c", "ab", "bc"], ["d"]]
    assert groups == [[(seed, name) for name in group] for seed in (1, 2) for group in one]
    alone = plan([task], [Mean((a, b)), d], [Size(40)], tmp_path)
    assert with_their_parts(alone) == [[alone[0]], [alone[1]]]


def test_on_several_processes_every_run_has_its_record(task, tmp_path):
    methods = [Trees(variant="a"), Mean((Trees(),), trainings=2), LinearProbe("ho-multiclass")]
    runs = plan([task], methods, [Size(40)], tmp_path)
    records = {r["key"]: r["accuracy"] for r in execute_all(runs, workers=2)}
    assert set(records) == {run.key for run in runs}
    assert records == {r["key"]: r["accuracy"] for r in execute_all(runs)}
