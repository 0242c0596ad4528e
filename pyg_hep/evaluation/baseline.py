"""Boosted trees on well-known event variables: the anchor without a network that every comparison has.

The variables come from raw batches of event graphs (:mod:`pyg_hep.schema`); files are read elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, train_test_split

from pyg_hep.errors import PygHepError
from pyg_hep.inputs.summary_variables import SummaryVariables
from pyg_hep.metrics import as_array

__all__ = ["SummaryVariables", "boosted_trees"]

MAX_TUNING_EVENTS = 20_000
"""Settings are compared on at most this many events: their order hardly depends on more."""

_SMALL = 5_000
"""Up to here settings are compared by three-fold cross-validation, above on one quarter held out."""

_FEWEST_DEFINED = 20
"""A variable defined for fewer events cannot be split on with leaves of 20, and makes scikit-learn fail at 0."""

PATIENCE = 20
MAX_ITERATIONS = 1_000


@dataclass(frozen=True)
class _Setting:
    learning_rate: float
    max_leaf_nodes: int
    min_samples_leaf: int
    l2_regularization: float
    max_features: float


# From strong to weak regularisation: small leaves overfit at 1,000 events per class, large trees need many more.
GRID = (
    _Setting(0.05, 4, 40, 10.0, 0.3),
    _Setting(0.05, 8, 40, 10.0, 0.3),
    _Setting(0.05, 16, 20, 1.0, 0.3),
    _Setting(0.1, 8, 20, 1.0, 0.5),
    _Setting(0.1, 16, 40, 10.0, 0.5),
    _Setting(0.1, 31, 40, 10.0, 0.5),
)
_DEFAULT, _OF_MANY = GRID[3], GRID[5]


def boosted_trees(
    features: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    seed: int = 0,
    tune: bool = True,
    max_iterations: int = MAX_ITERATIONS,
) -> HistGradientBoostingClassifier:
    """Fit gradient-boosted trees, with settings and number of trees chosen on events held out.

    Learning rate, leaves, smallest leaf, L2 and the fraction of features per split come from a grid of six, each
    fitted with early stopping (patience 20) on the held-out part and judged by its weighted log loss: three folds
    up to 5,000 events, one quarter held out of at most 20,000 above. The final fit takes all events and the
    number of trees found, or for more than 20,000 events early stopping on a held-out tenth.

    Args:
        features: shape ``[N, F]``; NaN where a variable is undefined.
        target: class numbers, shape ``[N]``.
        weight: event weights, shape ``[N]``; trees cannot take negative ones, their absolute values are used.
        seed: of folds and feature sampling.
        tune: compare the grid; otherwise one of its middle settings, for more than 20,000 events the one with the
            largest trees, with early stopping as above.
        max_iterations: rounds of boosting, at most.

    Returns:
        The fitted classifier; ``predict_proba`` gives class probabilities ``[N, C]``.

    Raises:
        PygHepError: for shapes or weights that cannot be used, or fewer than 8 events of a class.

    Source: Ke et al., NeurIPS 30 (2017), as implemented in scikit-learn (the histogram algorithm).
    """
    x, y = as_array(features), as_array(target)
    w = np.ones(len(y)) if weight is None else np.abs(as_array(weight).astype(np.float64))
    if x.ndim != 2 or y.ndim != 1 or w.ndim != 1 or not len(x) == len(y) == len(w):
        raise PygHepError(f"trees need one row per event: features {x.shape}, target {y.shape}, weight {w.shape}")
    if np.isinf(x).any():
        raise PygHepError(f"{int(np.isinf(x).sum())} entries of the features are infinite")
    if not np.isfinite(w).all() or not w.sum() > 0:
        raise PygHepError("the event weights of the trees must be finite and not all 0")
    x, y, w = x[w > 0], y[w > 0], w[w > 0]
    labels, counts = np.unique(y, return_counts=True)
    if len(labels) < 2 or counts.min() < 8:
        found = ", ".join(f"{n} of class {label}" for label, n in zip(labels, counts, strict=True))
        raise PygHepError(f"trees need two classes with at least 8 events each, found {found}")
    x = quantised(x)
    # Mean weight 1: smallest leaf and L2 are in units of events.
    w = w / w.mean()
    folds = _folds(y, seed)
    many = len(y) > MAX_TUNING_EVENTS
    settings = GRID if tune else (_OF_MANY if many else _DEFAULT,)
    if many and not tune:
        return _classifier(settings[0], seed, early_stopping=True, max_iter=max_iterations).fit(x, y, w)
    trials = [_trial(s, x, y, w, folds, seed, max_iterations) for s in settings]
    best = min(range(len(trials)), key=lambda i: trials[i][0])
    setting = settings[best]
    if many:
        model = _classifier(setting, seed, early_stopping=True, max_iter=max_iterations)
    else:
        # More events than in a fold carry proportionally more trees.
        model = _classifier(setting, seed, early_stopping=False, max_iter=max(1, round(1.15 * trials[best][1])))
    return model.fit(x, y, w)


def quantised(x: np.ndarray) -> np.ndarray:
    """Every column moved to the nearest of at most 255 of its own values, taken at equal steps of probability.

    Trees see 255 bins in any case, with limits halfway between such values, so nothing changes for prediction on
    unmoved features. It is done here because scikit-learn's own limits for weighted events take seconds per fit.
    """
    result = np.full(x.shape, np.nan)
    for k, column in enumerate(x.astype(np.float64).T):
        filled = ~np.isnan(column)
        if filled.sum() < _FEWEST_DEFINED:
            result[:, k] = 0.0
        else:
            values = column[filled]
            kept = np.unique(np.quantile(values, np.linspace(0.0, 1.0, 255), method="inverted_cdf"))
            result[filled, k] = kept[np.searchsorted(0.5 * (kept[1:] + kept[:-1]), values)]
    return result


def _classifier(setting: _Setting, seed: int, **options: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        **vars(setting), random_state=seed, n_iter_no_change=PATIENCE, validation_fraction=0.1, **options
    )


def _folds(y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of training and held-out rows."""
    rows = np.arange(len(y))
    if len(y) <= _SMALL:
        return list(StratifiedKFold(3, shuffle=True, random_state=seed).split(rows[:, None], y))
    if len(y) > MAX_TUNING_EVENTS:
        rows, _ = train_test_split(rows, train_size=MAX_TUNING_EVENTS, stratify=y, random_state=seed)
    train, held = train_test_split(rows, test_size=0.25, stratify=y[rows], random_state=seed)
    return [(train, held)]


def _trial(
    setting: _Setting,
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    folds: list[tuple[np.ndarray, np.ndarray]],
    seed: int,
    max_iterations: int,
) -> tuple[float, float]:
    """Held-out log loss and number of trees at its minimum, both averaged over the folds."""
    losses, trees = [], []
    for train, held in folds:
        model = _classifier(setting, seed, early_stopping=True, max_iter=max_iterations)
        model.fit(x[train], y[train], w[train], X_val=x[held], y_val=y[held], sample_weight_val=w[held])
        losses.append(-model.validation_score_.max())
        trees.append(int(model.validation_score_.argmax()))
    return float(np.mean(losses)), float(np.mean(trees))
