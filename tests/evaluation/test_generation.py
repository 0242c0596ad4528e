import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import (
    Distance,
    frechet_distance,
    generation_report,
    sample_distance,
    wasserstein_distance,
)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_wasserstein_is_that_of_scipy(rng):
    a, b = rng.normal(size=300), rng.gamma(2.0, size=170)
    w, v = rng.random(300), rng.random(170)
    assert wasserstein_distance(a, b) == pytest.approx(scipy.stats.wasserstein_distance(a, b), rel=1e-12)
    assert wasserstein_distance(a, b, w, v) == pytest.approx(scipy.stats.wasserstein_distance(a, b, w, v), rel=1e-12)


def test_wasserstein_of_known_distributions(rng):
    a = rng.integers(0, 50, 400)  # ties, as multiplicities have
    assert wasserstein_distance(a, a + 3) == pytest.approx(3.0)
    assert wasserstein_distance(a, rng.permutation(a)) == pytest.approx(0.0, abs=1e-12)
    assert wasserstein_distance([0.0], [1.0, 5.0]) == pytest.approx(3.0)
    # An event and its negative twin are not there.
    assert wasserstein_distance([0.0, 9.0, 9.0], [1.0, 5.0], [1.0, 2.0, -2.0]) == pytest.approx(3.0)


def test_frechet_of_normal_samples(rng):
    """Against the formula with scipy's matrix square root, on full-rank features."""
    a = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + 1.0
    b = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4))
    c, d = (np.cov(x.T, bias=True) for x in (a, b))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2.0 * scipy.linalg.sqrtm(c @ d).real)
    assert frechet_distance(a, b, standardise=False) == pytest.approx(expected, rel=1e-9)
    # Of one feature: (mu - nu)^2 + (s - t)^2.
    one = (a[:, 0].mean() - b[:, 0].mean()) ** 2 + (a[:, 0].std() - b[:, 0].std()) ** 2
    assert frechet_distance(a[:, :1], b[:, :1], standardise=False) == pytest.approx(one, rel=1e-9)
    assert frechet_distance(a[:, :1], b[:, :1]) == pytest.approx(one / b[:, 0].var(), rel=1e-9)


def test_frechet_weights_are_repetitions(rng):
    a, b = rng.normal(size=(60, 3)), rng.normal(size=(50, 3)) + 0.5
    times = rng.integers(1, 4, 60)
    assert frechet_distance(a, b, times) == pytest.approx(frechet_distance(np.repeat(a, times, axis=0), b), rel=1e-9)


def test_frechet_of_features_that_depend_on_each_other_or_never_vary(rng):
    """Five of eight features carry nothing new; one is constant, as the polynomial without edges is."""
    a, b = rng.normal(size=(300, 3)), rng.normal(size=(300, 3)) + 0.2
    mix = rng.normal(size=(3, 7))
    wide = [np.column_stack([x @ mix * 1e4, np.ones(300) / 3]) for x in (a, b)]
    assert frechet_distance(wide[0], wide[0]) == pytest.approx(0.0, abs=1e-8)
    expected = frechet_distance(a @ mix, b @ mix)
    assert frechet_distance(*wide) == pytest.approx(expected, rel=1e-6)
    # The unit of a feature does not matter, nor does a common offset.
    assert frechet_distance(a * [1, 1e3, 1e-3] + 1e5, b * [1, 1e3, 1e-3] + 1e5) == pytest.approx(
        frechet_distance(a, b), rel=1e-6
    )
    # Fewer events than features: singular covariances.
    assert math.isfinite(frechet_distance(rng.normal(size=(5, 30)), rng.normal(size=(6, 30))))


def test_a_perfect_generator_is_at_its_floor_and_a_shifted_one_is_not(rng):
    reference = rng.normal(size=4000)
    perfect = sample_distance(wasserstein_distance, rng.normal(size=2000), reference, replicas=50)
    shifted = sample_distance(wasserstein_distance, rng.normal(size=2000) + 0.3, reference, replicas=50)
    assert perfect.events == 2000
    # W1 of two normal samples of n: sqrt(2 / n) int sqrt(F (1 - F)) |N| = sqrt(2 / n) 1.625 0.798 when uncorrelated.
    assert perfect.floor == pytest.approx(math.sqrt(2 / 2000) * 1.625 * 0.798, rel=0.3)
    assert abs(perfect.value - perfect.floor) < 4 * perfect.floor_error
    assert shifted.value == pytest.approx(0.3, abs=5 * shifted.error)
    # The mean of 2000 events has an error of 0.022, that of a difference is 0.032.
    assert shifted.error == pytest.approx(math.sqrt(2 / 2000), rel=0.3)
    assert shifted.over_floor > 5
    assert shifted.as_dict()["over_floor"] == shifted.over_floor
    again = sample_distance(wasserstein_distance, rng.normal(size=2000), reference, replicas=20, seed=1)
    assert again.floor == pytest.approx(perfect.floor, abs=4 * perfect.floor_error)


def test_everything_is_measured_with_one_number_of_events(rng):
    def sizes(a, b, w, v):
        assert len(a) == len(w)
        assert len(b) == len(v)
        seen.append((len(a), len(b)))
        return 0.0

    seen = []
    found = sample_distance(sizes, rng.normal(size=70), rng.normal(size=100), replicas=2, splits=3)
    assert found.events == 50
    assert seen[0] == (50, 50)
    assert seen[-3:] == [(50, 50)] * 3
    assert found == Distance(0.0, 0.0, 0.0, 0.0, 50)
    assert found.as_dict()["over_floor"] is None
    assert Distance(1.0, 0.1, 0.0, 0.0, 9).over_floor == math.inf


def test_halves_of_the_floor_are_disjoint(rng):
    def common(a, b, w, v):
        np.testing.assert_array_equal(w, 2.0 * a)  # weights go with their events
        np.testing.assert_array_equal(v, 2.0 * b)
        return float(len(np.intersect1d(a, b)))

    reference = np.arange(101.0)
    found = sample_distance(common, reference - 500, reference, 2 * (reference - 500), 2 * reference, replicas=2)
    assert found.floor == 0.0


def test_report_of_observables_and_features(rng):
    def events(n, shift):
        return {"mass": rng.normal(shift, size=n), "polynomials": rng.normal(shift, size=(n, 2))}

    generated, reference = events(200, 1.0), events(400, 0.0)
    report = generation_report(generated, reference, replicas=10, splits=5)
    assert list(report) == ["mass", "polynomials"]
    assert report["mass"] == sample_distance(
        wasserstein_distance, generated["mass"], reference["mass"], replicas=10, splits=5
    )
    assert report["polynomials"].value == pytest.approx(2.0, rel=0.4)  # |(1, 1)|^2
    repeated = generation_report(generated, reference, replicas=10, splits=5)
    assert repeated == report
    with pytest.raises(PygHepError, match=r"have \['mass'\], the reference \['mass', 'polynomials'\]"):
        generation_report({"mass": generated["mass"]}, reference)
    with pytest.raises(PygHepError, match="mass: 1 values of the generated events are NaN"):
        generation_report({"mass": [1.0, math.nan]}, {"mass": np.ones(4)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], [1.0]), r"samples of shapes \[N\] and \[M\]"),
        (([1.0, math.nan], [1.0]), "1 values of the generated events are NaN"),
        (([1.0], [math.inf]), "1 values of the reference events are NaN or infinite"),
        (([1.0, 2.0], [1.0], [1.0]), "weight for each of the 2 generated events"),
        (([1.0], [1.0], None, [math.nan]), "finite weight for each of the 1 reference events"),
        (([1.0, 2.0], [1.0], [1.0, -1.0]), "sum to 0, a positive sum"),
        (([], [1.0]), "generated events sum to 0"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments, message):
    with pytest.raises(PygHepError, match=message):
        wasserstein_distance(*arguments)


def test_more_that_cannot_be_compared(rng):
    with pytest.raises(PygHepError, match=r"\[N, D\] and \[M, D\] are compared, got \[5, 2\] and \[5, 3\]"):
        frechet_distance(np.ones((5, 2)), np.ones((5, 3)))
    with pytest.raises(PygHepError, match="negative weights leave a feature"):
        frechet_distance(np.ones((2, 1)), [[0.0], [10.0], [0.0]], None, [3.0, -1.0, 0.0])
    with pytest.raises(PygHepError, match="are the least, got 1, 9 and 20"):
        sample_distance(wasserstein_distance, np.ones(1), np.ones(9))
