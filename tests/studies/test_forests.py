import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.studies import Size, Trees
from pyg_hep.studies.execution import execute
from pyg_hep.studies.forests import FILE, Forest, TreesOnTrees
from pyg_hep.studies.methods import table_of
from pyg_hep.studies.plan import plan


@pytest.fixture(scope="module")
def forest(task, tmp_path_factory) -> Forest:
    """Trees on the validation events, of which no method here sees anything else."""
    forest = Forest(tmp_path_factory.mktemp("forest") / "two", task.val)
    assert not forest.is_done()
    note = forest.fit()
    assert (note["events"], note["classes"]) == (len(task.val), ["background", "signal"])
    assert forest.is_done()
    return forest


def test_other_trees_are_told_from_these(task, forest):
    assert not Forest(forest.folder, task.train).is_done()
    assert not Forest(forest.folder, task.val, seed=2).is_done()


def test_the_trees_of_a_task_see_what_the_first_ones_say(task, forest, tmp_path):
    method = TreesOnTrees(forest=forest.folder)
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
    assert (record["method"], record["variant"], record["weights"]) == ("trees", "on_trees", forest.key())
    assert record["auc"] > 0.7


def test_trees_that_are_not_there(task, forest, tmp_path):
    method = TreesOnTrees(forest=tmp_path / "none")
    for call in (method.weights, lambda: method.tables(task, 1)):
        with pytest.raises(ConfigError, match=r"no trees in .*none: Forest\(...\).fit\(\) makes them"):
            call()
    half = Forest(tmp_path / "half", task.val)
    half.folder.mkdir()
    (half.folder / FILE).write_bytes(b"")
    assert not half.is_done()
