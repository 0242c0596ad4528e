"""What training costs: time until a figure is reached, fine-tuning against from scratch, and when that pays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyg_hep.errors import PygHepError


def seconds_until(record: Mapping[str, Any], target: float) -> tuple[float, float] | None:
    """Wall time and number of training events processed until the validation accuracy reaches a target.

    Args:
        record: of a run: ``val_accuracy`` and ``elapsed`` [s] after every epoch, ``size`` events per class.
        target: the accuracy, a fraction.

    Returns:
        Seconds and events (of a binary task), or None when the target was never reached.
    """
    for epoch, (value, seconds) in enumerate(zip(record["val_accuracy"], record["elapsed"], strict=True), start=1):
        if value >= target:
            return float(seconds), float(epoch * 2 * record["size"])
    return None


def cost_ratio(
    finetuned: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]], fraction: float = 0.99
) -> dict[str, float]:
    """Cost of fine-tuning up to 99 % of the baseline's final accuracy over that of the whole baseline training.

    The final accuracy of a baseline run is that of its best epoch on the validation events, and its cost ends
    there: until its loss has its plateau. Runs are paired by seed.

    Args:
        finetuned: records of the fine-tuned runs of one task and size.
        baseline: records from scratch.
        fraction: of the baseline's final accuracy that has to be reached.

    Returns:
        ``seconds`` and ``events``: mean ratios, each with ``_error`` (standard deviation over runs over the root of
        their number); ``baseline_seconds``: mean cost of a baseline; ``runs``: pairs; ``reached``: those of them in
        which fine-tuning got there (the others count with all of their training, a lower limit).

    Raises:
        PygHepError: when no seed is in both lists.

    Source: Ho et al., arXiv:2412.10665, section IV C and figure 1.
    """
    first = {record["seed"]: record for record in baseline}
    rows = []
    for record in finetuned:
        if record["seed"] not in first:
            continue
        scratch = first[record["seed"]]
        best = scratch["best_epoch"]
        whole = np.array([scratch["elapsed"][best], (best + 1) * 2 * scratch["size"]])
        found = seconds_until(record, fraction * scratch["val_accuracy"][best])
        spent = found or (record["elapsed"][-1], record["epochs"] * 2 * record["size"])
        rows.append([*(np.array(spent) / whole), whole[0], float(found is not None)])
    if not rows:
        raise PygHepError("the cost of fine-tuning needs runs of both kinds with the same seeds")
    values = np.array(rows)
    error = values.std(axis=0, ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else np.zeros(4)
    return {
        "seconds": float(values[:, 0].mean()),
        "seconds_error": float(error[0]),
        "events": float(values[:, 1].mean()),
        "events_error": float(error[1]),
        "baseline_seconds": float(values[:, 2].mean()),
        "runs": len(rows),
        "reached": int(values[:, 3].sum()),
    }


def break_even(pretraining: float, baseline: float, ratio: float) -> float:
    r"""Number of tasks above which pretraining once and fine-tuning costs less than training each from scratch.

    .. math:: N = \frac{T_\text{pretraining}}{T_\text{baseline} (1 - r)}

    Args:
        pretraining: its cost.
        baseline: mean cost of a training from scratch, in the same unit.
        ratio: mean cost r of a fine-tuning over that of a training from scratch.

    Returns:
        The number, infinite when fine-tuning is not cheaper.

    Source: Ho et al., arXiv:2412.10665, section IV C: 45.5 h, 2.94 h and 0.38 give their 41 tasks only roughly
    (25); the text does not say what else was counted.
    """
    saved = baseline * (1.0 - ratio)
    return pretraining / saved if saved > 0 else math.inf
