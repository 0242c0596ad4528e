import copy

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.nn import PointEdgeTransformer
from pyg_hep.objectives import (
    Classification,
    Diffusion,
    EventInputs,
    Joint,
    MaskedObjects,
    Regression,
)
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.jets import random_jets
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, finetune, fit, predict, pretrain

SIZES = {"hidden_channels": 16, "num_layers": 1, "heads": 2, "neighbours": 3, "layer_scale": 0.5}
QUICK = TrainingSettings(epochs=1, batch_size=32, progress=False, checkpoints=False, tensorboard=False)


class TestPublished(ObjectiveTests):
    random = True

    @classmethod
    def build(cls):
        return Joint.omnilearn(2, columns=None)

    @classmethod
    def view(cls):
        return View.abasov(events=("total_pt", "num_nodes"))


class TestMasked(ObjectiveTests):
    random = True

    @classmethod
    def build(cls):
        return Joint.masked(2)


class TestOfExactObjectives(ObjectiveTests):
    @classmethod
    def build(cls):
        parts = {"classes": Classification(2), "jet": EventInputs()}
        return Joint(parts, weights={"jet": 0.1}, augment={"rotate": True})

    @classmethod
    def view(cls):
        return View.abasov(events=("total_pt", "num_nodes"))


def setup(objective=None, counts=(6, 1, 9, 4)):
    torch.manual_seed(0)
    objective = Joint.omnilearn(2, layer_scale=0.5) if objective is None else objective
    model = EventModel(PointEdgeTransformer.omnilearn(**SIZES), objective).eval()
    return model, next(iter(EventLoader(random_jets(counts=counts), len(counts))))


def step(model, batch, training=False, seed=1):
    return model.objective.step(batch, model, torch.Generator().manual_seed(seed), training)


def ratios(step):
    return {name: (loss.numerator / loss.denominator).item() for name, loss in step.losses.items()}


def test_the_published_terms_by_hand():
    model, batch = setup()
    batch.weight = torch.tensor([1.0, 2.0, 0.5, 1.5])
    made = step(model, batch)
    parts = dict(model.objective.objectives.items())
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        noised = parts["generation"].noised(batch, model, generator, False)
        clean = model.represent(batch)
        u = model.view(batch).u
        expected = {"generation_squared_error": ratios(parts["generation"].compare(batch, noised))["squared_error"]}
        for prefix, seen, amount in (
            ("", clean, torch.ones(4)),
            ("noised_", noised.representation, noised.signal),
        ):
            logits = parts["classification"](seen)["logits"]
            entropy = -logits.log_softmax(1)[torch.arange(4), batch.y]
            square = ((parts["jet"](seen)["columns"] - u) ** 2).mean(1)
            w = batch.weight
            expected[f"{prefix}classification_cross_entropy"] = float((w * amount * entropy).sum() / w.sum())
            expected[f"{prefix}jet_squared_error"] = float((w * amount * square).sum() / w.sum())
    assert ratios(made) == pytest.approx(expected, rel=1e-5)
    assert float(noised.signal.min()) >= 0
    assert float(noised.signal.max()) <= 1
    # alpha^2 of the published schedule at the times that were drawn first.
    time = torch.rand(4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(noised.signal, (time * torch.pi / 2).cos() ** 2, atol=2e-4, rtol=0)


def test_the_flow_weights_by_the_square_of_what_is_left():
    model, batch = setup(Joint.omnilearn(2, parametrisation="flow"))
    noised = model.objective.find(Diffusion).noised(batch, model, torch.Generator().manual_seed(1), False)
    torch.testing.assert_close(noised.signal, (1.0 - noised.time) ** 2)


def test_one_call_of_the_body_for_clean_and_one_for_noised_events():
    model, batch = setup()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append("time" in inputs[0]))
    step(model, batch, training=True)
    assert sorted(seen) == [False, True]
    masked, batch = setup(Joint.masked(2))
    calls = []
    masked.backbone.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0].x[:, 3].ne(0).all().item()))
    step(masked, batch)
    assert calls == [True, False]  # the hidden particles are not in the second


def test_weights_scale_the_terms_and_zero_switches_them_off():
    plain, batch = setup()
    parts = {"classification": Classification(2), "jet": EventInputs(), "generation": Diffusion(2, layer_scale=0.5)}
    parts["generation"] = copy.deepcopy(plain.objective.objectives["generation"])
    weights = {"jet": 0.5, "generation": 3.0, "noised": 0.1}
    weighted, _ = setup(Joint(parts, weights, noised=("classification", "jet")))
    weighted.load_state_dict(plain.state_dict())
    factors = {"classification": 1.0, "jet": 0.5, "generation": 3.0, "noised_classification": 0.1, "noised_jet": 0.05}
    one, two = ratios(step(plain, batch)), ratios(step(weighted, batch))
    for name, value in one.items():
        factor = factors[name.rpartition("_cross")[0] or name.rpartition("_squared")[0]]
        assert two[name] == pytest.approx(factor * value, rel=1e-6)


def test_every_parameter_gets_a_gradient():
    for objective in (None, Joint.masked(2)):
        model, batch = setup(objective)
        sum(loss.numerator / loss.denominator for loss in step(model, batch, training=True).losses.values()).backward()
        unused = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        # Nothing is noised without a Diffusion: time modulates nothing.
        assert all(objective is not None and ".time" in name for name in unused), unused


def test_pretrains_a_small_transformer_and_keeps_or_drops_its_heads(tmp_path):
    train, val = random_jets(320), random_jets(128, seed=1)
    torch.manual_seed(0)
    model = EventModel(
        PointEdgeTransformer.omnilearn(**SIZES),
        Joint.omnilearn(2, columns=("outward_d_eta", "d_phi", "log_pt"), layer_scale=0.5),
        optimisation=Optimisation(learning_rate=3e-3),
    )
    settings = TrainingSettings(epochs=2, batch_size=32, ema=0.9, progress=False, checkpoints=False, tensorboard=False)
    result = pretrain(model, train, val, output=tmp_path / "run", settings=settings)
    last = result.history[-1]
    terms = ("classification_cross_entropy", "jet_squared_error", "generation_squared_error")
    names = [*terms, *(f"noised_{name}" for name in terms[:2])]
    assert last["val_loss"] == pytest.approx(sum(last[f"val_{name}"] for name in names), rel=1e-6)
    assert last["val_loss"] < result.history[0]["val_loss"]
    assert {"val_classification_auc", "val_jet_rmse_total_mass", "val_generation_error_high_noise"} <= set(last)

    folder = tmp_path / "run" / "model"
    again = EventModel.from_pretrained(folder)
    said = predict(again, val)
    assert said.class_names == ["class 0", "class 1"]
    assert set(said.columns) == {"class 0", "class 1", "total_pt", "total_eta", "total_mass", "num_nodes"}
    assert torch.equal(torch.from_numpy(said.probability), torch.from_numpy(predict(model, val).probability))

    tuned = finetune(folder, Classification(2), train, val, output=tmp_path / "tuned", settings=QUICK)
    assert not any("generation" in name or "jet" in name for name in tuned.model.state_dict())
    kept = EventModel.from_pretrained(folder)
    head = kept.objective.find(Diffusion).heads["generation"].out.weight.detach().clone()
    kept.objective = kept.objective.keep("generation")
    kept.save_pretrained(tmp_path / "generator")
    generator = EventModel.from_pretrained(tmp_path / "generator")
    assert isinstance(generator.objective, Diffusion)
    assert torch.equal(generator.objective.heads["generation"].out.weight, head)
    fit(generator, train, val, output=tmp_path / "more", settings=QUICK)
    two = again.objective.keep("classification", "jet")
    assert isinstance(two, Joint)
    assert list(two.heads) == ["classification_logits", "jet_columns"]
    assert two.noised == ()


def test_decodes_outputs_to_what_it_predicts():
    for objective, names in (
        (None, ["0", "1", "total_pt", "total_eta", "total_mass", "num_nodes"]),
        (Joint.masked(2), ["0", "1"]),
    ):
        model, batch = setup(objective)
        with torch.no_grad():
            decoded, said = model.objective.decode(model(batch)), model.predict(batch)
        assert list(decoded) == list(said) == names
        assert all(torch.equal(decoded[name], said[name]) for name in names)


class Own(Classification):
    """An objective from outside the library."""


def test_objectives_from_outside_the_library_are_saved_and_loaded(tmp_path):
    model, _ = setup(Joint({"own": Own(2), "jet": EventInputs()}))
    model.save_pretrained(tmp_path / "model")
    again = EventModel.from_pretrained(tmp_path / "model", classes=[Own])
    assert type(again.objective.objectives["own"]) is Own
    with pytest.raises(ConfigError, match="no objective 'Own'"):
        EventModel.from_pretrained(tmp_path / "model")


def test_what_cannot_be():
    classes, generation = Classification(2), Diffusion(2)
    for arguments, message in (
        ({"objectives": {}}, "at least one objective"),
        ({"objectives": {"noised": classes}}, "'noised' cannot be one"),
        ({"objectives": {"a b": classes}}, "'a b' cannot be one"),
        ({"objectives": {"a": Joint({"b": classes})}}, "no Joint itself"),
        (
            {"objectives": {"a": Classification(2, augment={"rotate": True})}},
            r"'a' augments its events.*augment=\)",
        ),
        ({"objectives": {"a": generation, "b": Diffusion(2)}}, "one Diffusion among its objectives, found a, b"),
        ({"objectives": {"a": classes}, "noised": ["a"]}, "one Diffusion among its objectives, found none"),
        ({"objectives": {"a": classes, "b": generation}, "noised": ["b"]}, "noised='b' is not possible"),
        ({"objectives": {"a": classes}, "weights": {"b": 1.0}}, "no objective 'b' to weight"),
        ({"objectives": {"a": classes}, "weights": {"a": -1.0}}, "must not be negative, found -1.0"),
        ({"objectives": {"a": {"class": "Classifications", "arguments": {}}}}, "did you mean 'Classification'"),
        ({"objectives": {"a": "Classification"}}, "their class and arguments"),
    ):
        with pytest.raises(ConfigError, match=message):
            Joint(**arguments)
    with pytest.raises(ConfigError, match="cannot be asked of noised ones"):
        step(*setup(Joint({"a": MaskedObjects(), "b": Diffusion(2, layer_scale=0.5)}, noised=["a"])))
    with pytest.raises(ConfigError, match="no objective 'generations': did you mean 'generation'"):
        Joint.omnilearn(2).keep("generations")
    with pytest.raises(ConfigError, match="two objectives predict 'total_pt', 'b' is the second"):
        model, batch = setup(Joint({"a": EventInputs(), "b": Regression(names=["total_pt"])}))
        model.predict(batch)
    with pytest.raises(ConfigError, match="none of a predicts anything"):
        model, batch = setup(Joint({"a": MaskedObjects()}))
        model.predict(batch)
