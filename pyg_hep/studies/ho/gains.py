"""Gains over a rival in percentage points: by task, in their mean, and against the events seen in a pretraining."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.evaluation import plots
from pyg_hep.simulation.samples import HO_PRETRAINING, HO_TASKS
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import gain, label, with_error

RIVALS = {"trees": ("trees", "trees/mean"), "trees_on_trees": ("trees/on_trees",), "scratch": ("scratch",)}
"""What networks are set against, by the names in the keys of the summary; of several the better one."""


def power_of_ten(size: int) -> str:
    """``1e3`` for 1,000, and other numbers as they are: how the keys of the summary name a size."""
    return f"1e{round(math.log10(size))}" if math.log10(size) % 1 == 0 else str(size)


def summarise_gains(table: Mapping[str, Any], sizes: Sequence[int], published: Mapping[str, Any]) -> dict[str, Any]:
    """Gains in percentage points of accuracy by task and their mean, for both recipes and every pretraining size.

    The five tasks have different test events: errors of the mean add in quadrature. A mean has an error where every
    gain has one.
    """
    summary: dict[str, Any] = {}
    for size in sizes:
        names = dict.fromkeys(name for rows in table.values() for name in rows.get(size, {}) if name != "trees")
        for name in names:
            gains = {task: rows[size][name]["gain"] for task, rows in table.items()
                     if "gain" in rows.get(size, {}).get(name, {})}  # fmt: skip
            ending = "" if name == "multiclass" else "_" + name.removeprefix("multiclass/").replace("/", "-")
            papers = {task: published[task].get(name, {}).get(size, [None])[0] for task in gains}
            for task, row in gains.items():
                summary[f"gain_{power_of_ten(size)}/{task}{ending}"] = {
                    "value": 100 * row["accuracy"], "error": _percent(row["accuracy_error"]),
                    "published": papers[task], "runs": row["pairs"],
                }  # fmt: skip
            if gains and len(gains) == len(table):
                paper = None if None in papers.values() else float(np.mean(list(papers.values())))
                summary[f"gain_{power_of_ten(size)}_mean{ending}"] = {**mean(list(gains.values())), "published": paper}
    return summary


def over_trees(records: Records, sizes: Sequence[int]) -> dict[str, Any]:
    """Gain in accuracy over boosted trees, by task and in the mean over the tasks, of one method for all tasks.

    The method is that of the group ``folds`` with the highest AUC in its folds of training events, mean over the tasks,
    where it was trained for all of them; test events have no part in the choice. Its rivals are the better of one
    training of the trees and the mean of several (by test events, to their favour), the trees on trees, and the
    published training from scratch.

    Returns:
        Rows ``over_trees_1e3_mean``, ``over_trees_1e3/WH_ZH`` and so on, ``over_trees_on_trees_...`` and
        ``over_scratch_...``; none without the trainings of the folds.
    """
    method = best_in_folds(records)
    if method is None:
        return {}
    summary: dict[str, Any] = {}
    for size in sizes:
        for name, rivals in RIVALS.items():
            compared = {rival: rows for rival in rivals if (rows := against(records, method, rival, size))}
            if not compared:
                continue
            rival = min(compared, key=lambda one: mean(list(compared[one].values()))["value"])
            about = {"published": None, "method": method, "rival": rival}
            for task, row in compared[rival].items():
                summary[f"over_{name}_{power_of_ten(size)}/{task}"] = {
                    "value": 100 * row["accuracy"], "error": _percent(row["accuracy_error"]), "runs": row["pairs"],
                    **about,
                }  # fmt: skip
            summary[f"over_{name}_{power_of_ten(size)}_mean"] = {**mean(list(compared[rival].values())), **about}
    return summary


def against(records: Records, method: str, rival: str, size: int) -> dict[str, dict[str, Any]]:
    """Gain of one method over another by task, both by their labels; nothing where a task has no seed of both."""
    rows = {}
    for task in HO_TASKS:
        mine, theirs = (
            [record for record in records.select(task=task, size=size) if label(record) == name]
            for name in (method, rival)
        )
        if not {record["seed"] for record in mine} & {record["seed"] for record in theirs}:
            return {}
        rows[task] = gain(mine, theirs)
    return rows


def side_by_side(records: Records, sizes: Sequence[int]) -> dict[int, Any]:
    """Print and return what every method gains over the rivals in the mean over the tasks, in percentage points.

    Returns:
        Size -> method -> rival -> ``accuracy`` and ``auc`` with their errors, of what was trained for all tasks.
    """
    result: dict[int, Any] = {}
    for size in sizes:
        labels = dict.fromkeys(label(r) for r in records.records if r["task"] in HO_TASKS and r["size"] == size)
        rivals = [name for names in RIVALS.values() for name in names if name in labels]
        print(
            f"\nMean over the tasks at {size:,d} per class, accuracy and AUC less those of a rival [percentage points]"
        )
        print(f"{'':36s}" + "".join(f"{name:>34s}" for name in rivals))
        result[size] = {}
        for name in labels:
            gains = {rival: against(records, name, rival, size) for rival in rivals if rival != name}
            means = {
                rival: {figure: mean(list(rows.values()), figure) for figure in ("accuracy", "auc")}
                for rival, rows in gains.items()
                if rows
            }
            if means:
                result[size][name] = means
                cells = [_both(means.get(rival)) for rival in rivals]
                print(f"{name:36s}" + "".join(f"{cell:>34s}" for cell in cells))
    return result


def _both(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else ", ".join(with_error(r["value"], r["error"], sign=True) for r in row.values())


def best_in_folds(records: Records) -> str | None:
    """Label of the network method with the highest AUC in its folds, mean over the tasks; None where none has all."""
    areas: dict[str, dict[str, list[float]]] = {}
    for record in records.records:
        task, is_fold, _ = record["task"].partition("-fold-")
        if is_fold and record["method"] != "trees":
            areas.setdefault(label(record), {}).setdefault(task, []).append(record["auc"])
    means = {
        name: float(np.mean([np.mean(values) for values in of_task.values()]))
        for name, of_task in areas.items()
        if set(of_task) == set(HO_TASKS)
    }
    return max(means, key=means.__getitem__) if means else None


def by_events_seen(records: Records, sizes: Sequence[int], output: Path) -> dict[int, Any]:
    r"""Mean gain of linear probes over the published training from scratch against the events seen in a pretraining.

    .. math:: g = a + b \log_2 N, \qquad N = \text{events} \times \text{passes}

    by least squares, without weights: the points share test events and trainings from scratch, so that their errors
    hardly bear on the slope, whose error is that of the scatter around the line. Draws ``events_seen_<size>.png``.

    Returns:
        Size -> ``points`` (N -> gain, error, events and passes), and of three points or more ``per_doubling`` (b) and
        ``next``, the gain that the line has at twice the most events.
    """
    result: dict[int, Any] = {}
    for size in sizes:
        probes = {label(r): r for r in records.select(size=size) if r.get("pretraining_epochs") and _is_probe(r)}
        points = {}
        for name, record in probes.items():
            if rows := against(records, name, "scratch", size):
                events, passes = record["pretraining_events"] * len(HO_PRETRAINING), record["pretraining_epochs"]
                points[events * passes] = {**mean(list(rows.values())), "events": events, "passes": passes}
        if not points:
            continue
        points = dict(sorted(points.items()))
        result[size] = {"points": points, **(_line(points) if len(points) > 2 else {})}
        for seen, row in points.items():
            text = with_error(row["value"], row["error"], sign=True)
            print(f"{size:,d} per class: {seen:,d} events seen ({row['events']:,d} x {row['passes']}): gain {text}")
        if "next" in result[size]:
            slope, after = result[size]["per_doubling"], result[size]["next"]
            print(f"{with_error(slope['value'], slope['error'], sign=True)} per doubling; "
                  f"{after['value']:+.2f} expected of {after['events_seen']:,d} events")  # fmt: skip
        curve = {"linear probe": {seen: (row["value"], row["error"]) for seen, row in points.items()}}
        plots.plot_curves(
            curve, output / f"events_seen_{size}.png", "mean gain over training from scratch [percentage points]",
            horizontal="events seen in pretraining",
        )  # fmt: skip
    return result


def _is_probe(record: Mapping[str, Any]) -> bool:
    return str(record["variant"]).partition("-")[0] == "probe"


def _line(points: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    from scipy.stats import linregress

    line = linregress(np.log2(list(points)), [row["value"] for row in points.values()])
    seen = 2 * max(points)
    value = float(line.intercept + line.slope * math.log2(seen))
    slope = {"value": float(line.slope), "error": float(line.stderr)}
    return {"per_doubling": slope, "next": {"events_seen": seen, "value": value}}


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def mean(gains: Sequence[Mapping[str, Any]], figure: str = "accuracy") -> dict[str, Any]:
    """Mean gain in a figure over tasks in percentage points, with its error where every gain has one."""
    errors = [row[f"{figure}_error"] for row in gains]
    error = None if None in errors else 100 * math.hypot(*errors) / len(errors)
    return {"value": 100 * float(np.mean([row[figure] for row in gains])), "error": error}
