import numpy as np
import pytest
import torch
from scipy.stats import entropy

from pyg_hep.analysis import prediction_entropy
from pyg_hep.errors import PygHepError


def test_equals_scipys_entropy():
    logits = np.random.default_rng(0).normal(scale=3.0, size=(200, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(prediction_entropy(p), entropy(p, base=2, axis=1), atol=1e-12)
    np.testing.assert_allclose(prediction_entropy(torch.tensor(p)), prediction_entropy(p))


def test_certain_and_uniform_predictions():
    found = prediction_entropy([[1.0, 0.0, 0.0, 0.0], [0.25] * 4, [0.5, 0.5, 0.0, 0.0]])
    np.testing.assert_allclose(found, [0.0, 2.0, 1.0])
    assert prediction_entropy(np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize("values", [[[0.5, 0.6]], [[2.0, -1.0]], [[1.0, 3.0]]])
def test_logits_are_refused(values):
    with pytest.raises(PygHepError, match="logits need a softmax"):
        prediction_entropy(values)


def test_one_number_per_event_is_refused():
    with pytest.raises(PygHepError, match=r"shape \[N, C\]"):
        prediction_entropy([0.2, 0.8])
