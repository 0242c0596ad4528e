"""Four-vectors back from a model's columns: which quantity follows from which others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_hep.errors import ConfigError
from pyg_hep.kinematics import hypot, wrap_phi

COMPONENTS = ("pt", "eta", "phi", "mass")


class Inverse(NamedTuple):
    """A quantity that follows from others.

    Args:
        gives: ``pt``, ``eta``, ``phi``, ``mass``, or any other name that a further inverse needs.
        needs: names of columns or quantities.
        function: of these, in this order.
    """

    gives: str
    needs: tuple[str, ...]
    function: Callable[..., Tensor]


def _mass(energy: Tensor, pt: Tensor, eta: Tensor) -> Tensor:
    momentum = pt * eta.cosh()
    return ((energy - momentum) * (energy + momentum)).clamp(min=0.0).sqrt()


def _pt_of_energy(energy: Tensor, eta: Tensor, mass: Tensor) -> Tensor:
    return ((energy - mass) * (energy + mass)).clamp(min=0.0).sqrt() / eta.cosh()


def _eta_of_pz(pz: Tensor, pt: Tensor) -> Tensor:
    empty = pt == 0
    return torch.asinh(torch.where(empty, 0.0, pz) / torch.where(empty, 1.0, pt))


def side(total_eta: Tensor) -> Tensor:
    """Sign of the pseudorapidity of an axis: 1, or -1 (also at 0)."""
    return torch.where(total_eta > 0, 1.0, -1.0).to(total_eta.dtype)


def _part(log_rest: Tensor, total: Tensor) -> Tensor:
    """From ln(1 - part / total); an estimate above 0 would be a negative momentum."""
    return -torch.expm1(log_rest.clamp(max=0.0)) * total


_INVERSES: list[Inverse] = [
    Inverse("pt", ("log_pt",), torch.exp),
    Inverse("pt", ("px", "py"), hypot),
    Inverse("mass", ("log_mass",), torch.exp),
    Inverse("energy", ("log_energy",), torch.exp),
    Inverse("phi", ("px", "py"), lambda px, py: torch.atan2(py, px)),
    Inverse("phi", ("sin_phi", "cos_phi"), torch.atan2),
    Inverse("phi", ("d_phi", "total_phi"), torch.add),
    Inverse("eta", ("d_eta", "total_eta"), torch.add),
    Inverse("eta", ("outward_d_eta", "total_eta"), lambda outward, total_eta: outward * side(total_eta) + total_eta),
    Inverse("pt", ("log_rest_pt", "total_pt"), _part),
    Inverse("energy", ("log_rest_energy", "total_energy"), _part),
    Inverse("eta", ("pz", "pt"), _eta_of_pz),
    Inverse("mass", ("energy", "pt", "eta"), _mass),
    Inverse("pt", ("energy", "eta", "mass"), _pt_of_energy),
]
"""Tried in this order, each column's own number before any: what is read directly is never worked out."""


def add_inverse(inverse: Inverse) -> None:
    """Let :func:`momenta` use one more inverse, before the library's own."""
    _INVERSES.insert(0, inverse)


def derivation(known: set[str]) -> list[Inverse]:
    """The steps that lead from known quantities to a four-vector.

    Raises:
        ConfigError: when they do not determine one.
    """
    names, steps = set(known), []
    while not names.issuperset(COMPONENTS):
        step = next((i for i in _INVERSES if i.gives not in names and names.issuperset(i.needs)), None)
        if step is None:
            missing = ", ".join(name for name in COMPONENTS if name not in names)
            raise ConfigError(
                f"the columns {', '.join(sorted(known))} do not determine a momentum: {missing} cannot be worked out"
            )
        names.add(step.gives)
        steps.append(step)
    return steps


def momenta(quantities: Mapping[str, Tensor]) -> Tensor:
    """(pt [GeV], eta, phi [rad], mass [GeV]) from what is known, shape ``[..., 4]``.

    Momenta and masses are not negative, phi is in [-pi, pi).

    Args:
        quantities: by name, each ``[...]``, in physical units.

    Raises:
        ConfigError: when they do not determine a momentum.
    """
    values = dict(quantities)
    for step in derivation(set(values)):
        values[step.gives] = step.function(*(values[name] for name in step.needs))
    pt, eta, phi, mass = torch.broadcast_tensors(*(values[name] for name in COMPONENTS))
    return torch.stack([pt.clamp(min=0.0), eta, wrap_phi(phi), mass.clamp(min=0.0)], dim=-1)
