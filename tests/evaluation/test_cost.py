import math

import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import break_even, cost_ratio
from pyg_hep.evaluation.cost import seconds_until


def record(values, seed=1, size=1000, per_epoch=2.0, **more):
    return {
        "seed": seed, "size": size, "val_accuracy": values,
        "elapsed": [per_epoch * (k + 1) for k in range(len(values))],
        "epochs": len(values), "best_epoch": values.index(max(values)), **more,
    }  # fmt: skip


def test_time_until_a_target():
    assert seconds_until(record([0.5, 0.7, 0.6]), 0.65) == (4.0, 4000.0)
    assert seconds_until(record([0.5, 0.7]), 0.8) is None


def test_ratio_counts_up_to_99_percent_of_the_baseline_and_the_baseline_up_to_its_best_epoch():
    baseline = [record([0.5, 0.6, 0.7, 0.8, 0.7]), record([0.5, 0.8], seed=2)]
    tuned = [record([0.795, 0.6], per_epoch=3.0), record([0.7, 0.7], seed=2), record([0.9], seed=3)]
    row = cost_ratio(tuned, baseline)
    # Seed 1: 3 s of 8 s, one epoch of four; seed 2 never gets there: all of its 4 s of 4 s.
    assert row["seconds"] == pytest.approx((3 / 8 + 1) / 2)
    assert row["events"] == pytest.approx((1 / 4 + 1) / 2)
    assert row["seconds_error"] == pytest.approx(abs(1 - 3 / 8) / 2)
    assert (row["runs"], row["reached"]) == (2, 1)
    assert row["baseline_seconds"] == pytest.approx(6.0)
    assert row["saved_seconds"] == pytest.approx((5 + 0) / 2)


def test_the_linear_probe_is_part_of_the_cost():
    # 3 s of training after a probe of 1 s, against 8 s from scratch.
    row = cost_ratio([record([0.795], per_epoch=3.0, probe_seconds=1.0)], [record([0.5, 0.6, 0.7, 0.8])])
    assert row["seconds"] == pytest.approx(4 / 8)
    assert row["probe_seconds"] == 1.0
    assert row["saved_seconds"] == pytest.approx(4.0)
    assert row["events"] == pytest.approx(1 / 4)


def test_the_cost_of_one_run_has_no_error():
    row = cost_ratio([record([0.9])], [record([0.9])])
    assert row["seconds_error"] is row["events_error"] is None


def test_no_common_seed_is_one_sentence():
    with pytest.raises(PygHepError, match="same seeds"):
        cost_ratio([record([0.5], seed=1)], [record([0.5], seed=2)])


def test_break_even():
    # Hours of Ho et al., arXiv:2412.10665, section IV C
    assert break_even(45.5, [2.94 * (1 - 0.38)]) == pytest.approx(24.96, abs=0.01)
    assert break_even(1.0, [0.0]) == math.inf
    assert break_even(1.0, [-1.0, 0.5]) == math.inf


def test_break_even_is_by_the_mean_saving_and_not_by_the_ratio_of_means():
    # A long training that saves 90 % and a short one that saves 10 %: 9 h and 0.1 h. The mean baseline of 5.5 h and
    # the mean ratio of 0.5 would make 2.75 h of it.
    baseline, ratio = [10.0, 1.0], [0.1, 0.9]
    saved = [b * (1 - r) for b, r in zip(baseline, ratio, strict=True)]
    assert break_even(45.5, saved) == pytest.approx(45.5 / 4.55)
    with pytest.raises(PygHepError, match="at least one task"):
        break_even(1.0, [])
