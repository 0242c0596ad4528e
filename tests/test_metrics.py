"""Weighted figures against scikit-learn, closed forms and pair-by-pair sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import (
    accuracy,
    background_rejection,
    bootstrap,
    jensen_shannon,
    resolution,
    roc_auc,
    roc_curve,
    triangular_discriminator,
    triangular_floor,
)

REPEATABLE = settings(derandomize=True, deadline=None)


def sample(events: int, seed: int = 0, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores with many ties, and positive weights."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, events)
    return y, np.round(rng.normal(shift * y, 1.0), 1), rng.exponential(size=events)


def pair_sum(y: np.ndarray, score: np.ndarray, w: np.ndarray) -> float:
    """AUC by its definition: every signal event against every background event."""
    s, b = y == 1, y == 0
    wins = (score[s][:, None] > score[b]) + 0.5 * (score[s][:, None] == score[b])
    return float((w[s][:, None] * w[b] * wins).sum() / (w[s].sum() * w[b].sum()))


@REPEATABLE
@given(seed=st.integers(0, 2**32 - 1), events=st.integers(10, 300))
def test_auc_equals_scikit_learn_with_ties_and_weights(seed, events):
    y, score, w = sample(events, seed)
    y[:2] = 0, 1
    assert roc_auc(y, score, w) == pytest.approx(reference.roc_auc_score(y, score, sample_weight=w), abs=1e-12)
    assert roc_auc(y, score) == pytest.approx(reference.roc_auc_score(y, score), abs=1e-12)


def test_auc_with_negative_weights_is_the_sum_over_pairs():
    y, score, _ = sample(400, 1)
    w = np.random.default_rng(1).choice([-1.0, 1.0], 400, p=[0.2, 0.8])
    assert roc_auc(y, score, w) == pytest.approx(pair_sum(y, score, w), abs=1e-12)


def test_an_event_and_its_negative_twin_leave_every_figure_alone():
    y, score, w = sample(500, 2)
    twins = [np.concatenate([a, a[:100]]) for a in (y, score)]
    # 1 added to the first hundred events, 1 subtracted by their twins.
    extra = np.concatenate([w[:100] + 1.0, w[100:], np.full(100, -1.0)])
    assert accuracy(twins[0], twins[1] > 0.5, extra) == pytest.approx(accuracy(y, score > 0.5, w), abs=1e-12)
    assert roc_auc(*twins, extra) == pytest.approx(roc_auc(y, score, w), abs=1e-12)
    assert background_rejection(*twins, 0.5, extra) == pytest.approx(background_rejection(y, score, 0.5, w), rel=1e-9)


def test_auc_of_shifted_normal_scores_has_its_closed_form():
    # P(x_s > x_b) of two unit normals a distance d apart is Phi(d / sqrt 2).
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], 100_000)
    found = roc_auc(y, rng.normal(y * 1.0, 1.0))
    expected = 0.5 * (1 + math.erf(1.0 / 2.0))
    assert found == pytest.approx(expected, abs=4 * 0.0011)  # 4 sigma of Hanley and McNeil's error


def test_auc_of_several_classes_is_the_mean_of_one_against_the_rest():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 4, 500)
    p = rng.dirichlet(np.ones(4), 500) + 0.3 * np.eye(4)[y]
    p /= p.sum(axis=1, keepdims=True)
    expected = reference.roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert roc_auc(y, p) == pytest.approx(expected, abs=1e-12)
    each = roc_auc(y, p, average=False)
    assert each.shape == (4,)
    assert each[2] == pytest.approx(reference.roc_auc_score(y == 2, p[:, 2]), abs=1e-12)


def test_ranks_give_the_figures_of_their_scores():
    y, score, w = sample(1000, 5)
    ranks = np.unique(score, return_inverse=True)[1]
    assert roc_auc(y, ranks, w) == roc_auc(y, score, w)
    assert background_rejection(y, ranks, 0.3, w) == background_rejection(y, score, 0.3, w)
    # Integers far apart are scores like any other.
    assert roc_auc(y, ranks * 10**9, w) == roc_auc(y, score, w)


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_equals_scikit_learn_in_all_forms_of_a_prediction(weighted):
    rng = np.random.default_rng(6)
    y, p = rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300)
    w = rng.exponential(size=300) if weighted else None
    expected = reference.accuracy_score(y, p.argmax(axis=1), sample_weight=w)
    assert accuracy(y, p, w) == pytest.approx(expected, abs=1e-12)
    assert accuracy(y, p.argmax(axis=1), w) == pytest.approx(expected, abs=1e-12)
    binary = (y > 0).astype(int)
    expected = reference.accuracy_score(binary, p[:, 0] > 0.5, sample_weight=w)
    assert accuracy(binary, p[:, 0], w) == pytest.approx(expected, abs=1e-12)
    two = np.stack([1 - p[:, 0], p[:, 0]], axis=1)
    assert accuracy(binary, two, w) == pytest.approx(expected, abs=1e-12)


def test_torch_tensors_give_the_figures_of_their_arrays():
    y, score, w = sample(200, 7)
    tensors = torch.tensor(y), torch.tensor(score, requires_grad=True), torch.tensor(w)
    assert roc_auc(*tensors) == roc_auc(y, score, w)
    assert accuracy(*tensors) == accuracy(y, score, w)


@pytest.mark.parametrize("efficiency", [0.1, 0.5, 0.9])
def test_rejection_is_read_off_scikit_learns_roc_curve(efficiency):
    y, score, w = sample(2000, 8)
    false, true, _ = reference.roc_curve(y, score, sample_weight=w, drop_intermediate=False)
    expected = 1.0 / np.interp(efficiency, true, false)
    assert background_rejection(y, score, efficiency, w) == pytest.approx(expected, rel=1e-9)


def test_rejection_of_random_and_perfect_scores():
    y = np.repeat([0, 1], 5000)
    # All scores equal: the curve is the diagonal.
    assert background_rejection(y, np.zeros(10000), 0.25) == pytest.approx(4.0, rel=1e-9)
    # No background event passes: as if one of 5000 did.
    assert background_rejection(y, y.astype(float)) == pytest.approx(5000.0)


def test_rejection_at_full_signal_efficiency_counts_background_above_the_lowest_signal():
    assert background_rejection([1, 0, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.3, 0.2, 0.1], 1.0) == pytest.approx(4.0)


def test_roc_curve_equals_scikit_learn():
    y, score, w = sample(500, 9)
    false, true, _ = reference.roc_curve(y, score, sample_weight=w, drop_intermediate=False)
    signal, background = roc_curve(y, score, w)
    np.testing.assert_allclose(signal, true, atol=1e-12)
    np.testing.assert_allclose(background, false, atol=1e-12)


def test_resolution_of_normal_residuals_is_their_standard_deviation():
    rng = np.random.default_rng(10)
    truth = rng.uniform(50, 500, 200_000)
    # Variance of (q84 - q16) / 2 with p = 0.159 in each tail and density f = 0.242 / sigma there:
    # (p (1 - p) - p^2) / (2 n f^2) = (0.96 sigma)^2 / n; four times its root is 0.9 %.
    assert resolution(truth, truth + rng.normal(3.0, 12.0, 200_000)) == pytest.approx(12.0, rel=0.009)
    assert resolution(truth, truth * rng.normal(1.0, 0.1, 200_000), relative=True) == pytest.approx(0.1, rel=0.009)


def test_resolution_ignores_tails_and_respects_weights():
    rng = np.random.default_rng(11)
    residual = np.concatenate([rng.normal(0, 1, 50_000), np.full(1000, 1e6)])
    assert resolution(np.zeros(51_000), residual) == pytest.approx(1.0, rel=0.05)  # 2 % of events far away
    w = np.concatenate([np.ones(50_000), np.zeros(1000)])
    assert resolution(np.zeros(51_000), residual, w) == pytest.approx(resolution(np.zeros(50_000), residual[:50_000]))
    doubled = resolution(np.zeros(100), residual[:100], np.full(100, 2.0))
    assert doubled == pytest.approx(resolution(np.zeros(100), residual[:100]))


def test_triangular_discriminator_of_equal_disjoint_and_simple_histograms():
    assert triangular_discriminator([1, 2, 3], [10, 20, 30]) == pytest.approx(0.0, abs=1e-15)
    assert triangular_discriminator([1, 1, 0, 0], [0, 0, 5, 5]) == pytest.approx(1.0)
    # p = (1/4, 3/4), q = (3/4, 1/4): (1/2) (1/4 + 1/4) = 1/4.
    assert triangular_discriminator([1, 3], [3, 1]) == pytest.approx(0.25)


@REPEATABLE
@given(
    p=st.lists(st.floats(0.01, 100), min_size=5, max_size=5),
    q=st.lists(st.floats(0.01, 100), min_size=5, max_size=5),
)
def test_triangular_discriminator_is_symmetric_and_between_zero_and_one(p, q):
    value = triangular_discriminator(p, q)
    assert 0.0 <= value <= 1.0
    assert value == pytest.approx(triangular_discriminator(q, p), abs=1e-15)


def test_triangular_discriminator_of_one_distribution_sits_at_its_floor():
    rng = np.random.default_rng(12)
    values = []
    for _ in range(200):
        p, q = (np.histogram(rng.uniform(size=n), 50, (0, 1))[0] for n in (20_000, 10_000))
        values.append(triangular_discriminator(p, q))
    # Mean of 200 values whose spread is sqrt(2 / 49) of the mean: 4 sigma are 6 %.
    assert np.mean(values) == pytest.approx(triangular_floor(50, 20_000, 10_000), rel=0.06)


def test_bootstrap_error_of_a_mean_is_the_standard_error():
    values = np.random.default_rng(13).normal(5.0, 2.0, 4000)
    value, error = bootstrap(np.mean, values, replicas=400)
    assert value == values.mean()
    # The error of a standard deviation from 400 replicas is 1 / sqrt(800) = 3.5 %; 4 sigma.
    assert error == pytest.approx(2.0 / math.sqrt(4000), rel=0.15)


def test_bootstrap_error_of_an_accuracy_is_binomial_and_grows_with_uneven_weights():
    rng = np.random.default_rng(14)
    y = rng.integers(0, 2, 5000)
    prediction = np.where(rng.random(5000) < 0.8, y, 1 - y)
    _, error = bootstrap(accuracy, y, prediction, replicas=400)
    assert error == pytest.approx(math.sqrt(0.8 * 0.2 / 5000), rel=0.15)
    # Weights 0.1 and 1.9 in equal parts: effective number (sum w)^2 / sum w^2 = n / 1.81.
    w = rng.choice([0.1, 1.9], 5000)
    _, weighted = bootstrap(accuracy, y, prediction, w, replicas=400)
    assert weighted / error == pytest.approx(math.sqrt(1.81), rel=0.2)


def test_bootstrap_repeats_with_its_seed_and_takes_figures_with_many_numbers():
    y, score, _ = sample(300, 15)
    first, second = (bootstrap(roc_auc, y, score, replicas=20, seed=3) for _ in range(2))
    assert first == second
    assert bootstrap(roc_auc, y, score, replicas=20, seed=4)[1] != first[1]
    value, error = bootstrap(lambda v: np.array([v.mean(), v.std()]), score, replicas=20)
    assert value.shape == error.shape == (2,)


def test_bootstrap_draws_replicas_without_a_class_again():
    # One signal event of four: a third of the replicas has none, where the AUC is undefined.
    value, error = bootstrap(roc_auc, [1, 0, 0, 0], [0.5, 0.1, 0.9, 0.4], replicas=50)
    assert value == pytest.approx(2 / 3)
    assert math.isfinite(error)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy([0, 1], [0.1]), "one row per event"),
        (lambda: accuracy([], []), "at least one event"),
        (lambda: accuracy([0, 2], [0.1, 0.9]), "label 2 is not one of the 2 classes"),
        (lambda: accuracy([0, 1], [0.1, 0.9], [1.0, -1.0]), "weights of all events sum to 0"),
        (lambda: accuracy([0, 1], ["a", "b"]), "numbers are needed"),
        (lambda: roc_auc([0, 1], [0.1, math.nan]), "1 entries of values are NaN"),
        (lambda: roc_auc([1, 1], [0.1, 0.2]), r"weights of the background \(label 0\) sum to 0"),
        (lambda: roc_auc([0, 1], [0.1, 0.2], [1.0, -1.0]), r"weights of the signal \(label 1\) sum to -1"),
        (lambda: roc_auc([0, 1], np.ones((2, 3))), "AUC of class 2 needs events"),
        (lambda: background_rejection([0, 1], [0.1, 0.2], 0.0), "signal efficiency is a fraction"),
        (lambda: background_rejection([0, 1], np.ones((2, 3))), "needs scores"),
        (lambda: resolution([0.0], [1.0], relative=True), "1 true values are 0"),
        (lambda: resolution([0.0], [[1.0, 2.0]]), "one value per event"),
        (lambda: triangular_discriminator([1, 2], [1, 2, 3]), "no common binning"),
        (lambda: triangular_discriminator([0, 0], [1, 2]), "first histogram sum to 0"),
        (lambda: triangular_discriminator([1, math.nan], [1, 2]), "NaN"),
        (lambda: triangular_discriminator([3, -1], [3, 0]), "1 bins have no positive sum"),
        (lambda: bootstrap(accuracy, [0, 1], [0, 1], replicas=1), "at least 2 replicas"),
        (lambda: bootstrap(accuracy, [0, 1], [0]), "arrays of one length"),
    ],
)
def test_input_that_has_no_figure_is_one_clear_sentence(call, message):
    with pytest.raises(PygHepError, match=message):
        call()


def test_jensen_shannon_is_that_of_scipy():
    from scipy.spatial.distance import jensenshannon

    p, q = np.random.default_rng(0).random((2, 30))
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2)
    assert jensen_shannon(p, 3 * p) == pytest.approx(0.0, abs=1e-12)
    assert jensen_shannon([1, 0], [0, 5]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [([1, 2], [1, 2, 3], "no common binning"), ([3, -1], [1, 1], "negative bins"), ([0, 0], [1, 1], "first histogram")],
)
def test_histograms_without_a_jensen_shannon_divergence(p, q, message):
    with pytest.raises(PygHepError, match=message):
        jensen_shannon(p, q)
