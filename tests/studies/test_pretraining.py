import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.studies import Records
from pyg_hep.studies.place import Place
from pyg_hep.studies.pretraining import Pretraining, is_done, losses, pretrain_missing, pretrained
from pyg_hep.training import EventModel, TrainingSettings, shipped_models

SETTINGS = TrainingSettings(epochs=1, batch_size=64, progress=False, tensorboard=False)


@dataclass(frozen=True, kw_only=True)
class OnTask(Pretraining):
    """Pretrains on the events of a task."""

    train: EventDataset
    val: EventDataset

    @property
    def name(self) -> str:
        return "on_task"

    def data(self):
        return self.train, self.val

    def network(self) -> EventModel:
        return EventModel(GraphNetwork.ho(num_steps=1), Classification(2))

    def columns(self):
        return {"objective": "classes"}


@pytest.fixture
def job(task, tmp_path) -> OnTask:
    place = Place("ho", Path("nowhere"), tmp_path, tmp_path / "out")
    return OnTask(
        place=place,
        settings=SETTINGS,
        train=task.train.index_select(np.arange(0, len(task.train), 5)[:200]),
        val=task.val,
    )


def test_a_pretraining_is_done_once_and_its_record_names_its_weights(job, tmp_path, capsys):
    records = Records(tmp_path / "pretraining.jsonl")
    assert not is_done(job)
    pretrain_missing([job], records, workers=1, note={"git": "abc"})
    assert is_done(job)
    (record,) = pretrained([job], records)
    assert (record["model"], record["objective"], record["events"], record["git"]) == ("on_task", "classes", 200, "abc")
    assert [set(epoch) for epoch in losses(record)] == [{"epoch", "train_loss", "val_loss"}]
    assert EventModel.from_pretrained(job.folder).metadata["key"] == record["key"] == job.key()
    pretrain_missing([job], records, workers=1, note={})
    assert len(records) == 1
    assert "0 networks to pretrain" in capsys.readouterr().out


def test_other_data_or_arguments_or_code_pretrain_again_and_put_the_old_network_aside(job, tmp_path, monkeypatch):
    records = Records(tmp_path / "pretraining.jsonl")
    pretrain_missing([job], records, workers=1, note={})
    other_data = dataclasses.replace(job, train=job.train.index_select(np.arange(199)))
    other_settings = dataclasses.replace(job, settings=dataclasses.replace(SETTINGS, batch_size=32))
    assert len({job.key(), other_data.key(), other_settings.key()}) == 3
    assert not is_done(other_settings)
    pretrain_missing([other_data], records, workers=1, note={})
    assert is_done(other_data)
    assert not is_done(job)
    aside = job.folder.parent.with_name(f"on_task.{job.key()}")
    assert json.loads((aside / "pretraining.json").read_text())["key"] == job.key()
    assert (aside / "model" / "config.json").is_file()
    assert [r["events"] for r in pretrained([job], records)] == [199]  # the record of what is there
    monkeypatch.setattr("pyg_hep.studies.pretraining.code_digest", lambda *modules: "changed")
    assert not is_done(other_data)


def test_a_network_of_unknown_origin_counts_only_if_it_came_with_the_package(job, model):
    model.save_pretrained(job.folder)
    assert not is_done(job)
    EventModel.from_pretrained(shipped_models()["ho-multiclass"]).save_pretrained(job.folder)
    assert is_done(job)


def test_a_network_that_is_not_there_is_one_sentence(job, tmp_path):
    with pytest.raises(ConfigError, match="no pretrained network in .*on_task.* --stage pretrain makes it"):
        pretrained([job], Records(tmp_path / "pretraining.jsonl"))
