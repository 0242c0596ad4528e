"""How the networks of the study of OmniLearn are pretrained, and what is compared at top tagging; and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone, DeepSets, DenseNetwork, EventTransformer, ParticleNet, PointEdgeTransformer
from pyg_hep.objectives import Classification, Joint, Objective
from pyg_hep.simulation.boosted.processes import CLASSES
from pyg_hep.studies.methods import FineTuned, FromScratch, Method, Network, Trees
from pyg_hep.studies.omnilearn.samples import CARD, TOPS, Jets
from pyg_hep.studies.omnilearn.scores import ClassScore
from pyg_hep.studies.omnilearn.substructure import COLUMNS, EventTable
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.pretraining import Pretraining
from pyg_hep.studies.task import Size
from pyg_hep.studies.tuned import SETTINGS, Tuned
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

PUBLISHED = Optimisation("lion", learning_rate=3e-5, schedule="cosine", warmup_epochs=3, weight_decay=1e-5)
"""arXiv:2502.14652, of the pretraining; there 3e-5 sqrt(GPUs)."""
TAGGING = Optimisation(
    "lion", learning_rate=3e-5, backbone_learning_rate=6e-6, schedule="cosine", warmup_epochs=1, weight_decay=1e-4
)  # fmt: skip
"""The same of top tagging: a fifth of the rate for the pretrained body."""
PAIRS = ("ln_d_r", "ln_kt", "z", "ln_mass")
JOINT, FLOW, LOG_PT, MASKED, SHORT, TOP_FAST = (
    "joint", "joint_flow", "joint_log_pt", "masked", "joint_short", "top_fast",
)  # fmt: skip
KINDS = (JOINT, FLOW, LOG_PT, MASKED, SHORT, TOP_FAST)
"""Pretrainings: classes and jets from noise by v-prediction (the published one), by flow matching, or by v-prediction
with noise on ln pT in place of ln(1 - pT / pT of the jet), where soft particles all look the same; classes and masked
particles; the first with a fifth of the passes, to see what training does for generation; tops against QCD of the fast
simulation alone."""


@dataclass(frozen=True)
class Study:
    """How much is trained.

    Args:
        network: arguments of ``PointEdgeTransformer.omnilearn`` in place of the published ones.
        particles: of a jet, the leading ones in pT; all networks see the same.
        jets: to pretrain on, of all classes together.
        epochs: passes over them.
        batch_size: of the pretraining.
        sizes: of top tagging, jets of each class; the smaller and then the larger share, as 10 % and 100 %.
        transformer: arguments of the ``EventTransformer`` with pair bias.
        generated: jets that every generator makes.
        calls: of the network for each of them.
        jet_steps: of the training of the generator of jets' columns.
        two_sample_epochs: of the classifier of the two-sample test.
        pretraining: arguments of :class:`~pyg_hep.training.Optimisation` in place of :data:`PUBLISHED`.
        tagging: the same in place of :data:`TAGGING`, of what was pretrained.
        scratch: further ones of what starts from random weights.
        augment: random changes of the training jets of top tagging, arguments of
            :class:`~pyg_hep.transforms.LorentzAugment`; None for none.
        probe: whether the head of what was pretrained starts from a linear probe.
        trials: settings of short trainings by which every network is tuned, see :class:`~pyg_hep.studies.Tuned`.
        trial_share: of the epochs, of each of them.
        patience: epochs without a lower validation loss in top tagging.
        ema: decay of the average of the weights in the pretraining; None for no average.
        kinds: pretrainings of :data:`KINDS` that are done and used.
        rows: labels of table I that are trained; None for all.
    """

    network: dict[str, Any]
    particles: int
    jets: int
    epochs: int
    batch_size: int
    sizes: list[Size]
    transformer: dict[str, Any]
    generated: int
    calls: list[int]
    jet_steps: int = 4_000
    two_sample_epochs: int = 20
    pretraining: dict[str, Any] = field(default_factory=dict)
    tagging: dict[str, Any] = field(default_factory=dict)
    scratch: dict[str, Any] = field(default_factory=lambda: {"backbone_learning_rate": None})
    augment: dict[str, bool] | None = None
    probe: bool = False
    trials: list[dict[str, float]] = field(default_factory=list)
    trial_share: float = 0.1
    patience: int | None = 5
    ema: float | None = None
    kinds: list[str] = field(default_factory=lambda: list(KINDS))
    rows: list[str] | None = None

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            ConfigError: for sizes that are not two, numbers of calls that are odd, or an unknown argument.
        """
        if len(self.sizes) != 2 or self.sizes[0].events >= self.sizes[1].events:
            raise ConfigError(f"sizes are two, the smaller first (10 % and 100 %), found {self.sizes}")
        if not self.calls or any(calls < 2 or calls % 2 for calls in self.calls):
            raise ConfigError(f"calls are even numbers, at least one, found {self.calls}")
        command.check_names([*self.pretraining, *self.tagging, *self.scratch], vars(PUBLISHED))
        command.check_names([name for trial in self.trials for name in trial], SETTINGS)
        command.check_names(self.kinds, KINDS)


# Two cores: about 350 jets/s of this network classifying, 180 jointly. With so few steps AdamW at a rate that suits
# each network, found by three short trainings, takes the place of Lion at 3e-5.
ADAMW = {"optimiser": "adamw", "learning_rate": 1e-3}
SIZES = {
    "small": Study(
        {"hidden_channels": 64, "num_layers": 4, "neighbours": 6}, 40, 160_000, 5, 256,
        [Size(2_000, 3, 20, 128), Size(20_000, 3, 10, 256)],
        {"hidden_channels": 64, "num_layers": 4, "heads": 4}, 10_000, [16, 32, 64],
        pretraining={**ADAMW, "warmup_epochs": 0.25},
        tagging={**ADAMW, "backbone_learning_rate": 3e-4, "warmup_epochs": 0.5},
        scratch={"backbone_learning_rate": None}, trials=[{"rate": 1 / 3}, {}, {"rate": 3.0}],
        augment={"rotate": False, "reflect": False, "roll": True}, probe=True,
    ),
    "published": Study(
        {}, 150, 100_000_000, 200, 512, [Size(2_000_000, 3, 40, 256), Size(20_000_000, 3, 40, 256)],
        {"hidden_channels": 128, "num_layers": 8, "heads": 8}, 50_000, [16, 32, 64, 128],
        scratch={"backbone_learning_rate": None, "optimiser": "adamw", "learning_rate": 1e-3},
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OmniLearnPretraining(Pretraining):
    """One pretraining, of a kind of :data:`KINDS`."""

    kind: str
    study: Study
    jets: Jets

    @property
    def name(self) -> str:
        """What is learned, from how many jets, in how many passes and batches."""
        return f"{self.kind}-{self._number}x{self.settings.epochs}-{self.settings.batch_size}"

    @property
    def _number(self) -> int:
        """Tops against QCD of the fast simulation are as many as those of the full one."""
        return 2 * self.study.sizes[-1].events if self.kind == TOP_FAST else self.study.jets

    def data(self) -> tuple[EventDataset, EventDataset]:
        """Jets of the ten classes, or tops and QCD of the fast simulation.

        Raises:
            ConfigError: when there are too few.
        """
        train, val, _ = self.jets.tops("fast") if self.kind == TOP_FAST else self.jets.ten_classes()
        if len(train) < self._number:
            raise ConfigError(f"{self._number} jets to pretrain on were asked for, {len(train)} are there")
        rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(1))[: self._number]
        return train.index_select(rows.sort().values), val

    def network(self) -> EventModel:
        """A point-edge transformer with the objective of its kind."""
        backbone = PointEdgeTransformer.omnilearn(**self.study.network)
        classes = len(CLASSES)
        objectives: dict[str, Objective] = {
            JOINT: Joint.omnilearn(classes),
            SHORT: Joint.omnilearn(classes),
            FLOW: Joint.omnilearn(classes, parametrisation="flow"),
            LOG_PT: Joint.omnilearn(classes, columns=("outward_d_eta", "d_phi", "log_pt")),
            MASKED: Joint.masked(classes),
            TOP_FAST: Classification(2),
        }
        optimisation = replace(PUBLISHED, **self.study.pretraining)
        metadata = {"card": TOPS if self.kind == TOP_FAST else CARD}
        return EventModel(backbone, objectives[self.kind], optimisation=optimisation, metadata=metadata)

    def columns(self) -> dict[str, Any]:
        """What was learned."""
        return {"kind": self.kind, "particles": self.study.particles}


def pretrainings(study: Study, jets: Jets) -> list[OmniLearnPretraining]:
    """Every pretraining, the longest first."""
    settings = TrainingSettings(
        epochs=study.epochs, batch_size=study.batch_size, patience=30, seed=1, ema=study.ema
    )  # fmt: skip
    tagging = replace(settings, epochs=study.sizes[-1].epochs or study.epochs)
    others = {SHORT: replace(settings, epochs=max(1, study.epochs // 5)), TOP_FAST: tagging}
    return [
        OmniLearnPretraining(place=jets.place, kind=kind, study=study, jets=jets, settings=others.get(kind, settings))
        for kind in KINDS
        if kind in study.kinds
    ]


def networks(study: Study) -> dict[str, tuple[Backbone, View]]:
    """Networks that learn to tag tops from random weights, by ``name`` or ``name/variant``.

    All that see particles read the 13 columns and the four of the jet that the point-edge transformer reads, but for
    the energy-flow network, which reads directions alone.
    """
    seen: dict[str, Any] = {"in_channels": 13, "event_channels": 4, "preset": "omnilearn"}
    views = {name: View("omnilearn") for name in ("dense/constituents", "pfn", "particle_net", "particle_net/lite")}
    transformer = EventTransformer(**seen, pooling="class", pair_columns=PAIRS, **study.transformer)
    substructure = View(["pt"], events=COLUMNS)
    return {
        "scratch": (PointEdgeTransformer.omnilearn(**study.network), View("omnilearn")),
        "dense/substructure": (DenseNetwork(1, event_channels=len(COLUMNS)), substructure),
        "dense/constituents": (DenseNetwork(**seen, objects=study.particles), views["dense/constituents"]),
        "efn": (DeepSets.efn(), View("energy_flow")),
        "pfn": (DeepSets.pfn(**seen), views["pfn"]),
        "particle_net": (ParticleNet.full(**seen), views["particle_net"]),
        "particle_net/lite": (ParticleNet.lite(**seen), views["particle_net/lite"]),
        "event_transformer": (transformer, View("omnilearn")),
    }


def methods(study: Study, jobs: Sequence[OmniLearnPretraining]) -> tuple[list[Method], list[Method]]:
    """Rows of table I: those that are trained with either share of the jets, and those with all of them alone.

    Raises:
        ConfigError: when the study asks for a row that is none of these.
    """
    settings = TrainingSettings(patience=study.patience, progress=False, checkpoints=False, tensorboard=False)
    rates = replace(TAGGING, **study.tagging)
    every: dict[str, Any] = {"settings": settings, "augment": study.augment}
    fresh = {**every, "optimisation": replace(rates, **study.scratch)}
    trained = {**every, "optimisation": rates, "probe": study.probe}
    scratch: dict[str, Method] = {}
    for label, (backbone, view) in networks(study).items():
        name, _, variant = label.partition("/")
        model = EventModel(backbone, Classification(2), view)
        method = FromScratch(model, **fresh, name=name, variant=variant, baseline=_over(label))
        scratch[label] = _tuned(method, study)
    folder = {job.kind: job.folder for job in jobs}
    both: list[Method] = [scratch.pop("scratch")]
    for kind, variant in ((JOINT, ""), (LOG_PT, "log_pt"), (MASKED, "masked"), (TOP_FAST, "top_fast")):
        if kind in folder:
            both.append(_tuned(FineTuned(folder[kind], **trained, variant=variant), study))
    few: list[Method] = []
    if JOINT in folder:
        few.append(ClassScore(folder[JOINT]))
    if TOP_FAST in folder:
        few.append(ClassScore(folder[TOP_FAST], signal="top", variant="top_fast"))
    all_of_them = [Trees(EventTable(), baseline="scratch"), *scratch.values()]
    if study.rows is not None:
        command.check_names(study.rows, [method.label for method in (*both, *few, *all_of_them)])
    few, all_of_them = (
        [method for method in (*both, *more) if study.rows is None or method.label in study.rows]
        for more in (few, all_of_them)
    )
    return few, all_of_them


def _over(label: str) -> str | None:
    return None if label == "scratch" else "scratch"


def _tuned(method: Network, study: Study) -> Method:
    trials = tuple(study.trials)
    return Tuned.of(method, trials, study.trial_share) if len(trials) > 1 else method


def plan_tagging(study: Study, jobs: Sequence[OmniLearnPretraining], jets: Jets) -> list[Run]:
    """Every training of table I; what needs no training stands among those with the smaller share."""
    task, place = jets.top_tagging(), jets.place
    runs = [
        run
        for size, compared in zip(study.sizes, methods(study, jobs), strict=True)
        for run in plan([task], compared, [size], place.runs, place.threads)
    ]
    return sorted(runs, key=lambda run: run.seed)
