"""Soft drop and N-subjettiness of many jets at once, by FastJet and its contributions."""

from __future__ import annotations

import warnings

import awkward as ak
import numpy as np

from pyg_hep.simulation.boosted.processes import RADIUS
from pyg_hep.simulation.columns import Floats, Mask, Momenta
from pyg_hep.simulation.jets import cluster_sequence

_ALL = 1000.0  # a radius beyond all distances: every particle of a jet ends in one


def soft_drop(particles: Momenta, count: int, z_cut: float, beta: float) -> tuple[Floats, Mask]:
    r"""Groom jets until :math:`\min(p_{T1}, p_{T2}) / (p_{T1} + p_{T2}) > z_\mathrm{cut} (\Delta R_{12} / 0.8)^\beta`.

    Args:
        particles: those of J jets, whose ``event`` is the jet; every jet has at least one.
        count: number of jets J.
        z_cut: the threshold.
        beta: 0 is the modified mass drop.

    Returns:
        Mass in GeV, shape ``[J]``, and which particles stay, shape ``[V]``.

    Source: Larkoski, Marzani, Soyez and Thaler, arXiv:1402.2657.
    """
    use = np.ones(particles.event.size, dtype=bool)
    sequence = cluster_sequence(particles, use, count, _ALL, "cambridge")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of exclusive jets by an algorithm that is not kT
        groomed = sequence.exclusive_jets_softdrop_grooming(1, beta=beta, symmetry_cut=z_cut, R0=RADIUS)
    kept = ak.flatten(groomed.constituents)
    # FastJet gives four-vectors, unchanged: no two smeared ones agree in two components.
    stays = np.isin(particles.px + 1j * particles.py, np.asarray(kept["px"]) + 1j * np.asarray(kept["py"]))
    return np.maximum(np.asarray(groomed.msoftdrop, dtype=np.float64), 0.0), stays


def subjettiness(particles: Momenta, count: int) -> Floats:
    r""":math:`\tau_1` to :math:`\tau_4` of jets, beta = 1, one-pass kT axes, shape ``[J, 4]``.

    Arguments as of :func:`soft_drop`. Source: Thaler and Van Tilburg, arXiv:1011.2268.
    """
    use = np.ones(particles.event.size, dtype=bool)
    sequence = cluster_sequence(particles, use, count, RADIUS)
    return np.asarray(sequence.njettiness(njets=[1, 2, 3, 4], beta=1.0, R0=RADIUS), dtype=np.float64)
