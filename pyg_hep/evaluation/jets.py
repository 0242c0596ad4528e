"""Observables of jets from their particles: mass, multiplicity, pT, N-subjettiness, energy correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.errors import ConfigError, PygHepError, nearest
from pyg_hep.evaluation.constituents import Constituents
from pyg_hep.evaluation.nsubjettiness import subjettiness
from pyg_hep.kinematics import delta_r, from_cartesian

Array = np.ndarray[Any, Any]

OBSERVABLES = ("pt", "mass", "multiplicity", "tau1", "tau2", "tau3", "tau21", "tau32", "e2", "e3", "d2")
"""Names that :func:`jet_observables` knows."""


def jet_observables(
    p4: Any,
    mask: Any = None,
    ptr: Any = None,
    names: Sequence[str] = ("pt", "mass", "multiplicity", "tau21", "e2", "e3", "d2"),
    *,
    beta: float = 1.0,
    radius: float = 0.8,
) -> dict[str, Array]:
    r"""Observables of jets.

    ``pt`` and ``mass`` [GeV] of the summed four-vectors; ``multiplicity``, the number of particles, whatever they
    carry; with the momentum fractions :math:`z_i = p_{Ti} / \sum_j p_{Tj}` and distances
    :math:`R_{ij}` in rapidity and azimuth

    .. math:: e_2 = \sum_{i<j} z_i z_j R_{ij}^\beta, \quad
        e_3 = \sum_{i<j<k} z_i z_j z_k (R_{ij} R_{jk} R_{ik})^\beta, \quad D_2 = e_3 / e_2^3

    .. math:: \tau_N = \sum_i z_i \min_k (R_{ik} / R_0)^\beta, \quad \tau_{21} = \tau_2 / \tau_1,
        \; \tau_{32} = \tau_3 / \tau_2

    with the axes k of :func:`pyg_hep.evaluation.nsubjettiness.subjettiness`. A ratio is 0 where its denominator is: a
    jet of one particle has D2 = tau21 = 0, one without particles has 0 everywhere.

    Args:
        p4: (pt [GeV], eta, phi, mass [GeV]): ``[J, n, 4]`` with ``mask``, or ``[N, 4]`` with ``ptr``.
        mask: True where there is a particle, ``[J, n]``.
        ptr: where each jet begins, and N at the end, ``[J + 1]``.
        names: some of :data:`OBSERVABLES`.
        beta: exponent of the distances.
        radius: R_0, that of the jets.

    Returns:
        By name, float64 of shape ``[J]``, in the order of ``names``.

    Raises:
        ConfigError: for an unknown name, and for N-subjettiness without the package fastjet.
        PygHepError: for particles that cannot be used.

    Source: Larkoski, Salam and Thaler, arXiv:1305.0007 (correlations); Larkoski, Moult and Neill, arXiv:1409.6298
    (D2); Thaler and Van Tilburg, arXiv:1011.2268 (N-subjettiness).
    """
    for name in names:
        if name not in OBSERVABLES:
            raise ConfigError(f"there is no observable {name!r} of jets: {nearest(name, OBSERVABLES)}")
    if not beta > 0 or not radius > 0:
        raise PygHepError(f"exponent and radius are positive numbers, got beta={beta} and radius={radius}")
    particles = Constituents.of(p4, mask, ptr)
    found: dict[str, Tensor] = {"multiplicity": particles.count.double()}
    if {"pt", "mass"} & set(names):
        found["pt"], _, _, found["mass"] = from_cartesian(particles.total()).unbind(-1)
    if {"e2", "e3", "d2"} & set(names):
        found["e2"], found["e3"] = _correlations(particles, beta)
        found["d2"] = _ratio(found["e3"], found["e2"] ** 3)
    wanted = {1: {"tau1", "tau21"}, 2: {"tau2", "tau21", "tau32"}, 3: {"tau3", "tau32"}}
    orders = [n for n, users in wanted.items() if users & set(names)]
    for n, values in zip(orders, subjettiness(particles, orders, beta, radius) if orders else (), strict=True):
        found[f"tau{n}"] = values
    for n in (2, 3):
        if f"tau{n}{n - 1}" in names:
            found[f"tau{n}{n - 1}"] = _ratio(found[f"tau{n}"], found[f"tau{n - 1}"])
    return {name: found[name].numpy() for name in names}


def _ratio(value: Tensor, other: Tensor) -> Tensor:
    return torch.where(other > 0, value / torch.where(other > 0, other, 1.0), 0.0)


def _correlations(particles: Constituents, beta: float) -> tuple[Tensor, Tensor]:
    """e2 and e3 of each jet; the sum over triples is a product of matrices, whose diagonal is 0."""
    e2, e3 = (torch.zeros(len(particles.count), dtype=torch.float64) for _ in range(2))
    for jets, columns, _ in particles.padded():
        pt, y, phi = columns.unbind(-1)
        total = pt.sum(1, keepdim=True)
        z = pt / torch.where(total > 0, total, 1.0)
        distance = delta_r(y[:, :, None], phi[:, :, None], y[:, None], phi[:, None]) ** beta
        weighted = distance * z[:, None]
        e2[jets] = (z[:, None] @ weighted.sum(-1, keepdim=True)).flatten() / 2
        e3[jets] = (z[:, :, None] * weighted * (weighted @ distance)).sum((1, 2)) / 6
    return e2, e3
