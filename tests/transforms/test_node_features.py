import math

import pytest
import torch
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.transforms import NodeFeatures
from pyg_hep.transforms.node_features import COLUMNS, PRESETS


@pytest.fixture
def data():
    return Data(
        p4=torch.tensor([[50.0, 1.0, 0.5, 10.0], [30.0, -2.0, -3.0, 0.0], [20.0, 0.0, 2.0, 0.0]]),
        kind=torch.tensor([0, 2, 5]),
        charge=torch.tensor([0.0, -1.0, 0.0]),
        btag=torch.tensor([1.0, 0.0, 0.0]),
        level=torch.tensor([0, 0, 0]),
        num_nodes=3,
    )


def test_ho_view_is_the_published_one_with_the_massless_energy(data):
    x = NodeFeatures.ho()(data).x
    # Ho et al., arXiv:2412.10665, section III B: pt, eta, phi, E = pt cosh eta, b-tag, charge, kind.
    expected = [
        [50.0, 1.0, 0.5, 50 * math.cosh(1.0), 1.0, 0.0, 0.0],
        [30.0, -2.0, -3.0, 30 * math.cosh(2.0), 0.0, -1.0, 2.0],
        [20.0, 0.0, 2.0, 20.0, 0.0, 0.0, 5.0],
    ]
    assert torch.allclose(x, torch.tensor(expected), rtol=1e-6)


def test_cartesian_and_logarithmic_columns(data):
    x = NodeFeatures(["px", "py", "pz", "energy", "log_pt", "log_energy", "log_mass", "sin_phi", "cos_phi"])(data).x
    pt, eta, phi, mass = 50.0, 1.0, 0.5, 10.0
    energy = math.sqrt((pt * math.cosh(eta)) ** 2 + mass**2)
    momentum = [pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta), energy]
    logs = [math.log(pt), math.log(energy), math.log(mass), math.sin(phi), math.cos(phi)]
    assert x[0].tolist() == pytest.approx(momentum + logs, rel=1e-5)
    assert torch.isfinite(x).all()  # the mass of the others is 0


def test_kinds_as_yes_or_no(data):
    x = NodeFeatures(["is_jet", "is_muon", "is_met"])(data).x
    assert x.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_constants_are_applied_and_travel_in_the_configuration(data):
    view = NodeFeatures(["pt", "eta"], mean=[10, 0], scale=[20, 2])
    assert view(data).x[0].tolist() == [2.0, 0.5]
    again = NodeFeatures(**view.config())
    assert torch.equal(again(data).x, view(data).x)


def test_fitted_view_has_mean_zero_and_width_one(data):
    x = NodeFeatures.ho().fitted(data)(data).x
    assert torch.allclose(x.mean(dim=0), torch.zeros(7), atol=1e-6)
    assert torch.allclose(x.std(dim=0), torch.ones(7), rtol=1e-5)


def test_column_that_never_varies_keeps_its_scale(data):
    x = NodeFeatures(["level"]).fitted(data)(data).x
    assert torch.equal(x, torch.zeros(3, 1))


def test_the_graph_given_is_not_changed(data):
    NodeFeatures.ho()(data)
    assert "x" not in data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": "hoo"}, "did you mean 'ho'"),
        ({"columns": ["pt", "etta"]}, "did you mean 'eta'"),
        ({"columns": ["pt"], "mean": [1, 2]}, "1 columns need as many"),
    ],
)
def test_wrong_view_is_one_sentence(arguments, message):
    with pytest.raises(ConfigError, match=message):
        NodeFeatures(**arguments)


def test_every_preset_is_made_of_known_columns():
    for columns in PRESETS.values():
        assert set(columns) <= set(COLUMNS)


def test_name():
    assert str(NodeFeatures(["pt", "eta"])) == "NodeFeatures(pt, eta)"
