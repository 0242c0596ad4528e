"""The study of Ho et al. (arXiv:2412.10665): pretraining, five tasks, and every table and figure of the paper.

    python examples/simulate.py --preset ho --events 20000 --lhe-dir DIR --output runs/ho/samples
    python examples/ho_study.py --size small

Stages: ``pretrain`` the networks on twelve processes, ``finetune`` (all trainings of the tasks), and the reports
``table1`` (accuracy and gain), ``table3`` (CKA), ``figure1`` (cost); ``all`` does everything. Whatever is finished is
kept and not done again: networks in --output, trainings as lines of --records, from which the reports are made.
``--size small`` takes about two hours on two cores, ``published`` is the paper's size for a cluster of GPUs.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ho_report
import lightning
import numpy as np
import torch
from study import Place, chosen, keep_settings, options, pretrain_missing, pretraining_records, write_report

from pyg_hep import command
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import RunRecords, Task
from pyg_hep.evaluation.learning_curves import RECORD_KEY, Recipe, Run, finish, plan
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification, MultiLabel
from pyg_hep.simulation.samples import CONTROLS, HO_PRETRAINING, HO_TASKS
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, pretrain, shipped_models

STAGES = ("pretrain", "finetune", "table1", "table3", "figure1", "all")
GROUPS = ("table1", "better", "scaling", "frozen", "ablation", "control")
SPLITS = {
    "pretraining": {"train": 0.95, "val": 0.05},
    "finetuning": {"train": 0.8, "val": 0.2},
    "test": {"test": 1.0},
    "control": {"train": 0.4, "val": 0.1, "test": 0.5},
}
CARDS = {"multiclass": "simulated_events", "multilabel": "ho_multilabel"}
ABLATION_TASKS = ("fcnc_tHq", "WH_ZH")

# Published: sections III B to III D. Better: what raised the gain at 1,000 events per class, see examples/README.md.
PRETRAINING = {
    "published": Optimisation(),
    "better": Optimisation(learning_rate=1e-3, schedule="cosine", warmup_epochs=0.5),
}
FINETUNING = {
    "published": Optimisation(backbone_learning_rate=1e-5),
    "better": Optimisation(learning_rate=1e-4, schedule="cosine"),
}
SCRATCH = {"published": Optimisation(), "better": Optimisation(learning_rate=3e-4, schedule="cosine", warmup_epochs=1)}
AUGMENT = {"rotate": True, "reflect": True}


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        pretraining_sizes: events per process of the pretrainings, the largest last.
        pretraining_epochs: passes over them by recipe, one number for each size; ``multilabel`` of the largest.
        pretraining_batch: events in a step, by recipe. The published rates of 1e-4 want many steps, of which the
            paper made millions: where passes are few, small batches make more of them.
        sizes: training events per class of the tasks.
        seeds: trainings of each kind, one number for each of ``sizes``.
        other_seeds: of the groups scaling, frozen and ablation, at the smallest of ``sizes``.
        epochs: of the published recipe in the tasks, at most.
        patience: epochs without a lower validation loss before it stops.
        better_epochs: of the better recipe, whose rates fall to 0 in this time.
        scratch_epochs: of the training from scratch that it is compared with, which needs more of them.
        batch_size: events in a step, in the tasks.
        cka_models: ensembles of table III, at the largest of ``sizes`` that has two trainings.
        larger: methods that are trained at more than the smallest of ``sizes``; None is all of their groups.
    """

    pretraining_sizes: list[int]
    pretraining_epochs: dict[str, list[int]]
    pretraining_batch: dict[str, int]
    sizes: list[int]
    seeds: list[int]
    other_seeds: int
    epochs: int
    patience: int
    better_epochs: int
    scratch_epochs: int
    batch_size: int
    cka_models: int = 3
    larger: list[str] | None = None


STUDIES = {
    "small": Study(
        [3_000, 12_000, 47_000],
        {"published": [16, 8, 13], "better": [16, 8, 14], "multilabel": [4]},
        {"published": 64, "better": 256},
        [1_000, 10_000], [5, 1], 1, 100, 12, 12, 50, 64, larger=["scratch", "multiclass", "trees"],
    ),
    "published": Study(
        [100_000, 1_000_000, 9_500_000],
        {"published": [50, 50, 50], "better": [50, 50, 50], "multilabel": [50]},
        {"published": 1024, "better": 1024},
        [10**3, 10**4, 10**5, 10**6, 10**7], [5] * 5, 5, 500, 20, 100, 100, 1024,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Pretraining:
    """One pretraining: what is learned, with which recipe, on how many events per process."""

    objective: str
    recipe: str
    size: int
    epochs: int
    batch_size: int
    place: Place

    @property
    def name(self) -> str:
        """Of its folder: what is learned, how, from how many events per process, in how many passes and batches."""
        return f"{self.objective}-{self.recipe}-{self.size}x{self.epochs}-{self.batch_size}"

    @property
    def model(self) -> Path:
        """Folder of the trained model."""
        return self.place.model(self.name)


def run_pretraining(job: Pretraining) -> dict[str, Any]:
    """Pretrain one network; a killed run goes on from its last epoch."""
    if job.place.threads:
        torch.set_num_threads(job.place.threads)
    files = job.place.files("pretraining", HO_PRETRAINING)
    train, val = job.place.splits(CARDS[job.objective], files, SPLITS["pretraining"])
    wanted = job.size * len(files)
    if len(train) < wanted:
        raise ConfigError(f"{job.size} pretraining events per process asked for, {len(train)} of {wanted} are there")
    # The files have the same number of events each, so a random choice has as many of each process but for chance.
    order = torch.from_numpy(np.random.default_rng(1).permutation(len(train)))
    lightning.seed_everything(1, workers=True, verbose=False)
    model = EventModel(
        GraphNetwork.ho(),
        Classification(len(files)) if job.objective == "multiclass" else MultiLabel.ho(),
        optimisation=PRETRAINING[job.recipe],
        metadata={
            "card": CARDS[job.objective],
            "processes": list(files),
            "events": wanted,
            "recipe": job.recipe,
            "name": job.name,
        },
    )
    settings = TrainingSettings(
        epochs=job.epochs, batch_size=job.batch_size, seed=1, progress=False, resume=True
    )  # fmt: skip
    val = val.index_select(torch.arange(0, len(val), max(1, len(val) // 12_000)))
    result = pretrain(model, train.index_select(order[:wanted]), val, output=job.model.parent, settings=settings)
    last = result.history[-1]
    return {
        "model": job.name,
        "events": wanted,
        "epochs": len(result.history),
        "seconds": last["seconds"],
        **{k: v for k, v in result.history[result.best_epoch].items() if k.startswith("val_")},
    }


def pretrainings(study: Study) -> list[tuple[str, str, int, int]]:
    """What is learned, recipe, events per process and passes of every pretraining, the longest first."""
    sizes, passes = study.pretraining_sizes, study.pretraining_epochs
    multiclass = [
        ("multiclass", recipe, size, epochs)
        for recipe in PRETRAINING
        for size, epochs in zip(sizes, passes[recipe], strict=True)
    ]
    every = [*multiclass, ("multilabel", "published", sizes[-1], passes["multilabel"][-1])]
    return sorted(every, key=lambda one: -one[2] * one[3])


def copy_shipped(jobs: Sequence[Pretraining]) -> None:
    """Networks that come with the package and were trained exactly so need no training here."""
    for folder in shipped_models().values():
        name = json.loads((folder / "config.json").read_text(encoding="utf-8"))["metadata"].get("name")
        for job in jobs:
            if job.name == name and not job.model.is_dir():
                print(f"{name} comes with the package, trained elsewhere: {folder} (--retrain trains it here)")
                shutil.copytree(folder, job.model)


def recipes(study: Study, models: dict[tuple[str, str, int], Path]) -> dict[str, dict[str, Recipe]]:
    """Group -> name -> how to train; ``models`` by what they learned, how, and from how many events per process."""
    settings = TrainingSettings(
        epochs=study.epochs, batch_size=study.batch_size, patience=study.patience,
        progress=False, checkpoints=False, tensorboard=False,
    )  # fmt: skip
    short = replace(settings, epochs=study.better_epochs, patience=None)
    longer = replace(short, epochs=study.scratch_epochs)
    fresh = EventModel(GraphNetwork.ho(), Classification(2))
    largest = study.pretraining_sizes[-1]

    def tuned(name: str, kind: str, model: tuple[str, str, int], **changes: Any) -> Recipe:
        better = {"settings": short, "probe": True, "augment": AUGMENT} if kind == "better" else {}
        return Recipe(name, **{
            "settings": settings, "optimisation": FINETUNING[kind], "pretrained": models[model], **better, **changes,
        })  # fmt: skip

    def frozen(name: str, *parts: str, **changes: Any) -> Recipe:
        optimisation = Optimisation(frozen=parts)
        return tuned(name, "published", ("multiclass", "published", largest), optimisation=optimisation, **changes)

    scratch_better = Recipe("scratch_better", longer, SCRATCH["better"], scratch=fresh, augment=AUGMENT)
    best = ("multiclass", "better", largest)
    everything_else = ("node_encoder", "edge_encoder", "global_encoder", "blocks")
    listed = {
        "table1": [
            Recipe("scratch", settings, SCRATCH["published"], scratch=fresh),
            tuned("multiclass", "published", ("multiclass", "published", largest)),
            tuned("multilabel", "published", ("multilabel", "published", largest)),
            Recipe("trees", trees=True),
        ],
        "better": [
            scratch_better,
            tuned("better", "better", best),
        ],
        "scaling": [
            tuned(f"{name}@{size}", kind, ("multiclass", kind, size))
            for size in study.pretraining_sizes[:-1]
            for name, kind in (("multiclass", "published"), ("better", "better"))
        ],
        "frozen": [
            frozen("frozen_backbone", "backbone"),
            frozen("new_decoder", *everything_else, reset=("decoder",)),
        ],
        "ablation": [
            tuned("better-random_head", "better", best, probe=False),
            tuned("better-no_augmentation", "better", best, augment=None),
            tuned("better-layer_decay", "better", best, optimisation=replace(FINETUNING["better"], layer_decay=0.7)),
            tuned("better-published_rates", "better", best, optimisation=FINETUNING["published"]),
            tuned("better-published_pretraining", "better", ("multiclass", "published", largest)),
            tuned("better-multilabel", "better", ("multilabel", "published", largest)),
        ],
        "control": [scratch_better, Recipe("trees", trees=True)],
    }  # fmt: skip
    return {group: {recipe.name: recipe for recipe in found} for group, found in listed.items()}


def tasks(place: Place) -> dict[str, Task]:
    """The five tasks, the same test events for every training."""
    made = {}
    for name, (signal, background) in HO_TASKS.items():
        both = (background, signal)
        train, val = place.splits("simulated_events", place.files("finetuning", both), SPLITS["finetuning"])
        (test,) = place.splits("simulated_events", place.files("test", both), SPLITS["test"])
        made[name] = Task(name, train, val, test)
    return made


def controls(place: Place) -> dict[str, Task]:
    """The same process from both generator chains: a classifier should find nothing."""
    made = {}
    for process in CONTROLS:
        files = {chain: place.samples / "control" / f"{process}_{chain}.root" for chain in ("lhe", "native")}
        splits = place.splits("simulated_events", files, SPLITS["control"])
        made[f"control_{process}"] = Task(f"control_{process}", *splits)
    return made


def runs_of(group: str, study: Study, models: dict[tuple[str, str, int], Path], place: Place) -> list[Run]:
    """Every training of a group, those of one seed together."""
    found = list(recipes(study, models)[group].values())
    wanted = list((controls if group == "control" else tasks)(place).values())
    sizes, counts = study.sizes, study.seeds
    if group == "ablation":
        wanted = [task for task in wanted if task.name in ABLATION_TASKS]
    if group == "control":
        sizes, counts = [min(study.sizes[-1], 5_000)], [study.seeds[-1]]
    elif group not in ("table1", "better"):
        sizes, counts = study.sizes[:1], [study.other_seeds]
    runs: list[Run] = []
    for size, count in zip(sizes, counts, strict=True):
        if size != study.sizes[0] and group in ("table1", "better") and study.larger is not None:
            found = [recipe for recipe in found if recipe.name in study.larger]
        runs += plan(wanted, found, [size], range(1, count + 1), place.output / "runs", place.threads)
    return runs


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    parser = options(__doc__, "ho", STAGES, STUDIES)
    parser.add_argument("--groups", type=list[str], default=list(GROUPS), help="trainings of the stage finetune")
    parser.add_argument("--models", type=list[str] | None, default=None, help="networks of the stage pretrain; all")
    parser.add_argument("--retrain", action="store_true", help="train the networks that come with the package too")
    given = parser.parse_args()
    command.check_names(given.groups, GROUPS)
    study = chosen(STUDIES, given, ("seeds",))
    output = command.start_run(given.output, parser, given)
    place = Place.of("ho", given)
    jobs = [
        Pretraining(objective, recipe, size, epochs, study.pretraining_batch[recipe], place)
        for objective, recipe, size, epochs in pretrainings(study)
    ]
    models = {(job.objective, job.recipe, job.size): job.model for job in jobs}
    if given.stage in ("pretrain", "all"):
        command.check_names(given.models or [], [job.name for job in jobs])
        if not given.retrain:
            copy_shipped(jobs)
        pretrain_missing([job for job in jobs if job.name in (given.models or [job.name])], run_pretraining, given)
    records = RunRecords(given.records, RECORD_KEY)
    if given.stage in ("finetune", "all"):
        runs = [run for group in given.groups for run in runs_of(group, study, models, place)]
        finish(runs, records, given.workers, command.note())
    if given.stage in ("table1", "table3", "figure1", "all"):
        wanted = ("table1", "table3", "figure1") if given.stage == "all" else (given.stage,)
        tested = {name: task.test for name, task in tasks(place).items()} if "table3" in wanted else {}
        keep_settings(records, (r for found in recipes(study, models).values() for r in found.values()))
        report = ho_report.make(wanted, study, records, pretraining_records(given, jobs), tested, output)
        write_report(report, given)


if __name__ == "__main__":
    command.run(main)
