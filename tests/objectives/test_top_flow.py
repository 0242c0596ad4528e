import math

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import MaskedFourVectors, TopFlow
from pyg_hep.objectives.top_coordinates import measured_anchors, momenta, relative
from pyg_hep.schema import Level
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.dilepton import dilepton_daughters, dilepton_events
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, finetune, predict, pretrain
from pyg_hep.transforms import LorentzAugment, SelectNodes
from pyg_hep.transforms.dileptonic import UNMEASURED, LeptonFrame, unmeasured_daughters

SMALL = {"context_channels": 4, "transforms": 3, "hidden_channels": [16], "num_samples": 16}


class TestContract(ObjectiveTests):
    @classmethod
    def build(cls):
        return TopFlow(**SMALL, augment={"rotate": True})

    @classmethod
    def events(cls, counts=(5, 3, 8, 1, 6, 4)):
        batch = next(iter(EventLoader(dilepton_events(len(counts), seed=5), len(counts))))
        batch.p4, batch.y = batch.p4.double(), torch.zeros(len(counts), dtype=torch.int64)
        batch.weight = torch.linspace(0.5, 2.0, len(counts), dtype=torch.float64)
        return batch


def setup(size=30, seed=1, channels=16, **kwargs):
    torch.manual_seed(0)
    view = View.bumblebee(smooth=True)
    sizes = {"hidden_channels": channels, "num_layers": 2, "heads": 4, "feed_forward": 2 * channels, "dropout": 0.0}
    model = EventModel(
        EventTransformer.bumblebee(view.channels.x, **sizes), TopFlow(**{**SMALL, **kwargs}), view,
        Optimisation(learning_rate=5e-3),
    )  # fmt: skip
    dataset = dilepton_events(300, seed=seed)
    view.measure(dataset)
    model.objective.measure(dataset)
    return model.eval(), next(iter(EventLoader(dataset, size)))


def drawn(model, batch, samples=20, seed=3):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        return model.objective.sample(batch, model, torch.randn(samples, batch.num_graphs, 12, generator=generator))


def test_the_loss_is_minus_the_log_density_of_momenta_in_their_units():
    """Where the flow is the identity, that of arsinh(p/s), standardised, being normal, by hand."""
    model, batch = setup()
    batch.weight = torch.linspace(-0.5, 2.0, 30)
    objective = model.objective

    class Identity(torch.nn.Module):
        def forward(self, x, context):
            return x, -0.5 * (x**2).sum(1) - 6 * math.log(2 * math.pi)

    objective.heads["flow"] = Identity()
    loss = objective.step(batch, model, None, training=False).losses["negative_log_likelihood"]
    inside = LeptonFrame.of(batch).enter(batch)
    numbers = relative(momenta(unmeasured_daughters(inside)[0]), measured_anchors(inside)).double()
    numerator = 0.0
    for event, w in zip(numbers.view(30, 4, 3), batch.weight.tolist(), strict=True):
        for k, row in enumerate(event.tolist()):
            for c, p in enumerate(row):
                s, mean, scale = (float(b[3 * k + c]) for b in (objective.width, objective.mean, objective.scale))
                z = ((p if c == 2 else math.asinh(p / s)) - mean) / scale
                slope = 1.0 if c == 2 else 1.0 / math.hypot(p, s)
                numerator += w * (0.5 * z**2 + 0.5 * math.log(2 * math.pi) - math.log(slope / scale))
    assert float(loss.numerator.detach()) == pytest.approx(numerator, rel=1e-4)
    assert float(loss.denominator) == pytest.approx(float(batch.weight.abs().sum()))


def test_the_generated_level_is_in_the_targets_alone():
    """What the flow is given has no gradient with respect to it, and samples and predictions do not change with it."""
    model, batch = setup()
    generated = batch.level == int(Level.GEN)
    before, said = drawn(model, batch), model.predict(batch)
    batch.p4.requires_grad_()
    frame = LeptonFrame.of(batch)
    (gradient,) = torch.autograd.grad(model.objective.context(frame.enter(batch), model).sum(), batch.p4)
    assert not gradient[generated].any()
    assert gradient[~generated].abs().sum(1).all()
    inside = frame.enter(batch)
    context, anchors = model.objective.context(inside, model).detach(), measured_anchors(inside).detach()
    loss = model.objective.step(batch, model, None, training=False).losses["negative_log_likelihood"].numerator
    (of_loss,) = torch.autograd.grad(loss, batch.p4)
    targets = unmeasured_daughters(LeptonFrame.of(batch).enter(batch))[0]
    alone = -model.objective.log_prob(momenta(targets), anchors, context)[0].sum()
    (of_targets,) = torch.autograd.grad(alone, batch.p4)
    torch.testing.assert_close(of_loss[generated], of_targets[generated], rtol=1e-3, atol=1e-5)
    assert of_targets[generated].any()
    batch.p4 = batch.p4.detach().masked_fill(generated.unsqueeze(1), 1.0)
    alone = SelectNodes(level="reco")(batch)
    for other in (batch, alone):
        assert torch.equal(drawn(model, other).p4, before.p4)
        assert all(torch.equal(values, said[name]) for name, values in model.predict(other).items())


def test_samples_are_physical_and_have_the_density_of_what_they_are():
    model, batch = setup()
    samples = drawn(model, batch)
    assert samples.p4.shape == (20, 30, 4, 4)
    assert samples.p4.isfinite().all()
    mass2 = samples.p4[..., 3] ** 2 - (samples.p4[..., :3] ** 2).sum(-1)
    assert float((mass2.abs() / samples.p4[..., 3] ** 2).max()) < 1e-12  # the toy's b quarks are massless
    assert float(samples.p4[..., 3].min()) > 0
    # Back through the density: (px, py, eta) in the frame of the leptons.
    frame = LeptonFrame.of(batch)
    x, y, z = samples.p4[4, ..., :3].unbind(-1)
    angle, side, end = (v.unsqueeze(1) for v in frame)
    px, py = x * angle.cos() + y * angle.sin(), side * (y * angle.cos() - x * angle.sin())
    values = torch.stack([px, py, end * torch.asinh(z / torch.hypot(x, y))], dim=-1)
    with torch.no_grad():
        inside = frame.enter(batch)
        context, anchors = model.objective.context(inside, model), measured_anchors(inside)
        expected, _ = model.objective.log_prob(values.float().flatten(1), anchors, context)
    torch.testing.assert_close(samples.log_prob[4], expected, rtol=1e-3, atol=1e-2)


def test_a_mass_of_the_b_quark_is_kept():
    model, batch = setup()
    model.objective.b_mass.fill_(4.8)
    p4 = drawn(model, batch).p4
    mass = (p4[..., 3] ** 2 - (p4[..., :3] ** 2).sum(-1)).clamp(min=0).sqrt()
    torch.testing.assert_close(mass[..., :2], torch.full_like(mass[..., :2], 4.8), rtol=1e-4, atol=1e-4)
    assert float(mass[..., 2:].max()) < 1e-2


def test_samples_turn_with_the_event():
    model, batch = setup()
    batch.p4 = batch.p4.double()
    turned = LorentzAugment(rotate=True, reflect=True)(batch, torch.Generator().manual_seed(0))
    one, two = drawn(model.double(), batch).p4, drawn(model, turned).p4
    pairs = [torch.einsum("sbkx,sbjx->sbkj", p[..., :3], p[..., :3]) for p in (one, two)]
    torch.testing.assert_close(pairs[0], pairs[1], rtol=1e-5, atol=1e-2)
    assert not torch.allclose(one, two)


def test_the_same_random_numbers_give_the_same_samples_whatever_else_is_drawn():
    model, batch = setup()
    one = drawn(model, batch)
    torch.randn(5)
    again, other = drawn(model, batch), drawn(model, batch, seed=4)
    assert torch.equal(one.p4, again.p4)
    assert torch.equal(one.log_prob, again.log_prob)
    assert not torch.equal(one.p4, other.p4)


def test_predictions_are_quantiles_of_the_mass_and_do_not_depend_on_the_company():
    model, batch = setup()
    dataset = dilepton_events(30, seed=1)
    lone = Batch.from_data_list([batch[k] for k in (7, 8)])
    with torch.no_grad():
        said, of_two = model.predict(batch), model.predict(lone)
    assert list(said) == ["m_ttbar", "m_ttbar_low", "m_ttbar_high"]
    assert ((said["m_ttbar_low"] < said["m_ttbar"]) & (said["m_ttbar"] < said["m_ttbar_high"])).all()
    for name, values in of_two.items():
        torch.testing.assert_close(values, said[name][7:9], rtol=1e-4, atol=1e-2)
    assert len(predict(model, dataset, batch_size=7).columns["m_ttbar"]) == 30
    lepton = torch.nonzero((batch.batch == 4) & (batch.level == 0) & (batch.charge < 0))[0, 0]
    batch.charge[lepton] = 1.0
    assert torch.nonzero(model.predict(batch)["m_ttbar"].isnan())[:, 0].tolist() == [4]


def test_learns_from_scratch_and_from_masked_four_vectors(tmp_path):
    """The loss falls by more than two units, and a pretrained backbone is taken over whole.

    A density that does not look at the event stays within half a unit of where the first epoch leads.
    """
    train, val = dilepton_events(1_500, seed=2), dilepton_events(200, seed=3)
    settings = TrainingSettings(epochs=5, batch_size=64, progress=False, checkpoints=False, tensorboard=False)
    model, _ = setup(channels=32, context_channels=8, hidden_channels=[32])
    result = pretrain(model, train, val, output=tmp_path / "scratch", settings=settings)
    assert result.history[-1]["val_loss"] < result.history[0]["val_loss"] - 2.0
    assert 0.5 < result.history[-1]["val_coverage_68"] < 0.85
    again = EventModel.from_pretrained(tmp_path / "scratch" / "model")
    batch = next(iter(EventLoader(val, 50)))
    assert torch.equal(drawn(again, batch).p4, drawn(model.eval(), batch).p4)
    first = EventModel(model.backbone, MaskedFourVectors(), model.view)
    frozen = Optimisation(learning_rate=1e-3, backbone_learning_rate=0.0)
    settings = TrainingSettings(epochs=1, batch_size=100, progress=False, checkpoints=False, tensorboard=False)
    finetune(
        first.save_pretrained(tmp_path / "masked"), TopFlow(**SMALL), train, val, output=tmp_path / "tuned",
        settings=settings, optimisation=frozen,
    )  # fmt: skip
    tuned = EventModel.from_pretrained(tmp_path / "tuned" / "model")
    for name, weights in first.backbone.state_dict().items():
        assert torch.equal(tuned.backbone.state_dict()[name], weights), name
    assert tuned.objective.width[0] != 1.0


def test_constants_are_those_of_the_training_events():
    model, _ = setup(seed=6)
    true = dilepton_daughters(300, seed=6)
    dataset = dilepton_events(300, seed=6)
    batch = next(iter(EventLoader(dataset, 300)))
    p4 = unmeasured_daughters(LeptonFrame.of(batch).enter(batch))[0].double()
    px = p4[:, 0, 0] * p4[:, 0, 2].cos()
    assert UNMEASURED[0] == "b"
    assert float(model.objective.width[0]) == pytest.approx(float(px.std()), rel=1e-4)
    u = (px / px.std()).asinh()
    assert float(model.objective.mean[0]) == pytest.approx(float(u.mean()), abs=1e-5)
    assert float(model.objective.scale[0]) == pytest.approx(float(u.std()), rel=1e-4)
    # The sum of the neutrinos less the missing momentum: its resolution, 6 GeV and a share of the jets' 10 %.
    assert 6.0 < float(model.objective.width[6]) < 0.5 * float(np.std(true["neutrino"][:, 0]))
    assert set(model.objective.width[2::3].tolist()) == {1.0}


def test_what_cannot_be():
    model, batch = setup()
    with pytest.raises(ConfigError, match="40 of 40 events lack the generated b quarks and neutrinos"):
        model.objective.measure(EventDataset.from_columns({"p4": torch.ones(80, 4)}, [2] * 40))
    batch.pdg_id[(batch.batch < 3) & (batch.pdg_id == 5)] = 3
    with pytest.raises(ConfigError, match="3 of 30 events lack the generated b quarks"):
        model.objective.step(batch, model, None, training=True)
    view = View.bumblebee(smooth=True, select={"level": "reco"})
    backbone = EventTransformer.bumblebee(6, hidden_channels=16, num_layers=1, heads=2, feed_forward=32)
    with pytest.raises(ConfigError, match="learns from the generated level, and shows none of it"):
        EventModel(backbone, TopFlow(**SMALL), view)
    kinds = View.bumblebee(smooth=True, select={"kind": ["electron", "muon", "jet", "met"]})
    dropping = EventModel(backbone, TopFlow(**SMALL), kinds)
    with pytest.raises(ConfigError, match="the view drops objects by kind"):
        dropping.predict(SelectNodes(level="reco")(batch))
    with pytest.raises(ConfigError, match="draws samples of an event"):
        model.objective.decode({})
    with pytest.raises(ConfigError, match="transforms must be at least 1, found 0"):
        TopFlow(transforms=0)
    with pytest.raises(ConfigError, match="made from the unchanged"):
        batch.edge_index = torch.tensor([[0, 1], [1, 0]])
        model.objective.step(batch, model, None, training=True)
