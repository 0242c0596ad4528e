"""Small parts the trainer takes: the history of a run, its throughput, and the best weights in memory."""

from __future__ import annotations

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor


class History(Callback):
    """Keeps the logged figures of every epoch, seconds since the start, and events per second of training steps.

    The state travels with checkpoints, so that a resumed run has the whole history.

    Args:
        print_epochs: print one line per epoch.
    """

    def __init__(self, print_epochs: bool = False) -> None:
        self.epochs: list[dict[str, float]] = []
        self.print_epochs = print_epochs
        self._started = 0.0
        self._events = 0
        self._origin = 0.0

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock of the whole run, where an earlier part of it stopped."""
        self._origin = time.perf_counter() - (self.epochs[-1]["seconds"] if self.epochs else 0.0)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._started, self._events = time.perf_counter(), 0

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count events."""
        self._events += int(batch.num_graphs) * trainer.world_size

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock before validation."""
        if self._events:
            elapsed = time.perf_counter() - self._started
            pl_module.log("events_per_s", self._events / elapsed, rank_zero_only=True, prog_bar=True)
            self._events = 0

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the figures of the epoch."""
        figures = {k: float(v) for k, v in trainer.callback_metrics.items()}
        seconds = time.perf_counter() - self._origin
        self.epochs.append({"epoch": float(trainer.current_epoch), "seconds": seconds, **figures})
        if self.print_epochs and trainer.is_global_zero:
            text = ", ".join(f"{k} {v:.4g}" for k, v in figures.items())
            print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: {text}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the history of an earlier part of the run."""
        self.epochs = list(state_dict["epochs"])


class BestWeights(Callback):
    """Keeps a copy of the parameters of the epoch with the lowest validation loss."""

    def __init__(self) -> None:
        self.best: dict[str, Tensor] | None = None
        self.lowest = float("inf")
        self.epoch = -1

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Copy the parameters when this epoch was the best; without validation the last one is."""
        loss = float(trainer.callback_metrics.get("val_loss", -trainer.current_epoch))
        if loss < self.lowest:
            self.lowest, self.epoch = loss, trainer.current_epoch
            self.best = {k: v.detach().clone() for k, v in pl_module.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "lowest": self.lowest, "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best epoch of an earlier part of the run."""
        self.best, self.lowest = state_dict["best"], state_dict["lowest"]
        self.epoch = state_dict["epoch"]
