import pytest
import torch
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.training import Optimisation


@pytest.fixture
def parts():
    backbone = GraphNetwork.ho()
    objective = Classification(2)
    objective.heads(backbone)
    return backbone, objective


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


def test_frozen_parts_get_no_group_and_no_gradient(parts):
    backbone, objective = parts
    names = list(dict(backbone.named_children()))
    groups = Optimisation(frozen=(names[0],)).parameter_groups(backbone, objective)
    assert f"backbone.{names[0]}" not in rates(groups)
    assert not any(p.requires_grad for p in getattr(backbone, names[0]).parameters())
    everything = Optimisation(frozen=("backbone",)).parameter_groups(backbone, objective)
    assert list(rates(everything)) == ["heads"]
    assert not any(p.requires_grad for p in backbone.parameters())


def test_unknown_part_names_the_nearest(parts):
    name = next(iter(dict(parts[0].named_children())))
    with pytest.raises(ConfigError, match=f"did you mean '{name}'"):
        Optimisation(frozen=(name + "x",)).parameter_groups(*parts)


def test_layer_decay_falls_from_the_output_to_the_input(parts):
    groups = Optimisation(learning_rate=1.0, layer_decay=0.5).parameter_groups(*parts)
    values = [g["lr"] for g in groups if g["name"].startswith("backbone.")]
    assert values[0] == 1.0
    assert all(b == pytest.approx(0.5**k) for k, b in enumerate(values))


def learning_rates(epochs, steps, **options):
    backbone, objective = nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2)
    optimiser, schedule = Optimisation(**options).make(backbone, objective, epochs, steps)
    values = []
    for _ in range(epochs * steps):
        values.append(optimiser.param_groups[-1]["lr"])
        optimiser.step()
        schedule.step()
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


def test_plateau_lowers_the_rate_only_when_the_loss_stands_still():
    # Abasov et al., level 1: reduced on a plateau.
    options = Optimisation(schedule="plateau", learning_rate=1.0, decay=0.5, plateau_patience=1, floor=0.2)
    optimiser, schedule = options.make(nn.Linear(2, 2), nn.Linear(2, 2), 10, 1)
    found = []
    for loss in [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]:
        schedule.step(loss)
        found.append(optimiser.param_groups[-1]["lr"])
    assert found == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"floor": 1.0}, "floor"),
        ({"schedule": "plateau", "decay": 1.0}, "decay=1.0"),
        ({"schedule": "plateau", "decay": 0.5, "warmup_epochs": 1}, "warmup_epochs=1"),
    ],
)
def test_impossible_schedules_are_named(options, named):
    with pytest.raises(ConfigError, match=named):
        Optimisation(**options)


def test_cosine_constant_and_warm_up():
    cosine = learning_rates(10, 2, schedule="cosine", learning_rate=1.0)
    assert cosine[0] == 1.0
    assert cosine[10] == pytest.approx(0.5)
    assert cosine[-1] < 0.03
    assert set(learning_rates(3, 2, schedule="constant", learning_rate=1.0)) == {1.0}
    warm = learning_rates(4, 5, schedule="constant", learning_rate=1.0, warmup_epochs=2)
    assert warm[:10] == sorted(warm[:10])
    assert warm[0] < 0.2
    assert set(warm[10:]) == {1.0}


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_every_optimiser_takes_a_step(parts, kind):
    optimiser, _ = Optimisation(optimiser=kind).make(*parts, 1, 1)
    weight = parts[1].head["logits"].weight
    before = weight.detach().clone()
    weight.grad = torch.ones_like(weight)
    optimiser.step()
    assert not torch.equal(before, weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimiser": "adan"}, "did you mean 'adam"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
    ],
)
def test_wrong_option_is_one_sentence(options, message):
    with pytest.raises(ConfigError, match=message):
        Optimisation(**options)
