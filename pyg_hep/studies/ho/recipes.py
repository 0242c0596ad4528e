"""How the networks of the study of Ho et al. are trained: published recipe, better recipe, ablations; and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs.columns import SUMMARY
from pyg_hep.nn import Backbone, EventTransformer, GraphNetwork
from pyg_hep.objectives import Classification, Joint, MaskedObjects, MultiLabel, Objective, Regression
from pyg_hep.simulation.samples import HO_PRETRAINING
from pyg_hep.studies.forests import TreesOnTrees
from pyg_hep.studies.ho.samples import card_of, controls, pretraining_events, tasks
from pyg_hep.studies.methods import FineTuned, FromScratch, Method, Trees
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.pretraining import Pretraining
from pyg_hep.studies.task import Size
from pyg_hep.studies.ways import LinearProbe, plan_folds, ways_of
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

GROUPS = ("table1", "better", "scaling", "frozen", "ablation", "control", "kinds", "ways", "seen", "folds")
ABLATION_TASKS = ("fcnc_tHq", "WH_ZH")
FOLDS = 3
"""Of the training events, by which the method is chosen that is compared with boosted trees."""

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
PAIRS = ("ln_d_r", "ln_kt", "z", "ln_mass")
TRANSFORMER: dict[str, Any] = {"hidden_channels": 64, "num_layers": 4, "heads": 4, "pooling": "class"}


def _joint(name: str, objective: Objective, weight: float) -> Joint:
    return Joint({"classes": Classification(len(HO_PRETRAINING)), name: objective}, weights={name: weight})


def _network(kind: str) -> tuple[Backbone, Objective]:
    """A new network, and what it is pretrained for."""
    classes = Classification(len(HO_PRETRAINING))
    match kind:
        case "multilabel":
            return GraphNetwork.ho(), MultiLabel.ho()
        case "masked":
            return GraphNetwork.ho(), _joint("objects", MaskedObjects(whole=True), 0.1)
        case "variables":
            return GraphNetwork.ho(), _joint("variables", Regression(target=SUMMARY, loss="huber"), 1.0)
        case "summary":
            return GraphNetwork.ho(event_channels=len(SUMMARY), preset="ho_summary"), classes
        case "transformer":
            return EventTransformer(7, pair_columns=PAIRS, preset="ho", **TRANSFORMER), classes
        case "summary_transformer":
            handed: dict[str, Any] = {"event_channels": len(SUMMARY), "preset": "ho_summary"}
            return EventTransformer(7, pair_columns=PAIRS, **handed, **TRANSFORMER), classes
    return GraphNetwork.ho(), classes


KINDS = ("multiclass", "multilabel", "masked", "variables", "summary", "transformer", "summary_transformer")
"""What a network is pretrained for: twelve classes and 41 labels, both published; twelve classes with masked objects,
and with the regression of the variables that boosted trees are handed; twelve classes by a network that is handed these
too; by a transformer of the same cost with pair bias; and by such a one that is handed the variables."""


@dataclass(frozen=True)
class Learned:
    """One pretraining: what is learned by which recipe, from how many events per process, in which passes and batches.

    The published rates of 1e-4 want many steps, of which the paper made millions: where passes are few, small batches
    make more of them.

    Args:
        objective: one of :data:`KINDS`.
        recipe: one of :data:`PRETRAINING`.
        events: per process.
        epochs: passes over them.
        batch: events in a step.
    """

    objective: str
    recipe: str
    events: int
    epochs: int
    batch: int

    def __post_init__(self) -> None:
        command.check_names([self.objective], KINDS)
        command.check_names([self.recipe], PRETRAINING)


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
        best: kind of the pretraining of which every way of use is tried.
        trainings: whose mean is compared, of networks and of trees alike.
        forest: pretraining events per process that the first trees of the trees on trees learn; None for all those of
            the network. Their time is in proportion to it.
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
    best: str = "multiclass"
    trainings: int = 5
    forest: int | None = None

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
            *(Learned(kind, "better", 12_000, 8, 256) for kind in KINDS[2:]),
            *(Learned("summary_transformer", "better", events, epochs, 256)
              for events, epochs in ((188_000, 4), (47_000, 14), (3_000, 16))),
        ],
        [Size(1_000, 5), Size(10_000, 1)], 1, 100, 12, 12, 50, 64, larger=["scratch", "multiclass", "trees"],
        best="summary_transformer", forest=47_000,
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
        """The graph network of the paper, or what its kind makes of it."""
        backbone, objective = _network(self.learned.objective)
        about = {"card": card_of(self.learned.objective), "processes": list(HO_PRETRAINING)}
        return EventModel(
            backbone, objective, optimisation=PRETRAINING[self.learned.recipe],
            metadata={**about, "recipe": self.learned.recipe},
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


def methods(group: str, study: Study, jobs: Sequence[HoPretraining]) -> list[Method]:
    """The methods of a group of :data:`GROUPS`.

    Fine-tuning by the better recipe is compared with the better training from scratch.

    Raises:
        ConfigError: when the study has not the pretraining that the group compares.
    """
    settings = TrainingSettings(
        epochs=study.epochs, batch_size=study.batch_size, patience=study.patience,
        progress=False, checkpoints=False, tensorboard=False,
    )  # fmt: skip
    short = replace(settings, epochs=study.better_epochs, patience=None)
    longer = replace(short, epochs=study.scratch_epochs)
    fresh = EventModel(GraphNetwork.ho(), Classification(2))
    folders = {job.learned: job.folder for job in jobs}

    def about(one: Learned) -> dict[str, Any]:
        return {
            "pretraining_events": one.events, "pretraining_epochs": one.epochs, "pretraining_recipe": one.recipe,
        }  # fmt: skip

    def tuned(one: Learned, variant: str = "", **changes: Any) -> FineTuned:
        better = variant.startswith("better")
        arguments: dict[str, Any] = {"settings": settings, "optimisation": FINETUNING["published"]}
        if better:
            arguments = {"settings": short, "optimisation": FINETUNING["better"], "probe": True, "augment": AUGMENT}
        return FineTuned(
            folders[one], **{**arguments, **changes}, name=one.objective, variant=variant,
            baseline="scratch/better" if better else "scratch",
            columns=about(one),
        )  # fmt: skip

    scratch_better = FromScratch(
        fresh, settings=longer, optimisation=SCRATCH["better"], augment=AUGMENT, variant="better"
    )  # fmt: skip
    match group:
        case "table1":
            largest = [study.largest(objective, "published") for objective in ("multiclass", "multilabel")]
            scratch = FromScratch(fresh, settings=settings, optimisation=SCRATCH["published"])
            return [scratch, *map(tuned, largest), Trees()]
        case "better":
            return [scratch_better, tuned(study.largest("multiclass", "better"), "better")]
        case "scaling":
            largest = [study.largest("multiclass", recipe) for recipe in PRETRAINING]
            smaller = [one for r in PRETRAINING for one in study.of("multiclass", r) if one not in largest]
            return [
                tuned(one, f"better-{one.events}" if one.recipe == "better" else str(one.events)) for one in smaller
            ]
        case "frozen":
            partly = partial(tuned, study.largest("multiclass", "published"))
            everything_else = ("node_encoder", "edge_encoder", "global_encoder", "blocks")
            return [
                partly("frozen_backbone", optimisation=Optimisation(frozen=("backbone",))),
                partly("new_decoder", optimisation=Optimisation(frozen=everything_else), reset=("decoder",)),
            ]
        case "ablation":
            best = study.largest("multiclass", "better")
            layers = replace(FINETUNING["better"], layer_decay=0.7)
            return [
                tuned(best, "better-random_head", probe=False),
                tuned(best, "better-no_augmentation", augment=None),
                tuned(best, "better-layer_decay", optimisation=layers),
                tuned(best, "better-published_rates", optimisation=FINETUNING["published"]),
                tuned(study.largest("multiclass", "published"), "better-published_pretraining"),
                tuned(study.largest("multilabel", "published"), "better"),
            ]
        case "kinds":
            others = [one for one in study.pretraining if one.objective in KINDS[2:]]
            lengths = {one.objective: set[tuple[int, int]]() for one in others}
            for one in others:
                lengths[one.objective].add((one.events, one.epochs))
            shared = set.intersection(*lengths.values()) if lengths else set()
            return [
                tuned(one, f"better-{one.events}x{one.epochs}") for one in others if (one.events, one.epochs) in shared
            ]
        case "seen":
            best = study.largest(study.best, "better")
            smaller = [one for one in study.of(study.best, "better") if one != best]
            variants = {best: "probe"} | {one: f"probe-{one.events}x{one.epochs}" for one in smaller}
            return [
                LinearProbe(folders[one], name=one.objective, variant=variant, columns=about(one))
                for one, variant in variants.items()
            ]
        case "folds":  # ways that are trained once, as the trees that they are compared with
            once = ("better", "probe", "stacked", "all")
            return [m for m in methods("ways", study, jobs) if m.name == study.best and m.variant in once]
        case "ways":
            single = tuned(study.largest(study.best, "better"), "better")
            return [single, Trees(), *ways_of(single, Trees(), study.trainings, baseline="scratch")]
    # Of the control: a pretrained network may know the chains from the processes that it was pretrained on.
    return [scratch_better, tuned(study.largest(study.best, "better"), "better"), Trees(baseline=None)]


def plan_group(group: str, study: Study, jobs: Sequence[HoPretraining], place: Place) -> list[Run]:
    """Every training of a group, those of one seed together."""
    compared = methods(group, study, jobs)
    if group == "ways":  # events of the pretraining of which every way of use is tried
        number = study.forest or study.largest(study.best, "better").events
        events, _ = pretraining_events(place, study.best, number)
        compared.append(TreesOnTrees(learned=events))
    learned = (controls if group == "control" else tasks)(place)
    if group == "folds":
        return plan_folds(learned, compared, study.sizes[0], place.runs, FOLDS, place.threads)
    if group == "control":
        sizes = [Size(min(study.sizes[-1].events, 5_000), study.sizes[-1].seeds)]
        return plan(learned, compared, sizes, place.runs, place.threads)
    if group == "ablation":
        learned = [task for task in learned if task.name in ABLATION_TASKS]
    if group not in ("table1", "better", "kinds", "ways", "seen"):
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
