"""How the networks of the study of Bumblebee are trained, what they are compared with, and how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyg_hep import command
from pyg_hep.analysis.tops import METHODS
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import ObjectVariables
from pyg_hep.inputs import View
from pyg_hep.inputs.particle_ids import CLASS_IDS
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedFourVectors, Objective, TopFlow
from pyg_hep.studies.bumblebee import samples
from pyg_hep.studies.bumblebee.dense import Dense
from pyg_hep.studies.bumblebee.masses import FIGURES
from pyg_hep.studies.bumblebee.tops import Classical, Constant, Reconstruction, TreeRegression
from pyg_hep.studies.bumblebee.variables import COLUMNS, TRUTH, TopVariables
from pyg_hep.studies.methods import FineTuned, FromScratch, Method, Trees
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.task import Size, Task
from pyg_hep.studies.tuned import Tuned
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

RECO = {"select": {"level": "reco"}}
"""What the networks of fine-tuning see."""

TABLES = {"full": None, "particle_id": "particle_id", "level": "level", "hidden": "hidden"}
"""Variant of the ablation -> the embedding that it lacks."""


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        width: of the transformer, whose feed-forward layers are four times as wide.
        layers: of it.
        heads: of it.
        sizes: of top reconstruction, by the number of labelled events; 0 is all.
        finetuning: of toponium and initial state, in all events.
        ablation: of the ablation.
        recipes: of :func:`recipes`, ``supervised`` among them.
        pretrained: recipe of top reconstruction that is fine-tuned, at the last of ``sizes``.
        optimisation: of whatever starts from random weights.
        copies: smearings of the ellipse method.
        samples: of the distribution of an event, where a recipe has one.
        signal: the sample that is toponium.
        tasks: what is fine-tuned for.
        ceilings: reconstructions of the tops whose mass and angles trees are given.
        tuned: recipes, all of them from random weights, whose learning rate is tuned by :data:`RATES`.
        trials: settings that are tried in fine-tuning, see :class:`~pyg_hep.studies.tuned.Tuned`.
    """

    width: int
    layers: int
    heads: int
    sizes: list[Size]
    finetuning: list[Size]
    ablation: list[Size]
    recipes: tuple[str, ...] = ("supervised", "masked", "masked_supervised", "published", "flow", "masked_flow")
    pretrained: str = "masked"
    optimisation: Mapping[str, Any] = field(default_factory=dict)
    copies: int = 40
    samples: int = 32
    signal: str = "toponium"
    tasks: tuple[str, ...] = ("toponium", "initial_state")
    ceilings: tuple[str, ...] = ("truth", "smeared_ellipse", "network")
    tuned: tuple[str, ...] = ("supervised", "flow")
    trials: tuple[dict[str, float], ...] = ({}, {"dropout": 0.1}, {"weight_decay": 0.1}, {"batch": 0.5})

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ConfigError: for a recipe that there is not, or no size.
        """
        command.check_names([*self.recipes, *self.tuned, *self.ceilings], [*recipes(), TRUTH, *METHODS])
        for name in ("supervised", self.pretrained):
            if name not in self.recipes:
                raise ConfigError(f"the recipe {name!r} is needed among {', '.join(self.recipes)}")
        if not (self.sizes and self.finetuning):
            raise ConfigError("a study needs at least one of its sizes, and one of finetuning")


RATES: tuple[dict[str, float], ...] = ({"rate": 0.5}, {}, {"rate": 2.0})
"""Learning rates that are tried, by factors."""

_LARGE_BATCH = {"optimiser": "adamw", "weight_decay": 1e-3, "schedule": "cosine", "warmup_epochs": 0.5}
_PUBLISHED = {"optimiser": "adam", "weight_decay": 1e-3, "schedule": "linear", "warmup_steps": 9_000}

SIZES = {
    "small": Study(
        64, 4, 4,
        [
            Size(3_000, 3, 30, 128, 2e-3), Size(10_000, 3, 16, 128, 2e-3), Size(30_000, 3, 10, 128, 2e-3),
            Size(0, 3, 8, 256, 2e-3),
        ],
        [Size(3_000, 3, 20, 128, 1e-3), Size(60_000, 3, 4, 256, 1e-3)], [Size(50_000, 2, 6, 256, 2e-3)],
        optimisation=_LARGE_BATCH,
    ),
    "large_batch": Study(
        768, 8, 16, [Size(0, 3, 10, 1024, 5e-4)], [Size(0, 3, 4, 1024, 5e-4)], [Size(0, 2, 10, 1024, 5e-4)],
        optimisation=_LARGE_BATCH, copies=100,
    ),
    "published": Study(
        768, 8, 16, [Size(0, 3, 10, 16, 1e-4)], [Size(0, 3, 4, 16, 1e-4)], [Size(0, 2, 10, 16, 1e-4)],
        recipes=("supervised", "published"), pretrained="published", optimisation=_PUBLISHED, copies=100,
    ),
}  # fmt: skip
"""Sizes by name: ``small`` for two cores, ``published`` the network and the steps of the paper (section 3.3), and
``large_batch`` the same network with the batches that fill a GPU. The last two take as many events as were simulated:
the paper has 7 million of ttbar."""


@dataclass(frozen=True)
class Recipe:
    """One way to learn to reconstruct tops.

    Args:
        smooth: log pt and sine and cosine of phi instead of pt and phi.
        learned: objectives one after the other, which share the epochs; only the arguments are used.
        dropout: of the transformer. Networks of few parameters gain nothing by it, and lose a quarter of their steps.
    """

    smooth: bool
    learned: tuple[Objective, ...]
    dropout: float = 0.0


SUPERVISED, MASKED = MaskedFourVectors(generated_only=True), MaskedFourVectors()
MASS: dict[str, Any] = {"mass_weight": 10.0}


def recipes() -> dict[str, Recipe]:
    """Name -> recipe.

    ``supervised`` is a transformer that only ever estimates the generated level from the reconstructed one, ``masked``
    has masked four-vectors with smooth columns, ``published`` with the columns and the dropout of the paper; two have
    the mass of the pair in the loss. ``flow`` learns a distribution instead. ``masked_supervised`` and ``masked_flow``
    go on with those from masked four-vectors, half of the steps each.
    """
    return {
        "supervised": Recipe(True, (SUPERVISED,)),
        "masked": Recipe(True, (MASKED,)),
        "masked_supervised": Recipe(True, (MASKED, SUPERVISED)),
        "published": Recipe(False, (MASKED,), dropout=0.05),
        "supervised_mass": Recipe(True, (MaskedFourVectors(generated_only=True, **MASS),)),
        "masked_mass": Recipe(True, (MaskedFourVectors(**MASS),)),
        "flow": Recipe(True, (TopFlow(),)),
        "masked_flow": Recipe(True, (MASKED, TopFlow())),
    }


BASELINES = {
    "masked": "supervised", "masked_supervised": "supervised", "published": "supervised", "flow": "supervised",
    "masked_flow": "flow", "supervised_mass": "supervised", "masked_mass": "supervised_mass",
}  # fmt: skip
"""What each recipe is compared with: the same learned from random weights, with as many steps."""


def network(study: Study, smooth: bool, without: str | None = None, **arguments: Any) -> EventModel:
    """A new transformer that estimates four-vectors, of which one embedding may be missing.

    Args:
        study: with its sizes.
        smooth: see :class:`Recipe`.
        without: table that it lacks.
        arguments: of the backbone.
    """
    config = View.bumblebee(smooth=smooth).config()
    view = View(**{**config, "ids": [name for name in config["ids"] if name != without]})
    backbone = EventTransformer.bumblebee(
        len(view.columns), hidden_channels=study.width, num_layers=study.layers, heads=study.heads,
        feed_forward=4 * study.width, id_channels=view.channels.ids, **arguments,
    )  # fmt: skip
    return EventModel(backbone, MaskedFourVectors(), view)


def _common(study: Study) -> dict[str, Any]:
    settings = TrainingSettings(progress=False, checkpoints=False, tensorboard=False, gradient_clip=1.0)
    return {"settings": settings, "optimisation": Optimisation(**study.optimisation)}


def tops_task(place: Place, name: str = "tops") -> Task:
    """Reconstruction of top pairs."""
    return Task(name, *samples.pairs(place), figures=FIGURES)


def plan_tops(study: Study, place: Place) -> list[Run]:
    """Every network and tree at every size, and classical methods, which learn no more than a scale, once."""
    networks: list[Method] = [_reconstruction(study, name) for name in study.recipes]
    classical: list[Method] = [
        Classical("ellipse", name="ellipse"),
        Classical("smeared_ellipse", {"copies": study.copies}, name="smeared_ellipse"),
        Classical("neutrino_weighting", name="neutrino_weighting"),
        Classical("visible_mass", name="visible_mass"),
        Constant(),
    ]
    task = tops_task(place)
    runs = plan([task], [*networks, TreeRegression()], study.sizes, place.runs, place.threads)
    return runs + plan([task], classical, [Size(study.sizes[-1].events)], place.runs, place.threads)


def _reconstruction(study: Study, name: str) -> Method:
    recipe = recipes()[name]
    method = Reconstruction(
        network(study, recipe.smooth, dropout=recipe.dropout), recipe.learned, samples=study.samples, name=name,
        baseline=BASELINES.get(name), **_common(study),
    )  # fmt: skip
    return Tuned.of(method, RATES) if name in study.tuned else method


def plan_ablation(study: Study, place: Place) -> list[Run]:
    """Masked four-vectors without one table of the embedding each."""
    methods: list[Method] = [
        Reconstruction(
            network(study, True, without, dropout=0.0), (MASKED,), name="ablation",
            variant=name, baseline=None if without is None else "ablation/full", **_common(study),
        )
        for name, without in TABLES.items()
    ]  # fmt: skip
    return plan([tops_task(place, "ablation")], methods, study.ablation, place.runs, place.threads)


def plan_finetuning(study: Study, place: Place, tops: Sequence[Run]) -> list[Run]:
    """Toponium and initial state: pretrained, from scratch, dense network, trees, ceilings.

    The paper fine-tunes with a tenth of the rate; beside it stands the rate that a network from scratch has. Weight
    decay, dropout and batch of each network, of that from scratch too, are chosen by validation events.

    Args:
        study: the study.
        place: of it.
        tops: trainings of top reconstruction; those of ``pretrained`` at the largest size are fine-tuned, seed by seed.
    """
    events = {
        "toponium": lambda: samples.toponium(place, study.signal),
        "initial_state": lambda: samples.initial_state(place),
    }
    command.check_names(study.tasks, events)
    tasks = [Task(name, *events[name](), balanced=False) for name in study.tasks]
    recipe = recipes()[study.pretrained]
    changes: dict[str, Any] = {"pooling": "class", "class_ids": CLASS_IDS}
    common = _common(study)
    made = network(study, recipe.smooth, **changes, dropout=recipe.dropout)
    fresh = EventModel(made.backbone, Classification(2), View(**{**made.view.config(), **RECO}))
    scratch = Tuned.of(FromScratch(fresh, **common, name="supervised"), (*study.trials, *RATES[::2]))
    # Charges and PDG numbers of leptons are in the networks' tables.
    objects = ObjectVariables((*made.view.columns, "charge"), {"photon": 0})
    runs: list[Run] = []
    for size in study.finetuning:
        for seed in size.numbers:
            one = Size(size.events, (seed,), size.epochs, size.batch, size.rate)
            folder = folder_of(tops, study.pretrained, seed)
            tenth = replace(one, rate=(one.rate or common["optimisation"].learning_rate) / 10)
            tuned = {"changes": changes, "view": RECO, "baseline": "supervised", **common}
            ceilings: list[Method] = [
                Trees(
                    TopVariables(columns, name, folder if name == "network" else None),
                    variant=f"{'+'.join(columns)} {name}", baseline=None,
                )
                for name in study.ceilings
                for columns in (COLUMNS[:1], COLUMNS)
            ]  # fmt: skip
            others: list[Method] = [scratch, Dense(), Trees(objects, variant="objects", baseline=None)]
            others += [Trees(baseline=None), *ceilings]
            others.append(Tuned.of(FineTuned(folder, variant="full rate", **tuned), study.trials))
            runs += plan(tasks, others, [one], place.runs, place.threads)
            published = Tuned.of(FineTuned(folder, **tuned), study.trials)
            runs += plan(tasks, [published], [tenth], place.runs, place.threads)
    return runs


def folder_of(tops: Sequence[Run], recipe: str, seed: int) -> Path:
    """Folder of the network of one recipe and seed with most events.

    Raises:
        ConfigError: when none of that seed is planned.
    """
    mine = [run for run in tops if (run.method.label, run.seed) == (recipe, seed)]
    if not mine:
        raise ConfigError(f"no training of {recipe!r} with seed {seed} to fine-tune: give sizes as many seeds")
    return max(mine, key=lambda run: run.size).output / "model"
