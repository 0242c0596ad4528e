"""How the networks of the study of Ho et al. are trained: published recipe, better recipe, ablations; and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification, MultiLabel
from pyg_hep.simulation.samples import HO_PRETRAINING
from pyg_hep.studies.ho.samples import CARDS, controls, pretraining_events, tasks
from pyg_hep.studies.methods import FineTuned, FromScratch, Method, Trees
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.pretraining import Pretraining
from pyg_hep.studies.task import Size
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

GROUPS = ("table1", "better", "scaling", "frozen", "ablation", "control")
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
class Learned:
    """One pretraining: what is learned by which recipe, from how many events per process, in which passes and batches.

    The published rates of 1e-4 want many steps, of which the paper made millions: where passes are few, small batches
    make more of them.
    """

    objective: str
    recipe: str
    events: int
    epochs: int
    batch: int


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        pretraining: the pretrainings.
        sizes: of the tasks.
        other_seeds: of the groups scaling, frozen and ablation, at the first of ``sizes``.
        epochs: of the published recipe in the tasks, at most.
        patience: epochs without a lower validation loss before it stops.
        better_epochs: of the better recipe, whose rates fall to 0 in this time.
        scratch_epochs: of the training from scratch that it is compared with, which needs more of them.
        batch_size: events in a step, in the tasks.
        cka_models: ensembles of table III, at the largest of ``sizes`` that has two trainings.
        larger: labels of the methods that are trained at more than the first of ``sizes``; None is all of their groups.
    """

    pretraining: list[Learned]
    sizes: list[Size]
    other_seeds: int
    epochs: int
    patience: int
    better_epochs: int
    scratch_epochs: int
    batch_size: int
    cka_models: int = 3
    larger: list[str] | None = None

    def largest(self, objective: str, recipe: str) -> Learned:
        """The pretraining of this kind with the most events."""
        made = self.of(objective, recipe)
        if not made:
            raise ConfigError(f"the study's tables compare a pretraining {objective}, {recipe}: 'pretraining' has none")
        return max(made, key=lambda one: one.events)

    def of(self, objective: str, recipe: str) -> list[Learned]:
        """All pretrainings of this kind."""
        return [one for one in self.pretraining if (one.objective, one.recipe) == (objective, recipe)]


SIZES = {
    "small": Study(
        [
            Learned("multiclass", "better", 47_000, 14, 256), Learned("multiclass", "published", 47_000, 13, 64),
            Learned("multilabel", "published", 47_000, 4, 64), Learned("multiclass", "published", 12_000, 8, 64),
            Learned("multiclass", "better", 12_000, 8, 256), Learned("multiclass", "published", 3_000, 16, 64),
            Learned("multiclass", "better", 3_000, 16, 256),
        ],
        [Size(1_000, 5), Size(10_000, 1)], 1, 100, 12, 12, 50, 64, larger=["scratch", "multiclass", "trees"],
    ),
    "published": Study(
        [
            *(Learned("multiclass", recipe, events, 50, 1024)
              for events in (9_500_000, 1_000_000, 100_000) for recipe in PRETRAINING),
            Learned("multilabel", "published", 9_500_000, 50, 1024),
        ],
        [Size(10**power, 5) for power in (3, 4, 5, 6, 7)], 5, 500, 20, 100, 100, 1024,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class HoPretraining(Pretraining):
    """The pretraining of one network on twelve processes."""

    learned: Learned

    @property
    def name(self) -> str:
        """What is learned, how, from how many events per process, in how many passes and batches."""
        one = self.learned
        return f"{one.objective}-{one.recipe}-{one.events}x{one.epochs}-{one.batch}"

    def data(self) -> tuple[EventDataset, EventDataset]:
        """Events of twelve processes."""
        return pretraining_events(self.place, self.learned.objective, self.learned.events)

    def network(self) -> EventModel:
        """The graph network of the paper."""
        several = Classification(len(HO_PRETRAINING))
        return EventModel(
            GraphNetwork.ho(), several if self.learned.objective == "multiclass" else MultiLabel.ho(),
            optimisation=PRETRAINING[self.learned.recipe],
            metadata={"card": CARDS[self.learned.objective], "processes": list(HO_PRETRAINING),
                      "recipe": self.learned.recipe},
        )  # fmt: skip

    def columns(self) -> dict[str, Any]:
        """Objective and recipe."""
        return {"objective": self.learned.objective, "recipe": self.learned.recipe}


def pretrainings(study: Study, place: Place) -> list[HoPretraining]:
    """Every pretraining, the longest first."""
    longest_first = sorted(study.pretraining, key=lambda one: -one.events * one.epochs)
    return [
        HoPretraining(
            place=place, learned=one, settings=TrainingSettings(epochs=one.epochs, batch_size=one.batch, seed=1)
        )
        for one in longest_first
    ]


def methods(study: Study, jobs: Sequence[HoPretraining]) -> dict[str, list[Method]]:
    """Group -> its methods. Fine-tuning by the better recipe is compared with the better training from scratch."""
    settings = TrainingSettings(
        epochs=study.epochs, batch_size=study.batch_size, patience=study.patience,
        progress=False, checkpoints=False, tensorboard=False,
    )  # fmt: skip
    short = replace(settings, epochs=study.better_epochs, patience=None)
    longer = replace(short, epochs=study.scratch_epochs)
    fresh = EventModel(GraphNetwork.ho(), Classification(2))
    folders = {job.learned: job.folder for job in jobs}

    def tuned(one: Learned, variant: str = "", **changes: Any) -> FineTuned:
        better = variant.startswith("better")
        arguments: dict[str, Any] = {"settings": settings, "optimisation": FINETUNING["published"]}
        if better:
            arguments = {"settings": short, "optimisation": FINETUNING["better"], "probe": True, "augment": AUGMENT}
        return FineTuned(
            folders[one], **{**arguments, **changes}, name=one.objective, variant=variant,
            baseline="scratch/better" if better else "scratch",
            columns={"pretraining_events": one.events, "pretraining_recipe": one.recipe},
        )  # fmt: skip

    published, best = study.largest("multiclass", "published"), study.largest("multiclass", "better")
    multilabel = study.largest("multilabel", "published")
    frozen = partial(tuned, published)
    everything_else = ("node_encoder", "edge_encoder", "global_encoder", "blocks")
    scratch_better = FromScratch(
        fresh, settings=longer, optimisation=SCRATCH["better"], augment=AUGMENT, variant="better"
    )  # fmt: skip
    smaller = [one for recipe in PRETRAINING for one in study.of("multiclass", recipe) if one not in (published, best)]
    return {
        "table1": [
            FromScratch(fresh, settings=settings, optimisation=SCRATCH["published"]),
            tuned(published), tuned(multilabel), Trees(),
        ],
        "better": [scratch_better, tuned(best, "better")],
        "scaling": [
            tuned(one, f"better-{one.events}" if one.recipe == "better" else str(one.events)) for one in smaller
        ],
        "frozen": [
            frozen("frozen_backbone", optimisation=Optimisation(frozen=("backbone",))),
            frozen("new_decoder", optimisation=Optimisation(frozen=everything_else), reset=("decoder",)),
        ],
        "ablation": [
            tuned(best, "better-random_head", probe=False),
            tuned(best, "better-no_augmentation", augment=None),
            tuned(best, "better-layer_decay", optimisation=replace(FINETUNING["better"], layer_decay=0.7)),
            tuned(best, "better-published_rates", optimisation=FINETUNING["published"]),
            tuned(published, "better-published_pretraining"),
            tuned(multilabel, "better"),
        ],
        "control": [scratch_better, Trees(baseline=None)],
    }  # fmt: skip


def plan_group(group: str, study: Study, jobs: Sequence[HoPretraining], place: Place) -> list[Run]:
    """Every training of a group, those of one seed together."""
    compared = methods(study, jobs)[group]
    learned = (controls if group == "control" else tasks)(place)
    if group == "control":
        sizes = [Size(min(study.sizes[-1].events, 5_000), study.sizes[-1].seeds)]
        return plan(learned, compared, sizes, place.runs, place.threads)
    if group == "ablation":
        learned = [task for task in learned if task.name in ABLATION_TASKS]
    if group not in ("table1", "better"):
        return plan(learned, compared, [replace(study.sizes[0], seeds=study.other_seeds)], place.runs, place.threads)
    runs = plan(learned, compared, study.sizes[:1], place.runs, place.threads)
    if study.larger is not None:
        compared = [method for method in compared if method.label in study.larger]
    return runs + plan(learned, compared, study.sizes[1:], place.runs, place.threads)


def label_then(method: str) -> str:
    """Name and variant of a method that records published earlier name by one word."""
    name, _, change = method.partition("@" if "@" in method else "-")
    known = {"scratch_better": "scratch/better", "better": "multiclass/better"}
    if method == "better-multilabel":
        return "multilabel/better"
    if change:
        return f"multiclass/{'better-' if name == 'better' else ''}{change}"
    return known.get(method, f"multiclass/{method}" if method in ("frozen_backbone", "new_decoder") else method)
