"""``Diffusion``: the objects of an event from noise, given its columns, their number and its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.generation import (
    DDIM,
    CosineSchedule,
    Denoiser,
    DiffusedColumns,
    FlowVelocity,
    LinearPath,
    NoisePrediction,
    Parametrisation,
    Schedule,
    VPrediction,
)
from pyg_hep.generation.denoiser import Model as Seen
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone, GenerationHead, Representation
from pyg_hep.objectives.base import Loss, Model, NodeColumn, Objective, Step, refuse_partial_edges
from pyg_hep.objectives.meters import Metric, NoiseFigures

PARAMETRISATIONS: dict[str, type[Parametrisation]] = {
    "velocity": VPrediction,
    "flow": FlowVelocity,
    "noise": NoisePrediction,
}
"""What the network gives, by name."""

SCHEDULES: dict[str, type[Schedule]] = {"cosine": CosineSchedule, "linear": LinearPath}
"""How noise grows, by name."""

COMPONENTS = ("pt", "eta", "phi", "mass")


class Noised(NamedTuple):
    r"""Noised events: their representation, and what there is to say of them.

    Args:
        representation: by the backbone.
        output: of the head, ``[N, K]``.
        target: what it should be, ``[N, K]``.
        time: of each event, ``[B]``.
        signal: :math:`\alpha^2(t)` of each event, ``[B]``: how much of it is left.
    """

    representation: Representation
    output: Tensor
    target: Tensor
    time: Tensor
    signal: Tensor


class Diffusion(Objective, Denoiser):
    r"""Learn to remove noise from the objects of an event: a generator of jets, by diffusion or by flow matching.

    .. math:: z = \alpha(t) x + \sigma(t) \epsilon, \qquad
        L = \frac{\sum_i w_i \frac1K \sum_k (v_{ik} - \hat v_{ik})^2}{\sum_i |w_i|}

    over the objects i of all events, with one time t, uniform in [0, 1], for each event, and the weight w of the event.
    x are standardised columns of the view, v is what the parametrisation wants: :math:`\alpha \epsilon - \sigma x`
    as published. Neighbours and pairs are those of the noised four-vectors, every other column of the objects is
    hidden, columns of the event are known. In validation noise and times are the same in every epoch.

    Args:
        num_classes: of the label that the generator is given; 0 for none.
        columns: that are noised; None for all of the view. As published: ``("outward_d_eta", "d_phi", "log_rest_pt")``.
        parametrisation: ``"velocity"`` as published, ``"flow"`` (matching), or ``"noise"``.
        schedule: ``"cosine"`` (the published one) or ``"linear"``; None takes linear for a flow, else cosine.
        label_dropout: share of the training events whose label is hidden, so that jets can be made without one.
        num_layers: of the head, a :class:`~pyg_hep.nn.GenerationHead`.
        attention_heads: of the head, a divisor of the backbone's width.
        layer_scale: of the head.
        calls: of the backbone when :meth:`predict` makes objects.
        target: event column with the label.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events before.
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Mikuni and Nachman, arXiv:2502.14652 (diffusion); Lipman et al., arXiv:2210.02747 (flow matching).
    """

    def __init__(
        self,
        num_classes: int = 0,
        columns: Sequence[str] | None = None,
        parametrisation: str = "velocity",
        schedule: str | None = None,
        label_dropout: float = 0.1,
        num_layers: int = 2,
        attention_heads: int = 4,
        layer_scale: float | None = 1e-5,
        calls: int = 64,
        target: str = "y",
        augment: Mapping[str, Any] | None = None,
        negative_weights: str | None = None,
    ):
        super().__init__(target, negative_weights, augment)
        for name, value, known in (
            ("parametrisation", parametrisation, PARAMETRISATIONS),
            ("schedule", schedule, SCHEDULES),
        ):
            if value is not None and value not in known:
                raise ConfigError(f"Diffusion: {name}={value!r} is not possible: {nearest(str(value), known)}")
        if not 0.0 <= label_dropout <= 1.0:
            raise ConfigError(f"Diffusion: label_dropout must be a probability, found {label_dropout}")
        if num_classes < 0:
            raise ConfigError(f"Diffusion: num_classes must not be negative, found {num_classes}")
        if parametrisation == "noise" and schedule == "linear":
            raise ConfigError("Diffusion: the noise alone says nothing of the data at the end of the linear path")
        self.num_classes, self.columns = num_classes, None if columns is None else tuple(columns)
        self.parametrisation, self.schedule, self.label_dropout = parametrisation, schedule, label_dropout
        self.num_layers, self.attention_heads, self.layer_scale = num_layers, attention_heads, layer_scale
        self.calls = calls
        chosen = schedule or ("linear" if parametrisation == "flow" else "cosine")
        self.process = PARAMETRISATIONS[parametrisation](SCHEDULES[chosen]())

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        names = ("num_classes", "parametrisation", "schedule", "label_dropout", "num_layers", "attention_heads",
                 "layer_scale", "calls")  # fmt: skip
        columns = None if self.columns is None else list(self.columns)
        return {"columns": columns, **{name: getattr(self, name) for name in names}, **super().config()}

    def bind(self, backbone: Backbone, view: View) -> None:
        """A head from an object's representation, time, label and event to the columns that are noised.

        Raises:
            ConfigError: when these do not determine a momentum.
        """
        self.diffused = DiffusedColumns(view, self.columns)
        head = GenerationHead(
            backbone.out_channels,
            len(self.diffused.names),
            view.channels.u,
            self.num_classes,
            self.num_layers,
            self.attention_heads,
            layer_scale=self.layer_scale,
        )
        self.heads = nn.ModuleDict({"generation": head})

    def measure(self, train: Any) -> None:
        """Settle the policy for negative weights; check the labels.

        Raises:
            ConfigError: for labels outside the classes.
        """
        super().measure(train)
        if not self.num_classes:
            return
        y = train.column(self.target)
        if y.is_floating_point() or y.dim() > 1 or int(y.min()) < 0 or int(y.max()) >= self.num_classes:
            raise ConfigError(
                f"Diffusion is given one of {self.num_classes} classes, "
                f"which {self.target!r} of {train!r} does not hold"
            )

    def forward(self, representation: Representation) -> dict[str, Tensor]:
        """Nothing: without times there is no noise to speak of."""
        return {}

    def denoise(self, model: Seen, noised: Batch, label: Tensor | None) -> Tensor:
        """Outputs ``[N, K]`` for a noised model input, see :class:`~pyg_hep.generation.Denoiser`."""
        return self._output(model.backbone(noised), noised, label)

    def _output(self, representation: Representation, noised: Batch, label: Tensor | None) -> Tensor:
        u = noised.u if "u" in noised else None
        values: Tensor = self.heads["generation"](representation, noised.time, u, label)
        return values

    def noised(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Noised:
        """Draw times and noise for a batch of raw events and represent what is left of them: one call of the backbone.

        Raises:
            ConfigError: for events with edges that are not those of complete graphs.
        """
        refuse_partial_edges(batch, type(self).__name__)
        made = model.view(batch)
        x = self.diffused.data(made)
        time = _drawn(torch.rand, (batch.num_graphs,), x, generator)
        noise = _drawn(torch.randn, tuple(x.shape), x, generator)
        label = self.target_of(batch) if self.num_classes else None
        if label is not None and training and self.label_dropout:
            hidden = _drawn(torch.rand, (batch.num_graphs,), x, generator) < self.label_dropout
            label = torch.where(hidden, -1, label)
        of = time[made.batch]
        noised = self.diffused.noised(model.view, made, self.process.noised(x, noise, of), time)
        representation = model.backbone(noised)
        output = self._output(representation, noised, label)
        signal = self.process.schedule.alpha(time) ** 2
        return Noised(representation, output, self.process.target(x, noise, of), time, signal)

    def compare(self, batch: Batch, noised: Noised) -> Step:
        """Loss, outputs and targets of events that :meth:`noised` noised."""
        square = ((noised.output - noised.target) ** 2).mean(dim=1)
        losses = {"squared_error": Loss.mean(square, self.loss_weight(batch)[batch.batch])}
        weight, time = batch.weight[batch.batch], noised.time[batch.batch]
        return Step(losses, {"square": square}, {"time": time, "weight": weight})

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """``squared_error`` of what the parametrisation wants.

        Raises:
            ConfigError: for events with edges that are not those of complete graphs.
        """
        batch = self.augmented(batch, generator, training)
        return self.compare(batch, self.noised(batch, model, generator, training))

    def predict(
        self, batch: Batch, model: Model, generator: torch.Generator | None = None
    ) -> dict[str, Tensor | NodeColumn]:
        """``pt``, ``eta``, ``phi`` and ``mass`` of new objects: as many in each event, of its columns and class.

        See :func:`~pyg_hep.generation.generate_particles` for events of which no objects are known.
        """
        made = model.view(batch)
        z = _drawn(torch.randn, (made.num_nodes, len(self.diffused.names)), made.x, generator)
        label = self.target_of(batch) if self.num_classes else None
        sampled = self.sample(model, made, label, z, self.calls, DDIM(self.process))
        known = {"total_phi": _total_phi(batch)[made.batch].to(sampled.dtype)}
        p4 = self.diffused.momenta(model.view, made, sampled, known)
        return {name: NodeColumn(p4[:, k]) for k, name in enumerate(COMPONENTS)}

    def meters(self) -> list[Metric]:
        """Errors at little and at much noise."""
        return [NoiseFigures()]


def _drawn(
    draw: Callable[..., Tensor], shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Random numbers where the generator is, then where the events are."""
    device = like.device if generator is None else generator.device
    return draw(shape, generator=generator, device=device, dtype=like.dtype).to(like.device)


def _total_phi(batch: Batch) -> Tensor:
    """Azimuth of the sum of an event's objects, ``[B]``."""
    pt, phi = batch.p4[:, 0], batch.p4[:, 2]
    transverse = torch.stack([pt * phi.cos(), pt * phi.sin()], dim=1)
    total = transverse.new_zeros(batch.num_graphs, 2).index_add(0, batch.batch, transverse)
    return torch.atan2(total[:, 1], total[:, 0])
