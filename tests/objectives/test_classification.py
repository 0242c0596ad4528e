from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch_geometric.data import Batch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification
from pyg_hep.objectives.base import Loss
from pyg_hep.objectives.meters import ClassFigures
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.events import random_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod


def setup(num_classes=3, size=50, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    objective = Classification(num_classes, **options)
    objective.bind(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2), View.ho())
    representation = SimpleNamespace(graph=torch.randn(size, 8, generator=generator), nodes=None)
    batch = Batch(
        y=torch.randint(0, num_classes, (size,), generator=generator),
        weight=torch.rand(size, generator=generator) + 0.5,
    )
    return objective, representation, batch


def loss_of(objective, representation, batch):
    (loss,) = objective.step(batch, SimpleNamespace(represent=lambda _: representation), None, False).losses.values()
    return (loss.numerator / loss.denominator).detach()


class TestContract(ObjectiveTests):
    @classmethod
    def build(cls):
        return Classification(2, class_weights=[1.0, 2.0], augment={"max_beta": 0.2}, class_names=["a", "b"])


def test_loss_is_the_weighted_mean_of_the_cross_entropy():
    objective, representation, batch = setup(class_weights=[1.0, 2.0, 0.5])
    loss = loss_of(objective, representation, batch)
    p = objective(representation)["logits"].softmax(dim=1)[range(50), batch.y]
    w = batch.weight * torch.tensor([1.0, 2.0, 0.5])[batch.y]
    assert float(loss) == pytest.approx(float(-(w * p.log()).sum() / w.sum()), rel=1e-5)


def test_without_weights_it_is_torchs_cross_entropy():
    objective, representation, batch = setup()
    batch.weight = torch.ones(50)
    loss = loss_of(objective, representation, batch)
    expected = F.cross_entropy(objective(representation)["logits"], batch.y)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


def test_negative_weights_are_kept_or_taken_as_absolute_values():
    objective, representation, batch = setup(negative_weights="keep")
    batch.weight[::5] *= -1
    values = F.cross_entropy(objective(representation)["logits"], batch.y, reduction="none")
    kept = loss_of(objective, representation, batch)
    total = batch.weight.abs().sum()
    assert float(kept) == pytest.approx(float((batch.weight * values).sum() / total), rel=1e-5)
    objective.negative_weights = "absolute"
    absolute = loss_of(objective, representation, batch)
    assert float(absolute) == pytest.approx(float((batch.weight.abs() * values).sum() / total), rel=1e-5)


def test_weights_that_cancel_do_not_blow_up():
    values = torch.tensor([1.0, 1.0, 3.0])
    loss = Loss.mean(values, torch.tensor([1.0, -1.0, 0.0]))
    assert float(loss.numerator) == 0.0
    assert float(loss.denominator) == 2.0


def dataset(tmp_path, sizes=(40, 20), change=None, **card):
    files = []
    for i, size in enumerate(sizes):
        branches = random_nanoaod(size, seed=i)
        if change is not None:
            change(i, branches)
        files.append(write_nanoaod(tmp_path / f"{i}.root", branches))
    content = {"name": "t", "objects": {"met": {"kind": "met", "collection": "MET"}}, "weight": {"branch": "genWeight"}}
    return EventDataset(tmp_path, {**content, **card}, files)


def test_balanced_class_weights_give_every_class_the_same_total(tmp_path):
    events = dataset(tmp_path, sizes=(40, 20, 10))
    objective = Classification(3, class_weights="balanced")
    objective.measure(events)
    weight = events.weight * objective.class_factors[events.y]
    sums = torch.zeros(3).index_add_(0, events.y, weight)
    assert torch.allclose(sums, sums.mean().expand(3))
    assert float(weight.mean()) == pytest.approx(1.0, rel=1e-6)


def test_label_out_of_range_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="label 2 is out of range: 2 classes"):
        Classification(2).measure(dataset(tmp_path, sizes=(4, 4, 4)))


def test_class_without_events_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="no event of class 2"):
        Classification(3).measure(dataset(tmp_path))


def some_negative(i, branches):
    branches["genWeight"][:3] = -1


def test_policy_for_negative_weights_is_the_cards_unless_given(tmp_path):
    card = {"weight": {"branch": "genWeight", "negative": "error"}}
    events = dataset(tmp_path, change=some_negative, **card)
    with pytest.raises(ConfigError, match="6 of 60 events.*negative weight"):
        Classification(2).measure(events)
    objective = Classification(2, negative_weights="absolute")
    objective.measure(events)
    assert objective.negative_weights == "absolute"
    kept = Classification(2)
    kept.measure(dataset(tmp_path, change=some_negative))
    assert kept.negative_weights == "keep"


def test_metrics_are_weighted_and_need_every_class():
    figures_of = ClassFigures(2).figures
    outputs = {"logits": torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])}
    targets = {"y": torch.tensor([0, 1, 1]), "weight": torch.tensor([1.0, 1.0, 2.0])}
    figures = figures_of({**outputs, **targets})
    assert figures["accuracy"] == pytest.approx(0.5)
    assert figures["auc"] == pytest.approx((1 + 2 * 0.5) / 3)  # the third event ties with the background
    one_class = figures_of({**outputs, **targets, "y": torch.ones(3, dtype=torch.int64)})
    assert set(one_class) == {"accuracy"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "at least two classes"),
        ({"num_classes": 2, "class_weights": "balance"}, "did you mean 'balanced'"),
        ({"num_classes": 2, "class_weights": [1.0]}, "1 class weights for 2 classes"),
        ({"num_classes": 2, "negative_weights": "drop"}, "negative_weights='drop'"),
    ],
)
def test_wrong_option_is_one_sentence(options, message):
    with pytest.raises(ConfigError, match=message):
        Classification(**options)


def test_configuration_makes_the_objective_again():
    objective = Classification(4, class_weights=[1, 2, 3, 4], negative_weights="keep")
    assert Classification(**objective.config()).config() == objective.config()


def test_augmentation_changes_training_events_only_where_it_is_asked_for():
    batch = random_events((3, 5, 2))
    generator = torch.Generator().manual_seed(0)
    assert Classification(2).augmented(batch, generator, training=True) is batch
    objective = Classification(2, augment={"max_beta": 0.2})
    assert objective.augmented(batch, generator, training=False) is batch
    changed = objective.augmented(batch, generator, training=True)
    assert not torch.equal(changed.p4, batch.p4)
    assert torch.equal(changed.p4[:, 0], batch.p4[:, 0])
    again = Classification(**objective.config())
    assert again.config()["augment"] == {"rotate": True, "reflect": True, "max_beta": 0.2, "roll": False}


def test_classes_take_the_names_of_the_training_events(tmp_path):
    events = dataset(tmp_path)
    objective = Classification(2)
    objective.measure(events)
    assert objective.names == events.class_names
    own = Classification(2, class_names=["background", "signal"])
    own.measure(events)
    assert own.names == ["background", "signal"]
    assert Classification(3).names == ["0", "1", "2"]
    with pytest.raises(ConfigError, match="2 classes need as many different names"):
        Classification(2, class_names=["a", "a"])


def test_numbers_are_no_classes(tmp_path):
    events = dataset(tmp_path)
    with pytest.raises(ConfigError, match="'weight' of .* holds no class numbers"):
        Classification(2, target="weight").measure(events)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_probe_is_the_logistic_regression_of_scikit_learn(num_classes):
    objective, representation, batch = setup(num_classes, size=200)
    graph = representation.graph * torch.linspace(0.1, 5, 8) + 3
    objective.probe(graph, batch.y, batch.weight, strength=1.0)
    mean, scale = graph.double().mean(0), graph.double().std(0)
    expected = LogisticRegression(C=1.0, max_iter=1000)
    expected.fit((graph - mean) / scale, batch.y, sample_weight=batch.weight / batch.weight.double().mean())
    found = objective(SimpleNamespace(graph=graph))["logits"].double().softmax(dim=1)
    wanted = torch.from_numpy(expected.predict_proba((graph - mean) / scale))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)


def test_probe_separates_what_is_separable():
    objective, _, batch = setup(2, size=300)
    graph = torch.randn(300, 8, generator=torch.Generator().manual_seed(1)) + 2.0 * batch.y.unsqueeze(1)
    objective.probe(graph, batch.y, batch.weight)
    predicted = objective(SimpleNamespace(graph=graph))["logits"].argmax(dim=1)
    assert float((predicted == batch.y).float().mean()) > 0.95
