"""What every training objective provides; any backbone trains with any objective."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.nn import Backbone, Representation

NEGATIVE_WEIGHTS = ("keep", "error", "absolute")
"""What a loss does with negative event weights; the figures always keep them."""


class Objective(nn.Module, abc.ABC):
    """What a model is trained for: corruption of the input, heads on the representation, loss, figures.

    An objective owns its heads (made for one backbone by :meth:`heads`) and knows nothing else of the backbone.
    """

    def augment(self, batch: Batch) -> Batch:
        """Change training events in a way that leaves their meaning alone; the identity by default."""
        return batch

    def corrupt(self, batch: Batch) -> Batch:
        """Make the task a self-supervised model has to solve; the identity for supervised objectives."""
        return batch

    @abc.abstractmethod
    def heads(self, backbone: Backbone) -> nn.ModuleDict:
        """Make new heads for a backbone (its ``out_channels``), keep them, and return them by name."""

    @abc.abstractmethod
    def forward(self, representation: Representation) -> dict[str, Tensor]:
        """Outputs of the heads by name."""

    @abc.abstractmethod
    def loss(self, representation: Representation, batch: Batch) -> dict[str, Tensor]:
        """Terms of the loss, each a weighted scalar; their sum is minimised."""

    @abc.abstractmethod
    def targets(self, batch: Batch) -> dict[str, Tensor]:
        """What :meth:`metrics` compares the outputs with, by name, one row per event or node."""

    @abc.abstractmethod
    def metrics(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, float]:
        """Figures on all validation events together, as fractions."""

    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """Arguments that make this objective again, as plain JSON."""

    def prepare(self, dataset: Any) -> None:
        """Look at the training events before training: set class weights, refuse what cannot be learned.

        Raises:
            ConfigError: when the events cannot be used for this objective.
        """


def check_negative_policy(policy: str | None) -> str | None:
    """The policy for negative weights, or None for that of the data set's card.

    Raises:
        ConfigError: for an unknown one.
    """
    if policy is not None and policy not in NEGATIVE_WEIGHTS:
        raise ConfigError(f"negative_weights={policy!r} is not possible, {nearest(policy, NEGATIVE_WEIGHTS)}")
    return policy


def settle_negative_policy(policy: str | None, dataset: Any) -> str:
    """The policy for negative weights of a training: the one given, else that of the data set's card.

    Raises:
        ConfigError: when it is ``"error"`` and there are such events.
    """
    settled: str = policy or dataset.card.weight.negative
    settled = "keep" if settled == "drop" else settled  # none was stored
    weight = dataset.column("weight")
    negative = int((weight < 0).sum())
    if negative and settled == "error":
        raise ConfigError(f"{negative} of {len(weight)} events in {dataset!r} have a negative weight")
    return settled


def loss_weight(batch: Batch, policy: str | None) -> Tensor:
    """Event weights as the loss takes them under a settled policy for negative ones, shape ``[B]``."""
    weight: Tensor = batch.weight
    return weight.abs() if policy == "absolute" else weight


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    r"""Mean :math:`\sum_i w_i v_i / \sum_i |w_i|` over the events of all processes of a distributed job.

    The denominator is the all-reduced sum of the weights' absolute values (the plain sum where no weight is
    negative), so that a batch whose weights cancel cannot blow up. The result on each process is scaled such that
    the average of the gradients, which distributed training takes, is the gradient of the global mean.

    Args:
        values: shape ``[B]``.
        weight: shape ``[B]``.
    """
    total = weight.abs().sum()
    processes = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        processes = torch.distributed.get_world_size()
        torch.distributed.all_reduce(total)
    return processes * (weight * values).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)
