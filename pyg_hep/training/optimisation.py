"""Optimiser, parameter groups and learning-rate schedule, all chosen by configuration."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LinearLR, ReduceLROnPlateau

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.training.parts import EVERYTHING, identities, parts, stages

OPTIMISERS = ("adam", "adamw", "sgd", "lion")
SCHEDULES = ("exponential", "cosine", "linear", "plateau", "constant")


@dataclass(frozen=True)
class Optimisation:
    """How parameters are updated. The defaults are Ho et al., arXiv:2412.10665, sections III B and III D.

    Args:
        optimiser: ``adam``, ``adamw``, ``sgd`` (with momentum 0.9) or ``lion`` (Chen et al., arXiv:2302.06675; from
            the package pytorch-optimizer).
        learning_rate: of the heads, and of the backbone unless ``backbone_learning_rate`` is given.
        backbone_learning_rate: of the pretrained layers; the paper fine-tunes with 1e-5 against 1e-4. With 0.0 they
            keep their values.
        layer_decay: factor on the backbone's learning rate for each of its stages (every layer is one), counted from
            the output: 1 for the last, ``layer_decay`` for the one before.
        frozen: parts of the backbone that stay as they are, by the names of its stages or modules; patterns such as
            ``layers.*`` and ``layers.[01]`` are possible, ``backbone`` is all. They also stay in evaluation mode.
        weight_decay: as the optimiser defines it.
        schedule: of the learning rate after the warm-up, starting at 1: ``exponential``, ``cosine`` or ``linear`` (to
            ``floor`` at the end of the training), ``plateau`` (lower when the validation loss stands still) or
            ``constant``.
        decay: factor per epoch of the exponential schedule; factor at a plateau.
        warmup_epochs: epochs of linear increase from 0 before the schedule.
        warmup_steps: the same in optimiser steps, in place of ``warmup_epochs``.
        floor: fraction of the first learning rate at which cosine and linear end and below which a plateau does not go.
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
    warmup_steps: int | None = None
    floor: float = 0.0
    plateau_patience: int = 10

    def __post_init__(self) -> None:
        for value, valid in ((self.optimiser, OPTIMISERS), (self.schedule, SCHEDULES)):
            if value not in valid:
                raise ConfigError(f"{value!r} is not possible: {nearest(value, valid)}")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate must be positive, found {self.learning_rate}")
        if self.warmup_steps is not None and self.warmup_epochs:
            raise ConfigError(
                f"warmup_epochs={self.warmup_epochs} and warmup_steps={self.warmup_steps}: give one of both"
            )
        for name in ("backbone_learning_rate", "warmup_epochs", "warmup_steps", "weight_decay"):
            if (getattr(self, name) or 0.0) < 0:
                raise ConfigError(f"{name} must not be negative, found {getattr(self, name)}")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"layer_decay must be a fraction, 0 to 1, found {self.layer_decay}")
        if not 0 <= self.floor < 1:
            raise ConfigError(f"floor must be a fraction of the learning rate, 0 to 1, found {self.floor}")
        if self.schedule == "plateau" and not 0 < self.decay < 1:
            raise ConfigError(f"the schedule 'plateau' has a decay between 0 and 1, found decay={self.decay}")

    def frozen_parts(self, backbone: nn.Module) -> list[nn.Module]:
        """Modules of a backbone that are neither changed nor have dropout.

        Raises:
            ConfigError: when ``frozen`` names a part that the backbone does not have.
        """
        return parts(backbone, self.frozen, "freeze") if self.frozen else []

    def parameter_groups(self, backbone: nn.Module, objective: nn.Module) -> list[dict[str, Any]]:
        """One group per stage of the backbone and one for the heads, each with its learning rate and name.

        What several stages share has the rate of the last of them; parameters that belong to none (a class token) have
        that of the first.

        Raises:
            ConfigError: when ``frozen`` names a part that the backbone does not have, or nothing is left to train.
        """
        frozen = identities(self.frozen_parts(backbone))
        rate = self.learning_rate if self.backbone_learning_rate is None else self.backbone_learning_rate
        groups: list[dict[str, Any]] = []
        seen: set[int] = set()
        scaled = rate
        for distance, (name, modules) in enumerate(reversed(stages(backbone).items())):
            scaled = rate * self.layer_decay**distance
            own = {id(p): p for module in modules for p in module.parameters() if id(p) not in seen}
            seen |= set(own)
            learned = [p for p in own.values() if id(p) not in frozen]
            groups.append({"params": learned, "lr": scaled, "name": f"{EVERYTHING}.{name}"})
        rest = [p for p in backbone.parameters() if id(p) not in seen | frozen]
        heads = [p for p in objective.parameters() if p.requires_grad]
        groups.append({"params": rest, "lr": scaled, "name": EVERYTHING})
        groups.append({"params": heads, "lr": self.learning_rate, "name": "heads"})
        for parameter in backbone.parameters():
            parameter.requires_grad_(id(parameter) not in frozen)
        groups = [group for group in groups if group["params"]]
        if not groups:
            raise ConfigError(f"nothing is left to train: {', '.join(self.frozen)} are frozen and there are no heads")
        return groups

    def make(
        self, backbone: nn.Module, objective: nn.Module, epochs: int, steps_per_epoch: int
    ) -> tuple[torch.optim.Optimizer, list[dict[str, Any]]]:
        """Optimiser and schedules, as Lightning's ``configure_optimizers`` returns them.

        Args:
            backbone: the backbone.
            objective: with the heads.
            epochs: of the whole training.
            steps_per_epoch: optimiser steps in one.

        Returns:
            The optimiser, and for each schedule a dictionary with ``scheduler``, ``interval`` (``step`` or ``epoch``)
            and, of a plateau, ``monitor``.

        Raises:
            ConfigError: as for :meth:`parameter_groups`, or when the package of the optimiser is not installed.
        """
        steps = max(steps_per_epoch, 1)
        optimiser = self._optimiser(self.parameter_groups(backbone, objective))
        warmup = self._warmup(steps)
        if self.schedule != "plateau":
            schedule = LambdaLR(optimiser, self.factor(max(epochs, 1) * steps, steps))
            return optimiser, [{"scheduler": schedule, "interval": "step"}]
        lowest = [self.floor * group["lr"] for group in optimiser.param_groups]
        plateau = ReduceLROnPlateau(optimiser, factor=self.decay, patience=self.plateau_patience, min_lr=lowest)
        rules: list[dict[str, Any]] = [{"scheduler": plateau, "interval": "epoch", "monitor": "val_loss"}]
        if warmup:  # one of torch's, that leaves the rate alone when it has come to its end
            rising = LinearLR(optimiser, start_factor=1 / (warmup + 1), total_iters=warmup)
            rules.append({"scheduler": rising, "interval": "step"})
        return optimiser, rules

    def factor(self, steps: int, steps_per_epoch: int) -> Callable[[int], float]:
        r"""Factor on the learning rate at every step: a warm-up, then the schedule over the steps that remain.

        .. math:: f(s) = \frac{s + 1}{s_w + 1} \; (s < s_w), \qquad f(s) = g\!\left(\frac{s - s_w}{S - s_w}\right)

        Args:
            steps: S, of the whole training.
            steps_per_epoch: optimiser steps in an epoch.
        """
        warmup = self._warmup(steps_per_epoch)
        remaining = max(steps - warmup, 1)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            step -= warmup
            share = min(step / remaining, 1.0)
            if self.schedule == "exponential":
                # Whole epochs, as published: LR(x) = LR_initial * decay^x.
                return float(self.decay ** (step // steps_per_epoch))
            if self.schedule == "cosine":
                return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * share))
            if self.schedule == "linear":
                return 1 - (1 - self.floor) * share
            return 1.0

        return factor

    def _warmup(self, steps_per_epoch: int) -> int:
        """Steps of the warm-up."""
        return round(self.warmup_epochs * steps_per_epoch) if self.warmup_steps is None else self.warmup_steps

    def _optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        options: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        if self.optimiser == "lion":
            return _lion()(groups, **options)
        if self.optimiser == "sgd":
            options["momentum"] = 0.9
        if all(p.device.type == "cpu" for group in groups for p in group["params"]):
            options["fused"] = True  # one call for all parameters; on GPUs torch's default does the like
        kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
            "adam": torch.optim.Adam,
            "adamw": torch.optim.AdamW,
            "sgd": torch.optim.SGD,
        }
        return kinds[self.optimiser](groups, **options)


def _lion() -> Callable[..., torch.optim.Optimizer]:
    """Lion of a well-kept package, which is slow to import and rarely needed."""
    try:
        kind: Callable[..., torch.optim.Optimizer] = importlib.import_module("pytorch_optimizer").Lion
    except ImportError:
        raise ConfigError("optimiser='lion' needs the package pytorch-optimizer: pip install 'pyg_hep[lion]'") from None
    return kind
