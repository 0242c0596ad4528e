"""Boosted trees: they find what there is to find, with weights, undefined variables and few events."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import boosted_trees
from pyg_hep.metrics import accuracy, roc_auc


def normals(events: int, seed: int, distance: float = 1.0, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Two classes of unit normals, ``distance`` apart in the first column; the others are noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(events) % 2
    x = rng.normal(size=(events, columns))
    x[:, 0] += distance * y
    return x, y


def test_trees_come_close_to_the_best_possible_auc():
    x, y = normals(2000, 1)
    test_x, test_y = normals(20_000, 2)
    found = roc_auc(test_y, boosted_trees(x, y).predict_proba(test_x)[:, 1])
    # Neyman and Pearson: the first column itself, Phi(1 / sqrt 2) = 0.7602 on an infinite sample.
    best = roc_auc(test_y, test_x[:, 0])
    assert best == pytest.approx(0.5 * (1 + math.erf(0.5)), abs=0.014)  # 4 sigma of 20,000 events
    assert best - 0.02 < found <= best + 0.002


def test_tuning_does_not_learn_noise():
    x, y = normals(2000, 3, distance=0.0)
    probability = boosted_trees(x, y).predict_proba(x)[:, 1]
    # Trees left alone separate 2,000 training events of pure noise almost perfectly.
    assert roc_auc(y, probability) < 0.75


def test_weights_decide_which_events_count():
    # The sign of column 1 is the label in one half of the events and its opposite in the other.
    x, y = normals(2000, 4, distance=0.0)
    first = np.arange(2000) < 1000
    x[:, 1] = np.abs(x[:, 1]) * np.where(first, 2 * y - 1, 1 - 2 * y)
    test = np.column_stack([np.zeros(2), [-1.0, 1.0], np.zeros((2, 2))])
    for half in (first, ~first):
        model = boosted_trees(x, y, np.where(half, 1.0, 0.01), tune=False)
        probability = model.predict_proba(test)[:, 1]
        assert (probability[1] > probability[0]) == half[0]


def test_negative_weights_count_by_their_size():
    x, y = normals(600, 5)
    w = np.random.default_rng(5).choice([-2.0, 1.0], 600)
    first, second = (boosted_trees(x, y, weight, tune=False).predict_proba(x) for weight in (w, np.abs(w)))
    np.testing.assert_array_equal(first, second)


def test_same_seed_gives_the_same_trees():
    x, y = normals(600, 6)
    first, second = (boosted_trees(x, y, seed=3).predict_proba(x) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_undefined_and_constant_variables_are_no_obstacle():
    x, y = normals(1000, 7, distance=2.0)
    x[::3, 1] = np.nan
    x[:, 2] = np.nan
    x[:, 3] = 1.0
    assert accuracy(y, boosted_trees(x, y, tune=False).predict_proba(x)) > 0.8
    # Defined in a single event, or only where the weight is 0.
    x[0, 2] = 1.0
    w = np.where(np.isnan(x[:, 1]), 1.0, 0.0)
    assert accuracy(y, boosted_trees(x, y, tune=True).predict_proba(x)) > 0.8
    assert accuracy(y, boosted_trees(x, y, w, tune=False).predict_proba(x)) > 0.8


def test_several_classes_and_more_events_than_the_tuning_sample():
    rng = np.random.default_rng(8)
    y = rng.integers(0, 3, 24_000)
    x = rng.normal(size=(24_000, 2)) + 2.0 * np.array([[0, 0], [1, 0], [0, 1]])[y]
    model = boosted_trees(x, y, tune=False)
    assert model.predict_proba(x[:5]).shape == (5, 3)
    # Best possible: nearest centre, evaluated on the same events.
    centres = 2.0 * np.array([[0, 0], [1, 0], [0, 1]])
    best = accuracy(y, ((x[:, None] - centres) ** 2).sum(-1).argmin(1))
    assert accuracy(y, model.predict_proba(x)) > best - 0.01


def test_monotonic_change_of_a_variable_changes_little():
    # Trees cut on values in 255 steps of equal probability: a steep transformation moves no event to another step.
    x, y = normals(2000, 9)
    test_x, test_y = normals(5000, 10)
    plain = boosted_trees(x, y, tune=False).predict_proba(test_x)[:, 1]
    steep = boosted_trees(np.exp(3 * x), y, tune=False).predict_proba(np.exp(3 * test_x))[:, 1]
    assert roc_auc(test_y, steep) == pytest.approx(roc_auc(test_y, plain), abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((4, 2)), [0, 1]), "one row per event"),
        ((np.ones((20, 2)), np.zeros(20)), "found 20 of class 0"),
        ((np.ones((20, 2)), [0] * 17 + [1] * 3), "3 of class 1"),
        ((np.full((20, 2), np.inf), [0, 1] * 10), "40 entries of the features are infinite"),
        ((np.ones((20, 2)), [0, 1] * 10, np.zeros(20)), "weights of the trees"),
    ],
)
def test_input_that_cannot_be_learned_is_one_clear_sentence(arguments, message):
    with pytest.raises(PygHepError, match=message):
        boosted_trees(*arguments)
