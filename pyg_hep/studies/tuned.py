"""A training whose settings are tuned on validation events before it is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.studies.methods import Fitted, Method, Tunable
from pyg_hep.studies.task import Size, Task

SETTINGS = ("rate", "batch", "weight_decay", "dropout")
"""What a trial may set: factors on the learning rates and on the events in a step, and two values in place of those."""


@dataclass(frozen=True)
class Tuned(Method):
    """The best of several settings of a training, by the validation loss of short trainings, then trained in full.

    Every seed chooses for itself, by validation events alone, and its record says what (``tuned``). Use
    :meth:`of`, which takes the names of the method.

    Args:
        method: what is trained.
        trials: settings of each short training by their names in :data:`SETTINGS`; ``{}`` is the method as it is.
        share: of the epochs, at least one, that each of them takes; schedules are as much shorter.

    Raises:
        ConfigError: for no trial, an unknown setting, or a share that is none.
    """

    method: Tunable
    trials: tuple[Mapping[str, float], ...]
    share: float = 0.25

    def __post_init__(self) -> None:
        if not self.trials:
            raise ConfigError(f"{self.label} has no trials to be tuned by")
        for name in (name for trial in self.trials for name in trial):
            if name not in SETTINGS:
                raise ConfigError(f"a trial cannot set {name!r}: {nearest(name, SETTINGS)}")
        if not 0 < self.share <= 1:
            raise ConfigError(f"the share of the epochs of a trial is above 0 and at most 1, got {self.share}")

    @classmethod
    def of(cls, method: Tunable, trials: tuple[Mapping[str, float], ...], share: float = 0.25) -> Tuned:
        """The tuned method under the names of the plain one."""
        names = {name: getattr(method, name) for name in Method.__dataclass_fields__}
        return cls(method, trials, share, **names)

    def at(self, size: Size) -> Self:
        """With what the size says; trials are relative to that."""
        return replace(self, method=self.method.at(size))

    def weights(self) -> str | None:
        """Those of the method."""
        return self.method.weights()

    def arguments(self) -> dict[str, Any]:
        """Those of the method, and the trials."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        trials = [dict(trial) for trial in self.trials]
        return {"class": kind, "method": self.method.arguments(), "trials": trials, "share": self.share}

    def parts(self) -> tuple[Any, ...]:
        """Those of the method too."""
        return (*super().parts(), *self.method.parts())

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Choose, train and test.

        Raises:
            ConfigError: when no trial has a validation loss that is a number.
        """
        losses, seconds = [], 0.0
        for k, trial in enumerate(self.trials if len(self.trials) > 1 else ()):
            result = self.method.trial(trial).shortened(self.share).learn(task, seed, output / f"trial-{k}")
            loss = min(epoch["val_loss"] for epoch in result.history)
            losses.append(loss if math.isfinite(loss) else math.inf)
            seconds += result.seconds
        if losses and min(losses) == math.inf:
            raise ConfigError(f"{self.label}: no trial has a finite validation loss")
        best = losses.index(min(losses)) if losses else 0
        fitted = self.method.trial(self.trials[best]).fit(task, seed, output)
        tuned = {"trial": dict(self.trials[best]), "val_losses": losses, "seconds": seconds}
        return replace(fitted, tuned=tuned)
