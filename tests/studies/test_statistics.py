import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from pyg_hep.errors import ConfigError
from pyg_hep.studies.statistics import (
    FIGURES,
    REPLICAS,
    class_balance,
    compare,
    gain,
    mean_and_error,
    measure,
    summarise,
    with_error,
)
from pyg_hep.training.predict import Predictions

EVENTS = 400
Y = np.random.default_rng(1).integers(0, 2, EVENTS)


def said(y, probability, weight=1.0):
    columns = {str(k): column for k, column in enumerate(probability.T)}
    return Predictions(columns, y, np.broadcast_to(weight, y.shape), list(columns))


def record(method, seed, shift, **more):
    rng = np.random.default_rng(seed)
    score = np.clip(0.5 + shift * (2 * Y - 1) + rng.normal(0, 0.2, EVENTS), 0, 1)
    figures = measure(said(Y, np.stack([1 - score, score], axis=1)), FIGURES)
    return {"method": method, "variant": "", "baseline": None, "seed": seed, "size": 1, **more, **figures}


def test_class_balance_gives_every_class_the_same_sum():
    y, weight = np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 3.0, 5.0])
    balanced = class_balance(y, weight)
    assert np.bincount(y, weights=balanced).tolist() == pytest.approx([2.0, 2.0])


def test_figures_of_a_record_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    score = np.round(rng.normal(y, 1.0), 1)  # with ties
    weight = rng.uniform(0.5, 2.0, 500)
    probability = 1 / (1 + np.exp(-np.stack([-score, score], axis=1)))
    balanced = class_balance(y, weight)
    figures = measure(said(y, probability, weight), FIGURES)
    assert figures["auc"] == pytest.approx(roc_auc_score(y, score, sample_weight=balanced))
    assert figures["accuracy"] == pytest.approx(accuracy_score(y, score > 0, sample_weight=balanced))
    assert {len(values) for values in figures["replicas"].values()} == {REPLICAS}


def test_a_figure_of_your_own_is_measured_beside():
    def share(tested):
        return lambda counts: float((counts * (tested.y == 1)).sum() / counts.sum())

    y = np.array([0, 1, 1, 1] * 25)
    figures = measure(said(y, np.full((100, 2), 0.5)), {"share": share})
    assert figures["share"] == 0.75
    # Binomial, sqrt(0.75 * 0.25 / 100); 100 replicas tell it to 7 %, three times over.
    assert np.std(figures["replicas"]["share"]) == pytest.approx(0.0433, rel=0.22)


def test_error_is_spread_over_seeds_and_test_events_in_quadrature():
    records = [record("scratch", seed, 0.1) for seed in range(4)]
    row = summarise(records)
    values = [r["accuracy"] for r in records]
    assert row["accuracy"] == pytest.approx(np.mean(values))
    assert row["accuracy_std"] == pytest.approx(np.std(values, ddof=1))
    test = np.std(np.mean([r["replicas"]["accuracy"] for r in records], axis=0))
    assert row["accuracy_error"] == pytest.approx(np.hypot(np.std(values, ddof=1) / 2, test))
    # Events scored independently by four runs: their mean has half of the binomial error. Within the 7 % of 100
    # replicas, three times over.
    binomial = np.sqrt(row["accuracy"] * (1 - row["accuracy"]) / EVENTS)
    assert test == pytest.approx(binomial / 2, rel=0.25)


def test_test_events_shared_by_identical_runs_are_not_averaged_away():
    same = record("scratch", 0, 0.1)
    row = summarise([same, {**same, "seed": 1}, {**same, "seed": 2}])
    binomial = np.sqrt(row["accuracy"] * (1 - row["accuracy"]) / EVENTS)
    assert row["accuracy_error"] == pytest.approx(binomial, rel=0.25)


def test_a_figure_of_one_run_has_no_error():
    assert mean_and_error([0.7], [[0.6, 0.8]]) == (0.7, None, None)
    row = summarise([record("scratch", 1, 0.1)])
    assert row["accuracy_error"] is row["accuracy_std"] is row["auc_error"] is None
    one = gain([record("finetuned", 1, 0.15)], [record("scratch", 1, 0.05)])
    assert one["pairs"] == 1
    assert one["accuracy"] > 0
    assert one["accuracy_error"] is one["auc_std"] is None


def test_tables_print_no_error_where_there_is_none():
    assert with_error(0.1234, 0.01, scale=100, sign=True) == "+12.34 +- 1.00"
    assert with_error(0.1234, None, scale=100, sign=True) == "+12.34"
    assert with_error(0.1234, 0.0, digits=3) == "0.123 +- 0.000"


def test_gain_is_the_mean_paired_difference():
    scratch = [record("scratch", seed, 0.05) for seed in range(3)]
    tuned = [record("finetuned", seed, 0.15) for seed in (2, 1, 0, 7)]
    difference = gain(tuned, scratch)
    pairs = [b["accuracy"] - a["accuracy"] for a, b in zip(scratch, reversed(tuned[:3]), strict=True)]
    assert difference["pairs"] == 3
    assert difference["accuracy"] == pytest.approx(np.mean(pairs))
    assert difference["accuracy"] > 2 * difference["accuracy_error"] > 0


def test_gain_of_a_method_over_itself_is_exactly_nothing():
    records = [record("scratch", seed, 0.05) for seed in range(3)]
    same = gain(records, records)
    assert same["accuracy"] == same["accuracy_error"] == same["auc_error"] == 0.0


def test_gain_without_a_common_seed_is_one_sentence():
    first, second = {"method": "scratch", "seed": 1}, {"method": "finetuned", "variant": "a", "seed": 2}
    with pytest.raises(ConfigError, match="no seed has a training by 'finetuned/a' and one by 'scratch'"):
        gain([second], [first])


def test_methods_are_compared_with_the_baseline_that_their_records_name():
    records = [record("scratch", seed, 0.05, variant=variant) for seed in (1, 2) for variant in ("", "better")]
    records += [record("tuned", seed, 0.1, variant="a", baseline="scratch/better") for seed in (1, 2)]
    records += [record("trees", 3, 0.1, baseline="scratch")]
    table = compare(records)
    assert list(table) == ["scratch", "scratch/better", "tuned/a", "trees"]
    assert table["tuned/a"]["baseline"] == "scratch/better"
    assert table["tuned/a"]["gain"] == gain(records[4:6], [r for r in records if r["variant"] == "better"])
    assert "gain" not in table["scratch"]
    assert "gain" not in table["trees"]  # no seed in common
