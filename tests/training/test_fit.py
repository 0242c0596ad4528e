import copy
import dataclasses
import json
import logging
import random
import signal
import sys
import warnings

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import Subset

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, TrainingError
from pyg_hep.loader import EventLoader
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.objectives import Classification, Loss, MultiLabel
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import (
    EventModel,
    Optimisation,
    TrainingSettings,
    finetune,
    predict,
    pretrain,
    represent,
    summary,
)

SETTINGS = TrainingSettings(epochs=3, batch_size=32, accelerator="cpu", progress=False, seed=3)
FAST = Optimisation(learning_rate=3e-4)


def test_training_lowers_the_loss_and_beats_guessing(splits, pretrained):
    losses = [h["train_loss"] for h in pretrained.history]
    assert losses[-1] < losses[0]
    tested = predict(pretrained.model, splits[2])
    # 180 test events: guessing gives 0.5 +- 0.04.
    assert (tested.probability.argmax(axis=1) == tested.y).mean() > 0.62
    assert tested.probability.sum(axis=1) == pytest.approx(1.0)


def test_a_plateau_follows_the_validation_loss(splits, tmp_path, make_model):
    model = make_model()
    model.optimisation = Optimisation(learning_rate=1e-3, schedule="plateau", decay=0.1, plateau_patience=1)
    with pytest.raises(ConfigError, match="'plateau' needs validation events"):
        pretrain(model, splits[0], output=tmp_path / "without", settings=SETTINGS)
    result = pretrain(model, *splits[:2], output=tmp_path / "with", settings=SETTINGS)
    assert len(result.history) == SETTINGS.epochs


def test_output_folder_holds_model_checkpoints_history_and_logs(pretrained):
    folder = pretrained.folder
    assert {"best.ckpt", "last.ckpt"} == {p.name for p in (folder / "checkpoints").iterdir()}
    history = json.loads((folder / "history.json").read_text())
    assert len(history["epochs"]) == 3
    assert {"train_loss", "val_loss", "val_accuracy", "val_auc", "events_per_s"} <= set(history["epochs"][0])
    assert list((folder / "tensorboard").glob("events.*"))
    assert (folder / "model" / "model.safetensors").is_file()


def test_result_has_the_weights_of_the_best_epoch(splits, pretrained):
    losses = [h["val_loss"] for h in pretrained.history]
    assert pretrained.best_epoch == losses.index(min(losses))
    saved = EventModel.from_pretrained(pretrained.folder / "model")
    for a, b in zip(saved.state_dict().values(), pretrained.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_features_are_standardised_on_the_training_events(splits, pretrained):
    features = pretrained.model.view
    p4 = splits[0].p4
    assert features.mean[0] == pytest.approx(float(p4[:, 0].double().mean()), rel=1e-5)
    assert features.scale[0] == pytest.approx(float(p4[:, 0].double().std()), rel=1e-5)


def test_resumed_run_is_the_uninterrupted_run(splits, tmp_path, make_model):
    whole = pretrain(make_model(), *splits[:2], output=tmp_path / "whole", settings=SETTINGS)
    part = dataclasses.replace(SETTINGS, epochs=1)
    pretrain(make_model(), *splits[:2], output=tmp_path / "part", settings=part)
    resumed = pretrain(
        make_model(seed=9), *splits[:2], output=tmp_path / "part", settings=dataclasses.replace(SETTINGS, resume=True)
    )
    assert [h["val_loss"] for h in resumed.history] == [h["val_loss"] for h in whole.history]
    for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_same_seed_gives_the_same_network_and_another_seed_another(splits, tmp_path, make_model):
    short = dataclasses.replace(SETTINGS, epochs=1, checkpoints=False, tensorboard=False)
    one, two = (pretrain(make_model(), *splits[:2], output=tmp_path / str(i), settings=short) for i in range(2))
    other = pretrain(make_model(), *splits[:2], output=tmp_path / "o", settings=dataclasses.replace(short, seed=4))
    weights = [next(iter(r.model.backbone.state_dict().values())) for r in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_early_stopping_ends_the_run(splits, tmp_path, make_model):
    stubborn = dataclasses.replace(SETTINGS, epochs=50, patience=1)
    model = make_model()
    model.optimisation = Optimisation(learning_rate=0.3)  # so large that the loss soon rises
    result = pretrain(model, *splits[:2], output=tmp_path, settings=stubborn)
    assert len(result.history) < 50


def test_early_stopping_without_validation_events_is_one_sentence(splits, tmp_path, make_model):
    with pytest.raises(ConfigError, match="needs validation events"):
        pretrain(make_model(), splits[0], output=tmp_path, settings=dataclasses.replace(SETTINGS, patience=2))


def test_fine_tuning_starts_from_the_pretrained_backbone_and_leaves_it_alone(splits, pretrained, tmp_path):
    before = {k: v.clone() for k, v in pretrained.model.state_dict().items()}
    result = finetune(
        pretrained.model, Classification(2), *splits[:2], output=tmp_path / "a", settings=SETTINGS, optimisation=FAST
    )
    for name, values in pretrained.model.state_dict().items():
        assert torch.equal(values, before[name])
    folder = finetune(
        pretrained.folder / "model",
        Classification(2),
        *splits[:2],
        output=tmp_path / "b",
        settings=SETTINGS,
        optimisation=FAST,
    )
    for a, b in zip(result.model.state_dict().values(), folder.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_frozen_backbone_does_not_move(splits, pretrained, tmp_path):
    optimisation = Optimisation(frozen=("backbone",))
    result = finetune(
        pretrained.model, Classification(2), *splits[:2], output=tmp_path, settings=SETTINGS, optimisation=optimisation
    )
    for name, values in pretrained.model.backbone.state_dict().items():
        assert torch.equal(values, result.model.backbone.state_dict()[name])


def test_parts_can_start_anew_while_the_rest_is_frozen(splits, pretrained, tmp_path):
    frozen = Optimisation(frozen=("node_encoder", "edge_encoder", "global_encoder", "blocks"))
    result = finetune(
        pretrained.model, Classification(2), *splits[:2], output=tmp_path, settings=SETTINGS, optimisation=frozen,
        reset=["decoder"],
    )  # fmt: skip
    before = pretrained.model.backbone.state_dict()
    for name, values in result.model.backbone.state_dict().items():
        assert torch.equal(values, before[name]) != name.startswith("decoder") or name.endswith("norm.bias"), name
    with pytest.raises(ConfigError, match="no part 'decodr' to reset: did you mean 'decoder'"):
        finetune(pretrained.model, Classification(2), *splits[:2], output=tmp_path, reset=["decodr"])


def test_one_layer_can_start_anew_with_another_dropout(splits, tmp_path):
    torch.manual_seed(0)
    backbone = EventTransformer.kishimoto(hidden_channels=8, num_layers=2, heads=2, feed_forward=8, dropout=0.0)
    model = EventModel(backbone, Classification(2), optimisation=FAST)
    result = finetune(
        model, Classification(2), *splits[:2], output=tmp_path, settings=SETTINGS, changes={"dropout": 0.3},
        optimisation=Optimisation(frozen=("embedding", "layers")), reset=["layers.1"],
    )  # fmt: skip
    found = result.model.backbone
    assert found.config() == {**backbone.config(), "dropout": 0.3}
    assert found.layers[0].attention.dropout == 0.3
    before = backbone.state_dict()
    for name, values in found.state_dict().items():
        if name.startswith("layers.1"):  # biases of zero and norms may begin as they were
            assert values.dim() < 2 or not torch.equal(values, before[name]), name
        else:
            assert torch.equal(values, before[name]), name
    with pytest.raises(ConfigError, match=r"no part 'layers.2' to reset: did you mean 'layers.1'"):
        finetune(model, Classification(2), *splits[:2], output=tmp_path, reset=["layers.2"])
    with pytest.raises(ConfigError, match="no argument 'droput': did you mean 'dropout'"):
        finetune(model, Classification(2), *splits[:2], output=tmp_path, changes={"droput": 0.1})
    with pytest.raises(ConfigError, match=r"do not fit EventTransformer with \{'hidden_channels': 16\}: size mismatch"):
        finetune(model, Classification(2), *splits[:2], output=tmp_path, changes={"hidden_channels": 16})


def test_a_probed_head_is_better_than_a_random_one_before_any_training(splits, pretrained, tmp_path):
    # Nothing can change at a rate of 1e-12: what is measured is the start.
    still = Optimisation(learning_rate=1e-12)
    settings = dataclasses.replace(SETTINGS, epochs=1)
    losses = {
        probe: finetune(
            pretrained.model, Classification(2), *splits[:2], output=tmp_path, settings=settings, optimisation=still,
            probe=probe,
        ).history[0]["val_loss"]
        for probe in (False, True)
    }  # fmt: skip
    assert losses[True] < losses[False] - 0.02
    assert losses[True] < 0.69


def test_only_objectives_with_a_probe_can_be_probed(splits, pretrained, tmp_path):
    with pytest.raises(ConfigError, match="MultiLabel cannot fit its heads beforehand"):
        finetune(pretrained.model, MultiLabel(2), *splits[:2], output=tmp_path, settings=SETTINGS, probe=True)


def test_history_has_the_seconds_since_the_start_and_a_resumed_run_goes_on_counting(splits, tmp_path, make_model):
    part = dataclasses.replace(SETTINGS, epochs=1)
    first = pretrain(make_model(), *splits[:2], output=tmp_path, settings=part).history
    both = pretrain(
        make_model(), *splits[:2], output=tmp_path, settings=dataclasses.replace(SETTINGS, epochs=2, resume=True)
    ).history
    assert both[0]["seconds"] == first[0]["seconds"] > 0
    assert both[1]["seconds"] > both[0]["seconds"]


def test_representations_before_and_after_the_decoder(splits, pretrained):
    model, test = pretrained.model, splits[2]
    before, after = represent(model, test, batch_size=50)
    assert before.shape == after.shape == (len(test), 64)
    batch = next(iter(EventLoader(test, len(test))))
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(after), model.represent(batch).graph, rtol=1e-4, atol=1e-4)
        encoded = model.backbone.encode(model.view(batch)).graph
        torch.testing.assert_close(torch.from_numpy(before), encoded, rtol=1e-4, atol=1e-4)


def test_labels_out_of_range_stop_before_training(splits, tmp_path):
    three = Classification(3)
    with pytest.raises(ConfigError, match="no event of class 2"):
        pretrain(EventModel(GraphNetwork.ho(), three), splits[0], output=tmp_path, settings=SETTINGS)


def test_summary_names_classes_weights_and_negative_shares(tmp_path):
    branches = random_nanoaod(100, seed=1)
    branches["genWeight"][:25] = -2
    files = {"signal": write_nanoaod(tmp_path / "s.root", branches), "rest": write_nanoaod(tmp_path / "r.root", 50)}
    lines = summary(EventDataset(tmp_path, "simulated_events", files))
    assert "signal" in lines[0]
    assert "100 events, sum of weights 25, 25.0% negative" in lines[0]
    assert "50 events, sum of weights 50" in lines[1]
    assert "negative" not in lines[1]


def test_backbone_without_a_preset_needs_features():
    backbone = GraphNetwork(in_channels=7)
    with pytest.raises(ConfigError, match="what GraphNetwork sees"):
        EventModel(backbone, Classification(2))


def test_edges_given_with_the_batch_give_the_same_outputs(splits, pretrained):
    from pyg_hep.loader import EventLoader

    model = pretrained.model.eval()
    bare = next(iter(EventLoader(splits[2], 40)))
    edges = next(iter(EventLoader(splits[2], 40, edges=True)))
    assert torch.allclose(model(bare)["logits"], model(edges)["logits"], rtol=1e-4, atol=1e-5)


def test_interrupt_reaches_the_caller_and_keeps_the_finished_epochs(splits, tmp_path, monkeypatch, make_model):
    step = EventModel.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(EventModel, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain(make_model(), *splits[:2], output=tmp_path, settings=SETTINGS)
    signal.signal(signal.SIGINT, handler)  # the trainer ignores further interrupts from then on
    resumed = pretrain(make_model(), *splits[:2], output=tmp_path, settings=dataclasses.replace(SETTINGS, resume=True))
    assert [h["epoch"] for h in resumed.history] == [0.0, 1.0, 2.0]


def test_mixed_precision_trains(splits, tmp_path, make_model):
    settings = dataclasses.replace(SETTINGS, epochs=1, precision="bf16-mixed", checkpoints=False, tensorboard=False)
    result = pretrain(make_model(), *splits[:2], output=tmp_path, settings=settings)
    assert 0.3 < result.history[0]["val_loss"] < 0.8


def test_settings_are_checked():
    for options in (
        {"epochs": 0},
        {"batch_size": 0},
        {"patience": 0},
        {"precision": "64"},
        {"threads": 0},
        {"ema": 1.0},
    ):
        with pytest.raises(ConfigError):
            TrainingSettings(**options)


def test_checkpoints_load_without_unpickling(pretrained):
    content = torch.load(pretrained.folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["epoch"] == 2


QUICK = dataclasses.replace(SETTINGS, epochs=1, checkpoints=False, tensorboard=False)


class Modes(Callback):
    """Notes which modules are in training mode at every training step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append({name for name, module in pl_module.named_modules() if module.training})


def transformer(**options):
    torch.manual_seed(0)
    backbone = EventTransformer.kishimoto(hidden_channels=8, num_layers=2, heads=2, feed_forward=8, **options)
    return EventModel(backbone, Classification(2), optimisation=FAST)


def test_a_model_trains_in_training_mode_whatever_it_was_used_for_before(splits, tmp_path):
    model, modes = transformer(), Modes()
    everything = {name for name, _ in model.named_modules()}
    settings = dataclasses.replace(QUICK, epochs=2)
    pretrain(model, *splits[:2], output=tmp_path, settings=settings, callbacks=[modes])
    assert not model.training
    predict(model, splits[2])
    pretrain(model, *splits[:2], output=tmp_path, settings=settings, callbacks=[modes])
    assert all(seen == everything for seen in modes.seen)
    assert len(modes.seen) > 60


def test_frozen_parts_stay_in_evaluation_mode_also_after_a_validation(splits, tmp_path):
    modes = Modes()
    result = finetune(
        transformer(), Classification(2), *splits[:2], output=tmp_path, settings=dataclasses.replace(QUICK, epochs=2),
        optimisation=Optimisation(frozen=("layers.0",)), callbacks=[modes],
    )  # fmt: skip
    frozen = {name for name, _ in result.model.named_modules() if name.startswith("backbone.layers.0")}
    assert frozen
    everything = {name for name, _ in result.model.named_modules()}
    assert all(seen == everything - frozen for seen in modes.seen)


def test_a_dropout_that_is_frozen_drops_nothing(splits, tmp_path):
    # With everything frozen but a head that learns nothing, training and validation see the same function.
    still = Optimisation(frozen=("backbone",), learning_rate=1e-12)
    result = finetune(
        transformer(dropout=0.5), Classification(2), splits[0], splits[0], output=tmp_path, settings=QUICK,
        optimisation=still,
    )  # fmt: skip
    assert result.history[0]["train_loss"] == pytest.approx(result.history[0]["val_loss"], rel=1e-6)


def test_the_seed_of_the_settings_seeds_everything(splits, tmp_path):
    """Dropout, order and new heads come from it, whatever random numbers were drawn before."""
    weights = {}
    for name, drawn, seed in (("a", 1, 3), ("b", 2, 3), ("c", 1, 4)):
        model = transformer(dropout=0.5)
        torch.manual_seed(drawn)
        settings = dataclasses.replace(QUICK, seed=seed)
        first = pretrain(model, *splits[:2], output=tmp_path, settings=settings)
        torch.manual_seed(drawn)
        second = finetune(first.model, Classification(2), *splits[:2], output=tmp_path, settings=settings)
        weights[name] = [
            torch.cat([p.flatten() for p in result.model.parameters()]).detach() for result in (first, second)
        ]
    assert all(torch.equal(a, b) for a, b in zip(weights["a"], weights["b"], strict=True))
    assert not any(torch.equal(a, c) for a, c in zip(weights["a"], weights["c"], strict=True))


def test_the_process_is_left_as_it_was(splits, make_model, tmp_path):
    def state():
        levels = [logging.getLogger(f"lightning.{name}.utilities.rank_zero").level for name in ("pytorch", "fabric")]
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        numbers = torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
        return levels, handlers, list(warnings.filters), torch.get_num_threads(), torch.get_default_dtype(), numbers

    model = make_model()
    before = state()
    settings = dataclasses.replace(QUICK, threads=1, precision="64-true")
    result = pretrain(model, *splits[:2], output=tmp_path, settings=settings)
    assert state() == before
    finetune(result.model, Classification(2), *splits[:2], output=tmp_path, settings=settings, probe=True)
    assert state() == before


@pytest.mark.parametrize("validates", [True, False])
def test_a_plain_training_warns_of_nothing(splits, make_model, tmp_path, validates):
    model = make_model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pretrain(model, splits[0], splits[1] if validates else None, output=tmp_path, settings=QUICK)


def test_threads_are_those_of_the_settings_inside(splits, make_model, tmp_path):
    class Threads(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            self.number = torch.get_num_threads()

    before, seen = torch.get_num_threads(), Threads()
    torch.set_num_threads(2)
    try:
        settings = dataclasses.replace(QUICK, threads=1)
        pretrain(make_model(), *splits[:2], output=tmp_path, settings=settings, callbacks=[seen])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen.number == 1


def test_kept_memory_is_said(splits, make_model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["pyg_hep.training.fit"], "keep_freed_memory", lambda: True)
    pretrain(make_model(), *splits[:2], output=tmp_path, settings=dataclasses.replace(QUICK, progress=True))
    assert "keeps freed memory" in capsys.readouterr().out


def test_an_average_of_the_weights_is_validated_and_kept(splits, make_model, tmp_path):
    """Against an average made by hand: a decay that grows to 0.9, validated at the end of the epoch."""

    class ByHand(Callback):
        average, steps = None, 0

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            now = {k: p.detach().clone() for k, p in pl_module.named_parameters()}
            if self.average is None:
                self.average = now
            decay = min(0.9, (1 + self.steps) / (10 + self.steps))
            self.average = {k: decay * v + (1 - decay) * now[k] for k, v in self.average.items()}
            self.steps += 1

        def on_validation_start(self, trainer, pl_module):
            self.epochs = [*getattr(self, "epochs", []), self.average]

    hand = ByHand()
    settings = dataclasses.replace(SETTINGS, epochs=2, ema=0.9)
    result = pretrain(make_model(), *splits[:2], output=tmp_path, settings=settings, callbacks=[hand])
    expected = hand.epochs[result.best_epoch]
    for name, parameter in result.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-4, atol=1e-6)
    # What is kept is what was validated.
    loss = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    ).validate(result.model, EventLoader(splits[1], 256), verbose=False)[0]["val_loss"]  # fmt: skip
    assert loss == pytest.approx(result.history[result.best_epoch]["val_loss"], rel=1e-5)
    best = EventModel.from_checkpoint(tmp_path / "checkpoints" / "best.ckpt")
    for name, parameter in best.named_parameters():
        assert torch.equal(parameter, result.model.get_parameter(name)), name
    more = dataclasses.replace(settings, epochs=3, resume=True)
    whole = pretrain(make_model(), *splits[:2], output=tmp_path / "b", settings=dataclasses.replace(settings, epochs=3))
    resumed = pretrain(make_model(), *splits[:2], output=tmp_path, settings=more)
    assert [h["val_loss"] for h in resumed.history] == [h["val_loss"] for h in whole.history]
    without = pretrain(make_model(), splits[0], output=tmp_path / "c", settings=settings, callbacks=[hand])
    for name, parameter in without.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), hand.average[name], rtol=1e-2, atol=1e-3)


def test_own_callbacks_and_loggers_are_called(splits, make_model, tmp_path):
    class Counting(Callback):
        steps = 0

        def on_train_batch_end(self, *arguments):
            self.steps += 1

    counting, logger = Counting(), CSVLogger(tmp_path / "csv", name="", version="")
    settings = dataclasses.replace(QUICK, tensorboard=True)
    pretrain(make_model(), *splits[:2], output=tmp_path, settings=settings, callbacks=[counting], logger=logger)
    assert counting.steps == -(-len(splits[0]) // settings.batch_size)
    assert "val_loss" in (tmp_path / "csv" / "metrics.csv").read_text()
    assert not (tmp_path / "tensorboard").exists()


class Diverging(Classification):
    """A loss that is not finite at one step."""

    at = 40
    steps = 0

    def step(self, batch, model, generator, training):
        step = super().step(batch, model, generator, training)
        self.steps += training
        if training and self.steps > self.at:
            step.losses["cross_entropy"] = Loss(
                step.losses["cross_entropy"].numerator * float("nan"), torch.tensor(1.0)
            )
        return step


def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights(splits, tmp_path):
    torch.manual_seed(0)
    model = EventModel(GraphNetwork.ho(), Diverging(2), optimisation=FAST)
    good = {}

    class Keep(Callback):
        def on_validation_end(self, trainer, pl_module):
            good.update({k: v.clone() for k, v in pl_module.state_dict().items()})

    number = splits[0].event_number.tolist()
    with pytest.raises(TrainingError) as caught:
        pretrain(model, *splits[:2], output=tmp_path, settings=SETTINGS, callbacks=[Keep()])
    message = str(caught.value)
    steps = -(-len(splits[0]) // SETTINGS.batch_size)  # 28 in an epoch: the 41st is in the second
    assert steps < 40 < 2 * steps
    assert message.startswith("the loss is nan at step 40 (epoch 2), events 1:")
    assert message.endswith(f"; the weights of epoch 1 are kept, in {tmp_path / 'model'}")
    named = [int(text.strip(" ,").split(":")[2].split()[0]) for text in message.split("events ")[1].split(",")[:3]]
    assert set(named) <= set(number)
    saved = EventModel.from_pretrained(tmp_path / "model", Classification(2))
    for name, values in model.backbone.state_dict().items():
        assert torch.equal(values, good[f"backbone.{name}"]), name
        assert torch.equal(values, saved.backbone.state_dict()[name]), name


def test_a_run_that_diverges_at_once_keeps_the_weights_of_the_start(splits, make_model, tmp_path):
    model = make_model()
    model.optimisation = Optimisation(learning_rate=1e30, optimiser="sgd")
    before = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    with pytest.raises(TrainingError, match=r"not finite|is nan|is inf") as caught:
        pretrain(model, *splits[:2], output=tmp_path, settings=SETTINGS)
    assert "the weights of the start are kept" in str(caught.value)
    for name, values in model.backbone.state_dict().items():
        assert torch.equal(values, before[name]), name
    assert EventModel.from_pretrained(tmp_path / "model").backbone is not None


def test_subsets_train_like_the_events_they_hold(splits, make_model, tmp_path):
    rows = list(range(0, len(splits[0]), 2))
    first = pretrain(make_model(), Subset(splits[0], rows), splits[1], output=tmp_path, settings=QUICK)
    second = pretrain(make_model(), splits[0][rows], splits[1], output=tmp_path, settings=QUICK)
    assert first.history[0]["val_loss"] == second.history[0]["val_loss"]
    assert predict(first.model, Subset(splits[2], [3, 1])).y.tolist() == splits[2].column("y")[[3, 1]].tolist()
    with pytest.raises(ConfigError):
        pretrain(make_model(), [1, 2, 3], output=tmp_path, settings=QUICK)


def test_validation_events_of_other_classes_are_refused(splits, make_model, tmp_path):
    class Other(EventDataset):
        class_names = ["1", "0"]

    other = copy.copy(splits[1])
    other.__class__ = Other
    with pytest.raises(ConfigError, match="training events have the classes 0, 1, validation events 1, 0"):
        pretrain(make_model(), splits[0], other, output=tmp_path, settings=QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "dpp"}, "strategy='dpp' is not possible: did you mean 'ddp'"),
        ({"strategy": "ddp_spawn"}, "give no model back: did you mean 'ddp'"),
        ({"accelerator": "gpus"}, "cannot train with accelerator='gpus'"),
        ({"accelerator": "cpu", "devices": 0}, "devices=0"),
        ({"accelerator": "cpu", "devices": "many"}, "devices='many'"),
    ],
)
def test_an_impossible_place_is_one_sentence(splits, make_model, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        pretrain(make_model(), *splits[:2], output=tmp_path, settings=dataclasses.replace(QUICK, **options))
    assert "\n" not in str(caught.value)


def test_double_precision_trains_in_double_precision(splits, make_model, tmp_path):
    class Types(Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            self.types = {p.grad.dtype for p in pl_module.parameters() if p.grad is not None}

    seen = Types()
    settings = dataclasses.replace(QUICK, precision="64-true")
    model = pretrain(make_model(), *splits[:2], output=tmp_path, settings=settings, callbacks=[seen]).model
    assert seen.types == {torch.float64}
    batch = next(iter(EventLoader(splits[2], 20)))
    assert model.view(batch).x.dtype == model(batch)["logits"].dtype == torch.float64
    again = pretrain(model, *splits[:2], output=tmp_path, settings=QUICK, callbacks=[seen])
    assert seen.types == {torch.float32}
    assert {p.dtype for p in again.model.parameters()} == {torch.float32}
