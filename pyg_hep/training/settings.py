"""How long, how large and where a training runs."""

from __future__ import annotations

from dataclasses import dataclass

from pyg_hep.errors import ConfigError, nearest

_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training run; everything about the device is a Lightning flag passed on as it is.

    Args:
        epochs: at most this many passes over the training events.
        batch_size: events in a step, per device.
        patience: stop after this many epochs without a lower validation loss; None never stops early.
        seed: of initialisation, order and corruption.
        standardise: measure mean and scale of the features on the training events of a new model.
        accelerator: ``auto``, ``cpu``, ``gpu``, ...
        devices: number of devices, or ``auto``.
        strategy: ``auto``, ``ddp``, ...
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        gradient_clip: largest norm of the gradient; None leaves it.
        resume: continue from the last checkpoint in the output folder if there is one.
        checkpoints: keep ``best.ckpt`` and ``last.ckpt``; without them the best weights are kept in memory only.
        tensorboard: write TensorBoard logs.
        progress: show a progress bar and the summaries.
    """

    epochs: int = 50
    batch_size: int = 1024
    patience: int | None = None
    seed: int = 0
    standardise: bool = True
    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    precision: str = "32-true"
    gradient_clip: float | None = None
    resume: bool = False
    checkpoints: bool = True
    tensorboard: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.precision not in _PRECISIONS:
            raise ConfigError(f"precision={self.precision!r} is not possible: {nearest(self.precision, _PRECISIONS)}")
        if self.patience is not None and self.patience < 1:
            raise ConfigError(f"patience must be at least 1 or null, found {self.patience}")
