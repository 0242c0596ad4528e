"""Boosted trees that estimate a number: the regression beside the classifier of :mod:`pyg_hep.evaluation.baseline`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.baseline import GRID, MAX_ITERATIONS, MAX_TUNING_EVENTS, PATIENCE, quantised
from pyg_hep.metrics import as_array


def boosted_regression(
    features: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, seed: int = 0
) -> HistGradientBoostingRegressor:
    """Fit gradient-boosted trees to a number by squared error, with settings chosen on events held out.

    The settings are those of :func:`~pyg_hep.evaluation.boosted_trees`, each fitted on three quarters of at most
    20,000 events with early stopping on the last quarter. The final fit takes all events but a tenth, which ends it.

    Args:
        features: shape ``[N, F]``; NaN where a variable is undefined.
        target: shape ``[N]``.
        weight: event weights, shape ``[N]``; trees cannot take negative ones, their absolute values are used.
        seed: of the events held out and of feature sampling.

    Returns:
        The fitted regressor; ``predict`` gives ``[N]``.

    Raises:
        PygHepError: for shapes or values that cannot be used, or fewer than 40 events.
    """
    x, y = as_array(features), as_array(target).astype(np.float64)
    w = np.ones(len(y)) if weight is None else np.abs(as_array(weight).astype(np.float64))
    if x.ndim != 2 or y.ndim != 1 or not len(x) == len(y) == len(w):
        raise PygHepError(f"trees need one row per event: features {x.shape}, target {y.shape}, weight {w.shape}")
    if np.isinf(x).any() or not np.isfinite(y).all() or not np.isfinite(w).all():
        raise PygHepError("features that are infinite, or targets or weights that are not finite, cannot be learned")
    x, y, w = x[w > 0], y[w > 0], w[w > 0]
    if len(y) < 40:
        raise PygHepError(f"trees need at least 40 events with a weight, got {len(y)}")
    x, w = quantised(x), w / w.mean()
    rows = np.arange(len(y))
    if len(y) > MAX_TUNING_EVENTS:
        rows, _ = train_test_split(rows, train_size=MAX_TUNING_EVENTS, random_state=seed)
    train, held = train_test_split(rows, test_size=0.25, random_state=seed)
    losses = []
    for setting in GRID:
        trial = _regressor(setting, seed)
        trial.fit(x[train], y[train], w[train], X_val=x[held], y_val=y[held], sample_weight_val=w[held])
        losses.append(-trial.validation_score_.max())
    return _regressor(GRID[int(np.argmin(losses))], seed).fit(x, y, w)


def _regressor(setting: object, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        **vars(setting), random_state=seed, early_stopping=True, max_iter=MAX_ITERATIONS,
        n_iter_no_change=PATIENCE, validation_fraction=0.1,
    )  # fmt: skip
