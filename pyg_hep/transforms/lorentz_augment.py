"""``LorentzAugment``: the symmetries of a proton-proton collision, and of a jet, as random changes of whole events."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform

from pyg_hep.errors import ConfigError
from pyg_hep.kinematics import boost_z, reflect_z, rotate_about, rotate_phi, to_cartesian
from pyg_hep.schema import ObjectType
from pyg_hep.transforms.complete_graph import node_counts, set_momenta
from pyg_hep.transforms.random_transform import RandomTransform


@functional_transform("lorentz_augment")
class LorentzAugment(RandomTransform):
    r"""Rotate about the beam, reflect the beam axis and boost along it, each event by random numbers of its own.

    .. math:: \phi \to \phi + \alpha, \quad \eta \to \pm\eta, \quad y \to y \pm \operatorname{artanh}\beta

    with :math:`\alpha` uniform in :math:`[-\pi, \pi)`, a fair sign, and :math:`\beta` uniform in
    ``[0, max_beta)``. Every object of an event (its two levels alike) gets the same change, so masses and angles
    within the event stay: exactly in the algebra, to 1e-6 in float64. Missing momentum has no true eta: it is
    rotated about the beam, not boosted and not rolled. Edge features that are there are made again. Works on one
    ``Data`` and on a ``Batch`` alike (functional name: ``lorentz_augment``).

    Args:
        rotate: rotate about the beam.
        reflect: reflect the beam axis in half of the events.
        max_beta: largest velocity of the boost, below 1; 0 does not boost. The beams are symmetric under it only
            as far as the parton densities are flat, and detectors have edges in eta.
        roll: rotate about the sum of the momenta of the event's objects, by an angle uniform in :math:`[-\pi, \pi)`:
            a symmetry of a narrow jet about its axis, not of a whole collision.

    Raises:
        ConfigError: for a velocity outside [0, 1).

    Source: Kishimoto et al., "A study of foundation models for event classification in collider physics".
    """

    def __init__(self, rotate: bool = True, reflect: bool = True, max_beta: float = 0.0, roll: bool = False):
        if not 0.0 <= max_beta < 1.0:
            raise ConfigError(f"LorentzAugment: max_beta must lie in [0, 1), found {max_beta}")
        self.rotate, self.reflect, self.max_beta, self.roll = rotate, reflect, max_beta, roll

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        return {"rotate": self.rotate, "reflect": self.reflect, "max_beta": self.max_beta, "roll": self.roll}

    def forward(self, data: Data, generator: torch.Generator | None = None) -> Data:
        """Return ``data`` with changed ``p4``, and ``edge_attr`` where it has one."""
        counts = node_counts(data)
        p4 = data.p4
        nodes = p4.size(0)

        def uniform() -> Tensor:
            """A number in [0, 1) per event, at each of its nodes, shape ``[N]``."""
            numbers = torch.rand(counts.numel(), device=p4.device, dtype=p4.dtype, generator=generator)
            return torch.repeat_interleave(numbers, counts, output_size=nodes)

        if self.rotate:
            p4 = rotate_phi(p4, math.pi * (2 * uniform() - 1))
        if self.reflect:
            p4 = torch.where((uniform() < 0.5).unsqueeze(-1), reflect_z(p4), p4)
        if self.max_beta:
            sign = torch.where(uniform() < 0.5, -1.0, 1.0)
            boosted = boost_z(p4, self.max_beta * sign * uniform())
            p4 = torch.where((data.kind == ObjectType.MET).unsqueeze(-1), p4, boosted)
        if self.roll:
            visible = (data.kind != ObjectType.MET).unsqueeze(-1)
            event = torch.repeat_interleave(counts, output_size=nodes)
            momenta = torch.where(visible, to_cartesian(p4)[:, :3], 0.0)
            axis = momenta.new_zeros(counts.numel(), 3).index_add_(0, event, momenta)[event]
            p4 = torch.where(visible, rotate_about(p4, axis, math.pi * (2 * uniform() - 1)), p4)
        return set_momenta(data, p4)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"
