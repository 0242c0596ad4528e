import math

import pytest
import torch
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.generation import FlowMidpoint, JetGenerator, generate_particles, jet_columns
from pyg_hep.inputs import View
from pyg_hep.kinematics import delta_phi
from pyg_hep.loader import EventLoader
from pyg_hep.nn import Backbone, PointEdgeTransformer, Representation
from pyg_hep.objectives import Classification, Diffusion, Joint
from pyg_hep.schema import ObjectType
from pyg_hep.testing.jets import random_jets
from pyg_hep.training import EventModel

OMNILEARN = ("outward_d_eta", "d_phi", "log_rest_pt")


class Seen(Backbone):
    """The input itself as representation."""

    def __init__(self, in_channels=13, event_channels=4):
        super().__init__()
        self.in_channels = self.out_channels = in_channels
        self.event_channels = event_channels

    def stages(self):
        return {}

    def forward(self, input):
        layout = self.layout(input)
        return Representation(input.x, layout.pool(input.x, "mean"), layout)


class Normal(nn.Module):
    """What a perfect network gives where the noised columns of class y are N(mean[y], width[y]^2) each."""

    def __init__(self, process, columns, mean, width):
        super().__init__()
        self.process, self.columns = process, columns
        self.mean, self.width = torch.tensor(mean), torch.tensor(width)

    def forward(self, representation, time, u=None, label=None):
        z, layout = representation.nodes[:, : self.columns], representation.layout
        label = torch.zeros(len(time), dtype=torch.int64) if label is None else label
        t, mean, width = (layout.spread(v.unsqueeze(1)) for v in (time, self.mean[label], self.width[label]))
        alpha, sigma = self.process.schedule.alpha(t), self.process.schedule.sigma(t)
        far = (z - alpha * mean) / ((alpha * width) ** 2 + sigma**2)
        return self.process.target(mean + alpha * width**2 * far, sigma * far, t)


def ideal(mean=(0.3, -0.5), width=(0.5, 0.2), columns=OMNILEARN, **kwargs):
    model = EventModel(Seen(), Diffusion(2, columns, attention_heads=1, **kwargs), View.omnilearn())
    process = model.objective.process
    model.objective.heads["generation"] = Normal(process, 13 if columns is None else len(columns), mean, width)
    return model.eval()


def small(objective=None):
    torch.manual_seed(0)
    sizes = {"hidden_channels": 16, "num_layers": 1, "heads": 2, "neighbours": 3, "layer_scale": 0.5}
    objective = objective or Joint.omnilearn(2, layer_scale=0.5)
    return EventModel(PointEdgeTransformer.omnilearn(**sizes), objective)


def table(counts, **changes):
    n = len(counts)
    made = {"total_pt": torch.linspace(500, 900, n), "total_eta": torch.linspace(-1, 1, n),
            "total_mass": torch.full((n,), 100.0), "num_nodes": torch.tensor(counts), "y": torch.arange(n) % 2,
            "total_phi": torch.linspace(-3, 3, n)}  # fmt: skip
    return {**made, **changes}


@pytest.mark.parametrize(
    ("arguments", "sampler"),
    [({}, None), ({"parametrisation": "flow"}, FlowMidpoint), ({"parametrisation": "noise"}, None)],
)
def test_normal_particles_are_sampled_exactly(arguments, sampler):
    """The flow of normal data is linear: each particle is its noise, scaled and shifted, in its jet's coordinates."""
    mean, width = (0.3, -0.5), (0.5, 0.2)
    model, jets = ideal(mean, width, **arguments), table([40, 1, 300])
    more = {} if sampler is None else {"sampler": sampler}
    made = generate_particles(model, jets, calls=128, seed=7, **more)
    noise = torch.randn(341, 3, generator=torch.Generator().manual_seed(7))
    of = torch.repeat_interleave(torch.arange(3), jets["num_nodes"])
    y = jets["y"][of]
    x = torch.tensor(mean)[y, None] + torch.tensor(width)[y, None] * noise
    # Second order in 64 steps: 1e-3 of a standard deviation.
    p4 = made.p4
    outward = torch.where(jets["total_eta"] > 0, 1.0, -1.0)[of]
    torch.testing.assert_close(p4[:, 1], jets["total_eta"][of] + 0.215 * outward * x[:, 0], atol=1e-3, rtol=0)
    assert float(delta_phi(p4[:, 2], jets["total_phi"][of] + 0.215 * x[:, 1]).abs().max()) < 1e-3
    rest = x[:, 2] * 0.070 - 0.0278
    pt = (1.0 - rest.exp()).clamp(min=0.0) * jets["total_pt"][of]
    torch.testing.assert_close(p4[:, 0], pt, atol=0.2, rtol=0)
    assert not p4[:, 3].any()
    assert torch.equal(made.storage.gather(made.positions)[2], jets["num_nodes"])
    clipped = torch.zeros(3).index_add(0, of, (rest > 0).float())
    assert (made.column("clipped") - clipped).abs().max() <= 1  # one within the error of 0
    assert int(made.column("clipped").sum()) == int((p4[:, 0] == 0).sum()) > 0


def test_all_columns_can_be_noised_and_say_what_a_particle_is():
    model = ideal((0.0, 0.0), (0.5, 0.5), columns=None)
    made = generate_particles(model, table([200]), calls=32)
    names = ("CHARGED_HADRON", "NEUTRAL_HADRON", "PHOTON", "ELECTRON", "MUON")
    kinds, numbers = torch.bincount(made.kind, minlength=12), [int(ObjectType[name]) for name in names]
    # Five equal chances: 40 +- 5.7 of each.
    assert all(15 < int(kinds[number]) < 65 for number in numbers)
    assert int(kinds[numbers].sum()) == 200
    assert set(made.charge.tolist()) == {-1.0, 0.0, 1.0}
    assert float(made.p4[:, 3].max()) > 0  # of momentum and energy


def test_generated_jets_are_a_data_set_like_any_other(tmp_path):
    model = small().train()
    model.metadata = {"data": {"class_names": ["qcd", "top"]}}
    truth = random_jets(counts=(5, 1, 300, 8))
    jets = jet_columns(model.view, truth)
    batch = next(iter(EventLoader(truth, 4)))
    torch.testing.assert_close(jets["total_mass"], model.view.event_values(batch)[:, 2])
    made = generate_particles(model, jets, calls=4, seed=1)
    assert model.training  # the modes are as before
    assert made.class_names == ["qcd", "top"]
    assert torch.equal(made.column("y"), truth.column("y"))
    assert [graph.num_nodes for graph in made] == [5, 1, 300, 8]
    assert bool(made.p4.isfinite().all())
    assert bool(model.objective.step(next(iter(EventLoader(made, 4))), model.eval(), None, False).losses)


def test_the_seed_decides_whatever_the_size_of_the_batches():
    model, jets = small().double(), table([5, 1, 9, 4, 30])
    one, two, other = (generate_particles(model, jets, calls=4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.p4, two.p4)
    assert not torch.equal(one.p4, other.p4)
    parts = generate_particles(model, jets, calls=4, seed=1, batch_size=2)
    torch.testing.assert_close(parts.p4, one.p4, rtol=1e-5, atol=1e-5)
    del jets["total_phi"]
    axes = [generate_particles(model, jets, calls=2, seed=seed).p4[:, 2] for seed in (1, 1, 2)]
    assert torch.equal(axes[0], axes[1])
    assert not torch.equal(axes[0], axes[2])


def test_the_class_counts_and_may_be_hidden():
    model, jets = small(Diffusion(2, OMNILEARN, layer_scale=0.5)), table([20, 20], y=torch.zeros(2).long())
    others = table([20, 20], y=torch.ones(2).long())
    hidden = {name: column for name, column in jets.items() if name != "y"}
    made = [generate_particles(model, columns, calls=4).p4 for columns in (jets, others, hidden)]
    assert not torch.allclose(made[0], made[1])
    assert not torch.allclose(made[0], made[2])


def test_from_nothing_but_classes_to_jets():
    """Jet generator, then particles."""
    model, truth = small(), random_jets(200)
    torch.manual_seed(0)
    generator = JetGenerator(model.view.events, num_classes=2, hidden_channels=16, num_layers=1)
    generator.fit(jet_columns(model.view, truth), steps=50, batch_size=64)
    made = generate_particles(model, generator.sample(torch.arange(10) % 2, calls=4), calls=4)
    assert len(made) == 10
    assert float(made.p4[:, 2].abs().max()) <= math.pi


def test_what_cannot_be():
    model = small()
    with pytest.raises(ConfigError, match="Classification generates nothing"):
        generate_particles(small(Classification(2)), table([3]))
    for changes, message in (
        ({"num_nodes": torch.tensor([0, 2])}, "whole numbers of at least 1"),
        ({"num_nodes": torch.tensor([1.5, 2])}, "whole numbers of at least 1"),
        ({"y": torch.tensor([0, 2])}, "classes from 0 to 1"),
        ({"total_pt": torch.tensor([float("inf"), 1.0])}, "no finite 'total_pt'"),
        ({"total_mass": torch.ones(3)}, "3 jets have a column 'total_mass', 2 'total_pt'"),
    ):
        with pytest.raises(ConfigError, match=message):
            generate_particles(model, table([1, 2], **changes))
    jets = table([1, 2])
    del jets["total_mass"]
    with pytest.raises(ConfigError, match="no column 'total_mass'"):
        generate_particles(model, jets)
    with pytest.raises(ConfigError, match="batch_size must be positive"):
        generate_particles(model, table([1]), batch_size=0)
