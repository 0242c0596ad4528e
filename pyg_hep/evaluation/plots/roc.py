"""ROC curves with the area that tables print, of one training or of several of a kind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.plots.style import looks, place_legend, png_figure
from pyg_hep.metrics import as_array, bootstrap, roc_auc, roc_curve

Run = tuple[ArrayLike, ArrayLike, ArrayLike | None]
"""Target, score of class 1, and weight or None, each ``[N]``: what one training says of the test events."""

EFFICIENCIES = np.linspace(0.05, 1.0, 96)
"""Signal efficiencies at which curves are drawn."""


def plot_roc(
    models: Mapping[str, Run | Sequence[Run]],
    path: str | Path,
    *,
    areas: Mapping[str, tuple[float, float | None]] | None = None,
    replicas: int = 200,
    seed: int = 0,
) -> None:
    r"""Background rejection against signal efficiency, one curve per method, with the AUC in the legend.

    Of one training the band is one standard deviation from resampled test events, and the AUC with its error are
    those of :func:`~pyg_hep.evaluation.classification_report`. Of n trainings (a list of runs) the curve is the mean
    background efficiency, whose area is the mean AUC, the band the standard deviation s of the trainings, and

    .. math:: \sigma^2_\text{AUC} = s^2_\text{AUC} / n + \sigma^2_\text{test}

    with the error of the mean from resampled test events, which all runs share, as study tables have it.

    Args:
        models: name -> run, or a list of runs on the same test events.
        path: of the PNG.
        areas: name -> (AUC, error or None) as a table prints them, for the legend.
        replicas: resamplings for the errors.
        seed: of the resampling.

    Raises:
        PygHepError: without a run, for runs on different test events, and for areas that are not those of the curves.
    """
    if not models:
        raise PygHepError("plot_roc needs at least one model")
    unknown = set(areas or {}) - set(models)
    if unknown:
        raise PygHepError(f"areas of {sorted(unknown)} belong to no model of {sorted(models)}")
    several = False
    with png_figure(path) as figure:
        axes = figure.subplots()
        for (name, content), (colour, _, style) in zip(models.items(), looks(len(models)), strict=True):
            runs = [content] if isinstance(content, tuple) else list(content)
            several |= len(runs) > 1
            efficiency, band, *measured = _mean_curve(name, runs, replicas, seed)
            area, error = measured if areas is None else _checked(name, measured, areas.get(name))
            number = f" ({len(runs)} trainings)" if len(runs) > 1 else ""
            label = f"{name}{number}, AUC = {area:.4f}" + (f" $\\pm$ {error:.4f}" if error is not None else "")
            axes.plot(EFFICIENCIES, 1.0 / efficiency, style, color=colour, label=label)
            low, high = np.exp(-band) / efficiency, np.exp(band) / efficiency
            axes.fill_between(EFFICIENCIES, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(EFFICIENCIES, 1.0 / EFFICIENCIES, color="grey", linestyle=":", linewidth=1.2, label="random")
        axes.set(xlabel="signal efficiency", ylabel="background rejection", yscale="log", xlim=(0, 1), ylim=(0.8, None))
        what = "spread of trainings" if several else "error of test events"
        place_legend(axes, title=f"band: {what}", title_fontsize=11, alignment="left")


def _mean_curve(
    name: str, runs: Sequence[Run], replicas: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Mean background efficiency, width of the band in its logarithm (both ``[96]``), mean AUC and its error."""
    if not runs:
        raise PygHepError(f"{name}: no training to draw a ROC curve of")
    y = as_array(runs[0][0])
    w = _weight(runs[0])
    for run in runs[1:]:
        if not (np.array_equal(as_array(run[0]), y) and np.array_equal(_weight(run), w)):
            raise PygHepError(f"{name}: the trainings were not tested on the same events")
    # Ranks instead of scores: every replica then needs one pass and no sorting.
    ranks = np.stack([np.unique(as_array(run[1]), return_inverse=True)[1] for run in runs], axis=1)
    # The weight of an average background event: no sample shows a smaller efficiency (see background_rejection).
    background = w[y == 0]
    floor = float((background**2).sum() / max(background.sum(), 1e-300) ** 2)

    def curves(y: np.ndarray, ranks: np.ndarray, w: np.ndarray) -> np.ndarray:
        rows = []
        for rank in ranks.T:
            signal, passed = roc_curve(y, rank, w)
            # Negative weights bend the curve back in places; its running maximum can be interpolated.
            efficiency = np.interp(EFFICIENCIES, np.maximum.accumulate(signal), passed)
            rows.append(np.append(np.clip(efficiency, floor, None), roc_auc(y, rank, w)))
        return np.array(rows)

    def logarithms(*columns: np.ndarray) -> np.ndarray:
        values = curves(*columns).mean(axis=0)
        return np.append(np.log(values[:-1]), values[-1])

    values = curves(y, ranks, w)
    _, tested = bootstrap(logarithms, y, ranks, w, replicas=replicas, seed=seed)
    mean, band, error = values.mean(axis=0), tested[:-1], float(tested[-1])
    if len(runs) > 1:
        band = np.log(values[:, :-1]).std(axis=0, ddof=1)
        error = math.hypot(values[:, -1].std(ddof=1) / math.sqrt(len(runs)), error)
    return mean[:-1], band, float(mean[-1]), error


def _checked(
    name: str, drawn: Sequence[float], printed: tuple[float, float | None] | None
) -> tuple[float, float | None]:
    """Area and error as the table prints them, where it has them and they are those of the curve."""
    if printed is None:
        return drawn[0], drawn[1]
    # Tables round; scores that were kept in single precision tie here and there.
    if not math.isclose(drawn[0], printed[0], abs_tol=1e-4):
        raise PygHepError(
            f"{name}: the table's AUC is {printed[0]:.4f}, that of the curve {drawn[0]:.4f}: other events or trainings"
        )
    return printed


def _weight(run: Run) -> np.ndarray:
    return np.ones(len(as_array(run[0]))) if run[2] is None else as_array(run[2]).astype(np.float64)
