"""Self-supervision by masked four-vectors over the generated and the reconstructed level of an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.inputs.columns import node_column
from pyg_hep.kinematics import to_cartesian
from pyg_hep.nn import Backbone
from pyg_hep.objectives.base import Loss, Model, NodeColumn, Objective, Step, refuse_partial_edges
from pyg_hep.objectives.meters import MaskedFigures, Metric
from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.mask_particles import MaskParticles

PHI_LOSSES = ("squared", "cosine")
"""How an azimuth is compared: as a number, or around the circle."""

NOT_MEASURED = ("eta", "mass", "log_mass", "pz", "energy", "log_energy")
"""Columns that mean nothing for missing transverse momentum, which has only a direction in the transverse plane."""

COMPONENTS = ("pt", "eta", "phi", "mass")


class MaskedFourVectors(Objective):
    r"""Estimate the four-vectors of hidden particles from all others, and from what kind and level they are.

    .. math:: L = \frac{\sum_{i \in \mathrm{hidden}} w_i \sum_f (\hat x_{if} - x_{if})^2}
        {\sum_{i \in \mathrm{hidden}} |w_i| \sum_f 1}

    over the columns f of the view that are made of the momentum, standardised as the view has them; w is the weight of
    the event. In training half of the events hide single particles and half a whole level
    (:class:`~pyg_hep.transforms.MaskParticles`); in validation, and in :meth:`predict`, the generated level is
    estimated from the reconstructed one. A hidden particle shows nothing of its five-vector, b-tag included. eta and
    mass of the missing momentum are no targets.

    Args:
        whole_level: probability of hiding a whole level of an event.
        generated_only: hide the generated level in training too, always: the supervised regression that the
            pretraining is compared with.
        mass_weight: weight of a further term, the squared error of the logarithm of the mass of all generated particles
            together, in events whose generated level is hidden. Estimates particle by particle are means, and the mass
            of a sum of means is too small; 0, as published, leaves it so.
        phi: ``"squared"``, as published, or ``"cosine"``: :math:`2 - 2 \cos(\hat\phi - \phi)` in place of the squared
            difference of a column ``phi``. Views with sine and cosine of phi have no such seam.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events before.
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Wildridge et al., arXiv:2412.07867, section 3.3; the cosine is of the code of one of its authors.
    """

    def __init__(
        self,
        whole_level: float = 0.5,
        generated_only: bool = False,
        mass_weight: float = 0.0,
        phi: str = "squared",
        augment: Mapping[str, Any] | None = None,
        negative_weights: str | None = None,
    ):
        super().__init__("", negative_weights, augment)
        if phi not in PHI_LOSSES:
            raise ConfigError(f"MaskedFourVectors: phi={phi!r} is not possible: {nearest(phi, PHI_LOSSES)}")
        if not mass_weight >= 0:
            raise ConfigError(f"MaskedFourVectors: mass_weight must not be negative, found {mass_weight}")
        self.mask = MaskParticles(whole_level)
        self.whole_level, self.generated_only = whole_level, generated_only
        self.mass_weight, self.phi = mass_weight, phi

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        kept = super().config()
        names = ("whole_level", "generated_only", "mass_weight", "phi")
        return {
            **{name: getattr(self, name) for name in names},
            "augment": kept["augment"], "negative_weights": kept["negative_weights"],
        }  # fmt: skip

    def bind(self, backbone: Backbone, view: View) -> None:
        """A head from a particle's representation to its columns.

        Raises:
            ConfigError: when the columns of the view do not determine a momentum.
        """
        if not view.determines_momentum:
            raise ConfigError(
                f"MaskedFourVectors estimates four-vectors, which {', '.join(view.columns)} do not determine"
            )
        self.columns = tuple(name for name in view.columns if node_column(name).momentum)
        self.places = [view.columns.index(name) for name in self.columns]
        self.measured = [name not in NOT_MEASURED for name in self.columns]
        self.heads = nn.ModuleDict({"four_vector": backbone.make_head("nodes", len(self.columns))})

    def measure(self, train: Any) -> None:
        """Refuse events without a generated level: validation would be about nothing.

        Raises:
            ConfigError: for such events.
        """
        super().measure(train)
        if not bool((train.level == int(Level.GEN)).any()):
            raise ConfigError(
                f"{train!r} has no generated particles: MaskedFourVectors is validated on those, take a card with both "
                "levels, such as dileptonic_ttbar"
            )

    def estimate(self, batch: Batch, model: Model, hidden: Tensor) -> Tensor:
        """Standardised columns of all particles when some are hidden, shape ``[N, K]``."""
        flags = dict.fromkeys(model.view.columns, hidden)
        values: Tensor = self(model.represent(batch, flags))["four_vector"]
        return values

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """``squared_error`` of hidden particles, and with a ``mass_weight`` the ``mass_error`` of the generated level.

        Raises:
            ConfigError: for events with edges that are not those of complete graphs.
        """
        refuse_partial_edges(batch, type(self).__name__)
        batch = self.augmented(batch, generator, training)
        generated = batch.level == int(Level.GEN)
        alone = training and not self.generated_only
        hidden = self.mask.hidden(batch, generator) if alone else generated
        estimate = self.estimate(batch, model, hidden)
        view, node_weight = model.view, self.loss_weight(batch)[batch.batch]
        truth = (view.values(batch)[:, self.places] - view.mean[self.places]) / view.scale[self.places]
        error = estimate - truth
        is_met = (batch.kind == int(ObjectType.MET)).unsqueeze(1)
        flags = hidden.unsqueeze(1) & (~is_met | torch.tensor(self.measured, device=hidden.device))
        square = self._square(estimate, truth, view)
        loss = Loss.mean(square, flags.to(square.dtype) * node_weight.unsqueeze(1))
        losses = {"squared_error": loss}
        if self.mass_weight:
            losses["mass_error"] = self._mass_error(estimate, batch, view, generated, hidden)
        targets = {"weight": batch.weight[batch.batch], "hidden": flags}
        return Step(losses, {"error": error}, targets)

    def _mass_error(self, estimate: Tensor, batch: Batch, view: View, generated: Tensor, hidden: Tensor) -> Loss:
        """Squared error of the logarithm of the mass of the generated level, where all of it is hidden."""
        events, of = int(batch.num_graphs), batch.batch[generated]
        shown = torch.bincount(of, ~hidden[generated], events)
        used = (shown == 0) & (torch.bincount(of, minlength=events) > 1)
        estimated = self._momenta(estimate, batch, view)[generated]
        masses = [_log_mass(p4, of, events) for p4 in (estimated, batch.p4[generated])]
        error = (masses[0] - masses[1].to(masses[0].dtype)) ** 2
        weight = self.loss_weight(batch) * used
        return Loss.mean(self.mass_weight * error, weight.to(error.dtype))

    def _momenta(self, estimate: Tensor, batch: Batch, view: View) -> Tensor:
        """(pt, eta, phi, mass) of all particles from their estimated columns, ``[N, 4]``."""
        x = view(batch).x.clone()
        x[:, self.places] = estimate.to(x.dtype)
        return view.to_p4(Data(x=x))

    def _square(self, estimate: Tensor, truth: Tensor, view: View) -> Tensor:
        square = (estimate - truth) ** 2
        if self.phi != "cosine" or "phi" not in self.columns:
            return square
        k = self.columns.index("phi")
        angle = (estimate[:, k] - truth[:, k]) * view.scale[self.places[k]]
        around = (2.0 - 2.0 * angle.cos()).unsqueeze(1)
        return torch.cat([square[:, :k], around, square[:, k + 1 :]], dim=1)

    def predict(
        self, batch: Batch, model: Model, generator: torch.Generator | None = None
    ) -> dict[str, Tensor | NodeColumn]:
        """``pt``, ``eta``, ``phi`` and ``mass`` of every particle: generated ones as estimated from the reconstructed.

        Generated particles are hidden, whatever their momenta in the batch are. Reconstructed ones have their own.
        Momenta and masses are not negative, phi is in [-pi, pi).
        """
        generated = batch.level == int(Level.GEN)
        p4 = self._momenta(self.estimate(batch, model, generated), batch, model.view)
        p4 = torch.where(generated.unsqueeze(1), p4, batch.p4.to(p4.dtype))
        return {name: NodeColumn(p4[:, k]) for k, name in enumerate(COMPONENTS)}

    def meters(self) -> list[Metric]:
        """Root mean square errors of the generated particles, in standard deviations."""
        return [MaskedFigures(self.columns, kind=False)]


def _log_mass(p4: Tensor, of: Tensor, events: int) -> Tensor:
    """Logarithm of the mass of all particles of an event together, ``[B]``, of at least a thousandth of the energy."""
    total = to_cartesian(p4).new_zeros(events, 4).index_add(0, of, to_cartesian(p4))
    energy2 = total[:, 3] ** 2
    mass2 = energy2 - (total[:, :3] ** 2).sum(dim=1)
    return 0.5 * torch.maximum(mass2, 1e-6 * energy2 + 1e-6).log()
