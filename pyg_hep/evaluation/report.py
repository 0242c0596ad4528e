"""Figures of a classifier with bootstrap errors, for one model or two on the same events; no training or plots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import accuracy, as_array, background_rejection, bootstrap, roc_auc


def classification_report(
    target: ArrayLike,
    probability: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    replicas: int = 200,
    seed: int = 0,
    signal_efficiency: float = 0.5,
) -> dict[str, Any]:
    """Accuracy, AUC and, for a binary task, background rejection, each with its error from resampled events.

    All figures of a replica come from the same resampled events. The errors are those of the finite test sample;
    the spread between trainings comes on top.

    Args:
        target: class numbers (binary: 1 is the signal), shape ``[N]``.
        probability: ``[N]`` probability of class 1, or ``[N, C]`` probabilities of all classes.
        weight: event weights, shape ``[N]``; 1 by default, negative ones subtract.
        replicas: number of resamplings.
        seed: of the resampling.
        signal_efficiency: where the rejection is read off.

    Returns:
        ``accuracy``, ``auc`` (fractions) and ``rejection``, each with ``_error``. With more than two classes
        ``auc`` is the mean over the classes of one against the rest, ``auc_per_class`` lists them, and there is
        no ``rejection``. Plain numbers and lists, ready for JSON.

    Raises:
        PygHepError: for shapes, labels or weights that cannot be used, and for a class without events.
    """
    y, scores, w = _columns(target, probability, weight)
    classes = scores.shape[1] if scores.ndim == 2 else 2
    # Checks the labels against the classes before the scores become ranks.
    accuracy(y, scores, w)
    predicted = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0.5).astype(np.int64)
    # Ranks instead of scores: every replica then needs one pass and no sorting.
    if classes == 2:
        ranks = _ranks(scores[:, 1] if scores.ndim == 2 else scores)
    else:
        ranks = np.stack([_ranks(column) for column in scores.T], axis=1)

    def figures(y: np.ndarray, predicted: np.ndarray, ranks: np.ndarray, w: np.ndarray) -> np.ndarray:
        right = accuracy(y, predicted, w)
        if classes == 2:
            rejection = background_rejection(y, ranks, signal_efficiency, w)
            return np.array([right, roc_auc(y, ranks, w), rejection])
        areas = roc_auc(y, ranks, w, average=False)
        return np.array([right, areas.mean(), *areas])

    value, error = bootstrap(figures, y, predicted, ranks, w, replicas=replicas, seed=seed)
    report: dict[str, Any] = {}
    for i, name in enumerate(("accuracy", "auc", "rejection")[: 3 if classes == 2 else 2]):
        report[name], report[f"{name}_error"] = float(value[i]), float(error[i])
    if classes > 2:
        report["auc_per_class"], report["auc_per_class_error"] = value[2:].tolist(), error[2:].tolist()
    return report


def paired_difference(
    target: ArrayLike,
    probability_a: ArrayLike,
    probability_b: ArrayLike,
    weight: ArrayLike | None = None,
    figure: Callable[..., float] = accuracy,
    *,
    replicas: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """Figure of model a minus figure of model b on the same test events, with the error of the difference.

    Both models see the same resampled events, so what makes events easy or hard for both cancels and the error is
    smaller than that of two separate test samples.

    Args:
        target: class numbers, shape ``[N]``.
        probability_a: of model a, ``[N]`` or ``[N, C]``.
        probability_b: of model b, same shape.
        weight: event weights, shape ``[N]``; 1 by default.
        figure: called as ``figure(target, probability, weight=weight)``, e.g. one of :mod:`pyg_hep.metrics`.
        replicas: number of resamplings.
        seed: of the resampling.

    Returns:
        Difference (positive: a is better, where more is better) and its error.

    Raises:
        PygHepError: for shapes, labels or weights that cannot be used.
    """
    y, a, w = _columns(target, probability_a, weight)
    _, b, _ = _columns(target, probability_b, weight)
    if a.shape != b.shape:
        raise PygHepError(f"two models of the same task are compared, found outputs {a.shape} and {b.shape}")

    def difference(y: np.ndarray, a: np.ndarray, b: np.ndarray, w: np.ndarray) -> float:
        return figure(y, a, weight=w) - figure(y, b, weight=w)

    value, error = bootstrap(difference, y, a, b, w, replicas=replicas, seed=seed)
    return float(value), float(error)


def _columns(
    target: ArrayLike, probability: ArrayLike, weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels [N], float scores [N] or [N, C] and weights [N] as arrays of one length."""
    y, scores = as_array(target), as_array(probability).astype(np.float64)
    w = np.ones(len(y)) if weight is None else as_array(weight).astype(np.float64)
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    if not np.isfinite(scores).all():
        raise PygHepError(f"{int((~np.isfinite(scores)).sum())} probabilities are NaN or infinite")
    return y, scores, w


def _ranks(score: np.ndarray) -> np.ndarray:
    return np.unique(score, return_inverse=True)[1]
