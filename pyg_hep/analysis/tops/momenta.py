"""Cartesian four-vectors (px, py, pz, E) [GeV] as float64 arrays ``[..., 4]``: what tops need of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


def mass(p: Floats) -> Floats:
    """Invariant mass [GeV], shape ``[...]``; 0 where rounding leaves a negative square, NaN for NaN."""
    square = p[..., 3] ** 2 - (p[..., :3] ** 2).sum(-1)
    return np.sqrt(np.where(square < 0, 0.0, square))


def transverse(p: Floats) -> Floats:
    """Transverse momentum [GeV], shape ``[...]``."""
    return np.hypot(p[..., 0], p[..., 1])


def on_shell(momentum: Floats, mass: Any = 0.0) -> Floats:
    """Four-vector of a momentum ``[..., 3]`` and a mass [GeV] that broadcasts to ``[...]``."""
    energy = np.sqrt((momentum**2).sum(-1) + np.square(mass))
    return np.concatenate([momentum, energy[..., None]], axis=-1)


def delta_r(one: Floats, two: Floats) -> Floats:
    """Angular distance, shape ``[...]``; NaN for a vector without transverse momentum."""
    with np.errstate(divide="ignore", invalid="ignore"):
        d_eta = np.arcsinh(one[..., 2] / transverse(one)) - np.arcsinh(two[..., 2] / transverse(two))
    d_phi = np.arctan2(one[..., 1], one[..., 0]) - np.arctan2(two[..., 1], two[..., 0])
    return np.hypot(d_eta, np.remainder(d_phi + np.pi, 2.0 * np.pi) - np.pi)


def take_rows(values: Floats, index: Ints) -> Floats:
    """One entry of the second axis per event: ``values[n, index[n]]``, and NaN where the index is negative."""
    chosen = values[np.arange(len(values)), np.maximum(index, 0)]
    return np.where((index >= 0).reshape(-1, *[1] * (chosen.ndim - 1)), chosen, np.nan)
