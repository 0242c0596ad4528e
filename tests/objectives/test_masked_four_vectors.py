import math

import pytest
import torch
from torch_geometric.data import Batch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.inputs.particle_ids import CLASS_IDS
from pyg_hep.kinematics import to_cartesian
from pyg_hep.loader import EventLoader
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.objectives import Classification, MaskedFourVectors
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.dilepton import dilepton_events
from pyg_hep.testing.events import random_events
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, finetune, pretrain


class TestContract(ObjectiveTests):
    @classmethod
    def build(cls):
        return MaskedFourVectors(augment={"rotate": True})

    @classmethod
    def events(cls, counts=(5, 3, 8, 1, 6, 4)):
        batch = super().events(counts)
        batch.level = torch.arange(batch.num_nodes) % 2
        return batch


def setup(view=None, backbone=None, **kwargs):
    torch.manual_seed(0)
    view = View.bumblebee() if view is None else view
    channels = view.channels
    small = {"hidden_channels": 16, "num_layers": 2, "heads": 2, "feed_forward": 32, "dropout": 0.0}
    backbone = backbone or EventTransformer.bumblebee(channels.x, id_channels=channels.ids, **small)
    model = EventModel(backbone, MaskedFourVectors(**kwargs), view)
    dataset = dilepton_events(200, seed=1)
    view.measure(dataset)
    return model.eval(), next(iter(EventLoader(dataset, 20)))


def step(model, batch, training=False, seed=1):
    return model.objective.step(batch, model, torch.Generator().manual_seed(seed), training)


def test_loss_is_the_mean_over_what_is_hidden_by_hand():
    model, batch = setup()
    batch.weight = torch.linspace(0.5, 2.0, 20)
    view, hidden = model.view, model.objective.mask.hidden(batch, torch.Generator().manual_seed(1))
    with torch.no_grad():
        estimate = model.objective(model.represent(batch, dict.fromkeys(view.columns, hidden)))["four_vector"]
    numerator = denominator = 0.0
    for i in torch.nonzero(hidden)[:, 0].tolist():
        w = float(batch.weight[batch.batch[i]])
        for k, name in enumerate(("pt", "eta", "phi", "mass")):
            if batch.kind[i] == ObjectType.MET and name in ("eta", "mass"):
                continue
            truth = (batch.p4[i, k] - view.mean[k]) / view.scale[k]
            numerator += w * float(estimate[i, k] - truth) ** 2
            denominator += w
    loss = step(model, batch, training=True).losses["squared_error"]
    assert [float(part.detach()) for part in loss] == pytest.approx([numerator, denominator], rel=1e-5)


def test_validation_predicts_the_generated_level_from_the_reconstructed_one():
    model, batch = setup()
    generated = batch.level == int(Level.GEN)
    one, two = step(model, batch, seed=1), step(model, batch, seed=2)
    assert torch.equal(one.losses["squared_error"].numerator, two.losses["squared_error"].numerator)
    assert torch.equal(one.targets["hidden"].any(1), generated)
    supervised, _ = setup(generated_only=True)
    assert torch.equal(step(supervised, batch, training=True).targets["hidden"].any(1), generated)
    drawn = step(model, batch, training=True).targets["hidden"].any(1)
    assert not torch.equal(drawn, generated)


def test_the_mass_term_is_that_of_all_generated_particles_by_hand():
    model, batch = setup(mass_weight=3.0)
    batch.weight = torch.linspace(0.5, 2.0, 20)
    with torch.no_grad():
        columns = model.objective.predict(batch, model)
    estimated = torch.stack([columns[name].values for name in ("pt", "eta", "phi", "mass")], dim=1).double()
    generated = batch.level == int(Level.GEN)

    def mass(p4, event):
        total = to_cartesian(p4.double()[generated & (batch.batch == event)]).sum(0)
        return float(total[3] ** 2 - (total[:3] ** 2).sum()) ** 0.5

    errors = [math.log(mass(estimated, k) / mass(batch.p4, k)) ** 2 for k in range(20)]
    loss = step(model, batch).losses["mass_error"]
    numerator = 3.0 * float((batch.weight.double() * torch.tensor(errors)).sum())
    assert [float(part.detach()) for part in loss] == pytest.approx([numerator, float(batch.weight.sum())], rel=1e-3)
    assert "mass_error" not in step(setup()[0], batch).losses


def test_the_mass_term_counts_events_whose_whole_generated_level_is_hidden():
    model, batch = setup(mass_weight=1.0)
    batch.weight = 1.0 + torch.arange(20.0)
    made = step(model, batch, seed=4, training=True)
    hidden, generated = made.targets["hidden"].any(1), batch.level == int(Level.GEN)
    whole = [k for k in range(20) if hidden[generated & (batch.batch == k)].all()]
    assert 0 < len(whole) < 20
    assert float(made.losses["mass_error"].denominator) == sum(1.0 + k for k in whole)
    with pytest.raises(ConfigError, match="mass_weight"):
        MaskedFourVectors(mass_weight=-1.0)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("backbone", ["transformer", "pairs", "graph network"])
def test_no_hidden_value_reaches_a_prediction(smooth, backbone):
    """The gradient of every output with respect to a hidden momentum or b-tag is exactly 0, the others' is not."""
    view = View.bumblebee(smooth=smooth)
    channels = view.channels
    sizes = {"hidden_channels": 16, "id_channels": channels.ids}
    made = {
        "transformer": lambda: EventTransformer(channels.x, num_layers=2, heads=2, **sizes),
        "pairs": lambda: EventTransformer(
            channels.x, num_layers=2, heads=2, pair_columns=["ln_d_r", "ln_mass"], **sizes
        ),
        "graph network": lambda: GraphNetwork(channels.x, num_steps=2, **sizes),
    }[backbone]()
    model, batch = setup(view, made)
    hidden = model.objective.mask.hidden(batch, torch.Generator().manual_seed(2))
    batch.p4.requires_grad_()
    btag = batch.btag.clone().requires_grad_()
    batch.btag = btag
    estimate = model.objective.estimate(batch, model, hidden)
    for k in range(estimate.size(1)):
        gradient, of_btag = torch.autograd.grad(estimate[:, k].sum(), [batch.p4, btag], retain_graph=True)
        assert not gradient[hidden].any()
        assert not of_btag[hidden].any()
        assert gradient[~hidden].abs().sum(dim=1).all()


def test_a_hidden_particle_shows_its_tables_alone():
    """Its embedding is the sum of three rows; what its four-vector is does not matter."""
    model, batch = setup()
    backbone, view = model.backbone, model.view
    hidden = torch.zeros(batch.num_nodes, dtype=torch.bool)
    hidden[3] = True
    made = view(batch, dict.fromkeys(view.columns, hidden))
    assert not backbone.embedding(made.x)[3].any()
    rows = [table.weight[made.ids[3, k]] for k, table in enumerate(backbone.id_tables.tables)]
    assert torch.equal(made.ids[3], torch.tensor([5 + 50, 0, 1]))
    torch.testing.assert_close(backbone.id_tables(made.ids)[3], sum(rows))


def test_tables_can_be_left_out_one_by_one():
    for left_out in ("particle_id", "level", "hidden"):
        ids = [name for name in ("particle_id", "level", "hidden") if name != left_out]
        model, batch = setup(View.bumblebee(ids=ids))
        assert len(model.backbone.id_tables.tables) == 2
        assert bool(step(model, batch, training=True).losses["squared_error"].numerator.isfinite())


def test_predictions_are_physical_and_of_the_generated_level():
    for smooth in (False, True):
        model, batch = setup(View.bumblebee(smooth=smooth))
        with torch.no_grad():
            model.objective.heads["four_vector"].linear.weight *= 50.0
            p4 = torch.stack([column.values for column in model.predict(batch).values()], dim=1)
            generated = batch.level == int(Level.GEN)
            assert torch.equal(p4[~generated], batch.p4[~generated])
            batch.p4[generated] = 1.0  # what is there is not read
            again = torch.stack([column.values for column in model.predict(batch).values()], dim=1)
        assert torch.equal(again, p4)
        assert float(p4[:, [0, 3]].min()) >= 0.0
        assert float(p4[:, 2].min()) >= -math.pi - 1e-6
        assert float(p4[:, 2].max()) < math.pi
        assert bool((p4[generated, 0] == 0).any()) or smooth  # an estimate below 0 is none


def test_order_of_particles_does_not_matter():
    model, batch = setup()
    event = batch[3]
    order = torch.randperm(event.num_nodes, generator=torch.Generator().manual_seed(0))
    mixed = event.clone()
    for name in ("p4", "kind", "charge", "btag", "pdg_id", "level"):
        mixed[name] = event[name][order]
    with torch.no_grad():
        one, two = (model.predict(Batch.from_data_list([graph])) for graph in (event, mixed))
    for name, column in one.items():
        torch.testing.assert_close(two[name].values, column.values[order], rtol=1e-4, atol=1e-4)


def test_phi_as_published_or_around_the_circle():
    view = View.bumblebee()
    estimate, truth = (torch.zeros(1, 4).index_fill(1, torch.tensor([2]), phi) for phi in (3.1, -3.1))
    for phi, expected in (("squared", 6.2**2), ("cosine", 2 - 2 * math.cos(6.2))):
        model, _ = setup(View.bumblebee(constants=[(0.0, 1.0)] * 5), phi=phi)
        assert float(model.objective._square(estimate, truth, model.view)[0, 2]) == pytest.approx(expected, rel=1e-5)
    assert view.columns[2] == "phi"
    with pytest.raises(ConfigError, match="phi='cos' is not possible: did you mean 'cosine'"):
        MaskedFourVectors(phi="cos")


def test_learns_to_estimate_the_generated_level(tmp_path):
    torch.manual_seed(0)
    train, val = dilepton_events(1_500, seed=2), dilepton_events(300, seed=3)
    view = View.bumblebee(smooth=True)
    backbone = EventTransformer.bumblebee(
        view.channels.x, hidden_channels=32, num_layers=2, heads=4, feed_forward=64, dropout=0.0
    )
    model = EventModel(backbone, MaskedFourVectors(), view, Optimisation(learning_rate=3e-3))
    settings = TrainingSettings(epochs=8, batch_size=64, progress=False, checkpoints=False, tensorboard=False)
    result = pretrain(model, train, val, output=tmp_path / "run", settings=settings)
    assert result.history[-1]["val_loss"] < 0.6 * result.history[0]["val_loss"]
    assert {"val_rmse_log_pt", "val_rmse_eta", "val_rmse_cos_phi"} <= set(result.history[-1])
    again = EventModel.from_pretrained(tmp_path / "run" / "model")
    batch = next(iter(EventLoader(val, 50)))
    with torch.no_grad():
        assert torch.equal(again.predict(batch)["pt"].values, model.eval().predict(batch)["pt"].values)


def test_fine_tuning_reads_the_reconstructed_level_through_a_class_node(tmp_path):
    """No new weights but the head, and nothing of the generated level reaches the classes."""
    model, _ = setup()
    dataset = dilepton_events(60, seed=5).with_columns(y=torch.arange(60) % 2)
    changes = {"pooling": "class", "class_ids": CLASS_IDS}
    settings = TrainingSettings(epochs=1, batch_size=20, progress=False, checkpoints=False, tensorboard=False)
    for pretrained in (model, model.save_pretrained(tmp_path / "pretrained")):
        result = finetune(
            pretrained, Classification(2, class_weights="balanced"), dataset, dataset, output=tmp_path / "run",
            settings=settings, optimisation=Optimisation(backbone_learning_rate=0.0), changes=changes,
            view={"select": {"level": "reco"}},
        )  # fmt: skip
        tuned = EventModel.from_pretrained(tmp_path / "run" / "model")
        assert result.history
        for name, weights in model.backbone.state_dict().items():
            assert torch.equal(tuned.backbone.state_dict()[name], weights), name
        assert torch.equal(tuned.view.mean, model.view.mean)
        batch = next(iter(EventLoader(dataset, 60)))
        with torch.no_grad():
            before = tuned.predict(batch)["1"]
            batch.p4[batch.level == int(Level.GEN)] = 77.0
            assert torch.equal(tuned.predict(batch)["1"], before)
    with pytest.raises(ConfigError, match="a View has no argument 'selects': did you mean 'select'"):
        finetune(model, Classification(2), dataset, output=tmp_path, view={"selects": None})
    with pytest.raises(ConfigError, match="a pretrained model reads the columns that it was trained with"):
        finetune(model, Classification(2), dataset, output=tmp_path, view={"columns": ["pt"]})


@pytest.mark.slow
def test_the_published_model_takes_a_step():
    """57 million parameters within 2 %, and one optimisation step changes every one that the events reach."""
    torch.manual_seed(0)
    model = EventModel(EventTransformer.bumblebee(), MaskedFourVectors(), View.bumblebee())
    assert abs(sum(p.numel() for p in model.parameters()) / 57e6 - 1) < 0.02
    dataset = dilepton_events(16, seed=4)
    model.view.measure(dataset)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-3)
    loss = step(model.train(), next(iter(EventLoader(dataset, 16))), training=True).losses["squared_error"]
    (loss.numerator / loss.denominator).backward()
    before = [p.detach().clone() for p in model.parameters()]
    optimiser.step()
    assert all(not torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_what_cannot_be():
    model, _ = setup()
    with pytest.raises(ConfigError, match="no generated particles"):
        model.objective.measure(EventDataset.from_columns({"p4": torch.ones(3, 4)}, [2, 1]))
    with pytest.raises(ConfigError, match="estimates four-vectors, which pt, eta do not determine"):
        EventModel(
            EventTransformer(2, hidden_channels=8, num_layers=1, heads=2), MaskedFourVectors(), View(["pt", "eta"])
        )
    with pytest.raises(ConfigError, match="made from the unchanged"):
        batch = random_events((4, 3))
        batch.edge_index = torch.tensor([[0, 1], [1, 0]])
        step(model, batch)
