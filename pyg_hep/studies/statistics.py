"""Figures of runs with resampled test events, means over seeds, and paired gains; trains and reads nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from pyg_hep.errors import ConfigError
from pyg_hep.metrics import accuracy, roc_auc

REPLICAS = 100
"""Resamplings of the test events; those of all runs of a task are the same, so that differences are paired."""


class Tested(Protocol):
    """What a method says of test events: class probabilities [N, C], true classes [N] and event weights [N]."""

    @property
    def probability(self) -> np.ndarray:
        """Shape ``[N, C]``."""

    @property
    def y(self) -> np.ndarray:
        """Shape ``[N]``."""

    @property
    def weight(self) -> np.ndarray:
        """Shape ``[N]``."""


Figure = Callable[[Any], Callable[[np.ndarray], float]]
"""Takes what a method says of the test events, and returns a function of how often each event counts.

The second call is made for every resampling: what does not depend on it (sorting, say) belongs into the first.
"""


def class_balance(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Event weights scaled such that every class has the same sum."""
    sums = np.bincount(y, weights=weight)
    return weight * (len(y) / (len(sums) * sums))[y]


def balanced_accuracy(tested: Tested) -> Callable[[np.ndarray], float]:
    """Accuracy of the most probable class, every class with the same total weight."""
    weight = class_balance(tested.y, tested.weight)
    right = (tested.probability.argmax(axis=1) == tested.y).astype(np.int64)
    return lambda counts: float(accuracy(np.ones_like(right), right, weight * counts))


def area(tested: Tested) -> Callable[[np.ndarray], float]:
    """Area under the ROC curve, of more than two classes the mean of each against the rest, classes balanced."""
    y, weight = tested.y, class_balance(tested.y, tested.weight)
    score = tested.probability
    if score.shape[1] == 2:
        score = np.unique(score[:, 1], return_inverse=True)[1]  # ranks need no sorting in the replicas
    return lambda counts: float(roc_auc(y, score, weight * counts))


FIGURES: dict[str, Figure] = {"accuracy": balanced_accuracy, "auc": area}
"""Figures that a task can name, as fractions."""


def measure(tested: Tested, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Every figure, and as ``replicas`` its values under the Poisson weights of :data:`REPLICAS` resamplings.

    Args:
        tested: what a method says of the test events.
        figures: name -> figure.
    """
    events = len(tested.y)
    functions = {name: figure(tested) for name, figure in figures.items()}
    # The same random numbers for every run of a task: replica k of two runs saw the same events.
    rng = np.random.default_rng(0)
    resampled = [rng.poisson(1.0, events) for _ in range(REPLICAS)]
    values: dict[str, Any] = {name: function(np.ones(events)) for name, function in functions.items()}
    replicas = {name: [round(function(counts), 6) for counts in resampled] for name, function in functions.items()}
    return {**values, "replicas": replicas}


def mean_and_error(
    values: Sequence[float], replicas: Sequence[Sequence[float]]
) -> tuple[float, float | None, float | None]:
    r"""Mean over runs, its error, and the standard deviation of the runs.

    .. math:: \sigma^2 = s^2 / n + \sigma_\text{test}^2

    with the standard deviation s over the n runs, and that of the runs' mean over resampled test events: all runs
    share those, so averaging runs does not reduce it.

    Args:
        values: a figure, or a paired difference, of every run.
        replicas: the same under every resampling, one list per run.

    Returns:
        All three; of a single run neither error nor standard deviation is known, and both are None.
    """
    n = len(values)
    if n == 1:
        return float(values[0]), None, None
    spread = float(np.std(values, ddof=1))
    test = float(np.std(np.mean(replicas, axis=0)))
    return float(np.mean(values)), math.hypot(spread / math.sqrt(n), test), spread


def resampled_errors(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Errors of the test events alone, for methods with one training: label -> figure with ``_error`` -> value."""
    return {
        label(record): {f"{figure}_error": float(np.std(values)) for figure, values in record["replicas"].items()}
        for record in records
    }


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean figures over the runs of one method, with ``_error`` and ``_std`` as :func:`mean_and_error` has them.

    Raises:
        ConfigError: without a record.
    """
    if not records:
        raise ConfigError("no record of a run to take a mean of")
    row: dict[str, Any] = {"runs": len(records)}
    for figure in records[0]["replicas"]:
        row |= _named(figure, [r[figure] for r in records], [r["replicas"][figure] for r in records])
    return row


def gain(records: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean difference of two methods, paired by seed and test event, with errors as :func:`mean_and_error` has them.

    Runs of one seed share their training events and all share the test events, so most of the spread cancels.

    Raises:
        ConfigError: when no seed has both.
    """
    first = {record["seed"]: record for record in baseline}
    pairs = [(first[record["seed"]], record) for record in records if record["seed"] in first]
    if not pairs:
        names = [" and ".join(sorted({label(record) for record in rows})) or "none" for rows in (records, baseline)]
        raise ConfigError(f"no seed has a training by {names[0]!r} and one by {names[1]!r}")
    row: dict[str, Any] = {"pairs": len(pairs)}
    for figure in pairs[0][1]["replicas"]:
        values = [b[figure] - a[figure] for a, b in pairs]
        replicas = [np.subtract(b["replicas"][figure], a["replicas"][figure]) for a, b in pairs]
        row |= _named(figure, values, replicas)
    return row


def _named(figure: str, values: Sequence[float], replicas: Sequence[Any]) -> dict[str, float | None]:
    value, error, spread = mean_and_error(values, replicas)
    return {figure: value, f"{figure}_error": error, f"{figure}_std": spread}


def label(record: Mapping[str, Any]) -> str:
    """Method and variant of a record as one name: ``scratch``, or ``scratch/better``."""
    return f"{record['method']}/{record['variant']}" if record.get("variant") else str(record["method"])


def compare(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Figures of every method of one task and size, by label, in the order in which they come.

    A method whose record names a ``baseline`` that has runs of the same seeds also has its ``gain`` over that.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        grouped.setdefault(label(record), []).append(record)
    table = {}
    for name, mine in grouped.items():
        table[name] = summarise(mine)
        baseline = grouped.get(mine[0].get("baseline") or "", [])
        if {record["seed"] for record in mine} & {record["seed"] for record in baseline}:
            table[name] |= {"baseline": mine[0]["baseline"], "gain": gain(mine, baseline)}
    return table


def with_error(value: float, error: float | None, digits: int = 2, scale: float = 1.0, sign: bool = False) -> str:
    """A figure as tables print it: ``+1.20 +- 0.30``, and without an error where it has none."""
    text = f"{scale * value:{'+' if sign else ''}.{digits}f}"
    return text if error is None else f"{text} +- {scale * error:.{digits}f}"
