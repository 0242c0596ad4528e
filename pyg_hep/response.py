"""How well an estimator resolves a continuous quantity, in figures that shrinking towards the mean cannot improve.

The width of residuals in bins of the true value is smallest for an estimator that ignores its input. Divided by the
slope of the response it is the width of an unbiased estimator of the same information. Arrays and fractions only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import ONE_SIGMA, Array, as_array, bootstrap, weighted_quantiles

_SLICES, _EVENTS_OF_A_SLICE = 50, 20  # at most, and on average at least
_FLAT = 1e-6  # slope up to which a response counts as that of a constant: float32 rounds by less


@dataclass(frozen=True)
class Response:
    """Response of an estimator in K bins of the true value, in the unit of that value.

    Args:
        edges: of the bins, ``[K + 1]``.
        events: sum of weights in each bin, ``[K]``.
        truth: mean true value, ``[K]``.
        median: median of the estimates, ``[K]``.
        bias: median of the residuals, estimate less truth, ``[K]``.
        width: P84 - P16 of the residuals, ``[K]``: the published figure, which rewards shrinking.
        slope: of one straight line over the whole range; it does not depend on the bins.
    """

    edges: Array
    events: Array
    truth: Array
    median: Array
    bias: Array
    width: Array
    slope: float

    @property
    def corrected_width(self) -> Array:
        """Width over slope, ``[K]``; infinite where the estimate does not rise with the truth, as a constant's."""
        if not self.slope > _FLAT:
            return np.where(np.isnan(self.width), np.nan, math.inf)
        return self.width / self.slope

    @property
    def mean_width(self) -> float:
        """Mean of the widths, weighted by the events of the bins."""
        return float(np.average(self.width, weights=self.events))

    @property
    def mean_corrected_width(self) -> float:
        """Mean of the corrected widths, weighted by the events of the bins: the headline, infinite for a constant."""
        return self.mean_width / self.slope if self.slope > _FLAT else math.inf

    def as_dict(self) -> dict[str, Any]:
        """For ``results.json``: lists and numbers, None for what is infinite or undefined."""
        columns = ("edges", "events", "truth", "median", "bias", "width", "corrected_width")
        numbers = ("slope", "mean_width", "mean_corrected_width")
        table: dict[str, Any] = {name: [_finite(v) for v in getattr(self, name)] for name in columns}
        return table | {name: _finite(getattr(self, name)) for name in numbers}


def response(target: ArrayLike, prediction: ArrayLike, edges: ArrayLike, weight: ArrayLike | None = None) -> Response:
    r"""Response of an estimator in bins of the true value.

    The slope is that of one fit over the whole range, so that no bin judges itself. The true values are cut into up to
    50 narrow slices of equally many events, with mean true values :math:`t_k`, median estimates :math:`m_k` and sums
    of weights :math:`W_k`; medians, because the tails of estimators would tilt the line:

    .. math:: s = \frac{\sum_k W_k (t_k - \bar t) (m_k - \bar m)}{\sum_k W_k (t_k - \bar t)^2}

    Args:
        target: true values, shape ``[N]``.
        prediction: estimates ``[N]`` in the same unit. Every event counts: give failures their fallback first.
        edges: rising edges of at least two bins of the true value, ``[K + 1]``; events outside are left out.
        weight: event weights, shape ``[N]``; 1 by default.

    Raises:
        PygHepError: for shapes, weights or edges that cannot be used, and a bin without a positive sum of weights.
    """
    truth, values, w = _columns(target, prediction, weight)
    if not np.isfinite(values).all():
        raise PygHepError(f"{int((~np.isfinite(values)).sum())} estimates are NaN or infinite: give them a fallback")
    borders = as_array(edges).astype(np.float64)
    if borders.ndim != 1 or len(borders) < 3 or not (np.diff(borders) > 0).all():
        raise PygHepError(f"a response needs rising edges of at least two bins, got {borders.tolist()}")
    number = np.searchsorted(borders, truth, side="right") - 1
    rows = []
    for k in range(len(borders) - 1):
        mine = number == k
        total = float(w[mine].sum())
        if not total > 0:
            raise PygHepError(f"no event with a positive weight between {borders[k]:g} and {borders[k + 1]:g}")
        residual = values[mine] - truth[mine]
        low, middle, high = weighted_quantiles(residual, [0.5 - 0.5 * ONE_SIGMA, 0.5, 0.5 + 0.5 * ONE_SIGMA], w[mine])
        mean = float((w[mine] * truth[mine]).sum() / total)
        rows.append((total, mean, float(weighted_quantiles(values[mine], 0.5, w[mine])), middle, high - low))
    events, means, medians, bias, width = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    inside = (number >= 0) & (number < len(events))
    slope = _slope(truth[inside], values[inside], w[inside])
    return Response(borders, events, means, medians, bias, width, slope)


def _slope(truth: Array, values: Array, w: Array) -> float:
    """Slope of the line through the median estimates of narrow slices of the true value with equally many events."""
    order = np.argsort(truth, kind="stable")
    slices = max(2, min(_SLICES, len(order) // _EVENTS_OF_A_SLICE))
    rows = []
    for mine in np.array_split(order, slices):
        total = float(w[mine].sum())
        if total > 0:  # else negative weights have used it up
            mean = (w[mine] * truth[mine]).sum() / total
            rows.append((total, mean, weighted_quantiles(values[mine], 0.5, w[mine])))
    if len(rows) < 2:
        raise PygHepError("fewer than two slices of the true value have a positive sum of weights: no slope")
    events, means, medians = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    centred = means - np.average(means, weights=events)
    spread = float((events * centred**2).sum())
    if not spread > 0:
        raise PygHepError("all true values are the same: a response has no slope")
    # A common offset of the medians does not matter, and without it those of a constant are zero exactly.
    return float((events * centred * (medians - medians[0])).sum() / spread)


@dataclass(frozen=True)
class Inclusive:
    """Relative residuals of all events, estimate over truth less one.

    Args:
        width: half of P84 - P16.
        rms: root of the mean square about zero: bias and tails count.
        bias: mean.
        median: median.
        failures: share of events whose estimate failed.
        fallback: share of events for which the failed estimate was replaced.
    """

    width: float
    rms: float
    bias: float
    median: float
    failures: float
    fallback: float

    def as_dict(self) -> dict[str, float | None]:
        """For ``results.json``."""
        return {name: _finite(value) for name, value in vars(self).items()}


def inclusive(
    target: ArrayLike,
    prediction: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    fallback: ArrayLike | float | None = None,
) -> Inclusive:
    r"""Width, RMS and bias of the relative residuals :math:`\hat x / x - 1`, failures and fallback stated.

    An estimate that is NaN or infinite is a failure. With a fallback the figures are those of all events; without one
    those of the events that have an estimate, so that they belong together with ``failures``.

    Args:
        target: true values, none of them 0, shape ``[N]``.
        prediction: estimates, shape ``[N]``.
        weight: event weights, shape ``[N]``; 1 by default.
        fallback: what takes the place of failures, a number or ``[N]``.

    Raises:
        PygHepError: for shapes, weights or true values that cannot be used, a fallback that is not finite where it is
            needed, or no estimate at all.
    """
    truth, values, w = _columns(target, prediction, weight)
    if (truth == 0).any():
        raise PygHepError(f"{int((truth == 0).sum())} true values are 0: their relative residual is undefined")
    failed = ~np.isfinite(values)
    total = w.sum()
    if not total > 0:
        raise PygHepError(f"the weights of all events sum to {total:.3g}, a figure needs a positive sum")
    share = float(w[failed].sum() / total)
    used = ~failed
    if fallback is not None:
        values = np.where(failed, as_array(fallback), values)
        used = np.isfinite(values)
        if not used.all():
            raise PygHepError(f"the fallback of {int((~used).sum())} failures is not finite either")
    if not w[used].sum() > 0:
        raise PygHepError("no event has an estimate")
    residual, w = values[used] / truth[used] - 1.0, w[used]
    low, middle, high = weighted_quantiles(residual, [0.5 - 0.5 * ONE_SIGMA, 0.5, 0.5 + 0.5 * ONE_SIGMA], w)
    bias, square = float(np.average(residual, weights=w)), float(np.average(residual**2, weights=w))
    # Negative weights may leave no positive mean square in a small sample.
    rms = math.sqrt(square) if square >= 0 else math.nan
    return Inclusive(float(0.5 * (high - low)), rms, bias, float(middle), share, 0.0 if fallback is None else share)


@dataclass(frozen=True)
class Coverage:
    """How often intervals hold the truth.

    Args:
        fraction: of the events that have an interval; to be compared with its nominal probability.
        error: statistical.
        width: median length, in the unit of the truth: of two intervals that cover alike the shorter is better.
        failures: share of events that have none.
    """

    fraction: float
    error: float
    width: float
    failures: float

    def as_dict(self) -> dict[str, float | None]:
        """For ``results.json``."""
        return {name: _finite(value) for name, value in vars(self).items()}


def coverage(target: ArrayLike, lower: ArrayLike, upper: ArrayLike, weight: ArrayLike | None = None) -> Coverage:
    r"""Share of events whose interval holds the true value, ends included.

    .. math:: f = \frac{\sum_i w_i [l_i \le x_i \le u_i]}{\sum_i w_i}, \qquad
        \sigma_f = \frac{\sqrt{\sum_i w_i^2 ([l_i \le x_i \le u_i] - f)^2}}{\sum_i w_i}

    which is the binomial error where all weights are equal. An interval with an end that is NaN is a failure.

    Args:
        target: true values, shape ``[N]``.
        lower: lower ends, ``[N]``.
        upper: upper ends, ``[N]``.
        weight: event weights, shape ``[N]``; 1 by default.

    Raises:
        PygHepError: for shapes, weights or true values that cannot be used, an upper end below its lower one, or no
            interval at all.
    """
    truth, low, w = _columns(target, lower, weight)
    _, high, _ = _columns(target, upper, weight)
    failed = np.isnan(low) | np.isnan(high)
    if (high < low)[~failed].any():
        raise PygHepError(f"{int((high < low)[~failed].sum())} intervals end below their beginning")
    used = w[~failed]
    total = used.sum()
    if not total > 0:
        raise PygHepError("no event has an interval")
    inside = ((low <= truth) & (truth <= high))[~failed]
    fraction = float(used[inside].sum() / total)
    error = float(np.sqrt((used**2 * (inside - fraction) ** 2).sum()) / total)
    width = float(weighted_quantiles((high - low)[~failed], 0.5, used))
    return Coverage(fraction, error, width, float(w[failed].sum() / w.sum()))


def bootstrap_groups(
    figure: Callable[..., Any],
    groups: ArrayLike,
    *arrays: ArrayLike,
    replicas: int = 200,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Value of a figure and its statistical error, from resampled hard events instead of rows.

    Rows of one hard event, such as several showers of it, are taken or left together: they are not independent.

    Args:
        figure: called with the (resampled) arrays; returns a number or an array. Where that is infinite, as the
            corrected width of a constant, so is its error.
        groups: hard event of each row: ids ``[N]``, or ``[N, k]`` for run, luminosity block and event number.
        arrays: one row per event; pass the weights among them.
        replicas: number of resamplings.
        seed: of the random numbers.

    Returns:
        ``figure(*arrays)`` and its error, of the same shape.

    Raises:
        PygHepError: as :func:`pyg_hep.metrics.bootstrap`.
    """
    columns: Sequence[Array] = [as_array(a) for a in arrays]
    ids = as_array(groups)
    if any(len(c) != len(ids) for c in columns) or not len(ids):
        lengths = [len(ids), *(len(c) for c in columns)]
        raise PygHepError(f"groups and arrays of one length above 0 are needed to resample events, got {lengths}")
    _, group = np.unique(ids, axis=0, return_inverse=True)
    group = group.reshape(-1)
    counts = np.bincount(group)
    order = np.argsort(group, kind="stable")
    first = np.cumsum(counts) - counts

    def of_groups(chosen: Array) -> Any:
        sizes = counts[chosen]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = order[np.repeat(first[chosen], sizes) + within]
        return figure(*(c[rows] for c in columns))

    with np.errstate(invalid="ignore"):
        _, error = bootstrap(of_groups, np.arange(len(counts)), replicas=replicas, seed=seed)
    value = figure(*columns)
    error = np.where(np.isinf(value), math.inf, error)
    return value, error if np.ndim(error) else float(error)


def _columns(target: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None) -> tuple[Array, Array, Array]:
    truth, values = as_array(target).astype(np.float64), as_array(prediction).astype(np.float64)
    w = np.ones(len(truth)) if weight is None else as_array(weight).astype(np.float64)
    if truth.ndim != 1 or not truth.shape == values.shape == w.shape or not len(truth):
        raise PygHepError(
            f"one row per event is needed: target has shape {truth.shape}, prediction {values.shape}, weight {w.shape}"
        )
    if not (np.isfinite(truth).all() and np.isfinite(w).all()):
        raise PygHepError("true values or weights are NaN or infinite")
    return truth, values, w


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
