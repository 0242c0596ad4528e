"""``fit``: one training of a model, from settings to the weights of its best epoch."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    TQDMProgressBar,
    WeightAveraging,
)
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from torch import Tensor

from pyg_hep.datasets import EventDataset, as_events
from pyg_hep.errors import ConfigError, OutputError, PygHepError, TrainingError
from pyg_hep.provenance import git_hash, versions
from pyg_hep.training import checkpoints, process
from pyg_hep.training.callbacks import BestWeights, History, Modes
from pyg_hep.training.data_module import EventData
from pyg_hep.training.event_model import EventModel
from pyg_hep.training.guards import check_splits
from pyg_hep.training.memory import keep_freed_memory
from pyg_hep.training.settings import TrainingSettings
from pyg_hep.training.trainer import make_trainer


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


def fit(
    model: EventModel,
    train: Any,
    val: Any = None,
    *,
    output: str | Path,
    settings: TrainingSettings | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Logger | Sequence[Logger] | None = None,
) -> FitResult:
    """Train a model as it is; the objective is measured on the training events first.

    The process is left as it was: random states, warnings, loggers, threads and Ctrl-C. On a CPU the C library keeps
    freed memory from then on (:mod:`pyg_hep.training.memory`), which is said where progress is.

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
        ConfigError: when events, settings or a checkpoint to resume from cannot be used.
        TrainingError: when the loss is not finite; the model has its last good weights, in memory and on disk.
        OutputError: when the folder cannot be written.
    """
    settings = settings or TrainingSettings()
    events = as_events(train)
    validation = None if val is None else as_events(val)
    with process.isolated(settings.threads):
        return _fit(model, events, validation, Path(output), settings, list(callbacks), logger)


def _fit(
    model: EventModel,
    train: EventDataset,
    val: EventDataset | None,
    output: Path,
    settings: TrainingSettings,
    callbacks: list[Callback],
    logger: Logger | Sequence[Logger] | None,
) -> FitResult:
    _check(model, train, val, settings)
    _make(output)
    model.seed = settings.seed
    model.to(torch.float64 if settings.precision == "64-true" else torch.float32)
    process.seed_everything(settings.seed)
    model.objective.measure(train)
    model.metadata = {**model.metadata, **provenance(train)}
    keeps = keep_freed_memory()
    if settings.progress:
        _announce(model, train, val, keeps)
    last = output / "checkpoints" / "last.ckpt"
    identity = checkpoints.run_identity(model, settings, train.digest, None if val is None else val.digest)
    resume = settings.resume and last.is_file()
    if resume:
        checkpoints.check_resume(last, identity)
    # A bar is for a terminal; a log file gets one line per epoch.
    bar = settings.progress and sys.stderr.isatty()
    history, best = History(print_epochs=settings.progress and not bar), BestWeights()
    modes = Modes(settings.seed, model.optimisation.frozen_parts(model.backbone), settings.threads)
    own: list[Callback] = [modes, history, best, checkpoints.RunIdentity(identity)]
    own += _usual(settings, last.parent, val is not None, bar)
    loggers: Any = logger
    if logger is None:
        loggers = TensorBoardLogger(output, name="tensorboard", version="") if settings.tensorboard else False
    trainer = make_trainer(settings, [*own, *callbacks], loggers, bar)
    data = EventData(train, val, settings.batch_size, settings.seed)
    started = time.perf_counter()
    failure: TrainingError | None = None
    try:
        trainer.fit(model, datamodule=data, ckpt_path=str(last) if resume else None, weights_only=True)
    except TrainingError as error:
        failure = error
    except SystemExit:
        # The trainer turns Ctrl-C into exit(1); a script that wants to say something needs the interrupt.
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    except PygHepError:
        raise
    except OSError as error:
        raise OutputError(f"the training stopped at {error.filename or output}: {error.strerror or error}") from error
    seconds = time.perf_counter() - started
    if best.best is not None and (val is not None or failure):
        model.load_state_dict(best.best)
    model.cpu().eval()
    result = FitResult(model, history.epochs, best.epoch, seconds, output)
    try:
        if trainer.is_global_zero:
            _save(result)
    finally:
        trainer.strategy.barrier()  # no process goes on to read what is not written yet
    if failure is not None:
        kept = f"epoch {best.epoch + 1}" if best.epoch >= 0 else "the start"
        raise TrainingError(f"{failure}; the weights of {kept} are kept, in {output / 'model'}") from None
    return result


def _check(model: EventModel, train: EventDataset, val: EventDataset | None, settings: TrainingSettings) -> None:
    for needed, what in (
        (model.optimisation.schedule == "plateau", "the schedule 'plateau'"),
        (settings.patience is not None, "early stopping (patience)"),
    ):
        if needed and val is None:
            raise ConfigError(f"{what} needs validation events")
    check_splits(train, val)


def _usual(settings: TrainingSettings, folder: Path, validates: bool, bar: bool) -> list[Callback]:
    """Lightning's own callbacks, in an order in which they do not disturb each other."""
    chosen: list[Callback] = []
    if settings.patience is not None:
        # A loss that is not finite is an error of ours that names events.
        chosen.append(EarlyStopping("val_loss", patience=settings.patience, mode="min", check_finite=False))
    if settings.ema is not None:
        # After BestWeights; buffers are constants, of which an average would only round.
        average = functools.partial(moving_average, decay=settings.ema)
        chosen.append(WeightAveraging(use_buffers=False, avg_fn=average))
    if bar:
        chosen.append(TQDMProgressBar(leave=False))
    if settings.checkpoints:
        # Two, because save_last alone follows the monitored figure: it skips epochs that were not better.
        common: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
        if validates:
            chosen.append(ModelCheckpoint(folder, filename="best", monitor="val_loss", **common))
        chosen.append(ModelCheckpoint(folder, filename="last", **common))
    return chosen


def moving_average(average: Tensor, now: Tensor, steps: Tensor, decay: float) -> Tensor:
    r"""The next exponential moving average, whose decay grows to that asked for.

    .. math:: a_n = d_n a_{n-1} + (1 - d_n) w_n, \qquad d_n = \min\left(d, \frac{1 + n}{10 + n}\right)

    With d alone, random initial weights keep the share :math:`d^n`: 4 % after 3,000 steps with 0.999.

    Args:
        average: of the steps before.
        now: the weights after this step.
        steps: n, how many were averaged before.
        decay: d.

    Source: the warm-up of TensorFlow's ``ExponentialMovingAverage``.
    """
    step = float(steps)
    return torch.lerp(now, average, min(decay, (1.0 + step) / (10.0 + step)))


def provenance(train: EventDataset) -> dict[str, Any]:
    """What a trained model keeps of its origin, as plain JSON: card, events, versions and commit."""
    data = {"card": train.card.as_dict(), "digest": train.digest, "class_names": train.class_names}
    return {"data": data, "versions": versions(), "git": git_hash()}


def _announce(model: EventModel, train: EventDataset, val: EventDataset | None, keeps: bool) -> None:
    print("\n".join(["Training events:", *summary(train)]))
    if val is not None:
        print("\n".join(["Validation events:", *summary(val)]))
    count = sum(p.numel() for p in model.parameters())
    print(f"{type(model.backbone).__name__} with {type(model.objective).__name__}: {count:,} parameters")
    if keeps:
        print("The C library keeps freed memory for the next step, in this process, from now on (mallopt).")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the output folder {folder}: {error.strerror}") from None


def _save(result: FitResult) -> None:
    """Write model and history."""
    record = {"epochs": result.history, "best_epoch": result.best_epoch, "seconds": result.seconds}
    try:
        result.model.save_pretrained(result.folder / "model")
        partial = result.folder / ".history.json.partial"
        partial.write_text(json.dumps(record, indent=1), encoding="utf-8")
        partial.replace(result.folder / "history.json")
    except OSError as error:
        raise OutputError(f"cannot write to {error.filename or result.folder}: {error.strerror or error}") from None
