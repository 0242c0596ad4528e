import json
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import MaskedObjects
from pyg_hep.objectives.masked_objects import B_JET
from pyg_hep.schema import ObjectType
from pyg_hep.testing.events import random_events
from pyg_hep.training import EventModel, TrainingSettings, pretrain
from pyg_hep.transforms import NodeFeatures
from pyg_hep.transforms.node_features import KIND_COLUMNS, PRESETS


def setup(columns="abasov", **kwargs):
    torch.manual_seed(0)
    objective = MaskedObjects(columns, **kwargs)
    objective.heads(SimpleNamespace(out_channels=8))
    batch = random_events((5, 3, 8))
    batch.weight = torch.tensor([1.0, 2.0, 0.5])
    representation = SimpleNamespace(nodes=torch.randn(16, 8), graph=None)
    return objective, representation, objective.corrupt(batch)


def test_loss_counts_what_is_hidden_with_the_weight_of_its_event():
    objective, representation, task = setup(["pt", "eta", "is_jet"], probability=0.5)
    objective.mean.copy_(torch.tensor([50.0, 0.0]))
    objective.scale.copy_(torch.tensor([20.0, 1.5]))
    terms = objective.loss(representation, task)
    outputs = objective(representation)
    square = entropy = square_weight = entropy_weight = 0.0
    for i in range(16):
        w = float(task.weight[task.batch[i]])
        truth = ((task.p4[i, 0] - 50) / 20, task.p4[i, 1] / 1.5)
        for k in range(2):
            if task.masked[i, k]:
                square += w * float(outputs["kinematics"][i, k] - truth[k]) ** 2
                square_weight += w
        if task.masked[i, 2]:
            kind = B_JET if task.kind[i] == ObjectType.JET and task.btag[i] > 0 else int(task.kind[i])
            entropy += w * float(F.cross_entropy(outputs["kind"][i], torch.tensor(kind)))
            entropy_weight += w
    assert float(terms["squared_error"]) == pytest.approx(square / square_weight, rel=1e-5)
    assert float(terms["cross_entropy"]) == pytest.approx(entropy / entropy_weight, rel=1e-5)
    figures = objective.metrics(outputs, objective.targets(task))
    total = sum(
        float((task.masked[:, k] * task.weight[task.batch]).sum()) * figures[f"rmse_{name}"] ** 2
        for k, name in enumerate(("pt", "eta"))
    )
    assert total == pytest.approx(square, rel=1e-5)
    assert 0 <= figures["kind_accuracy"] <= 1


def test_phi_is_compared_around_the_circle():
    objective, _, _ = setup(["phi"])
    objective.scale[0] = 1.8
    outputs = {"kinematics": torch.tensor([[3.1 / 1.8]])}
    found = objective.errors(outputs, torch.tensor([[-3.1]]))
    assert float(found) == pytest.approx((6.2 - 2 * math.pi) / 1.8, rel=1e-5)


def test_kinds_alone_can_be_hidden():
    # The earlier pretraining of Kishimoto et al.: what is the type of this object, given all of its momentum?
    kinds = [name for name in PRESETS["kishimoto"] if name in KIND_COLUMNS]
    objective, representation, task = setup("kishimoto", probability=0.5, hide=kinds)
    places = [PRESETS["kishimoto"].index(name) for name in kinds]
    others = [k for k in range(11) if k not in places]
    assert 0 < int(task.masked[:, places].any(dim=1).sum()) < 16
    assert not task.masked[:, others].any()
    seen = NodeFeatures("kishimoto")(task)
    assert torch.equal(seen.x[:, others], NodeFeatures("kishimoto").raw(task)[:, others])
    assert torch.equal(seen.p4, task.p4)
    assert set(objective(representation)) == {"kind"}
    assert set(objective.loss(representation, task)) == {"cross_entropy"}
    assert set(objective.metrics(objective(representation), objective.targets(task))) == {"kind_accuracy"}


def test_nothing_hidden_costs_nothing():
    objective, representation, task = setup(probability=0.0)
    assert all(float(value) == 0.0 for value in objective.loss(representation, task).values())
    assert objective.metrics(objective(representation), objective.targets(task)) == {}


def test_learns_from_files_and_is_made_again(tmp_path, nanoaod):
    train = EventDataset(tmp_path / "cache", "simulated_events", nanoaod)
    model = EventModel(EventTransformer.abasov(20, 5), MaskedObjects(whole=False))
    settings = TrainingSettings(epochs=3, batch_size=64, progress=False, checkpoints=False, tensorboard=False)
    result = pretrain(model, train, train, output=tmp_path / "run", settings=settings)
    assert result.history[-1]["val_loss"] < result.history[0]["train_loss"]
    assert {"val_rmse_pt", "val_kind_accuracy", "val_squared_error"} <= set(result.history[-1])
    again = EventModel.from_pretrained(tmp_path / "run" / "model")
    assert torch.equal(again.objective.mean, model.objective.mean)
    assert float(again.objective.scale[0]) > 5.0  # pt in GeV
    arguments = json.loads(json.dumps(model.objective.config()))
    assert MaskedObjects(**arguments).config() == model.objective.config()


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="cannot hide 'is_jett'.*did you mean 'is_jet'"):
        MaskedObjects(["pt", "is_jet"], hide=["is_jett"])
    with pytest.raises(ConfigError, match="hide names no column"):
        MaskedObjects(hide=[])
    with pytest.raises(ConfigError, match="probability"):
        MaskedObjects(probability=1.5)
