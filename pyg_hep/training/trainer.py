"""Lightning's trainer, made from settings."""

from __future__ import annotations

from collections.abc import Sequence

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.training.checkpoints import AtomicCheckpointIO
from pyg_hep.training.settings import TrainingSettings

_ELSEWHERE = ("spawn", "fork", "notebook")
"""Strategies that train in processes whose history and weights do not come back."""


def make_trainer(
    settings: TrainingSettings, callbacks: Sequence[Callback], logger: Logger | Sequence[Logger] | bool, bar: bool
) -> lightning.Trainer:
    """A trainer for one fit.

    Args:
        settings: length and place of the training.
        callbacks: everything the trainer calls, in this order.
        logger: where figures go; False for nowhere.
        bar: show a progress bar.

    Raises:
        ConfigError: for a strategy, accelerator or number of devices that this machine does not have.
    """
    known = StrategyRegistry.available_strategies()
    if settings.strategy not in ("auto", *known):
        raise ConfigError(f"strategy={settings.strategy!r} is not possible: {nearest(settings.strategy, known)}")
    if any(word in settings.strategy for word in _ELSEWHERE):
        raise ConfigError(
            f"strategy={settings.strategy!r} trains in processes that give no model back: did you mean 'ddp'?"
        )
    try:
        trainer = lightning.Trainer(
            max_epochs=settings.epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=settings.strategy,
            precision=settings.precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.gradient_clip,
            callbacks=list(callbacks),
            logger=logger,
            enable_checkpointing=settings.checkpoints,
            enable_progress_bar=bar,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=50,
            inference_mode=False,
            plugins=[AtomicCheckpointIO()],
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split()).split(". ")[0].rstrip(".")
        raise ConfigError(
            f"cannot train with accelerator={settings.accelerator!r}, devices={settings.devices!r}, "
            f"strategy={settings.strategy!r}: {reason}"
        ) from None
    if isinstance(trainer.strategy, DDPStrategy):
        # A self-supervised task may leave a part of a backbone unused; validation shares are uneven, and constants do
        # not change, so nothing is sent before every pass.
        trainer.strategy._ddp_kwargs.update(find_unused_parameters=True, broadcast_buffers=False)
    return trainer
