"""Binning of weighted samples: edges, normalised contents with errors, and what lies outside; nothing is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import as_array


class Binned(NamedTuple):
    """A sample in bins, as fractions of its whole sum of weights, that outside of the range included."""

    edges: np.ndarray
    contents: np.ndarray
    errors: np.ndarray
    below: float
    """Share of the sum of weights below the range."""
    above: float
    """Share of the sum of weights above the range."""
    entries_below: int
    entries_above: int
    undefined: int
    """Entries that are NaN or infinite, part of no sum."""

    @property
    def middle(self) -> np.ndarray:
        """Centres of the bins."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    def note(self) -> str:
        """What the bins do not show, in words, or nothing."""
        parts = [
            f"{_amount(share, entries)} {where}"
            for share, entries, where in (
                (self.below, self.entries_below, "below"),
                (self.above, self.entries_above, "above"),
            )
            if entries
        ]
        if self.undefined:
            parts.append(f"{self.undefined:,d} undefined")
        return ", ".join(parts)


def _amount(share: float, entries: int) -> str:
    # Shares of a few entries would be rounded to nothing.
    return f"{100 * share:.1f} %" if abs(share) >= 0.001 else f"{entries:,d}"


def binned(values: np.ndarray, weight: np.ndarray, edges: np.ndarray, undefined: int = 0) -> Binned:
    """Fractions of the sum of weights per bin with their errors, sqrt(sum of squared weights).

    Args:
        values: finite, shape ``[N]``.
        weight: shape ``[N]``.
        edges: of the bins, shape ``[K + 1]``; the last bin includes its upper edge.
        undefined: number of entries that were left out of ``values``.
    """
    contents, _ = np.histogram(values, edges, weights=weight)
    squares, _ = np.histogram(values, edges, weights=weight * weight)
    total = weight.sum()
    scale = 0.0 if total == 0 else 1.0 / total
    low, high = values < edges[0], values > edges[-1]
    return Binned(
        edges, contents * scale, np.sqrt(squares) * abs(scale), float(weight[low].sum() * scale),
        float(weight[high].sum() * scale), int(low.sum()), int(high.sum()), undefined,
    )  # fmt: skip


def bin_edges(samples: Sequence[np.ndarray], bins: int) -> np.ndarray:
    """Edges for the central 99 % of each sample, or for all of all samples where that is not much wider.

    Args:
        samples: finite values, each ``[N]``.
        bins: number of bins; whole numbers get at most that many, each of as many whole numbers.
    """
    quantiles = np.array([np.quantile(values, [0.005, 0.995]) for values in samples])
    low, high = float(quantiles[:, 0].min()), float(quantiles[:, 1].max())
    ends = [min(float(v.min()) for v in samples), max(float(v.max()) for v in samples)]
    # Azimuths, probabilities and charges have natural ends: nothing needs to be hidden.
    if ends[1] - ends[0] <= 1.3 * (high - low):
        low, high = ends
    if all((v == np.round(v)).all() for v in samples):
        first, last = round(low), round(high)
        if last - first < 50:
            return np.arange(first, last + 2) - 0.5
        width = math.ceil((last - first + 1) / bins)
        count = math.ceil((last - first + 1) / width)
        return first - 0.5 + width * np.arange(count + 1)
    # A distribution that starts at 0, as all momenta do, is shown from there.
    low = 0.0 if 0 <= low < 0.1 * high else low
    return np.linspace(low, high if high > low else low + 1.0, bins + 1)


def values_and_weights(sample: Any, what: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Finite values and their weights, each ``[N]``, and the number of the others.

    Args:
        sample: values, or (values, weights).
        what: names the sample in errors.

    Raises:
        PygHepError: for lengths that differ, and without a finite value.
    """
    values, weight = sample if isinstance(sample, tuple) else (sample, None)
    values = as_array(values).astype(np.float64).ravel()
    w = np.ones(len(values)) if weight is None else as_array(weight).astype(np.float64).ravel()
    if len(values) != len(w):
        raise PygHepError(f"{what}: {len(values)} values with {len(w)} weights")
    kept = np.isfinite(values)
    if not kept.any():
        raise PygHepError(f"{what}: no finite value to plot")
    return values[kept], w[kept], int((~kept).sum())
