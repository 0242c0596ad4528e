import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch_geometric.explain import Explainer, GNNExplainer

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.objectives import Classification, MaskedObjects
from pyg_hep.testing.events import random_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, fit, predict
from pyg_hep.transforms import CompleteGraph


@pytest.fixture(scope="module")
def weighted(tmp_path_factory):
    """A class of weight 1, then one of weight 0.01, as unshuffled validation events are."""
    folder = tmp_path_factory.mktemp("weighted")
    files = []
    for i, (factor, weight) in enumerate(((1.0, 1.0), (20.0, 0.01))):
        branches = random_nanoaod(300, seed=i)
        branches["MET_pt"] = branches["MET_pt"] * factor
        branches["genWeight"] = np.full_like(branches["genWeight"], weight)
        files.append(write_nanoaod(folder / f"{i}.root", branches))
    return EventDataset(folder, "simulated_events", files)


@pytest.mark.parametrize("batch_size", [8, 32, 1000])
def test_validation_loss_is_that_of_all_events_together(weighted, tmp_path, batch_size):
    torch.manual_seed(0)
    model = EventModel(
        GraphNetwork.ho(hidden_channels=16), Classification(2), optimisation=Optimisation(learning_rate=1e-3)
    )
    settings = TrainingSettings(
        epochs=2, batch_size=batch_size, accelerator="cpu", progress=False, checkpoints=False, tensorboard=False
    )
    result = fit(model, weighted, weighted, output=tmp_path, settings=settings)
    predictions = predict(result.model, weighted)
    y, w = torch.from_numpy(predictions.y), torch.from_numpy(predictions.weight).double()
    values = F.nll_loss(torch.from_numpy(predictions.probability).double().log(), y, reduction="none")
    expected = float((w * values).sum() / w.sum())
    assert result.history[result.best_epoch]["val_loss"] == pytest.approx(expected, rel=1e-5)
    # The mean of the batches' means, which it once was, is another number altogether.
    batches = zip(values.split(4 * batch_size), w.split(4 * batch_size), strict=True)
    if batch_size == 8:
        mean = np.mean([float((v * u).sum() / u.sum()) for v, u in batches])
        assert abs(mean - expected) > 0.05


def test_random_numbers_are_keyed_by_seed_and_step_and_fixed_in_validation():
    model = EventModel(GraphNetwork.ho(hidden_channels=8), Classification(2))
    draws = {
        (seed, step, training): torch.rand(3, generator=_seeded(model, seed).generator(step, training)).tolist()
        for seed in (0, 1) for step in (0, 1) for training in (True, False)
    }  # fmt: skip
    assert len({tuple(v) for v in draws.values()}) == 8
    assert torch.rand(3, generator=_seeded(model, 1).generator(1, False)).tolist() == draws[1, 1, False]


def _seeded(model, seed):
    model.seed = seed
    return model


def test_validation_hides_the_same_in_every_epoch(weighted, tmp_path):
    torch.manual_seed(0)
    model = EventModel(EventTransformer.abasov(16, 1), MaskedObjects(), optimisation=Optimisation(learning_rate=1e-12))
    settings = TrainingSettings(
        epochs=2, batch_size=100, accelerator="cpu", progress=False, checkpoints=False, tensorboard=False
    )
    history = fit(model, weighted, weighted, output=tmp_path, settings=settings).history
    assert history[0]["val_loss"] == pytest.approx(history[1]["val_loss"], rel=1e-6)


def test_a_network_can_be_explained(weighted):
    model = EventModel(GraphNetwork.ho(hidden_channels=8, num_steps=1), Classification(2)).eval()
    batch = CompleteGraph()(next(iter(EventLoader(weighted, 4))))
    seen = model.view(batch)
    explainer = Explainer(
        model.explainable(),
        GNNExplainer(epochs=3),
        explanation_type="model",
        edge_mask_type="object",
        node_mask_type="attributes",
        model_config={"mode": "multiclass_classification", "task_level": "graph", "return_type": "raw"},
    )
    explanation = explainer(seen.x, seen.edge_index, p4=seen.p4, batch=seen.batch)
    assert explanation.edge_mask.shape == (seen.edge_index.size(1),)
    assert explanation.node_mask.abs().sum() > 0


def test_widths_must_fit_and_a_view_is_needed():
    with pytest.raises(ConfigError, match="GraphNetwork has in_channels=7, the view gives 13"):
        EventModel(GraphNetwork(7), Classification(2), View.abasov())
    with pytest.raises(ConfigError, match="EventTransformer has event_channels=0, the view gives 1"):
        EventModel(
            EventTransformer(2, hidden_channels=8, num_layers=1, heads=2),
            Classification(2),
            View(["pt", "eta"], events=["rho"]),
        )
    with pytest.raises(ConfigError, match="say what GraphNetwork sees"):
        EventModel(GraphNetwork(7), Classification(2))


def test_double_precision_from_the_first_layer_to_the_loss():
    batch = random_events((3, 5), dtype=torch.float64)
    model = EventModel(GraphNetwork.ho(hidden_channels=8), Classification(2)).double()
    model.view.fit(batch)
    step = model.objective.step(batch, model, None, training=True)
    assert step.losses["cross_entropy"].numerator.dtype == torch.float64
