"""The study of Kishimoto et al. (ISGC 2025): learning from unlabelled collisions which object does not belong.

    python examples/simulate.py --preset kishimoto --events 250000 --output runs/kishimoto/samples
    python examples/kishimoto_study.py --size small

Stages: ``pretrain`` transformers on unlabelled events, with and without Lorentz augmentation; ``finetune`` (all
trainings of the four tasks); ``report`` (figures 3 to 5 of the paper and their tables); ``all`` does everything.
Whatever is finished is kept and not done again: networks in --output, trainings as lines of --records. With
--collisions the unlabelled events are files of yours, such as the NanoAOD of CERN Open Data records 30517 and 30550.
``--size small`` is a smaller transformer for two cores, ``published`` the paper's for a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import kishimoto_report
import lightning
import numpy as np
import torch
import uproot
from study import (
    Place,
    chosen,
    options,
    pretrain_missing,
    pretraining_record,
    pretraining_records,
    train_missing,
    write_report,
)

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import Task
from pyg_hep.evaluation.learning_curves import Recipe, Run, plan
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedObjects, Objective, ReplacedObject
from pyg_hep.objectives.replaced_object import AUGMENT
from pyg_hep.simulation.samples import KISHIMOTO_COLLISIONS, KISHIMOTO_TASKS
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, pretrain
from pyg_hep.transforms.node_features import KIND_COLUMNS, PRESETS

STAGES = ("pretrain", "finetune", "report", "all")
CARD = "kishimoto_pretraining"
SPLITS = {
    "pretraining": {"train": 0.95, "val": 0.05},
    "finetuning": {"train": 0.85, "val": 0.15},
    "test": {"test": 1.0},
}
KINDS = [name for name in PRESETS["kishimoto"] if name in KIND_COLUMNS]
PUBLISHED = Optimisation("sgd", learning_rate=0.01, schedule="cosine", floor=0.01)
"""Section 5, of both phases: from 0.01 to 0.0001 along a cosine."""


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
        batch_size: events in a step of the pretraining.
        task_batch_size: events in a step of a task.
        pretraining: arguments of :class:`~pyg_hep.training.Optimisation` in place of :data:`PUBLISHED` in the
            pretraining.
        pretraining_dropout: of the pretraining; None for that of ``network``.
        reset_layers: layers at the end that start anew in a task.
        tuned: arguments in place of :data:`PUBLISHED` of a second row of trainings at ``gain_size``, from scratch and
            pretrained; None for none.
        augment_tasks: Lorentz augmentation of the tasks' training events too, from scratch and pretrained.
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
    task_batch_size: int
    pretraining: dict[str, Any] = field(default_factory=dict)
    pretraining_dropout: float | None = None
    reset_layers: int = 0
    tuned: dict[str, Any] | None = None
    augment_tasks: bool = False
    objectives: list[str] = field(default_factory=lambda: ["masked_kinds"])


# The paper's million steps are out of reach of two cores. In the pretraining AdamW leaves the plateau of the loss after
# one pass, SGD after five; a network this small does not overfit in it, and learns faster without dropout. In the tasks
# augmentation keeps it from learning few events by heart, and the last of its three layers starts anew: it has
# specialised in replaced objects.
SMALL = {"hidden_channels": 64, "num_layers": 3, "feed_forward": 128}
ADAMW = {"optimiser": "adamw", "learning_rate": 1e-3}
STUDIES = {
    "small": Study(
        SMALL, [6_000, 20_000, 60_000], [40, 40, 40], [1_000, 3_000, 10_000], [3, 3, 2], 3_000, [30, 30, 20], 128, 128,
        pretraining=ADAMW, pretraining_dropout=0.0, reset_layers=1, tuned=ADAMW, augment_tasks=True,
    ),
    "published": Study(
        {}, [30_000, 100_000, 300_000, 1_000_000], [500] * 4, [10_000, 30_000, 100_000, 300_000, 1_000_000],
        [10] * 5, 30_000, [100] * 5, 512, 512,
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
    place: Place
    collisions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its folder."""
        ending = "" if self.augmented else "-no_augmentation"
        batch, optimiser = self.study.batch_size, replace(PUBLISHED, **self.study.pretraining).optimiser
        return f"{self.objective}-{self.size}x{self.epochs}-{batch}-{optimiser}{ending}"


def network(study: Study, objective: Objective, **changes: Any) -> EventModel:
    """A new network for one phase."""
    return EventModel(EventTransformer.kishimoto(**{**study.network, **changes}), objective)


def collisions(place: Place, own: Sequence[str] = ()) -> tuple[list[EventDataset], dict[str, Any]]:
    r"""Unlabelled events to train and validate on, mixed as in collisions, and what went into the mixture.

    A process has the share :math:`\sigma \epsilon / \sum \sigma \epsilon` with the generator's cross section and the
    fraction of its events that the card selects. The least plentiful may be needed more often than it has events:
    its events then stand in the mixture several times.
    """
    if own:
        return place.splits(CARD, own, SPLITS["pretraining"]), {}
    files = place.files("pretraining", list(KISHIMOTO_COLLISIONS))
    parts = place.splits(CARD, files, SPLITS["pretraining"])
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
    if job.place.threads:
        torch.set_num_threads(job.place.threads)
    (train, val), mixture = collisions(job.place, job.collisions)
    if len(train) < job.size:
        raise ConfigError(f"{job.size} unlabelled events asked for, {len(train)} are there")
    augment = AUGMENT if job.augmented else None
    objective = (
        ReplacedObject(augment=augment)
        if job.objective == "replaced_object"
        else MaskedObjects("kishimoto", probability=0.15, hide=KINDS, augment=augment)
    )
    lightning.seed_everything(1, workers=True, verbose=False)
    dropout = job.study.pretraining_dropout
    model = network(job.study, objective, **({} if dropout is None else {"dropout": dropout}))
    model.optimisation = replace(PUBLISHED, **job.study.pretraining)
    model.metadata |= {"card": CARD, "events": job.size, "name": job.name, "mixture": mixture}
    settings = TrainingSettings(
        epochs=job.epochs, batch_size=job.study.batch_size, seed=1, progress=False, resume=True
    )  # fmt: skip
    subset = train.index_select(torch.arange(job.size))
    result = pretrain(model, subset, val, output=job.place.model(job.name).parent, settings=settings)
    return pretraining_record(
        job, result, objective=job.objective, augmented=job.augmented, events=job.size,
        distinct=len(np.unique(subset.positions)), mixture=mixture,
    )  # fmt: skip


def pretrainings(study: Study) -> list[tuple[str, bool, int, int]]:
    """Objective, augmentation, events and passes of every pretraining, the longest first."""
    sizes = list(zip(study.pretraining_sizes, study.pretraining_epochs, strict=True))
    every = [("replaced_object", augmented, *one) for one in sizes for augmented in (True, False)]
    every += [(objective, True, *sizes[-1]) for objective in study.objectives]
    return sorted(every, key=lambda one: -one[2] * one[3])


def recipes(study: Study, jobs: Sequence[Pretraining], epochs: int) -> dict[str, Recipe]:
    """Name -> how to train for a task: from scratch, from every pretraining, and boosted trees."""
    settings = TrainingSettings(
        epochs=epochs, batch_size=study.task_batch_size, progress=False, checkpoints=False, tensorboard=False
    )
    fresh = network(study, Classification(2))
    layers, dropout = fresh.backbone.config()["num_layers"], fresh.backbone.config()["dropout"]
    recipe = partial(Recipe, settings=settings, augment=AUGMENT if study.augment_tasks else None)
    tune = partial(
        recipe, reset=tuple(f"layers.{k}" for k in range(layers - study.reset_layers, layers)),
        changes=None if study.pretraining_dropout is None else {"dropout": dropout},
    )  # fmt: skip
    found = [recipe("scratch", optimisation=PUBLISHED, scratch=fresh)]
    for job in sorted(jobs, key=lambda job: (job.objective != "replaced_object", -job.size, not job.augmented)):
        name = "pretrained" if job.objective == "replaced_object" else job.objective
        ending = "" if job.augmented else "-no_augmentation"
        found.append(
            tune(f"{name}@{job.size}{ending}", optimisation=PUBLISHED, pretrained=job.place.model(job.name))
        )  # fmt: skip
    if study.tuned is not None:
        rates, best = replace(PUBLISHED, **study.tuned), found[1]
        found.append(recipe("scratch-tuned", optimisation=rates, scratch=fresh))
        found.append(tune(f"{best.name}-tuned", optimisation=rates, pretrained=best.pretrained))
    return {recipe.name: recipe for recipe in [*found, Recipe("trees", trees=True)]}


def tasks(place: Place) -> list[Task]:
    """The four tasks of table 1, background first; the same test events for every training."""
    made = []
    for name, (signal, card) in KISHIMOTO_TASKS.items():
        parts = [
            place.splits(card, place.files(part, ["ttbar", signal]), SPLITS[part]) for part in ("finetuning", "test")
        ]
        made.append(Task(name, *parts[0], *parts[1]))
    return made


def plan_runs(study: Study, jobs: Sequence[Pretraining], place: Place) -> list[Run]:
    """Figure 4 at every size (scratch, the largest pretraining, trees), everything else at ``gain_size``.

    A task without enough events for a size has no runs of it: few top pairs pass the selection for H+ to HW.
    """
    available = {task: int(task.train.column("y").bincount().min()) for task in tasks(place)}
    largest = f"pretrained@{study.pretraining_sizes[-1]}"
    runs = []
    for size, count, epochs in zip(study.sizes, study.seeds, study.epochs, strict=True):
        found = recipes(study, jobs, epochs)
        names = found if size == study.gain_size else ("scratch", largest, "trees")
        wanted = [found[name] for name in names]
        large = [task for task, per_class in available.items() if per_class >= size // 2]
        for task in available.keys() - set(large):
            print(f"{task.name} has {2 * available[task]:,d} training events in equal parts: left out at {size:,d}")
        runs += plan(large, wanted, [size // 2], range(1, count + 1), place.output / "runs", place.threads)
    return sorted(runs, key=lambda run: run.seed)


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    parser = options(__doc__, "kishimoto", STAGES, STUDIES)
    parser.add_argument("--collisions", type=list[str], default=[], help="NanoAOD files of your own to pretrain on")
    given = parser.parse_args()
    study = chosen(STUDIES, given)
    if study.gain_size not in study.sizes:
        raise ConfigError(f"gain_size={study.gain_size} is none of the sizes {study.sizes}")
    command.check_names(study.objectives, ["masked_kinds"])
    command.check_names([*study.pretraining, *(study.tuned or {})], vars(PUBLISHED))
    output = command.start_run(given.output, parser, given)
    place = Place.of("kishimoto", given)
    jobs = [Pretraining(*one, study, place, tuple(given.collisions)) for one in pretrainings(study)]
    if given.stage in ("pretrain", "all"):
        pretrain_missing(jobs, run_pretraining, given)
    if given.stage == "pretrain":
        return
    records = train_missing(plan_runs(study, jobs, place), given)
    if given.stage in ("report", "all"):
        write_report(kishimoto_report.make(study, records, pretraining_records(given, jobs), output), given)


if __name__ == "__main__":
    command.run(main)
