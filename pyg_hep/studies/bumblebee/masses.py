"""What a reconstruction says of m(ttbar) of test events, and the figures that judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pyg_hep.analysis.tops import TopPairs, generated_tops
from pyg_hep.analysis.tops.momenta import Floats
from pyg_hep.errors import PygHepError
from pyg_hep.response import Inclusive, Response, inclusive, response

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
"""Bins of the true m(ttbar) lie between these quantiles of the test events: narrow beside the resolution, so that a
slope other than 1 hardly widens residuals, and never empty. The tail beyond counts for the relative residuals only. The
bins of the paper's figure 2C are not known."""


def true_mass(events: Any) -> Floats:
    """Mass of the generated top pair [GeV], shape ``[N]``.

    Raises:
        PygHepError: for events without a whole generated pair.
    """
    truth = generated_tops(events)
    if not truth.valid.all():
        raise PygHepError(
            f"{int((~truth.valid).sum())} of {len(truth)} events lack a generated pair of dileptonic tops"
        )
    return truth.m_ttbar


@dataclass(frozen=True)
class Masses:
    """Estimates of m(ttbar) of test events.

    Args:
        y: true m(ttbar) [GeV], shape ``[N]``.
        estimate: of every event, failures with their fallback, ``[N]``.
        weight: event weights, ``[N]``.
        fallback: events whose estimate is that of the fallback, ``[N]``.
        covered: events whose true mass lies within the interval of 68 %, ``[N]``; NaN of a method without intervals.
    """

    y: Floats
    estimate: Floats
    weight: Floats
    fallback: Floats
    covered: Floats
    _seen: dict[bytes, tuple[Response, Inclusive]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, events: Any, found: TopPairs) -> Masses:
        """Of test events and their reconstructed tops.

        Raises:
            PygHepError: when an event has no tops: a figure is of all events, so that a method needs a fallback.
        """
        if not found.valid.all():
            raise PygHepError(f"events without tops, which need a fallback: {found.reasons}")
        truth, covered = true_mass(events), np.full(len(found), np.nan)
        if found.has_intervals:
            low, high = found.m_ttbar_68.T
            covered = ((truth >= low) & (truth <= high)).astype(np.float64)
        return cls(
            truth, found.m_ttbar, events.column("weight").double().numpy(), found.fallback.astype(np.float64), covered
        )

    @cached_property
    def edges(self) -> Floats:
        """Of the bins of the true mass [GeV]."""
        return np.quantile(self.y, SHARES)

    def judged(self, counts: np.ndarray) -> tuple[Response, Inclusive]:
        """Response and relative residuals when each event counts so often; one evaluation for all figures."""
        key = counts.astype(np.int64).tobytes()
        if key not in self._seen:
            weight = self.weight * counts
            self._seen[key] = (
                response(self.y, self.estimate, self.edges, weight), inclusive(self.y, self.estimate, weight)
            )  # fmt: skip
        return self._seen[key]


_VALUES: dict[str, Callable[[Response, Inclusive], float]] = {
    "corrected_width": lambda bins, every: bins.mean_corrected_width,
    "width": lambda bins, every: bins.mean_width,
    "slope": lambda bins, every: bins.slope,
    "relative_width": lambda bins, every: every.width,
    "rms": lambda bins, every: every.rms,
    "bias": lambda bins, every: every.bias,
}


@dataclass(frozen=True)
class MassFigure:
    """One figure of a reconstruction, by its name in :data:`FIGURES`; it can be sent to other processes."""

    name: str

    def __call__(self, tested: Masses) -> Callable[[np.ndarray], float]:
        """A function of how often each event counts."""
        if self.name in SHARES_OF_EVENTS:
            column = getattr(tested, self.name)
            return lambda counts: float(np.average(column, weights=tested.weight * counts))
        if self.name in _VALUES:
            return lambda counts: _VALUES[self.name](*tested.judged(counts))
        what, _, k = self.name.rpartition("_")
        return lambda counts: float(getattr(tested.judged(counts)[0], what)[int(k)])


SHARES_OF_EVENTS = ("fallback", "covered")
IN_BINS = ("truth", "width", "median")
FIGURES = {
    name: MassFigure(name)
    for name in (*_VALUES, *SHARES_OF_EVENTS, *(f"{what}_{k}" for what in IN_BINS for k in range(len(SHARES) - 1)))
}
"""Figures of a reconstruction: P84 - P16 of the residuals of m(ttbar) [GeV], mean over the bins of the true value, and
that over the slope of the response; half of P84 - P16, root mean square and mean of the relative residuals of all
events; the shares of events with a fallback, and with their truth within the interval of 68 %; and of every bin mean
truth, width and median estimate [GeV] (``width_0``)."""
