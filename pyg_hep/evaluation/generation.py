"""How far generated events are from true ones: distances of samples, with errors, beside those of truth from truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import as_array, bootstrap

Array = NDArray[Any]

Figure = Callable[[Any, Any, Any, Any], float]
"""``figure(generated, reference, weight, reference_weight)``: a number that falls as the samples become alike."""


def wasserstein_distance(
    generated: ArrayLike,
    reference: ArrayLike,
    weight: ArrayLike | None = None,
    reference_weight: ArrayLike | None = None,
) -> float:
    r"""Wasserstein-1 distance of two samples of one number: how far the one has to be moved to become the other.

    .. math:: W_1 = \int \mathrm{d}x\, |F(x) - G(x)|

    with the weighted cumulative distributions F and G. Negative weights subtract, as in :mod:`pyg_hep.metrics`
    (scipy's function of this name, equal for positive ones, refuses them).

    Args:
        generated: shape ``[N]``.
        reference: shape ``[M]``.
        weight: of the generated events ``[N]``; 1 by default.
        reference_weight: of the reference ``[M]``; 1 by default.

    Returns:
        In the unit of the values; two samples of one distribution do not give 0, see :func:`sample_distance`.

    Raises:
        PygHepError: for shapes, values or weights that cannot be used.
    """
    a, b, w, v = _samples(generated, reference, weight, reference_weight, 1)
    values = np.concatenate([a, b])
    order = np.argsort(values, kind="stable")
    values = values[order]
    difference = np.cumsum(np.concatenate([w / w.sum(), -v / v.sum()])[order])
    return float(np.abs(difference[:-1]) @ np.diff(values))


def frechet_distance(
    generated: ArrayLike,
    reference: ArrayLike,
    weight: ArrayLike | None = None,
    reference_weight: ArrayLike | None = None,
    *,
    standardise: bool = True,
) -> float:
    r"""Squared Frechet distance of the normal distributions with the means and covariances of two samples.

    .. math:: d^2 = |\mu - \nu|^2 + \operatorname{tr} C + \operatorname{tr} D
        - 2 \operatorname{tr} (C^{1/2} D C^{1/2})^{1/2}

    The last trace is the sum of the singular values of :math:`C^{1/2} D^{1/2}` with square roots from eigenvalues that
    rounding may not make negative, so that features may depend on each other or not vary at all. With few events the
    distance of equal distributions is not 0: it is to be read beside its floor, see :func:`sample_distance`.

    Args:
        generated: features, shape ``[N, D]``.
        reference: features, shape ``[M, D]``.
        weight: of the generated events ``[N]``; 1 by default.
        reference_weight: of the reference ``[M]``; 1 by default.
        standardise: divide each feature by its standard deviation in the reference, so that its unit does not matter.

    Raises:
        PygHepError: for shapes, values or weights that cannot be used.

    Source: Dowson and Landau, J. Multivariate Anal. 12 (1982) 450; as figure of jets: Kansal et al., arXiv:2211.10295.
    """
    a, b, w, v = _samples(generated, reference, weight, reference_weight, 2)
    w, v = w / w.sum(), v / v.sum()
    nu = v @ b
    a, b = a - nu, b - nu  # large common offsets would cost digits
    if standardise:
        variance = v @ b**2
        if (variance < 0).any():
            raise PygHepError("negative weights leave a feature of the reference no positive variance")
        # What does not vary but for rounding has no scale.
        scale = np.where(variance > (1e-12 * np.abs(nu)) ** 2, np.sqrt(variance), 1.0)
        a, b = a / scale, b / scale
    mu, rest = w @ a, v @ b
    first = (w[:, None] * (a - mu)).T @ (a - mu)
    second = (v[:, None] * (b - rest)).T @ (b - rest)
    overlap = np.linalg.svd(_root(first) @ _root(second), compute_uv=False).sum()
    distance = ((mu - rest) ** 2).sum() + np.trace(first) + np.trace(second) - 2.0 * overlap
    return max(float(distance), 0.0)


@dataclass(frozen=True)
class Distance:
    """A distance of generated from true events beside that of true from true ones.

    Args:
        value: of the generated events from the reference.
        error: statistical, from the bootstrap.
        floor: mean distance of two disjoint samples of the reference of the same size.
        floor_error: standard deviation of one such distance.
        events: in each of the samples.
    """

    value: float
    error: float
    floor: float
    floor_error: float
    events: int

    @property
    def over_floor(self) -> float:
        """Value over floor: 1 for a perfect generator, within ``floor_error / floor``; NaN where both are 0."""
        if self.floor:
            return self.value / self.floor
        return math.inf if self.value else math.nan

    def as_dict(self) -> dict[str, float | int | None]:
        """For ``results.json``."""
        ratio = self.over_floor
        return {**vars(self), "over_floor": ratio if math.isfinite(ratio) else None}


def sample_distance(
    figure: Figure,
    generated: ArrayLike,
    reference: ArrayLike,
    weight: ArrayLike | None = None,
    reference_weight: ArrayLike | None = None,
    *,
    replicas: int = 200,
    splits: int = 20,
    seed: int = 0,
) -> Distance:
    """A distance with its error, and its floor at the same number of events.

    Distances of samples are above 0 for equal distributions, the more so the fewer events there are. So everything is
    measured with one number of events, half of the reference or, if they are fewer, all generated events: that many
    generated ones against a random half of the reference, and that many of one half against the other, ``splits``
    times. Bring twice as many true events as generated ones and none is wasted.

    Args:
        figure: :func:`wasserstein_distance`, :func:`frechet_distance` or alike.
        generated: one row per event, ``[N, ...]``.
        reference: one row per event, ``[M, ...]``.
        weight: of the generated events ``[N]``; 1 by default.
        reference_weight: of the reference ``[M]``; 1 by default.
        replicas: resamplings of the bootstrap.
        splits: how often the reference is split for the floor.
        seed: of the random numbers.

    Raises:
        PygHepError: for fewer than two events, fewer than two splits, and as the figure.
    """
    a, b = as_array(generated), as_array(reference)
    w, v = _weights(a, weight, "generated"), _weights(b, reference_weight, "reference")
    if len(a) < 2 or len(b) < 4 or splits < 2:
        raise PygHepError(
            f"2 generated and 4 reference events and 2 splits are the least, got {len(a)}, {len(b)} and {splits}"
        )
    events = min(len(a), len(b) // 2)
    rng = np.random.default_rng(seed)
    chosen, half = rng.permutation(len(a))[:events], rng.permutation(len(b))[:events]
    is_generated = np.repeat([True, False], events)

    def of_both(values: Array, weights: Array, mine: Array) -> float:
        return figure(values[mine], values[~mine], weights[mine], weights[~mine])

    columns = np.concatenate([a[chosen], b[half]]), np.concatenate([w[chosen], v[half]]), is_generated
    floors = []
    # Matrices of features are small: more threads gain nothing, and on a busy host wait for each other (15 times
    # slower).
    with threadpool_limits(1, user_api="blas"):
        value, error = bootstrap(of_both, *columns, replicas=replicas, seed=seed)
        for _ in range(splits):
            order = rng.permutation(len(b))
            one, other = order[:events], order[events : 2 * events]
            floors.append(figure(b[one], b[other], v[one], v[other]))
    return Distance(value, error, float(np.mean(floors)), float(np.std(floors, ddof=1)), events)


def generation_report(
    generated: Mapping[str, ArrayLike],
    reference: Mapping[str, ArrayLike],
    weight: ArrayLike | None = None,
    reference_weight: ArrayLike | None = None,
    *,
    replicas: int = 200,
    splits: int = 20,
    seed: int = 0,
) -> dict[str, Distance]:
    """One distance for each name, with error and floor.

    It is :func:`wasserstein_distance` for observables ``[N]`` and :func:`frechet_distance` for features ``[N, D]``.

    Args:
        generated: observables and features by name, as :func:`pyg_hep.evaluation.jet_observables` gives them.
        reference: the same names of true events.
        weight: of the generated events ``[N]``; 1 by default.
        reference_weight: of the reference ``[M]``; 1 by default.
        replicas: as for :func:`sample_distance`.
        splits: as for :func:`sample_distance`.
        seed: as for :func:`sample_distance`.

    Raises:
        PygHepError: when the names differ, and as :func:`sample_distance`; the sentence names the observable.
    """
    if set(generated) != set(reference):
        raise PygHepError(f"generated events have {sorted(generated)}, the reference {sorted(reference)}")
    report = {}
    for name, values in generated.items():
        figure: Figure = wasserstein_distance if as_array(values).ndim == 1 else frechet_distance
        try:
            report[name] = sample_distance(
                figure, values, reference[name], weight, reference_weight, replicas=replicas, splits=splits, seed=seed
            )
        except PygHepError as error:
            raise PygHepError(f"{name}: {error}") from error
    return report


def _root(matrix: Array) -> Array:
    """Square root of a covariance; without negative eigenvalues, which only rounding or negative weights make."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _weights(values: Array, weight: ArrayLike | None, which: str) -> Array:
    w = np.ones(len(values)) if weight is None else as_array(weight).astype(np.float64)
    if w.shape != (len(values),) or not np.isfinite(w).all():
        raise PygHepError(
            f"a finite weight for each of the {len(values)} {which} events is needed, got shape {w.shape}"
        )
    return w


def _samples(
    generated: ArrayLike, reference: ArrayLike, weight: ArrayLike | None, reference_weight: ArrayLike | None, ndim: int
) -> tuple[Array, Array, Array, Array]:
    """Two samples in float64 and their weights, checked."""
    a, b = (as_array(values).astype(np.float64) for values in (generated, reference))
    if a.ndim != ndim or b.ndim != ndim or a.shape[1:] != b.shape[1:]:
        shape = "[N] and [M]" if ndim == 1 else "[N, D] and [M, D]"
        raise PygHepError(f"samples of shapes {shape} are compared, got {list(a.shape)} and {list(b.shape)}")
    w, v = _weights(a, weight, "generated"), _weights(b, reference_weight, "reference")
    for which, values, weights in (("generated", a, w), ("reference", b, v)):
        if not np.isfinite(values).all():
            raise PygHepError(f"{int((~np.isfinite(values)).sum())} values of the {which} events are NaN or infinite")
        if not weights.sum() > 0:
            raise PygHepError(f"the weights of the {which} events sum to {weights.sum():.3g}, a positive sum is needed")
    return a, b, w, v
