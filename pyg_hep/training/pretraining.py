"""``pretrain`` and ``finetune``: the two thin entry points of all trainings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from pyg_hep.datasets import EventDataset, as_events
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone
from pyg_hep.objectives import Objective
from pyg_hep.training import parts, process
from pyg_hep.training.event_model import EventModel
from pyg_hep.training.fit import FitResult, fit
from pyg_hep.training.optimisation import Optimisation
from pyg_hep.training.predict import represent
from pyg_hep.training.settings import TrainingSettings

_PROBE_ON = 20_000
"""Events to whose representation a head is fitted beforehand: more do not change it."""


def pretrain(
    model: EventModel,
    train: Any,
    val: Any = None,
    *,
    output: str | Path,
    settings: TrainingSettings | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Logger | Sequence[Logger] | None = None,
) -> FitResult:
    """Train a new model; means and scales of its view are measured on the training events first.

    Args:
        model: the model, trained in place.
        train: training events: an ``EventDataset``, a ``Subset`` or ``ConcatDataset`` of such.
        val: validation events, for early stopping and the best epoch.
        output: folder for checkpoints, logs, ``history.json`` and the trained model (``output/model``).
        settings: length, size and place of the training.
        callbacks: further callbacks of Lightning's trainer.
        logger: where figures go, in place of TensorBoard.

    Returns:
        The model with the weights of its best epoch, and the history.

    Raises:
        ConfigError: when the events cannot be used for the objective.
        TrainingError: when the loss is not finite, see :func:`fit`.
        OutputError: when the folder cannot be written.
    """
    settings = settings or TrainingSettings()
    if settings.standardise:
        model.view.measure(as_events(train))
    return fit(model, train, val, output=output, settings=settings, callbacks=callbacks, logger=logger)


def finetune(
    pretrained: EventModel | str | Path,
    objective: Objective,
    train: Any,
    val: Any = None,
    *,
    output: str | Path,
    settings: TrainingSettings | None = None,
    optimisation: Optimisation | None = None,
    reset: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
    view: Mapping[str, Any] | None = None,
    probe: bool = False,
    callbacks: Sequence[Callback] = (),
    logger: Logger | Sequence[Logger] | None = None,
) -> FitResult:
    """Train a pretrained backbone for a new objective with new heads.

    What stays as it is, is said by ``optimisation.frozen``: all of the backbone (``"backbone"``: only the heads
    learn) or some of its parts.

    Args:
        pretrained: a trained model, or the folder it was saved to; it stays as it is.
        objective: the new task.
        train: training events, as for :func:`pretrain`.
        val: validation events.
        output: as for :func:`pretrain`.
        settings: length, size and place of the training.
        optimisation: the default is the published one: heads 1e-4, backbone 1e-5
            (Ho et al., arXiv:2412.10665, section III D).
        reset: parts of the backbone that start anew, by the names of its stages or modules, or patterns: ``decoder``,
            or ``layers.2`` for the last of three layers, which has most to do with what the pretraining was for.
        changes: arguments of the backbone in place of those it was pretrained with, such as ``{"dropout": 0.1}``.
        view: arguments of the view in place of those of the pretraining: ``{"select": {"level": "reco"}}`` shows the
            model the reconstructed level alone. Columns and constants stay.
        probe: fit the new head to the frozen representation of the training events first, instead of starting
            from random numbers (Kumar et al., arXiv:2202.10054); for objectives with a method ``probe``.
        callbacks: further callbacks of Lightning's trainer.
        logger: where figures go, in place of TensorBoard.

    Raises:
        ConfigError: when there is no such model or part, its weights do not fit the changes, or the events cannot be
            used for the objective.
        TrainingError: when the loss is not finite, see :func:`fit`.
        OutputError: when the folder cannot be written.
    """
    settings = settings or TrainingSettings()
    optimisation = optimisation or Optimisation(backbone_learning_rate=1e-5)
    with process.isolated(settings.threads):
        process.seed_everything(settings.seed)  # the new heads' initial values
        model = _new_model(pretrained, objective, optimisation, changes or {}, view or {})
        parts.reset(model.backbone, reset)
        started = time.perf_counter()
        if probe:
            _probe(model, as_events(train))
        probe_seconds = time.perf_counter() - started if probe else 0.0
    result = fit(model, train, val, output=output, settings=settings, callbacks=callbacks, logger=logger)
    return replace(result, probe_seconds=probe_seconds)


def _new_model(
    pretrained: EventModel | str | Path,
    objective: Objective,
    optimisation: Optimisation,
    changes: Mapping[str, Any],
    view_changes: Mapping[str, Any],
) -> EventModel:
    """The pretrained view and backbone, copied, with new heads."""
    if isinstance(pretrained, EventModel):
        backbone = _copied(pretrained.backbone, changes)
        view = _changed(pretrained.view, view_changes)
        model = EventModel(backbone, objective, view, optimisation, pretrained.metadata)
    else:
        model = EventModel.from_pretrained(pretrained, objective, optimisation)
        if changes:
            model.backbone = _copied(model.backbone, changes)
        if view_changes:
            model.view = _changed(model.view, view_changes)
    data = model.metadata.get("data")
    if data is not None:  # that of the new events takes its place
        origin = {name: data[name] for name in ("digest", "class_names") if name in data}
        model.metadata = {**model.metadata, "pretrained": origin}
    return model.float()  # 64-true is a matter of the settings, not of the folder


def _changed(view: View, changes: Mapping[str, Any]) -> View:
    """A new view with the same columns and constants and, where there are changes, other nodes."""
    arguments = view.config()
    for name in changes:
        if name not in arguments:
            raise ConfigError(f"a View has no argument {name!r}: {nearest(name, arguments)}")
        if name != "select":
            raise ConfigError(f"view={{{name!r}: ...}}: a pretrained model reads the {name} that it was trained with")
    made = type(view)(**{**arguments, **changes})
    made.load_state_dict(view.state_dict())
    return made


def _copied(backbone: Backbone, changes: Mapping[str, Any]) -> Backbone:
    """A new backbone with the same weights and, where there are changes, other arguments."""
    kind, arguments = type(backbone), backbone.config()
    for name in changes:
        if name not in arguments:
            raise ConfigError(f"{kind.__name__} has no argument {name!r}: {nearest(name, arguments)}")
    made = kind(**{**arguments, **changes})
    try:
        made.load_state_dict(backbone.state_dict())
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ConfigError(f"the pretrained weights do not fit {kind.__name__} with {dict(changes)}: {first}") from None
    return made


def _probe(model: EventModel, train: EventDataset) -> None:
    """Let the objective fit its head to the representation of (at most 20,000) training events."""
    fit_head = getattr(model.objective, "probe", None)
    if fit_head is None:
        raise ConfigError(f"{type(model.objective).__name__} cannot fit its heads beforehand: probe=False")
    model.objective.measure(train)
    positions = torch.linspace(0, len(train) - 1, min(len(train), _PROBE_ON)).long()
    events = train.index_select(positions)
    graph = represent(model, events)[1]
    fit_head(torch.from_numpy(graph), events.column(model.objective.target), events.column("weight"))
