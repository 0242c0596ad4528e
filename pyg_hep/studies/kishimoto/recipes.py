"""How the networks of the study of Kishimoto et al. are trained, with and without augmentation; and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs.columns import KIND_COLUMNS
from pyg_hep.inputs.presets import PRESETS
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedObjects, Objective, ReplacedObject
from pyg_hep.objectives.replaced_object import AUGMENT
from pyg_hep.studies.kishimoto.samples import CARD, collisions, tasks
from pyg_hep.studies.methods import FineTuned, FromScratch, Method, Trees
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.pretraining import Pretraining
from pyg_hep.studies.task import Size
from pyg_hep.studies.ways import ways_of
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

KINDS = [name for name in PRESETS["kishimoto"].columns if name in KIND_COLUMNS]
PUBLISHED = Optimisation("sgd", learning_rate=0.01, schedule="cosine", floor=0.01)
"""Section 5, of both phases: from 0.01 to 0.0001 along a cosine."""


@dataclass(frozen=True)
class Unlabelled:
    """How many unlabelled events a network is pretrained on, and in how many passes."""

    events: int
    epochs: int


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        network: arguments of ``EventTransformer.kishimoto`` in place of the published ones.
        unlabelled: of the pretrainings, the largest last.
        batch_size: events in a step of the pretraining.
        sizes: of the tasks: events of signal, and as many of background.
        gain_events: of ``sizes``, where networks of every pretraining are compared (figure 5).
        pretraining: arguments of :class:`~pyg_hep.training.Optimisation` in place of :data:`PUBLISHED` in the
            pretraining.
        pretraining_dropout: of the pretraining; None for that of ``network``.
        reset_layers: layers at the end that start anew in a task.
        tuned: arguments in place of :data:`PUBLISHED` of a second row of trainings at ``gain_events``, from scratch
            and pretrained; None for none.
        augment_tasks: Lorentz augmentation of the tasks' training events too, from scratch and pretrained.
        objectives: what the largest pretraining is also done with, besides replaced objects.
        trainings: whose mean is one of the other ways to use the largest pretraining, and of the trees.
    """

    network: dict[str, Any]
    unlabelled: list[Unlabelled]
    batch_size: int
    sizes: list[Size]
    gain_events: int
    pretraining: dict[str, Any] = field(default_factory=dict)
    pretraining_dropout: float | None = None
    reset_layers: int = 0
    tuned: dict[str, Any] | None = None
    augment_tasks: bool = False
    objectives: list[str] = field(default_factory=lambda: ["masked_kinds"])
    trainings: int = 5

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            ConfigError: for a size, an objective or an argument of the optimiser that is none.
        """
        events = [size.events for size in self.sizes]
        if self.gain_events not in events:
            raise ConfigError(f"gain_events={self.gain_events} is none of the sizes {events}")
        command.check_names(self.objectives, ["masked_kinds"])
        command.check_names([*self.pretraining, *(self.tuned or {})], vars(PUBLISHED))


# The paper's million steps are out of reach of two cores. In the pretraining AdamW leaves the plateau of the loss after
# one pass, SGD after five; a network this small does not overfit in it, and learns faster without dropout. In the tasks
# augmentation keeps it from learning few events by heart, and the last of its three layers starts anew: it has
# specialised in replaced objects.
ADAMW = {"optimiser": "adamw", "learning_rate": 1e-3}
SIZES = {
    "small": Study(
        {"hidden_channels": 64, "num_layers": 3, "feed_forward": 128},
        [Unlabelled(6_000, 40), Unlabelled(20_000, 40), Unlabelled(60_000, 40)], 128,
        [Size(500, 3, 30, 128), Size(1_500, 3, 30, 128), Size(5_000, 2, 20, 128)], 1_500,
        pretraining=ADAMW, pretraining_dropout=0.0, reset_layers=1, tuned=ADAMW, augment_tasks=True,
    ),
    "published": Study(
        {}, [Unlabelled(events, 500) for events in (30_000, 100_000, 300_000, 1_000_000)], 512,
        [Size(events, 10, 100, 512) for events in (5_000, 15_000, 50_000, 150_000, 500_000)], 15_000,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class KishimotoPretraining(Pretraining):
    """One pretraining: what is learned from how many events, with or without augmentation."""

    objective: str
    augmented: bool
    events: int
    study: Study
    collisions: tuple[str, ...] = ()

    @property
    def optimisation(self) -> Optimisation:
        """The published one, with what the study changes."""
        return replace(PUBLISHED, **self.study.pretraining)

    @property
    def name(self) -> str:
        """What is learned, from how many events, in how many passes and batches, by which optimiser, and how."""
        ending = "" if self.augmented else "-no_augmentation"
        length = f"{self.events}x{self.settings.epochs}-{self.settings.batch_size}"
        return f"{self.objective}-{length}-{self.optimisation.optimiser}{ending}"

    def data(self) -> tuple[EventDataset, EventDataset]:
        """Unlabelled collisions."""
        (train, val), _ = collisions(self.place, self.collisions)
        if len(train) < self.events:
            raise ConfigError(f"{self.events} unlabelled events asked for, {len(train)} are there")
        return train.index_select(torch.arange(self.events)), val

    def network(self) -> EventModel:
        """A transformer that learns which object does not belong, or what was hidden."""
        augment = AUGMENT if self.augmented else None
        if self.objective == "replaced_object":
            objective: Objective = ReplacedObject(augment=augment)
        else:
            objective = MaskedObjects("kishimoto", probability=0.15, hide=KINDS, augment=augment)
        dropout = self.study.pretraining_dropout
        changes = {} if dropout is None else {"dropout": dropout}
        backbone = EventTransformer.kishimoto(**{**self.study.network, **changes})
        return EventModel(backbone, objective, optimisation=self.optimisation, metadata={"card": CARD})

    def columns(self) -> dict[str, Any]:
        """What was learned from what."""
        (train, _), mixture = collisions(self.place, self.collisions)
        distinct = len(np.unique(train.positions[: self.events]))
        return {"objective": self.objective, "augmented": self.augmented, "distinct": distinct, "mixture": mixture}


def pretrainings(study: Study, place: Place, own: Sequence[str] = ()) -> list[KishimotoPretraining]:
    """Every pretraining, the longest first."""
    kinds = [("replaced_object", augmented, one) for one in study.unlabelled for augmented in (True, False)]
    kinds += [(objective, True, study.unlabelled[-1]) for objective in study.objectives]
    jobs = [
        KishimotoPretraining(
            place=place, objective=objective, augmented=augmented, events=one.events, study=study,
            collisions=tuple(own),
            settings=TrainingSettings(epochs=one.epochs, batch_size=study.batch_size, seed=1),
        )
        for objective, augmented, one in kinds
    ]  # fmt: skip
    return sorted(jobs, key=lambda job: -job.events * job.settings.epochs)


def methods(study: Study, jobs: Sequence[KishimotoPretraining]) -> list[Method]:
    """From scratch, from every pretraining, and boosted trees; the first pretrained one is the largest, augmented.

    Where rates are tuned, that one is also used in every other way, see :func:`~pyg_hep.studies.ways.ways_of`.
    """
    settings = TrainingSettings(progress=False, checkpoints=False, tensorboard=False)
    fresh = EventModel(EventTransformer.kishimoto(**study.network), Classification(2))
    arguments = fresh.backbone.config()
    layers = arguments["num_layers"]
    common: dict[str, Any] = {"settings": settings, "augment": AUGMENT if study.augment_tasks else None}
    tune = partial(
        FineTuned, **common, reset=tuple(f"layers.{k}" for k in range(layers - study.reset_layers, layers)),
        changes=None if study.pretraining_dropout is None else {"dropout": arguments["dropout"]},
    )  # fmt: skip
    made: list[Method] = [FromScratch(fresh, **common, optimisation=PUBLISHED)]
    ordered = sorted(jobs, key=lambda job: (job.objective != "replaced_object", -job.events, not job.augmented))
    for job in ordered:
        variant = f"{job.events}{'' if job.augmented else '-no_augmentation'}"
        name = "pretrained" if job.objective == "replaced_object" else job.objective
        columns = {"unlabelled": job.events, "augmented": job.augmented, "tuned": False}
        made.append(tune(job.folder, optimisation=PUBLISHED, name=name, variant=variant, columns=columns))
    if study.tuned is not None:
        rates, best = replace(PUBLISHED, **study.tuned), ordered[0]
        columns = {"unlabelled": best.events, "augmented": best.augmented, "tuned": True}
        tuned = tune(
            best.folder, optimisation=rates, name="pretrained", variant=f"{best.events}-tuned",
            baseline="scratch/tuned", columns=columns,
        )  # fmt: skip
        made += [
            FromScratch(fresh, **common, optimisation=rates, variant="tuned"), tuned, Trees(),
            *ways_of(tuned, Trees(), study.trainings, baseline="scratch/tuned", prefix=f"{best.events}-"),
        ]  # fmt: skip
        return made
    return [*made, Trees()]


def plan_study(study: Study, jobs: Sequence[KishimotoPretraining], place: Place) -> list[Run]:
    """Figure 4 at every size (scratch, the largest pretraining, trees), everything else at ``gain_events``.

    A task without enough events for a size has no runs of it: few top pairs pass the selection for H+ to HW.
    """
    learned, compared = tasks(place), methods(study, jobs)
    basic = [method for method in compared if method.label in ("scratch", compared[1].label, "trees")]
    runs = []
    for size in study.sizes:
        large = [task for task in learned if task.most >= size.events]
        for task in learned:
            if task.most < size.events:
                print(f"{task.name} has {task.most:,d} training events per class: left out at {size.events:,d}")
        wide = compared if size.events == study.gain_events else basic
        runs += plan(large, wide, [size], place.runs, place.threads)
    return sorted(runs, key=lambda run: run.seed)


def label_then(method: str) -> str:
    """Name and variant of a method that records published earlier name by one word: ``pretrained@60000-tuned``."""
    name, at, events = method.partition("@")
    return f"{name}/{events}" if at else method.replace("-tuned", "/tuned")
