from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch_geometric.data import Batch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.objectives import MultiLabel
from pyg_hep.readers import load_card
from pyg_hep.testing import ObjectiveTests
from pyg_hep.training import EventModel, TrainingSettings, pretrain


def setup(size=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    objective = MultiLabel(5, regression=[0, 3])
    objective.bind(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2), View.ho())
    representation = SimpleNamespace(graph=torch.randn(size, 8, generator=generator), nodes=None)
    y = torch.randint(0, 2, (size, 5), generator=generator).float()
    y[:, [0, 3]] = torch.randint(0, 4, (size, 2), generator=generator).float()
    return objective, representation, Batch(y=y, weight=torch.rand(size, generator=generator) + 0.5)


def step(objective, representation, batch):
    return objective.step(batch, SimpleNamespace(represent=lambda _: representation), None, False)


class TestContract(ObjectiveTests):
    @classmethod
    def build(cls):
        return MultiLabel(3, regression=[0])

    @classmethod
    def events(cls, counts=(5, 3, 8, 1, 6, 4)):
        batch = super().events(counts)
        batch.y = torch.tensor([[k % 4, k % 2, (k // 2) % 2] for k in range(len(counts))]).float()
        return batch


def test_predictions_are_probabilities_and_values_never_a_softmax():
    objective, representation, batch = setup()
    model = SimpleNamespace(represent=lambda _: representation)
    columns = objective.predict(batch, model)
    estimate = objective(representation)["logits"]
    assert list(columns) == ["0", "1", "2", "3", "4"]
    torch.testing.assert_close(columns["1"], estimate[:, 1].sigmoid())
    torch.testing.assert_close(columns["3"], estimate[:, 3])


def test_loss_is_the_equally_weighted_mean_over_the_labels():
    objective, representation, batch = setup()
    losses = step(objective, representation, batch).losses
    terms = {name: loss.numerator / loss.denominator for name, loss in losses.items()}
    outputs = objective(representation)["logits"]
    entropy = F.binary_cross_entropy_with_logits(outputs[:, [1, 2, 4]], batch.y[:, [1, 2, 4]], reduction="none")
    square = (outputs[:, [0, 3]] - batch.y[:, [0, 3]]) ** 2
    per_event = torch.cat([entropy, square], dim=1).mean(dim=1)
    expected = (batch.weight * per_event).sum() / batch.weight.sum()
    assert set(terms) == {"cross_entropy", "squared_error"}
    assert float(sum(terms.values()).detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_figures_are_those_of_other_programs():
    objective, representation, batch = setup()
    outputs = objective(representation)
    made = step(objective, representation, batch)
    (meter,) = objective.meters()
    meter.update(made.outputs, made.targets)
    figures = meter.compute()
    y, found, weight = batch.y.double(), outputs["logits"].detach().double(), batch.weight.double()
    areas = [roc_auc_score(y[:, k], found[:, k], sample_weight=weight) for k in (1, 2, 4)]
    assert figures["auc"] == pytest.approx(sum(areas) / 3, abs=1e-9)
    right = ((found > 0).double() == y)[:, [1, 2, 4]].double().mean(dim=1)
    assert figures["accuracy"] == pytest.approx(float((weight * right).sum() / weight.sum()))
    square = ((found - y) ** 2)[:, [0, 3]].mean(dim=1)
    assert figures["rmse"] == pytest.approx(float((weight * square).sum() / weight.sum()) ** 0.5)


def test_labels_of_ho_are_five_numbers_and_36_yes_or_no():
    objective = MultiLabel.ho()
    assert objective.num_labels == 41
    assert objective.regression == (0, 1, 2, 3, 4)
    names = load_card("ho_multilabel").class_names
    assert [name.startswith("n_") for name in names] == [k in objective.regression for k in range(41)]
    again = MultiLabel(**objective.config())
    assert again.config() == objective.config()


def test_bad_options_and_labels_are_one_sentence(nanoaod_with_truth, tmp_path):
    with pytest.raises(ConfigError, match="at least one label"):
        MultiLabel(0)
    with pytest.raises(ConfigError, match=r"regression=\[5\] must name different labels of 0 to 4"):
        MultiLabel(5, regression=[5])
    with pytest.raises(ConfigError, match="different labels"):
        MultiLabel(5, regression=[1, 1])
    data = EventDataset(tmp_path, "simulated_events", nanoaod_with_truth)
    with pytest.raises(ConfigError, match="MultiLabel of 41 labels: .* have a class number"):
        MultiLabel.ho().measure(data)
    many = EventDataset(tmp_path, "ho_multilabel", nanoaod_with_truth)
    with pytest.raises(ConfigError, match="have 41 labels"):
        MultiLabel(40).measure(many)
    multiplicities = SimpleNamespace(column=lambda name: torch.full((3, 2), 2.0), card=None)
    with pytest.raises(ConfigError, match="neither 0 nor 1"):
        MultiLabel(2).measure(multiplicities)


def test_a_network_learns_labels_and_its_backbone_is_fine_tuned(nanoaod_with_truth, tmp_path, capsys):
    train, val = (
        EventDataset(tmp_path, "ho_multilabel", nanoaod_with_truth, split=split) for split in ("train", "val")
    )
    settings = TrainingSettings(epochs=2, batch_size=64, checkpoints=False, tensorboard=False)
    model = EventModel(GraphNetwork.ho(hidden_channels=16), MultiLabel.ho())
    result = pretrain(model, train, val, output=tmp_path / "run", settings=settings)
    assert f"{len(train)} events with 41 labels" in capsys.readouterr().out
    assert result.history[-1]["val_loss"] < result.history[0]["train_loss"]
    assert {"val_accuracy", "val_rmse", "val_cross_entropy", "seconds"} <= set(result.history[-1])
    again = EventModel.from_pretrained(tmp_path / "run" / "model")
    assert isinstance(again.objective, MultiLabel)
    assert again.objective.is_number.sum() == 5
