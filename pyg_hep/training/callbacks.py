"""Small parts the trainer takes: history, best weights, modes of the modules, the end of a diverged run."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from pyg_hep.errors import TrainingError
from pyg_hep.training.guards import finite
from pyg_hep.training.process import seed_everything


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


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


class BestWeights(Callback):
    """Keeps a copy of the weights of the epoch with the lowest validation loss, as they were validated.

    It stands before a callback that exchanges weights for the validation (an average), so that it sees them while they
    are there. Without validation the weights of the last epoch are kept; before the first epoch, those at the start.
    """

    def __init__(self) -> None:
        self.best: dict[str, Tensor] | None = None
        self.lowest = float("inf")
        self.epoch = -1
        self._validated: dict[str, Tensor] | None = None

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the initial weights, for a run that diverges in its first epoch."""
        if self.best is None:
            self.best = _copied(pl_module)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Copy the weights whose loss will be known when all hooks are done."""
        self._validated = _copied(pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the copy when this epoch was the best; stop a run that diverged.

        Raises:
            TrainingError: when the validation loss, or a weight, is not finite.
        """
        loss = float(trainer.callback_metrics.get("val_loss", -trainer.current_epoch))
        epoch = trainer.current_epoch + 1
        if not math.isfinite(loss):
            raise TrainingError(f"the validation loss is {loss} after epoch {epoch}")
        if not finite(pl_module):
            raise TrainingError(f"a weight is not finite after epoch {epoch}")
        if loss < self.lowest:
            self.lowest, self.epoch = loss, trainer.current_epoch
            self.best = _copied(pl_module) if self._validated is None else self._validated
        self._validated = None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "lowest": self.lowest, "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best epoch of an earlier part of the run."""
        self.best, self.lowest = state_dict["best"], state_dict["lowest"]
        self.epoch = state_dict["epoch"]


class Modes(Callback):
    """Training mode for what learns, evaluation mode for what is frozen, random numbers and constants as they must be.

    Every epoch begins with random numbers of its own on every process, so that a resumed run goes on as if never
    stopped, and no two processes drop the same. Constants (scales, class weights) are those of the first process.

    Args:
        seed: of the training.
        frozen: modules that stay as they are.
        threads: torch's threads; Lightning sets others when it starts several processes.
    """

    def __init__(self, seed: int, frozen: list[nn.Module], threads: int | None = None) -> None:
        self.seed, self.frozen, self.threads = seed, frozen, threads

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Set threads, share constants."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if trainer.world_size > 1:
            for buffer in pl_module.buffers():
                torch.distributed.broadcast(buffer, 0)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Set modes and random state."""
        pl_module.train()
        for module in self.frozen:
            module.eval()
        seed_everything(self.seed, trainer.current_epoch, trainer.global_rank)
