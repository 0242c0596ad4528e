"""Confusion matrix of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.plots.style import png_figure
from pyg_hep.metrics import as_array


def plot_confusion(
    target: ArrayLike,
    probability: ArrayLike,
    class_names: Sequence[str],
    path: str | Path,
    weight: ArrayLike | None = None,
) -> None:
    """Fractions of each true class (row) that are predicted as each class (column).

    Args:
        target: class numbers, shape ``[N]``.
        probability: shape ``[N, C]``.
        class_names: one name per class number.
        path: of the PNG.
        weight: event weights, shape ``[N]``; 1 by default.

    Raises:
        PygHepError: when names and columns do not fit.
    """
    y, values, count = as_array(target), as_array(probability), len(class_names)
    if values.ndim != 2 or values.shape[1] != count:
        raise PygHepError(f"{count} class names for probabilities of shape {values.shape}")
    w = np.ones(len(y)) if weight is None else as_array(weight)
    sums = np.zeros((count, count))
    np.add.at(sums, (y, values.argmax(axis=1)), w)
    total = sums.sum(axis=1, keepdims=True)
    fractions = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    # Negative weights can bring a fraction out of the range of the colours: the colour bar then says so by an arrow.
    below, above = bool((fractions < 0).any()), bool((fractions > 1).any())
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max"}.get((below, above), "both")
    with png_figure(path, size=(3.2 + 0.75 * count, 2.2 + 0.75 * count)) as figure:
        axes = figure.subplots()
        image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(fractions):
            colour = "white" if value > 0.5 else "black"
            # A class without events has no fractions.
            text = f"{value:.2f}" if np.isfinite(value) else "none"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=11)
        axes.set_xticks(range(count), class_names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), class_names)
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        axes.set(xlabel="predicted class", ylabel="true class")
        figure.colorbar(image, ax=axes, label="fraction of true class", shrink=0.8, extend=extend)
