import numpy as np

from pyg_hep.studies import Size, Trees
from pyg_hep.studies.execution import execute
from pyg_hep.studies.forests import _LEARNED, TreesOnTrees
from pyg_hep.studies.methods import table_of
from pyg_hep.studies.plan import plan


def test_the_trees_of_a_task_see_what_the_first_ones_say(task, tmp_path):
    method = TreesOnTrees(learned=task.val)  # no other method here sees validation events
    drawn = task.draw(60, 1)
    train, test = method.tables(drawn, 1)
    variables = table_of(Trees().variables, drawn.train)
    width = variables.shape[1]
    np.testing.assert_array_equal(train[:, :width], variables)
    assert train.shape[1] == test.shape[1] == width + 2
    np.testing.assert_allclose(np.exp(train[:, width:]).sum(axis=1), 1.0, rtol=1e-5)
    y = drawn.test.column("y").numpy()
    assert test[y == 1, -1].mean() > test[y == 0, -1].mean() + 0.5
    (run,) = plan([task], [method], [Size(60)], tmp_path)
    record = execute(run)
    assert (record["method"], record["variant"], record["weights"]) == ("trees", "on_trees", method.weights())
    assert record["auc"] > 0.7


def test_first_trees_are_trained_once_and_told_from_others(task):
    method, other = TreesOnTrees(learned=task.val), TreesOnTrees(learned=task.train)
    assert method.weights() != other.weights()
    assert method.weights() != TreesOnTrees(learned=task.val, rounds=3).weights()
    drawn = task.draw(60, 1)
    method.tables(drawn, 1)
    (first,) = _LEARNED.values()
    method.tables(drawn, 2)
    assert list(_LEARNED.values()) == [first]
    assert first.n_iter_ <= method.rounds
    short = TreesOnTrees(learned=task.train, rounds=3)
    short.tables(drawn, 1)
    assert next(iter(_LEARNED.values())).n_iter_ == 3
    other.tables(drawn, 1)
    assert list(_LEARNED) == [other.weights()]
