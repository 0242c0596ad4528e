import math

import numpy as np
import pytest
import torch
import vector

from pyg_hep.errors import ConfigError
from pyg_hep.inputs.pairs import ANGULAR, PAIR_COLUMNS, check_pair_columns, pair_features
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import CompleteGraph
from pyg_hep.transforms.complete_graph import edge_features


def pairs():
    batch = random_events((4, 7, 2), dtype=torch.float64)
    source, target = CompleteGraph()(batch).edge_index
    return batch.p4, batch.p4[target], batch.p4[source], torch.stack([source, target])


def test_angular_columns_are_the_edge_features_of_the_complete_graph():
    p4, target, source, edge_index = pairs()
    torch.testing.assert_close(pair_features(target, source), edge_features(p4, edge_index))
    assert ANGULAR == ("d_eta", "d_phi", "d_r")


def test_columns_are_those_of_the_vector_package():
    _, target, source, _ = pairs()
    i, j = (
        vector.array({"pt": p[:, 0].numpy(), "eta": p[:, 1].numpy(), "phi": p[:, 2].numpy(), "mass": p[:, 3].numpy()})
        for p in (target, source)
    )
    distance = i.deltaR(j)
    least = np.minimum(i.pt, j.pt)
    expected = {
        "d_r": distance,
        "ln_d_r": np.log(np.maximum(distance, 0.01)),
        "ln_kt": np.log(np.maximum(least * distance, 0.01)) - 3.5,
        "z": least / (i.pt + j.pt),
        "ln_mass": np.log(np.maximum((i + j).mass, 0.01)) - 4.5,
    }
    for name, values in expected.items():
        found = pair_features(target, source, [name])[:, 0].numpy()
        # Azimuths live in a float32 interval around pi, vector's do not.
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_empty_places_and_an_object_with_itself_are_finite_with_finite_gradients():
    p4 = torch.zeros(2, 4, dtype=torch.float64)
    p4[1] = torch.tensor([50.0, 0.5, 1.0, 5.0])
    p4.requires_grad_()
    found = pair_features(p4.unsqueeze(1), p4.unsqueeze(0), list(PAIR_COLUMNS))
    assert found.shape == (2, 2, len(PAIR_COLUMNS))
    assert bool(found.isfinite().all())
    (gradient,) = torch.autograd.grad(found.sum(), p4)
    assert bool(gradient.isfinite().all())
    assert float(found[1, 1, list(PAIR_COLUMNS).index("ln_d_r")]) == pytest.approx(math.log(0.01))


def test_unknown_column_names_the_nearest():
    with pytest.raises(ConfigError, match="no pair column 'ln_mas': did you mean 'ln_mass'"):
        check_pair_columns(["ln_mas"])
