"""The study of Abasov et al.: hidden variables of objects, then the number of top quarks, then new physics by entropy.

    python examples/simulate.py --preset abasov --lhe-dir DIR --events 20000 --output runs/abasov/samples
    python examples/abasov_study.py --size small

Stages: ``pretrain`` (level 1: the four variants learn hidden variables; one also estimates generated W bosons and top
quarks); ``finetune`` (level 2: 0 to 4 top quarks, with and without level 1, and boosted trees); ``report`` (level 1
errors and views of the representation, level 2 AUC and confusion, entropy of events with a dark-matter mediator);
``all`` does everything. Whatever is finished is kept and not done again: networks in --output, trainings as lines of
--records. ``--size small`` is for two cores, ``published`` for a GPU and the slides' eight million events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import abasov_report
import lightning
import torch
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
from pyg_hep.evaluation import ObjectVariables, SummaryVariables, Task
from pyg_hep.evaluation.learning_curves import Recipe, Run, plan
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedObjects
from pyg_hep.objectives.replaced_object import AUGMENT
from pyg_hep.simulation.samples import ABASOV_GROUPS, ABASOV_NEW_PHYSICS
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, pretrain
from pyg_hep.transforms.node_features import PRESETS

STAGES = ("pretrain", "finetune", "report", "all")
CARDS = {"masked": "abasov_nanoaod", "truth": "abasov_truth"}
SPLITS = {"train": 0.7, "val": 0.1, "test": 0.2}
VARIANTS = {"16-1h": (16, 1), "20-5h": (20, 5), "125-1h": (125, 1), "125-5h": (125, 5)}
LEVEL_1 = Optimisation(learning_rate=1e-3, weight_decay=1e-5, schedule="plateau", decay=0.1, plateau_patience=5)


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        variants: of :data:`VARIANTS`, width and heads of the transformer.
        compared: of them, what level 2 is trained with at every size; the others at the largest only.
        truth_variant: the one that estimates generated W bosons and top quarks too.
        pretraining_epochs: at most, of level 1 on all training events.
        pretraining_batch: events in a step of level 1.
        sizes: training events per class of level 2; 0 is as many as there are.
        seeds: trainings of each kind, one number for each of ``sizes``.
        epochs: of level 2 at most, one number for each of ``sizes``.
        batch_sizes: events in a step of level 2, one number for each of ``sizes``.
        patience: epochs of level 2 without a lower validation loss before it stops.
        rates: learning rates of level 2, one for each of ``sizes``; the slides' is 1e-4.
        schedule: of the learning rate; the slides name none.
        augment: Lorentz augmentation of the training events of level 2, from scratch and pretrained.
    """

    variants: list[str]
    compared: list[str]
    truth_variant: str
    pretraining_epochs: int
    pretraining_batch: int
    sizes: list[int]
    seeds: list[int]
    epochs: list[int]
    batch_sizes: list[int]
    patience: int
    rates: list[float]
    schedule: str = "constant"
    augment: bool = False


# With few training events augmentation is what keeps a network from learning them by heart.
STUDIES = {
    "small": Study(
        [*VARIANTS], ["125-5h"], "125-5h", 8, 256, [100, 500, 0], [5, 3, 1], [60, 40, 10], [64, 64, 128], 60,
        [3e-4, 3e-4, 1e-3], "cosine", augment=True,
    ),
    "published": Study(
        [*VARIANTS], [*VARIANTS], "125-5h", 100, 1024, [1_000, 10_000, 100_000, 0], [5, 5, 5, 3], [200] * 4,
        [1024] * 4, 10, [1e-4] * 4,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Pretraining:
    """Level 1 of one variant, with or without generated particles as targets."""

    kind: str
    variant: str
    epochs: int
    batch_size: int
    place: Place

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.kind}-{self.variant}x{self.epochs}-{self.batch_size}"

    def data(self) -> list[EventDataset]:
        """Events to train, validate and test on."""
        return groups(self.place, CARDS[self.kind])


def groups(place: Place, card: str) -> list[EventDataset]:
    """The splits of all five groups."""
    files = place.files("groups", [process for group in ABASOV_GROUPS.values() for process in group])
    return place.splits(card, files, SPLITS)


def network(variant: str, view: str) -> EventTransformer:
    """A new transformer of one variant that reads a view."""
    width, heads = VARIANTS[variant]
    return EventTransformer.abasov(width, heads, in_channels=len(PRESETS[view]), preset=view)


def run_pretraining(job: Pretraining) -> dict[str, Any]:
    """Train level 1 of one variant; a killed run goes on from its last epoch."""
    if job.place.threads:
        torch.set_num_threads(job.place.threads)
    train, val, _ = job.data()
    truth = job.kind == "truth"
    view = "abasov_truth" if truth else "abasov"
    lightning.seed_everything(1, workers=True, verbose=False)
    objective = MaskedObjects(view, probability=0.3, generated=truth)
    metadata = {"card": CARDS[job.kind], "name": job.name, "events": len(train)}
    model = EventModel(network(job.variant, view), objective, optimisation=LEVEL_1, metadata=metadata)
    settings = TrainingSettings(epochs=job.epochs, batch_size=job.batch_size, seed=1, progress=False, resume=True)
    result = pretrain(model, train, val, output=job.place.model(job.name).parent, settings=settings)
    return pretraining_record(job, result, events=len(train))


def recipes(study: Study, jobs: Sequence[Pretraining], at: int) -> dict[str, Recipe]:
    """Name -> how to train level 2 at one of the sizes: from scratch, from level 1, and boosted trees.

    Trees get the networks' inputs, object by object; event variables (masses of pairs and triplets, sums, shapes) made
    from the same inputs, which have no charge; and event variables with the charges.
    """
    settings = TrainingSettings(
        epochs=study.epochs[at], batch_size=study.batch_sizes[at], patience=study.patience, progress=False,
        checkpoints=False, tensorboard=False,
    )  # fmt: skip
    rates = Optimisation("adamw", learning_rate=study.rates[at], schedule=study.schedule)
    recipe = partial(Recipe, settings=settings, optimisation=rates, augment=AUGMENT if study.augment else None)
    found = [
        Recipe("trees_of_objects", trees=True, variables=ObjectVariables("abasov", {"photon": 0})),
        Recipe("trees", trees=True, variables=SummaryVariables(charges=False)),
        Recipe("trees_with_charges", trees=True),
    ]
    for variant in study.variants:
        fresh = EventModel(network(variant, "abasov"), Classification(len(ABASOV_GROUPS)))
        found.append(recipe(f"scratch-{variant}", scratch=fresh))
    for job in jobs:
        name = "pretrained" if job.kind == "masked" else "pretrained_truth"
        found.append(recipe(f"{name}-{job.variant}", pretrained=job.place.model(job.name)))
    return {recipe.name: recipe for recipe in found}


def plan_runs(study: Study, jobs: Sequence[Pretraining], place: Place) -> list[Run]:
    """Every training of level 2, with the number of events per class in place of the size 0."""
    task = Task("tops", *groups(place, CARDS["masked"]))
    most = int(task.train.column("y").bincount().min())
    runs = []
    for at, (size, seeds) in enumerate(zip(study.sizes, study.seeds, strict=True)):
        found = list(recipes(study, jobs, at).values())
        if at < len(study.sizes) - 1:
            found = [r for r in found if r.trees or r.name.partition("-")[2] in study.compared]
        elif at:  # where level 1 matters little, one sort of it will do
            found = [r for r in found if not r.name.startswith("pretrained_truth")]
        runs += plan([task], found, [size or most], range(1, seeds + 1), place.output / "runs", place.threads)
    return runs


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    parser = options(__doc__, "abasov", STAGES, STUDIES)
    given = parser.parse_args()
    study = chosen(STUDIES, given, ("seeds", "epochs", "batch_sizes", "rates"))
    command.check_names([*study.variants, *study.compared, study.truth_variant], VARIANTS)
    output = command.start_run(given.output, parser, given)
    place = Place.of("abasov", given)
    kinds = [("truth", study.truth_variant)] + [("masked", variant) for variant in reversed(study.variants)]
    jobs = [Pretraining(*kind, study.pretraining_epochs, study.pretraining_batch, place) for kind in kinds]
    if given.stage in ("pretrain", "all"):
        pretrain_missing(jobs, run_pretraining, given)
    if given.stage == "pretrain":
        return
    runs = plan_runs(study, jobs, place)
    records = train_missing(runs, given)
    if given.stage in ("report", "all"):
        searched = [
            place.splits(CARDS["masked"], place.files("new_physics", [name]), {"test": 1.0})[0]
            for name in ABASOV_NEW_PHYSICS
        ]
        pretrained = pretraining_records(given, jobs)
        write_report(abasov_report.make(runs, records, pretrained, jobs, searched, output), given)


if __name__ == "__main__":
    command.run(main)
