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
) -> dict[str, Any]:
    """Cost of fine-tuning up to 99 % of the baseline's final accuracy over that of the whole baseline training.

    The final accuracy of a baseline run is that of its best epoch on the validation events, and its cost ends
    there: until its loss has its plateau. Fine-tuning costs what its linear probe took, too (``probe_seconds`` of a
    record). Runs are paired by seed.

    Args:
        finetuned: records of the fine-tuned runs of one task and size.
        baseline: records from scratch.
        fraction: of the baseline's final accuracy that has to be reached.

    Returns:
        ``seconds`` and ``events`` (of training steps, of which the probe has none): mean ratios, each with ``_error``
        (standard deviation over runs over the root of their number; None of one run); ``baseline_seconds``: mean cost
        of a baseline; ``probe_seconds``: mean cost of the probe; ``saved_seconds``: mean of what a fine-tuning costs
        less than its baseline; ``runs``: pairs; ``reached``: those of them in which fine-tuning got there (the others
        count with all of their training, a lower limit).

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
        until = seconds_until(record, fraction * scratch["val_accuracy"][best])
        seconds, events = until or (record["elapsed"][-1], record["epochs"] * 2 * record["size"])
        probe = float(record.get("probe_seconds", 0.0))
        spent = np.array([seconds + probe, events])
        rows.append([*(spent / whole), whole[0], probe, whole[0] - spent[0], float(until is not None)])
    if not rows:
        raise PygHepError("the cost of fine-tuning needs runs of both kinds with the same seeds")
    values = np.array(rows)
    error = values.std(axis=0, ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else None
    names = ("seconds", "events", "baseline_seconds", "probe_seconds", "saved_seconds")
    return {
        **{name: float(values[:, k].mean()) for k, name in enumerate(names)},
        "seconds_error": None if error is None else float(error[0]),
        "events_error": None if error is None else float(error[1]),
        "runs": len(rows),
        "reached": int(values[:, -1].sum()),
    }


def break_even(pretraining: float, saved: Sequence[float]) -> float:
    r"""Number of tasks above which pretraining once and fine-tuning costs less than training each from scratch.

    .. math:: N = T_\text{pretraining} \Big/ \frac{1}{K} \sum_{k=1}^{K} (T_{\text{scratch}, k} - T_{\text{tuned}, k})

    with the mean saving per task. (The mean cost from scratch times one minus the mean ratio is another number where
    long trainings save another share than short ones.)

    Args:
        pretraining: its cost.
        saved: what fine-tuning costs less than training from scratch, of each task, in the same unit.

    Returns:
        The number, infinite when fine-tuning is not cheaper.

    Raises:
        PygHepError: without a task.

    Source: Ho et al., arXiv:2412.10665, section IV C: 45.5 h, 2.94 h and a ratio of 0.38 give their 41 tasks only
    roughly (25); the text does not say what else was counted.
    """
    if not len(saved):
        raise PygHepError("a break-even needs the saving of at least one task")
    mean = float(np.mean(saved))
    return pretraining / mean if mean > 0 else math.inf
