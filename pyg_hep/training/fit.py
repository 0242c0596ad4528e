"""``pretrain`` and ``finetune``: the two thin entry points of all trainings, and the fit they share."""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.loader import EventLoader
from pyg_hep.nn import Backbone
from pyg_hep.objectives import Objective
from pyg_hep.training.callbacks import BestWeights, History
from pyg_hep.training.event_model import EventModel
from pyg_hep.training.memory import keep_freed_memory
from pyg_hep.training.optimisation import Optimisation
from pyg_hep.training.predict import represent
from pyg_hep.training.settings import TrainingSettings

# Events on which feature means and scales are measured: enough for a per-mille precision.
_STANDARDISE_ON = 20_000


@dataclass
class FitResult:
    """A trained model (its best epoch), the figures of every epoch, and what the run took.

    ``probe_seconds`` is what fitting a head to the pretrained representation took before the first epoch.
    """

    model: EventModel
    history: list[dict[str, float]]
    best_epoch: int
    seconds: float
    folder: Path
    probe_seconds: float = 0.0


def summary(dataset: EventDataset) -> list[str]:
    """One line per class: name, events, sum of weights, share of negative weights; or one for many labels."""
    y, weight = dataset.column("y"), dataset.column("weight").double()
    if y.dim() > 1:
        return [f"{len(y)} events with {y.size(1)} labels, sum of weights {float(weight.sum()):.6g}"]
    names = dataset.class_names
    lines = []
    for label in y.unique().tolist():
        mine = weight[y == label]
        name = names[label]
        negative = float((mine < 0).double().mean())
        text = f"{label:3d}  {name:24s} {len(mine):9d} events, sum of weights {float(mine.sum()):.6g}"
        lines.append(text + (f", {negative:.1%} negative" if negative else ""))
    return lines


def pretrain(
    model: EventModel,
    train: EventDataset,
    val: EventDataset | None = None,
    *,
    output: str | Path,
    settings: TrainingSettings | None = None,
) -> FitResult:
    """Train a new model; its feature means and scales are measured on the training events first.

    Args:
        model: the model, trained in place.
        train: training events.
        val: validation events, for early stopping and the best epoch.
        output: folder for checkpoints, logs, ``history.json`` and the trained model (``output/model``).
        settings: length, size and place of the training.

    Returns:
        The model with the weights of its best epoch, and the history.

    Raises:
        ConfigError: when the events cannot be used for the objective.
    """
    settings = settings or TrainingSettings()
    if settings.standardise:
        loader = EventLoader(_spread(train, _STANDARDISE_ON), batch_size=_STANDARDISE_ON)
        model.features = model.features.fitted(next(iter(loader)))
    return fit(model, train, val, output=output, settings=settings)


def finetune(
    pretrained: EventModel | str | Path,
    objective: Objective,
    train: EventDataset,
    val: EventDataset | None = None,
    *,
    output: str | Path,
    settings: TrainingSettings | None = None,
    optimisation: Optimisation | None = None,
    reset: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
    probe: bool = False,
) -> FitResult:
    """Train a pretrained backbone for a new objective with new heads.

    What stays as it is, is said by ``optimisation.frozen``: all of the backbone (``"backbone"``: only the heads
    learn) or some of its parts.

    Args:
        pretrained: a trained model, or the folder it was saved to; it stays as it is.
        objective: the new task.
        train: training events.
        val: validation events.
        output: as for :func:`pretrain`.
        settings: length, size and place of the training.
        optimisation: the default is the published one: heads 1e-4, backbone 1e-5
            (Ho et al., arXiv:2412.10665, section III D).
        reset: parts of the backbone that start anew, by the names of its modules: ``decoder``, or ``layers.2`` for
            the last of three layers, which has most to do with what the pretraining was for.
        changes: arguments of the backbone in place of those it was pretrained with, such as ``{"dropout": 0.1}``.
        probe: fit the new head to the frozen representation of the training events first, instead of starting
            from random numbers (Kumar et al., arXiv:2202.10054); for objectives with a method ``probe``.

    Raises:
        ConfigError: when there is no such model or part, its weights do not fit the changes, or the events cannot be
            used for the objective.
    """
    settings = settings or TrainingSettings()
    optimisation = optimisation or Optimisation(backbone_learning_rate=1e-5)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)  # the new heads' initial values
    if isinstance(pretrained, EventModel):
        backbone = _copied(pretrained.backbone, changes or {})
        metadata = pretrained.metadata
        model = EventModel(backbone, objective, pretrained.features, optimisation, metadata)
    else:
        model = EventModel.from_pretrained(pretrained, objective, optimisation)
        if changes:
            model.backbone = _copied(model.backbone, changes)
    parts = {name: part for name, part in model.backbone.named_modules() if name and hasattr(part, "reset_parameters")}
    for name in reset:
        if name not in parts:
            raise ConfigError(f"{type(model.backbone).__name__} has no part {name!r} to reset: {nearest(name, parts)}")
        parts[name].reset_parameters()
    started = time.perf_counter()
    if probe:
        _probe(model, train)
    probe_seconds = time.perf_counter() - started if probe else 0.0
    return replace(fit(model, train, val, output=output, settings=settings), probe_seconds=probe_seconds)


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
    model.objective.prepare(train)
    events = _spread(train, _STANDARDISE_ON)
    graph = represent(model, events)[1]
    fit_head(torch.from_numpy(graph), events.column("y"), events.column("weight"))
    model.train()


def _spread(dataset: EventDataset, events: int) -> EventDataset:
    """At most so many events, evenly spread over a data set."""
    return dataset.index_select(torch.linspace(0, len(dataset) - 1, min(len(dataset), events)).long())


def fit(
    model: EventModel,
    train: EventDataset,
    val: EventDataset | None,
    *,
    output: str | Path,
    settings: TrainingSettings,
) -> FitResult:
    """Train a model as it is; see :func:`pretrain` for the arguments."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    if model.optimisation.schedule == "plateau" and val is None:
        raise ConfigError("the schedule 'plateau' needs validation events")
    model.objective.prepare(train)
    if settings.progress:
        print("\n".join(["Training events:", *summary(train)]))
        if val is not None:
            print("\n".join(["Validation events:", *summary(val)]))
        count = sum(p.numel() for p in model.parameters())
        print(f"{type(model.backbone).__name__} with {type(model.objective).__name__}: {count:,} parameters")
    # A bar is for a terminal; a log file gets one line per epoch.
    terminal = sys.stderr.isatty()
    history, best = History(print_epochs=settings.progress and not terminal), BestWeights()
    # BestWeights comes before the checkpoint that keeps its state.
    callbacks: list[Callback] = [history, best]
    if settings.patience is not None:
        if val is None:
            raise ConfigError("early stopping (patience) needs validation events")
        callbacks.append(EarlyStopping("val_loss", patience=settings.patience, mode="min"))
    if settings.progress and terminal:
        callbacks.append(TQDMProgressBar(leave=False))
    checkpoints = output / "checkpoints"
    if settings.checkpoints:
        # Two, because save_last alone follows the monitored figure: it skips epochs that were not better.
        common = {"save_on_train_epoch_end": True, "enable_version_counter": False}
        if val is not None:
            callbacks.append(ModelCheckpoint(checkpoints, filename="best", monitor="val_loss", **common))  # type: ignore[arg-type]
        callbacks.append(ModelCheckpoint(checkpoints, filename="last", **common))  # type: ignore[arg-type]
    last = checkpoints / "last.ckpt"
    _quiet()
    keep_freed_memory()
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy=settings.strategy,
        precision=settings.precision,  # type: ignore[arg-type]
        gradient_clip_val=settings.gradient_clip,
        callbacks=callbacks,
        logger=TensorBoardLogger(output, name="tensorboard", version="") if settings.tensorboard else False,
        enable_checkpointing=settings.checkpoints,
        enable_progress_bar=settings.progress and terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=50,
        inference_mode=False,
    )
    started = time.perf_counter()
    try:
        trainer.fit(
            model,
            EventLoader(train, settings.batch_size, shuffle=True, seed=settings.seed),
            EventLoader(val, 4 * settings.batch_size) if val is not None else None,
            ckpt_path=str(last) if settings.resume and last.is_file() else None,
            weights_only=True,
        )
    except SystemExit:
        # The trainer turns Ctrl-C into exit(1); a script that wants to say something needs the interrupt.
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    seconds = time.perf_counter() - started
    if best.best is not None:
        model.load_state_dict(best.best)
    model.cpu().eval()
    if trainer.is_global_zero:
        model.save_pretrained(output / "model")
        record = {"epochs": history.epochs, "best_epoch": best.epoch, "seconds": seconds}
        (output / "history.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return FitResult(model, history.epochs, best.epoch, seconds, output)


def _quiet() -> None:
    """Silence advice of the trainer that does not apply to loaders that are not torch's."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*number of training batches.*smaller than the logging.*",
        ".*Checkpoint directory.*exists.*",
        ".*LeafSpec.*is deprecated.*",
    ):
        warnings.filterwarnings("ignore", message=message)
