import dataclasses
import errno
import json
import os

import lightning
import pytest
import torch

from pyg_hep.errors import ConfigError, OutputError
from pyg_hep.loader import EventLoader
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, checkpoints, finetune, predict, pretrain
from pyg_hep.training.checkpoints import AtomicCheckpointIO, check_resume

SETTINGS = TrainingSettings(epochs=1, batch_size=64, accelerator="cpu", progress=False, seed=3, tensorboard=False)


@pytest.fixture(scope="module")
def run(splits, make_model, tmp_path_factory):
    return pretrain(make_model(), *splits[:2], output=tmp_path_factory.mktemp("run"), settings=SETTINGS)


def test_folder_checkpoint_and_lightning_give_the_same_numbers(splits, run):
    best = run.folder / "checkpoints" / "best.ckpt"
    loaded = [
        EventModel.from_pretrained(run.folder / "model"),
        EventModel.from_checkpoint(best),
        EventModel.load_from_checkpoint(best),
    ]
    expected = predict(run.model, splits[2]).probability
    for model in loaded:
        assert not torch.equal(model.view.mean, torch.zeros_like(model.view.mean))
        assert torch.equal(torch.from_numpy(predict(model, splits[2]).probability), torch.from_numpy(expected))
        assert model.config() == run.model.config()


def test_validation_with_a_checkpoint_gives_the_figures_of_the_training(splits, run, make_model):
    best = run.folder / "checkpoints" / "best.ckpt"
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    fresh = make_model(seed=9)
    state = torch.get_rng_state()
    figures = trainer.validate(fresh, EventLoader(splits[1], 256), ckpt_path=best, verbose=False, weights_only=True)[0]
    assert figures["val_auc"] == pytest.approx(run.history[0]["val_auc"], abs=1e-6)
    assert figures["val_loss"] == pytest.approx(run.history[0]["val_loss"], rel=1e-6)
    assert torch.equal(state, torch.get_rng_state())


def test_a_model_keeps_card_classes_digest_versions_and_commit(splits, run):
    metadata = json.loads((run.folder / "model" / "config.json").read_text())["metadata"]
    assert metadata["data"]["class_names"] == ["0", "1"]
    assert metadata["data"]["digest"] == splits[0].digest
    assert set(metadata["data"]["card"]["objects"]) == set(splits[0].card.as_dict()["objects"])
    assert metadata["versions"]["torch"] == torch.__version__
    assert metadata["git"]


def test_a_truncated_checkpoint_is_one_sentence(splits, run, make_model, tmp_path):
    whole = (run.folder / "checkpoints" / "last.ckpt").read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 100):
        broken = tmp_path / "checkpoints" / "last.ckpt"
        broken.parent.mkdir(exist_ok=True)
        broken.write_bytes(whole[:size])
        with pytest.raises(ConfigError, match=rf"^the checkpoint {broken} is truncated or none"):
            EventModel.from_checkpoint(broken)
        resumed = dataclasses.replace(SETTINGS, resume=True)
        with pytest.raises(ConfigError, match=rf"^the checkpoint {broken} is truncated or none"):
            pretrain(make_model(), *splits[:2], output=tmp_path, settings=resumed)
    with pytest.raises(ConfigError, match="no checkpoint"):
        EventModel.from_checkpoint(tmp_path / "nothing.ckpt")


def test_a_write_that_breaks_off_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    target = tmp_path / "last.ckpt"
    writer = AtomicCheckpointIO()
    writer.save_checkpoint({"state_dict": {"a": torch.ones(3)}}, target)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=rf"^cannot write the checkpoint {target}: No space left on device$"):
        writer.save_checkpoint({"state_dict": {"a": torch.zeros(3)}}, target)
    assert torch.equal(writer.load_checkpoint(target)["state_dict"]["a"], torch.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_ends_a_training_in_one_sentence(splits, make_model, tmp_path, monkeypatch):
    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "somewhere"))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"^cannot write the checkpoint .*ckpt: No space left on device$"):
        pretrain(make_model(), *splits[:2], output=tmp_path / "a", settings=SETTINGS)
    monkeypatch.setattr("safetensors.torch.save_file", full)
    without = dataclasses.replace(SETTINGS, checkpoints=False)
    with pytest.raises(OutputError, match=rf"^cannot write to {tmp_path}/somewhere: No space left on device$"):
        pretrain(make_model(), *splits[:2], output=tmp_path / "b", settings=without)


def test_an_output_folder_that_cannot_be_made_is_named(splits, make_model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=rf"^cannot make the output folder {tmp_path}/file/run: Not a directory$"):
        pretrain(make_model(), *splits[:2], output=tmp_path / "file" / "run", settings=SETTINGS)


def resume(run, model, train, val, **changes):
    """Whether the run goes on."""
    identity = checkpoints.run_identity(model, dataclasses.replace(SETTINGS, **changes), train.digest, val.digest)
    check_resume(run.folder / "checkpoints" / "last.ckpt", identity)


def test_epochs_patience_progress_and_place_may_change(splits, run):
    places = {
        "accelerator": "gpu",
        "devices": 2,
        "strategy": "ddp",
        "threads": 1,
        "progress": True,
        "tensorboard": True,
    }
    resume(run, run.model, *splits[:2], epochs=7, patience=2, **places)


def test_other_data_settings_rates_and_models_are_refused_and_named(splits, run, make_model):
    train, val = splits[:2]
    with pytest.raises(ConfigError, match="settings.batch_size was 64 and is 32"):
        resume(run, run.model, train, val, batch_size=32)
    with pytest.raises(ConfigError, match="settings.seed was 3 and is 4; "):
        resume(run, run.model, train, val[:20], seed=4)
    with pytest.raises(ConfigError, match="events.train was '"):
        resume(run, run.model, train[:100], val)
    other = make_model()
    other.objective.measure(train)
    other.optimisation = Optimisation(learning_rate=1e-2)
    with pytest.raises(ConfigError, match="optimisation.learning_rate was 0.0003 and is 0.01"):
        resume(run, other, train, val)
    wider = EventModel(type(run.model.backbone).ho(num_steps=2), Classification(2, class_weights="balanced"))
    wider.optimisation = run.model.optimisation
    with pytest.raises(
        ConfigError, match=r"backbone.num_steps was 4 and is 2; objective.class_weights was None and is"
    ):
        resume(run, wider, train, val)


def test_a_training_that_is_another_does_not_go_on(splits, run, make_model):
    changed = dataclasses.replace(SETTINGS, resume=True, batch_size=32)
    with pytest.raises(
        ConfigError, match=r"cannot go on with .*last.ckpt, a run of something else: settings.batch_size"
    ):
        pretrain(make_model(), *splits[:2], output=run.folder, settings=changed)
    again = dataclasses.replace(SETTINGS, resume=True)
    with pytest.raises(ConfigError, match="objective.class"):
        finetune(run.model, Classification(2, class_weights="balanced"), *splits[:2], output=run.folder, settings=again)


def test_double_precision_survives_the_folder_and_the_checkpoint(splits, make_model, tmp_path):
    double = dataclasses.replace(SETTINGS, precision="64-true")
    result = pretrain(make_model(), *splits[:2], output=tmp_path, settings=double)
    expected = predict(result.model, splits[2]).probability
    for model in (
        EventModel.from_pretrained(result.folder / "model"),
        EventModel.from_checkpoint(result.folder / "checkpoints" / "best.ckpt"),
    ):
        assert {p.dtype for p in [*model.parameters(), model.view.mean]} == {torch.float64}
        assert (predict(model, splits[2]).probability == expected).all()
