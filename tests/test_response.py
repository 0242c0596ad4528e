import math

import numpy as np
import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.response import bootstrap_groups, coverage, inclusive, response

EDGES = [345, 400, 450, 500, 600, 800, 1200]


@pytest.fixture(scope="module")
def masses():
    """True m(ttbar) above 345 GeV, falling as in top pairs, and an unbiased measurement of 16 %."""
    rng = np.random.default_rng(0)
    truth = 345.0 + rng.gamma(1.6, 90.0, 200_000)
    return truth, truth * (1.0 + 0.16 * rng.normal(size=len(truth)))


def posterior_mean(truth, measured):
    """E[truth | measured] by Bayes' theorem on a grid: the estimator of smallest mean square error."""
    grid = np.linspace(345.5, 1600, 600)
    prior = np.histogram(truth, np.append(grid - 0.5 * (grid[1] - grid[0]), 1e9))[0] + 1e-3
    points = np.linspace(100, 2500, 800)
    likelihood = np.exp(-0.5 * ((points[:, None] / grid - 1.0) / 0.16) ** 2) / grid * prior
    return np.interp(measured, points, (likelihood * grid).sum(1) / likelihood.sum(1))


def test_the_corrected_width_ranks_estimators_as_the_plain_one_does_not(masses):
    """FACTS_TOP C: P84 - P16 at 345-400 GeV is 121 GeV unbiased, 60 posterior mean, 33 constant: rank reversed."""
    truth, measured = masses
    estimates = {
        "unbiased": measured,
        "mean": posterior_mean(truth, measured),
        "constant": np.full(len(truth), truth.mean()),
    }
    found = {name: response(truth, values, EDGES) for name, values in estimates.items()}
    plain = {name: r.width[0] for name, r in found.items()}
    assert plain["constant"] < plain["mean"] < plain["unbiased"]
    assert plain["unbiased"] == pytest.approx(121, abs=5)
    assert plain["constant"] == pytest.approx(33, abs=5)
    assert found["unbiased"].slope == pytest.approx(1.0, abs=0.01)
    assert 0.3 < found["mean"].slope < 0.95
    assert found["constant"].slope == 0.0
    corrected = {name: r.mean_corrected_width for name, r in found.items()}
    # The posterior mean knows no more than the measurement: divided by its slope it is no better than a few percent.
    assert corrected["mean"] == pytest.approx(corrected["unbiased"], rel=0.25)
    assert corrected["constant"] == math.inf
    assert np.isinf(found["constant"].corrected_width).all()
    assert found["constant"].as_dict()["mean_corrected_width"] is None


def test_shrinking_does_not_change_the_corrected_width(masses):
    """a + b x has b times the scatter of the estimates and b times the slope."""
    truth, measured = masses
    narrow = EDGES[0] + np.arange(0, 400, 2.0)  # so narrow that the truth itself has no width in a bin
    full, shrunk = (response(truth, x, narrow) for x in (measured, 300.0 + 0.3 * measured))
    assert shrunk.slope == pytest.approx(0.3 * full.slope)
    assert shrunk.mean_width < 0.4 * full.mean_width
    assert shrunk.mean_corrected_width == pytest.approx(full.mean_corrected_width, rel=0.01)


def test_an_estimate_that_falls_with_the_truth_is_no_estimate(masses):
    truth, measured = masses
    found = response(truth, -measured, EDGES)
    assert found.slope < 0
    assert found.mean_corrected_width == math.inf


def test_weights_count_events():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 10, 4000)
    values, weight = truth + rng.normal(size=4000), rng.integers(1, 4, 4000)
    weighted = response(truth, values, [0, 5, 10], weight)
    repeated = response(np.repeat(truth, weight), np.repeat(values, weight), [0, 5, 10])
    np.testing.assert_allclose(weighted.width, repeated.width, rtol=0.01)
    assert weighted.slope == pytest.approx(repeated.slope, rel=0.01)
    np.testing.assert_allclose(weighted.events, repeated.events)
    assert inclusive(truth + 1, values + 1, weight).rms == pytest.approx(
        inclusive(np.repeat(truth, weight) + 1, np.repeat(values, weight) + 1).rms
    )


def test_inclusive_figures_state_failures_and_fallback():
    truth = np.full(1000, 100.0)
    values = 100.0 + 10.0 * np.random.default_rng(2).normal(size=1000)
    values[:250] = np.nan
    alone, all_ = inclusive(truth, values), inclusive(truth, values, fallback=150.0)
    assert (alone.failures, alone.fallback) == (0.25, 0.0)
    assert (all_.failures, all_.fallback) == (0.25, 0.25)
    assert alone.width == pytest.approx(0.1, rel=0.1)
    assert alone.rms == pytest.approx(0.1, rel=0.1)
    assert all_.bias == pytest.approx(0.125, abs=0.01)
    assert all_.rms == pytest.approx(math.sqrt(0.25 * 0.25 + 0.75 * 0.01), rel=0.05)
    assert inclusive(truth, values, fallback=np.full(1000, 150.0)) == all_
    assert set(all_.as_dict()) == {"width", "rms", "bias", "median", "failures", "fallback"}


def test_rows_of_one_hard_event_are_resampled_together():
    """Four copies of each event carry no more information than one: the error must be twice that of rows."""
    rng = np.random.default_rng(3)
    ids, x = np.repeat(np.arange(400), 4), np.repeat(rng.normal(size=400), 4)
    order = rng.permutation(1600)
    by_event = bootstrap_groups(np.mean, ids[order], x[order], replicas=400)
    by_row = bootstrap_groups(np.mean, np.arange(1600), x[order], replicas=400)
    assert by_event[0] == by_row[0] == pytest.approx(x.mean())
    assert by_event[1] == pytest.approx(0.05, rel=0.15)
    assert by_row[1] == pytest.approx(0.025, rel=0.15)
    three = np.stack([np.ones(1600), ids, ids], axis=1)[order]
    assert bootstrap_groups(np.mean, three, x[order], replicas=400) == by_event


def test_the_error_of_an_infinite_width_is_infinite(masses):
    truth = masses[0][:2000]

    def figures(t, x):
        found = response(t, x, [345, 450, 1200])
        return np.array([found.mean_width, found.mean_corrected_width])

    value, error = bootstrap_groups(figures, np.arange(2000), truth, np.full(2000, 450.0), replicas=20)
    assert np.isfinite([value[0], error[0]]).all()
    assert value[1] == error[1] == math.inf


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: response([1.0, 2.0], [1.0], [0, 1.5, 3]), "one row per event"),
        (lambda: response([1.0, 2.0], [1.0, np.nan], [0, 1.5, 3]), "1 estimates are NaN .* fallback"),
        (lambda: response([1.0, 2.0], [1.0, 2.0], [0, 3]), "rising edges of at least two bins"),
        (lambda: response([1.0, 2.0], [1.0, 2.0], [0, 1.5, 1.9, 3]), "no event .* between 1.5 and 1.9"),
        (lambda: inclusive([0.0, 2.0], [1.0, 2.0]), "1 true values are 0"),
        (lambda: inclusive([1.0, 2.0], [np.nan, 2.0], fallback=np.nan), "fallback of 1 failures"),
        (lambda: inclusive([1.0], [np.nan]), "no event has an estimate"),
        (lambda: inclusive([np.nan], [1.0]), "true values or weights are NaN"),
        (lambda: bootstrap_groups(np.mean, [1], [1.0, 2.0]), "one length above 0"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(call, sentence):
    with pytest.raises(PygHepError, match=sentence):
        call()


def test_intervals_cover_as_often_as_they_are_wide():
    """Ends one and two standard deviations from a normal measurement, the truth fixed: 68.3 and 95.4 %."""
    rng = np.random.default_rng(1)
    truth = rng.uniform(345, 900, 20_000)
    measured, sigma = truth * (1 + 0.1 * rng.normal(size=len(truth))), 0.1 * truth
    for k, nominal in ((1, 0.6827), (2, 0.9545)):
        found = coverage(truth, measured - k * sigma, measured + k * sigma)
        assert found.error == pytest.approx(math.sqrt(nominal * (1 - nominal) / 20_000), rel=0.05)
        assert found.fraction == pytest.approx(nominal, abs=3 * found.error)
        assert found.width == pytest.approx(2 * k * np.median(sigma), rel=1e-3)
        assert found.failures == 0.0


def test_coverage_counts_weights_ends_and_failures_by_hand():
    found = coverage([1, 1, 1, 1], [1, 0, 2, np.nan], [2, 1, 3, 3], [1.0, 2.0, 3.0, 4.0])
    assert found.fraction == pytest.approx(0.5)
    assert found.error == pytest.approx(math.sqrt(0.25 * (1 + 4 + 9)) / 6)
    assert found.failures == pytest.approx(0.4)
    assert set(found.as_dict()) == {"fraction", "error", "width", "failures"}
    for lower, upper, message in (
        ([0, 2], [1, 1], "1 intervals end below their beginning"),
        ([np.nan, np.nan], [1, 1], "no event has an interval"),
        ([0, 0, 0], [1, 1, 1], "one row per event"),
    ):
        with pytest.raises(PygHepError, match=message):
            coverage([1, 1], lower, upper)
