"""Optimiser, parameter groups and learning-rate schedule, all chosen by configuration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pyg_hep.errors import ConfigError, nearest

_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
_SCHEDULES = ("exponential", "cosine", "plateau", "constant")

Schedule = torch.optim.lr_scheduler.LambdaLR | torch.optim.lr_scheduler.ReduceLROnPlateau


@dataclass(frozen=True)
class Optimisation:
    """How parameters are updated. The defaults are Ho et al., arXiv:2412.10665, sections III B and III D.

    Args:
        optimiser: ``adam``, ``adamw`` or ``sgd`` (with momentum 0.9).
        learning_rate: of the heads, and of the backbone unless ``backbone_learning_rate`` is given.
        backbone_learning_rate: of the pretrained layers; the paper fine-tunes with 1e-5 against 1e-4.
        layer_decay: factor on the backbone's learning rate for each of its parts, counted from the output.
        frozen: parts of the backbone (names of its child modules) that stay as they are; ``backbone`` is all.
        weight_decay: as the optimiser defines it.
        schedule: of the learning rate over epochs: ``exponential``, ``cosine`` (to ``floor``), ``plateau`` (lower
            when the validation loss stands still) or ``constant``.
        decay: factor per epoch of the exponential schedule; factor at a plateau.
        warmup_epochs: epochs of linear increase from 0 before the schedule.
        floor: fraction of the first learning rate at which the cosine ends and below which a plateau does not go.
        plateau_patience: epochs without a lower validation loss before a plateau lowers the rate.

    Raises:
        ConfigError: for values that cannot be used.
    """

    optimiser: str = "adam"
    learning_rate: float = 1e-4
    backbone_learning_rate: float | None = None
    layer_decay: float = 1.0
    frozen: tuple[str, ...] = ()
    weight_decay: float = 0.0
    schedule: str = "exponential"
    decay: float = 0.99
    warmup_epochs: float = 0.0
    floor: float = 0.0
    plateau_patience: int = 10

    def __post_init__(self) -> None:
        for value, valid in ((self.optimiser, _OPTIMISERS), (self.schedule, _SCHEDULES)):
            if value not in valid:
                raise ConfigError(f"{value!r} is not possible: {nearest(value, valid)}")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate must be positive, found {self.learning_rate}")
        if not 0 <= self.floor < 1:
            raise ConfigError(f"floor must be a fraction of the learning rate, 0 to 1, found {self.floor}")
        if self.schedule == "plateau" and (self.warmup_epochs or not 0 < self.decay < 1):
            raise ConfigError(
                f"the schedule 'plateau' has a decay between 0 and 1 and no warmup_epochs, found decay={self.decay} "
                f"and warmup_epochs={self.warmup_epochs}"
            )

    def parameter_groups(self, backbone: nn.Module, objective: nn.Module) -> list[dict[str, Any]]:
        """One group per part of the backbone and one for the heads, each with its learning rate and name.

        Raises:
            ConfigError: when ``frozen`` names a part that the backbone does not have.
        """
        parts = dict(backbone.named_children())
        for name in self.frozen:
            if name != "backbone" and name not in parts:
                raise ConfigError(f"cannot freeze {name!r}: {nearest(name, [*parts, 'backbone'])}")
        rate = self.backbone_learning_rate or self.learning_rate
        groups = []
        seen: set[int] = set()
        for distance, (name, part) in enumerate(reversed(list(parts.items()))):
            frozen = name in self.frozen or "backbone" in self.frozen
            parameters = [p for p in part.parameters() if id(p) not in seen]
            seen |= {id(p) for p in parameters}
            for parameter in parameters:
                parameter.requires_grad_(not frozen)
            if parameters and not frozen:
                scaled = rate * self.layer_decay**distance
                groups.append({"params": parameters, "lr": scaled, "name": f"backbone.{name}"})
        own = [p for p in backbone.parameters() if id(p) not in seen and "backbone" not in self.frozen]
        if own:
            groups.append({"params": own, "lr": rate, "name": "backbone"})
        heads = [p for p in objective.parameters() if p.requires_grad]
        return [*groups, {"params": heads, "lr": self.learning_rate, "name": "heads"}]

    def make(
        self, backbone: nn.Module, objective: nn.Module, epochs: int, steps_per_epoch: int
    ) -> tuple[torch.optim.Optimizer, Schedule]:
        """Optimiser and schedule, which is stepped once per optimiser step; a plateau once per epoch."""
        options: dict[str, Any] = {"weight_decay": self.weight_decay}
        if self.optimiser == "sgd":
            options["momentum"] = 0.9
        if all(p.device.type == "cpu" for p in backbone.parameters()):
            options["fused"] = True  # one call for all parameters; on GPUs torch's default does the like
        groups = self.parameter_groups(backbone, objective)
        optimiser = _OPTIMISERS[self.optimiser](groups, lr=self.learning_rate, **options)
        if self.schedule == "plateau":
            lowest = [self.floor * group["lr"] for group in optimiser.param_groups]
            return optimiser, torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimiser, factor=self.decay, patience=self.plateau_patience, min_lr=lowest
            )

        def factor(step: int) -> float:
            # Whole epochs for the published schedule, LR(x) = LR_initial * decay^x; the rest changes smoothly.
            epoch = step / max(steps_per_epoch, 1)
            if epoch < self.warmup_epochs:
                return (step + 1) / (self.warmup_epochs * max(steps_per_epoch, 1) + 1)
            if self.schedule == "exponential":
                return float(self.decay ** math.floor(epoch))
            if self.schedule == "cosine":
                share = 0.5 * (1 + math.cos(math.pi * min(epoch / max(epochs, 1), 1.0)))
                return self.floor + (1 - self.floor) * share
            return 1.0

        return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
