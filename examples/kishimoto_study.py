"""The study of Kishimoto et al. (ISGC 2025): learning from unlabelled collisions which object does not belong.

    python examples/simulate.py --preset kishimoto --events 600000 --output runs/kishimoto/samples
    python examples/kishimoto_study.py --size small

Stages: ``pretrain`` transformers on unlabelled events, with and without Lorentz augmentation; ``finetune`` (all
trainings of the four tasks); ``report`` (figures 3 to 5 of the paper and their tables); ``all`` does everything.
Whatever is finished is kept and not done again: networks in --output, trainings as lines of --records. With
--collisions the unlabelled events are files of yours, such as the NanoAOD of CERN Open Data records 30517 and 30550.
``--size small`` is a smaller transformer for two cores, ``published`` the paper's for a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import kishimoto_report
import lightning
import numpy as np
import torch
import uproot

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import RunRecords, Task
from pyg_hep.evaluation.learning_curves import RECORD_KEY, Recipe, Run, finish, plan
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedObjects, Objective, ReplacedObject
from pyg_hep.readers import load_card
from pyg_hep.simulation.samples import KISHIMOTO_COLLISIONS, KISHIMOTO_TASKS
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, pretrain
from pyg_hep.workers import run_in_processes

STAGES = ("pretrain", "finetune", "report", "all")
CARD = "kishimoto_pretraining"
SPLITS = {
    "pretraining": {"train": 0.95, "val": 0.05},
    "finetuning": {"train": 0.85, "val": 0.15},
    "test": {"test": 1.0},
}
KINDS = ("is_lepton", "is_tau", "is_light_jet", "is_b_jet", "is_met")
# Section 5, of both phases: SGD, 0.01 to 0.0001 along a cosine.
OPTIMISATION = Optimisation("sgd", learning_rate=0.01, schedule="cosine", floor=0.01)


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        network: arguments of ``EventTransformer.kishimoto`` in place of the published ones.
        pretraining_sizes: unlabelled events, the largest last.
        pretraining_epochs: passes over them, one number for each size.
        sizes: training events of the tasks, half of them signal.
        seeds: trainings of each kind, one number for each of ``sizes``.
        gain_size: of ``sizes``, where networks of every pretraining are compared (figure 5).
        epochs: of a task, one number for each of ``sizes``.
        batch_size: events in a step, in both phases.
        objectives: what the largest pretraining is also done with, besides replaced objects.
    """

    network: dict[str, Any]
    pretraining_sizes: list[int]
    pretraining_epochs: list[int]
    sizes: list[int]
    seeds: list[int]
    gain_size: int
    epochs: list[int]
    batch_size: int
    objectives: list[str] = field(default_factory=lambda: ["masked_kinds"])


SMALL = {"hidden_channels": 64, "num_layers": 3, "feed_forward": 128}
STUDIES = {
    "small": Study(
        SMALL, [10_000, 30_000, 100_000], [40, 25, 15], [1_000, 3_000, 10_000], [3, 3, 2], 3_000, [40, 30, 15], 128
    ),
    "published": Study(
        {}, [30_000, 100_000, 300_000, 1_000_000], [500] * 4, [10_000, 30_000, 100_000, 300_000, 1_000_000],
        [10] * 5, 30_000, [100] * 5, 512,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Pretraining:
    """One pretraining: what is learned from how many events, with or without augmentation."""

    objective: str
    augmented: bool
    size: int
    epochs: int
    study: Study
    output: Path
    samples: Path
    cache: Path
    collisions: tuple[str, ...] = ()
    threads: int | None = None

    @property
    def name(self) -> str:
        """Of its folder."""
        ending = "" if self.augmented else "-no_augmentation"
        return f"{self.objective}-{self.size}x{self.epochs}-{self.study.batch_size}{ending}"

    @property
    def model(self) -> Path:
        """Folder of the trained model."""
        return self.output / "pretrained" / self.name / "model"


def network(study: Study, objective: Objective) -> EventModel:
    """A new network for one phase."""
    return EventModel(EventTransformer.kishimoto(**study.network), objective, optimisation=OPTIMISATION)


def split(card: str, part: str, files: Any, cache: Path) -> list[EventDataset]:
    """The splits of one part of the samples.

    Raises:
        ConfigError: when a file is not there.
    """
    missing = [path for path in (files.values() if isinstance(files, dict) else files) if not Path(path).is_file()]
    if missing:
        raise ConfigError(f"{missing[0]} is not there: python examples/simulate.py --preset kishimoto makes it")
    made = replace(load_card(card), splits=SPLITS[part])
    return [EventDataset(cache, made, files, split=name) for name in SPLITS[part]]


def collisions(samples: Path, cache: Path, own: Sequence[str] = ()) -> tuple[list[EventDataset], dict[str, Any]]:
    r"""Unlabelled events to train and validate on, mixed as in collisions, and what went into the mixture.

    A process has the share :math:`\sigma \epsilon / \sum \sigma \epsilon` with the generator's cross section and the
    fraction of its events that the card selects. The least plentiful may be needed more often than it has events:
    its events then stand in the mixture several times.
    """
    if own:
        return split(CARD, "pretraining", list(own), cache), {}
    files = {process: samples / "pretraining" / f"{process}.root" for process in KISHIMOTO_COLLISIONS}
    parts = split(CARD, "pretraining", files, cache)
    selected = sum(np.bincount(part.column("y").numpy(), minlength=len(files)) for part in parts)
    mixture, visible = {}, {}
    for process, passed in zip(files, selected.tolist(), strict=True):
        with uproot.open(files[process]) as file:
            runs = file["Runs"].arrays(["genCrossSection", "genEventCount"], library="np")
        generated = int(runs["genEventCount"].sum())
        visible[process] = float(runs["genCrossSection"][0]) * passed / generated
        mixture[process] = {"generated": generated, "selected": passed, "pb": visible[process]}
    for process, row in mixture.items():
        row["share"] = visible[process] / sum(visible.values())
    shares = [row["share"] for row in mixture.values()]
    return [_mixed(part, shares) for part in parts], mixture


def _mixed(part: EventDataset, shares: Sequence[float]) -> EventDataset:
    """All events of the most plentiful process, and as many of the others as their share asks for, in random order."""
    rng = np.random.default_rng(1)
    y = part.column("y").numpy()
    rows = [np.flatnonzero(y == label) for label in range(len(shares))]
    total = len(rows[int(np.argmax(shares))]) / max(shares)
    taken = [np.resize(rng.permutation(r), round(total * share)) for r, share in zip(rows, shares, strict=True)]
    return part.index_select(rng.permutation(np.concatenate(taken)))


def run_pretraining(job: Pretraining) -> dict[str, Any]:
    """Pretrain one network; a killed run goes on from its last epoch."""
    if job.threads:
        torch.set_num_threads(job.threads)
    (train, val), mixture = collisions(job.samples, job.cache, job.collisions)
    if len(train) < job.size:
        raise ConfigError(f"{job.size} unlabelled events asked for, {len(train)} are there")
    augment = {"rotate": True, "reflect": True, "max_beta": 0.3} if job.augmented else None
    objective = (
        ReplacedObject(augment=augment)
        if job.objective == "replaced_object"
        else MaskedObjects("kishimoto", probability=0.15, hide=KINDS, augment=augment)
    )
    lightning.seed_everything(1, workers=True, verbose=False)
    model = network(job.study, objective)
    model.metadata |= {"card": CARD, "events": job.size, "name": job.name, "mixture": mixture}
    settings = TrainingSettings(
        epochs=job.epochs, batch_size=job.study.batch_size, seed=1, progress=False, resume=True
    )  # fmt: skip
    subset = train.index_select(torch.arange(job.size))
    result = pretrain(model, subset, val, output=job.model.parent, settings=settings)
    return {
        "model": job.name, "objective": job.objective, "augmented": job.augmented, "events": job.size,
        "distinct": len(np.unique(subset.positions)), "epochs": len(result.history),
        "seconds": result.history[-1]["seconds"], "mixture": mixture,
        "loss": {k: [epoch[k] for epoch in result.history] for k in ("train_loss", "val_loss")},
        **{k: v for k, v in result.history[result.best_epoch].items() if k.startswith("val_")},
    }  # fmt: skip


def pretrainings(study: Study) -> list[tuple[str, bool, int, int]]:
    """Objective, augmentation, events and passes of every pretraining, the longest first."""
    sizes = list(zip(study.pretraining_sizes, study.pretraining_epochs, strict=True))
    every = [("replaced_object", augmented, *one) for one in sizes for augmented in (True, False)]
    every += [(objective, True, *sizes[-1]) for objective in study.objectives]
    return sorted(every, key=lambda one: -one[2] * one[3])


def recipes(study: Study, jobs: Sequence[Pretraining], epochs: int) -> dict[str, Recipe]:
    """Name -> how to train for a task: from scratch, from every pretraining, and boosted trees."""
    settings = TrainingSettings(
        epochs=epochs, batch_size=study.batch_size, progress=False, checkpoints=False, tensorboard=False
    )
    found = [Recipe("scratch", settings, OPTIMISATION, scratch=network(study, Classification(2)))]
    for job in sorted(jobs, key=lambda job: (job.objective != "replaced_object", -job.size, not job.augmented)):
        name = "pretrained" if job.objective == "replaced_object" else job.objective
        ending = "" if job.augmented else "-no_augmentation"
        found.append(Recipe(f"{name}@{job.size}{ending}", settings, OPTIMISATION, pretrained=job.model))
    return {recipe.name: recipe for recipe in [*found, Recipe("trees", trees=True)]}


def tasks(samples: Path, cache: Path) -> dict[str, Task]:
    """The four tasks of table 1, background first; the same test events for every training."""
    made = {}
    for name, (signal, card) in KISHIMOTO_TASKS.items():
        files = [{p: samples / part / f"{p}.root" for p in ("ttbar", signal)} for part in ("finetuning", "test")]
        train, val = split(card, "finetuning", files[0], cache)
        (test,) = split(card, "test", files[1], cache)
        made[name] = Task(name, train, val, test)
    return made


def plan_runs(study: Study, jobs: Sequence[Pretraining], options: Any) -> list[Run]:
    """Figure 4 at every size (scratch, the largest pretraining, trees), everything else at ``gain_size``."""
    chosen = list(tasks(Path(options.samples), Path(options.cache)).values())
    largest = f"pretrained@{study.pretraining_sizes[-1]}"
    output, threads = Path(options.output) / "runs", 1 if options.workers > 1 else None
    runs = []
    for size, count, epochs in zip(study.sizes, study.seeds, study.epochs, strict=True):
        found = recipes(study, jobs, epochs)
        names = found if size == study.gain_size else ("scratch", largest, "trees")
        wanted = [found[name] for name in names]
        runs += plan(chosen, wanted, [size // 2], range(1, count + 1), output, threads)
    return sorted(runs, key=lambda run: run.seed)


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    parser = command.Options(__doc__)
    parser.add_argument("--stage", choices=STAGES, default="all", help="what to do")
    parser.add_argument("--size", choices=tuple(STUDIES), default="small", help="how much of it")
    parser.add_argument("--study", type=dict[str, Any], default={}, help="changes of the size: {seeds: [5, 3, 3]}")
    parser.add_argument("--samples", default="runs/kishimoto/samples", help="folder of the simulated files")
    parser.add_argument("--collisions", type=list[str], default=[], help="NanoAOD files of your own to pretrain on")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument("--output", default="runs/kishimoto", help="folder for networks, tables and plots")
    results = Path(__file__).parent / "results"
    parser.add_argument("--records", default=str(results / "kishimoto" / "runs.jsonl"), help="finished trainings")
    parser.add_argument("--summary", default=str(results / "kishimoto.json"), help="the figures that others read")
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time, one thread each")
    options = parser.parse_args()
    command.check_names(options.study, vars(STUDIES["small"]))
    study = replace(STUDIES[options.size], **options.study)
    if study.gain_size not in study.sizes:
        raise ConfigError(f"gain_size={study.gain_size} is none of the sizes {study.sizes}")
    command.check_names(study.objectives, ["masked_kinds"])
    output = command.start_run(options.output, parser, options)
    threads = 1 if options.workers > 1 else None
    folders = (output, Path(options.samples), Path(options.cache), tuple(options.collisions), threads)
    jobs = [Pretraining(*one, study, *folders) for one in pretrainings(study)]
    pretrained = RunRecords(Path(options.records).with_name("pretraining.jsonl"), ["model"])
    if options.stage in ("pretrain", "all"):
        todo = [job for job in jobs if not job.model.is_dir()]
        print(f"{len(todo)} networks to pretrain: {', '.join(job.name for job in todo)}")
        if todo:
            collisions(todo[0].samples, todo[0].cache, todo[0].collisions)  # converted once, before the workers
        done = run_in_processes(run_pretraining, todo, options.workers, import_main=True)
        for _, record in done if options.workers > 1 else enumerate(map(run_pretraining, todo)):
            pretrained.append({**record, **command.note()})
            print(json.dumps({k: v for k, v in record.items() if k not in ("loss", "mixture")}), flush=True)
    records = RunRecords(options.records, RECORD_KEY)
    runs = plan_runs(study, jobs, options) if options.stage != "pretrain" else []
    if options.stage in ("finetune", "all"):
        finish(runs, records, options.workers, command.note())
    if options.stage in ("report", "all"):
        # Records of other settings of the same name stay in the file and out of the tables.
        keys = {run.key for run in runs}
        records.records = [r for r in records.records if records.key_of(r) in keys]
        pretrained.records = [r for r in pretrained.records if r["model"] in {job.name for job in jobs}]
        report = kishimoto_report.make(study, records, pretrained, output)
        command.write_results(output, report)
        if options.stage == "all":
            Path(options.summary).parent.mkdir(parents=True, exist_ok=True)
            Path(options.summary).write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command.run(main)
