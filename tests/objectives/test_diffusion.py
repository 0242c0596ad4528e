"""The least loss for normal data is known in closed form: s for the velocity, s pi/2 for the flow."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.nn import Backbone, PointEdgeTransformer, Representation
from pyg_hep.objectives import Diffusion
from pyg_hep.objectives.joint import OMNILEARN_COLUMNS
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.events import random_events
from pyg_hep.testing.jets import random_jets
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, finetune, predict, pretrain

QUICK = TrainingSettings(epochs=1, batch_size=32, progress=False, checkpoints=False, tensorboard=False)


class TestContract(ObjectiveTests):
    random = True

    @classmethod
    def build(cls):
        return Diffusion(2, calls=2, augment={"rotate": True})


class TestFlowOfSomeColumns(ObjectiveTests):
    random = True

    @classmethod
    def build(cls):
        return Diffusion(columns=["pt", "eta", "phi", "energy"], parametrisation="flow", calls=2, layer_scale=None)


class Seen(Backbone):
    """The input itself as representation."""

    takes_time = True

    def __init__(self, in_channels=3, event_channels=0, id_channels=()):
        super().__init__()
        self.in_channels = self.out_channels = in_channels
        self.event_channels, self.id_channels = event_channels, id_channels

    def stages(self):
        return {}

    def forward(self, input):
        layout = self.layout(input)
        self.input = input
        return Representation(input.x, layout.pool(input.x, "mean"), layout)


class Ideal(nn.Module):
    """What a perfect network gives for particles whose standardised columns are N(mean, width^2) each."""

    def __init__(self, process, mean, width):
        super().__init__()
        self.process, self.mean, self.width = process, mean, width

    def forward(self, representation, time, u=None, label=None):
        z, layout = representation.nodes, representation.layout
        t = layout.spread(time.unsqueeze(1))
        alpha, sigma = self.process.schedule.alpha(t), self.process.schedule.sigma(t)
        far = (z - alpha * self.mean) / ((alpha * self.width) ** 2 + sigma**2)
        return self.process.target(self.mean + alpha * self.width**2 * far, sigma * far, t)


def ideal(objective, mean=0.3, width=0.5, jets=2_000, particles=10):
    """A perfect model, and the normal jets that it is perfect for."""
    view = View(["log_pt", "eta", "phi"], constants=[(2.0, 1.0), (0.0, 1.0), (0.0, 0.5)])
    model = EventModel(Seen(), objective, view)
    objective.heads["generation"] = Ideal(objective.process, mean, width)
    generator = torch.Generator().manual_seed(5)
    x = view.physical(mean + width * torch.randn(jets * particles, 3, generator=generator))
    p4 = torch.stack([x[:, 0].exp(), x[:, 1], x[:, 2], torch.zeros(len(x))], dim=1)
    return model.eval(), EventDataset.from_columns({"p4": p4}, [particles] * jets)


def setup(columns=OMNILEARN_COLUMNS, counts=(6, 1, 9, 4), **kwargs):
    torch.manual_seed(0)
    sizes = {"hidden_channels": 16, "num_layers": 1, "heads": 2, "neighbours": 3, "layer_scale": 0.5}
    objective = Diffusion(2, columns, **{"layer_scale": 0.5, "calls": 4, **kwargs})
    model = EventModel(PointEdgeTransformer.omnilearn(**sizes), objective)
    return model.eval(), next(iter(EventLoader(random_jets(counts=counts), len(counts))))


def step(model, batch, training=False, seed=1):
    return model.objective.step(batch, model, torch.Generator().manual_seed(seed), training)


def loss_of(model, batch, **kwargs):
    loss = step(model, batch, **kwargs).losses["squared_error"]
    return (loss.numerator / loss.denominator).item()


@pytest.mark.parametrize(
    ("arguments", "factor"),
    # The residual of an ideal network at t is s^2 / (alpha^2 s^2 + sigma^2); its mean over t is s on the quarter
    # turn (but for 9e-5 at its ends), s pi/2 on the straight line.
    [({"parametrisation": "velocity"}, 1.0), ({"parametrisation": "flow"}, math.pi / 2)],
)
@pytest.mark.parametrize("width", [0.5, 1.0])
def test_the_least_loss_of_normal_particles_is_that_of_the_closed_form(arguments, factor, width):
    model, jets = ideal(Diffusion(**arguments, attention_heads=1), width=width)
    batch = next(iter(EventLoader(jets, len(jets))))
    expected = factor * width
    losses = torch.tensor([loss_of(model, batch, seed=seed) for seed in range(4)])
    # Spread of a jet's mean loss over t: at most 0.4; of a particle's given t: the square root of 2/3 of the loss.
    error = math.sqrt(0.4**2 / len(jets) + 2.0 / 3.0 * 2.0 * expected**2 / jets.num_nodes)
    assert abs(float(losses.mean()) - expected) < 4.0 * error / math.sqrt(len(losses))
    model.objective.heads["generation"].width = 0.9 * width  # a worse network loses more
    assert sum(loss_of(model, batch, seed=seed) for seed in range(4)) > 4.0 * float(losses.mean())


@pytest.mark.parametrize("name", ["velocity", "flow", "noise"])
def test_of_data_that_are_one_point_a_perfect_network_loses_nothing(name):
    model, jets = ideal(Diffusion(parametrisation=name, attention_heads=1), width=0.0, jets=50)
    assert loss_of(model, next(iter(EventLoader(jets, 50)))) < 1e-6


def test_the_loss_is_the_weighted_mean_over_particles_by_hand():
    model, batch = setup()
    batch.weight = torch.tensor([1.0, 2.0, 0.5, -1.0])
    made = model.objective.noised(batch, model, torch.Generator().manual_seed(1), False)
    view, process = model.view, model.objective.process
    generator = torch.Generator().manual_seed(1)
    time, noise = torch.rand(4, generator=generator), torch.randn(20, 3, generator=generator)
    assert torch.equal(made.time, time)
    numerator = denominator = 0.0
    for i in range(20):
        angle = float(time[batch.batch[i]]) * (math.atan(math.exp(10)) - math.atan(math.exp(-10)))
        alpha, sigma = math.cos(angle + math.exp(-10)), math.sin(angle + math.exp(-10))
        x = view(batch).x[i, :3]
        square = (alpha * noise[i] - sigma * x - made.output[i]) ** 2
        w = float(batch.weight[batch.batch[i]])
        numerator, denominator = numerator + w * square.sum().item() / 3.0, denominator + abs(w)
    loss = step(model, batch).losses["squared_error"]
    assert [float(part.detach()) for part in loss] == pytest.approx([numerator, denominator], rel=1e-5)
    alpha = process.schedule.alpha(time)
    torch.testing.assert_close(made.signal, alpha**2)


def test_nothing_but_the_noised_columns_and_the_jet_is_seen():
    """Other columns and ids are hidden, geometry is that of the noised four-vectors."""
    torch.manual_seed(0)
    view = View.omnilearn(ids={"kind": 12, "hidden": 2})
    backbone = Seen(*view.channels)
    model = EventModel(backbone, Diffusion(0, OMNILEARN_COLUMNS, attention_heads=1), view)
    batch = next(iter(EventLoader(random_jets(counts=(6, 1, 9)), 3)))
    clean = view(batch)
    step(model, batch)
    seen = backbone.input
    assert not seen.x[:, 3:].any()
    assert torch.equal(seen.ids, torch.tensor([[12, 1]]).expand(16, 2))
    assert torch.equal(seen.u, clean.u)
    generator = torch.Generator().manual_seed(1)
    time, noise = torch.rand(3, generator=generator), torch.randn(16, 3, generator=generator)
    z = model.objective.process.noised(clean.x[:, :3], noise, time[batch.batch])
    torch.testing.assert_close(seen.x[:, :3], z)
    total_pt, total_eta = (view.event_values(batch)[batch.batch, k] for k in (0, 1))
    pt = total_pt * (1.0 - (z[:, 2] * 0.070 - 0.0278).exp()).clamp(min=0.0)
    torch.testing.assert_close(seen.p4[:, 0], pt, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(seen.p4[:, 1], total_eta + 0.215 * total_eta.sign() * z[:, 0])
    torch.testing.assert_close(seen.p4[:, 2], 0.215 * z[:, 1])
    assert torch.equal(seen.p4[:, 3], torch.zeros(16))
    negative = model.objective.diffused.negative(view, z)
    assert torch.equal(negative, pt == 0)
    assert 0 < int(negative.sum()) < 16


def test_validation_hides_no_label_and_training_hides_a_share():
    model, batch = setup(label_dropout=0.5, counts=(2,) * 200)
    seen = []
    model.objective.heads["generation"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[3]))
    step(model, batch)
    step(model, batch, training=True)
    assert torch.equal(seen[0], batch.y)
    hidden = seen[1] == -1
    assert torch.equal(seen[1][~hidden], batch.y[~hidden])
    assert abs(int(hidden.sum()) - 100) < 4 * math.sqrt(50)


def test_noise_of_validation_is_the_same_in_every_epoch_and_changes_in_training(tmp_path):
    model, batch = setup()
    first = model.generator(3, training=False)
    assert torch.equal(torch.rand(4, generator=first), torch.rand(4, generator=model.generator(3, training=False)))
    one, two = (model.objective.step(batch, model, model.generator(3, False), False) for _ in range(2))
    other = model.objective.step(batch, model, model.generator(4, False), False)
    assert torch.equal(one.losses["squared_error"].numerator, two.losses["squared_error"].numerator)
    assert not torch.equal(one.losses["squared_error"].numerator, other.losses["squared_error"].numerator)


def outputs(model, batch, z, time, label):
    made = model.objective.diffused.noised(model.view, model.view(batch), z, time)
    return model.objective.denoise(model, made, label)


def test_the_order_of_particles_and_other_jets_do_not_matter():
    model, batch = setup(counts=(6, 1, 9, 300))
    model.double()
    z = torch.randn(316, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    time = torch.tensor([0.0, 0.2, 0.5, 1.0], dtype=torch.float64)
    out = outputs(model, batch, z, time, batch.y)
    assert bool(out.isfinite().all())
    start = 0
    for number, jet in enumerate(batch.to_data_list()):
        n = jet.num_nodes
        order = torch.randperm(n, generator=torch.Generator().manual_seed(number))
        for name in ("p4", "kind", "charge", "btag", "level"):
            jet[name] = jet[name][order]
        rows = slice(start, start + n)
        alone = outputs(model, Batch.from_data_list([jet]), z[rows][order], time[number : number + 1], jet.y)
        torch.testing.assert_close(alone, out[rows][order], rtol=1e-9, atol=1e-9)
        start += n


def test_every_parameter_in_use_gets_a_gradient():
    model, batch = setup()
    loss = step(model, batch, training=True).losses["squared_error"]
    (loss.numerator / loss.denominator).backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    # The class node pools events, which generation does not ask for.
    assert all(name.startswith("backbone.class_pooling.") for name in unused), unused


def test_predicts_as_many_particles_in_each_jet_as_there_are(tmp_path):
    jets = random_jets(counts=(3, 1, 300))
    model, _ = setup()
    one, two = predict(model, jets, batch_size=3), predict(model, jets, batch_size=3)
    assert set(one.node_columns) == {"pt", "eta", "phi", "mass"}
    assert one.offsets.tolist() == [0, 3, 4, 304]
    assert all((one.node_columns[name] == two.node_columns[name]).all() for name in one.node_columns)
    assert one.node_columns["pt"].min() >= 0
    assert abs(one.node_columns["phi"]).max() <= math.pi


def test_learns_where_particles_are_and_is_loaded_again(tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_channels": 16, "num_layers": 1, "heads": 2, "neighbours": 3, "layer_scale": 0.5}
    model = EventModel(
        PointEdgeTransformer.omnilearn(**sizes),
        Diffusion(2, ("outward_d_eta", "d_phi", "log_pt"), layer_scale=0.5),
        optimisation=Optimisation(learning_rate=3e-3),
    )
    val = random_jets(200, seed=1)
    batch = next(iter(EventLoader(val, 200)))
    before = loss_of(model, batch)
    result = pretrain(model, random_jets(600), val, output=tmp_path / "run", settings=replace(QUICK, epochs=2))
    assert loss_of(model, batch) < 0.6 * before
    assert result.history[-1]["val_loss"] < result.history[0]["val_loss"]
    assert {f"val_error_{name}_noise" for name in ("low", "middle", "high")} <= set(result.history[-1])
    again = EventModel.from_pretrained(tmp_path / "run" / "model")
    assert loss_of(again.eval(), batch) == loss_of(model.eval(), batch)
    tuned = finetune(model, Diffusion(2, OMNILEARN_COLUMNS, parametrisation="flow"), random_jets(32),
                     output=tmp_path / "flow", settings=QUICK)  # fmt: skip
    assert tuned.model.objective.parametrisation == "flow"


def test_what_cannot_be():
    for arguments, message in (
        ({"parametrisation": "velocities"}, "did you mean 'velocity'"),
        ({"schedule": "line"}, "did you mean 'linear'"),
        ({"label_dropout": 1.5}, "label_dropout must be a probability, found 1.5"),
        ({"num_classes": -1}, "num_classes must not be negative"),
        ({"parametrisation": "noise", "schedule": "linear"}, "says nothing of the data"),
    ):
        with pytest.raises(ConfigError, match=message):
            Diffusion(**arguments)
    with pytest.raises(ConfigError, match="cannot noise 'd_phis': did you mean 'd_phi'"):
        setup(columns=["d_phis"])
    with pytest.raises(ConfigError, match="the noised columns outward_d_eta, d_phi do not determine a momentum"):
        setup(columns=["outward_d_eta", "d_phi"])
    with pytest.raises(ConfigError, match="different columns to noise"):
        setup(columns=["d_phi", "d_phi"])
    model, batch = setup()
    with pytest.raises(ConfigError, match="one of 2 classes, which 'y' of .* does not hold"):
        model.objective.measure(random_jets(6, num_classes=3))
    with pytest.raises(PygHepError, match="an even number"):
        setup(calls=3)[0].predict(batch)
    broken = random_events((4, 3))
    broken.edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ConfigError, match="made from the unchanged"):
        step(model, broken)
