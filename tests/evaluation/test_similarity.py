import math

import numpy as np
import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import ensemble_cka, linear_cka


def matrices(events=60, first=5, second=7, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(events, first))
    return a, np.concatenate([a @ rng.normal(size=(first, 3)), rng.normal(size=(events, second - 3))], axis=1)


def hsic(k, m, unbiased):
    """Hilbert-Schmidt independence criterion of two Gram matrices, by its definition."""
    n = len(k)
    if not unbiased:
        centre = np.eye(n) - np.full((n, n), 1 / n)
        return np.trace(k @ centre @ m @ centre)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    rest = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    return (np.trace(k @ m) + rest) / (n * (n - 3))


def direct(a, b, unbiased=False):
    k, m = a @ a.T, b @ b.T
    return hsic(k, m, unbiased) / math.sqrt(hsic(k, k, unbiased) * hsic(m, m, unbiased))


def test_exact_cka_is_that_of_the_gram_matrices():
    a, b = matrices()
    assert linear_cka(a, b) == pytest.approx(direct(a, b), rel=1e-12)
    assert linear_cka(a, a) == pytest.approx(1.0)


def test_one_batch_has_the_unbiased_estimator_of_the_gram_matrices():
    a, b = matrices()
    assert linear_cka(a, b, batch_size=60) == pytest.approx(direct(a, b, unbiased=True), rel=1e-10)


def test_minibatches_average_the_three_terms():
    a, b = matrices(events=62)
    terms = []
    for rows in (slice(0, 20), slice(20, 40), slice(40, 60)):  # the last two events are too few
        k, m = a[rows] @ a[rows].T, b[rows] @ b[rows].T
        terms.append([hsic(p, q, True) for p, q in ((k, m), (k, k), (m, m))])
    cross, own_a, own_b = np.mean(terms, axis=0)
    assert linear_cka(a, b, batch_size=20) == pytest.approx(cross / math.sqrt(own_a * own_b), rel=1e-10)


def test_rotations_permutations_shifts_and_a_scale_change_nothing():
    a, b = matrices()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    for changed in (b @ rotation, b[:, ::-1], 3.5 * b, b + np.arange(7)):
        assert linear_cka(a, changed) == pytest.approx(linear_cka(a, b), rel=1e-10)
        assert linear_cka(a, changed, 30) == pytest.approx(linear_cka(a, b, 30), rel=1e-8)


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_noise_on_normal_columns_gives_the_analytic_value(noise):
    # N = 1000 events, D = 64 columns as in table II of Ho et al., arXiv:2412.10665. With S_ab = A^T B / N of
    # independent unit normals, E ||A^T (A + s E)||^2 = N^2 D (1 + (D + 1) / N + s^2 D / N) to order 1 / N, and the
    # norms alike: CKA = c / sqrt(o p). The paper's values at 0.5, 1 and 5 (0.80, 0.69, 0.39) are others.
    rng = np.random.default_rng(3)
    n, d, s2 = 1000, 64, noise**2
    found = [linear_cka(a, a + noise * rng.normal(size=(n, d))) for a in rng.normal(size=(8, n, d))]
    cross = 1 + (d + 1) / n + s2 * d / n
    own = 1 + (d + 1) / n
    expected = cross / math.sqrt(own * (1 + s2) ** 2 * own)
    assert np.mean(found) == pytest.approx(expected, abs=0.004)


def test_independent_columns_are_biased_exactly_and_not_in_batches():
    rng = np.random.default_rng(4)
    n, d = 1000, 64
    a, b = rng.normal(size=(2, n, d))
    assert linear_cka(a, b) == pytest.approx((d / n) / (1 + d / n), abs=0.004)
    # standard deviation of the unbiased value: sqrt(2) / n of unit-variance terms, about 0.002
    assert abs(linear_cka(a, b, batch_size=250)) < 0.01


def test_ensembles_average_over_pairs():
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(2, 3, 50, 4))
    value, spread = ensemble_cka(list(first), list(second))
    pairs = [linear_cka(a, b) for a in first for b in second]
    assert (value, spread) == pytest.approx((np.mean(pairs), np.std(pairs)))
    # Equation 1 of the paper pairs an ensemble with itself, perfect similarities included; None leaves those out.
    own = ensemble_cka(list(first), list(first))[0]
    others = ensemble_cka(list(first))[0]
    assert own == pytest.approx((3 + 6 * others) / 9)


def test_what_cannot_be_compared_is_one_sentence():
    a, b = matrices()
    with pytest.raises(PygHepError, match=r"\[N, D\] with \[N, E\]"):
        linear_cka(a, b[:-1])
    with pytest.raises(PygHepError, match="at least 4 events"):
        linear_cka(a[:3], b[:3])
    with pytest.raises(PygHepError, match="batch_size=3"):
        linear_cka(a, b, batch_size=3)
    with pytest.raises(PygHepError, match="same for all events"):
        linear_cka(a, np.ones_like(b))
    with pytest.raises(PygHepError, match="at least one pair"):
        ensemble_cka([a])
