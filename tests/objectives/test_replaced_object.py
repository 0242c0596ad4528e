import json
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, ReplacedObject
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.events import random_events
from pyg_hep.training import EventModel, TrainingSettings, finetune, pretrain
from pyg_hep.transforms import CompleteGraph


class TestContract(ObjectiveTests):
    random, predicts = True, False

    @classmethod
    def build(cls):
        return ReplacedObject()


def test_loss_is_the_cross_entropy_of_what_was_replaced():
    torch.manual_seed(0)
    objective = ReplacedObject()
    objective.bind(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2), View.ho())
    batch = random_events((5,) * 50)
    batch.weight = torch.rand(50) + 0.5
    task = objective.replace(batch, torch.Generator().manual_seed(4))
    representation = SimpleNamespace(graph=torch.randn(50, 8), nodes=None)
    model = SimpleNamespace(represent=lambda _: representation)
    step = objective.step(batch, model, torch.Generator().manual_seed(4), training=False)
    (loss,) = step.losses.values()
    logits = objective(representation)["logits"]
    assert logits.shape == (50, 6)
    values = F.cross_entropy(logits, task.replaced, reduction="none")
    torch.testing.assert_close(loss.numerator / loss.denominator, (values * task.weight).sum() / task.weight.sum())
    assert torch.equal(step.targets["y"], task.replaced)
    (meter,) = objective.meters()
    meter.update({"logits": F.one_hot(task.replaced, 6).float()}, step.targets)
    assert meter.compute()["accuracy"] == 1.0


def test_edges_of_the_unchanged_event_are_refused():
    objective = ReplacedObject()
    batch = CompleteGraph()(random_events((5, 4)))
    model = EventModel(EventTransformer.kishimoto(hidden_channels=16, num_layers=1), objective)
    objective.step(batch, model, None, training=False)
    batch.edge_index = batch.edge_index[:, ::2]
    with pytest.raises(ConfigError, match="16 edges where complete graphs have 32"):
        objective.step(batch, model, None, training=False)


def test_config_makes_it_again():
    objective = ReplacedObject(none_probability=0.5, augment=None, negative_weights="absolute")
    again = ReplacedObject(**json.loads(json.dumps(objective.config())))
    assert again.config() == objective.config()
    defaults = {"rotate": True, "reflect": True, "max_beta": 0.3, "roll": False}
    assert ReplacedObject().config()["augment"] == defaults


def test_augmentation_is_for_training_only():
    objective, batch = ReplacedObject(), random_events((5,) * 8)
    generator = torch.Generator().manual_seed(0)
    assert objective.augmented(batch, generator, training=False) is batch
    assert int((objective.augmented(batch, generator, training=True).p4 != batch.p4).any(dim=1).sum()) == 40


def test_pretrains_without_labels_and_its_backbone_is_finetuned(tmp_path, nanoaod, other_nanoaod):
    processes = {"background": nanoaod, "signal": other_nanoaod}
    train = EventDataset(tmp_path / "cache", "simulated_events", processes)
    backbone = EventTransformer.kishimoto(hidden_channels=16, num_layers=1, feed_forward=32)
    settings = TrainingSettings(epochs=1, batch_size=64, progress=False, checkpoints=False, tensorboard=False)
    first = pretrain(EventModel(backbone, ReplacedObject()), train, train, output=tmp_path / "a", settings=settings)
    assert {"val_loss", "val_accuracy"} <= set(first.history[0])
    second = finetune(tmp_path / "a" / "model", Classification(2), train, train, output=tmp_path / "b",
                      settings=settings)  # fmt: skip
    assert second.model.load_report.skipped
    loaded = EventModel.from_pretrained(tmp_path / "a" / "model")
    assert isinstance(loaded.objective, ReplacedObject)


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="none_probability"):
        ReplacedObject(none_probability=-0.1)
    with pytest.raises(ConfigError, match="max_beta"):
        ReplacedObject(augment={"max_beta": 1.0})
