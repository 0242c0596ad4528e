"""What can be said of two objects of an event, as named columns: features of edges, biases of attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.kinematics import delta_phi, delta_r, invariant_mass

Pair = Callable[[Tensor, Tensor], Tensor]

ANGULAR = ("d_eta", "d_phi", "d_r")
"""The edge features of Ho et al., arXiv:2412.10665, section III B."""

PARTICLE = ("ln_d_r", "ln_kt", "z", "ln_mass")
"""The pairwise input of the Particle Transformer, Qu et al., arXiv:2202.03772, equation 3 (ln m for its ln m^2)."""

_LEAST = 1e-2  # below 10 MeV, or a distance of 0.01, a logarithm stays where it is


def _delta_r(i: Tensor, j: Tensor) -> Tensor:
    return delta_r(j[..., 1], j[..., 2], i[..., 1], i[..., 2])


def _ln_kt(i: Tensor, j: Tensor) -> Tensor:
    return (torch.minimum(i[..., 0], j[..., 0]) * _delta_r(i, j)).clamp(min=_LEAST).log()


def _z(i: Tensor, j: Tensor) -> Tensor:
    total = i[..., 0] + j[..., 0]
    return torch.minimum(i[..., 0], j[..., 0]) / torch.where(total == 0, 1.0, total)


PAIR_COLUMNS: dict[str, Pair] = {
    "d_eta": lambda i, j: j[..., 1] - i[..., 1],
    "d_phi": lambda i, j: delta_phi(j[..., 2], i[..., 2]),
    "d_r": _delta_r,
    "ln_d_r": lambda i, j: _delta_r(i, j).clamp(min=_LEAST).log(),
    "ln_kt": _ln_kt,
    "z": _z,
    "ln_mass": lambda i, j: invariant_mass(i, j).clamp(min=_LEAST).log(),
}
r"""Column -> how it is made from the four-vectors (pt, eta, phi, mass) of target i and source j.

:math:`\Delta\eta`, :math:`\Delta\phi` (source minus target, wrapped), :math:`\Delta R`, its logarithm,
:math:`\ln k_T` with :math:`k_T = \min(p_{T,i}, p_{T,j}) \Delta R` in GeV,
:math:`z = \min(p_{T,i}, p_{T,j}) / (p_{T,i} + p_{T,j})`, and :math:`\ln m_{ij}` in GeV. Logarithms are cut off at
0.01. Source: Qu et al., arXiv:2202.03772, equation 3 (who take ln m^2).
"""

_CENTRE = {"ln_kt": (3.5, 1.0), "ln_mass": (4.5, 1.0)}
"""Typical value and spread between hard objects: without, these two columns would be far from 0 and 1."""


def check_pair_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns, if all are known.

    Raises:
        ConfigError: for an unknown name.
    """
    for name in columns:
        if name not in PAIR_COLUMNS:
            raise ConfigError(f"no pair column {name!r}: {nearest(name, PAIR_COLUMNS)}")
    return tuple(columns)


def pair_features(target: Tensor, source: Tensor, columns: Sequence[str] = ANGULAR) -> Tensor:
    """Columns of pairs of objects, those of large scale moved and divided to be of order 1.

    Args:
        target: four-vectors (pt [GeV], eta, phi [rad], mass [GeV]) of i, shape ``[..., 4]``.
        source: those of j; the two shapes are broadcast.
        columns: names of :data:`PAIR_COLUMNS`.

    Returns:
        Shape ``[..., F]``. ln kT is given as (ln kT - 3.5), ln m as (ln m - 4.5).
    """
    made = []
    for name in columns:
        centre, scale = _CENTRE.get(name, (0.0, 1.0))
        made.append((PAIR_COLUMNS[name](target, source) - centre) / scale)
    return torch.stack(made, dim=-1)
