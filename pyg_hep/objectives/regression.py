"""Regression of numbers of an event, in their units, with weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.inputs.columns import EVENT_COLUMNS
from pyg_hep.nn import Backbone
from pyg_hep.objectives.base import Loss, Model, Objective, Step
from pyg_hep.objectives.meters import Metric, RegressionFigures

if TYPE_CHECKING:
    from pyg_hep.datasets import EventDataset

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda a, b: F.mse_loss(a, b, reduction="none"),
    "huber": lambda a, b: F.huber_loss(a, b, reduction="none"),
    "absolute": lambda a, b: F.l1_loss(a, b, reduction="none"),
}


class Regression(Objective):
    r"""Estimate numbers of an event, standardised inside, in their own units outside.

    .. math:: L = \frac1K \sum_k \frac{\sum_i w_i \, \ell(\hat z_{ik}, z_{ik})}{\sum_i |w_i|}, \qquad
        z_{ik} = (y_{ik} - \mu_k) / \sigma_k

    with mean and standard deviation of the targets of the training events, which are kept with the model.

    Args:
        num_targets: how many numbers; counted where ``target`` lists columns.
        target: event column with the numbers (``y`` of a card with ``label: {regression: ...}``), or a list of columns
            with one number each: defined as views have them
            (:data:`~pyg_hep.inputs.columns.EVENT_COLUMNS`), such as the event variable ``summary_m_bb``, or stored.
            Regression of event variables teaches a network what boosted trees are handed.
        names: of the numbers, by which predictions and figures are called; None takes those of the training events.
        loss: of a standardised number: ``"squared"`` (estimates the mean), ``"huber"`` (squared below one standard
            deviation, absolute above: far outliers count less) or ``"absolute"`` (estimates the median).
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.
        augment: as for :class:`~pyg_hep.objectives.Classification`; only for targets that do not change with it.

    Raises:
        ConfigError: for options that cannot be used.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        num_targets: int = 1,
        target: str | Sequence[str] = "y",
        names: Sequence[str] | None = None,
        loss: str = "squared",
        negative_weights: str | None = None,
        augment: Mapping[str, Any] | None = None,
    ):
        listed = None if isinstance(target, str) else tuple(target)
        super().__init__(target if isinstance(target, str) else ",".join(target), negative_weights, augment)
        if loss not in LOSSES:
            raise ConfigError(f"no loss {loss!r}: {nearest(loss, LOSSES)}")
        self.targets = listed
        self.num_targets = num_targets if listed is None else len(listed)
        if self.num_targets < 1:
            raise ConfigError(f"a regression needs at least one number, found {self.num_targets}")
        names = list(names) if names is not None else (None if listed is None else list(listed))
        if names is not None and len(set(names)) != self.num_targets:
            raise ConfigError(f"{self.num_targets} numbers need as many different names, found {', '.join(names)}")
        self.class_names, self.loss = names, loss
        self.register_buffer("mean", torch.zeros(self.num_targets))
        self.register_buffer("scale", torch.ones(self.num_targets))
        defined = [name for name in listed or () if name in EVENT_COLUMNS]
        self._defined = (View(["pt"], events=defined),) if defined else ()  # a tuple: its constants are no part of this

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        target = self.target if self.targets is None else list(self.targets)
        own = {"num_targets": self.num_targets, "names": self.class_names, "loss": self.loss}
        return {**super().config(), **own, "target": target}

    @property
    def names(self) -> list[str]:
        """Names of the numbers."""
        if self.class_names is not None:
            return self.class_names
        return [self.target] if self.num_targets == 1 else [f"{self.target}[{k}]" for k in range(self.num_targets)]

    def bind(self, backbone: Backbone, view: View) -> None:
        """A head from the graph's representation to the numbers."""
        self.heads = nn.ModuleDict({"value": backbone.make_head("graph", self.num_targets)})

    def _truth(self, batch: Batch) -> Tensor:
        """The numbers in their units, shape ``[B, K]``."""
        if self.targets is None:
            y = self.target_of(batch)
        else:
            defined = self._defined_values(batch)
            parts = [
                defined[name] if name in defined else self.target_of(batch, name).reshape(batch.num_graphs)
                for name in self.targets
            ]
            y = torch.stack([part.to(self.mean.dtype) for part in parts], dim=-1)
        return y.reshape(y.size(0), -1).to(self.mean.dtype)

    def _defined_values(self, batch: Batch) -> dict[str, Tensor]:
        """Targets that are made of the objects of an event, by name."""
        values = (dict(zip(view.events, view.event_values(batch).unbind(-1), strict=True)) for view in self._defined)
        return next(values, {})

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """``<loss>_error`` of the standardised numbers."""
        batch = self.augmented(batch, generator, training)
        y, outputs = self._truth(batch), self(model.represent(batch))
        values = LOSSES[self.loss](outputs["value"], (y - self.mean) / self.scale).mean(dim=1)
        losses = {f"{self.loss}_error": Loss.mean(values, self.loss_weight(batch))}
        return Step(losses, {"value": self._physical(outputs)}, {"y": y, "weight": batch.weight})

    def _physical(self, outputs: Mapping[str, Tensor]) -> Tensor:
        return outputs["value"] * self.scale + self.mean

    def decode(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The numbers in their units, by name."""
        return dict(zip(self.names, self._physical(outputs).unbind(-1), strict=True))

    def meters(self) -> list[Metric]:
        """Root mean square error, bias and resolution."""
        return [RegressionFigures(tuple(self.names))]

    def measure(self, train: EventDataset) -> None:
        """Mean and standard deviation of the targets; settle the policy for negative weights.

        Raises:
            ConfigError: for targets of another number, that are not finite or never vary, or negative weights under
                the policy ``"error"``.
        """
        super().measure(train)
        found: list[tuple[Tensor, Tensor]] = []
        listed = self.targets or (self.target,)
        made = dict[str, tuple[Tensor, Tensor]]()
        for view in self._defined:  # one of them may never vary: it keeps its scale, and is told by its mean
            view.measure(train)
            made = dict(zip(view.events, zip(view.event_mean, view.event_scale, strict=True), strict=True))
        stored = {name: train.column(name).reshape(len(train), -1).double() for name in listed if name not in made}
        width = len(made) + sum(values.size(1) for values in stored.values())
        if width != self.num_targets:
            raise ConfigError(f"Regression of {self.num_targets} numbers: {self.target!r} of {train!r} has {width}")
        if self.class_names is None and self.target == "y" and len(train.class_names) == self.num_targets:
            self.class_names = list(train.class_names)
        for name in listed:
            if name in made:
                found.append(made[name])
            else:
                found += [self._spread(y, self.names[len(found) + k], train) for k, y in enumerate(stored[name].T)]
        for buffer, values in zip((self.mean, self.scale), zip(*found, strict=True), strict=True):
            buffer.copy_(torch.stack([value.double() for value in values]))

    def _spread(self, values: Tensor, name: str, train: EventDataset) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of a stored number."""
        if not bool(values.isfinite().all()):
            raise ConfigError(f"{int((~values.isfinite()).sum())} events of {train!r} have no finite {name!r}")
        mean, scale = values.mean(), values.std()
        if not scale > 0:
            raise ConfigError(f"{name!r} is the same in all {len(train)} training events: nothing can be learned of it")
        return mean, scale
