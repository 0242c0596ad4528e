import sys

import pytest
import torch
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.training import Optimisation


class Layers(nn.Module):
    """A backbone with stages of its own: an encoder, three layers, a decoder, and a token that belongs to none."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(2, 2)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)) for _ in range(3))
        self.decoder = nn.Linear(2, 2)
        self.token = nn.Parameter(torch.zeros(2))

    def stages(self):
        layers = {f"layers.{k}": [layer] for k, layer in enumerate(self.layers)}
        return {"encoder": [self.encoder], **layers, "decoder": [self.decoder]}


@pytest.fixture
def parts():
    return Layers(), nn.Linear(2, 2)


def rates(groups):
    return {g["name"]: g["lr"] for g in groups}


def test_published_fine_tuning_has_two_rates_and_reaches_every_parameter(parts):
    # Ho et al., arXiv:2412.10665, section III D: 1e-4 for the new layer, 1e-5 for the pretrained ones.
    groups = Optimisation(backbone_learning_rate=1e-5).parameter_groups(*parts)
    found = rates(groups)
    assert found.pop("heads") == 1e-4
    assert set(found.values()) == {1e-5}
    inside = {id(p) for g in groups for p in g["params"]}
    assert inside == {id(p) for module in parts for p in module.parameters()}
    assert sum(len(g["params"]) for g in groups) == len(inside)


def test_a_backbone_rate_of_zero_moves_nothing_of_the_backbone(parts):
    optimisation = Optimisation(learning_rate=0.1, backbone_learning_rate=0.0, schedule="constant", optimiser="adamw")
    groups = optimisation.parameter_groups(*parts)
    found = rates(groups)
    assert found.pop("heads") == 0.1
    assert len(found) == 6
    assert set(found.values()) == {0.0}
    before = [p.detach().clone() for p in parts[0].parameters()]
    optimiser, _ = optimisation.make(*parts, 1, 1)
    for module in parts:
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(before, parts[0].parameters(), strict=True))


def test_layer_decay_gives_every_layer_its_rate_counted_from_the_output(parts):
    found = rates(Optimisation(learning_rate=1.0, layer_decay=0.5).parameter_groups(*parts))
    assert found == {
        "heads": 1.0,
        "backbone.decoder": 1.0,
        "backbone.layers.2": 0.5,
        "backbone.layers.1": 0.25,
        "backbone.layers.0": 0.125,
        "backbone.encoder": 0.0625,
        "backbone": 0.0625,
    }


def test_a_backbone_without_stages_has_those_of_its_child_modules():
    backbone = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    found = rates(Optimisation(learning_rate=1.0, layer_decay=0.5).parameter_groups(backbone, nn.Linear(2, 2)))
    assert found == {"heads": 1.0, "backbone.1": 1.0, "backbone.0": 0.5}


@pytest.mark.parametrize(
    ("frozen", "left"),
    [
        (("encoder",), {"decoder", "layers.2", "layers.1", "layers.0", ""}),
        (("layers.*",), {"decoder", "encoder", ""}),
        (("layers.[01]", "encoder"), {"decoder", "layers.2", ""}),
        (("layers.1.0",), {"decoder", "layers.2", "layers.0", "encoder", ""}),
        (("backbone",), set()),
    ],
)
def test_frozen_parts_get_no_group_and_no_gradient(parts, frozen, left):
    backbone, objective = parts
    groups = Optimisation(frozen=frozen).parameter_groups(backbone, objective)
    expected = {f"backbone.{name}" if name else "backbone" for name in left} | {"heads"}
    assert set(rates(groups)) == expected
    learned = {id(p) for g in groups for p in g["params"]}
    for parameter in backbone.parameters():
        assert parameter.requires_grad == (id(parameter) in learned)
    again = Optimisation().parameter_groups(backbone, objective)
    assert len(rates(again)) == 7
    assert all(p.requires_grad for p in backbone.parameters())


def test_unknown_part_names_the_nearest(parts):
    for name, near in (("encoderx", "encoder"), ("layer.1", "layers.1"), ("backbon", "backbone")):
        with pytest.raises(ConfigError, match=f"Layers has no part '{name}' to freeze: did you mean '{near}'"):
            Optimisation(frozen=(name,)).parameter_groups(*parts)


def test_nothing_left_to_train_is_one_sentence(parts):
    with pytest.raises(ConfigError, match="nothing is left to train: backbone are frozen"):
        Optimisation(frozen=("backbone",)).parameter_groups(parts[0], nn.Identity())


def learning_rates(epochs, steps, **options):
    backbone, objective = nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2)
    optimiser, rules = Optimisation(**options).make(backbone, objective, epochs, steps)
    assert [rule["interval"] for rule in rules] == ["step"]
    values = []
    for _ in range(epochs * steps):
        values.append(optimiser.param_groups[-1]["lr"])
        optimiser.step()
        rules[0]["scheduler"].step()
    return values


def test_published_schedule_falls_by_one_percent_per_epoch():
    # Ho et al., arXiv:2412.10665, section III C 3: LR(x) = 1e-4 * 0.99^x with the epoch x.
    values = learning_rates(3, 4)
    assert values == pytest.approx([1e-4] * 4 + [0.99e-4] * 4 + [0.99**2 * 1e-4] * 4)


def test_cosine_ends_at_its_floor():
    # Kishimoto et al. (ISGC 2025), section 5: from 0.01 to 0.0001.
    values = learning_rates(50, 4, schedule="cosine", learning_rate=0.01, floor=0.01)
    assert values[0] == 0.01
    assert 1e-4 < values[-1] < 1.1e-4


def test_a_schedule_begins_at_the_full_rate_after_the_warm_up():
    for schedule, halfway in (("cosine", 0.5), ("linear", 0.5), ("constant", 1.0), ("exponential", 0.5**2)):
        values = learning_rates(8, 5, schedule=schedule, learning_rate=1.0, warmup_epochs=4, decay=0.5)
        assert values[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
        assert values[20] == 1.0, schedule
        assert values[30] == pytest.approx(halfway), schedule
        assert values[20:] == sorted(values[20:], reverse=True)


def test_a_warm_up_in_steps_is_that_in_epochs():
    values = learning_rates(8, 5, schedule="linear", learning_rate=1.0, warmup_steps=20)
    assert values == learning_rates(8, 5, schedule="linear", learning_rate=1.0, warmup_epochs=4)
    assert learning_rates(1, 4, schedule="linear", learning_rate=1.0, warmup_steps=9)[-1] == pytest.approx(0.4)
    with pytest.raises(ConfigError, match="warmup_steps"):
        Optimisation(warmup_epochs=1, warmup_steps=10)
    with pytest.raises(ConfigError, match="warmup_steps must not be negative"):
        Optimisation(warmup_steps=-1)


def test_linear_goes_to_its_floor():
    values = learning_rates(4, 25, schedule="linear", learning_rate=2.0, floor=0.5)
    assert values == pytest.approx([2.0 - step / 100 for step in range(100)])


def test_plateau_lowers_the_rate_only_when_the_loss_stands_still():
    # Abasov et al., level 1: reduced on a plateau.
    options = Optimisation(schedule="plateau", learning_rate=1.0, decay=0.5, plateau_patience=1, floor=0.2)
    optimiser, rules = options.make(nn.Linear(2, 2), nn.Linear(2, 2), 10, 1)
    assert [(rule["interval"], rule["monitor"]) for rule in rules] == [("epoch", "val_loss")]
    found = []
    for loss in [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]:
        rules[0]["scheduler"].step(loss)
        found.append(optimiser.param_groups[-1]["lr"])
    assert found == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_a_plateau_comes_after_its_warm_up():
    options = Optimisation(schedule="plateau", learning_rate=1.0, decay=0.5, plateau_patience=0, warmup_epochs=1)
    optimiser, (plateau, rising) = options.make(nn.Linear(2, 2), nn.Linear(2, 2), 4, 4)
    found = []
    for loss in (3.0, 2.0, 2.0, 1.0):
        for _ in range(4):
            found.append(optimiser.param_groups[-1]["lr"])
            optimiser.step()
            rising["scheduler"].step()
        plateau["scheduler"].step(loss)
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1.0] * 8 + [0.5] * 4)


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "lion"])
def test_every_optimiser_takes_a_step(parts, kind):
    if kind == "lion":
        pytest.importorskip("pytorch_optimizer")
    optimiser, _ = Optimisation(optimiser=kind).make(*parts, 1, 1)
    weight = parts[1].weight
    before = weight.detach().clone()
    weight.grad = torch.full_like(weight, 3.0)
    optimiser.step()
    assert not torch.equal(before, weight)
    if kind == "lion":  # Chen et al., arXiv:2302.06675: the sign of the momentum, whatever its size
        torch.testing.assert_close(before - weight.detach(), torch.full_like(weight, 1e-4), rtol=1e-3, atol=0)


def test_lion_without_its_package_is_one_sentence(parts, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(ConfigError, match=r"needs the package pytorch-optimizer: pip install 'pyg_hep\[lion\]'"):
        Optimisation(optimiser="lion").make(*parts, 1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimiser": "adan"}, "did you mean 'adam"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"backbone_learning_rate": -1.0}, "backbone_learning_rate must not be negative"),
        ({"layer_decay": 0.0}, "layer_decay must be a fraction"),
        ({"floor": 1.0}, "floor"),
        ({"schedule": "plateau", "decay": 1.0}, "decay=1.0"),
    ],
)
def test_wrong_option_is_one_sentence(options, message):
    with pytest.raises(ConfigError, match=message):
        Optimisation(**options)
