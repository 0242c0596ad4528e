import math

import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import break_even, cost_ratio
from pyg_hep.evaluation.cost import seconds_until


def record(values, seed=1, size=1000, per_epoch=2.0):
    return {
        "seed": seed, "size": size, "val_accuracy": values,
        "elapsed": [per_epoch * (k + 1) for k in range(len(values))],
        "epochs": len(values), "best_epoch": values.index(max(values)),
    }  # fmt: skip


def test_time_until_a_target():
    assert seconds_until(record([0.5, 0.7, 0.6]), 0.65) == (4.0, 4000.0)
    assert seconds_until(record([0.5, 0.7]), 0.8) is None


def test_ratio_counts_up_to_99_percent_of_the_baseline_and_the_baseline_up_to_its_best_epoch():
    baseline = [record([0.5, 0.6, 0.7, 0.8, 0.7]), record([0.5, 0.8], seed=2)]
    tuned = [record([0.795, 0.6], per_epoch=3.0), record([0.7, 0.7], seed=2), record([0.9], seed=3)]
    found = cost_ratio(tuned, baseline)
    # Seed 1: 3 s of 8 s, one epoch of four; seed 2 never gets there: all of its 4 s of 4 s.
    assert found["seconds"] == pytest.approx((3 / 8 + 1) / 2)
    assert found["events"] == pytest.approx((1 / 4 + 1) / 2)
    assert found["seconds_error"] == pytest.approx(abs(1 - 3 / 8) / 2)
    assert (found["runs"], found["reached"]) == (2, 1)
    assert found["baseline_seconds"] == pytest.approx(6.0)


def test_no_common_seed_is_one_sentence():
    with pytest.raises(PygHepError, match="same seeds"):
        cost_ratio([record([0.5], seed=1)], [record([0.5], seed=2)])


def test_break_even():
    # Hours of Ho et al., arXiv:2412.10665, section IV C
    assert break_even(45.5, 2.94, 0.38) == pytest.approx(24.96, abs=0.01)
    assert break_even(1.0, 1.0, 1.0) == math.inf
