from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import SummaryVariables, View
from pyg_hep.loader import EventLoader
from pyg_hep.metrics import resolution
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Regression
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.events import random_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.testing.objectives import ObjectiveModel


class TestContract(ObjectiveTests):
    @classmethod
    def build(cls):
        return Regression(target=["ht"], loss="huber")

    @classmethod
    def events(cls, counts=(5, 3, 8, 1, 6, 4)):
        graphs = super().events(counts).to_data_list()
        for k, graph in enumerate(graphs):
            graph.ht, graph.weight = graph.p4[:, 0].sum().view(1), torch.full((1,), 0.5 + k, dtype=torch.float64)
        return Batch.from_data_list(graphs)


def data(**columns):
    """What :meth:`Regression.measure` looks at."""
    columns = {"weight": torch.ones(len(next(iter(columns.values())))), **columns}
    card = SimpleNamespace(weight=SimpleNamespace(negative="keep"))
    return type("Data", (), {
        "column": lambda self, name: columns[name], "class_names": ["m_top"], "card": card,
        "__len__": lambda self: len(columns["weight"]), "__repr__": lambda self: "Data()",
    })()  # fmt: skip


def test_targets_are_standardised_inside_and_keep_their_units_outside():
    y = 170.0 + 20.0 * torch.randn(4_000, generator=torch.Generator().manual_seed(0))
    objective = Regression()
    objective.measure(data(y=y))
    assert float(objective.mean) == pytest.approx(170.0, abs=1.0)
    assert float(objective.scale) == pytest.approx(20.0, abs=0.7)
    assert objective.names == ["m_top"]
    objective.bind(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2), View.ho())
    representation = SimpleNamespace(graph=torch.randn(6, 8), nodes=None)
    batch = Batch(y=y[:6], weight=torch.ones(6))
    model = SimpleNamespace(represent=lambda _: representation)
    step = objective.step(batch, model, None, training=True)
    (loss,) = step.losses.values()
    raw = objective.heads["value"](representation)[:, 0].detach()
    expected = (((y[:6] - objective.mean) / objective.scale - raw) ** 2).mean()
    assert float((loss.numerator / loss.denominator).detach()) == pytest.approx(float(expected), rel=1e-5)
    values = objective.predict(batch, model)["m_top"].detach()
    torch.testing.assert_close(values, raw * objective.scale + objective.mean)


def rmse_after(steps, batch, objective):
    """Root mean square error over the spread of the targets after some steps of Adam."""
    torch.manual_seed(0)
    view = View.ho()
    view.fit(batch)
    backbone = EventTransformer(7, hidden_channels=32, num_layers=1, heads=4, pooling="sum")
    model = ObjectiveModel(backbone, objective, view)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        (loss,) = objective.step(batch, model, None, training=True).losses.values()
        (loss.numerator / loss.denominator).backward()
        optimiser.step()
    step = objective.step(batch, model, None, training=False)
    (meter,) = objective.meters()
    meter.update(step.outputs, step.targets)
    figures = meter.compute()
    error = (step.outputs["value"][:, 0] - batch.y).detach().double().numpy()
    assert figures["bias"] == pytest.approx(error.mean(), rel=1e-6)
    assert figures["resolution"] == pytest.approx(resolution(np.zeros(len(error)), error), rel=1e-6)
    return figures["rmse"] / float(batch.y.std())


def test_numbers_of_a_large_scale_are_learned_at_once():
    # Around 2,000 with a spread of 500: without the standardisation the network is still on its way to the mean.
    batch = random_events(num_events=400, seed=1)
    y = torch.zeros(400).index_add(0, batch.batch, batch.p4[:, 0])
    batch.y = 2_000 + 500 * (y - y.mean()) / y.std()
    scaled = Regression()
    scaled.measure(data(y=batch.y))
    assert rmse_after(150, batch, scaled) < 0.6
    assert rmse_after(150, batch, Regression()) > 1.2


def test_a_far_outlier_pulls_huber_and_absolute_less():
    batch = TestContract.events()
    losses = {}
    for loss in ("squared", "huber", "absolute"):
        objective = Regression(target=["ht"], loss=loss)
        objective.bind(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2), View.ho())
        with torch.no_grad():
            objective.heads["value"].linear.weight.zero_()
            objective.heads["value"].linear.bias.zero_()
        representation = SimpleNamespace(graph=torch.zeros(6, 8), nodes=None)
        step = objective.step(batch, SimpleNamespace(represent=lambda _, r=representation: r), None, training=False)
        losses[loss] = float(next(iter(step.losses.values())).numerator.detach())
    ht, w = batch.ht, batch.weight
    assert losses["squared"] == pytest.approx(float((w * ht**2).sum()), rel=1e-6)
    assert losses["huber"] == pytest.approx(float((w * (ht - 0.5)).sum()), rel=1e-6)
    assert losses["absolute"] == pytest.approx(float((w * ht).sum()), rel=1e-6)


def test_several_numbers_have_figures_of_their_own():
    objective = Regression(target=["a", "b"])
    (meter,) = objective.meters()
    assert objective.num_targets == 2
    y = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    figures = meter.figures({"value": y + torch.tensor([0.5, -2.0]), "y": y, "weight": torch.ones(3)})
    assert figures["bias_a"] == pytest.approx(0.5)
    assert figures["rmse_b"] == pytest.approx(2.0)


def test_a_network_is_taught_event_variables(tmp_path):
    file = write_nanoaod(tmp_path / "a.root", random_nanoaod(300, seed=3))
    dataset = EventDataset(tmp_path / "cache", "simulated_events", {"a": file})
    names = ["summary_ht", "summary_n_jet", "summary_n_charged_hadron", "event_number"]
    objective = Regression(target=names)
    objective.measure(dataset)
    batch = next(iter(EventLoader(dataset, len(dataset))))
    table = SummaryVariables().table(batch)
    truth = torch.stack([table["ht"].log1p(), table["n_jet"], table["n_charged_hadron"], batch.event_number], dim=1)
    torch.testing.assert_close(objective.mean, truth.mean(dim=0))
    torch.testing.assert_close(objective.scale[[0, 1, 3]], truth.std(dim=0)[[0, 1, 3]])
    assert float(objective.scale[2]) == 1.0  # it never varies
    view = View.ho()
    view.fit(batch)
    model = ObjectiveModel(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2), objective, view)
    step = objective.step(batch, model, None, training=False)
    torch.testing.assert_close(step.targets["y"], truth)
    assert list(objective.predict(batch, model)) == names


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="no loss 'hubber': did you mean 'huber'"):
        Regression(loss="hubber")
    with pytest.raises(ConfigError, match="is the same in all 5 training events"):
        Regression().measure(data(y=torch.ones(5)))
    with pytest.raises(ConfigError, match="1 events of .* have no finite 'm_top'"):
        Regression().measure(data(y=torch.tensor([1.0, float("nan"), 2.0])))
    with pytest.raises(ConfigError, match="Regression of 1 numbers: 'y' of .* has 2"):
        Regression().measure(data(y=torch.randn(5, 2)))
    with pytest.raises(ConfigError, match="2 numbers need as many different names"):
        Regression(2, names=["a"])
