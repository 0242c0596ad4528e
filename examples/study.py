"""What the studies of this folder share: options, splits of their samples, pretrainings that are missing, reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from jsonargparse import Namespace

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import Recipe, RunRecords
from pyg_hep.evaluation.learning_curves import RECORD_KEY, Run, finish
from pyg_hep.readers import load_card
from pyg_hep.training import FitResult
from pyg_hep.workers import run_in_processes


def options(description: str | None, name: str, stages: Sequence[str], sizes: Sequence[str]) -> command.Options:
    """The command line of a study; results lie in ``results/`` beside its script."""
    parser = command.Options(description)
    parser.add_argument("--stage", choices=tuple(stages), default="all", help="what to do")
    parser.add_argument("--size", choices=tuple(sizes), default="small", help="how much of it")
    parser.add_argument("--study", type=dict[str, Any], default={}, help="changes of the size: {seeds: [5, 3]}")
    parser.add_argument(
        "--samples", default=f"runs/{name}/samples", help=f"folder of the files of simulate.py --preset {name}"
    )
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument("--output", default=f"runs/{name}", help="folder for networks, tables and plots")
    results = Path(__file__).parent / "results"
    parser.add_argument("--records", default=str(results / name / "runs.jsonl"), help="finished trainings")
    parser.add_argument("--summary", default=str(results / f"{name}.json"), help="the figures that others read")
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time, one thread each")
    return parser


def chosen(studies: Mapping[str, Any], given: Namespace, per_size: Sequence[str] = ("seeds", "epochs")) -> Any:
    """The study of the size that is asked for, with the changes that are asked for.

    Args:
        studies: by their names.
        given: the options.
        per_size: lists of the study with one entry for each of its ``sizes``.

    Raises:
        ConfigError: for a change of something that a study does not have, or a list of another length.
    """
    command.check_names(given.study, vars(studies[given.size]))
    study = replace(studies[given.size], **given.study)
    for name in per_size:
        found, wanted = len(getattr(study, name)), len(study.sizes)
        if found != wanted:
            raise ConfigError(f"--study: {name} must have one entry for each of the {wanted} sizes, found {found}")
    return study


@dataclass(frozen=True)
class Place:
    """Where a study finds its samples and puts its results, and how it trains."""

    preset: str
    samples: Path
    cache: Path
    output: Path
    threads: int | None = None

    @classmethod
    def of(cls, preset: str, given: Namespace) -> Place:
        """The place that the options name; several workers train with one thread each."""
        folders = (Path(given.samples), Path(given.cache), Path(given.output))
        return cls(preset, *folders, threads=1 if given.workers > 1 else None)

    def model(self, name: str) -> Path:
        """Folder of a pretrained model."""
        return self.output / "pretrained" / name / "model"

    def files(self, part: str, processes: Sequence[str]) -> dict[str, Path]:
        """Process -> its simulated file in one part of the samples."""
        return {process: self.samples / part / f"{process}.root" for process in processes}

    def splits(
        self, card: str, files: Mapping[str, Path] | Sequence[str], fractions: Mapping[str, float]
    ) -> list[EventDataset]:
        """The splits of some files, in the order of ``fractions``.

        Raises:
            ConfigError: when a file is not there.
        """
        paths = [Path(path) for path in (files.values() if isinstance(files, Mapping) else files)]
        for path in paths:
            if not path.is_file():
                raise ConfigError(f"{path} is not there: python examples/simulate.py --preset {self.preset} makes it")
        made = replace(load_card(card), splits=dict(fractions))
        return [EventDataset(self.cache, made, files, split=split) for split in fractions]


class Pretraining(Protocol):
    """One pretraining of a study: its name says all that shapes it."""

    place: Place

    @property
    def name(self) -> str:
        """Of its folder."""


def pretraining_records(given: Namespace, jobs: Sequence[Pretraining]) -> RunRecords:
    """Records of the pretrainings that a study has, which lie beside those of its trainings."""
    found = RunRecords(Path(given.records).with_name("pretraining.jsonl"), ["model"])
    found.keep(("model",), ((job.name,) for job in jobs))
    return found


def pretraining_record(job: Pretraining, result: FitResult, **more: Any) -> dict[str, Any]:
    """What is kept of a pretraining: its length, the losses of every epoch and the figures of the best one."""
    history = result.history
    return {
        "model": job.name,
        **more,
        "epochs": len(history),
        "seconds": history[-1]["seconds"],
        "loss": {k: [epoch[k] for epoch in history] for k in ("train_loss", "val_loss")},
        **{k: v for k, v in history[result.best_epoch].items() if k.startswith("val_")},
    }


def losses(record: Mapping[str, Any]) -> list[dict[str, float]]:
    """The losses of a pretraining's record epoch by epoch, as ``plots.plot_losses`` takes them."""
    pairs = zip(record["loss"]["train_loss"], record["loss"]["val_loss"], strict=True)
    return [{"epoch": k, "train_loss": train, "val_loss": val} for k, (train, val) in enumerate(pairs)]


def pretrain_missing(jobs: Sequence[Pretraining], run: Callable[[Any], dict[str, Any]], given: Namespace) -> None:
    """Run every pretraining that has no model yet; the record of each is written and printed as it ends.

    Args:
        jobs: pretrainings, those that take longest first.
        run: trains one, in a process of its own, and returns its record with the name as ``model``.
        given: the options.
    """
    records, workers = pretraining_records(given, jobs), given.workers
    todo = [job for job in jobs if not job.place.model(job.name).is_dir()]
    print(f"{len(todo)} networks to pretrain: {', '.join(job.name for job in todo)}")
    done = (
        (record for _, record in run_in_processes(run, todo, workers, import_main=True))
        if workers > 1
        else map(run, todo)
    )
    for record in done:
        records.append({**record, **command.note()})
        print(json.dumps({k: v for k, v in record.items() if not isinstance(v, dict)}), flush=True)


def keep_settings(records: RunRecords, recipes: Iterable[Recipe]) -> None:
    """Records of other settings of the same name stay in the file and out of the tables."""
    records.keep(("method", "recipe"), ((recipe.name, recipe.digest) for recipe in recipes))


def train_missing(runs: Sequence[Run], given: Namespace) -> RunRecords:
    """Train what has no record, where the stage asks for it; the records of these settings."""
    records = RunRecords(given.records, RECORD_KEY)
    if given.stage in ("finetune", "all"):
        finish(runs, records, given.workers, command.note())
    keep_settings(records, (run.recipe for run in runs))
    return records


def write_report(report: dict[str, Any], given: Namespace) -> None:
    """Write ``results.json``, and after everything was done the summary that others read."""
    command.write_results(Path(given.output), report)
    if given.stage == "all":
        Path(given.summary).parent.mkdir(parents=True, exist_ok=True)
        Path(given.summary).write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
