"""Directions, distances and boosts on flat numpy arrays of many events; graphs and files are not known here.

(The library's own ``kinematics`` works on torch tensors; the simulation needs no torch.)
"""

from __future__ import annotations

import numpy as np

from pyg_hep.simulation.columns import Floats, Ints, Mask


def pt_eta_phi(px: Floats, py: Floats, pz: Floats) -> tuple[Floats, Floats, Floats]:
    r"""Transverse momentum, pseudorapidity :math:`\eta = \mathrm{asinh}(p_z / p_T)` and azimuth in [-pi, pi].

    Particles along the beam get a finite pseudorapidity near 50 or more.

    Args:
        px: momentum components in GeV, shape ``[N]`` each.
        py: as ``px``.
        pz: as ``px``.
    """
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-20))
    return pt, eta, np.arctan2(py, px)


def invariant_mass(px: Floats, py: Floats, pz: Floats, energy: Floats) -> Floats:
    r""":math:`m = \sqrt{E^2 - p^2}` in GeV, 0 where rounding makes the square negative; shape ``[N]``."""
    return np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0))


def delta_r(eta1: Floats, phi1: Floats, eta2: Floats, phi2: Floats) -> Floats:
    r""":math:`\Delta R = \sqrt{\Delta\eta^2 + \Delta\phi^2}` with the azimuth wrapped, shape ``[N]``."""
    d_phi = np.mod(phi1 - phi2 + np.pi, 2 * np.pi) - np.pi
    return np.hypot(eta1 - eta2, d_phi)


def pairs(left: Ints, right: Ints, count: int) -> tuple[Ints, Ints]:
    """All pairs of a left and a right object of the same event.

    Args:
        left: event of every left object, shape ``[N]``, any order.
        right: event of every right object, shape ``[M]``, sorted.
        count: number of events.

    Returns:
        Positions in ``left`` and in ``right``, shape ``[K]`` each.
    """
    per_event = np.bincount(right, minlength=count)
    first = np.cumsum(per_event) - per_event
    repeats = per_event[left]
    i = np.repeat(np.arange(left.size), repeats)
    within = np.arange(i.size) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return i, np.repeat(first[left], repeats) + within


def group_sums(group: Ints, values: Floats | Mask, count: int) -> Floats:
    """Sum of the ``values`` [N] of each group 0 .. count - 1 of ``group`` [N]; shape ``[count]``."""
    return np.bincount(group, weights=values, minlength=count).astype(np.float64)


def expand_ranges(first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """Members of the closed ranges ``first[i]..last[i]``: the range i of each member, and the member."""
    lengths = last - first + 1
    i = np.repeat(np.arange(first.size), lengths)
    within = np.arange(i.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return i, first[i] + within


def boost(p4: Floats, frame: Floats, sign: float) -> Floats:
    r"""Boost four-vectors by the velocity :math:`\pm \vec p / E` of a frame (pure boost, no rotation).

    Args:
        p4: (px, py, pz, E) in GeV, shape ``[N, 4]``.
        frame: four-vectors whose velocity is used, time-like, shape ``[N, 4]``.
        sign: -1 goes into the rest frame of ``frame``, +1 out of it.

    Returns:
        Shape ``[N, 4]``.
    """
    mass = invariant_mass(*frame.T)
    gamma = frame[:, 3] / mass
    u = sign * frame[:, :3] / mass[:, None]
    along = (u * p4[:, :3]).sum(axis=1)
    momentum = p4[:, :3] + u * (along / (1 + gamma) + p4[:, 3])[:, None]
    return np.column_stack([momentum, gamma * p4[:, 3] + along])
