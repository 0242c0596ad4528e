import json
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.inputs.columns import KIND_COLUMNS
from pyg_hep.inputs.presets import PRESETS
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import MaskedObjects
from pyg_hep.objectives.masked_objects import B_JET
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.events import random_events
from pyg_hep.training import EventModel, TrainingSettings, pretrain


class TestContract(ObjectiveTests):
    random, predicts = True, False

    @classmethod
    def build(cls):
        return MaskedObjects(augment={"rotate": True})


def setup(columns="abasov", constants=None, **kwargs):
    torch.manual_seed(0)
    objective = MaskedObjects(columns, **kwargs)
    view = View(columns, constants=constants)
    model = EventModel(EventTransformer(len(view.columns), hidden_channels=8, num_layers=1, heads=2), objective, view)
    batch = random_events((5, 3, 8))
    batch.weight = torch.tensor([1.0, 2.0, 0.5])
    return objective, model, batch


def step(objective, model, batch, seed=1):
    return objective.step(batch, model, torch.Generator().manual_seed(seed), training=False)


def figures_of(objective, made):
    (meter,) = objective.meters()
    meter.update(made.outputs, made.targets)
    return meter.compute()


def test_loss_counts_what_is_hidden_with_the_weight_of_its_event():
    constants = [(50.0, 20.0), (0.0, 1.5), (0.0, 1.0)]
    objective, model, batch = setup(["pt", "eta", "is_jet"], constants, probability=0.5)
    made = step(objective, model, batch)
    hidden = objective.mask.hidden(batch, torch.Generator().manual_seed(1))
    with torch.no_grad():
        outputs = objective(model.represent(batch, hidden))
    square = entropy = square_weight = entropy_weight = 0.0
    for i in range(16):
        w = float(batch.weight[batch.batch[i]])
        truth = ((batch.p4[i, 0] - 50) / 20, batch.p4[i, 1] / 1.5)
        for k, name in enumerate(("pt", "eta")):
            if hidden[name][i]:
                square += w * float(outputs["kinematics"][i, k] - truth[k]) ** 2
                square_weight += w
        if hidden["is_jet"][i]:
            kind = B_JET if batch.kind[i] == ObjectType.JET and batch.btag[i] > 0 else int(batch.kind[i])
            entropy += w * float(F.cross_entropy(outputs["kind"][i], torch.tensor(kind)))
            entropy_weight += w
    assert [float(v.detach()) for v in made.losses["squared_error"]] == pytest.approx([square, square_weight], rel=1e-5)
    assert [float(v.detach()) for v in made.losses["cross_entropy"]] == pytest.approx(
        [entropy, entropy_weight], rel=1e-5
    )
    figures = figures_of(objective, made)
    total = sum(
        float((hidden[name] * batch.weight[batch.batch]).sum()) * figures[f"rmse_{name}"] ** 2 for name in ("pt", "eta")
    )
    assert total == pytest.approx(square, rel=1e-5)
    assert 0 <= figures["kind_accuracy"] <= 1


def test_constants_are_those_of_the_view():
    objective, model, batch = setup(["pt"], [(50.0, 20.0)], probability=1.0)
    before = step(objective, model, batch).losses["squared_error"].numerator.detach()
    model.view.scale.fill_(40.0)
    after = step(objective, model, batch).losses["squared_error"].numerator.detach()
    assert float(after) < float(before)
    assert not [name for name in objective.state_dict() if "mean" in name or "scale" in name]


def test_phi_is_compared_around_the_circle():
    objective, _, _ = setup(["phi"])
    view = SimpleNamespace(scale=torch.tensor([1.8]))
    error = objective.errors(torch.tensor([[3.1 / 1.8]]), torch.tensor([[-3.1 / 1.8]]), view)
    assert float(error) == pytest.approx((6.2 - 2 * math.pi) / 1.8, rel=1e-5)


def test_kinds_alone_can_be_hidden():
    # The earlier pretraining of Kishimoto et al.: what is the type of this object, given all of its momentum?
    kinds = [name for name in PRESETS["kishimoto"].columns if name in KIND_COLUMNS]
    objective, model, batch = setup("kishimoto", probability=0.5, hide=kinds)
    hidden = objective.mask.hidden(batch, torch.Generator().manual_seed(1))
    assert 0 < int(hidden[kinds[0]].sum()) < 16
    assert not any(bool(flags.any()) for name, flags in hidden.items() if name not in kinds)
    seen, plain = model.view(batch, hidden), model.view(batch)
    others = [k for k, name in enumerate(model.view.columns) if name not in kinds]
    assert torch.equal(seen.x[:, others], plain.x[:, others])
    assert torch.equal(seen.p4, batch.p4)
    made = step(objective, model, batch)
    assert set(made.losses) == {"cross_entropy"}
    assert set(figures_of(objective, made)) == {"kind_accuracy"}


def test_nothing_hidden_costs_nothing():
    objective, model, batch = setup(probability=0.0)
    made = step(objective, model, batch)
    assert all(float(part.detach()) == 0.0 for loss in made.losses.values() for part in loss)
    assert figures_of(objective, made) == {}


def test_no_hidden_value_reaches_a_prediction():
    # The gradient of every output with respect to a hidden momentum is exactly zero, the others' is not.
    objective, model, batch = setup("abasov", probability=0.5, whole=True)
    hidden = objective.mask.hidden(batch, torch.Generator().manual_seed(2))
    batch.p4.requires_grad_()
    outputs = objective(model.represent(batch, hidden))
    sum(values.square().sum() for values in outputs.values()).backward()
    gone = hidden["pt"]
    assert 0 < int(gone.sum()) < 16
    assert not batch.p4.grad[gone].any()
    assert batch.p4.grad[~gone].abs().sum(dim=1).all()


def test_generated_objects_are_predicted_in_their_units():
    objective, model, batch = setup("abasov_truth", generated=True)
    batch.level[::2] = int(Level.GEN)
    batch.pdg_id = torch.full((16,), 24)
    columns = objective.predict(batch, model, None)
    assert set(columns) == {"pt", "eta", "phi", "px", "py", "pz", "energy", "charge"}
    before = columns["pt"].values.detach().clone()
    model.view.mean[0] += 7.0
    batch.p4[::2] = 1.0  # the truth is not read
    with torch.no_grad():
        model.view.mean[0] -= 7.0
        torch.testing.assert_close(objective.predict(batch, model, None)["pt"].values, before)


def test_learns_from_files_and_is_made_again(tmp_path, nanoaod):
    train = EventDataset(tmp_path / "cache", "simulated_events", nanoaod)
    model = EventModel(EventTransformer.abasov(20, 5), MaskedObjects(whole=False))
    settings = TrainingSettings(epochs=3, batch_size=64, progress=False, checkpoints=False, tensorboard=False)
    result = pretrain(model, train, train, output=tmp_path / "run", settings=settings)
    assert result.history[-1]["val_loss"] < result.history[0]["train_loss"]
    assert {"val_rmse_pt", "val_kind_accuracy", "val_squared_error"} <= set(result.history[-1])
    again = EventModel.from_pretrained(tmp_path / "run" / "model")
    assert torch.equal(again.view.mean, model.view.mean)
    assert float(again.view.scale[0]) > 5.0  # pt in GeV
    arguments = json.loads(json.dumps(model.objective.config()))
    assert MaskedObjects(**arguments).config() == model.objective.config()


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="cannot hide 'is_jett'.*did you mean 'is_jet'"):
        MaskedObjects(["pt", "is_jet"], hide=["is_jett"])
    with pytest.raises(ConfigError, match="hide names no column"):
        MaskedObjects("abasov", hide=[])
    with pytest.raises(ConfigError, match="probability"):
        MaskedObjects("abasov", probability=1.5)
    with pytest.raises(ConfigError, match="give it those of the view"):
        EventModel(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2), MaskedObjects("abasov"), View.ho())
