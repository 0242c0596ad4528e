"""How long, how large and where a training runs."""

from __future__ import annotations

from dataclasses import dataclass

from pyg_hep.errors import ConfigError, nearest

PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")
PLACE = ("accelerator", "devices", "strategy", "threads", "resume", "checkpoints", "tensorboard", "progress")
"""Settings that say where a training runs and what it writes, not what it learns."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training run; everything about the device is a Lightning flag passed on as it is.

    Args:
        epochs: at most this many passes over the training events.
        batch_size: events in a step, per device.
        patience: stop after this many epochs without a lower validation loss; None never stops early.
        seed: of everything random: new heads, order, dropout, augmentation, corruption.
        standardise: measure mean and scale of the view's columns on the training events of a new model.
        ema: decay of an exponential moving average of the weights per step, such as 0.999, which it grows to, see
            :func:`~pyg_hep.training.fit.moving_average`; the average is validated and kept. None keeps the weights as
            they are.
        accelerator: ``auto``, ``cpu``, ``gpu``, ...
        devices: number of devices, or ``auto``.
        strategy: ``auto``, ``ddp``, ...
        threads: torch's threads of each process of this training; None leaves them. One is best for small networks
            beside other busy processes.
        precision: ``32-true``, ``64-true``, ``bf16-mixed`` or ``16-mixed``.
        gradient_clip: largest norm of the gradient; None leaves it.
        resume: continue from the last checkpoint in the output folder if there is one.
        checkpoints: keep ``best.ckpt`` and ``last.ckpt``; without them the best weights are kept in memory only.
        tensorboard: write TensorBoard logs.
        progress: show a progress bar and the summaries.

    Raises:
        ConfigError: for values that cannot be used.
    """

    epochs: int = 50
    batch_size: int = 1024
    patience: int | None = None
    seed: int = 0
    standardise: bool = True
    ema: float | None = None
    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    threads: int | None = None
    precision: str = "32-true"
    gradient_clip: float | None = None
    resume: bool = False
    checkpoints: bool = True
    tensorboard: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                optional = " or null" if name in ("patience", "threads") else ""
                raise ConfigError(f"{name} must be at least 1{optional}, found {value}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision={self.precision!r} is not possible: {nearest(self.precision, PRECISIONS)}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"ema must be a decay between 0 and 1 or null, found {self.ema}")
