"""How both levels of the study of Abasov et al. are trained, in four variants of the network; and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import ObjectVariables, SummaryVariables
from pyg_hep.inputs.presets import PRESETS
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedObjects
from pyg_hep.objectives.replaced_object import AUGMENT
from pyg_hep.simulation.samples import ABASOV_GROUPS
from pyg_hep.studies.abasov.samples import CARDS, groups
from pyg_hep.studies.methods import FineTuned, FromScratch, Method, Trees
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.pretraining import Pretraining
from pyg_hep.studies.task import Size, Task
from pyg_hep.studies.ways import ways_of
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

VARIANTS = {"16-1h": (16, 1), "20-5h": (20, 5), "125-1h": (125, 1), "125-5h": (125, 5)}
"""Variant -> width and heads of the transformer."""

LEVEL_1 = Optimisation(learning_rate=1e-3, weight_decay=1e-5, schedule="plateau", decay=0.1, plateau_patience=5)


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        variants: of :data:`VARIANTS`.
        compared: of them, what level 2 is trained with at every size; the others at the last only.
        truth_variant: the one that estimates generated W bosons and top quarks too.
        pretraining_epochs: at most, of level 1 on all training events.
        pretraining_batch: events in a step of level 1.
        sizes: of level 2; the slides' rate is 1e-4.
        patience: epochs of level 2 without a lower validation loss before it stops.
        schedule: of the learning rate; the slides name none.
        augment: Lorentz augmentation of the training events of level 2, from scratch and pretrained.
        trainings: whose mean is one of the other ways to use level 1 of the last of ``compared``, and of the trees.
    """

    variants: list[str]
    compared: list[str]
    truth_variant: str
    pretraining_epochs: int
    pretraining_batch: int
    sizes: list[Size]
    patience: int
    schedule: str = "constant"
    augment: bool = False
    trainings: int = 5

    def check(self) -> None:
        """Refuse variants that there are not.

        Raises:
            ConfigError: for one of these.
        """
        command.check_names([*self.variants, *self.compared, self.truth_variant], VARIANTS)


# With few training events augmentation is what keeps a network from learning them by heart.
SIZES = {
    "small": Study(
        [*VARIANTS], ["125-5h"], "125-5h", 8, 256,
        [Size(100, 5, 60, 64, 3e-4), Size(500, 3, 40, 64, 3e-4), Size(0, 1, 10, 128, 1e-3)], 60, "cosine", augment=True,
    ),
    "published": Study(
        [*VARIANTS], [*VARIANTS], "125-5h", 100, 1024,
        [*(Size(events, 5, 200, 1024, 1e-4) for events in (1_000, 10_000, 100_000)), Size(0, 3, 200, 1024, 1e-4)], 10,
    ),
}  # fmt: skip


def network(variant: str, view: str) -> EventTransformer:
    """A new transformer of one variant that reads a view."""
    width, heads = VARIANTS[variant]
    return EventTransformer.abasov(width, heads, in_channels=len(PRESETS[view].columns), preset=view)


@dataclass(frozen=True, kw_only=True)
class AbasovPretraining(Pretraining):
    """Level 1 of one variant, with or without generated particles as targets (``truth``, ``masked``)."""

    kind: str
    variant: str

    @property
    def name(self) -> str:
        """Kind, variant, passes and batches."""
        return f"{self.kind}-{self.variant}x{self.settings.epochs}-{self.settings.batch_size}"

    def data(self) -> tuple[EventDataset, EventDataset]:
        """Events of all groups."""
        train, val, _ = groups(self.place, CARDS[self.kind])
        return train, val

    def test(self) -> EventDataset:
        """Events that it is tested on."""
        return groups(self.place, CARDS[self.kind])[2]

    def network(self) -> EventModel:
        """A transformer that estimates hidden variables."""
        truth = self.kind == "truth"
        view = "abasov_truth" if truth else "abasov"
        objective = MaskedObjects(view, probability=0.3, generated=truth)
        metadata = {"card": CARDS[self.kind]}
        return EventModel(network(self.variant, view), objective, optimisation=LEVEL_1, metadata=metadata)

    def columns(self) -> dict[str, Any]:
        """Kind and variant."""
        return {"kind": self.kind, "variant": self.variant}


def pretrainings(study: Study, place: Place) -> list[AbasovPretraining]:
    """Level 1 of every variant, the longest first."""
    kinds = [("truth", study.truth_variant)] + [("masked", variant) for variant in reversed(study.variants)]
    settings = TrainingSettings(epochs=study.pretraining_epochs, batch_size=study.pretraining_batch, seed=1)
    return [AbasovPretraining(place=place, settings=settings, kind=kind, variant=v) for kind, v in kinds]


def methods(study: Study, jobs: Sequence[AbasovPretraining]) -> list[Method]:
    """From scratch, from level 1, and boosted trees; and other ways to use level 1 (:func:`ways_of`).

    Trees get the networks' inputs, object by object; event variables (masses of pairs and triplets, sums, shapes) made
    from the same inputs, which have no charge; and event variables with the charges.
    """
    settings = TrainingSettings(patience=study.patience, progress=False, checkpoints=False, tensorboard=False)
    common: dict[str, Any] = {
        "settings": settings, "optimisation": Optimisation("adamw", schedule=study.schedule),
        "augment": AUGMENT if study.augment else None,
    }  # fmt: skip
    made: list[Method] = [
        Trees(ObjectVariables("abasov", {"photon": 0}), variant="objects", baseline=None),
        Trees(SummaryVariables(charges=False), baseline=None),
        Trees(variant="charges", baseline=None),
    ]
    for variant in study.variants:
        fresh = EventModel(network(variant, "abasov"), Classification(len(ABASOV_GROUPS)))
        made.append(FromScratch(fresh, **common, variant=variant))
    ways: list[Method] = []
    for job in jobs:
        name = "pretrained" if job.kind == "masked" else "pretrained_truth"
        baseline = f"scratch/{job.variant}"
        tuned = FineTuned(job.folder, **common, name=name, variant=job.variant, baseline=baseline)
        made.append(tuned)
        if job.kind == "masked" and job.variant == study.compared[-1]:
            trees = SummaryVariables(charges=False)  # of what the network sees
            ways = ways_of(tuned, Trees(trees), study.trainings, baseline=baseline, prefix=f"{job.variant}-")
    return made + ways


def _is_way(method: Method) -> bool:
    return method.variant.rpartition("-")[2] in ("probe", "stacked", "mean", "all")


def plan_study(study: Study, jobs: Sequence[AbasovPretraining], place: Place) -> list[Run]:
    """Every training of level 2."""
    task = Task("tops", *groups(place, CARDS["masked"]))
    compared = methods(study, jobs)
    few = [m for m in compared if m.name == "trees" or _is_way(m) or m.variant in study.compared]
    # Where level 1 matters little, one sort of it and one way to use it will do.
    many = [method for method in compared if not _is_way(method)]
    if len(study.sizes) > 1:
        many = [method for method in many if method.name != "pretrained_truth"]
    runs = plan([task], few, study.sizes[:-1], place.runs, place.threads)
    return runs + plan([task], many, study.sizes[-1:], place.runs, place.threads)


def label_then(method: str) -> str:
    """Name and variant of a method that records published earlier name by one word: ``scratch-125-5h``."""
    trees = {"trees_of_objects": "trees/objects", "trees_with_charges": "trees/charges"}
    return trees.get(method, method.replace("-", "/", 1))
