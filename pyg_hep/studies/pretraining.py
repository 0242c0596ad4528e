"""The pretrainings of a study: each is done once for the same data, arguments and code, and its record kept."""

from __future__ import annotations

import abc
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.studies.methods import described, modules_of, plain
from pyg_hep.studies.place import Place
from pyg_hep.studies.records import Records, code_digest, data_digest, key_of, weights_digest
from pyg_hep.training import EventModel, TrainingSettings, pretrain, process, shipped_models
from pyg_hep.workers import as_they_end

Job = TypeVar("Job")

NOTE = "pretraining.json"
"""In the folder of a pretraining: the key of what was, or is being, trained there."""


@dataclass(frozen=True, kw_only=True)
class Pretraining(abc.ABC):
    """One pretraining of a study.

    Args:
        place: of the study.
        settings: length and size of the training; where it runs and that it resumes is added.
    """

    place: Place
    settings: TrainingSettings

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Of its folder."""

    @abc.abstractmethod
    def data(self) -> tuple[EventDataset, EventDataset]:
        """Events to train and to validate on.

        Raises:
            ConfigError: when there are too few.
        """

    @abc.abstractmethod
    def network(self) -> EventModel:
        """A new network with its objective and optimisation; the seed is set."""

    def columns(self) -> dict[str, Any]:
        """Further columns of its record, plain JSON."""
        return {}

    @property
    def folder(self) -> Path:
        """Folder of the trained model."""
        return self.place.model(self.name)

    def key(self) -> str:
        """What tells it from all others: data, network, objective, optimisation, settings and code."""
        model = self.network()
        parts = {part: plain(getattr(model, part), part) for part in ("objective", "optimisation")}
        return key_of({
            "name": self.name, **described(model), **parts, "settings": plain(self.settings, "settings"),
            "data": data_digest(*self.data()), "code": code_digest(*sorted(modules_of(model))),
        })  # fmt: skip


def run(job: Pretraining) -> dict[str, Any]:
    """Pretrain one network; a killed run goes on from its last epoch.

    Returns:
        Its record: length, losses of every epoch and the figures of the best one.
    """
    key = job.key()
    _make_room(job, key)
    with process.isolated(job.place.threads):
        train, val = job.data()
        process.seed_everything(job.settings.seed)  # the initial weights
        model = job.network()
        model.metadata |= {"name": job.name, "events": len(train), "key": key}
        settings = replace(job.settings, progress=False, resume=True)
        result = pretrain(model, train, val, output=job.folder.parent, settings=settings)
    history = result.history
    return {
        "model": job.name, "key": key, **job.columns(), "events": len(train), "epochs": len(history),
        "seconds": history[-1]["seconds"], "weights": weights_digest(job.folder),
        "loss": {name: [epoch[name] for epoch in history] for name in ("train_loss", "val_loss")},
        **{name: value for name, value in history[result.best_epoch].items() if name.startswith("val_")},
    }  # fmt: skip


def _note(job: Pretraining) -> str | None:
    path = job.folder.parent / NOTE
    return json.loads(path.read_text(encoding="utf-8"))["key"] if path.is_file() else None


def _make_room(job: Pretraining, key: str) -> None:
    """Put what was trained with other data, arguments or code aside, and note what is trained here now."""
    folder, previous = job.folder.parent, _note(job)
    if folder.is_dir() and previous != key:
        aside = folder.with_name(f"{folder.name}.{previous or 'unknown'}")
        for number in range(2, 1000):
            if not aside.exists():
                break
            aside = folder.with_name(f"{folder.name}.{previous or 'unknown'}-{number}")
        folder.rename(aside)
        print(f"{job.name} was trained with other data, arguments or code: now in {aside}, and trained again")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(json.dumps({"key": key}), encoding="utf-8")


def is_done(job: Pretraining) -> bool:
    """Whether the network is there: trained so in its folder, or the very one that comes with the package."""
    if not (job.folder / "config.json").is_file():
        return False
    note = _note(job)
    if note is None:
        return weights_digest(job.folder) in {weights_digest(folder) for folder in shipped_models().values()}
    return note == job.key()


def pretrain_missing(jobs: Sequence[Pretraining], records: Records, workers: int, note: Mapping[str, Any]) -> None:
    """Run every pretraining that is not done yet; the record of each is written and printed as it ends.

    Args:
        jobs: pretrainings, those that take longest first.
        records: of the pretrainings.
        workers: pretrainings at the same time.
        note: further entries of every new record, such as the commit and the date.
    """
    todo = [job for job in jobs if not is_done(job)]
    print(f"{len(todo)} networks to pretrain: {', '.join(job.name for job in todo)}")
    record_all(run, todo, records, workers, note)


def record_all(
    run: Callable[[Job], dict[str, Any]], jobs: Sequence[Job], records: Records, workers: int, note: Mapping[str, Any]
) -> None:  # fmt: skip
    """Run jobs; the record of each is written, and printed but for its tables, as it ends.

    Args:
        run: makes the record of a job; importable by name.
        jobs: what is run.
        records: where records are written.
        workers: jobs at the same time.
        note: further entries of every new record, such as the commit and the date.
    """
    for record in as_they_end(run, jobs, workers, import_main=True):
        records.append({**record, **note})
        print(json.dumps({k: v for k, v in record.items() if not isinstance(v, dict)}), flush=True)


def pretrained(jobs: Sequence[Pretraining], records: Records) -> list[dict[str, Any]]:
    """Records of exactly the networks that lie in the jobs' folders.

    Raises:
        ConfigError: when a network is not there.
    """
    rows = []
    for job in jobs:
        if not (job.folder / "config.json").is_file():
            raise ConfigError(f"no pretrained network in {job.folder}: --stage pretrain makes it")
        rows += records.select(model=job.name, weights=weights_digest(job.folder))[-1:]
    return rows


def losses(record: Mapping[str, Any]) -> list[dict[str, float]]:
    """The losses of a pretraining's record epoch by epoch, as ``plots.plot_losses`` takes them."""
    pairs = zip(record["loss"]["train_loss"], record["loss"]["val_loss"], strict=True)
    return [{"epoch": k, "train_loss": train, "val_loss": val} for k, (train, val) in enumerate(pairs)]
