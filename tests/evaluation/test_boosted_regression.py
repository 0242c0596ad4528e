import numpy as np
import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import boosted_regression


def sample(events, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(events, 4))
    return x, 2.0 * x[:, 0] + np.abs(x[:, 1]) + 0.3 * rng.normal(size=events)


def test_comes_close_to_the_noise_and_weights_count():
    x, y = sample(600, 0)
    x[::7, 3] = np.nan
    model = boosted_regression(x, y)
    tested, truth = sample(2000, 1)
    assert np.sqrt(((model.predict(tested) - truth) ** 2).mean()) < 0.7  # the noise is 0.3, a constant has 2.1
    weight = np.where(y > 0, 1.0, 1e-6)
    assert boosted_regression(x, y, weight).predict(tested).mean() > model.predict(tested).mean() + 0.3


@pytest.mark.parametrize(
    ("features", "target", "message"),
    [
        (np.zeros((50, 2)), np.zeros(49), "one row per event"),
        (np.full((50, 2), np.inf), np.zeros(50), "infinite"),
        (np.zeros((50, 2)), np.full(50, np.nan), "not finite"),
        (np.zeros((20, 2)), np.zeros(20), "at least 40"),
    ],
)
def test_what_cannot_be_learned_is_refused(features, target, message):
    with pytest.raises(PygHepError, match=message):
        boosted_regression(features, target)
