import numpy as np
import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.studies import Size, Task
from pyg_hep.studies.task import balanced_subset


def test_subsets_have_as_many_events_of_every_class_and_depend_on_the_seed(task):
    subset = balanced_subset(task.train, 100, seed=1)
    assert np.bincount(subset.y.numpy()).tolist() == [100, 100]
    assert torch.equal(subset.positions, balanced_subset(task.train, 100, seed=1).positions)
    assert not torch.equal(subset.positions, balanced_subset(task.train, 100, seed=2).positions)
    assert set(subset.positions.tolist()) <= set(task.train.positions.tolist())


def test_too_few_events_is_one_sentence(task):
    with pytest.raises(ConfigError, match="100000 events of class 0 asked for"):
        balanced_subset(task.train, 100_000, seed=1)


def test_a_drawn_task_has_a_quarter_as_many_validation_events_and_all_test_events(task):
    available = int(np.bincount(task.val.y.numpy()).min())
    assert available < 250  # so that all are taken
    drawn = task.draw(60, seed=3)
    assert np.bincount(drawn.train.y.numpy()).tolist() == [60, 60]
    assert np.bincount(drawn.val.y.numpy()).tolist() == [available, available]
    assert torch.equal(drawn.test.positions, task.test.positions)
    assert drawn.figures == task.figures


def test_most_is_the_size_of_the_smallest_class(task):
    assert task.most == int(np.bincount(task.train.y.numpy()).min())


def test_an_unknown_figure_is_one_sentence(task):
    with pytest.raises(ConfigError, match="names no known figure 'acuracy': did you mean 'accuracy'"):
        Task("a", task.train, task.val, task.test, figures=("acuracy",))


def test_a_size_says_its_seeds_one_by_one_or_by_their_number():
    assert Size(10, 3).numbers == (1, 2, 3)
    assert Size(10, (4, 2)).numbers == (4, 2)
