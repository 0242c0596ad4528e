"""Pure weighted figures on arrays: accuracy, AUC, rejection, resolution, divergence, errors; no plots or files.

All figures are fractions, never percent. Arrays are numpy arrays or anything ``np.asarray`` takes, torch tensors
included. Weights may be negative, as those of next-to-leading-order generators are: every figure is built from
weighted sums, so negative events subtract, and only sums of weights that vanish or are negative are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyg_hep.errors import PygHepError

Array = NDArray[Any]

ONE_SIGMA = 0.6826894921370859
"""Probability within one standard deviation of a normal distribution, the 68 % of :func:`resolution`."""

TWO_SIGMA = 0.9544997361036416
"""Probability within two standard deviations of a normal distribution."""


def accuracy(target: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None) -> float:
    r"""Weighted fraction of right predictions, :math:`\sum_i w_i [\hat y_i = y_i] / \sum_i w_i`.

    Args:
        target: class numbers, shape ``[N]``.
        prediction: scores ``[N, C]`` (the class with the highest is predicted, the first at a tie), a float
            probability of class 1 ``[N]`` (class 1 above 0.5), or class numbers as integers ``[N]``.
        weight: event weights, shape ``[N]``; 1 by default.

    Raises:
        PygHepError: for shapes, labels or weights that cannot be used.
    """
    y, values, w = _checked(target, prediction, weight)
    if values.ndim == 2:
        predicted = values.argmax(axis=1)
        _check_labels(y, values.shape[1])
    elif values.dtype.kind == "f":
        predicted = values > 0.5
        _check_labels(y, 2)
    else:
        predicted = values
    return float(w[predicted == y].sum() / _positive(w.sum(), "all events"))


def roc_auc(target: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, average: bool = True) -> Any:
    r"""Area under the ROC curve: the probability that a signal event scores higher than a background event.

    .. math:: \text{AUC} = \frac{\sum_{s, b} w_s w_b \left([x_s > x_b] + \tfrac12 [x_s = x_b]\right)}
        {\sum_s w_s \sum_b w_b}

    The pair sum is what the area under the curve means for negative weights too; it may then leave [0, 1].

    Args:
        target: 1 for signal, 0 for background, or class numbers 0 to C - 1, shape ``[N]``.
        score: shape ``[N]``, or ``[N, 2]`` whose column 1 is used, or ``[N, C]``: then class c against the rest is
            judged by column c. Non-negative integers are taken as ranks and need no sorting.
        weight: event weights, shape ``[N]``; 1 by default.
        average: give the plain mean over the classes of ``[N, C]`` scores, else an array ``[C]``.

    Raises:
        PygHepError: for shapes, labels or weights that cannot be used, and for a class without events.

    Source: Hanley and McNeil, Radiology 143 (1982) 29 (the pair sum).
    """
    y, values, w = _checked(target, score, weight)
    if values.ndim == 1 or values.shape[1] == 2:
        return _area(*_sums_by_score(y, values, w))
    _check_labels(y, values.shape[1])
    areas = []
    for label in range(values.shape[1]):
        if not (y == label).any():
            raise PygHepError(f"the AUC of class {label} needs events of that class, found none of {len(y)}")
        areas.append(_area(*_sums_by_score((y == label).astype(np.int64), values[:, label], w)))
    return float(np.mean(areas)) if average else np.array(areas)


def background_rejection(
    target: ArrayLike, score: ArrayLike, signal_efficiency: float = 0.5, weight: ArrayLike | None = None
) -> float:
    r"""Background rejection :math:`1 / \epsilon_B` at a signal efficiency.

    The ROC curve is interpolated linearly between neighbouring scores; with negative weights the working point is
    the highest score at which the efficiency is reached. Where no background passes, one average background event
    is taken to pass, so that the figure is the largest the sample can show and not infinity.

    Args:
        target: 1 for signal, 0 for background, shape ``[N]``.
        score: shape ``[N]``, or ``[N, 2]`` whose column 1 is used.
        signal_efficiency: between 0 and 1.
        weight: event weights, shape ``[N]``; 1 by default.

    Raises:
        PygHepError: for an efficiency, shapes, labels or weights that cannot be used.
    """
    if not 0.0 < signal_efficiency <= 1.0:
        raise PygHepError(f"the signal efficiency is a fraction above 0 and up to 1, got {signal_efficiency}")
    y, values, w = _checked(target, score, weight)
    signal, background = _sums_by_score(y, values, w)
    total = background.sum()
    passed = float(_background_at(signal, background, signal_efficiency))
    if passed <= 0.0:
        # The weight of an average event: total / effective number, the latter (sum w)^2 / sum w^2.
        passed = float((w[y == 0] ** 2).sum() / total)
    return float(total / passed)


def roc_curve(target: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> tuple[Array, Array]:
    """Signal and background efficiency for every threshold on the score, from (0, 0) to (1, 1).

    Args:
        target: 1 for signal, 0 for background, shape ``[N]``.
        score: shape ``[N]``, or ``[N, 2]`` whose column 1 is used.
        weight: event weights, shape ``[N]``; 1 by default.

    Returns:
        Two arrays, one entry per distinct score from the highest down, and (0, 0) in front.
    """
    signal, background = _sums_by_score(*_checked(target, score, weight))
    efficiencies = [np.concatenate([[0.0], np.cumsum(s[::-1]) / s.sum()]) for s in (signal, background)]
    return efficiencies[0], efficiencies[1]


def resolution(
    target: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None, *, relative: bool = False
) -> float:
    r"""Half of the width that holds the central 68 % of the residuals, :math:`(q_{84} - q_{16}) / 2`.

    For normal residuals this is their standard deviation; tails beyond the central part do not count.

    Args:
        target: true values, shape ``[N]``.
        prediction: reconstructed values, shape ``[N]``, in the unit of ``target``.
        weight: event weights, shape ``[N]``; 1 by default.
        relative: residuals ``prediction / target - 1`` instead of ``prediction - target``.

    Returns:
        In the unit of ``target``, or a fraction where ``relative``.

    Raises:
        PygHepError: for shapes or weights that cannot be used, and for a true value 0 where ``relative``.
    """
    truth, values, w = _checked(target, prediction, weight)
    if values.ndim != 1:
        raise PygHepError(f"a resolution needs one value per event, found shape {values.shape}")
    if relative and (truth == 0).any():
        raise PygHepError(f"{int((truth == 0).sum())} true values are 0: their relative residual is undefined")
    residual = values - truth
    if relative:
        residual = residual / truth
    low, high = weighted_quantiles(residual, [0.5 - 0.5 * ONE_SIGMA, 0.5 + 0.5 * ONE_SIGMA], w)
    return float(0.5 * (high - low))


def weighted_quantiles(values: ArrayLike, probabilities: ArrayLike, weight: ArrayLike | None = None) -> Any:
    """Weighted quantiles: each event sits in the middle of its step of the cumulative distribution.

    Args:
        values: shape ``[N]``.
        probabilities: between 0 and 1, a number or an array.
        weight: event weights, shape ``[N]``; 1 by default.

    Raises:
        PygHepError: for shapes or weights that cannot be used.
    """
    _, v, w = _checked(np.zeros(len(as_array(values))), values, weight)
    order = np.argsort(v, kind="stable")
    v, w = v[order], w[order]
    cumulative = (np.cumsum(w) - 0.5 * w) / _positive(w.sum(), "all events")
    # Negative weights make the distribution fall in places: its running maximum has one crossing.
    return np.interp(as_array(probabilities), np.maximum.accumulate(cumulative), v)


def triangular_discriminator(p: ArrayLike, q: ArrayLike) -> float:
    r"""Distance of two histograms, :math:`\frac12 \sum_k (p_k - q_k)^2 / (p_k + q_k)`: 0 if equal, 1 if disjoint.

    Both are normalised here. Two samples of *one* distribution do not give 0 but, with K filled bins and n and m
    events, about :math:`\frac{K - 1}{4} (\frac1n + \frac1m)` (see :func:`triangular_floor`): with 50 bins 1.2e-3
    for 20,000 events each. A value says something only above that floor. The literature quotes it times 1,000.

    Args:
        p: bin contents (sums of weights), any shape.
        q: bin contents, same binning.

    Raises:
        PygHepError: for different shapes, an empty histogram, or a bin where the normalised sum is not above 0
            although the contents differ (negative weights; use wider bins).

    Source: Topsoe, IEEE Trans. Inf. Theory 46 (2000) 1602; as figure of unfolding: Andreassen et al.,
    arXiv:1911.09107, table I.
    """
    first, second = _histograms(p, q)
    total, difference = first + second, first - second
    bad = (total < 0) | ((total == 0) & (difference != 0))
    if bad.any():
        raise PygHepError(f"{int(bad.sum())} bins have no positive sum of weights: use wider bins")
    filled = total > 0
    return float(0.5 * (difference[filled] ** 2 / total[filled]).sum())


def triangular_floor(bins: int, events_p: float, events_q: float) -> float:
    r"""Expected triangular discriminator of two samples of one distribution.

    .. math:: \frac{K - 1}{4} \left(\frac1n + \frac1m\right)

    From Poisson fluctuations of well-filled bins. For weighted events take the effective number
    :math:`(\sum w)^2 / \sum w^2`.

    Args:
        bins: number of filled bins K.
        events_p: events n in the first histogram.
        events_q: events m in the second histogram.
    """
    return 0.25 * (bins - 1) * (1.0 / events_p + 1.0 / events_q)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    r"""Jensen-Shannon divergence of two binned distributions, in bits.

    .. math:: \mathrm{JS} = \frac12 \sum_b \Big( p_b \log_2 \frac{2 p_b}{p_b + q_b}
        + q_b \log_2 \frac{2 q_b}{p_b + q_b} \Big)

    of the histograms normalised to 1: 0 for equal ones, 1 for those without a common bin.

    Args:
        p: bin contents (sums of weights), any shape.
        q: bin contents, same binning.

    Raises:
        PygHepError: for different shapes, a negative bin, or an empty histogram.

    Source: Lin, IEEE Trans. Inf. Theory 37 (1991) 145.
    """
    first, second = _histograms(p, q)
    if (first < 0).any() or (second < 0).any():
        raise PygHepError("a histogram with negative bins has no Jensen-Shannon divergence: merge bins")
    total = 0.0
    for values, other in ((first, second), (second, first)):
        here = values > 0
        total += float((values[here] * np.log2(2 * values[here] / (values[here] + other[here]))).sum()) / 2
    return max(total, 0.0)


def bootstrap(figure: Callable[..., Any], *arrays: ArrayLike, replicas: int = 200, seed: int = 0) -> tuple[Any, Any]:
    """Value of a figure and its statistical error, from resampled events.

    Every replica takes each event k times, k from a Poisson distribution of mean 1, with its weight and everything
    else that belongs to it, and the error is the standard deviation over the replicas. Replicas for which the
    figure is undefined (it raises :class:`PygHepError`: no event of a class left) are drawn again.

    Args:
        figure: called with the (resampled) arrays; returns a number or an array.
        arrays: one row per event; pass the weights among them, e.g. ``bootstrap(accuracy, y, p, w)``.
        replicas: number of resamplings.
        seed: of the random numbers.

    Returns:
        ``figure(*arrays)`` and its error, of the same shape.

    Raises:
        PygHepError: for arrays of different lengths, fewer than two replicas, or a figure that is undefined for
            most replicas.

    Source: Efron, Ann. Statist. 7 (1979) 1; the Poisson form: Chamandy et al., "Estimating uncertainty for massive
    data streams" (2012).
    """
    columns = [as_array(a) for a in arrays]
    lengths = {len(c) for c in columns}
    if len(lengths) != 1 or lengths == {0}:
        raise PygHepError(f"arrays of one length above 0 are needed to resample events, got {sorted(lengths)}")
    if replicas < 2:
        raise PygHepError(f"an error needs at least 2 replicas, got {replicas}")
    value = figure(*columns)
    rng = np.random.default_rng(seed)
    rows = np.arange(lengths.pop())
    values: list[Any] = []
    undefined = 0
    while len(values) < replicas:
        chosen = np.repeat(rows, rng.poisson(1.0, len(rows)))
        try:
            values.append(figure(*(c[chosen] for c in columns)))
        except PygHepError as error:
            undefined += 1
            if undefined > replicas:
                raise PygHepError(f"too few events for a bootstrap error: {error}") from error
    spread = np.std(np.array(values), axis=0, ddof=1)
    return value, spread if np.ndim(spread) else float(spread)


def as_array(values: Any) -> Array:
    """Return a numpy array; tensors are taken off the autograd graph and the device first."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)


def _checked(target: ArrayLike, values: ArrayLike, weight: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Target ``[N]``, values ``[N]`` or ``[N, C]``, weight ``[N]`` (float64), checked against each other."""
    y, v = as_array(target), as_array(values)
    if v.ndim == 2 and v.shape[1] == 1:
        v = v[:, 0]
    w = np.ones(len(y)) if weight is None else as_array(weight).astype(np.float64)
    if y.ndim != 1 or v.ndim not in (1, 2) or w.ndim != 1 or not len(y) == len(v) == len(w):
        raise PygHepError(
            f"one row per event is needed: target has shape {y.shape}, values {v.shape}, weight {w.shape}"
        )
    if len(y) == 0:
        raise PygHepError("a figure needs at least one event, got none")
    for name, column in (("target", y), ("values", v), ("weight", w)):
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise PygHepError(f"{int((~np.isfinite(column)).sum())} entries of {name} are NaN or infinite")
        if column.dtype.kind not in "fiub":
            raise PygHepError(f"{name} holds {column.dtype}, numbers are needed")
    return y, v, w


def _check_labels(y: Array, classes: int) -> None:
    wrong = (y < 0) | (y >= classes) | (y != np.floor(y))
    if wrong.any():
        raise PygHepError(f"label {y[wrong][0]} is not one of the {classes} classes 0 to {classes - 1}")


def _histograms(p: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
    """Two histograms of the same bins, each normalised to a sum of 1."""
    first, second = as_array(p).astype(np.float64), as_array(q).astype(np.float64)
    if first.shape != second.shape:
        raise PygHepError(f"histograms of shapes {first.shape} and {second.shape} have no common binning")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise PygHepError("a histogram holds NaN or infinity")
    first = first / _positive(first.sum(), "the first histogram")
    return first, second / _positive(second.sum(), "the second histogram")


def _positive(total: float, what: str) -> float:
    if not total > 0:
        raise PygHepError(f"the weights of {what} sum to {total:.3g}, a figure needs a positive sum")
    return float(total)


def _sums_by_score(y: Array, score: Array, w: Array) -> tuple[Array, Array]:
    """Sums of signal and background weights for every score, in ascending order of the score."""
    if score.ndim == 2:
        if score.shape[1] != 2:
            raise PygHepError(f"signal against background needs scores [N] or [N, 2], found {score.shape}")
        score = score[:, 1]
    _check_labels(y, 2)
    if score.dtype.kind in "iub" and score.min() >= 0 and int(score.max()) < 8 * len(score):
        rank, size = score.astype(np.int64), int(score.max()) + 1
    else:
        distinct, rank = np.unique(score, return_inverse=True)
        size = len(distinct)
    is_signal = y == 1
    signal = np.bincount(rank[is_signal], weights=w[is_signal], minlength=size)
    background = np.bincount(rank[~is_signal], weights=w[~is_signal], minlength=size)
    _positive(signal.sum(), "the signal (label 1)")
    _positive(background.sum(), "the background (label 0)")
    return signal, background


def _area(signal: Array, background: Array) -> float:
    below = np.cumsum(background) - 0.5 * background
    return float((signal * below).sum() / (signal.sum() * background.sum()))


def _background_at(signal: Array, background: Array, efficiency: float) -> float:
    """Sum of background weights that passes where the signal efficiency is first reached from above."""
    s = np.concatenate([[0.0], np.cumsum(signal[::-1])])
    b = np.concatenate([[0.0], np.cumsum(background[::-1])])
    # Rounding of the cumulative sum must not keep an efficiency of 1 from being reached.
    wanted = efficiency * s[-1] * (1.0 - 1e-12)
    step = int(np.argmax(s >= wanted))
    fraction = (wanted - s[step - 1]) / (s[step] - s[step - 1])
    return float(b[step - 1] + fraction * (b[step] - b[step - 1]))
