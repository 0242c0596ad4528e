"""Reports of classifiers: the figures of the metrics with errors, ready for JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import classification_report, paired_difference
from pyg_hep.metrics import accuracy, background_rejection, bootstrap, roc_auc


def classifier(events: int, classes: int, seed: int = 0, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and softmax probabilities of a classifier that is right more often than not."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, events)
    logits = rng.normal(size=(events, classes))
    logits[np.arange(events), y] += strength
    p = np.exp(logits)
    return y, p / p.sum(axis=1, keepdims=True)


def test_binary_report_holds_the_weighted_figures():
    y, p = classifier(3000, 2)
    w = np.random.default_rng(1).normal(1.0, 0.6, 3000)  # some are negative
    report = classification_report(y, p, w, signal_efficiency=0.3)
    assert list(report) == ["accuracy", "accuracy_error", "auc", "auc_error", "rejection", "rejection_error"]
    assert report["accuracy"] == pytest.approx(accuracy(y, p, w), abs=1e-12)
    assert report["auc"] == pytest.approx(roc_auc(y, p[:, 1], w), abs=1e-12)
    assert report["rejection"] == pytest.approx(background_rejection(y, p, 0.3, w), rel=1e-9)


def test_one_score_two_columns_and_tensors_give_one_report():
    y, p = classifier(500, 2)
    report = classification_report(y, p, replicas=20)
    assert classification_report(y, p[:, 1], replicas=20) == report
    assert classification_report(y, p[:, 1:], replicas=20) == report
    assert classification_report(torch.tensor(y), torch.tensor(p, requires_grad=True), replicas=20) == report


def test_report_of_several_classes_lists_each_and_is_plain_json():
    y, p = classifier(2000, 5)
    report = classification_report(y, p, replicas=50)
    assert report["auc_per_class"] == pytest.approx(roc_auc(y, p, average=False).tolist(), abs=1e-12)
    assert report["auc"] == pytest.approx(np.mean(report["auc_per_class"]), abs=1e-12)
    assert "rejection" not in report
    assert len(report["auc_per_class_error"]) == 5
    # The mean of five classes is known better than any of them.
    assert 0 < report["auc_error"] < min(report["auc_per_class_error"])
    assert json.loads(json.dumps(report)) == report


def test_errors_are_those_of_the_test_sample():
    y, p = classifier(4000, 2)
    report = classification_report(y, p, replicas=400)
    # Binomial; the error of a standard deviation from 400 replicas is 3.5 %, and 4 of those are 15 %.
    assert report["accuracy_error"] == pytest.approx(
        math.sqrt(report["accuracy"] * (1 - report["accuracy"]) / 4000), rel=0.15
    )
    _, error = bootstrap(roc_auc, y, p[:, 1], replicas=400, seed=7)
    assert report["auc_error"] == pytest.approx(error, rel=0.2)


def test_spread_over_independent_test_samples_is_the_quoted_error():
    values = [classification_report(*classifier(500, 2, seed), replicas=50) for seed in range(100)]
    for figure in ("accuracy", "auc"):
        spread = np.std([v[figure] for v in values], ddof=1)
        quoted = np.mean([v[f"{figure}_error"] for v in values])
        # The spread of 100 values is known to 7 %; 4 sigma.
        assert quoted == pytest.approx(spread, rel=0.28)


def test_report_repeats_with_its_seed():
    y, p = classifier(300, 3)
    assert classification_report(y, p, replicas=20, seed=5) == classification_report(y, p, replicas=20, seed=5)
    assert classification_report(y, p, replicas=20, seed=5) != classification_report(y, p, replicas=20, seed=6)


def test_perfect_classifier_has_finite_figures():
    y = np.repeat([0, 1], 200)
    report = classification_report(y, y.astype(float), replicas=20)
    assert (report["accuracy"], report["auc"], report["rejection"]) == (1.0, 1.0, 200.0)
    assert all(math.isfinite(v) for v in report.values())


def test_same_model_twice_differs_by_exactly_nothing():
    y, p = classifier(500, 3)
    assert paired_difference(y, p, p, replicas=20) == (0.0, 0.0)


@pytest.mark.parametrize("figure", [accuracy, roc_auc])
def test_paired_error_is_smaller_than_that_of_independent_samples(figure):
    y, first = classifier(2000, 2, strength=0.8)
    # A second model that shares most of the first one's mistakes.
    second = np.abs(first + np.random.default_rng(1).normal(0, 0.1, first.shape))
    second /= second.sum(axis=1, keepdims=True)
    difference, error = paired_difference(y, first, second, figure=figure)
    assert difference == pytest.approx(figure(y, first) - figure(y, second), abs=1e-12)
    apart = math.hypot(*(bootstrap(figure, y, p, seed=s)[1] for s, p in enumerate((first, second))))
    assert 0 < error < 0.7 * apart


def test_paired_difference_has_the_sign_and_error_of_its_closed_form():
    # Model a is right on 80 % of the events, b on the same events less every tenth: a - b is 0.08, and the
    # variance of the per-event difference (1 with probability 0.08, else 0) is 0.08 * 0.92.
    y = np.ones(5000, dtype=int)
    a = (np.arange(5000) % 10 < 8).astype(float)
    b = np.where(np.arange(5000) % 50 < 4, 0.0, a)
    difference, error = paired_difference(y, a, b, replicas=400)
    gap = float((a - b).mean())
    assert difference == pytest.approx(gap, abs=1e-12)
    assert error == pytest.approx(math.sqrt(gap * (1 - gap) / 5000), rel=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classification_report([0, 1], [[0.5, 0.5]]), "one row per event"),
        (lambda: classification_report([0, 3], [[0.5, 0.5], [0.1, 0.9]]), "label 3 is not one of the 2 classes"),
        (lambda: classification_report([0, 1], [0.5, math.nan]), "1 probabilities are NaN"),
        (lambda: classification_report([0, 1, 0], np.ones((3, 3))), "AUC of class 2 needs events"),
        (lambda: paired_difference([0, 1], [0.1, 0.9], np.ones((2, 2))), "two models of the same task"),
    ],
)
def test_input_without_a_report_is_one_clear_sentence(call, message):
    with pytest.raises(PygHepError, match=message):
        call()
