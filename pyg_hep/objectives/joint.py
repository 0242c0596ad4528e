"""``Joint``: several objectives at once on one backbone, on events as they are and on noised ones."""

from __future__ import annotations

import contextlib
import copy
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone, Representation
from pyg_hep.objectives.base import Kind, Loss, Model, NodeColumn, Objective, PredictionError, Step
from pyg_hep.objectives.classification import Classification
from pyg_hep.objectives.diffusion import Diffusion, Noised
from pyg_hep.objectives.event_inputs import EventInputs
from pyg_hep.objectives.masked_objects import MaskedObjects
from pyg_hep.objectives.meters import Metric, PartFigures, part_of

OMNILEARN_COLUMNS = ("outward_d_eta", "d_phi", "log_rest_pt")
"""Noised as published: the first three of the view ``omnilearn``."""


class Joint(Objective):
    r"""The sum of the losses of several objectives, each with heads of its own.

    .. math:: L = \sum_k c_k L_k(\text{events}) + c_\text{noised} \sum_{k \in \text{noised}} c_k \,
        \frac{\sum_i w_i \, \alpha^2(t_i) \, l_{k}(\text{noised event } i)}{\sum_i |w_i|}

    with weights c of the objectives (1 by default) and w of the events. Where one of them is a :class:`Diffusion`,
    those named by ``noised`` are asked of its noised events as well, by the same heads, the less the more noise there
    is. The backbone is called once for events as they are, once for noised ones, and once more by every objective that
    hides something. In figures and losses each term has its objective's name: ``val_classification_cross_entropy``,
    ``val_noised_classification_cross_entropy``, ``val_generation_squared_error``.

    Args:
        objectives: by name; an objective, or what :meth:`config` makes of it.
        weights: of the objectives, by name, in place of 1; and of ``"noised"`` for all terms of noised events.
        noised: names of those that are asked of noised events too: they must need no more than the representation.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events for all of
            them; they have none of their own.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Mikuni and Nachman, arXiv:2404.16091 and arXiv:2502.14652 (:meth:`omnilearn`).
    """

    def __init__(
        self,
        objectives: Mapping[str, Objective | Mapping[str, Any]],
        weights: Mapping[str, float] | None = None,
        noised: Sequence[str] = (),
        augment: Mapping[str, Any] | None = None,
    ):
        super().__init__("", None, augment)
        made = {name: part if isinstance(part, Objective) else _made(part) for name, part in objectives.items()}
        if not made:
            raise ConfigError("Joint needs at least one objective")
        self.weights, self.noised = dict(weights or {}), tuple(noised)
        for name, part in made.items():
            if not name.isidentifier() or name == "noised" or isinstance(part, Joint):
                raise ConfigError(f"Joint: {name!r} cannot be one of its objectives: a plain name, no Joint itself")
            if part.transform is not None:
                raise ConfigError(
                    f"Joint: {name!r} augments its events, which must be the same for all: Joint(augment=)"
                )
        generators = [name for name, part in made.items() if isinstance(part, Diffusion)]
        if len(generators) > 1 or (self.noised and not generators):
            found = ", ".join(generators) or "none"
            raise ConfigError(f"Joint makes noised events by one Diffusion among its objectives, found {found}")
        for name in self.noised:
            if name not in made or name in generators:
                known = [key for key in made if key not in generators]
                raise ConfigError(f"Joint: noised={name!r} is not possible: {nearest(name, known)}")
        for name, weight in self.weights.items():
            if name not in made and name != "noised":
                raise ConfigError(f"Joint: no objective {name!r} to weight: {nearest(name, made)}")
            if not weight >= 0:
                raise ConfigError(f"Joint: the weight of {name!r} must not be negative, found {weight}")
        self.objectives = nn.ModuleDict(made)

    @classmethod
    def omnilearn(cls, num_classes: int, columns: Sequence[str] | None = OMNILEARN_COLUMNS, **kwargs: Any) -> Joint:
        """The published pretraining: classes and jet inputs, of jets as they are and noised, and generation.

        Args:
            num_classes: of the label.
            columns: that are noised.
            kwargs: further arguments of :class:`Diffusion`, such as ``parametrisation="flow"``.
        """
        parts = {
            "classification": Classification(num_classes),
            "jet": EventInputs(),
            "generation": Diffusion(num_classes, columns, **kwargs),
        }
        return cls(parts, noised=("classification", "jet"))

    @classmethod
    def masked(cls, num_classes: int, **kwargs: Any) -> Joint:
        """Classes and masked particles: the pretraining that is best where labels are few.

        Args:
            num_classes: of the label.
            kwargs: arguments of :class:`MaskedObjects` in place of whole particles, three in ten.

        Source: arXiv:2606.14870 for the pair of tasks; how particles are masked is that of :class:`MaskedObjects`.
        """
        parts = {"classification": Classification(num_classes), "particles": MaskedObjects(**{"whole": True, **kwargs})}
        return cls(parts)

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        parts = {name: {"class": type(part).__name__, "arguments": part.config()} for name, part in self._parts.items()}
        augment = None if self.transform is None else self.transform.config()
        return {"objectives": parts, "weights": self.weights, "noised": list(self.noised), "augment": augment}

    @property
    def _parts(self) -> dict[str, Objective]:
        return dict(self.objectives.items())  # type: ignore[arg-type]

    @property
    def heads(self) -> nn.ModuleDict:  # type: ignore[override]
        """Heads of all objectives; they belong to those."""
        return nn.ModuleDict(
            {f"{name}_{key}": head for name, part in self._parts.items() for key, head in part.heads.items()}
        )

    def find(self, kind: type[Kind]) -> Kind | None:
        """The first of the objectives that is of a kind; None where none is."""
        return next((part for part in (self, *self._parts.values()) if isinstance(part, kind)), None)

    def keep(self, *names: str) -> Objective:
        """Some of the objectives with the heads they have: one alone, or several together.

        ``model.objective = model.objective.keep("generation")`` drops the heads of all others.

        Args:
            names: of the objectives that stay.

        Raises:
            ConfigError: for a name that none has.
        """
        parts = self._parts
        for name in names:
            if name not in parts:
                raise ConfigError(f"Joint has no objective {name!r}: {nearest(name, parts)}")
        if len(names) == 1:
            return parts[names[0]]
        generates = any(isinstance(parts[name], Diffusion) for name in names)
        weights = {name: weight for name, weight in self.weights.items() if name in names or name == "noised"}
        augment = self.config()["augment"]
        noised = [name for name in self.noised if name in names and generates]
        return Joint({name: parts[name] for name in names}, weights, noised, augment)

    def bind(self, backbone: Backbone, view: View) -> None:
        """Heads of every objective.

        Raises:
            ConfigError: when the view lacks what one of them needs.
        """
        for part in self._parts.values():
            part.bind(backbone, view)

    def measure(self, train: Any) -> None:
        """Let every objective look at the training events.

        Raises:
            ConfigError: when the events cannot be used for one of them.
        """
        for part in self._parts.values():
            part.measure(train)

    def forward(self, representation: Representation) -> dict[str, Tensor]:
        """Outputs of the heads of events as they are, by ``<objective>.<head>``."""
        return {
            f"{name}.{key}": values
            for name, part in self._parts.items()
            for key, values in part(representation).items()
        }

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """Every term of every objective.

        Raises:
            ConfigError: when an objective cannot be asked of noised events, or not of these events.
        """
        batch = self.augmented(batch, generator, training)
        clean, parts = _Remembered(model), self._parts
        steps: dict[str, Step] = {}
        noised: Noised | None = None
        for name, part in parts.items():
            if isinstance(part, Diffusion):
                noised = part.noised(batch, model, generator, training)
                steps[name] = part.compare(batch, noised)
            else:
                steps[name] = part.step(batch, clean, generator, training)
        losses = {
            f"{name}_{key}": Loss(self._weight(name) * loss.numerator, loss.denominator)
            for name, step in steps.items()
            for key, loss in step.losses.items()
        }
        if noised is not None and self.noised:
            seen, faded = _Noisy(model, noised.representation), copy.copy(batch)
            faded.weight = batch.weight * noised.signal
            for name in self.noised:
                weight = self._weight(name) * self._weight("noised")
                for key, loss in parts[name].step(faded, seen, generator, training).losses.items():
                    # The mean over all events, not over what the noise has left of them.
                    losses[f"noised_{name}_{key}"] = Loss(weight * loss.numerator, steps[name].losses[key].denominator)
        outputs = {f"{name}.{key}": v for name, step in steps.items() for key, v in step.outputs.items()}
        targets = {f"{name}.{key}": v for name, step in steps.items() for key, v in step.targets.items()}
        return Step(losses, outputs, targets)

    def _weight(self, name: str) -> float:
        return self.weights.get(name, 1.0)

    def predict(
        self, batch: Batch, model: Model, generator: torch.Generator | None = None
    ) -> dict[str, Tensor | NodeColumn]:
        """What all objectives predict of events as they are; jets are made by a :class:`Diffusion` on its own.

        Raises:
            PredictionError: when none of them predicts anything.
            ConfigError: when two predict the same.
        """
        clean, made = _Remembered(model), dict[str, Tensor | NodeColumn]()
        for name, part in self._parts.items():
            if isinstance(part, Diffusion):
                continue
            try:
                columns = part.predict(batch, clean, generator)
            except PredictionError:
                continue
            both = sorted(made.keys() & columns.keys())
            if both:
                raise ConfigError(f"Joint: two objectives predict {both[0]!r}, {name!r} is the second")
            made.update(columns)
        if not made:
            raise PredictionError(f"none of {', '.join(self._parts)} predicts anything of events as they are")
        return made

    def decode(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What :meth:`predict` gives of events, from outputs of the heads.

        Raises:
            PredictionError: when none of the objectives predicts anything of an event.
        """
        made: dict[str, Tensor] = {}
        for name, part in self._parts.items():
            with contextlib.suppress(PredictionError):
                made.update(part.decode(part_of(outputs, name)))
        return made or super().decode(outputs)

    def meters(self) -> list[Metric]:
        """Those of all objectives, under their names."""
        return [PartFigures(name, meter) for name, part in self._parts.items() for meter in part.meters()]


class _Remembered:
    """A model that represents the same events once."""

    def __init__(self, model: Model):
        self.view, self.backbone, self._model = model.view, model.backbone, model
        self._last: tuple[Batch, Representation] | None = None

    def represent(self, batch: Batch, hidden: Mapping[str, Tensor] | None = None) -> Representation:
        if hidden is not None:
            return self._model.represent(batch, hidden)
        if self._last is None or self._last[0] is not batch:
            self._last = batch, self._model.represent(batch)
        return self._last[1]


class _Noisy:
    """A model that has represented events with noise, whatever it is asked."""

    def __init__(self, model: Model, representation: Representation):
        self.view, self.backbone, self._representation = model.view, model.backbone, representation

    def represent(self, batch: Batch, hidden: Mapping[str, Tensor] | None = None) -> Representation:
        if hidden is not None:
            raise ConfigError("an objective that hides a part of its events cannot be asked of noised ones")
        return self._representation


def _made(description: Mapping[str, Any]) -> Objective:
    """An objective of the library from ``{"class": name, "arguments": {...}}``."""
    room = importlib.import_module("pyg_hep.objectives")
    try:
        name, arguments = description["class"], description["arguments"]
    except (KeyError, TypeError):
        raise ConfigError(f"Joint takes objectives, or their class and arguments, found {description!r}") from None
    if name not in room.__all__:
        raise ConfigError(f"no objective {name!r}: {nearest(str(name), room.__all__)}")
    part: Objective = getattr(room, name)(**arguments)
    return part
